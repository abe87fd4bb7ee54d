"""From a run to a saved model."""

from pathlib import Path

from kerasmlsp import exporting, training
from kerasmlsp.apps.translate import evaluate, model
from kerasmlsp.data.subwords import CONTROLS, SPACE
from kerasmlsp.exporting import model_cards

_EXAMPLES = 3


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `translate`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net = evaluate.load(run)
    functions, track = model.endpoints(net.net, net.units, net.config)
    functions = exporting.with_half_weights(functions, track)
    left_out = ("data", "parallel", "manual_dir")
    card = {
        **notes.card("Translation of sentences"),
        "description": f"Translates sentences from {net.config.source} to {net.config.target}: text in, text out. "
        f"Endpoint `serving_default` follows {net.config.beams} translations at once, `greedy` one.",
        "languages": {"source": net.config.source, "target": net.config.target},
        "split": _split(net),
        "limits": _limits(net),
        "training": {key: value for key, value in net.stored.items() if key not in left_out},
        "figures": run.figures(evaluate.LENGTHS),
        **_measured(run),
    }
    examples = {name: {"text": _examples(net)} for name in functions}
    # Of beams that score alike the last digit decides.
    return exporting.export(
        models,
        "translate",
        functions,
        track=track,
        inputs=model.INPUTS,
        examples=examples,
        card=card,
        tolerance=1e-3,
    )


def _examples(net):
    """Sentences that are made of known units, unlike in length, and one without a word."""
    units = net.units.pieces[len(CONTROLS) :]
    words = [unit[1:] for unit in units if unit.startswith(SPACE) and len(unit) > 2] or ["a"]
    return ["", *(" ".join(words[3 * i : 5 * i + 2]) for i in range(_EXAMPLES))]


def _split(net):
    counts = net.stored["pairs"]
    return (
        f"{counts['train']} sentences with their translations were trained on, {counts['validation']} others selected "
        f"the epoch, and {counts['test']} were held out. No sentence of either side is in two of them. "
        f"Seed {net.config.seed}."
    )


def _limits(net):
    return (
        f"Knows sentences like those named above, in {net.stored['subwords']} units of both languages; it translates "
        f"others, too, into what such sentences say, often wrongly. Of a text of more than {net.config.max_tokens} "
        "units the end is not read, and `cut` says so. Names and numbers may be changed, negations lost and sexes of "
        "persons invented. Where it looked is no proof of why. The score compares translations of one sentence. "
        "Not for what must not be misunderstood."
    )


def _measured(run):
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    result = run.evaluation()
    if result is None:
        note = "on the sentences only that also selected the epoch: run evaluate first"
        return {"metrics": {"validation nats per unit": run.best_row()["val_nats"]}, "evaluated": note}
    metrics = {f"{name}, {how}": values for how, each in result["metrics"].items() for name, values in each.items()}
    signatures = ", ".join(f"{name}: {each}" for name, each in result["signatures"].items())
    note = f"{result['pairs']} pairs ({result['split']}), fingerprint {result['fingerprint']}; {signatures}"
    return {"metrics": metrics, "evaluated": note}
