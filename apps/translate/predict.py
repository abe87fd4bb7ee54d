"""Translations of texts, with nothing but the saved model."""

import csv
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.data import tables
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

# Lines read at a time; of these, `BATCH` of about the same length are translated in one call.
CHUNK, BATCH = 1024, 32
# A translation is one small step after the other, so that one call keeps hardly more than one core busy.
THREADS = min(os.cpu_count() or 1, 8)
_SENTENCE_END = re.compile(r"(?<=[.!?;\u2026])\s+|(?<=[.!?\u2026][\"')\]])\s+|(?<=[\u3002\uff01\uff1f])")


def translate(model: "SavedModel", texts: Iterable[str], *, greedy: bool = False) -> list[dict[str, Any]]:
    """Translates texts.

    A text of which the model cannot read the end is parted, between sentences if there are several, and the
    translations of its parts are joined.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        texts: List of strings.
        greedy: Whether to take the likeliest unit each time, which is faster.

    Returns:
        List of dicts of `text`, `translation`, `score` (the mean of its parts), and `parts`, their number.
    """
    texts, endpoint = list(texts), "greedy" if greedy else "serving_default"
    # By row and, within it, by which part of which part it is: in the order of the text.
    found: dict[tuple[int, ...], tuple[str, float]] = {}
    left = {(row,): text for row, text in enumerate(texts)}
    while left:
        longer = {}
        for key, (translation, score, cut) in zip(left, _answers(model, list(left.values()), endpoint), strict=True):
            if cut:
                longer |= {(*key, number): part for number, part in enumerate(parted(left[key]))}
            else:
                found[key] = (translation, score)
        left = longer
    rows = []
    for row, keys in itertools.groupby(sorted(found), key=lambda key: key[0]):
        lines, scores = zip(*(found[key] for key in keys), strict=True)
        joined = " ".join(line for line in lines if line)
        rows.append({"text": texts[row], "translation": joined, "score": float(np.mean(scores)), "parts": len(lines)})
    return rows


def _answers(model, texts: Sequence[str], endpoint):
    """Translation, score and whether it was cut, of each text; neighbours in length share a batch."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    parts = [order[begin : begin + BATCH] for begin in range(0, len(order), BATCH)]
    answers: list[Any] = [None] * len(texts)
    with ThreadPoolExecutor(THREADS) as pool:
        call = pool.map if len(parts) > 1 else map
        found = call(lambda part: model.call(endpoint, text=[texts[i] for i in part]), parts)
        for part, answer in zip(parts, found, strict=True):
            lines = (line.decode() for line in answer["translation"])
            for place, *each in zip(part, lines, answer["score"].tolist(), answer["cut"].tolist(), strict=True):
                answers[place] = each
    return answers


def parted(text: str) -> list[str]:
    """Parts a text between its sentences; one sentence between words near its middle, or else between characters.

    Example:
        >>> parted("One. Two, three and four. Five.")
        ['One.', 'Two, three and four.', 'Five.']
        >>> parted("one two three four")
        ['one two', 'three four']
    """
    text = text.strip()
    sentences = [part for part in _SENTENCE_END.split(text) if part]
    if len(sentences) > 1:
        return sentences
    middle = len(text) // 2
    places = [match.end() for match in re.finditer(r"\s+", text)]
    place = min(places, key=lambda each: abs(each - middle), default=middle)
    return [text[:place].strip(), text[place:].strip()]


def translate_lines(model: "SavedModel", lines: Iterable[str], *, greedy: bool = False) -> Iterator[dict[str, Any]]:
    """Yields what `translate` says of each line, of any number of them; blank ones stay blank.

    Args:
        model, greedy: As of `translate`.
        lines: Strings.
    """
    lines = iter(lines)
    while chunk := list(itertools.islice(lines, CHUNK)):
        told = iter(translate(model, [line for line in chunk if line.strip()], greedy=greedy))
        for line in chunk:
            yield next(told) if line.strip() else {"text": line, "translation": "", "score": 0.0, "parts": 0}


def translate_file(
    model: "SavedModel", path: str | Path, output: str | Path, *, encoding: str = "utf-8", greedy: bool = False
) -> dict[str, Any]:
    """Translates a text file of any length line by line; the file of translations appears only when it is whole.

    Args:
        model, greedy: As of `translate`.
        path: Text file, plain or compressed.
        output: File to write, UTF-8: a line for each line, blank where that is blank.
        encoding: That of `path`.

    Returns:
        Dict of `lines`, how many of them are `blank`, and `output`.
    """

    def write(place):
        lines = blank = 0
        with open(place, "w", encoding="utf-8", newline="\n") as file:
            for row in translate_lines(model, tables.read_lines(path, encoding=encoding), greedy=greedy):
                file.write(row["translation"] + "\n")
                lines, blank = lines + 1, blank + (row["parts"] == 0)
        return lines, blank

    lines, blank = write_atomically(output, write)
    return {"lines": lines, "blank": blank, "output": str(Path(output))}


def write_table(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Writes translations as CSV: text, translation and score."""

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "translation", "score"])
            writer.writerows([row["text"], row["translation"], f"{row['score']:.6f}"] for row in rows)

    write_atomically(path, write)


def explain(model: "SavedModel", text: str) -> dict[str, Any]:
    """Translates one text, with where the net looked.

    Args:
        model: A loaded saved model.
        text: The text.

    Returns:
        Dict of `text`, `translation`, `source_units` and `target_units`, lists of strings, and `attention`
        `(target, source)`.

    Raises:
        ValueError: The saved model has no attention, or there is nothing to translate.
    """
    if "explain" not in model.endpoints:
        raise ValueError(
            "This saved model has no attention to show: train another `--architecture` than encoder-decoder."
        )
    answer = model.call("explain", text=[text])
    source, target = ([unit.decode() for unit in answer[f"{side}_units"][0] if unit] for side in ("source", "target"))
    if not target:
        raise ValueError(f"`texts` must hold a text with something to translate. Received: {text!r}")
    weights = answer["attention"][0, : len(target), : len(source)]
    found = {"text": text, "translation": answer["translation"][0].decode()}
    return {**found, "source_units": source, "target_units": target, "attention": weights}


def draw(row: dict[str, Any], path: Path) -> None:
    """Draws the alignment matrix of what `explain` says."""
    from kerasmlsp import plotting

    source, target = row["source_units"], row["target_units"]
    # The end of the sentence, which nets look at where nothing else helps.
    source = [*source[:-1], "end"]
    write_atomically(path, lambda place: plotting.alignment(source, target, row["attention"], place))
