"""Recordings of sensors at an even rate, whatever their files are like, and their windows."""

import numpy as np
import pytest

from kerasmlsp.data import motion


def write(path, times, values, labels, header="timestamp,x,y,label"):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [",".join(map(str, (time, *row, label))) for time, row, label in zip(times, values, labels, strict=True)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def waves(seconds, rate, frequency=2.0):
    times = np.arange(int(seconds * rate)) / rate
    return times, np.stack([np.sin(2 * np.pi * frequency * times), times], 1)


@pytest.mark.parametrize(("unit", "start"), [(1, 0), (1e3, 1657533977813), (1e6, 5), (1e9, 49105962326000)])
def test_time_stamps_of_every_unit_are_seconds(tmp_path, unit, start):
    times, values = waves(4, 50)
    stamps = [f"{start + unit * time:.6f}" for time in times]
    [found] = motion.read_recordings(write(tmp_path / "a.csv", stamps, values, ["a"] * 200), 50)
    np.testing.assert_allclose(found.values, values[: len(found.values)], atol=1e-3)
    assert len(found.values) >= 199


def test_dates_are_times_too(tmp_path):
    stamps = [f"2026-01-01T00:00:0{second}Z" for second in range(5)]
    [found] = motion.read_recordings(write(tmp_path / "a.csv", stamps, np.eye(5)[:, :2], list("aabbb")), 1, max_gap=2)
    np.testing.assert_allclose(found.values, np.eye(5)[:, :2], atol=1e-6)
    assert found.labels.tolist() == list("aabbb")


def test_a_slow_signal_keeps_its_shape_and_a_fast_one_does_not_fold_down(tmp_path):
    times, values = waves(10, 100)
    path = write(tmp_path / "slow.csv", times, values, ["a"] * 1000)
    for rate in (20, 250):
        [found] = motion.read_recordings(path, rate)
        new = np.arange(len(found.values)) / rate
        assert len(found.values) == pytest.approx(9.99 * rate, abs=1)
        np.testing.assert_allclose(found.values[1:-1, 0], np.sin(2 * np.pi * 2 * new)[1:-1], atol=0.03)
        np.testing.assert_allclose(found.values[1:-1, 1], new[1:-1], atol=1e-5)
    # 39 swings a second would look like one of one swing.
    times, values = waves(10, 1000, frequency=39.0)
    [found] = motion.read_recordings(write(tmp_path / "fast.csv", times, values, ["a"] * 10_000), 20)
    assert np.abs(found.values[1:-1, 0]).max() < 0.1


def test_what_is_wrong_with_samples_is_mended_and_counted(tmp_path, caplog):
    times, values = waves(4, 10)
    values[5, 0] = np.nan
    order = np.arange(40)
    order[[10, 11]] = order[[11, 10]]
    labels = np.array(["a"] * 20 + ["b"] * 20)
    stamps = times.copy()
    stamps[20:] += 3  # a gap
    stamps[31] = stamps[30]
    path = write(tmp_path / "a.csv", stamps[order], values[order], labels[order])
    before, after = motion.read_recordings(path, 10)
    assert (before.start, after.start) == (0, 5) and set(before.labels) == {"a"} and set(after.labels) == {"b"}
    assert len(before.values) == len(after.values) == 20
    np.testing.assert_allclose(before.values[:, 1], times[:20], atol=1e-6)
    assert after.values[10, 1] == pytest.approx((times[30] + times[31]) / 2)
    for told in ("1 samples that are no numbers", "1 samples out of order", "1 samples of a time", "1 gaps"):
        assert told in caplog.text, caplog.text


def test_people_are_told_by_a_column_or_by_the_path(tmp_path):
    times, values = waves(2, 10)
    for name in ("s1/1_sp.csv", "s1/2_sw.csv", "s2/1_sp.csv"):
        write(tmp_path / "data" / name, times, values, ["a"] * 20)
    found = motion.read_recordings(tmp_path / "data", 10, subject_pattern=r"^(s\d)", name_pattern="_sp")
    assert [(each.name, each.subject) for each in found] == [("s1/1_sp.csv", "s1"), ("s2/1_sp.csv", "s2")]
    rows = [("p", *row) for row in values[:10]] + [("q", *row) for row in values[:10]]
    path = write(tmp_path / "all.csv", [*times[:10]] * 2, rows, ["a"] * 20, "timestamp,who,x,y,label")
    found = motion.read_recordings(path, 10, subject_column="who")
    assert [(each.subject, each.values.shape) for each in found] == [("p", (10, 2)), ("q", (10, 2))]


def test_channels_are_chosen_and_labels_may_lack(tmp_path):
    times, values = waves(2, 10)
    path = write(tmp_path / "a.csv", times, values, ["a"] * 20)
    [found] = motion.read_recordings(path, 10, channels=["y"], label_column=None)
    assert found.values.shape == (20, 1) and set(found.labels) == {""}


def test_the_layout_of_wisdm(tmp_path, caplog):
    lines = [f"33,Walking,{50_000_000 * n},{n},0,-{n};" for n in range(40)] + ["33,Walking,;", "7,Sitting,0,1,2,3,;"]
    lines += [f"7,Sitting,{50_000_000 * n},1,2,3;" for n in range(1, 5)]
    (tmp_path / "WISDM_ar_v1.1_raw.txt").write_text("\n".join(lines))
    first, second = motion.read_recordings(tmp_path / "WISDM_ar_v1.1_raw.txt", 20)
    assert (first.subject, second.subject) == ("33", "7") and set(second.labels) == {"Sitting"}
    np.testing.assert_allclose(first.values[:, 0], np.arange(40), atol=1e-5)
    assert len(second.values) == 5 and "1 lines that are broken" in caplog.text


def test_the_layout_of_uci_har(tmp_path):
    folder = tmp_path / "UCI HAR Dataset"
    for number, part in enumerate(("train", "test")):
        (folder / part / "Inertial Signals").mkdir(parents=True)
        for channel in motion.HAR_CHANNELS:
            np.savetxt(folder / part / "Inertial Signals" / f"{channel}_{part}.txt", np.full((2, 128), number + 0.5))
        (folder / part / f"y_{part}.txt").write_text("1\n2\n")
        (folder / part / f"subject_{part}.txt").write_text(f"{number}\n{number}\n")
    (folder / "activity_labels.txt").write_text("1 WALKING\n2 LAYING\n")
    found = motion.read_recordings(folder, 50)
    assert [(each.subject, each.labels[0]) for each in found] == [
        ("0", "WALKING"), ("0", "LAYING"), ("1", "WALKING"), ("1", "LAYING")
    ]  # fmt: skip
    assert found[3].values.shape == (128, 6) and found[3].values[0, 0] == 1.5


def test_series_without_time_stamps(tmp_path, caplog):
    header = "#A comment: with a colon\n@timeStamps false\n@classLabel true Rest Walk\n@data\n"
    (tmp_path / "A_TRAIN.ts").write_text(header + "1,2,3:4,5,6:Rest\n1,?,3,4:5,6,7,8:Walk\n")
    first, second = motion.read_recordings(tmp_path, 10, name_pattern="TRAIN")
    assert (first.name, set(first.labels), set(second.labels)) == ("A_TRAIN.ts/1", {"Rest"}, {"Walk"})
    assert first.values.tolist() == [[1, 4], [2, 5], [3, 6]]
    # What is missing lies between its neighbours.
    assert second.values.tolist() == [[1, 5], [2, 6], [3, 7], [4, 8]] and "1 samples that are no numbers" in caplog.text
    (tmp_path / "A_TRAIN.ts").write_text(header + "1,2,3:4,5:Rest\n")
    with pytest.raises(ValueError, match=r"as many numbers in every channel .*A_TRAIN\.ts, row 1"):
        motion.read_recordings(tmp_path, 10)
    (tmp_path / "A_TRAIN.ts").write_text(header.replace("Stamps false", "Stamps true") + "(0,1),(1,2):Rest\n")
    with pytest.raises(ValueError, match="without time stamps"):
        motion.read_recordings(tmp_path, 10)


def test_windows_have_their_context_and_repeat_the_ends():
    values = np.arange(6, dtype="float32")[:, None]
    found = motion.windows([motion.Recording("1.csv", "", values, np.array(list("aabbbb")))], 2, 2, context=2)
    assert found.values[..., 0].tolist() == [[0, 0, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 5, 5]]
    assert found.starts.tolist() == [0, 2, 4] and found.main_labels().tolist() == ["a", "b", "b"]


def test_activities_in_another_order_stay_whole():
    labels = np.array(list("aaabbcccca"))
    orders = [motion.shuffled_order(labels, seed) for seed in range(20)]
    for order in orders:
        assert sorted(order) == list(range(10))
        for begin, end in ((0, 3), (3, 5), (5, 9)):
            place = order.tolist().index(begin)
            assert order[place : place + end - begin].tolist() == list(range(begin, end))
    assert len({tuple(order) for order in orders}) > 5


def test_windows_overlap_and_stay_within_a_recording():
    recordings = [
        motion.Recording(f"{n}.csv", "", np.full((length, 2), n, "float32"), np.array(list("ab" * 5)[:length]))
        for n, length in enumerate((10, 3, 8))
    ]
    found = motion.windows(recordings, length=4, hop=2)
    assert found.sources.tolist() == [0] * 4 + [2] * 3 and found.starts.tolist() == [0, 2, 4, 6, 0, 2, 4]
    assert all((values == source).all() for values, source in zip(found.values, found.sources, strict=True))
    assert found.main_labels().tolist() == ["a"] * 7
    with pytest.raises(ValueError, match="longest recording, 10"):
        motion.windows(recordings, length=11, hop=1)
    with pytest.raises(ValueError, match="hop=0"):
        motion.windows(recordings, length=4, hop=0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"time_column": "time"}, "`time_column` must be a column of .*timestamp, x, y, label. Received: 'time'"),
        ({"label_column": "activity"}, "`label_column`"),
        ({"channels": ["z"]}, "`channels`"),
        ({"subject_column": "who"}, "`subject_column`"),
        ({"subject_pattern": "s"}, r"`subject_pattern` must match"),
        ({"name_pattern": "_sp"}, "_sp"),
        ({"rate": 0}, "rate=0"),
        ({"time_column": "label"}, "numbers or dates"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, options, told):
    write(tmp_path / "a.csv", *waves(2, 10), ["a"] * 20)
    with pytest.raises(ValueError, match=told):
        motion.read_recordings(tmp_path, **{"rate": 10, **options})


def test_files_without_samples_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("nothing of the kind\n")
    with pytest.raises(ValueError, match="person,activity"):
        motion.read_recordings(tmp_path / "a.txt", 20)
    write(tmp_path / "b.csv", [0], [(1, 2)], ["a"])
    with pytest.raises(ValueError, match="two samples"):
        motion.read_recordings(tmp_path / "b.csv", 20)
    with pytest.raises(FileNotFoundError):
        motion.read_recordings(tmp_path / "gone", 20)


def test_numbers_of_other_countries_are_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("timestamp;x;label\n0;0,5;a\n0,1;1,5;a\n0,2;-2;b\n")
    [found] = motion.read_recordings(path, 10)
    np.testing.assert_allclose(found.values[:, 0], [0.5, 1.5, -2])
