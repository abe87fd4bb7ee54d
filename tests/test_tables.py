"""Tables from files of every kind, whole, in pieces and damaged."""

import bz2
import gzip
import json
import lzma
import random
import zipfile

import pandas as pd
import pytest

from kerasmlsp import tables

NOISE = random.Random(0).randbytes(9999).hex().encode()
CSV = 'text,label\nNA,001\n"two\nlines, quoted",1.0\nnull,None\n,2\n'
TEXTS = ["NA", "two\nlines, quoted", "null", None]


def write(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def cells(column):
    return [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]


def zipped(content):
    import io

    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        archive.writestr("data.csv", content)
    return buffer.getvalue()


def with_password(archive):
    """Sets the bit that says "encrypted" in both headers of a one-file archive; zipfile cannot write such a file."""
    archive = bytearray(archive)
    archive[archive.index(b"PK\x03\x04") + 6] |= 1
    archive[archive.index(b"PK\x01\x02") + 8] |= 1
    return bytes(archive)


def zstd(content):
    import pyarrow as pa

    with pa.CompressedOutputStream(sink := pa.BufferOutputStream(), "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.csv", CSV.encode()),
        ("bom.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("DATA.CSV", CSV.replace("\n", "\r\n").encode()),
        ("data.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("data.csv.bz2", bz2.compress(CSV.encode())),
        ("data.csv.xz", lzma.compress(CSV.encode())),
        ("data.csv.zip", zipped(CSV.encode())),
        ("data.csv.zst", zstd(CSV.encode())),
    ],
)
def test_every_cell_of_a_csv_is_text_as_written(tmp_path, name, content):
    table = tables.read_table(write(tmp_path / name, content))
    assert [text and text.replace("\r", "") for text in cells(table.text)] == TEXTS
    assert cells(table.label) == ["001", "1.0", "None", "2"]


def test_tsv(tmp_path):
    table = tables.read_table(write(tmp_path / "a.tsv", "text\tlabel\na, b\t0\n"))
    assert table.values.tolist() == [["a, b", "0"]]


def test_json_lines_keep_their_types(tmp_path):
    rows = [{"text": "NA", "label": 1}, {"text": "é\n", "label": None}, {"text": "001", "label": 2}]
    table = tables.read_table(write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n"))
    assert cells(table.text) == ["NA", "é\n", "001"]
    assert cells(table.label) == [1, None, 2]


def test_parquet_keeps_integers_beside_missing_values(tmp_path):
    frame = pd.DataFrame({"text": ["NA", None, "x"], "label": pd.array([1, None, 3], dtype="Int64")})
    frame.to_parquet(tmp_path / "a.parquet")
    table = tables.read_table(tmp_path / "a.parquet")
    assert cells(table.text) == ["NA", None, "x"]
    assert [str(value) for value in cells(table.label)] == ["1", "None", "3"]


@pytest.mark.parametrize("ending", ["csv", "tsv.gz", "jsonl.xz", "parquet"])
@pytest.mark.parametrize("chunk_size", [1, 4, 10, 100])
def test_chunks_join_to_the_whole(tmp_path, ending, chunk_size):
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(10)], "label": [str(i % 2) for i in range(10)]})
    path = tmp_path / f"a.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    elif "jsonl" in ending:
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if "tsv" in ending else ",")
    chunks = list(tables.read_table(path, chunk_size=chunk_size))
    assert max(map(len, chunks)) == min(chunk_size, 10)
    assert pd.concat(chunks).values.tolist() == tables.read_table(path).values.tolist() == frame.values.tolist()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xls", "x", "must end in .csv"),
        ("a.parquet.gz", "x", "must end in .csv"),
        ("a.csv", "", "is empty"),
        ("a.csv", "\n\n", "is empty"),
        ("a.csv", "text,label\n", "which holds none"),
        ("a.csv", "text,label\na,b\na,b,c\n", "2 cells in every row, but row 3 (the header is row 1) has 3"),
        ("a.csv", "text,label\na,b,c\n", "as many cells in every row as in its header"),
        ("a.csv", 'text,label\n"a,b\n', "row 2 stays open"),
        ("a.csv", "text,label\nok,1\ncaf\xe9,2\n".encode("latin1"), "line 3 has the byte 0xe9 at position 4"),
        ("a.csv", "text,label\na,b\n".encode("utf-16"), "iconv -f utf-16"),
        ("a.csv", bytes(range(256)), "binary data"),
        ("a.csv", b"SQLite format 3" + bytes(99), "binary data"),
        ("a.csv.gz", "text,label\na,b\n", "whole file of the kind its ending says"),
        (
            "a.csv.gz",
            gzip.compress(b"text,label\n" + NOISE, mtime=0)[:5000],
            "whole file",
        ),
        ("a.csv.bz2", "text,label\na,b\n", "whole file"),
        ("a.csv.xz", "text,label\na,b\n", "whole file"),
        ("a.csv.zst", "text,label\na,b\n", "whole file"),
        ("a.csv.zst", zstd("text,label\nok,1\ncaf\xe9,2\n".encode("latin1")), "line 3 has the byte 0xe9"),
        ("a.csv.zip", "text,label\na,b\n", "whole file"),
        ("a.csv.zip", with_password(zipped(b"text,label\na,b\n")), "without a password"),
        ("a.parquet", "text,label\na,b\n", "whole Parquet file"),
        ("a.jsonl", "", "holds none"),
        ("a.jsonl", '{"text": 1}\n{"text": \n', "line 2 is '{\"text\":'"),
        ("a.json", '[\n{"text": "a"}\n]\n', "line 1 is '['"),
        ("a.jsonl", b'{"text": "caf\xe9"}\n', "line 1 has the byte 0xe9"),
    ],
)
@pytest.mark.parametrize("chunk_size", [None, 1])
def test_a_bad_file_is_one_sentence(tmp_path, name, content, words, chunk_size):
    path = write(tmp_path / name, content)
    with pytest.raises(ValueError, match="Received: ") as caught:
        table = tables.read_table(path, chunk_size=chunk_size)
        list(table)
    message = str(caught.value)
    assert words in message and str(path) in message and "\n" not in message


def test_a_stray_nul_is_text(tmp_path):
    table = tables.read_table(write(tmp_path / "a.csv", "text,label\na\0b,1\n"))
    assert table.values.tolist() == [["a\0b", "1"]]


def test_missing_file_folder_and_chunk_size(tmp_path):
    with pytest.raises(FileNotFoundError, match="`path` must be there already"):
        tables.read_table(tmp_path / "no.csv")
    with pytest.raises(ValueError, match="not a folder"):
        tables.read_table(tmp_path, chunk_size=5)
    with pytest.raises(ValueError, match=r"`chunk_size` must be a positive integer or None\. Received: 0"):
        tables.read_table(write(tmp_path / "a.csv", CSV), chunk_size=0)


def test_a_truncated_zst_is_not_taken_for_a_whole_one(tmp_path):
    path = write(tmp_path / "a.csv.zst", zstd(b"text,label\n" + b"".join(b"%d,x\n" % i for i in range(10_000))))
    assert len(tables.read_table(path)) == 10_000
    write(path, path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="whole file"):
        tables.read_table(path)
