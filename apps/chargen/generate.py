"""Text, with nothing but the saved model."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from kerasmlsp.data import normalization

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

log = logging.getLogger("kerasmlsp")

PIECE = 128  # characters that are shown at a time
DEFAULTS = {"temperature": 0.8, "top_k": 0, "top_p": 1.0}


def generate(
    model: "SavedModel",
    prompts: Sequence[str],
    *,
    length: int,
    temperature: float = 0.8,
    top_k: int = 0,
    top_p: float = 1.0,
    seeds: Iterable[int] = (0,),
) -> list[str]:
    """Writes on after prompts.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        prompts: List of strings; of a long one the end is read, see the model card.
        length: Characters to write after each.
        temperature: Low for the likely, 0 for the likeliest each time, 1 for the net's own probabilities.
        top_k: Characters among which to draw; 0 for all.
        top_p: Share of the probability that is drawn from, up to 1.
        seeds: A seed for each prompt.

    Returns:
        List of strings: what was written after each prompt.

    Raises:
        ValueError: A prompt has a character that the model does not know in any form.
    """
    respelled = _respelled(model, prompts)
    settings = {"length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    rows = {name: [value] * len(prompts) for name, value in settings.items()}
    answer = model.call("generate", prompt=respelled, seed=list(seeds), **rows)
    return [text.decode() for text in answer["text"].tolist()]


def stream(model: "SavedModel", prompt: str, *, length: int, seed: int = 0, **settings: float) -> Iterator[str]:
    """Yields the text after one prompt piece by piece, the same as `generate` writes.

    Raises:
        ValueError: As of `generate`.
    """
    (prompt,) = _respelled(model, [prompt])
    if "step" not in model.endpoints:
        yield from _stream_anew(model, prompt, length=length, seed=seed, **settings)
        return
    rows = {name: [value] for name, value in {**DEFAULTS, **settings, "seed": seed}.items()}
    state = model.call("start", prompt=[prompt])
    for done in range(0, length, PIECE):
        answer = model.call("step", **state, **rows, length=[min(PIECE, length - done)])
        state = {name: answer[name] for name in state}
        yield answer["text"][0].decode()


def _stream_anew(model, prompt, *, length, seed, **settings):
    """Streams from a saved model without `start` and `step`: every piece reads again all that stands before."""
    written = ""
    for done in range(0, length, PIECE):
        piece = min(PIECE, length - done)
        more = generate(model, [prompt + written], length=piece, seeds=[seed], **settings)[0]
        written += more
        yield more


def _respelled(model, prompts):
    """The prompts in characters that the model knows."""
    known, limit = model.card["characters"], model.card.get("prompt_characters")
    if limit and max(map(len, prompts), default=0) > limit:
        log.warning("Of a prompt the last %d characters are read: the net knows nothing of what is before.", limit)
        prompts = [prompt[-limit:] for prompt in prompts]
    respelled = [normalization.respell(prompt, known) for prompt in prompts]
    for prompt, letters in zip(prompts, map(set, respelled), strict=True):
        if not letters.issubset(known):
            others = sorted(set(prompt).difference(known))
            unknown = [each for each in others if not set(normalization.respell(each, known)).issubset(known)]
            raise ValueError(
                f"`prompt` must be of the {len(known)} characters that the model knows. Received: "
                f"{', '.join(map(repr, unknown[:5]))}"
            )
    return respelled
