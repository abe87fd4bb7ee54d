"""The commands of the chargen application."""

import os
from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.chargen.config import LAYOUT, NET, PAIRS, REFINED, WEIGHTS, Config, refined

RUNS = Path("runs/chargen")
LONGEST = 100_000

_weights_option = click.option(
    "--weights",
    type=click.Choice(WEIGHTS),
    default=WEIGHTS[0],
    show_default=True,
    help="How the net keeps its weights; int8, for gpt: a quarter of the room, and batches are faster.",
)


@click.group(cls=messages.Group)
def chargen():
    """Write on in the manner of a text, character by character.

    \b
    kerasmlsp chargen generate --prompt "ROMEO:" --length 300
    kerasmlsp chargen train --data plays.txt --run plays
    kerasmlsp chargen evaluate --run plays
    kerasmlsp chargen export --run plays
    """


@chargen.command()
@options.train_options(Config)
@options.mesh_option
def train(mesh, **values):
    """Train on a text, to write in its manner.

    With --start the net of another run learns on, here on another text.

    \b
    kerasmlsp chargen train --data plays.txt --run plays
    kerasmlsp chargen train --data lyrics/ --architecture lstm --run songs
    kerasmlsp chargen train --dataset tiny_shakespeare --run shakespeare
    kerasmlsp chargen train --start plays --data sonnets.txt --run sonnets
    kerasmlsp chargen train --run plays --resume
    """
    if values["start"]:
        options.refuse("A net that goes on stays as it is", *NET, "max_characters")
        options.started(Config, values["start"])
        values["start"] = os.path.abspath(RUNS / values["start"])
    options.refuse("Preferences are for the command `refine`", "preferences", "beta")
    options.train(Config, values, then="evaluate --run {run}", check=_check, mesh=mesh, layout=LAYOUT)


def _check(config):
    options.check_data(config.data, config.dataset)
    if config.data:
        options.check_text(config.data, config.encoding)


@chargen.command()
@click.option("--start", required=True, metavar="NAME", help="Run to go on from.")
@options.run_option
@options.overwrite_option
@options.settings(Config, "preferences", "seed", *REFINED, **REFINED)
@options.json_option
def refine(start, run, overwrite, preferences, as_json, **values):
    """Let a trained net learn which of two continuations is the better one (direct preference optimisation).

    The run is a new one, which keeps all other options of the one it goes on from. `evaluate` tells how often it wins
    against the start on held-out pairs, and what that costs in nats.

    \b
    kerasmlsp chargen refine --start plays --preferences pairs.jsonl --run polite
    kerasmlsp chargen train --run polite --resume
    """
    if not preferences:
        raise click.UsageError("Give the pairs as `--preferences FILE`.")
    before = options.started(Config, start)
    options.check_table("preferences", preferences, **{f"preferences ({name})": name for name in PAIRS})
    config = refined(before, RUNS / start, preferences, **values)
    options.start(config, run, resume=False, overwrite=overwrite, as_json=as_json, then="evaluate --run {run}")


@chargen.command()
@options.run_option
@options.settings(Config, "data", "encoding", encoding=None)
@_weights_option
@options.model_options
@options.json_option
def evaluate(run, data, encoding, weights, as_json, **wanted):
    """Measure a run on the held-out end of its text, or on another text; or a saved model on a text.

    \b
    kerasmlsp chargen evaluate --run plays
    kerasmlsp chargen evaluate --run plays --data sonnets.txt
    kerasmlsp chargen evaluate --run plays --weights int8
    kerasmlsp chargen evaluate --version 1 --data sonnets.txt
    """
    saved = any(map(options.given, wanted)) or not (options.given("run") or (RUNS / run).exists())
    if saved:
        options.refuse("A saved model is measured as it is", "run", "weights")
    if saved and not data:
        raise click.UsageError(
            "Give the text to measure the saved model on as `--data PATH`, or a run as `--run NAME`."
        )
    if not data:
        options.refuse("The run's own text is read as it was trained on", "encoding")
    options.check_data(data, optional=True)
    folder = options.find_model("chargen", **wanted) if saved else None
    own = "utf-8" if saved else options.started(Config, run).encoding
    if data:
        options.check_text(data, encoding or own)
    with messages.quiet_imports():
        from kerasmlsp.apps.chargen import evaluate as app
    if folder is not None:
        model = options.load_model(folder)
        result = app.evaluate_saved(model, data, encoding or "utf-8")
        printing.print_results(_report(result, as_json), as_json, model)
    else:
        printing.print_results(_report(app.evaluate(RUNS / run, data, weights, encoding), as_json), as_json)


def _report(result, as_json):
    if as_json:
        return result
    return {**result, "metrics": [{"measure": name, **values} for name, values in result["metrics"].items()]}


@chargen.command()
@_weights_option
@options.export_options
def export(**values):
    """Make a saved model of a run: prompt in, text out.

    \b
    kerasmlsp chargen export --run plays
    kerasmlsp chargen export --run plays --weights int8
    """
    options.export(Config, **values)


@chargen.command()
@click.option("--prompt", "prompts", multiple=True, metavar="TEXT", help="How the text begins; may be repeated.")
@click.option("--length", type=click.IntRange(1, LONGEST), default=300, show_default=True, help="Characters to write.")
@click.option(
    "--temperature",
    type=options.FiniteRange(min=0),
    default=0.8,
    show_default=True,
    help="Low for likely characters, 0 for the likeliest, 1 for the net's own probabilities.",
)
@click.option("--greedy", is_flag=True, help="Always take the likeliest character, as --temperature 0.")
@options.top_k_option
@options.top_p_option
@options.seed_option
@click.option(
    "--num-samples", type=click.IntRange(min=1), default=1, show_default=True, help="Texts for each prompt, by seed."
)
@options.model_options
@options.json_option
def generate(prompts, greedy, seed, num_samples, models, shipped, version, as_json, **settings):
    """Write on after a prompt.

    \b
    kerasmlsp chargen generate --prompt "ROMEO:" --length 300
    kerasmlsp chargen generate --prompt "To be" --temperature 0.5 --num-samples 3 --json
    """
    if greedy:
        drawn = ("temperature", "top_k", "top_p", "seed", "num_samples")
        options.refuse("`--greedy` takes the likeliest character and draws nothing", *drawn)
        settings["temperature"] = 0.0
    seeds, prompts = options.seeds(seed, num_samples), prompts or ("",)
    single = len(prompts) * num_samples == 1
    folder = options.find_model("chargen", models=models, shipped=shipped, version=version)
    from kerasmlsp.apps.chargen import generate as app

    model = options.load_model(folder, whole_calls=single)
    if single and not as_json:
        # The prompt is shown with the first piece, before which it may be refused.
        before = prompts[0]
        for piece in app.stream(model, prompts[0], seed=seed, **settings):
            click.echo(before + piece, nl=False)
            before = ""
        click.echo()
        return
    rows = [(prompt, each) for prompt in prompts for each in seeds]
    texts = app.generate(model, [prompt for prompt, _ in rows], seeds=[row[1] for row in rows], **settings)
    results = [{"prompt": row[0], "seed": row[1], "text": text} for row, text in zip(rows, texts, strict=True)]
    if as_json:
        printing.print_results(results, as_json, model)
    else:
        click.echo("\n\n".join(f"[seed {each['seed']}]\n{each['prompt']}{each['text']}" for each in results))
