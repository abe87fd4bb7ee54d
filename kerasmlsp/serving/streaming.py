"""Texts that are sent while they are written, as server-sent events: of models with the endpoints `start` and `step`.

`start` reads a prompt and returns a state. `step` takes it with the number of characters to write, and returns the text
and the next state. What is carried from step to step stays in arrays; no client sees it.
"""

import codecs
import dataclasses
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from kerasmlsp.serving import tensors, values
from kerasmlsp.serving.errors import invalid
from kerasmlsp.serving.tensors import Signature

if TYPE_CHECKING:
    from kerasmlsp.serving.engine import Servable

FIRST, PIECE = 8, 32
"""Characters of the first step, which is to come soon, and of the others, for which few calls matter more."""
LONGEST = 1024
"""Characters of a step, at most, where nobody sees a text before it is whole."""
_MOST = 100_000
DONE = b"data: [DONE]\n\n"
"""The last event of a stream that is whole."""


@dataclasses.dataclass(frozen=True)
class Writing:
    """What is to be written, by what.

    Args:
        servable: The model.
        prompt: Inputs of `start`.
        options: Inputs of `step` that are neither state nor `length`.
        length: Characters to write.

    Example:
        >>> Writing(None, {}, {}, length=20).length
        20
    """

    servable: "Servable"
    prompt: dict[str, np.ndarray]
    options: dict[str, np.ndarray]
    length: int


def is_offered(signatures: Mapping[str, Signature]) -> bool:
    """Whether a model with these signatures streams.

    Example:
        >>> is_offered({"serving_default": Signature({}, {})})
        False
    """
    start, step = signatures.get("start"), signatures.get("step")
    return (
        start is not None
        and step is not None
        and bool(start.outputs)
        and start.outputs.keys() <= step.inputs.keys() & step.outputs.keys()
        and {"length"} <= step.inputs.keys()
        and {"text"} <= step.outputs.keys()
    )


def options(signatures: Mapping[str, Signature]) -> dict[str, tensors.TensorInfo]:
    """What a client gives, by name: the inputs of `start`, and those of `step` that are no state.

    Example:
        >>> text, number = (tensors.TensorInfo("", kind, (-1,)) for kind in ("DT_STRING", "DT_INT32"))
        >>> start = Signature({"prompt": text}, {"state": number})
        >>> step = Signature({"state": number, "length": number}, {"state": number, "text": text})
        >>> list(options({"start": start, "step": step}))
        ['prompt', 'length']
    """
    start, step = signatures["start"], signatures["step"]
    own = {name: info for name, info in step.inputs.items() if name not in start.outputs}
    return {**start.inputs, **own}


def read(fields: dict, servable: "Servable") -> Writing:
    """Reads the body of a request to `/streams/NAME`: a value for each of `options`, or none for its default.

    Raises:
        ServingError: The model does not stream, or a value is missing, unknown or of another type.

    Example:
        >>> read({}, type("Plain", (), {"name": "plain", "signatures": {}}))
        Traceback (most recent call last):
        kerasmlsp.serving.errors.ServingError: The model plain does not stream: it has no endpoints `start` and `step`
    """
    signatures = servable.signatures
    if not is_offered(signatures):
        raise invalid(f"The model {servable.name} does not stream: it has no endpoints `start` and `step`")
    known = options(signatures)
    if unknown := [name for name in fields if name not in known]:
        raise invalid(f"`{values.quoted(unknown[0])[1:-1]}` must be one of {', '.join(sorted(known))}")
    defaults = {**signatures["start"].defaults, **signatures["step"].defaults}
    given = {name: fields[name] for name in known if fields.get(name) is not None}
    if missing := [name for name in known if name not in given and defaults.get(name) is None]:
        raise invalid(f"`{missing[0]}` must be given")
    arrays = {name: _value(name, given.get(name, defaults.get(name)), info) for name, info in known.items()}
    length = int(arrays.pop("length").reshape(-1)[0])
    if not 0 <= length <= _MOST:
        raise invalid(f"`length` must be from 0 to {_MOST:,}. Received: {length}")
    prompt = {name: arrays.pop(name) for name in signatures["start"].inputs}
    return Writing(servable, prompt, arrays, length)


def _value(name, value, info):
    """One value as an array of one row, or as a scalar where the input is one."""
    if type(value) in (list, dict):
        raise invalid(f"`{name}` must be one value. Received: {values.quoted(value)}")
    try:
        return values.tensor([value] if info.shape != () else value, info.dtype)
    except Exception as error:
        kind = tensors.type_name(info.dtype)
        raise invalid(f"`{name}` must be of type {kind}. Received: {values.quoted(value)}") from error


async def texts(writing: Writing, timeout: float, longest: int = PIECE) -> AsyncGenerator[str, None]:
    """Yields the text piece by piece: joined, it is what one call would write.

    Args:
        writing: What to write.
        timeout: Seconds that each step may take.
        longest: Characters of a step, at most: each has twice those of the one before, once there are `PIECE`.

    Raises:
        ServingError: As of `Servable.predict`.

    Example:
        >>> import asyncio
        >>> class Model:
        ...     async def predict(self, signature, inputs, timeout):
        ...         if signature == "start":
        ...             return {"state": np.zeros(1)}
        ...         return {"state": np.ones(1), "text": np.array([b"ab" * (inputs["length"][0] // 2)], object)}
        >>> async def joined(length):
        ...     return [text async for text in texts(Writing(Model(), {}, {}, length), timeout=1)]
        >>> asyncio.run(joined(14))
        ['abababab', 'ababab']
    """
    servable = writing.servable
    state = await servable.predict("start", writing.prompt, timeout)
    # A piece may end within a character where a model writes bytes.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    left, wanted = writing.length, FIRST
    while left > 0:
        piece = min(wanted, left)
        left, wanted = left - piece, min(max(2 * wanted, PIECE), longest)
        inputs = {**state, **writing.options, "length": np.array([piece], np.int32)}
        answer = await servable.predict("step", inputs, timeout)
        state = {name: answer[name] for name in state}
        ended = "ended" in state and bool(state["ended"].all())
        text = decoder.decode(answer["text"].reshape(-1)[0], final=ended or not left)
        if text:
            yield text
        if ended:
            return


def event(value: Any) -> bytes:
    """Returns a value as a server-sent event.

    Example:
        >>> event({"text": "To be"})
        b'data: {"text":"To be"}\\n\\n'
    """
    return b"data: " + orjson.dumps(value) + b"\n\n"
