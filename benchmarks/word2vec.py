"""Word vectors beside gensim's: how well they agree with people, and how fast they are trained.

    python -m benchmarks.word2vec --data ~/.cache/kerasmlsp/data/imdb/train.csv --seeds 3
    python -m benchmarks.word2vec --data reviews.csv --part speed --words 2000000 --rounds 5 --model cbow

Parts:
  quality  both trained for `--epochs` on the whole file, once for every seed: Spearman's correlation with WordSim353
           and SimLex999, and the share of the analogies of questions-words; beside them vectors by counting (PMI and
           singular value decomposition), which have no seed
  speed    words per second of the two in turns, each for one epoch on the first `--words` words

Same words, size, window, negatives, frequent-word threshold and epochs for both, and for skip-gram the same learning
rate. For the continuous bag of words they differ: ours descends by the gradient of the mean, while gensim adds to every
word of a window what belongs to their mean. `--rate` and `--gensim-rate` set them; gensim uses `--workers` threads.
Words per second are those of the file, before frequent ones are dropped. Per second of the clock and, since other
programs may hold the processor, per second of processor time of all threads.
"""

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.ratios import Row, compare, in_turns, table


def read_words(path, column, min_count):
    """Returns the texts of a table as words."""
    from kerasmlsp.data import corpus

    return corpus.of_texts(corpus.read_texts(path, text_column=column), min_count=min_count)


def first_words(words, number):
    """The texts with about the first `number` words, with the vocabulary of all."""
    import numpy as np

    last = int(np.searchsorted(words.starts, number))
    starts = words.starts[: last + 1]
    return dataclasses.replace(words, ids=words.ids[: starts[-1]], starts=starts)


def keras_trainer(words, options, seed=0):
    """Returns the trainer and a function that trains it for some epochs; its first call compiles."""
    import keras

    from kerasmlsp import models
    from kerasmlsp.apps.embed.config import RECIPES
    from kerasmlsp.models.word_blocks import WordBlockTrainer
    from kerasmlsp.targets.word_blocks import WordBlocks

    keras.utils.set_random_seed(seed)
    net = getattr(models, options.model)(len(words.counts_by_id), embedding_dim=options.size)
    own = RECIPES[options.model.replace("_", "-")]
    sizes = {"window": options.window, **{name: getattr(options, name) or own[name] for name in ("block", "shared")}}
    trainer = WordBlockTrainer(net, **sizes, negatives=options.negatives)
    blocks = WordBlocks(
        words.ids,
        words.starts,
        words.counts_by_id,
        **sizes,
        rows=options.rows or own["batch_size"],
        groups=options.groups,
        threshold=options.threshold,
        seed=seed,
    )
    steps, peak = options.epochs * blocks.num_batches, options.rate or own["learning_rate"]
    rate = keras.optimizers.schedules.PolynomialDecay(peak, steps, peak / 250)
    trainer.compile(keras.optimizers.SGD(rate), jit_compile=False)
    done = [0]

    def train(epochs):
        trainer.fit(blocks.dataset(lambda: (done[0], 0)), epochs=1, shuffle=False, verbose=0)
        done[0] += 1
        if epochs > 1:
            train(epochs - 1)

    return trainer, train


def gensim_trainer(words, options, seed=1):
    """Returns gensim's model and a function that trains it for some epochs."""
    from gensim.models import Word2Vec

    names = ["", "", *words.words]
    cuts = zip(words.starts, words.starts[1:], strict=False)
    sentences = [[names[i] for i in words.ids[begin:end]] for begin, end in cuts]
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
    # As often as the rate says, which falls over all epochs of a call.
    return model, lambda epochs: model.train(sentences, total_examples=len(sentences), epochs=epochs)


def pmi_vectors(words, options):
    """Vectors by counting: positive pointwise mutual information, and its singular value decomposition.

    Near words weigh more, as by drawn windows; random words are as frequent as by the power of 3/4; the singular values
    count by their root.

    Reference: Levy, Goldberg and Dagan 2015, "Improving Distributional Similarity with Lessons Learned from Word
    Embeddings".
    """
    import numpy as np
    from scipy import sparse
    from scipy.sparse.linalg import svds

    size, ids = len(words.words), words.ids - 2
    text = np.repeat(np.arange(len(words.starts) - 1), np.diff(words.starts))
    counts = sparse.csr_matrix((size, size), dtype=np.float64)
    for apart in range(1, options.window + 1):
        together = text[apart:] == text[:-apart]
        weights = np.full(int(together.sum()), 1 - (apart - 1) / options.window)
        counts += sparse.csr_matrix((weights, (ids[apart:][together], ids[:-apart][together])), (size, size))
    counts = (counts + counts.T).tocoo()
    rows = np.asarray(counts.sum(1)).ravel()
    columns = rows**0.75 / (rows**0.75).sum()
    information = np.log(counts.data / (rows[counts.row] * columns[counts.col]))
    kept = information > 0
    matrix = sparse.csr_matrix((information[kept], (counts.row[kept], counts.col[kept])), (size, size))
    left, values, _ = svds(matrix, options.size, random_state=0)
    return left * np.sqrt(values)


def scores(words, vectors, folder):
    """Correlations with WordSim353 and SimLex999, and share of right analogies; each with the number it is of."""
    from kerasmlsp.metrics import words as measures

    kinds = measures.read_analogies(folder / "questions-words.txt")
    questions = [question for kind in kinds.values() for question in kind]
    judged = {"WordSim353": "wordsim353.tsv", "SimLex999": "simlex999.txt"}
    files = {name: measures.read_similarities(folder / file) for name, file in judged.items()}
    found = {name: measures.similarity_correlation(words, vectors, *each) for name, each in files.items()}
    return {**found, "analogies": measures.analogy_accuracy(words, vectors, questions)}


def measure_quality(options):
    """Both on the whole file, each for all its epochs, once for every seed; then vectors by counting."""
    words = read_words(options.data, options.column, options.min_count)
    ours, theirs = [], []
    for seed in range(options.seeds):
        trainer, train = keras_trainer(words, options, seed)
        train(options.epochs)
        vectors = trainer.vectors.get_weights()[0][2:]
        ours.append(scores(words.words, vectors, options.evaluation))
        print(f"seed {seed}, ours: {ours[-1]}", file=sys.stderr)
        if not options.alone:
            peer, train = gensim_trainer(words, options, seed + 1)
            train(options.epochs)
            theirs.append(scores(words.words, peer.wv[words.words], options.evaluation))
            print(f"seed {seed}, gensim: {theirs[-1]}", file=sys.stderr)
    rows = []
    for name, (_, number) in ours[0].items():
        values = [[each[name][0] for each in side] for side in (ours, theirs)]
        title = f"{options.model}, {name} ({number:,}), {options.epochs} epochs, {options.seeds} seeds"
        rows.append(compare(title, values[0], values[1] or None, ">= 1" if theirs else None))
    if not options.alone:
        counted = scores(words.words, pmi_vectors(words, options), options.evaluation)
        rows += [Row(f"PMI and SVD, {name} ({number:,})", value) for name, (value, number) in counted.items()]
    return rows


def measure_speed(options):
    """One epoch each in turns, on the beginning of the file."""
    words = first_words(read_words(options.data, options.column, options.min_count), options.words)
    number = len(words.ids)
    jobs = {"ours": keras_trainer(words, options)[1], "gensim": gensim_trainer(words, options)[1]}

    def job(train):
        clock, processor = time.perf_counter(), time.process_time()
        train(1)
        return number / (time.perf_counter() - clock), number / (time.process_time() - processor)

    jobs["ours"](1)
    values = in_turns({name: lambda train=train: job(train) for name, train in jobs.items()}, options.rounds)
    target = ">= 1" if options.model == "skip_gram" else ">= 0.8"
    return [
        compare(
            f"{options.model}, words/s {unit}",
            [each[i] for each in values["ours"]],
            [each[i] for each in values["gensim"]],
            target,
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
        "words": (2_000_000, "words of speed"),
        "rounds": (5, "pairs of speed"),
        "size": (100, "size of a vector"),
        "window": (5, "words on either side"),
        "negatives": (5, "negatives of a pair"),
        "threshold": (1e-3, "for frequent words"),
        "min-count": (5, "of a word"),
        "rate": (0.0, "our learning rate; 0 for that of the application"),
        "gensim-rate": (0.025, "gensim's"),
        "block": (0, "centres in a row; 0 for the application's"),
        "shared": (0, "negatives of a row; 0 for the application's"),
        "rows": (0, "rows that are learned at once; 0 for the application's"),
        "groups": (32, "of these in a batch"),
        "workers": (2, "threads of gensim"),
    }
    for name, (default, what) in numbers.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{what} (default: %(default)s)")
    parser.add_argument("--alone", action="store_true", help="quality of ours only")
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
