"""What is served: folders, and TensorFlow Serving's configuration files."""

import pytest

from kerasmlsp.serving import configuring
from kerasmlsp.serving.configuring import Limits, ModelConfig

CONFIG = """
# As TensorFlow Serving's documentation has it.
model_config_list {
  config {
    name: 'newest' base_path: '/models/newest' model_platform: 'tensorflow'
  }
  config {
    name: "two" base_path: "relative/two"
    model_version_policy { latest { num_versions: 2 } }
  }
  config {
    name: "every" base_path: "/models/every"
    model_version_policy { all {} }
  }
  config {
    name: "chosen" base_path: "/models/chosen"
    model_version_policy { specific { versions: 42 versions: 43 } }
    version_labels { key: 'stable' value: 42 }
    version_labels { key: 'canary' value: 43 }
  }
}
"""


def test_a_model_configuration_file(tmp_path):
    path = tmp_path / "models.config"
    path.write_text(CONFIG)
    found = configuring.read_models(path)
    assert list(found) == ["newest", "two", "every", "chosen"]
    assert found["two"].base_path == tmp_path / "relative" / "two"
    versions = [1, 7, 42, 43, 44]
    assert found["newest"].wanted(versions) == {44}
    assert found["two"].wanted(versions) == {43, 44}
    assert found["every"].wanted(versions) == set(versions)
    assert found["chosen"].wanted(versions) == {42, 43}
    assert found["chosen"].wanted([42]) == {42}
    assert found["chosen"].labels == {"stable": 42, "canary": 43}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model_config_list { config { name: 'a' } }", "must have a `name` and a `base_path`"),
        ("model_config_list { config { name: 'a' base_path: '/a' base_pth: 'b' } }", "base_pth"),
        ("model_config_list { config { name: 'a' base_path: '/a' ", "cannot be read"),
        ("model_config_list { config { name: 'a' base_path: '/a' model_platform: 'torch' } }", "model_platform"),
        ("model_config_list { config { name: 'a' base_path: '/a' } config { name: 'a' base_path: '/b' } }", "twice"),
        (
            "model_config_list { config { name: 'a' base_path: '/a' model_version_policy { specific {} } } }",
            "one or more `versions`",
        ),
        (
            "model_config_list { config { name: 'a' base_path: '/a' model_version_policy { all {} latest {} } } }",
            "must be one of latest, all, specific",
        ),
        (
            "model_config_list { config { name: 'a' base_path: '/a' version_labels { key: 'a b' value: 1 } } }",
            "letters, digits and _",
        ),
    ],
)
def test_what_is_wrong_in_a_configuration_file_is_said(tmp_path, text, said):
    path = tmp_path / "models.config"
    path.write_text(text)
    with pytest.raises(ValueError, match=said) as error:
        configuring.read_models(path)
    assert str(path) in str(error.value)


def test_names_of_versions_are_decimal_numbers_of_63_bits(tmp_path):
    for name in ("1", "007", "7", "+3", "-3", "1.0", "٣", "4_0", " 5", "9223372036854775807", "9223372036854775808"):
        (tmp_path / name).mkdir()
    (tmp_path / "8").touch()
    found = configuring.find_versions(tmp_path)
    assert sorted(found) == [1, 7, 9223372036854775807]
    assert found[7].name == "7"
    with pytest.raises(FileNotFoundError):
        configuring.find_versions(tmp_path / "none")


def test_models_of_several_folders_the_first_counts(tmp_path):
    for name in ("first/a/1", "first/notes", "second/a/2", "second/b/1", "second/.hidden"):
        (tmp_path / name).mkdir(parents=True)
    found = configuring.find_models([tmp_path / "first", tmp_path / "second"])
    assert {name: each.base_path.parent.name for name, each in found.items()} == {"a": "first", "b": "second"}
    with pytest.raises(FileNotFoundError):
        configuring.find_models([tmp_path / "third"])


def test_a_batching_file(tmp_path):
    path = tmp_path / "batching.config"
    path.write_text(
        "max_batch_size { value: 16 } batch_timeout_micros { value: 0 } max_enqueued_batches { value: 4 }\n"
        "num_batch_threads { value: 1 } thread_pool_name { value: 'pool' }\n"
        "allowed_batch_sizes: 4 allowed_batch_sizes: 16"
    )
    limits = configuring.read_limits(path)
    assert limits == Limits(batch=32, piece=16, queue=64, threads=1, sizes=(4, 16))
    assert [limits.padded(rows) for rows in (1, 4, 5, 16)] == [4, 4, 16, 16]
    path.write_text("num_batch_threads { value: 3 }")
    assert configuring.read_limits(path, limits) == Limits(32, 16, 64, 3, (4, 16))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_batch_size { value: 0 }", "`max_batch_size` must be 1 or more. Received: 0"),
        ("max_batch_size: 3", "cannot be read"),
        ("max_batch_size { value: 4 } allowed_batch_sizes: 2", "must rise from 1 or more to max_batch_size"),
        ("max_batch_size { value: 4 } allowed_batch_sizes: 4 allowed_batch_sizes: 2", "must rise"),
        ("pad_variable_length_inputs: true", "must be false"),
    ],
)
def test_what_is_wrong_in_a_batching_file_is_said(tmp_path, text, said):
    path = tmp_path / "batching.config"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        configuring.read_limits(path)


def test_latest_takes_what_there_is(tmp_path):
    assert ModelConfig("a", tmp_path, latest=3).wanted([5]) == {5}
    assert ModelConfig("a", tmp_path).wanted([]) == set()
