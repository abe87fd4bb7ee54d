"""What batches are made of: which requests may share one, how rows are cut into pieces, and answers put together."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kerasmlsp.serving.configuring import Limits
from kerasmlsp.serving.errors import STATUS, ServingError, invalid
from kerasmlsp.serving.tensors import NUMPY, Signature, shape_text, type_name
from kerasmlsp.serving.values import complete

# A signature whose runs take longer, in seconds, has threads of its own, so that others do not wait behind it; and
# leaves them again where its runs are shorter than the second.
_SLOW, _QUICK = 0.2, 0.1
# A piece of texts is halved where that spares so many bytes of padding: to run one more costs about as much as they.
_PADDING = 2048
# Rows below which no piece is halved.
_FEW = 16


class Plan:
    """How the requests to one signature of a version are put together.

    Rows of several requests share a batch where each input has rows or is a scalar, and each output has one row for
    each row of the inputs and a fixed shape beyond.

    Args:
        model: Name of the model.
        number: What the worker calls the version.
        name: Name of the signature.
        signature: The signature.
        limits: Rows of batches and pieces, and how many requests may wait.
        load: What all signatures of the model share: how many requests wait, and how many pieces run.

    Example:
        >>> from kerasmlsp.serving.tensors import TensorInfo
        >>> text, label = TensorInfo("text:0", "DT_STRING", (-1,)), TensorInfo("label:0", "DT_STRING", (-1,))
        >>> signature = Signature({"text": text}, {"label": label})
        >>> Plan("sentiment", 1, "serving_default", signature, Limits(), Load()).shared
        True
    """

    def __init__(self, model: str, number: int, name: str, signature: Signature, limits: Limits, load: "Load"):
        self.model, self.number, self.name, self.signature = model, number, name, signature
        self.limits, self.load = limits, load
        shapes = {key: info.shape for key, info in signature.inputs.items()}
        self.by_row = tuple(key for key, shape in shapes.items() if shape and shape[0] == -1)
        self.scalars = tuple(key for key, shape in shapes.items() if shape == ())
        self.texts = tuple(key for key in self.by_row if signature.inputs[key].dtype == "DT_STRING")
        self.has_rows = bool(self.by_row) and len(self.by_row) + len(self.scalars) == len(shapes)
        self.shared = self.has_rows and all(_is_by_row(info.shape) for info in signature.outputs.values())
        # Without a shape beyond the rows and without scalars there is nothing in which requests can differ.
        self.alike = not self.scalars and all(len(shapes[key] or ()) == 1 for key in self.by_row)
        self.slow = False

    def completed(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the inputs with those that are left out at their defaults.

        Raises:
            ServingError: If an input is missing, unknown, or of the wrong type or shape (`INVALID_ARGUMENT`).
        """
        infos, defaults = self.signature.inputs, self.signature.defaults
        for name, array in inputs.items():
            wanted = NUMPY.get(infos[name].dtype) if name in infos else array.dtype
            if wanted is not None and array.dtype != wanted:
                raise invalid(f"Input {name} must be of type {type_name(infos[name].dtype)}. Received: {array.dtype}")
        known, wanted_names = inputs.keys() <= infos.keys(), infos.keys() - defaults.keys()
        if not known or not wanted_names <= inputs.keys():
            raise invalid(f"The inputs of {self.name} are {sorted(infos)}. Received: {sorted(inputs)}")
        return complete(inputs, self.signature)

    def rows(self, inputs: Mapping[str, np.ndarray]) -> int | None:
        """Returns how many rows a request has; None where it has to run alone."""
        return self.count(inputs) if self.shared else None

    def count(self, inputs: Mapping[str, np.ndarray]) -> int | None:
        """Returns how many rows a request has, whether it has to run alone or not; None where it has none."""
        if not self.has_rows:
            return None
        counts = {len(inputs[name]) for name in self.by_row}
        return counts.pop() if len(counts) == 1 else None

    def key(self, inputs: Mapping[str, np.ndarray]) -> tuple:
        """Returns what requests have in common whose rows may share a batch."""
        if self.alike:
            return (self,)
        return (
            self,
            *(inputs[name].shape[1:] for name in self.by_row),
            *(inputs[name].item() for name in self.scalars),
        )

    def timed(self, seconds: float) -> None:
        """Takes up how long a run took."""
        self.slow = seconds > (_QUICK if self.slow else _SLOW)

    def no_rows(self) -> dict[str, np.ndarray] | None:
        """Returns the outputs of no rows; None where only the model can tell."""
        infos = self.signature.outputs
        if not self.shared or any(info.dtype not in NUMPY for info in infos.values()):
            return None
        return {name: np.empty((0, *(info.shape or ())[1:]), NUMPY[info.dtype]) for name, info in infos.items()}


def _is_by_row(shape):
    return bool(shape) and shape[0] == -1 and -1 not in shape[1:]


@dataclasses.dataclass
class Load:
    """What is under way for one version.

    Args:
        pending: Requests that have not been answered.
        waiting: Requests that have not been sent to the worker.
        running: Pieces that the worker runs.

    Example:
        >>> Load().waiting
        0
    """

    pending: int = 0
    waiting: int = 0
    running: int = 0


class Request:
    """One request on its way.

    Args:
        plan: How requests to its signature are put together.
        inputs: Array by input.
        future: Where its outputs, or what it is refused with, are set.
        arrived: When it came, in the time of the loop.

    Attributes:
        rows: Rows that may be taken one by one; None if it runs alone, as a whole.
        key: What it has in common with those whose rows it may run with.
        left: Rows that have not been taken yet.
        fault: What the model refused it with, while the row is looked for that is wrong.

    Example:
        >>> plan = Plan("sentiment", 1, "serving_default", Signature({}, {}), Limits(), Load())
        >>> Request(plan, {}, None, 0.0).rows
    """

    __slots__ = ("arrived", "fault", "future", "inputs", "key", "left", "missing", "outputs", "plan", "rows")

    def __init__(self, plan: Plan, inputs: dict[str, np.ndarray], future: Any, arrived: float):
        self.plan, self.inputs, self.future, self.arrived = plan, inputs, future, arrived
        self.rows = plan.rows(inputs) or None
        self.key = plan.key(inputs) if self.rows else (plan, None)
        self.left = self.missing = self.rows or 1
        self.outputs: dict[str, np.ndarray] = {}
        self.fault: ServingError | None = None

    def take(self, room: int) -> "Span":
        """Takes at most `room` of the rows that are left; all of a request that runs alone."""
        if self.rows is None or not self.plan.shared:
            self.left = 0
            return self, 0, self.rows or 1
        begin = self.rows - self.left
        self.left -= min(room, self.left)
        return self, begin, self.rows - self.left

    def refuse(self, error: ServingError) -> None:
        """Answers with an error, unless it has been answered or withdrawn."""
        if not self.future.done():
            self.future.set_exception(error)

    def answer(self, outputs: dict[str, np.ndarray]) -> None:
        """Answers with all outputs, unless it has been answered or withdrawn."""
        if not self.future.done():
            self.future.set_result(outputs)

    def put(self, outputs: Mapping[str, np.ndarray], rows: list[int], places: list[int]) -> None:
        """Takes up the outputs of some of its rows, which are at `places`; answers when it has all."""
        for name, array in outputs.items():
            if name not in self.outputs:
                self.outputs[name] = np.empty((self.rows or 1, *array.shape[1:]), array.dtype)
            joined = self.outputs[name]
            if joined.shape[1:] != array.shape[1:]:
                shapes = f"{shape_text(joined.shape[1:])} and {shape_text(array.shape[1:])}"
                message = f"Output {name} has rows of the shapes {shapes}, ask for fewer rows"
                self.refuse(ServingError("INTERNAL", message))
                return
            joined[rows] = array[places]
        self.missing -= len(rows)
        if not self.missing:
            self.answer(self.outputs)


# A request and its rows from the first number up to the second.
Span = tuple[Request, int, int]


class Piece:
    """Rows that run together.

    Args:
        plan: How requests to their signature are put together.
        spans: The rows.
        padding: The share of their text that only fills up (0 to 1).

    Attributes:
        sent: When it was sent, in the time of the loop.

    Example:
        >>> from kerasmlsp.serving.tensors import TensorInfo
        >>> x = TensorInfo("x:0", "DT_INT32", (-1,))
        >>> plan = Plan("double", 1, "serving_default", Signature({"x": x}, {"y": x}), Limits(piece=2), Load())
        >>> request = Request(plan, {"x": np.arange(3, dtype=np.int32)}, None, 0.0)
        >>> [piece.arrays()["x"].tolist() for piece in cut(plan, [request.take(64)])]
        [[0], [1, 2]]
    """

    __slots__ = ("padding", "plan", "sent", "spans", "surplus")

    def __init__(self, plan: Plan, spans: list[Span], padding: float = 0.0):
        self.plan, self.spans, self.padding = plan, spans, padding
        self.surplus, self.sent = 0, 0.0

    @property
    def rows(self) -> int:
        """How many rows are asked for."""
        return sum(end - begin for _, begin, end in self.spans)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns what to run, filled up to an allowed number of rows."""
        first = self.spans[0][0]
        if self.is_whole():
            arrays = dict(first.inputs)
        else:
            arrays = {name: first.inputs[name] for name in self.plan.scalars}
            for name in self.plan.by_row:
                arrays[name] = np.concatenate([each.inputs[name][begin:end] for each, begin, end in self.spans])
        if self.plan.shared and first.rows:
            rows = self.rows
            self.surplus = self.plan.limits.padded(rows) - rows
            if self.surplus:
                self.padding = max(self.padding, self.surplus / (rows + self.surplus))
                for name in self.plan.by_row:
                    array = arrays[name]
                    arrays[name] = np.concatenate([array, np.repeat(array[-1:], self.surplus, axis=0)])
        return arrays

    def deliver(self, outputs: dict[str, np.ndarray]) -> bool:
        """Answers the requests with their rows of the outputs; False if the outputs have no row for each row."""
        if not self.surplus and self.is_whole():
            self.spans[0][0].answer(outputs)
            return True
        total = self.rows + self.surplus
        if any(not array.ndim or len(array) != total for array in outputs.values()):
            return False
        place = 0
        scattered: dict[Request, tuple[list[int], list[int]]] = {}
        for request, begin, end in self.spans:
            if request.rows == 1:
                request.answer({name: array[place : place + 1] for name, array in outputs.items()})
            else:
                rows, places = scattered.setdefault(request, ([], []))
                rows += range(begin, end)
                places += range(place, place + end - begin)
            place += end - begin
        for request, (rows, places) in scattered.items():
            request.put(outputs, rows, places)
        return True

    def apart(self) -> list["Piece"]:
        """Returns a piece for each request."""
        spans: dict[Request, list[Span]] = {}
        for request, begin, end in sorted(self.spans, key=lambda span: span[1]):
            joined = spans.setdefault(request, [])
            if joined and joined[-1][2] == begin:
                begin = joined.pop()[1]
            joined.append((request, begin, end))
        return [Piece(self.plan, each) for each in spans.values()]

    def is_one(self) -> bool:
        """Whether all rows are of one request."""
        return all(request is self.spans[0][0] for request, _, _ in self.spans)

    def is_whole(self) -> bool:
        """Whether it is all of one request."""
        request, begin, end = self.spans[0]
        return len(self.spans) == 1 and begin == 0 and end == (request.rows or 1)

    def refuse(self, error: ServingError) -> None:
        """Answers all requests with an error."""
        for request, _, _ in self.spans:
            request.refuse(error)

    def refused(self, error: ServingError) -> "Probe | None":
        """Returns what to run to find the row that is wrong; None once the request is refused, as one row is."""
        request = self.spans[0][0]
        begins = sorted((begin, end) for _, begin, end in self.spans)
        count = request.plan.count(request.inputs) or 1
        if self.is_whole() and request.rows is None:
            begins = [(0, count)]
        rows = [row for begin, end in begins for row in range(begin, end)]
        if count == 1 or STATUS[error.code] != 400:
            request.refuse(error)
            return None
        if len(rows) == 1:
            request.refuse(ServingError(error.code, f"row {rows[0]}: {error}"))
            return None
        request.fault = request.fault or error
        return Probe(request, rows)


class Probe(Piece):
    """Rows of a request that the model has refused, the first half of which is run to find the one that is wrong.

    Args:
        request: The request.
        rows: Numbers of the rows, rising; two or more. Half of them run first, and the others if nothing is wrong with
            those.

    Example:
        >>> from kerasmlsp.serving.tensors import TensorInfo
        >>> x = TensorInfo("x:0", "DT_INT32", (-1,))
        >>> plan = Plan("double", 1, "serving_default", Signature({"x": x}, {"y": x}), Limits(), Load())
        >>> probe = Probe(Request(plan, {"x": np.array([7, 8, 9], np.int32)}, None, 0.0), [0, 1, 2])
        >>> probe.arrays()["x"].tolist(), probe.others().arrays()["x"].tolist()
        ([7], [8, 9])
    """

    __slots__ = ("rest",)

    def __init__(self, request: Request, rows: list[int], rest: list[int] | None = None):
        if rest is None:
            rows, rest = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        super().__init__(request.plan, [(request, row, row + 1) for row in rows])
        self.rest = rest

    def is_whole(self) -> bool:
        """It never is: its outputs answer nothing."""
        return False

    def others(self) -> "Probe | None":
        """Returns the other half, once nothing is wrong with this; None if there is none."""
        return Probe(self.spans[0][0], self.rest, []) if self.rest else None


def cut(plan: Plan, spans: list[Span]) -> Iterator[Piece]:
    """Yields pieces of nearly the same size; those of texts of rows of about the same length, smaller where that pays.

    Example:
        >>> next(cut(Plan("a", 1, "b", Signature({}, {}), Limits(), Load()), []), None)
    """
    total = sum(end - begin for _, begin, end in spans)
    if total == 1 or not plan.shared or spans[0][0].rows is None:
        yield from (Piece(plan, [span]) for span in spans)
        return
    count = -(-total // plan.limits.piece)
    bounds = [total * number // count for number in range(count + 1)]
    if not plan.texts:
        yield from (Piece(plan, list(_between(spans, *pair))) for pair in itertools.pairwise(bounds))
        return
    rows = [(request, row, row + 1) for request, begin, end in spans for row in range(begin, end)]
    lengths = [_length(plan, request.inputs, row) for request, row, _ in rows]
    order = sorted(range(total), key=lengths.__getitem__)
    parts = [order[begin:end] for begin, end in itertools.pairwise(bounds)]
    # What runs with fixed numbers of rows would only be filled up again.
    chosen = parts if plan.limits.sizes else [half for part in parts for half in _halves(part, lengths)]
    for places in chosen:
        longest = max(1, lengths[places[-1]])
        padding = 1 - sum(lengths[place] for place in places) / (longest * len(places))
        yield Piece(plan, spans if len(chosen) == 1 else [rows[place] for place in places], padding)


def _halves(places, lengths):
    """Halves places of rising lengths as long as that spares much padding."""
    middle = len(places) // 2
    if len(places) < _FEW or (lengths[places[-1]] - lengths[places[middle - 1]]) * middle <= _PADDING:
        return [places]
    return [*_halves(places[:middle], lengths), *_halves(places[middle:], lengths)]


def _length(plan, inputs, row):
    values = (inputs[name][row] for name in plan.texts)
    return sum(len(value) if isinstance(value, bytes) else sum(map(len, value.flat)) for value in values)


def _between(spans, low, high):
    """The part of the spans that their rows from `low` up to `high`, counted through, make."""
    place = 0
    for request, begin, end in spans:
        first, last = max(begin, begin + low - place), min(end, begin + high - place)
        if first < last:
            yield request, first, last
        place += end - begin
