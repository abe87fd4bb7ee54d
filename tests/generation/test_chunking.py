"""Generation in compiled chunks against generation in one piece."""

import keras
import numpy as np
import pytest

from kerasmlsp import generation, models
from kerasmlsp.generation import FREE, chunking

if keras.backend.backend() != "tensorflow":
    pytest.skip("chunks are TensorFlow functions", allow_module_level=True)


@pytest.fixture(scope="module", params=["lstm", "gpt"])
def model(request):
    keras.utils.set_random_seed(1)
    if request.param == "lstm":
        return models.lstm_language_model(7, units=8, embedding_dim=4)
    return models.gpt(7, features=8, num_layers=1, num_heads=2, window=4)


# Each is a graph of its own.
SIZES = [(3, 5), (2, 0), *(pytest.param(*each, marks=pytest.mark.slow) for each in ((1, 1), (5, 11), (2, 8)))]


@pytest.mark.parametrize(("rows", "length"), SIZES)
@pytest.mark.parametrize("jit", [True, False])
def test_chunks_are_the_whole(model, rows, length, jit):
    filler = chunking.Filler(model, chunk=4, start=3, stop=1, jit=jit)
    template = np.full((rows, length), FREE, "int32")
    template[:, 1:2] = 5
    seeds = np.arange(rows, dtype="int32")
    tokens, scores = filler(template, seeds, 0.9, 5, 0.9, np.full(rows, 2, "int32"))
    assert tokens.shape == scores.shape == (rows, length)
    if length:
        options = {"temperature": 0.9, "top_k": 5, "top_p": 0.9, "stop": 1, "stop_from": 2, "start": 3}
        expected, logs, _ = generation.fill(generation.stepwise(model), template, seeds=seeds, **options)
        assert (tokens.numpy() == expected.numpy()).all()
        np.testing.assert_allclose(scores, logs, atol=1e-5)


@pytest.fixture(scope="module")
def filler(model):
    # Whether XLA compiles makes no difference, see above, but for a graph of every size.
    return chunking.Filler(model, chunk=4, start=3, stop=1, jit=False)


def test_what_is_written_in_steps_is_the_whole(model, filler):
    prompts = np.array([[5, 2, 4, 6, 2], [0, 0, 0, 0, 0], [2, 0, 0, 0, 0]], "int32")
    given, seeds = np.array([5, 0, 1], "int32"), np.array([7, 8, 9], "int32")
    settings = {"seeds": seeds, "temperature": np.array([0.9, 2.0, 0.0]), "top_k": 5, "top_p": 0.95}
    state, tokens, scores = filler.read(prompts, given), [], []
    for lengths in ([3, 1, 0], [0, 9, 11], [10, 3, 2]):
        found, logs, state = filler.write(state, np.array(lengths, "int32"), stop_from=2, **settings)
        assert found.shape == logs.shape == (3, max(lengths))
        tokens.append([row[:length] for row, length in zip(found.numpy(), lengths, strict=True)])
        scores.append([row[:length] for row, length in zip(logs.numpy(), lengths, strict=True)])
        assert not any(row[length:].any() for row, length in zip(found.numpy(), lengths, strict=True))
    template = generation.template(prompts, given, 13)
    expected, logs = filler(template, stop_from=2, **settings)
    for row, length in enumerate(given):
        assert (
            np.concatenate([each[row] for each in tokens]).tolist()
            == expected[row, length : length + 13].numpy().tolist()
        )
        written = np.concatenate([each[row] for each in scores])
        np.testing.assert_allclose(written, logs[row, length : length + 13], atol=1e-5)


def test_a_row_is_read_and_written_the_same_alone(filler):
    prompts, given = np.array([[5, 2, 4], [2, 0, 0]], "int32"), np.array([3, 1], "int32")
    settings = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}
    state = filler.read(prompts, given)
    assert {name: spec.shape.as_list()[1:] for name, spec in filler.state.items()} == {
        name: value.shape.as_list()[1:] for name, value in state.items()
    }
    assert state["position"].numpy().tolist() == [4, 2]
    found, _, after = filler.write(state, np.array([6, 9], "int32"), np.array([1, 2]), **settings)
    for row in range(2):
        alone = filler.read(prompts[row : row + 1, : given[row]], given[row : row + 1])
        for name, value in alone.items():
            np.testing.assert_array_equal(value[0], state[name][row])
        length = np.array([[6, 9][row]], "int32")
        tokens, _, alone = filler.write(alone, length, np.array([row + 1]), **settings)
        assert tokens[0].numpy().tolist() == found[row, : length[0]].numpy().tolist()
        for name, value in alone.items():
            np.testing.assert_array_equal(value[0], after[name][row])


def test_batches_are_compiled_for_powers_of_two():
    sizes = [0, *range(1, 70), *(2**n + more for n in range(7, 30) for more in (-1, 0, 1)), 2**30]
    expected = [1 if size < 2 else 1 << (size - 1).bit_length() for size in sizes]
    assert [int(chunking._power_of_two(size)) for size in sizes] == expected


def test_each_row_may_begin_with_a_token_of_its_own(model, filler):
    template, starts = np.full((3, 6), FREE, "int32"), np.array([1, 4, 3], "int32")
    settings = (0.9, 0, 1.0)
    found, _ = filler(template, np.arange(3), *settings, start=starts)
    for row, start in enumerate(starts):
        alone = chunking.Filler(generation.stepwise(model), chunk=4, start=int(start), stop=1, jit=False)
        expected, _ = alone(template[row : row + 1], [row], *settings)
        np.testing.assert_array_equal(found[row], expected[0])
