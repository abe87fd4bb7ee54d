"""Text, with nothing but the saved model."""

from kerasmlsp.data import normalization

# Characters that are shown at a time. The saved model keeps no state between calls and reads all that stands before
# again, which is quick; and what it writes at a place depends on seed and place only.
PIECE = 64


def generate(model, prompts, *, length, temperature=0.8, top_k=0, top_p=1.0, seeds=(0,)):
    """Writes on after prompts.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        prompts: List of strings.
        length: Characters to write after each.
        temperature: Above 0 and low for the likely, 1 for the net's own probabilities.
        top_k: Characters among which to draw; 0 for all.
        top_p: Share of the probability that is drawn from, up to 1.
        seeds: A seed for each prompt.

    Returns:
        List of strings: what was written after each prompt.

    Raises:
        ValueError: A prompt has a character that the model does not know in any form.
    """
    known = model.card["characters"]
    respelled = [normalization.respell(prompt, known) for prompt in prompts]
    for prompt, letters in zip(prompts, map(set, respelled), strict=True):
        if not letters.issubset(known):
            others = sorted(set(prompt).difference(known))
            unknown = [each for each in others if not set(normalization.respell(each, known)).issubset(known)]
            raise ValueError(
                f"`prompt` must be of the {len(known)} characters that the model knows. Received: "
                f"{', '.join(map(repr, unknown[:5]))}"
            )
    settings = {"length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    rows = {name: [value] * len(prompts) for name, value in settings.items()}
    answer = model.call("generate", prompt=respelled, seed=list(seeds), **rows)
    return [text.decode() for text in answer["text"].tolist()]


def stream(model, prompt, *, length, seed=0, **settings):
    """Yields the text after one prompt piece by piece, the same as `generate` writes.

    Raises:
        ValueError: As of `generate`.
    """
    written = ""
    for done in range(0, length, PIECE):
        piece = min(PIECE, length - done)
        more = generate(model, [prompt + written], length=piece, seeds=[seed], **settings)[0]
        written += more
        yield more
