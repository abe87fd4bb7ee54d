"""The commands of the chargen application."""

import functools
from pathlib import Path

import click

from kerasmlsp.apps import options
from kerasmlsp.apps.chargen.config import ARCHITECTURES, WEIGHTS, Config

RUNS = Path("runs/chargen")
LONGEST = 100_000

_number = functools.partial(options.field_option, Config, none="the architecture's own")
_off = functools.partial(options.field_option, Config)
_text_option = click.option(
    "--data", type=click.Path(path_type=Path), metavar="PATH", help="Text file, or folder of .txt files."
)
_weights_option = click.option(
    "--weights",
    type=click.Choice(WEIGHTS),
    default=WEIGHTS[0],
    show_default=True,
    help="How the net keeps its weights; int8, for gpt: a quarter of the room, and batches are faster.",
)


@click.group()
def chargen():
    """Write on in the manner of a text, character by character.

    \b
    kerasmlsp chargen generate --prompt "ROMEO:" --length 300
    kerasmlsp chargen train --data plays.txt --run plays
    kerasmlsp chargen evaluate --run plays
    kerasmlsp chargen export --run plays
    """


@chargen.command()
@_text_option
@options.dataset_option
@options.manual_dir_option
@click.option("--architecture", type=click.Choice(ARCHITECTURES), default=Config.architecture, show_default=True)
@options.run_option
@options.resume_option
@options.seed_option
@_number("units", click.IntRange(min=1), "Size of the state, or of GPT's vectors.")
@_number("num_layers", click.IntRange(min=1), "Layers.")
@_number("dropout", click.FloatRange(0, 1, max_open=True), "Drop probability.")
@_number("window", click.IntRange(min=1), "Characters in a row of a batch, and those that GPT sees.")
@_number("epochs", click.IntRange(min=1), "Passes over the text.")
@_number("batch_size", click.IntRange(min=1), "Rows of a batch.")
@_number("learning_rate", click.FloatRange(min=0, min_open=True), "Peak learning rate.")
@options.schedule_option
@_number("warmup", click.FloatRange(0, 1, max_open=True), "Share of the steps in which the learning rate rises.")
@_number("clip_norm", click.FloatRange(min=0), "Largest norm of all gradients together; 0 for any.")
@_number("weight_decay", click.FloatRange(min=0), "Decoupled weight decay.")
@_off("ema", click.FloatRange(0, 1, min_open=True, max_open=True), "Momentum of a moving average of the weights.")
@_off("patience", click.IntRange(min=1), "Epochs without a better validation loss before training stops.")
@_number("held_out_share", click.FloatRange(0, 0.5, min_open=True, max_open=True), "End of the text that is held out.")
@_number("validation_share", click.FloatRange(0, 0.5, min_open=True, max_open=True), "Part that selects the epoch.")
@_number("max_characters", click.IntRange(min=2), "Characters known, the most frequent.")
@options.precision_option
@options.jit_option
@options.deterministic_option
@options.json_option
@click.pass_context
def train(context, run, resume, as_json, **values):
    """Train on a text, to write in its manner.

    \b
    kerasmlsp chargen train --data plays.txt --run plays
    kerasmlsp chargen train --data lyrics/ --architecture lstm --run songs
    kerasmlsp chargen train --dataset tiny_shakespeare --run shakespeare
    kerasmlsp chargen train --run plays --resume
    """
    folder = RUNS / run
    config = options.configuration(context, Config, folder if resume else None, values)
    with options.quiet_imports():
        from kerasmlsp.apps.chargen import train as app
    with options.resumable("chargen", run):
        result = app.train(config, folder, resume=resume)
    options.print_results(result, as_json)
    click.echo(f"Next: kerasmlsp chargen evaluate --run {run}", err=True)


@chargen.command()
@options.run_option
@_text_option
@_weights_option
@options.json_option
def evaluate(run, data, weights, as_json):
    """Measure a run on the held-out end of its text, or on another text.

    \b
    kerasmlsp chargen evaluate --run plays
    kerasmlsp chargen evaluate --run plays --data sonnets.txt
    kerasmlsp chargen evaluate --run plays --weights int8
    """
    with options.quiet_imports():
        from kerasmlsp.apps.chargen import evaluate as app
    result = app.evaluate(RUNS / run, data, weights)
    if not as_json:
        result["metrics"] = [{"measure": name, **values} for name, values in result["metrics"].items()]
    options.print_results(result, as_json)


@chargen.command()
@_weights_option
@options.export_options
def export(**values):
    """Make a saved model of a run: prompt in, text out.

    \b
    kerasmlsp chargen export --run plays
    kerasmlsp chargen export --run plays --weights int8
    """
    options.export("chargen", **values)


@chargen.command()
@click.option("--prompt", "prompts", multiple=True, metavar="TEXT", help="How the text begins; may be repeated.")
@click.option("--length", type=click.IntRange(1, LONGEST), default=300, show_default=True, help="Characters to write.")
@click.option(
    "--temperature",
    type=click.FloatRange(min=0, min_open=True),
    default=0.8,
    show_default=True,
    help="Low for likely characters, 1 for the net's own probabilities.",
)
@click.option("--greedy", is_flag=True, help="Always take the likeliest character.")
@click.option(
    "--top-k", type=click.IntRange(min=0), default=0, show_default=True, help="Draw among so many; 0 for all."
)
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Draw from the likeliest that make up this probability.",
)
@options.seed_option
@click.option(
    "--num-samples", type=click.IntRange(min=1), default=1, show_default=True, help="Texts for each prompt, by seed."
)
@options.models_option
@options.version_option
@options.json_option
def generate(prompts, greedy, seed, num_samples, models, version, as_json, **settings):
    """Write on after a prompt.

    \b
    kerasmlsp chargen generate --prompt "ROMEO:" --length 300
    kerasmlsp chargen generate --prompt "To be" --temperature 0.5 --num-samples 3 --json
    """
    with options.quiet_imports():
        from kerasmlsp import loading
        from kerasmlsp.apps.chargen import generate as app

        model = loading.load(loading.find("chargen", version, models))
    prompts = prompts or ("",)
    if greedy:
        settings["temperature"] = 0.0
    if len(prompts) * num_samples == 1 and not as_json:
        click.echo(prompts[0], nl=False)
        for piece in app.stream(model, prompts[0], seed=seed, **settings):
            click.echo(piece, nl=False)
        click.echo()
        return
    rows = [(prompt, seed + i) for prompt in prompts for i in range(num_samples)]
    texts = app.generate(model, [prompt for prompt, _ in rows], seeds=[row[1] for row in rows], **settings)
    results = [{"prompt": row[0], "seed": row[1], "text": text} for row, text in zip(rows, texts, strict=True)]
    if as_json:
        options.print_results(results, True)
    else:
        click.echo("\n\n".join(f"[seed {each['seed']}]\n{each['prompt']}{each['text']}" for each in results))
