"""For Triton: the endpoint `serving_default` as an ONNX net, of models whose net ONNX can hold and that verifies."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasmlsp.exporting.converting_saved import convert_endpoint
from kerasmlsp.exporting.loading import load
from kerasmlsp.serving.deploying import folders
from kerasmlsp.serving.deploying.folders import Model
from kerasmlsp.serving.graphs import warm_up_requests

_TYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}
_ROWS = 64
log = logging.getLogger("kerasmlsp")

_README = """\
# {models} on Triton

    docker run --rm --gpus all -p 8000:8000 -p 8001:8001 -v ./models:/models:ro \\
        nvcr.io/nvidia/tritonserver:YY.MM-py3 tritonserver --model-repository=/models

Take a release of 2024 or newer, whose ONNX Runtime reads opset 18; leave `--gpus all` out without a GPU. It speaks the
Open Inference Protocol on port 8000:

    curl http://127.0.0.1:8000/v2/models/{first}

- `models/NAME/1/model.onnx`: the endpoint `serving_default` as a net. Before it was written, it answered as the saved
  model in ONNX Runtime on the CPU. Outputs of text, as the label, are not in it; the classes are in `labels.txt`. What
  the saved model checks of its inputs is not in it either.
- `models/NAME/config.pbtxt`: names, types and shapes, and batches of up to {rows} rows.
{left_out}
## What was not run

Triton itself. The configuration is parsed in the tests of kerasmlsp by the messages that Triton has for it.
"""


def triton(path: Path, models: Sequence[Model], *, named: bool = False, force: bool = False) -> dict:
    """Writes a folder for Triton, of the models that can be converted.

    Args:
        path: The folder to make.
        models: What to serve, of `chosen`.
        named: Whether the models were asked for by their names, so that one that cannot be converted is an error.
        force: Whether a folder that was written here before is replaced.

    Returns:
        `folder`, `models` in words, and `left out`: name of each other model to the reason.

    Raises:
        ValueError: A named model, or every model, cannot be converted, or `path` holds files that are not to be
            replaced.
        OSError: It cannot be written.

    Example:
        >>> triton(Path("deployed"), folders.chosen(["sentiment"], None), named=True)
        Traceback (most recent call last):
        ValueError: sentiment cannot be deployed for Triton: its input text is text, which ONNX nets cannot read. ...
    """
    reasons = {model.name: reason for model in models if (reason := _reads_text(model))}
    if named and reasons:
        raise _refusal(*next(iter(reasons.items())))
    done: list[Model] = []
    with folders.written(path, "triton", done, force=force) as folder:
        for model in models:
            if model.name in reasons:
                continue
            try:
                _convert(model, folder / "models" / model.name)
            except ValueError as error:
                if named or "needs the package" in str(error):
                    raise _refusal(model.name, str(error)) from error
                reasons[model.name] = str(error)
                continue
            done.append(model)
        if not done:
            raise _refusal(*next(iter(reasons.items())))
        told = "".join(f"- {name}: {reason}\n" for name, reason in reasons.items())
        readme = _README.format(
            models=folders.listed(done),
            first=done[0].name,
            rows=_ROWS,
            left_out=f"\n## Left out\n\n{told}" if told else "",
        )
        (folder / "README.md").write_text(readme, encoding="utf-8")
    return {"folder": str(path), "models": folders.listed(done), "left out": reasons}


def _refusal(name, reason):
    return ValueError(
        f"{name} cannot be deployed for Triton: {reason.rstrip('.')}. TensorFlow Serving, KServe and Ray take it."
    )


def _reads_text(model):
    for name, known in model.endpoints["serving_default"]["inputs"].items():
        if known["dtype"] == "string":
            return f"its input {name} is text, which ONNX nets cannot read"
        if not known["shape"]:
            return f"its input {name} is one for all rows, which Triton's batches do not have"
    return None


def _convert(model, folder):
    (folder / "1").mkdir(parents=True)
    try:
        convert_endpoint(load(model.path), folder / "1/model.onnx", examples=_examples(model))
    except ValueError:
        (folder / "1").rmdir()
        folder.rmdir()
        raise
    outputs = {
        name: known for name, known in model.endpoints["serving_default"]["outputs"].items() if known["dtype"] in _TYPES
    }
    classes = model.card.get("classes")
    labelled = "probabilities" if classes and "probabilities" in outputs else None
    if labelled:
        (folder / "labels.txt").write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
    config = _config(model.name, model.endpoints["serving_default"]["inputs"], outputs, labelled)
    (folder / "config.pbtxt").write_text(config, encoding="utf-8")


def _examples(model):
    """One row of the warm-up requests, and several that differ."""
    row = next((inputs for name, inputs in warm_up_requests(model.path) if name == "serving_default"), None)
    if row is None:
        known = model.endpoints["serving_default"]["inputs"]
        row = {name: _zeros(each) for name, each in known.items()}
    shares = (1.0, 0.5, 0.8)

    def several(value):
        # Whole numbers may be places in tables, and pictures are of any numbers.
        rows = [value * share if value.dtype.kind == "f" else value for share in shares]
        return np.concatenate(rows).astype(value.dtype)

    return [row, {name: several(np.asarray(value)) for name, value in row.items()}]


def _zeros(known):
    return np.zeros([1, *(size or 32 for size in known["shape"][1:])], known["dtype"])


def _config(name, inputs, outputs, labelled):
    lines = [f'name: "{name}"', 'backend: "onnxruntime"', f"max_batch_size: {_ROWS}"]
    for kind, tensors in (("input", inputs), ("output", outputs)):
        for each, known in sorted(tensors.items()):
            labels = ' label_filename: "labels.txt"' if kind == "output" and each == labelled else ""
            lines.append(f'{kind} {{ name: "{each}" data_type: TYPE_{_TYPES[known["dtype"]]} {_dims(known)}{labels} }}')
    lines += ["dynamic_batching { }", "version_policy { latest { num_versions: 1 } }"]
    return "\n".join(lines) + "\n"


def _dims(known):
    sizes = [-1 if size is None else size for size in known["shape"][1:]]
    # One number a row has no axis, which Triton cannot say.
    return f"dims: [ {', '.join(map(str, sizes))} ]" if sizes else "dims: [ 1 ] reshape { shape: [ ] }"
