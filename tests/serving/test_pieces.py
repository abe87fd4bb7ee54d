"""Batches: what runs together and when, what fails alone, and what is not run at all."""

import asyncio

import numpy as np
import pytest

from kerasmlsp.serving.batching import Batcher
from kerasmlsp.serving.configuring import Limits
from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.metrics import Metrics
from kerasmlsp.serving.pieces import Load, Plan, Request, cut
from kerasmlsp.serving.tensors import Signature, TensorInfo


def info(dtype, *shape):
    return TensorInfo("t:0", f"DT_{dtype}", shape)


NUMBERS = Signature({"x": info("INT32", -1)}, {"y": info("INT32", -1), "wide": info("FLOAT", -1, 3)})
TEXTS = Signature({"text": info("STRING", -1)}, {"length": info("INT32", -1), "text": info("STRING", -1)})


class Bench:
    """A batcher whose worker is the test."""

    def __init__(self, threads=1, **limits):
        self.sent, self.threads, self.limits, self.load = [], threads, Limits(**limits), Load()
        self.metrics = Metrics()
        self.batcher = Batcher(lambda message, arrays: self.sent.append((message, arrays)), threads, self.metrics)

    def plan(self, signature=NUMBERS):
        return Plan("a", 1, "serving_default", signature, self.limits, self.load)

    def ask(self, plan, inputs, timeout=10.0):
        return asyncio.ensure_future(self.batcher.run(plan, inputs, timeout))

    async def turn(self):
        for _ in range(4):
            await asyncio.sleep(0)

    def rows(self, name="x"):
        return [arrays[name].tolist() for _, arrays in self.sent]

    async def answer(self, function=None):
        """Answers what was sent first."""
        message, arrays = self.sent.pop(0)
        try:
            outputs = (function or work)(**arrays)
        except ServingError as error:
            self.batcher.answer({"op": "failed", "id": message["id"], "code": error.code, "message": str(error)}, {})
        else:
            self.batcher.answer({"op": "outputs", "id": message["id"]}, outputs)
        await self.turn()

    async def answer_all(self, function=None):
        rows = []
        while self.sent:
            rows.append(max(len(np.atleast_1d(each)) for each in self.sent[0][1].values()))
            await self.answer(function)
        return rows


def work(x=None, text=None):
    if x is None:
        return {"length": np.array([len(each) for each in text.flat], np.int32), "text": text}
    if (x < 0).any():
        raise ServingError("INVALID_ARGUMENT", f"`x` must not be negative. Received: {x.min()}")
    return {"y": 2 * x, "wide": np.repeat(x[:, None], 3, 1).astype(np.float32)}


def x(*values):
    return {"x": np.array(values, np.int32)}


def texts(*values):
    return {"text": np.array(values, object)}


def awaited(function):
    """Runs an asynchronous test."""

    def run():
        async def main():
            async with asyncio.timeout(20):
                await function()

        asyncio.run(main())

    return run


async def refusal(request):
    with pytest.raises(ServingError) as error:
        await request
    return error.value.code, str(error.value)


@awaited
async def test_requests_collect_while_the_threads_are_busy_and_not_otherwise():
    bench = Bench()
    plan = bench.plan()
    first = bench.ask(plan, x(0))
    await bench.turn()
    assert bench.rows() == [[0]]
    others = [bench.ask(plan, x(number)) for number in range(1, 6)]
    await bench.turn()
    assert len(bench.sent) == 1 and bench.load.waiting == 5
    await bench.answer()
    assert bench.rows() == [[1, 2, 3, 4, 5]]
    await bench.answer()
    assert [(await each)["y"].tolist() for each in (first, *others)] == [[0], [2], [4], [6], [8], [10]]
    assert (await others[3])["wide"].tolist() == [[4, 4, 4]]
    assert bench.load == Load()


@awaited
async def test_the_oldest_rows_are_taken_sorted_by_length_and_cut():
    bench = Bench(threads=2, batch=8, piece=4)
    plan = bench.plan(TEXTS)
    lengths = [9, 1, 8, 2, 7, 3, 6, 4, 5, 30]
    asked = [bench.ask(plan, texts(b"a" * length)) for length in lengths]
    await bench.turn()
    assert [list(map(len, rows)) for rows in bench.rows("text")] == [[1, 2, 3, 4], [6, 7, 8, 9]]
    await bench.answer_all()
    assert [(await each)["length"].item() for each in asked] == lengths


@pytest.mark.parametrize(
    ("longest", "sizes", "counts"),
    # 16 bytes of padding in each of 16 rows cost less than to run once more, and 512 cost more.
    [(32, (), [32]), (1024, (), [16, 16]), (16384, (), [8, 8, 8, 8]), (16384, (8, 32), [32])],
)
def test_long_texts_run_in_smaller_pieces(longest, sizes, counts):
    bench = Bench(sizes=sizes)
    plan = bench.plan(TEXTS)
    lengths = [longest * number // 32 for number in range(1, 33)]
    request = Request(plan, texts(*(b"a" * length for length in lengths[::-1])), None, 0.0)
    pieces = list(cut(plan, [request.take(32)]))
    assert [piece.rows for piece in pieces] == counts
    found = [len(text) for piece in pieces for text in piece.arrays()["text"]]
    assert found == (lengths if len(counts) > 1 else lengths[::-1])


@awaited
async def test_the_queue_with_the_oldest_request_comes_first():
    bench = Bench()
    first, second = bench.plan(), bench.plan()
    busy = bench.ask(first, x(0))
    await bench.turn()
    asked = []
    for number in range(3):
        asked += [bench.ask(second, x(10 + number)), bench.ask(first, x(number))]
        await asyncio.sleep(0.001)
    await bench.answer()
    assert bench.rows() == [[10, 11, 12]]
    await bench.answer()
    assert bench.rows() == [[0, 1, 2]]
    await bench.answer()
    await asyncio.gather(busy, *asked)


@awaited
async def test_a_large_request_is_split_and_joined_and_lets_others_in_between():
    bench = Bench(batch=8, piece=4)
    plan = bench.plan()
    large = bench.ask(plan, x(*range(30)))
    await bench.turn()
    small = bench.ask(plan, x(100))
    await bench.turn()
    assert bench.rows() == [[0, 1, 2, 3]]
    # It comes behind no more than one batch of those that were there before.
    for first in (4, 8, 12):
        await bench.answer()
        assert bench.rows() == [[*range(first, first + 4)]]
    await bench.answer()
    assert bench.rows() == [[100, 16, 17, 18]]
    await bench.answer()
    assert small.done() and not large.done()
    await bench.answer_all()
    assert (await large)["y"].tolist() == list(range(0, 60, 2))
    assert (await large)["wide"].shape == (30, 3)


@awaited
async def test_texts_of_a_large_request_come_back_in_their_order():
    bench = Bench(batch=16, piece=4)
    values = [b"a" * length for length in (5, 3, 9, 1, 7, 7, 2, 8, 6, 4)]
    asked = [bench.ask(bench.plan(TEXTS), texts(*values)), bench.ask(bench.plan(TEXTS), texts(b"aa", b"a"))]
    await bench.turn()
    assert max(await bench.answer_all()) == 4
    assert (await asked[0])["text"].tolist() == values
    assert (await asked[1])["text"].tolist() == [b"aa", b"a"]


@awaited
async def test_zero_rows_are_answered_without_the_worker():
    bench = Bench()
    outputs = await bench.batcher.run(bench.plan(), x(), 1.0)
    assert {name: (array.shape, array.dtype) for name, array in outputs.items()} == {
        "y": ((0,), np.int32),
        "wide": ((0, 3), np.float32),
    }
    assert not bench.sent and bench.load == Load()


@awaited
async def test_a_bad_row_fails_alone():
    bench = Bench()
    plan = bench.plan()
    busy = bench.ask(plan, x(0))
    await bench.turn()
    asked = [bench.ask(plan, x(1)), bench.ask(plan, x(-2)), bench.ask(plan, x(3, 4)), bench.ask(plan, x(5, -6))]
    await bench.turn()
    await bench.answer_all()
    assert (await busy)["y"] == [0] and (await asked[0])["y"] == [2] and (await asked[2])["y"].tolist() == [6, 8]
    assert await refusal(asked[1]) == ("INVALID_ARGUMENT", "`x` must not be negative. Received: -2")
    assert await refusal(asked[3]) == ("INVALID_ARGUMENT", "row 1: `x` must not be negative. Received: -6")
    assert bench.load == Load()


@awaited
async def test_a_bad_row_of_a_request_that_is_split_fails_the_request_once():
    bench = Bench(batch=4, piece=2)
    asked = bench.ask(bench.plan(), x(0, 1, 2, -3, *range(20)))
    await bench.turn()
    ran = await bench.answer_all()
    assert await refusal(asked) == ("INVALID_ARGUMENT", "row 3: `x` must not be negative. Received: -3")
    # The row is looked for in its piece; what is left of the request does not run.
    assert ran == [2, 2, 1, 1] and bench.load == Load()


@awaited
async def test_what_is_left_of_a_request_does_not_run_while_its_row_is_looked_for():
    bench = Bench(threads=2, batch=8, piece=2)
    asked, other = bench.ask(plan := bench.plan(), x(-1, 0, -2, *range(21))), bench.ask(plan, x(50))
    await bench.turn()
    ran = await bench.answer_all()
    # The two pieces that ran at first, the rows of the first, and the other request.
    assert ran == [2, 2, 1, 1] and bench.load == Load()
    assert await refusal(asked) == ("INVALID_ARGUMENT", "row 0: `x` must not be negative. Received: -1")
    assert (await other)["y"].tolist() == [100]


@pytest.mark.parametrize(
    "signature",
    [
        Signature(NUMBERS.inputs, {"y": info("INT32", -1, -1)}),
        Signature(NUMBERS.inputs, {"y": info("INT32", -1), "total": info("INT32")}),
        Signature(NUMBERS.inputs, {"y": info("INT32", 4)}),
        Signature(NUMBERS.inputs, {"y": TensorInfo("y:0", "DT_INT32", None)}),
        Signature({"x": TensorInfo("x:0", "DT_INT32", None)}, NUMBERS.outputs),
        Signature({"x": info("INT32", 1)}, NUMBERS.outputs),
    ],
)
def test_what_does_not_answer_row_by_row_runs_alone(signature):
    async def main():
        bench = Bench(batch=8, piece=4)
        plan = bench.plan(signature)
        asked = [bench.ask(plan, x(number)) for number in range(3)]
        if signature.inputs["x"].shape == (-1,):
            asked.append(bench.ask(plan, x(*range(6))))
            asked.append(bench.ask(plan, x()))
        await bench.turn()
        assert await bench.answer_all() == [1, 1, 1, 6, 0][: len(asked)]
        assert [len((await each)["y"]) for each in asked] == [1, 1, 1, 6, 0][: len(asked)]

    asyncio.run(main())


@awaited
async def test_a_signature_that_lies_about_its_rows_is_run_alone_from_then_on():
    bench = Bench(batch=8, piece=4)
    plan = bench.plan()
    asked = [bench.ask(plan, x(1, 2)), bench.ask(plan, x(3)), bench.ask(plan, x(*range(8)))]

    def total(x):
        return {"y": x.sum(keepdims=True)}

    await bench.turn()
    await bench.answer_all(total)
    assert (await asked[0])["y"] == [3] and (await asked[1])["y"] == [3]
    # Its first rows had run with others.
    assert (await refusal(asked[2]))[0] == "INTERNAL"
    again = bench.ask(plan, x(*range(8)))
    await bench.turn()
    await bench.answer_all(total)
    assert (await again)["y"] == [28]
    assert bench.load == Load()


@awaited
async def test_a_signature_that_lies_about_the_shape_of_its_rows():
    bench = Bench(batch=8, piece=4)
    asked = bench.ask(bench.plan(), x(*range(8)))
    await bench.turn()
    widths = iter((3, 5))
    await bench.answer_all(lambda x: {"wide": np.zeros((len(x), next(widths)), np.float32)})
    assert await refusal(asked) == ("INTERNAL", "Output wide has rows of the shapes [3] and [5], ask for fewer rows")


@awaited
async def test_only_rows_of_one_shape_and_equal_scalars_share_a_batch():
    bench = Bench()
    signature = Signature(
        {"x": info("FLOAT", -1, -1), "scale": info("FLOAT"), "name": info("STRING")}, {"y": info("FLOAT", -1)}
    )
    plan = bench.plan(signature)

    def inputs(width, scale, name=b"a"):
        scalars = {"scale": np.array(scale, np.float32), "name": np.array(name, object)}
        return {"x": np.full((1, width), scale, np.float32), **scalars}

    kinds = [(2, 1.0), (3, 1.0), (2, 2.0), (2, 1.0, b"b"), (2, 1.0), (2, 2.0)]
    asked = [bench.ask(plan, inputs(*kind)) for kind in kinds]
    await bench.turn()
    shapes = []
    while bench.sent:
        arrays = bench.sent[0][1]
        shapes.append((arrays["x"].shape, arrays["scale"].item(), arrays["name"].item()))
        await bench.answer(lambda x, scale, name: {"y": x.sum(1) * scale})
    assert shapes == [((2, 2), 1, b"a"), ((1, 3), 1, b"a"), ((2, 2), 2, b"a"), ((1, 2), 1, b"b")]
    assert [(await each)["y"].item() for each in asked] == [2, 3, 8, 2, 2, 8]


@awaited
async def test_what_a_client_that_is_gone_asked_for_does_not_run():
    bench = Bench()
    plan = bench.plan()
    busy = bench.ask(plan, x(0))
    await bench.turn()
    gone, stays, partly = bench.ask(plan, x(1)), bench.ask(plan, x(2)), bench.ask(plan, x(*range(100)))
    await bench.turn()
    gone.cancel()
    await bench.turn()
    assert bench.load.waiting == 2
    await bench.answer()
    assert bench.rows()[0][0] == 2 and len(bench.rows()[0]) == 32
    partly.cancel()
    await bench.turn()
    assert await bench.answer_all() == [32]
    assert (await stays)["y"] == [4] and (await busy)["y"] == [0]
    assert bench.load == Load()


@awaited
async def test_an_answer_that_takes_too_long():
    bench = Bench()
    plan = bench.plan()
    running, waiting = bench.ask(plan, x(0), timeout=0.4), None
    await bench.turn()
    waiting = bench.ask(plan, x(1), timeout=0.2)
    assert await refusal(waiting) == ("DEADLINE_EXCEEDED", "The answer took longer than 0.2 s")
    assert (await refusal(running))[0] == "DEADLINE_EXCEEDED"
    assert await bench.answer_all() == [1]
    assert bench.load == Load()


@awaited
async def test_a_full_queue_refuses_and_says_when_to_come_again():
    bench = Bench(queue=3)
    plan = bench.plan()
    asked = [bench.ask(plan, x(0))]
    await bench.turn()
    asked += [bench.ask(plan, x(number)) for number in range(3)]
    await bench.turn()
    with pytest.raises(ServingError) as error:
        await bench.batcher.run(plan, x(4), 1.0)
    assert (error.value.status, error.value.retry_after) == (503, 1)
    assert 'kerasmlsp_rejected_total{reason="queue"} 1' in bench.metrics.text()
    await bench.answer_all()
    await asyncio.gather(*asked)
    assert bench.load == Load()


@awaited
async def test_pieces_are_filled_up_to_allowed_sizes():
    bench = Bench(piece=8, sizes=(1, 2, 4, 8))
    plan = bench.plan()
    asked = [bench.ask(plan, x(number)) for number in range(3)]
    await bench.turn()
    assert bench.rows() == [[0, 1, 2, 2]]
    await bench.answer_all()
    assert [(await each)["y"].tolist() for each in asked] == [[0], [2], [4]]
    alone = bench.ask(plan, x(5, 6, 7))
    await bench.turn()
    assert bench.rows() == [[5, 6, 7, 7]]
    await bench.answer_all()
    assert (await alone)["y"].tolist() == [10, 12, 14]


@awaited
async def test_slow_signatures_have_threads_of_their_own():
    bench = Bench()
    slow, quick = bench.plan(), bench.plan()
    slow.slow = True
    first = bench.ask(slow, x(1))
    await bench.turn()
    others = [bench.ask(slow, x(2)), bench.ask(quick, x(3))]
    await bench.turn()
    assert bench.rows() == [[1], [3]]
    await bench.answer_all()
    await asyncio.gather(first, *others)
    # It took no time, so that it goes back to the others.
    assert not slow.slow
    slow.timed(0.25)
    assert slow.slow
    slow.timed(0.15)
    assert slow.slow


@awaited
async def test_a_model_may_have_fewer_threads_than_the_worker():
    bench = Bench(threads=3)
    bench.limits = Limits(threads=1)
    narrow = bench.plan()
    bench.limits, bench.load = Limits(), Load()
    wide = bench.plan()
    asked = []
    for number in range(2):
        asked.append(bench.ask(narrow, x(number)))
        await bench.turn()
    asked.append(bench.ask(wide, x(7)))
    await bench.turn()
    assert bench.rows() == [[0], [7]]
    await bench.answer_all()
    await asyncio.gather(*asked)


@awaited
async def test_a_worker_that_is_lost_refuses_all_and_what_comes():
    bench = Bench(piece=2, batch=4)
    plan = bench.plan()
    asked = [bench.ask(plan, x(number)) for number in range(9)]
    await bench.turn()
    bench.batcher.fail(ServingError("UNAVAILABLE", "The worker is gone.", retry_after=1))
    for each in asked:
        assert await refusal(each) == ("UNAVAILABLE", "The worker is gone.")
    assert await refusal(bench.batcher.run(plan, x(1), 1.0)) == ("UNAVAILABLE", "The worker is gone.")
    assert bench.load == Load() and len(bench.sent) == 1


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "The inputs of serving_default are ['x']. Received: []"),
        ({**x(1), "z": np.zeros(1)}, "The inputs of serving_default are ['x']. Received: ['x', 'z']"),
        ({"x": np.array([1.5])}, "Input x must be of type int32. Received: float64"),
        ({"x": np.array([[1]], np.int32)}, "`x` must have the shape (rows). Received: (1, 1)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_before_they_wait(inputs, said):
    bench = Bench()
    assert asyncio.run(refusal(bench.batcher.run(bench.plan(), inputs, 1.0))) == ("INVALID_ARGUMENT", said)


@awaited
async def test_inputs_that_are_left_out_have_their_defaults():
    bench = Bench()
    inputs = {"x": info("INT32", -1), "k": info("INT32", -1), "s": info("FLOAT")}
    plan = bench.plan(Signature(inputs, NUMBERS.outputs, defaults={"k": 7, "s": 0.5}))
    asked = bench.ask(plan, x(1, 2))
    await bench.turn()
    assert bench.rows("k") == [[7, 7]] and bench.rows("s") == [0.5]
    await bench.answer(lambda x, k, s: {"y": x + k, "wide": np.zeros((2, 3), np.float32)})
    assert (await asked)["y"].tolist() == [8, 9]


@awaited
async def test_metrics_tell_rows_and_padding():
    bench = Bench()
    plan = bench.plan(TEXTS)
    asked = [bench.ask(plan, texts(b"a" * length)) for length in (1, 3)]
    await bench.turn()
    await bench.answer_all()
    await asyncio.gather(*asked)
    text = bench.metrics.text()
    assert 'kerasmlsp_batch_size_sum{model="a"} 2' in text
    # Three of six.
    assert 'kerasmlsp_batch_padding_share_sum{model="a"} 0.33333333' in text
    assert 'batching_session:queuing_latency_count{thread_pool_name="a"} 1' in text


# A row that is wrong in a request of several


def odd_one(at):
    """Rows of which one is wrong."""
    return x(*(-1 if row == at else row for row in range(40)))


@pytest.mark.parametrize("at", [0, 1, 17, 31, 32, 38, 39])
def test_the_row_that_is_wrong_is_told_and_costs_no_other_request(at):
    @awaited
    async def test():
        bench = Bench(threads=2)
        plan = bench.plan()
        before, bad, after = bench.ask(plan, x(5)), bench.ask(plan, odd_one(at)), bench.ask(plan, x(6, 7))
        await bench.turn()
        ran = await bench.answer_all()
        assert await refusal(bad) == ("INVALID_ARGUMENT", f"row {at}: `x` must not be negative. Received: -1")
        assert (await before)["y"].tolist() == [10] and (await after)["y"].tolist() == [12, 14]
        assert sum(ran) <= 4 * 43 and bench.load == Load()

    test()


@awaited
async def test_the_row_is_found_where_texts_were_sorted_by_their_length():
    bench = Bench(piece=4)
    plan = bench.plan(TEXTS)

    def picky(text):
        if b"" in text:
            raise ServingError("INVALID_ARGUMENT", "`text` must not be empty.")
        return work(text=text)

    asked = bench.ask(plan, texts(b"long text", b"text", b"longest text", b"", b"a", b"bb"))
    await bench.turn()
    await bench.answer_all(picky)
    assert await refusal(asked) == ("INVALID_ARGUMENT", "row 3: `text` must not be empty.")


@awaited
async def test_the_row_is_found_where_a_request_runs_alone():
    """With a scalar beside the rows, of outputs that share no batch."""
    bench = Bench()
    signature = Signature({"x": info("INT32", -1), "k": info("INT32")}, {"y": info("INT32", -1, -1)})
    plan = bench.plan(signature)
    assert not plan.shared

    def call(x, k):
        assert k == 3
        return {"y": work(x=x)["y"][:, None]}

    asked = bench.ask(plan, {**x(4, 5, -6, 7, 8), "k": np.array(3, np.int32)})
    await bench.turn()
    await bench.answer_all(call)
    assert await refusal(asked) == ("INVALID_ARGUMENT", "row 2: `x` must not be negative. Received: -6")


@awaited
async def test_no_row_is_told_where_there_is_one_or_none_is_wrong_by_itself():
    bench = Bench()
    plan = bench.plan()
    (one,) = [bench.ask(plan, x(-3))]
    await bench.turn()
    await bench.answer_all()
    assert await refusal(one) == ("INVALID_ARGUMENT", "`x` must not be negative. Received: -3")

    def few(x):
        if len(x) > 1:
            raise ServingError("INVALID_ARGUMENT", "There must be one row.")
        return work(x=x)

    many = bench.ask(plan, x(1, 2, 3, 4, 5))
    await bench.turn()
    await bench.answer_all(few)
    assert await refusal(many) == ("INVALID_ARGUMENT", "There must be one row.")


@awaited
async def test_no_row_is_looked_for_where_the_fault_is_not_the_clients():
    bench = Bench()

    def broken(x):
        raise ServingError("INTERNAL", "A kernel failed")

    asked = bench.ask(bench.plan(), x(1, 2, 3, 4))
    await bench.turn()
    assert await bench.answer_all(broken) == [4]
    assert await refusal(asked) == ("INTERNAL", "A kernel failed")


@awaited
async def test_what_is_known_is_told_where_the_time_is_over_before_the_row_is_found():
    bench = Bench()
    asked = bench.ask(bench.plan(), x(1, 2, -3, 4), timeout=0.5)
    await bench.turn()
    await bench.answer()
    assert await refusal(asked) == ("INVALID_ARGUMENT", "`x` must not be negative. Received: -3")
    await bench.answer_all()
    assert bench.load == Load()
