"""Labels for texts, with nothing but the saved model."""

import csv
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasmlsp import classification
from kerasmlsp.data import tables
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

# Rows read at a time; of these, `BATCH` of about the same length are answered in one call.
CHUNK, BATCH = 4096, 32
# A recurrent net is one step after the other, so that one call keeps hardly more than one core busy.
THREADS = min(os.cpu_count() or 1, 8)


def predict_texts(
    model: "SavedModel", texts: Iterable[str], *, reject_below: float | None = None
) -> list[dict[str, Any]]:
    """Classifies texts.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        texts: List of strings, pandas column or NumPy array.
        reject_below: Confidence below which an answer is unsure; None for the one that the saved model has.

    Returns:
        List of dicts of `text` and what `classification.rows` gives.

    Raises:
        ValueError: A text is missing, or the model card does not name the classes.
    """
    classes, texts = classification.classes_of(model), list(texts)
    if reject_below is None:
        reject_below = classification.reject_below(model)
    # Neighbours in length share a batch, so that hardly any time goes into padding.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]) if isinstance(texts[i], str) else 0)
    parts = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    results: list[Any] = [None] * len(texts)
    with ThreadPoolExecutor(THREADS) as pool:
        call = pool.map if len(parts) > 1 else map
        for part, answers in zip(parts, call(lambda part: model(text=[texts[i] for i in part]), parts), strict=True):
            for place, row in zip(part, classification.rows(answers, classes, reject_below), strict=True):
                results[place] = {"text": texts[place], **row}
    return results


def explain(model: "SavedModel", texts: Iterable[str], *, reject_below: float | None = None) -> list[dict[str, Any]]:
    """Classifies texts, each with `attention`: its tokens in order, with the weight that each of them got.

    Args:
        model, texts, reject_below: As of `predict_texts`.

    Raises:
        ValueError: The saved model has no attention.
    """
    if "explain" not in model.endpoints:
        raise ValueError(
            "This saved model has no attention to show: train `--architecture attention-lstm` or ensemble."
        )
    rows = predict_texts(model, texts, reject_below=reject_below)
    for row in rows:
        answer = model.call("explain", text=[row["text"]])
        pairs = zip(answer["tokens"][0], answer["attention"][0].tolist(), strict=True)
        row["attention"] = [(token.decode(), weight) for token, weight in pairs if token]
    return rows


def predict_file(
    model: "SavedModel",
    path: str | Path,
    output: str | Path,
    *,
    text_column: str | None = None,
    encoding: str = "utf-8",
    reject_below: float | None = None,
) -> dict[str, Any]:
    """Classifies a column of a table of any size and writes the table with the answers beside it, as CSV.

    The file is read, answered and written in pieces, and `output` appears only when it is whole.

    Args:
        model: A loaded saved model.
        path: CSV, TSV, JSON Lines, Parquet or Excel.
        output: CSV file to write: the columns of `path`, then `predicted`, `unsure` (yes or no) and `p_<class>`.
        text_column: Column to read; None for the one that was trained on.
        encoding: That of `path`; `output` is UTF-8.
        reject_below: As of `predict_texts`.

    Returns:
        Dict of `rows`, how many of them are `without text`, whose answer is blank, `output`, how many texts got
        each label, and how many answers are `unsure`.

    Raises:
        ValueError: The column is not there.
    """
    text_column = text_column or trained_column(model.card)
    counts, unsure = dict.fromkeys(classification.classes_of(model), 0), [0]

    def write(place):
        rows = blank = 0
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            for table in tables.read_table(path, chunk_size=CHUNK, encoding=encoding):
                texts = _texts(table, text_column, path)
                answered = iter(predict_texts(model, [text for text in texts if text], reject_below=reject_below))
                if not rows:
                    writer.writerow([*table.columns, "predicted", "unsure", *(f"p_{name}" for name in counts)])
                whole = table.astype(object).where(table.notna(), None)  # else a missing cell would become "nan"
                for cells, text in zip(whole.itertuples(index=False, name=None), texts, strict=True):
                    if not text:
                        writer.writerow([*cells, *[None] * (2 + len(counts))])
                        blank += 1
                        continue
                    answer = next(answered)
                    told = [answer["label"], "yes" if answer["unsure"] else "no"]
                    writer.writerow([*cells, *told, *(f"{p:.6f}" for p in answer["probabilities"].values())])
                    counts[answer["label"]] += 1
                    unsure[0] += answer["unsure"]
                rows += len(table)
        return rows, blank

    rows, blank = write_atomically(output, write)
    return {"rows": rows, "without text": blank, "output": str(Path(output)), "labels": counts, "unsure": unsure[0]}


def trained_column(card: Mapping[str, Any]) -> str:
    """Returns the column of texts that a saved model was trained on, as its card has it."""
    trained = card.get("training")
    return (trained.get("text_column") if isinstance(trained, dict) else None) or "text"


def _texts(table, column, path):
    """The texts of a column; "" where there is none, as in rows that training leaves out."""
    tables.check_columns(path, table.columns, text_column=column)
    cells = zip(table[column].astype(object), table[column].isna(), strict=True)
    texts = ["" if missing else str(cell) for cell, missing in cells]
    return [text if text.strip() else "" for text in texts]
