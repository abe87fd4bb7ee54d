"""Word vectors beside gensim's: how well they agree with people, and how fast they are trained.

    python -m benchmarks.word2vec --data ~/.cache/kerasmlsp/data/imdb/train.csv
    python -m benchmarks.word2vec --data reviews.csv --part speed --words 500000 --rounds 5

Parts:
  quality  both trained for `--epochs` on the whole file: Spearman's correlation with WordSim353, and the share of the
           analogies of questions-words
  speed    words per second of the two in turns, each for one epoch on the first `--words` words

Learning rates are gensim's default, and for ours the better of two, since its steps are others: our negatives are
shared by a row, and the gradient of the mean of a continuous bag is divided by the number of its words, as the formula
says.
Same vocabulary, size, window, negatives, frequent-word threshold and epochs for both; gensim uses `--workers` threads.
Words per second are those of the file, before frequent ones are dropped. Per second of the clock and, since other
programs may hold the processor, per second of processor time of all threads.
"""

import argparse
import csv
import dataclasses
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.ratios import compare, in_turns, table

FIRST_WORD = 2  # ids before are padding and unknown words


def read_words(path, column, min_count):
    """Returns the texts of a table as arrays of ids without unknown words, and the words by frequency."""
    import numpy as np
    import tensorflow as tf

    from kerasmlsp.data import text

    csv.field_size_limit(10**9)
    with open(path, newline="", encoding="utf-8") as file:
        texts = [row[column] for row in csv.DictReader(file)]
    counts = text.count_words(texts)
    words = text.vocabulary(counts, len(counts) + FIRST_WORD, min_count=min_count)
    lookup, ids = text.lookup(words), []
    for start in range(0, len(texts), 1000):
        ids += lookup(text.tokenize(tf.constant(texts[start : start + 1000]))).to_list()
    return [np.array([i for i in row if i >= FIRST_WORD], np.int32) for row in ids], words


def keras_trainer(texts, vocabulary_size, options, seed=0):
    """Returns the model and a function that trains it for some epochs; its first call compiles."""
    import keras

    from kerasmlsp import losses, models
    from kerasmlsp.targets import word2vec

    keras.utils.set_random_seed(seed)
    model = getattr(models, options.model)(vocabulary_size, embedding_dim=options.size)
    batches = word2vec.TrainingBatches(
        texts,
        word2vec.word_counts(texts, vocabulary_size),
        cbow=options.model == "cbow",
        window=options.window,
        block=options.block,
        shared=options.shared,
        batch_size=options.batch_size,
        threshold=options.threshold,
        seed=seed,
    )

    steps = options.epochs * batches.num_batches
    rate = keras.optimizers.schedules.PolynomialDecay(options.rate, steps, options.rate / 250)
    model.compile(keras.optimizers.SGD(rate), losses.NegativeSampling(options.negatives), steps_per_execution=32)
    return model, lambda epochs: model.fit(batches, epochs=epochs, shuffle=False, verbose=0)


def gensim_trainer(texts, words, options, seed=1):
    """Returns gensim's model and a function that trains it for some epochs."""
    from gensim.models import Word2Vec

    names = ["", "", *words]
    sentences = [[names[i] for i in text] for text in texts]
    model = Word2Vec(
        vector_size=options.size,
        window=options.window,
        negative=options.negatives,
        sample=options.threshold,
        alpha=options.gensim_rate,
        sg=int(options.model == "skip_gram"),
        min_count=1,
        workers=options.workers,
        seed=seed,
    )
    model.build_vocab(sentences)
    return model, lambda epochs: model.train(sentences, total_examples=len(sentences), epochs=epochs)


def scores(words, vectors, folder):
    """Correlation with WordSim353 and share of right analogies."""
    from kerasmlsp.targets import word2vec

    pairs, judgements = word2vec.read_similarities(folder / "wordsim353.tsv")
    kinds = word2vec.read_analogies(folder / "questions-words.txt")
    questions = [question for kind in kinds.values() for question in kind]
    return {
        "WordSim353": word2vec.similarity_correlation(words, vectors, pairs, judgements),
        "analogies": word2vec.analogy_accuracy(words, vectors, questions),
    }


def measure_quality(options):
    """Both on the whole file, each for all its epochs, once for every seed."""
    texts, words = read_words(options.data, options.column, options.min_count)
    ours, theirs = [], []
    for seed in range(options.seeds):
        model, train = keras_trainer(texts, len(words) + FIRST_WORD, options, seed)
        train(options.epochs)
        vectors = model.get_layer("word_vectors").get_weights()[0][FIRST_WORD:]
        ours.append(scores(words, vectors, options.evaluation))
        peer, train = gensim_trainer(texts, words, options, seed + 1)
        train(options.epochs)
        theirs.append(scores(words, peer.wv[words], options.evaluation))
    rows = []
    for name, (_, number) in ours[0].items():
        values = [[each[name][0] for each in side] for side in (ours, theirs)]
        rows.append(compare(f"{options.model}, {name} ({number:,}), {options.epochs} epochs", *values, ">= 1"))
    return rows


def measure_speed(options):
    """One epoch each in turns, on the beginning of the file."""
    import numpy as np

    texts, words = read_words(options.data, options.column, options.min_count)
    ends = np.cumsum([len(text) for text in texts])
    texts = texts[: int(np.searchsorted(ends, options.words)) + 1]
    number = sum(map(len, texts))
    jobs = {
        "ours": keras_trainer(texts, len(words) + FIRST_WORD, options)[1],
        "gensim": gensim_trainer(texts, words, options)[1],
    }

    def job(train):
        clock, processor = time.perf_counter(), time.process_time()
        train(1)
        return number / (time.perf_counter() - clock), number / (time.process_time() - processor)

    jobs["ours"](1)
    values = in_turns({name: lambda train=train: job(train) for name, train in jobs.items()}, options.rounds)
    return [
        compare(
            f"{options.model}, words/s {unit}",
            [each[i] for each in values["ours"]],
            [each[i] for each in values["gensim"]],
            ">= 1",
        )
        for i, unit in enumerate(("of the clock", "of processor time"))
    ]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="~/.cache/kerasmlsp/data/imdb/train.csv", help="table of texts")
    parser.add_argument("--column", default="text", help="its column of texts (default: %(default)s)")
    parser.add_argument("--evaluation", default="~/.cache/kerasmlsp/data/word_eval", help="folder of the word tests")
    parser.add_argument("--part", choices=["quality", "speed"], help="only this part")
    parser.add_argument("--model", choices=["skip_gram", "cbow"], default="skip_gram", help="(default: %(default)s)")
    numbers = {
        "epochs": (5, "epochs of quality"),
        "seeds": (1, "seeds of quality"),
        "words": (500_000, "words of speed"),
        "rounds": (5, "pairs of speed"),
        "size": (100, "size of a vector"),
        "window": (5, "words on either side"),
        "negatives": (5, "negatives of a pair"),
        "threshold": (1e-3, "for frequent words"),
        "min-count": (5, "of a word"),
        "rate": (0.04, "our learning rate; for cbow 0.05 was better than 0.025"),
        "gensim-rate": (0.025, "gensim's"),
        "block": (16, "centres in a row"),
        "shared": (32, "negatives of a row"),
        "batch-size": (32, "rows of a batch"),
        "workers": (2, "threads of gensim"),
    }
    for name, (default, what) in numbers.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{what} (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    options.data, options.evaluation = Path(options.data).expanduser(), Path(options.evaluation).expanduser()
    for path in (options.data, options.evaluation):
        if not path.exists():
            parser.exit(1, f"{path} is not there: name it with --data or --evaluation.\n")

    # TensorFlow reads it once, while it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    rows = []
    try:
        for part, measure in (("quality", measure_quality), ("speed", measure_speed)):
            if options.part in (None, part):
                rows += measure(options)
    except ModuleNotFoundError as error:
        parser.exit(1, f"{error}; pip install -e '.[benchmark]'\n")
    print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2) if options.json else table(rows))


if __name__ == "__main__":
    sys.exit(main())
