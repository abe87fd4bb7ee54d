"""`kerasmlsp runs`: which runs there are, what tells two of them apart, and which may go."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing

RUNS = Path("runs")
_STATES = ("finished", "stopped", "damaged")


@click.group(cls=messages.Group)
def runs():
    """List runs, compare two of them, and delete old ones.

    \b
    kerasmlsp runs list
    kerasmlsp runs compare sentiment/lstm sentiment/cnn
    kerasmlsp runs clean --state stopped
    """


_folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=RUNS,
    show_default=True,
    help="Folder of runs, with <app>/<name> below.",
)
_app_option = click.option("--app", metavar="APP", help="Only runs of this application.")


@runs.command("list")
@_folder_option
@_app_option
@options.json_option
def list_runs(folder, app, as_json):
    """List all runs, the latest first, with their state, best epoch and evaluation.

    \b
    kerasmlsp runs list
    kerasmlsp runs list --app sentiment --json
    """
    found = _listed(folder, app)
    if not found and not as_json:
        click.echo(f"There are no runs{f' of {app}' if app else ''} in {folder}.", err=True)
    elif as_json:
        printing.print_results(found, True)
    else:
        printing.print_results([_short(row, folder) for row in found])


@runs.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@_folder_option
@options.json_option
def compare(first, second, folder, as_json):
    """Tell what two runs of one application differ in, and by how much on the same examples.

    A and B are named as APP/NAME, or by their folders. Evaluate both on the same data first.

    \b
    kerasmlsp runs compare sentiment/lstm sentiment/cnn
    """
    with messages.quiet_imports():
        from kerasmlsp.training import comparing

    found = comparing.compare(_place(first, folder), _place(second, folder))
    if as_json:
        printing.print_results(found, True)
        return
    for title, rows in (("Configuration", found["configuration"]), ("Measures", found["measures"])):
        click.echo(f"{title}:" if rows else f"{title}: none that differ or that both have.")
        if rows:
            printing.print_results([_cut(row) for row in rows])
        click.echo("")
    paired = found["paired"]
    if isinstance(paired, str):
        click.echo(f"Paired: no interval, since {paired}.")
        return
    click.echo("Paired, B less A, with its 95 % interval:")
    rows = [{"value": each["difference"], **each} for each in paired.values()]
    lines = {name: printing.interval(row, 4) for name, row in zip(paired, rows, strict=True)}
    printing.print_results({**lines, "examples": rows[0]["examples"]})


@runs.command()
@click.argument("names", nargs=-1, metavar="[RUN]...")
@click.option("--state", type=click.Choice(_STATES), help="Only runs of this state.")
@click.option("--older-than", type=options.FiniteRange(min=0), metavar="DAYS", help="Only runs not written to since.")
@_app_option
@_folder_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(names, state, older_than, app, folder, yes):
    """Delete runs, after asking. One that is being trained is never deleted.

    \b
    kerasmlsp runs clean sentiment/try1 sentiment/try2
    kerasmlsp runs clean --state stopped --older-than 30
    """
    if not (names or state or older_than is not None):
        raise click.UsageError("Name runs, or say which by `--state` or `--older-than`.")
    found = _listed(folder, app)
    places = {_where(_place(name, folder)): _place(name, folder) for name in names}
    there = {_where(row["run"]) for row in found}
    if missing := [place for resolved, place in places.items() if resolved not in there]:
        raise FileNotFoundError(f"There is no run in {missing[0]}: `kerasmlsp runs list` names those that are there.")
    chosen = [
        row
        for row in found
        if (not names or _where(row["run"]) in places)
        and (state is None or row["state"] == state)
        and (older_than is None or row["age"] >= older_than)
    ]
    busy = [row for row in chosen if row["state"] == "in training"]
    for row in busy:
        _tell_kept(row)
    chosen = [row for row in chosen if row not in busy]
    if not chosen:
        click.echo("There is nothing to delete.", err=True)
        return
    printing.print_results([_short(row, folder) for row in chosen])
    size = sum(row["MB"] for row in chosen)
    if not yes:
        click.confirm(f"Delete these {len(chosen)} runs, {size:.1f} MB?", abort=True)
    from kerasmlsp.training import comparing

    # While the question stood, a training may have begun.
    gone = [row for row in chosen if comparing.delete(row["run"]) or _tell_kept(row)]
    click.echo(f"Deleted {len(gone)} runs, {sum(row['MB'] for row in gone):.1f} MB.", err=True)


def _tell_kept(row):
    click.echo(f"Kept: {row['run']} is being trained.", err=True)


def _listed(folder, app):
    with messages.quiet_imports():
        from kerasmlsp.training import comparing

    return comparing.listed(folder, app)


def _place(name: str, folder: Path) -> Path:
    """The folder of a run that is named by its path, or as APP/NAME within the folder of runs."""
    return Path(name) if (Path(name) / "config.json").exists() else folder / name


def _where(run: str | Path) -> Path:
    """The place of a run's entry, which of a link is not that of the run behind it."""
    return Path(run).parent.resolve() / Path(run).name


def _short(row, folder):
    """A row for the screen: the run as others are named, its age in words."""
    name = Path(row["run"]).relative_to(folder).as_posix()
    age = f"{row['age']:.0f} days" if row["age"] >= 2 else f"{24 * row['age']:.0f} hours"
    return {"run": name, **{key: row[key] for key in row if key not in ("run", "app", "age")}, "age": age}


def _cut(row, most=60):
    """A row whose long values, such as lists of words, do not fill the screen."""
    return {key: f"{str(value)[: most - 1]}…" if len(str(value)) > most else value for key, value in row.items()}
