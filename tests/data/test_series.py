"""Series and streams from files of any layout."""

import itertools

import numpy as np
import pytest

from kerasmlsp.data import series


def written(folder, name, text):
    folder.joinpath(name).write_text(text)
    return folder / name


@pytest.mark.parametrize(
    ("text", "channels", "times", "first"),
    [
        ("timestamp,value\n2014-04-01 00:00,20.5\n2014-04-01 00:05,21\n", ("value",), "2014-04-01 00:00", [20.5]),
        ("530\n518\n", ("1",), "0", [530]),
        ("hr;spo2\n60,5;98\n61,5;97\n", ("hr", "spo2"), "0", [60.5, 98]),
        ("2014-04-01T00:00:00Z\t1\t2\n2014-04-01T00:00:01Z\t3\t4\n", ("2", "3"), "2014-04-01T00:00:00Z", [1, 2]),
        ("time,R,note\n0,252.6,a\n39,,b\n", ("R",), "0", [252.6]),
    ],
)  # fmt: skip
def test_streams_with_and_without_header_and_time(tmp_path, text, channels, times, first):
    [found] = series.read_streams(written(tmp_path, "a.csv", text))
    assert (found.channels, found.times[0], found.values[0].tolist()) == (channels, times, first)
    assert found.values.shape == (2, len(channels)) and found.name == "a.csv"


def test_empty_cells_are_missing_and_labels_no_channel(tmp_path):
    path = written(tmp_path, "a.csv", "a,b,fault\n1,2,0\n,3,1\nNaN,4,0\n")
    [found] = series.read_streams(path, label_column="fault")
    assert found.channels == ("a", "b") and found.labels == ["0", "1", "0"]
    assert np.isnan(found.values[:, 0]).tolist() == [False, True, True]
    [found] = series.read_streams(path, channels=["b"])
    assert found.values[:, 0].tolist() == [2, 3, 4]


def test_times_that_repeat_or_go_back_are_told(tmp_path, caplog):
    series.read_streams(written(tmp_path, "a.csv", "time,x\n1,1\n1,2\n0,3\n2,4\n4,5\n99,6\n"))
    for told in ("go back", "repeat the one before", "come after a gap"):
        assert f"1 time stamps of {tmp_path / 'a.csv'} {told}" in caplog.text


@pytest.mark.parametrize(
    ("text", "settings", "told"),
    [
        ("a,b\n1,2\n1\n", {}, "2 cells"),
        ("a,b\n1,2\n1,high\n", {}, "row 3 of .*"),
        ("a,b\n", {}, "below its header"),
        ("a,b\n1,2\n", {"channels": ["c"]}, "`channels` must be columns: a, b"),
        ("a,b\n1,2\n", {"time_column": "c"}, "`time_column` must be a column"),
        ("a,b\nx,y\n", {}, "a column of numbers"),
    ],
)
def test_streams_that_cannot_be_read_are_refused(tmp_path, text, settings, told):
    with pytest.raises(ValueError, match=told):
        series.read_streams(written(tmp_path, "a.csv", text), **settings)


def test_a_folder_holds_streams_of_the_same_channels(tmp_path):
    tmp_path.joinpath("sub").mkdir()
    written(tmp_path, "a.csv", "x\n1\n2\n")
    written(tmp_path, "sub/b.csv", "x\n3\n")
    assert [each.name for each in series.read_streams(tmp_path)] == ["a.csv", "sub/b.csv"]
    written(tmp_path, "c.csv", "x,y\n3,4\n")
    with pytest.raises(ValueError, match="same channels"):
        series.read_streams(tmp_path)


@pytest.mark.parametrize("separator", ["\t", ",", "  "])
def test_rows_of_the_archive_of_ucr(tmp_path, separator):
    rows = [["1", "0.5", "1e-3"], ["-1", "2", "3"]]
    found = series.read_segments(written(tmp_path, "a.tsv", "\n".join(separator.join(row) for row in rows)))
    assert found.labels.tolist() == ["1", "-1"] and found.values.dtype == "float32"
    np.testing.assert_allclose(found.values[:, :, 0], [[0.5, 1e-3], [2, 3]], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.tsv", "1\t2\t3\n1\t2\n", "line 2 has 1"),
        ("a.tsv", "1\t2\tNaN\n", "line 1 lacks one"),
        ("a.tsv", "\n", "at least one series"),
        ("a.ts", "1,2:1\n", "line @data"),
        ("a.ts", "@data\n1,2:3:1\n", "one length"),
    ],
)
def test_series_that_cannot_be_read_are_refused(tmp_path, name, text, told):
    with pytest.raises(ValueError, match=told):
        series.read_segments(written(tmp_path, name, text))


def test_a_ts_without_labels(tmp_path):
    path = written(tmp_path, "a.ts", "#x\n@classLabel false\n@data\n1,2\n")
    assert series.read_segments(path).labels.tolist() == [""]


def test_lines_are_split_as_they_come():
    endless = itertools.chain(["t;x\n"], (f"{row};{row / 2}\n" for row in itertools.count()))
    assert list(itertools.islice(series.cells(endless), 3)) == [["t", "x"], ["0", "0.0"], ["1", "0.5"]]


def test_records_of_two_samples_in_three_bytes(tmp_path):
    raw = np.array([[-1, 2047], [-2048, 5], [100, -100]])
    pairs = (raw & 0xFFF).astype(int)
    packed = [(low & 255, (low >> 8) | ((high >> 8) << 4), high & 255) for low, high in pairs]
    tmp_path.joinpath("r.dat").write_bytes(bytes(itertools.chain(*packed)))
    written(tmp_path, "r.hea", "# c\nr 2 250 3\nr.dat 212 200(10)/mV 11 0 0 0 0 II\nr.dat 212 100 11 0 0 0 0 PLETH\n")
    [stream] = series.read_streams(tmp_path / "r.hea")
    assert stream.channels == ("II", "PLETH")
    # The least number stands for a sample that is not valid.
    np.testing.assert_allclose(stream.values, (np.where(raw == -2048, np.nan, raw) - [10, 0]) / [200, 100])
    [stream] = series.read_streams(tmp_path / "r.hea", channels=["PLETH"])
    assert stream.times == ["0", "0.004", "0.008"] and stream.channels == ("PLETH",)


@pytest.mark.parametrize(
    "header", ["nonsense\n", "r 1 250 9\nr.dat 16 200 11 0\n", "r 1 250 1\nr.dat 99 1 8 0\n", "r 0 250 3\n"]
)
def test_damaged_records_are_refused(tmp_path, header):
    tmp_path.joinpath("r.dat").write_bytes(bytes(6))
    with pytest.raises(ValueError, match="must be a whole record of PhysioNet"):
        series.read_streams(written(tmp_path, "r.hea", header))


def test_a_record_without_its_samples_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"r\.dat"):
        series.read_streams(written(tmp_path, "r.hea", "r 1 250 3\nr.dat 16 200 11 0\n"))


def test_a_stream_of_excel_is_read(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (("time", "hr", "note"), (0, 60.5, "a"), (1, None, "b")):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    [found] = series.read_streams(tmp_path)
    assert (found.channels, found.times) == (("hr",), ["0", "1"])
    np.testing.assert_array_equal(found.values, [[60.5], [np.nan]])
