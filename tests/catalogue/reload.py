"""Loads every model of a folder in this process and compares its answers with those that lie beside it.

    python reload.py FOLDER keras|saved_model

Needs nothing of the tests; KERAS_BACKEND decides who computes.
"""

import json
import sys
from pathlib import Path

import numpy as np


def answers_of_keras(path, inputs):
    import keras

    import kerasmlsp

    model = kerasmlsp.load_model(path / "model.keras")
    given = inputs if len(inputs) > 1 else next(iter(inputs.values()))
    # JAX compiles operation by operation, or a whole model at once, which is faster; TensorFlow need not compile.
    outputs = model.predict_on_batch(given) if keras.backend.backend() == "jax" else model(given, training=False)
    names = list(outputs) if isinstance(outputs, dict) else None
    flat = [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(outputs)]
    return dict(zip(names, flat, strict=True)) if names else dict(enumerate(flat))


def answers_of_saved_model(path, inputs):
    import tensorflow

    assert "kerasmlsp" not in sys.modules
    loaded = tensorflow.saved_model.load(str(path / "saved_model"))
    outputs = loaded.serve(inputs if len(inputs) > 1 else next(iter(inputs.values())))
    if isinstance(outputs, dict):
        return {name: output.numpy() for name, output in outputs.items()}
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return {number: output.numpy() for number, output in enumerate(outputs)}


def main(folder, kind):
    """Prints a line of JSON for each model: its name, and the largest difference or the error."""
    answer = {"keras": answers_of_keras, "saved_model": answers_of_saved_model}[kind]
    for path in sorted(Path(folder).iterdir()):
        try:
            got = answer(path, dict(np.load(path / "inputs.npz")))
            expected = dict(np.load(path / "outputs.npz"))
            assert len(got) == len(expected), f"{len(got)} outputs in place of {len(expected)}"
            differences = []
            for number, name in enumerate(expected):
                value = got.get(name, got.get(number))
                assert value.shape == expected[name].shape, f"{value.shape} in place of {expected[name].shape}"
                assert np.isfinite(value).all() and np.isfinite(expected[name]).all(), f"{name} is not finite"
                scale = max(1.0, float(np.abs(expected[name]).max(initial=0)))
                differences.append(float(np.abs(value - expected[name]).max(initial=0)) / scale)
            result = {"model": path.name, "difference": max(differences)}
        except Exception as error:
            result = {"model": path.name, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
