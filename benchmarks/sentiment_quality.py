"""Every sentiment architecture on one test set, beside scikit-learn's naive-Bayes SVM.

    python -m benchmarks.sentiment_quality --train imdb/train.csv --test imdb/test.csv --runs runs/benchmark

Runs that are there already are taken up where they were stopped, so the command can be killed and repeated. The first
architecture is trained with every seed, the others with seed 0 only, for orientation. Selection and calibration use
held-out training texts; the test texts are looked at once per run.
"""

import argparse
import csv
import json
import os
import statistics
import time
from pathlib import Path

from benchmarks.ratios import markdown

SENTENCES = Path(__file__).with_name("one_sentence_reviews.csv")


def naive_bayes_svm(train):
    """Fits scikit-learn's linear SVM on naive-Bayes-weighted uni- and bigrams (Wang and Manning 2012).

    Returns:
        Function from texts to predicted labels.
    """
    import numpy as np
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.svm import LinearSVC

    texts, labels = train
    classes = sorted(set(labels))
    if len(classes) != 2:
        raise ValueError(f"The naive-Bayes SVM takes two classes. Received: {classes}")
    vectorizer = CountVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b|[^\w\s]", min_df=2, binary=True)
    present = vectorizer.fit_transform(texts).astype("float64")
    positive = np.array(labels) == classes[1]
    counts = [np.asarray(present[rows].sum(0)).ravel() + 1 for rows in (positive, ~positive)]
    ratio = np.log(counts[0] / counts[0].sum()) - np.log(counts[1] / counts[1].sum())
    machine = LinearSVC(C=0.01).fit(present.multiply(ratio).tocsr(), positive)
    return lambda texts: [
        classes[int(each)] for each in machine.predict(vectorizer.transform(texts).multiply(ratio).tocsr())
    ]


def _score(predicted, labels):
    return sum(a == b for a, b in zip(predicted, labels, strict=True)) / len(labels)


def baseline_row(train, test, sentences, shorten):
    started = time.perf_counter()
    predict = naive_bayes_svm(train)
    seconds = time.perf_counter() - started
    short, ones = predict(shorten(test[0])), predict(sentences[0])
    return {
        "architecture": "scikit-learn NB-SVM",
        "seed": "-",
        "accuracy": _score(predict(test[0]), test[1]),
        "short": _score(short, test[1]),
        "short positive": short.count("pos") / len(short),
        "sentences": _score(ones, sentences[1]),
        "sentences positive": ones.count("pos") / len(ones),
        "minutes": seconds / 60,
    }


def run_row(architecture, seed, folder, train_path, test_path, sentences):
    """Trains and measures one run, or reads what an earlier command measured."""
    from kerasmlsp.apps.sentiment import evaluate, train
    from kerasmlsp.apps.sentiment.config import Config

    record = folder / "benchmark.json"
    if not record.exists():
        config = Config(
            architecture=architecture,
            seed=seed,
            # Neighbours in this file review the same film; the test set's films are others.
            holdout_blocks=5,
            data=os.path.abspath(train_path),
            exclude=os.path.abspath(test_path),
        )
        started = time.perf_counter()
        train.train(config, folder, resume=(folder / "config.json").exists())
        minutes = (time.perf_counter() - started) / 60
        result = evaluate.evaluate(folder, test_path)
        model, words, stored = evaluate.load(folder)
        chosen = evaluate.predict(model, sentences[0], words, stored["max_tokens"]).argmax(1)
        ones = [stored["classes"][k] for k in chosen]
        row = {
            "architecture": architecture,
            "seed": seed,
            "accuracy": result["metrics"]["accuracy"]["value"],
            "short": result["short"]["metrics"]["accuracy"]["value"],
            "short positive": result["short"]["shares"]["pos"]["predicted"],
            "sentences": _score(ones, sentences[1]),
            "sentences positive": ones.count("pos") / len(ones),
            "minutes": minutes,
        }
        record.write_text(json.dumps(row))
    return json.loads(record.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True, help="CSV with the columns text and label (neg, pos)")
    parser.add_argument("--test", required=True, help="the same, to measure on")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark"), help="folder of the runs")
    parser.add_argument("--architectures", default="ensemble,ngrams,lstm,attention-lstm,cnn,transformer")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the first architecture")
    options = parser.parse_args()

    from kerasmlsp.apps.sentiment import data
    from kerasmlsp.data import splits

    with open(SENTENCES, newline="") as file:
        pairs = list(csv.DictReader(file))
    sentences = [row["text"] for row in pairs], [row["label"] for row in pairs]
    test = data.read(options.test)
    texts, labels = data.read(options.train)
    kept = splits.without(splits.text_keys(texts), splits.text_keys(test[0]))
    train = [texts[i] for i in kept], [labels[i] for i in kept]
    first, *others = options.architectures.split(",")
    jobs = [(first, seed) for seed in range(options.seeds)] + [(each, 0) for each in others]
    rows = []
    for architecture, seed in jobs:
        folder = options.runs / f"{architecture}-{seed}"
        rows.append(run_row(architecture, seed, folder, options.train, options.test, sentences))
        print(markdown(rows[-1:], ".2%", minutes=".1f"), flush=True)
    rows.append(baseline_row(train, test, sentences, lambda each: data.shortened(each, 20)))
    mean = statistics.mean(row["accuracy"] for row in rows[: options.seeds])
    print("\n" + markdown(rows, ".2%", minutes=".1f"))
    print(f"\n{first}: mean accuracy {100 * mean:.2f} % over {options.seeds} seeds.")


if __name__ == "__main__":
    main()
