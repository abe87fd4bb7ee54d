"""Speeds and networks of roads from files."""

import logging

import numpy as np
import pytest

from kerasmlsp.data import traffic


def write(path, text):
    path.write_text(text)
    return path


def test_rows_are_sorted_averaged_and_put_on_even_steps(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "kerasmlsp")
    path = write(
        tmp_path / "a.csv",
        "when,A,B\n2024-05-01 00:10,3,30\n2024-05-01 00:00,1,10\n2024-05-01 00:00,2,20\n2024-05-01 00:20,5,50\n",
    )
    speeds = traffic.read_speeds(path, time_column="when")
    assert speeds.values.tolist() == [[1.5, 15], [1.5, 15], [3, 30], [3, 30], [5, 50]]
    assert speeds.missing[:, 0].tolist() == [False, True, False, True, False]
    assert speeds.minutes().tolist() == [0, 5, 10, 15, 20] and speeds.start == "2024-05-01 00:00:00"
    for told in ("1 rows out of order", "1 rows of a time that had one already", "2 steps without a row"):
        assert told in caplog.text


def test_what_was_not_measured_gets_the_last_speed_before(tmp_path, caplog):
    path = write(tmp_path / "a.csv", "A,B\n0,7\n50,-3\n,inf\nfast,8\n")
    speeds = traffic.read_speeds(path, first_time="23:50", step_minutes=10)
    assert speeds.values.T.tolist() == [[50, 50, 50, 50], [7, 7, 7, 8]]
    assert speeds.missing.T.tolist() == [[True, False, True, True], [False, True, True, False]]
    assert speeds.minutes().tolist() == [1430, 0, 10, 20]
    assert "2 cells without a number" in caplog.text and "1 zeros" in caplog.text
    assert "2 speeds that are below 0 or infinite" in caplog.text
    kept = traffic.read_speeds(write(tmp_path / "b.csv", "A\n0\n50\n"), zeros_missing=False)
    assert kept.values[:, 0].tolist() == [0, 50] and not kept.missing.any()


def test_roads_are_taken_by_name(tmp_path):
    path = write(tmp_path / "a.csv", "B,A,C\n1,2,3\n")
    assert traffic.read_speeds(path, roads=["A", "B"]).values.tolist() == [[2, 1]]
    with pytest.raises(ValueError, match=r"1 of 2 are missing, such as 'D'\. Received: .*a\.csv"):
        traffic.read_speeds(path, roads=["A", "D"])


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("A,B\n1,0\n2,\n", {}, "none for 'B'"),
        ("time,A\n2024-05-01 00:00,1\nsoon,2\n", {}, "with 'soon' in row 2"),
        ("time,A\n2024-05-01 00:00,1\n2024-05-01 00:01,2\n", {}, "from time stamp to time stamp, here 1"),
        ("time,A\n2024-05-01 00:00,1\n2025-05-01 00:00,2\n", {}, "a row at most steps: 2 rows cover 105121"),
        ("A\n1\n", {"step_minutes": 7}, "must divide the 1440"),
        ("A\n1\n", {"first_time": "noon"}, "such as 07:30. Received: 'noon'"),
        ("A\n1\n", {"time_column": "when"}, "`time_column` must be a column of"),
        ("time\n2024-05-01\n", {}, "a column of speeds for each road"),
    ],
)
def test_speeds_that_are_refused(tmp_path, text, options, told):
    with pytest.raises(ValueError, match=told):
        traffic.read_speeds(write(tmp_path / "a.csv", text), **options)


ROADS = ["A", "B", "C"]


def test_a_matrix_of_weights_may_have_names(tmp_path):
    plain = traffic.read_network(write(tmp_path / "a.csv", "1,0.5,0\n0.5,1,0\n0,0,1\n"), ROADS)
    assert plain.distances is None and plain.adjacency[0].tolist() == [1, 0.5, 0]
    named = traffic.read_network(write(tmp_path / "b.csv", "C,B,A\n1,0,0\n0,1,0.5\n0,0.5,1\n"), ROADS)
    np.testing.assert_array_equal(named.adjacency, plain.adjacency)
    both = traffic.read_network(write(tmp_path / "c.csv", ",A,B,C\nA,1,0.5,0\nB,,1,0\nC,0,0,1\n"), ROADS)
    np.testing.assert_array_equal(both.adjacency, plain.adjacency)  # of two directions, the larger


def test_distances_become_weights(tmp_path):
    matrix = traffic.read_network(write(tmp_path / "a.csv", "0,100,0\n0,0,300\n0,0,0\n"), ROADS)
    rows = traffic.read_network(write(tmp_path / "b.csv", "to,from,cost\nB,A,100\nC,B,300\nC,X,1\n"), ROADS)
    np.testing.assert_array_equal(matrix.distances, rows.distances)
    expected = np.exp(-np.square(np.array([0, 100, 300]) / 100))  # 100 is the standard deviation
    np.testing.assert_allclose(matrix.adjacency[1], [expected[1], 1, 0], atol=1e-6)  # below 0.1 is 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1,0\n0,1\n", "square matrix of the 3 roads, or a list .* with 2 rows of 2"),
        ("A,B,X\n1,0,0\n0,1,0\n0,0,1\n", "the names of the roads in its header. Received: .* with 'X'"),
        ("1,0,0\n0,-1,0\n0,0,1\n", "numbers of at least 0. Received: .* with '-1' in row 2"),
        ("from,to,distance\nA,B,far\n", "with 'far' in row 2"),
        ("from,to,distance\nX,Y,3\n", "a distance between two of the roads"),
    ],
)
def test_networks_that_are_refused(tmp_path, text, told):
    with pytest.raises(ValueError, match=told):
        traffic.read_network(write(tmp_path / "a.csv", text), ROADS)


def test_reachability_goes_by_the_shortest_way():
    apart = np.full((4, 4), np.inf)
    apart[0, 1] = apart[1, 2] = apart[2, 3] = 1
    found = traffic.reachable(np.where(np.eye(4), 0, apart), speed=12, minutes=10)
    assert found.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1]]


def test_neighbours_are_near_in_the_spectral_order():
    places = np.random.default_rng(0).permutation(30)
    weights = np.exp(-np.abs(np.subtract.outer(places, places)))
    order = places[traffic.spectral_order(weights)]
    assert set(np.abs(np.diff(order))) == {1}


def test_numbers_of_other_countries_are_read(tmp_path):
    speeds = traffic.read_speeds(
        write(tmp_path / "a.csv", "time;A;B\n2024-05-01 00:00;61,5;60\n2024-05-01 00:05;7;8,25\n")
    )
    assert speeds.values.tolist() == [[61.5, 60], [7, 8.25]] and not speeds.missing.any()
    network = traffic.read_network(write(tmp_path / "b.csv", "1;0,5;0\n0,5;1;0\n0;0;1\n"), ROADS)
    assert network.adjacency[0].tolist() == [1, 0.5, 0]


def test_a_network_of_excel_is_read(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in ((None, *ROADS), ("A", 1, 0.5, 0), ("B", 0.5, 1, None), ("C", 0, 0, 1)):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    assert traffic.read_network(tmp_path / "a.xlsx", ROADS).adjacency.tolist() == [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]
