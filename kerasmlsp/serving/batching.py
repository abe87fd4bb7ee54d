"""Requests put together without a timer: they collect while the worker's threads are busy, and not otherwise.

When a thread is free, the oldest rows of the queue with the oldest request are taken, sorted by length, cut into pieces
and sent. Sorting the whole queue instead would starve long texts.
"""

import asyncio
import collections
from collections.abc import Callable

import numpy as np

from kerasmlsp.serving.errors import ServingError, late
from kerasmlsp.serving.metrics import Metrics
from kerasmlsp.serving.pieces import Piece, Plan, Probe, Request, cut


class _Lane:
    """Threads of the worker, and what waits for them."""

    def __init__(self, threads):
        self.free = threads
        self.queues: dict[tuple, collections.deque[Request]] = {}
        # Pieces that wait for a thread.
        self.cut: collections.deque[Piece] = collections.deque()


class Batcher:
    """Puts requests together for one worker process.

    Args:
        send: Called with the message and the arrays of each piece to run.
        threads: Pieces that the worker runs at a time; as many of signatures whose runs take long run besides.
        metrics: Where batches are counted.

    Example:
        >>> from kerasmlsp.serving.configuring import Limits
        >>> from kerasmlsp.serving.pieces import Load
        >>> from kerasmlsp.serving.tensors import Signature, TensorInfo
        >>> x = TensorInfo("x:0", "DT_INT32", (-1,))
        >>> plan = Plan("double", 1, "serving_default", Signature({"x": x}, {"y": x}), Limits(), Load())
        >>> async def main():
        ...     def send(message, arrays):
        ...         print("rows:", len(arrays["x"]))
        ...         batcher.answer({"op": "outputs", "id": message["id"]}, {"y": 2 * arrays["x"]})
        ...     batcher = Batcher(send, 1, Metrics())
        ...     requests = [batcher.run(plan, {"x": np.array([n], np.int32)}, timeout=1) for n in (1, 2)]
        ...     return [answer["y"].tolist() for answer in await asyncio.gather(*requests)]
        >>> asyncio.run(main())
        rows: 2
        [[2], [4]]
    """

    def __init__(self, send: Callable[[dict, dict[str, np.ndarray]], None], threads: int, metrics: Metrics):
        self._send, self._metrics = send, metrics
        # By whether a signature is slow.
        self._lanes = {False: _Lane(threads), True: _Lane(threads)}
        self._running: dict[int, tuple[_Lane, Piece]] = {}
        self._last = 0
        self._due = False
        self._error: ServingError | None = None

    async def run(self, plan: Plan, inputs: dict[str, np.ndarray], timeout: float) -> dict[str, np.ndarray]:
        """Returns the outputs of one request. Cancelling it withdraws what is not running yet.

        Args:
            plan: That of the signature.
            inputs: Array by input.
            timeout: Seconds that the answer may take.

        Raises:
            ServingError: If inputs do not fit or the model refuses them (`INVALID_ARGUMENT`, or another code that the
                model answers with), too many requests wait (`UNAVAILABLE`, with `retry_after`), the answer takes too
                long (`DEADLINE_EXCEEDED`), or the worker is lost (`UNAVAILABLE`, with `retry_after`).
        """
        inputs = plan.completed(inputs)
        if plan.rows(inputs) == 0 and (empty := plan.no_rows()) is not None:
            return empty
        if self._error:
            raise self._error
        if plan.load.waiting >= plan.limits.queue:
            self._metrics.rejected("queue")
            message = f"The queue of model {plan.model} is full, ask again later"
            raise ServingError("UNAVAILABLE", message, retry_after=1)
        loop = asyncio.get_running_loop()
        request = Request(plan, inputs, loop.create_future(), loop.time())
        lane = self._lanes[plan.slow]
        lane.queues.setdefault(request.key, collections.deque()).append(request)
        plan.load.waiting += 1
        self._look(loop)
        timer = loop.call_later(timeout, _expire, request, timeout)
        try:
            return await request.future
        finally:
            timer.cancel()
            if request.left:
                self._withdraw(lane, request)

    def answer(self, message: dict, arrays: dict[str, np.ndarray]) -> None:
        """Takes the worker's answer to one piece."""
        lane, piece = self._running.pop(message["id"])
        loop = asyncio.get_running_loop()
        lane.free += 1
        piece.plan.load.running -= 1
        if message["op"] == "outputs":
            seconds = loop.time() - piece.sent
            piece.plan.timed(seconds)
            self._metrics.ran(piece.plan.model, piece.rows, piece.padding, seconds)
            if isinstance(piece, Probe):
                self._probe(lane, piece, piece.others())
            elif not piece.deliver(arrays):
                self._give_up_sharing(lane, piece)
        elif piece.is_one():
            if piece.spans[0][0].fault is None or isinstance(piece, Probe):
                self._probe(lane, piece, piece.refused(ServingError(message["code"], message["message"])))
        else:
            # One by one, so that a bad one fails alone.
            lane.cut.extendleft(reversed(piece.apart()))
        self._look(loop)

    def fail(self, error: ServingError) -> None:
        """Refuses whatever waits or runs, and all that comes, since the worker is gone."""
        self._error = error
        for _, piece in self._running.values():
            piece.plan.load.running -= 1
            piece.refuse(error)
        self._running.clear()
        for lane in self._lanes.values():
            for piece in lane.cut:
                piece.refuse(error)
            lane.cut.clear()
            for request in [request for queue in lane.queues.values() for request in queue]:
                request.refuse(error)

    def _look(self, loop):
        """Sees to free threads when the loop comes round, so that what arrives together goes together."""
        if not self._due:
            self._due = True
            loop.call_soon(self._fill_threads, loop)

    def _fill_threads(self, loop):
        self._due = False
        for lane in self._lanes.values():
            while lane.free and (piece := self._next(lane, loop.time())):
                self._start(lane, piece, loop.time())

    def _next(self, lane, now):
        while lane.cut or self._take(lane, now):
            piece = lane.cut.popleft()
            # Without what nobody waits for any more, and what can no longer be answered.
            looks = isinstance(piece, Probe)
            piece.spans = [each for each in piece.spans if not each[0].future.done() and (looks or not each[0].fault)]
            if piece.spans:
                return piece
        return None

    def _take(self, lane, now):
        """Takes the oldest rows of the queue with the oldest request and cuts them; False if nothing may run."""
        heads = [queue[0] for queue in lane.queues.values() if _may_run(queue[0].plan)]
        if not heads:
            return False
        head = min(heads, key=_arrival)
        plan, queue = head.plan, lane.queues[head.key]
        self._metrics.queued(plan.model, now - head.arrived)
        room, spans = plan.limits.batch, []
        while queue and room > 0:
            request = queue.popleft()
            span = request.take(room)
            spans.append(span)
            room = room - (span[2] - span[1]) if request.rows and plan.shared else 0
            if request.left:
                # The rest of a large request waits like one that has just come, so that small ones get their turn.
                request.arrived = now
                queue.append(request)
                break
            plan.load.waiting -= 1
        if not queue:
            del lane.queues[head.key]
        lane.cut.extend(cut(plan, spans))
        return True

    def _start(self, lane, piece, now):
        plan, arrays = piece.plan, piece.arrays()
        self._last += 1
        self._running[self._last] = lane, piece
        piece.sent = now
        lane.free -= 1
        plan.load.running += 1
        self._send({"op": "run", "id": self._last, "model": plan.number, "signature": plan.name}, arrays)

    def _probe(self, lane, piece, following):
        """Looks on for the row that is wrong, next of all; where none is by itself, what was said of all is told."""
        if following is not None:
            lane.cut.appendleft(following)
        elif fault := piece.spans[0][0].fault:
            piece.refuse(fault)

    def _give_up_sharing(self, lane, piece):
        """What to do where the outputs have no row for each row, whatever the signature says: run requests alone."""
        piece.plan.shared = False
        for each in piece.apart():
            if each.is_whole():
                lane.cut.append(each)
            else:
                message = f"Signature {piece.plan.name} does not answer with a row for each row, ask for fewer rows"
                each.refuse(ServingError("INTERNAL", message))

    def _withdraw(self, lane, request):
        queue = lane.queues.get(request.key)
        if queue is not None and request in queue:
            queue.remove(request)
            request.plan.load.waiting -= 1
            if not queue:
                del lane.queues[request.key]


def _may_run(plan):
    return plan.limits.threads is None or plan.load.running < plan.limits.threads


def _arrival(request):
    return request.arrived


def _expire(request, timeout):
    request.refuse(request.fault or late(timeout))
