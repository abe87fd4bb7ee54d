"""The versions of one model: what is loaded and unloaded when, what is listed, and what answers."""

from pathlib import Path

import pytest

from kerasmlsp.serving.configuring import ModelConfig
from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.versions import Model


def model(latest=1, specific=(), labels=None, **arguments):
    config = ModelConfig("a", Path("a"), latest=latest, specific=frozenset(specific), labels=labels or {})
    return Model(config, **arguments)


def found(model, *numbers):
    model.found({number: Path("a", str(number)) for number in numbers})


def load(model, now=0.0):
    """Loads what is to be loaded, and returns the numbers."""
    due = model.to_load(now)
    for version in due:
        version.move("AVAILABLE")
        version.servable = f"servable {version.number}"
    model.settle()
    return [version.number for version in due]


def unload(model):
    surplus = model.to_unload()
    for version in surplus:
        version.move("END")
    model.settle()
    return [version.number for version in surplus]


def states(model):
    return {each["version"]: each["state"] for each in model.status()}


def refusal(function, *arguments, **named):
    with pytest.raises(ServingError) as error:
        function(*arguments, **named)
    return error.value.status, str(error.value)


def test_the_old_version_stays_until_the_new_one_is_available():
    a = model()
    found(a, 1, 2)
    assert load(a) == [2]
    found(a, 1, 2, 3)
    assert unload(a) == []
    assert a.servable() == "servable 2"
    assert refusal(a.servable, 3) == (503, "Model a is being loaded of version 3, ask again later")
    assert load(a) == [3]
    assert a.servable() == "servable 3" and a.servable(2) == "servable 2"
    assert unload(a) == [2]
    assert states(a) == {3: "AVAILABLE", 2: "END"}
    assert list(states(a)) == [3, 2]
    assert refusal(a.servable, 2) == (404, "Servable not found for request: Specific(a, 2)")


def test_a_version_that_is_taken_away_gives_way_to_the_highest_left():
    a = model()
    found(a, 1, 2)
    load(a)
    found(a, 1)
    assert unload(a) == []
    assert load(a) == [1] and unload(a) == [2]
    found(a)
    assert unload(a) == [1]
    assert refusal(a.servable) == (404, "Servable not found for request: Latest(a)")


def test_a_version_that_comes_back_is_loaded_again():
    a = model(latest=0)
    found(a, 1, 2)
    load(a)
    found(a, 2)
    assert unload(a) == [1]
    found(a, 1, 2)
    assert load(a) == [1]
    # And when it went while it was still being unloaded.
    found(a, 2)
    (version,) = a.to_unload()
    version.move("UNLOADING")
    found(a, 1, 2)
    assert load(a) == []
    version.move("END")
    found(a, 1, 2)
    assert load(a) == [1]


def test_a_failed_load_waits_for_its_time_and_the_old_version_stays():
    a = model()
    found(a, 1)
    load(a)
    found(a, 1, 2)
    (new,) = a.to_load(0.0)
    new.failed("NOT_FOUND", "There is no graph.", retry_at=60.0)
    assert a.to_load(59.0) == [] and a.to_unload() == []
    assert a.status(2) == [
        {"version": 2, "state": "END", "error_code": "NOT_FOUND", "error_message": "There is no graph."}
    ]
    assert a.servable() == "servable 1"
    assert load(a, now=60.0) == [2] and unload(a) == [1]
    assert a.status(2)[0]["error_code"] == "OK"


def test_a_failed_load_is_tried_again_once_its_files_have_changed_and_rest():
    a = model()
    found(a, 1)
    version = a.to_load(0.0)[0]
    version.seen((1, 100))
    version.failed("INVALID_ARGUMENT", "It is damaged.", retry_at=None)
    for stamp in [(1, 100), (2, 150), (3, 200)]:
        version.seen(stamp)
        assert a.to_load(1e9) == []
    version.seen((3, 200))
    assert a.to_load(0.0) == [version]


def test_a_load_that_failed_for_good_stays_listed_until_its_folder_has_gone_and_come_again():
    a = model(kept=0)
    found(a, 1)
    a.to_load(0.0)[0].failed("INVALID_ARGUMENT", "It is damaged.", retry_at=None)
    found(a, 1)
    a.settle()
    assert a.to_load(1e9) == [] and states(a) == {1: "END"}
    found(a)
    found(a, 1)
    assert load(a) == [1]


def test_policies():
    every = model(latest=0)
    found(every, 1, 2, 3)
    assert load(every) == [3, 2, 1]
    chosen = model(specific=[1, 3])
    found(chosen, 1, 2, 3)
    assert load(chosen) == [3, 1]
    chosen.config = ModelConfig("a", Path("a"), specific=frozenset([2]))
    found(chosen, 1, 2, 3)
    assert unload(chosen) == [] and load(chosen) == [2]
    assert unload(chosen) == [1, 3]


def test_a_label_moves_once_its_version_is_available():
    a = model(latest=0, labels={"stable": 1, "next": 2})
    found(a, 1)
    load(a)
    assert a.servable(label="stable") == "servable 1"
    assert refusal(a.servable, label="next") == (400, "Unrecognized servable version label: next")
    a.config = ModelConfig("a", Path("a"), latest=0, labels={"stable": 2, "next": 2})
    found(a, 1, 2)
    a.settle()
    assert a.servable(label="stable") == "servable 1"
    # One that has been nowhere yet waits with its version.
    assert refusal(a.servable, label="next") == (503, "Model a is being loaded of version 2, ask again later")
    load(a)
    assert a.servable(label="stable") == "servable 2"
    a.config = ModelConfig("a", Path("a"), latest=0)
    a.settle()
    assert refusal(a.servable, label="stable") == (400, "Unrecognized servable version label: stable")


def test_a_label_may_be_early_if_that_is_asked_for():
    a = model(labels={"next": 2}, early_labels=True)
    found(a, 1)
    load(a)
    assert refusal(a.servable, label="next") == (404, "Servable not found for request: Specific(a, 2)")


def test_only_the_last_versions_that_have_ended_are_listed():
    a = model(kept=2)
    dropped = []
    for number in range(1, 8):
        found(a, number)
        load(a)
        for version in a.to_unload():
            version.move("END")
        dropped += a.settle()
    assert states(a) == {7: "AVAILABLE", 6: "END", 5: "END"}
    assert [each.number for each in dropped] == [1, 2, 3, 4]


def test_what_is_not_there():
    a = model()
    assert refusal(a.status) == (404, "Could not find any versions of model a")
    found(a, 1)
    assert refusal(a.status, 2) == (404, "Could not find version 2 of model a")
    assert refusal(a.servable) == (503, "Model a is being loaded, ask again later")
    # Nobody waits for what is not to be loaded any more.
    found(a)
    assert a.to_unload() == [] and states(a) == {1: "END"} and a.is_over()
