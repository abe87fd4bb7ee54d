"""The commands of the traffic application."""

from pathlib import Path

import click

from kerasmlsp import files
from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.traffic.config import OF_ARCHITECTURE, Config

RUNS = Path("runs/traffic")


@click.group(cls=messages.Group)
def traffic():
    """Forecast the speeds of roads within the next hour.

    \b
    kerasmlsp traffic predict speeds.csv --output next_hour.csv
    kerasmlsp traffic train --data speeds.csv --graph adjacency.csv --run mine
    kerasmlsp traffic evaluate --run mine
    kerasmlsp traffic export --run mine
    """


@traffic.command()
@options.train_options(Config)
def train(**values):
    """Train on your own speeds and network of roads.

    \b
    kerasmlsp traffic train --data speeds.csv --graph adjacency.csv --run mine
    kerasmlsp traffic train --data speeds.csv --graph distances.csv --architecture graph-lstm --speed-limit 65
    kerasmlsp traffic train --run mine --resume
    """
    options.train(Config, values, then="evaluate --run {run}", check=_check)


def _check(config):
    for name, place in (("--data", config.data), ("--graph", config.graph)):
        if not place:
            raise click.UsageError(
                f"Give the speeds with `--data FILE` and the network with `--graph FILE`: no {name}."
            )
    for name, architecture in OF_ARCHITECTURE.items():
        if config.architecture != architecture:
            options.refuse(f"It is for `--architecture {architecture}`", name)
    if config.speed_limit is None:
        options.refuse("They are driven at `--speed-limit`", "free_flow_steps")
    options.check_table("data", config.data, config.encoding, time_column=config.time_column)


@traffic.command()
@options.run_option
@options.settings(Config, "data")
@click.option(
    "--part",
    type=click.Choice(["test", "validation"]),
    default="test",
    show_default=True,
    help="Part of the run's data to measure; look at the test once.",
)
@click.option("--road", "roads", multiple=True, metavar="NAME", help="Road to draw; may be given several times.")
@click.option(
    "--strongest", type=click.IntRange(1, 100), default=10, show_default=True, help="Roads of most influence to name."
)
@options.json_option
def evaluate(run, data, part, roads, strongest, as_json):
    """Measure a run on days that it has not seen.

    \b
    kerasmlsp traffic evaluate --run mine
    kerasmlsp traffic evaluate --run mine --data next_week.csv --road 773869
    """
    if data:
        options.refuse("All of `--data` is measured", "part")
        options.check_table("data", data)
    options.started(Config, run)
    with messages.quiet_imports():
        from kerasmlsp.apps.traffic import evaluate as app
    result = app.evaluate(RUNS / run, data, part=part, roads=roads, strongest=strongest)
    printing.print_results(result if as_json else _report(result), as_json)


def _report(result):
    rows = [
        {
            "measure": name,
            "forecast": printing.interval(each, 3),
            **{other: printing.interval(result[other][name], 3) for other in ("persistence", "usual day")},
        }
        for name, each in result["metrics"].items()
    ]
    strong = [
        {"road": road, "influenced most by": ", ".join(f"{other} {change:+.3f}" for other, change in pairs.items())}
        for road, pairs in result["influence"].items()
    ]
    return {
        "measured on": f"{result['windows']} windows: {result['on']}",
        "measures, with 95 % intervals": rows,
        "influence": strong,
        "files": result["files"],
    }


@traffic.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: speeds in, speeds of the next hour out.

    \b
    kerasmlsp traffic export --run mine
    """
    options.export(Config, **values)


@traffic.command()
@click.argument("file", metavar="FILE|-", type=click.Path(path_type=Path, allow_dash=True, dir_okay=False))
@options.settings(Config, "time_column", "first_time", "encoding")
@click.option("--output", type=options.Target(".csv"), metavar="OUT.csv", help="Write all roads and steps there.")
@click.option("--road", "roads", multiple=True, metavar="NAME", help="Road to show; may be given several times.")
@click.option("--figure", type=options.Target(".png"), metavar="OUT.png", help="Draw the roads that are shown.")
@click.option("--influence", metavar="ROAD", help="Name the roads that influence this one most instead.")
@options.model_options
@options.json_option
def predict(file, time_column, first_time, encoding, output, roads, figure, influence, as_json, **wanted):
    """Continue a table of speeds, from a file or stdin.

    \b
    kerasmlsp traffic predict speeds.csv --output next_hour.csv
    kerasmlsp traffic predict speeds.csv --road 773869 --figure next_hour.png
    kerasmlsp traffic predict - --influence 773869 < speeds.csv
    """
    if influence:
        options.refuse("`--influence` tells of one road and forecasts none", "output", "roads", "figure")
    folder = options.find_model("traffic", **wanted)
    options.check_targets(output=output, figure=figure)
    with files.as_file(file, ".csv") as path:
        options.check_table("file", path, encoding, time_column=time_column)
        from kerasmlsp.apps.traffic import predict as app

        model = options.load_model(folder)
        speeds = app.read(model, path, time_column=time_column, first_time=first_time, encoding=encoding)
    if influence:
        printing.print_results(app.influence(model, speeds, influence), as_json, model)
        return
    if absent := [name for name in roads if name not in speeds.roads]:
        raise ValueError(f"`--road` must be a road of the model, such as {speeds.roads[0]}. Received: {absent[0]!r}")
    rows = app.predict(model, speeds)
    if output:
        app.write_table(rows, output)
    if figure:
        app.draw(speeds, rows, roads or speeds.roads[:3], figure)
        printing.tell_figure(figure)
    horizons = {step * speeds.step_minutes for step in model.card["horizons"]}
    shown = rows if as_json else [_shown(row, roads) for row in rows if row["minutes"] in horizons]
    printing.print_results(shown, as_json, model)


def _shown(row, roads):
    """A row of the table on the screen: the roads that were asked for, or what is true of all."""
    told = {"minutes": row["minutes"], "time": row["time"]}
    if roads:
        return {**told, **{name: row["speeds"][name] for name in roads}}
    speeds = row["speeds"]
    slowest = min(speeds, key=speeds.get)
    return {**told, "mean": sum(speeds.values()) / len(speeds), "slowest": speeds[slowest], "road": slowest}
