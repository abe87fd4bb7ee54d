"""Tables from files of every kind, whole, in pieces and damaged."""

import bz2
import gzip
import json
import lzma
import random
import sys
import zipfile

import pandas as pd
import pytest

from kerasmlsp.apps import messages
from kerasmlsp.data import tables

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
        ("a.csv", "text,label\na,b\na,b,c\n", "2 cells in every row as in its header, but line 3 has 3: quote cells"),
        ("a.csv", "text,label\na,b,c\n", "2 cells in every row as in its header, but line 2 has 3"),
        ("a.csv", 'text,label\n"a\n\nb",1\nc\nd,2\n', "line 5 has 1: fill in what it lacks"),
        ("a.csv", "text;label\na;b\nc\n", "line 3 has 1"),
        ("a.csv", 'text,label\n"a,b\n', "line 2 stays open"),
        ("a.csv", "text,label\nok,1\ncaf\xe9,2\n".encode("latin1"), "line 3 has the byte 0xe9 at position 4"),
        ("a.csv", "text,label\na,b\n".encode("utf-16"), "--encoding utf-16"),
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


SEPARATED = {
    "semicolons": ("text;label\ngood, bad;1,5\n;2\n", [["good, bad", "1,5"], [None, "2"]]),
    "tabs": ("text\tlabel\ngood, bad\t1\n", [["good, bad", "1"]]),
    "commas and a space": ('text, label\n"good, bad", 1\n', [["good, bad", "1"]]),
    "commas and a space, in rows only": ('text,label\na, "1, 2"\n', [["a", "1, 2"]]),
    "a semicolon in a name": ("text,label;class\na;b,1\n", [["a;b", "1"]]),
    "semicolons in texts": ("text,label\na;b,1\nc;d,2\n", [["a;b", "1"], ["c;d", "2"]]),
    "one column": ("text\nHello; world\nGood\tbad\n", [["Hello; world"], ["Good\tbad"]]),
    "a long text": (f"text;label\n{'a, b ' * 50_000};1\n", [["a, b " * 50_000, "1"]]),
}


@pytest.mark.parametrize("chunk_size", [None, 1])
@pytest.mark.parametrize("name", SEPARATED)
def test_the_separator_is_found(tmp_path, caplog, name, chunk_size):
    content, expected = SEPARATED[name]
    path = write(tmp_path / "a.csv", content)
    with caplog.at_level("INFO", "kerasmlsp"):
        table = tables.read_table(path, chunk_size=chunk_size)
        table = table if chunk_size is None else pd.concat(table)
    assert table.astype(object).where(table.notna(), None).values.tolist() == expected
    taken = name.split(",")[0] if name.split()[0] in ("semicolons", "tabs", "commas") and "texts" not in name else ""
    taken = "semicolons" if name == "a long text" else taken
    assert [record.message for record in caplog.records] == (
        [f"Took {taken} for the separator of {path}."] * bool(taken)
    )
    if name == "semicolons":
        assert list(table.columns) == ["text", "label"]
        assert tables.read_rows(path) == ([["text", "label"], ["good, bad", "1,5"], ["", "2"]], ";")


def test_columns_without_a_name_of_their_own_get_one(tmp_path):
    table = tables.read_table(write(tmp_path / "a.csv", ",a,a,a.1\n0,1,2,3\n"))
    assert list(table.columns) == ["Unnamed: 0", "a", "a.1", "a.1.1"]


def excel(path, *sheets):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(index=number)
        for row in rows:
            sheet.append(row)
    book.remove(book.worksheets[-1])
    book.save(path)
    return path


@pytest.mark.parametrize("chunk_size", [None, 1, 2])
def test_excel_files(tmp_path, caplog, chunk_size):
    rows = [["text", "label"], ["NA", 1], [], ["é; a, b\nc", None], ["001", 2]]
    path = excel(tmp_path / "a.xlsx", rows, [["other"]])
    with caplog.at_level("INFO", "kerasmlsp"):
        table = tables.read_table(path, chunk_size=chunk_size)
        chunks = [table] if chunk_size is None else list(table)
    assert max(map(len, chunks)) == min(chunk_size or 3, 3)
    assert cells(pd.concat(chunks).text) == ["NA", "é; a, b\nc", "001"]
    assert cells(pd.concat(chunks).label) == [1, None, 2] and "the first of 2 sheets" in caplog.text


def test_bad_excel_files_are_one_sentence(tmp_path, monkeypatch):
    for content in (b"", b"text,label\na,b\n", zipped(b"text")):
        with pytest.raises(ValueError, match="whole Excel file without a password"):
            tables.read_table(write(tmp_path / "a.xlsx", content))
    with pytest.raises(ValueError, match="row 2 has more"):
        tables.read_table(excel(tmp_path / "wide.xlsx", [["text"], ["a", "b"]]))
    for rows in ([], [["text", "label"]]):
        with pytest.raises(ValueError, match=r"is empty|which holds none"):
            tables.read_table(excel(tmp_path / "none.xlsx", rows))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ImportError) as caught:
        tables.read_table(tmp_path / "wide.xlsx")
    assert "'.[excel]'" in messages.sentence(caught.value)


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


@pytest.mark.parametrize(
    ("separator", "told"),
    [(",", ""), (";", "Took semicolons"), ("\t", "Took tabs"), ("|", "Took bars"), ("| ", "Took bars and")],
)
def test_separators_are_told_though_texts_hold_others(tmp_path, caplog, separator, told):
    quote = '"' if separator == "," else ""
    rows = [
        f"{quote}Good, good; {word}{quote}{separator}pos" if separator != ";" else f"Good, good {word};pos"
        for word in "abc"
    ]
    (tmp_path / "a.csv").write_text("\n".join([f"text{separator}label", *rows]))
    with caplog.at_level("INFO", "kerasmlsp"):
        table = tables.read_table(tmp_path / "a.csv")
    assert table.columns.tolist() == ["text", "label"] and set(table.label) == {"pos"} and told in caplog.text


def test_the_header_tells_the_separator_where_few_rows_fit(tmp_path):
    (tmp_path / "a.csv").write_text("text;label\na; b;pos\nc; d;neg\ne; f;neg\n")
    with pytest.raises(ValueError, match=r"2 cells .* line 2 has 3: quote cells"):
        tables.read_table(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "t.jsonl", "t.parquet"])
def test_columns_are_told_from_the_beginning(tmp_path, name, caplog):
    path, table = tmp_path / name, pd.DataFrame({"text": ["good", "bad"], "label": [1, 2]})
    writers = {
        ".jsonl": lambda: table.to_json(path, orient="records", lines=True),
        ".parquet": lambda: table.to_parquet(path),
    }
    writers.get(path.suffix, lambda: table.to_csv(path, index=False, sep="\t" if ".tsv" in name else ";"))()
    with caplog.at_level("INFO", "kerasmlsp"):
        assert tables.columns(path) == ["text", "label"]
    assert not caplog.records
    tables.check_columns(path, text_column="text", label_column=None)
    with pytest.raises(ValueError, match=r"`label_column` must be a column of .*: text, label\. Received: 'mark'"):
        tables.check_columns(path, label_column="mark")


def test_columns_of_an_empty_table_are_refused(tmp_path):
    (tmp_path / "t.csv").touch()
    with pytest.raises(ValueError, match="must hold a header"):
        tables.columns(tmp_path / "t.csv")


@pytest.mark.parametrize(("name", "pack"), [("a.en", bytes), ("a.en.gz", gzip.compress), ("a.bz2", bz2.compress)])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_stay_in_their_places(tmp_path, name, pack, end):
    path = tmp_path / name
    path.write_bytes(pack(end.join(["one", "", "two\rthree", " vier\u2028fünf ", ""]).encode()))
    assert list(tables.read_lines(path)) == ["one", "", "two\rthree", " vier\u2028fünf "]


def test_lines_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not a folder"):
        list(tables.read_lines(tmp_path))
    (tmp_path / "a.en").write_bytes("süß".encode("latin-1"))
    with pytest.raises(ValueError, match="must be text in utf-8"):
        list(tables.read_lines(tmp_path / "a.en"))
    (tmp_path / "a.en.gz").write_bytes(gzip.compress(NOISE)[:99])
    with pytest.raises(ValueError, match="must be a whole file"):
        list(tables.read_lines(tmp_path / "a.en.gz"))
