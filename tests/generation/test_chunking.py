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


@pytest.mark.parametrize(("rows", "length"), [(1, 1), (3, 5), (5, 11), (2, 8), (2, 0)])
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


def test_batches_are_compiled_for_powers_of_two():
    sizes = [0, *range(1, 70), *(2**n + more for n in range(7, 30) for more in (-1, 0, 1)), 2**30]
    expected = [1 if size < 2 else 1 << (size - 1).bit_length() for size in sizes]
    assert [int(chunking._power_of_two(size)) for size in sizes] == expected
