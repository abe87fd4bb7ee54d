"""OpenAI's `/v1/completions` for models that stream, in which a token is a character."""

import asyncio
import contextlib
import dataclasses
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.serving import values
from kerasmlsp.serving.errors import ServingError, invalid
from kerasmlsp.serving.streaming import LONGEST, PIECE, Writing, is_offered, options, read, texts

if TYPE_CHECKING:
    from kerasmlsp.serving.engine import Servable

CHOICES, STOPS, LONGEST_STOP = 8, 4, 1000
"""Texts for one prompt, texts that end one, and their characters, at most."""
# Of OpenAI's interface: what is not offered, unless it has the value that changes nothing.
_IDLE = {
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (),
    "presence_penalty": (0,),
    "suffix": ("",),
}


@dataclasses.dataclass(frozen=True)
class Choices:
    """What a request to `/v1/completions` asks for.

    Args:
        writings: What is written for each choice.
        before: What stands before each text.
        stop: Texts before which a text ends.

    Example:
        >>> Choices([Writing(None, {}, {}, length=20)]).stop
        ()
    """

    writings: list[Writing]
    before: str = ""
    stop: tuple[str, ...] = ()


def read_request(fields: dict, servable: "Servable") -> Choices:
    """Reads the body of a request to `/v1/completions`, which is OpenAI's.

    Raises:
        ServingError: As of `read`, or something is asked for that is not offered.

    Example:
        >>> read_request({"logprobs": 2}, None)
        Traceback (most recent call last):
        kerasmlsp.serving.errors.ServingError: `logprobs` is not offered. Received: 2
    """
    count = _count(fields.get("n"))
    for name, idle in {**_IDLE, "best_of": (1, count)}.items():
        value = fields.get(name)
        if value is not None and value not in idle:
            raise invalid(f"`{name}` is not offered. Received: {values.quoted(value)}")
    prompt, echo = fields.get("prompt", ""), fields.get("echo")
    if type(prompt) is list and len(prompt) == 1:
        prompt = prompt[0]
    if type(prompt) is not str:
        raise invalid("`prompt` must be one string, no list of tokens")
    if type(echo) not in (bool, type(None)):
        raise invalid(f"`echo` must be true or false. Received: {values.quoted(echo)}")
    stop = _stop(fields.get("stop"))
    known = options(servable.signatures) if is_offered(servable.signatures) else ()
    # The defaults are OpenAI's, not those of the model.
    wanted = {"temperature": 1.0, "top_p": 1.0, "seed": secrets.randbelow(2**31)}
    wanted = {name: value for name, value in wanted.items() if name in known}
    asked = {name: fields.get(name) for name in ("temperature", "top_p", "top_k", "seed")}
    wanted |= {name: value for name, value in asked.items() if value is not None}
    length = 16 if fields.get("max_tokens") is None else fields["max_tokens"]
    try:
        writing = read({**wanted, "prompt": prompt, "length": length}, servable)
    except ServingError as error:
        raise invalid(error.message.replace("`length`", "`max_tokens`")) from None
    return Choices([_reseeded(writing, number) for number in range(count)], prompt if echo else "", stop)


def _count(value):
    if value is None:
        return 1
    if type(value) is not int or not 1 <= value <= CHOICES:
        raise invalid(f"`n` must be from 1 to {CHOICES}. Received: {values.quoted(value)}")
    return value


def _stop(value):
    stop = [] if value in (None, "") else [value] if type(value) is str else value
    are_texts = type(stop) is list and all(type(each) is str and 0 < len(each) <= LONGEST_STOP for each in stop)
    if not are_texts or len(stop) > STOPS:
        raise invalid(
            f"`stop` must be a text or up to {STOPS}, of up to {LONGEST_STOP:,} characters each. "
            f"Received: {values.quoted(value)}"
        )
    return tuple(stop)


def _reseeded(writing, number):
    """The same with a seed so much higher, with which another text is drawn."""
    if not number or "seed" not in writing.options:
        return writing
    seed = writing.options["seed"]
    higher = (seed.astype(np.int64) + number).astype(seed.dtype)  # the lowest follow the highest
    return dataclasses.replace(writing, options={**writing.options, "seed": higher})


async def until(pieces: AsyncIterator[str], stop: Sequence[str], length: int) -> AsyncGenerator[tuple[str, str | None]]:
    """Yields a text piece by piece up to the first of what is to end it, and with the last piece why it ends.

    What may be the beginning of something that ends it is kept back until more is known.

    Args:
        pieces: The text.
        stop: Texts before which it ends.
        length: Characters that were asked for.

    Returns:
        Pieces, each with None, and a last one, which may be empty, with "stop" or "length".

    Example:
        >>> async def text():
        ...     for piece in ("To be, o", "r not", " to be"):
        ...         yield piece
        >>> async def found(*stop):
        ...     return [each async for each in until(text(), stop, 19)]
        >>> asyncio.run(found(", or", "not"))
        [('To be', None), ('', 'stop')]
        >>> asyncio.run(found())
        [('To be, o', None), ('r not', None), (' to be', None), ('', 'length')]
    """
    held, written = "", 0
    async for piece in pieces:
        held += piece
        written += len(piece)
        ends = [place for each in stop if (place := held.find(each)) >= 0]
        if ends:
            yield held[: min(ends)], "stop"
            return
        begun = [n for each in stop for n in range(1, min(len(each), len(held) + 1)) if held.endswith(each[:n])]
        sure = len(held) - max(begun, default=0)
        if sure:
            yield held[:sure], None
            held = held[sure:]
    yield held, "length" if written >= length else "stop"


class Completion:
    """The answers to one request to `/v1/completions`.

    Args:
        asked: What was asked for.
        timeout: Seconds that each step may take.

    Example:
        >>> model = type("Model", (), {"name": "chargen"})
        >>> Completion(Choices([Writing(model, {}, {}, length=20)]), 1.0).piece(0, "To be")["choices"]
        [{'index': 0, 'text': 'To be', 'logprobs': None, 'finish_reason': None}]
    """

    def __init__(self, asked: Choices, timeout: float):
        self._asked, self._timeout = asked, timeout
        self._head = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": asked.writings[0].servable.name,
        }

    def piece(self, index: int, text: str, reason: str | None = None) -> dict:
        """Returns a piece of a text for a stream.

        Args:
            index: Number of the choice.
            text: The piece.
            reason: With the last piece why the text ends.

        Example:
            >>> Completion.piece.__name__
            'piece'
        """
        return {**self._head, "choices": [_choice(index, text, reason)]}

    async def pieces(self) -> AsyncGenerator[dict, None]:
        """Yields what is sent for the pieces of all texts, each with a last one that says why it ended.

        Example:
            >>> Completion.pieces.__name__
            'pieces'
        """
        before = dict.fromkeys(range(len(self._asked.writings)), self._asked.before)
        async with contextlib.aclosing(self._written(PIECE)) as found:
            async for index, text, reason in found:
                yield self.piece(index, before.pop(index, "") + text, reason)

    async def whole(self) -> dict:
        """Returns all texts as one answer.

        Example:
            >>> class Model:
            ...     name = "chargen"
            ...
            ...     async def predict(self, signature, inputs, timeout):
            ...         return {"state": np.zeros(1), "text": np.array([b"ho" * 5], object)}
            >>> asked = Choices([Writing(Model(), {"prompt": np.array([b"Hi"], object)}, {}, length=8)], "Hi", ("hoo",))
            >>> answer = asyncio.run(Completion(asked, 1.0).whole())
            >>> answer["choices"][0]["text"], answer["usage"]
            ('Hihohohohoho', {'prompt_tokens': 2, 'completion_tokens': 10, 'total_tokens': 12})
        """
        writings, before = self._asked.writings, self._asked.before
        parts: list[list[str]] = [[] for _ in writings]
        reasons: list[str | None] = [None] * len(writings)
        async with contextlib.aclosing(self._written(LONGEST)) as found:
            async for index, text, reason in found:
                parts[index].append(text)
                reasons[index] = reason
        written = ["".join(each) for each in parts]
        choices = [_choice(number, before + text, reasons[number]) for number, text in enumerate(written)]
        read = sum(len(each.decode("utf-8", "replace")) for each in writings[0].prompt.get("prompt", ()))
        total = sum(map(len, written))
        usage = {"prompt_tokens": read, "completion_tokens": total, "total_tokens": read + total}
        return {**self._head, "choices": choices, "usage": usage}

    async def _written(self, longest):
        """Number of the choice, piece and reason, of all choices beside each other."""
        sources = [texts(each, self._timeout, longest) for each in self._asked.writings]
        length = self._asked.writings[0].length
        running = {number: until(each, self._asked.stop, length) for number, each in enumerate(sources)}
        try:
            while running:
                # All are waited for, so that none runs when another fails.
                steps = [_next(each) for each in running.values()]
                found: list[Any] = await asyncio.gather(*steps, return_exceptions=True)
                if failed := [each for each in found if isinstance(each, BaseException)]:
                    raise failed[0]
                for number, each in zip(list(running), found, strict=True):
                    if each is None:
                        del running[number]
                    else:
                        yield number, *each
        finally:
            for each in (*running.values(), *sources):
                await each.aclose()


async def _next(source):
    try:
        return await anext(source)
    except StopAsyncIteration:
        return None


def _choice(index, text, reason):
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}
