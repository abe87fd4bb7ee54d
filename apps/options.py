"""The options that commands share, made of the fields of configurations, and what is checked before heavy imports.

Nothing heavy is imported here: every `--help` passes through this file.
"""

import dataclasses
import errno
import importlib
import importlib.util
import math
import os
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasmlsp.apps.messages import by_options, quiet_imports
from kerasmlsp.apps.printing import model_name, print_results, tell_figure
from kerasmlsp.extras import install, required
from kerasmlsp.files import existing
from kerasmlsp.training.settings import ENCODINGS, Settings, fields, is_encoding

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

_FOLDER = click.Path(file_okay=False, path_type=Path)
LARGEST_SEED = 2**31 - 1  # saved models take int32
LONGEST_NAME = 200
"""Bytes of the name of a folder: 255 at most, and locks and temporary files beside it have longer names."""
_JOINERS = "\u200c\u200d"  # within words of Persian, Hindi and others


def _plain_name(context, parameter, value: str) -> str:
    """A name of letters of any script, with their marks, in the one form that all systems read alike."""
    name = unicodedata.normalize("NFC", value)
    fits = [unicodedata.category(each)[0] in "LMN" or each in f"_.-{_JOINERS}" for each in name]
    if not (all(fits) and re.match(r"\w", name)):
        raise click.BadParameter(
            f"must be letters, digits, '-', '_' and '.', the first a letter, a digit or '_', without a folder. "
            f"Received: {value!r}"
        )
    if len(name.encode()) > LONGEST_NAME:
        raise click.BadParameter(f"must have at most {LONGEST_NAME} bytes in UTF-8. Received: {len(name.encode())}")
    return name


run_option = click.option(
    "--run",
    default="default",
    show_default=True,
    metavar="NAME",
    callback=_plain_name,
    help="Name of the run, which lies in runs/<app>/NAME.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
resume_option = click.option(
    "--resume", is_flag=True, help="Go on with the run where it was stopped, with its own options."
)
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Start anew in the place of the run that has this name, which is then deleted."
)
data_note_option = click.option(
    "--data-note", default="not stated", metavar="TEXT", help="What it was trained on, for the model card."
)
licence_option = click.option(
    "--licence", default="not stated", metavar="TEXT", help="Licence of the model, for the model card."
)
target_option = click.option(
    "--models",
    type=_FOLDER,
    default=Path("saved_models"),
    show_default=True,
    metavar="DIR",
    help="Folder of your saved models, which gets the new one.",
)


def together(*several: Callable[[Callable], Callable]) -> Callable[[Callable], Callable]:
    """A decorator with several options, which `--help` lists in this order."""

    def decorate(function: Callable) -> Callable:
        for option in reversed(several):
            function = option(function)
        return function

    return decorate


model_options = together(
    click.option(
        "--models",
        type=_FOLDER,
        metavar="DIR",
        help="Folder of saved models to answer from; default ./saved_models, and the shipped ones for what it lacks.",
    ),
    click.option("--shipped", is_flag=True, help="Answer from the shipped saved models."),
    click.option("--version", type=click.IntRange(min=1), help="Version of the saved model; default the newest."),
)
"""The options that choose the saved model of a command, as `find_model` takes them."""


def find_model(app: str, *, models: Path | None, shipped: bool, version: int | None) -> Path:
    """Returns the folder of the saved model that `model_options` choose, before anything heavy is imported.

    Raises:
        click.UsageError: Two places are named.
        FileNotFoundError: There is no such saved model; a folder that was given is the only one looked in.
    """
    if shipped and models is not None:
        raise click.UsageError("Give either `--models` or `--shipped`.")
    from kerasmlsp.exporting import loading

    return loading.find(app, version, loading.shipped() if shipped else models)


def load_model(folder: Path, *, whole_calls: bool = False) -> "SavedModel":
    """Loads the saved model in the folder that `find_model` returned, and says on stderr which one answers.

    Args:
        folder: The folder.
        whole_calls: For many calls, as `loading.prefer_whole_calls`; otherwise the first answer shall come soon.

    Raises:
        ValueError: It is damaged, or of another application than the folder says.
    """
    with quiet_imports():
        from kerasmlsp.exporting import compiled, loading

        compiled.keep_compiled()
        if whole_calls:
            loading.prefer_whole_calls()
        else:
            compiled.prefer_first_answers()
        model = loading.load(folder)
    app = folder.parent.name
    if model.card.get("app") != app:
        raise ValueError(
            f"{folder / 'card.json'} must name the application {app}: export a run of it, or name another folder with "
            f"`--models`. Received: {model.card.get('app') or 'none'}"
        )
    click.echo(f"Model: {model_name(folder)}", err=True)
    return model


_format_option = click.option(
    "--format",
    type=click.Choice(["savedmodel", "onnx", "litert"]),
    default="savedmodel",
    show_default=True,
    help="A saved model with all that it needs, or a file of the net alone.",
)
_output_option = click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File for onnx and litert; default NAME.onnx or NAME.tflite.",
)


export_options = together(
    run_option, target_option, _format_option, _output_option, data_note_option, licence_option, json_option
)
"""The options of the command `export`, as `export` takes them."""


def export(
    config: type[Any],
    run: str,
    models: Path,
    format: str,
    output: Path | None,
    data_note: str,
    licence: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Makes a saved model or a file of the net of a run of an application, and prints where it is.

    Args:
        config: The dataclass of the application's configuration.
        run, models, format, output, data_note, licence, as_json: As of `export_options`.
        **settings: Options of the application for a saved model.
    """
    if format == "savedmodel":
        refuse("A saved model goes to the folder `--models`", "output")
        started(config, run)
    else:
        from kerasmlsp.exporting.converting import FORMATS

        ending, packages = FORMATS[format]
        alone = f"A file of the format {format} is the net alone, without a model card"
        refuse(alone, "models", "data_note", "licence", *settings)
        output = output or Path(run + ending)
        refuse_ending(output, ending, option="--output")
        _check_conversion(config, run, format, packages)
        check_targets(output=output)
    with quiet_imports():
        module = importlib.import_module(f"kerasmlsp.apps.{config.app}.export")
    if format == "savedmodel":
        path = module.export(_folder(config, run), models, licence=licence, data=data_note, **settings)
    else:
        path = module.convert(_folder(config, run), output, format)
    print_results({"exported": str(path)}, as_json)


def _check_conversion(config, run: str, format: str, packages):
    """Refuses what cannot be converted, and missing packages, before anything heavy is imported."""
    converts = importlib.import_module(config.__module__).CONVERTS
    if isinstance(converts, str):
        raise click.UsageError(f"`--format {format}` is not possible for {config.app}: {converts}")
    _, stored = _stored(config, run)
    trained = stored.get("trained") or stored["architecture"]
    if trained not in converts[format]:
        other = " or ".join(f"`--format {name}`" for name, works in converts.items() if trained in works)
        raise click.ClickException(
            f"The architecture {trained} cannot become a file of the format {format}, which lacks operations that "
            f"it needs: give {other or 'no `--format`'}, or train one of {', '.join(converts[format])}."
        )
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        raise click.ClickException(f"`--format {format}` needs the package {missing[0]}: {install(missing[0])}.")


def started(config: type[Any], run: str) -> Any:
    """Returns the configuration of a run, before anything heavy is imported.

    Raises:
        FileNotFoundError: There is no such run.
        ValueError: It is damaged, or of another application.
    """
    return _stored(config, run)[0]


def _stored(config, run: str):
    from kerasmlsp.training import Run

    return Run(_folder(config, run)).configuration(config)


def _folder(config, run: str) -> Path:
    return Path("runs") / config.app / run


class Target(click.Path):
    """A file to write, whose ending says of what kind it is; another ending is wrong usage.

    Args:
        *endings: Those that are allowed, as `.png`.
    """

    def __init__(self, *endings: str) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self.endings = endings

    def convert(self, value: Any, param: Any, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        refuse_ending(path, *self.endings, option=param.opts[0])
        return path


class FiniteRange(click.FloatRange):
    """Numbers in a range, without NaN and infinities."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class Encoding(click.ParamType):
    """Encodings of text that Python knows."""

    name = "encoding"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return value if is_encoding(value) else self.fail(f"must be {ENCODINGS}. Received: {value!r}", param, ctx)


reject_option = click.option(
    "--reject-below",
    type=FiniteRange(0, 1),
    metavar="P",
    help="Confidence below which an answer is unsure; default the model's own, see its card.",
)


def settings(config: type[Any], *names: str, **defaults: Any) -> Callable[[Callable], Callable]:
    """A decorator with an option for each field of a configuration, its own first, then those of every training.

    Args:
        config: The dataclass, whose fields are made by `kerasmlsp.training.settings.option`.
        *names: Fields to take; all where none is named.
        **defaults: Defaults that differ from those of the fields; None for the value that the run was trained with.
    """

    def decorate(function: Callable) -> Callable:
        chosen = [each for each in fields(config) if not names or each[0].name in names]
        for field, kind, _, known in reversed(chosen):
            default = defaults.get(field.name, field.default)
            if default is None and field.default is not None:
                known = dataclasses.replace(known, unset="as the run was trained")
            function = _option(field.name, kind, known, default)(function)
        return function

    return decorate


def _option(name: str, kind: type, known, default):
    dashed = name.replace("_", "-")
    if kind is bool:
        # None is neither: what it means then is said.
        flag = f"--{dashed}" if default is False else f"--{dashed}/--no-{dashed}"
        shown = known.unset if default is None else default
        return click.option(flag, name, is_flag=True, default=default, show_default=shown, help=known.help)
    shown = (known.unset or False) if default is None else True
    metavar = "PATH" if known.place else "TEXT" if kind is str and not (known.choices or known.encoding) else None
    return click.option(
        f"--{dashed}",
        type=_click_type(kind, known),
        default=default,
        show_default=shown,
        metavar=metavar,
        help=known.help,
    )


def _click_type(kind: type, known):
    if known.choices:
        return click.Choice(known.choices)
    if known.place:
        return click.Path(path_type=Path, file_okay=known.place in ("file", "any"), dir_okay=known.place != "file")
    if known.encoding:
        return Encoding()
    if kind is str:
        return str
    low, high = known.above if known.least is None else known.least, known.below if known.most is None else known.most
    ranged = click.IntRange if kind is int else FiniteRange
    return ranged(low, high, min_open=known.above is not None, max_open=known.below is not None)


seed_option = settings(Settings, "seed")
top_k_option = click.option(
    "--top-k", type=click.IntRange(min=0), default=0, show_default=True, help="Draw among so many; 0 for all."
)
top_p_option = click.option(
    "--top-p",
    type=FiniteRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Draw from the likeliest that make up this probability.",
)
sampling_options = together(
    click.option(
        "--temperature",
        type=FiniteRange(min=0),
        default=1.0,
        show_default=True,
        help="Low for the likely, 0 for the likeliest each time, 1 for the net's own probabilities.",
    ),
    top_k_option,
    top_p_option,
)
"""The options `temperature`, `top_k` and `top_p` of what is drawn value by value."""


def train_options(config: type[Any], *, searched: bool = True) -> Callable[[Callable], Callable]:
    """The options of the command `train`, as `train` takes them; `searched` where the log tells which run is good."""

    def decorate(function: Callable) -> Callable:
        if searched:
            function = _search_option(_timeout_option(function))
        return run_option(resume_option(overwrite_option(settings(config)(_ray_options(json_option(function))))))

    return decorate


_search_option = click.option(
    "--search",
    type=click.IntRange(min=2),
    metavar="N",
    help="Try N choices of the options that were not given, and keep the best run; give the same again to go on.",
)
_timeout_option = click.option(
    "--timeout", type=FiniteRange(min=0, min_open=True), metavar="MINUTES", help="Begin no trial of a search later."
)


class Mesh(click.ParamType):
    """Devices along the batch and along the model, as 2x4."""

    name = "BATCHxMODEL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        if not (found := re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", value)):
            self.fail(f"must be two whole numbers, as 2x4. Received: {value!r}", param, ctx)
        return int(found[1]), int(found[2])


mesh_option = click.option(
    "--mesh",
    type=Mesh(),
    help="Devices among which batches, and among which the net's matrices are parted, as 2x4; for gpt, on JAX.",
)


_ray_options = together(
    click.option(
        "--ray",
        "address",
        is_flag=False,
        flag_value="",
        metavar="[ADDRESS]",
        help="Train on the Ray cluster at ADDRESS, as auto; without it on one of this machine.",
    ),
    click.option(
        "--workers", type=click.IntRange(min=1), metavar="N", help="Processes on Ray, which share each batch."
    ),
    click.option("--worker-gpus", is_flag=True, help="Each process on Ray takes a GPU."),
)


def train(
    config: type[Any],
    values: dict,
    *,
    then: str,
    shown: Callable[[Any], Any] = lambda result: result,
    check: Callable[[Any], None] | None = None,
    mesh: tuple[int, int] | None = None,
    layout: Mapping[str, tuple] | None = None,
) -> None:
    """Trains a run of an application, prints its results, and says what comes next.

    Args:
        config: The dataclass of the application's configuration.
        values: The values of `train_options`.
        then: The next command of the application, with `{run}` for the run's name.
        shown: Makes of the results what is printed as a table.
        check: Refuses options that do not apply, given the configuration.
        mesh, layout: As of `kerasmlsp.distribution.start`.
    """
    run, resume, overwrite, as_json = (values.pop(name) for name in ("run", "resume", "overwrite", "as_json"))
    trials, minutes = values.pop("search", None), values.pop("timeout", None)
    on_ray = {name: values.pop(name) for name in ("address", "workers", "worker_gpus")}
    _check_ray(on_ray["address"], on_ray["workers"])
    if trials is None:
        refuse("It ends a search: give `--search N`, too, or", "timeout")
    else:
        refuse("A search goes on where it was by the same command", "resume", "overwrite")
    if resume and overwrite:
        raise click.UsageError("Give either `--resume`, to go on with the run, or `--overwrite`, to start anew.")
    chosen = configuration(config, _folder(config, run) if resume else None, values)
    if chosen.optimizer not in ("sgd", None):  # None is for the architecture to say
        refuse("The momentum is that of `--optimizer sgd`", "momentum")
    if chosen.schedule not in ("step", None):
        refuse("They are the epochs of `--schedule step`", "step_epochs")
    if chosen.schedule not in ("cosine", "linear", None):
        refuse(f"The rate does not end lower by `--schedule {chosen.schedule}`", "final_rate")
    if check:
        check(chosen)
    for field, _, _, known in fields(config):
        place = getattr(chosen, field.name)
        if known.place not in (None, "new") and place is not None:
            existing(place, field.name)
    if mesh:
        refuse("A mesh is for one training", "search")
        with quiet_imports():
            from kerasmlsp import distribution

            distribution.start(mesh=mesh, layout=layout)
    if on_ray["address"] is not None:
        _train_on_ray(chosen, run, on_ray, resume=resume, as_json=as_json, then=then, shown=shown)
    elif trials is None:
        start(chosen, run, resume=resume, overwrite=overwrite, as_json=as_json, then=then, shown=shown)
    else:
        _search(chosen, run, trials, minutes, as_json=as_json, then=then)


def _check_ray(address, workers):
    if address is None:
        refuse("Without `--ray` there is one process", "workers", "worker_gpus")
        return
    refuse("A training on Ray is one, and goes on by itself", "search", "overwrite", "mesh")
    if workers is None:
        raise click.UsageError("Give the number of processes as `--workers N`.")


def _train_on_ray(config: Any, run: str, on_ray: dict, *, resume: bool, as_json: bool, then: str, shown: Callable):
    required("ray")
    folder = _folder(config, run)
    if not resume:
        from kerasmlsp.training import Run

        Run(folder).check_free()
    with quiet_imports():
        from kerasmlsp.training import on_ray as ray

        module = importlib.import_module(f"kerasmlsp.apps.{config.app}.train")
    result = ray.train(
        module.train,
        config,
        folder,
        workers=on_ray["workers"],
        address=on_ray["address"] or None,
        gpus=on_ray["worker_gpus"],
    )
    _tell(config, run, result, as_json=as_json, then=then, shown=shown)


def _tell(config, run, result, *, as_json, then, shown):
    """Prints the results of a training, where its curves are, and what comes next."""
    print_results(result if as_json else shown(result), as_json)
    if (curves := _folder(config, run) / "curves.png").exists():
        tell_figure(curves)
    click.echo(f"Next: kerasmlsp {config.app} {then.format(run=run)}", err=True)


def _search(config: Any, run: str, trials: int, minutes: float | None, *, as_json: bool, then: str) -> None:
    required("optuna")
    with quiet_imports():
        from kerasmlsp.training import searching

        module = importlib.import_module(f"kerasmlsp.apps.{config.app}.train")
    fixed = [field.name for field, *_ in fields(type(config)) if given(field.name)]
    try:
        result = searching.search(
            module.train, config, _folder(config, run), trials, fixed=fixed, seconds=minutes and 60 * minutes
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Go on with the search by the same command.") from None
    print_results(result, as_json)
    if (figure := _folder(config, run) / searching.FIGURE).exists():
        tell_figure(figure)
    click.echo(f"Next: kerasmlsp {config.app} {then.format(run=run)}", err=True)


def start(
    config: Any,
    run: str,
    *,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    then: str,
    shown: Callable[[Any], Any] = lambda result: result,
) -> None:
    """Trains as `train` does, with a configuration that is there; as one of several processes if so announced."""
    from kerasmlsp import distribution

    if distribution.announced():
        with quiet_imports():
            distribution.start()
    if not (resume or overwrite):
        from kerasmlsp.training import Run

        distribution.from_leader(Run(_folder(config, run)).check_free)
    with quiet_imports():
        module = importlib.import_module(f"kerasmlsp.apps.{config.app}.train")
    try:
        result = module.train(config, _folder(config, run), resume=resume, overwrite=overwrite)
    except KeyboardInterrupt as stopped:
        again = f"Go on with: kerasmlsp {config.app} train --run {run} --resume"
        raise KeyboardInterrupt(str(stopped) or again) from None
    if distribution.leads():
        _tell(config, run, result, as_json=as_json, then=then, shown=shown)


def configuration(config: type[Any], run: Path | None, values: dict) -> Any:
    """Makes a run's configuration of the values of its options, or takes that of a run that is to be gone on with.

    Args:
        config: The dataclass, with the field `app`.
        run: Folder of the run to go on with, or None.
        values: Options by field; paths become absolute, so that a run can be resumed from another folder.

    Raises:
        click.UsageError: The configuration refuses a value.
        ValueError: An option was given that the run was not started with.
    """
    values = {name: os.path.abspath(value) if isinstance(value, Path) else value for name, value in values.items()}
    if run is None:
        try:
            return config(**values)
        except ValueError as error:
            raise click.UsageError(by_options(str(error))) from error
    from kerasmlsp.training import Run

    started, _ = Run(run).configuration(config)
    for name, value in values.items():
        if given(name) and value != getattr(started, name):
            raise ValueError(
                f"The run {run} was started with {name}={getattr(started, name)!r}, which `--resume` keeps. "
                f"Received: {value!r}; leave the option out, or start another run."
            )
    return started


def refuse(reason: str, *names: str) -> None:
    """Ends a command as wrong usage where options were given that do not apply.

    Args:
        reason: Why they do not, as the beginning of a sentence.
        *names: Parameters of the command.
    """
    parameters = click.get_current_context().command.params
    shown = [f"`{each.opts[0]}`" for each in parameters if each.name in names and given(each.name)]
    if shown:
        raise click.UsageError(f"{reason}: leave {' and '.join(shown)} out.")


def refuse_ending(path: Path, *endings: str, option: str) -> None:
    """Ends a command as wrong usage where a file to write has another ending than its kind."""
    if path.suffix.lower() not in endings:
        raise click.BadParameter(
            f"must end in {' or '.join(endings)}. Received: {str(path)!r}", param_hint=f"'{option}'"
        )


def given(name: str) -> bool:
    """Tells whether a parameter of the command was given, rather than left at its default."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def check_data(
    data: str | Path | None,
    dataset: str | None = None,
    *,
    optional: bool = False,
    encoding: str = "utf-8",
    lists: Sequence[str] = (),
    **columns: str | None,
) -> None:
    """Refuses data that cannot be read, and options for reading others, before anything heavy is imported.

    Args:
        data: The file or folder that is read, or None.
        dataset: The data set of TensorFlow Datasets that is read, or None.
        optional: Whether the command can do without data.
        encoding, lists: As of `check_table`.
        **columns: By parameter, the columns that a table must have; None where the parameter has no value.

    Raises:
        click.UsageError: There are neither or both, or options that do not apply.
        FileNotFoundError: There is no such file or folder.
        ValueError: A column is not there, or a text is in another encoding.
    """
    if dataset is None:
        refuse("The original files are those of `--dataset`", "manual_dir")
    else:
        refuse("A data set of TensorFlow Datasets has its own encoding", "encoding")
    if (data and dataset) or not (data or dataset or optional):
        raise click.UsageError("Give the data with either `--data PATH` or `--dataset NAME`.")
    if not data:
        return
    check_table("data", data, encoding, lists=lists, **columns)


def check_table(
    name: str, place: str | Path, encoding: str = "utf-8", *, lists: Sequence[str] = (), **columns: str | None
) -> None:
    """Refuses a file or folder that is not there, of a table columns that are not, and text in another encoding.

    Args:
        name: The parameter.
        place: Its value.
        encoding: That of a table of text.
        lists: Endings of files that may be without a header, whose columns are not looked for.
        **columns: As of `check_data`.
    """
    path = existing(place, name)
    if path.is_dir():
        refuse(f"{place} is a folder, which has no columns", *columns)
    elif columns and path.suffix.lower() in lists:
        check_text(path, encoding)
    elif columns:
        from kerasmlsp.data import tables

        tables.check_columns(path, encoding=encoding, **columns)


def check_text(place: str | Path, encoding: str) -> None:
    """Refuses a text, or one among those in a folder, that is in another encoding or no text, and a folder of none."""
    from kerasmlsp.data import tables

    for _ in tables.read_texts(place, encoding=encoding):
        pass


def check_sources(sources: Sequence[str | Path]) -> None:
    """Refuses files and folders none of which is there; "-" stands for stdin."""
    if not any(str(each) == "-" or Path(each).exists() for each in sources):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(sources[0]))


def check_targets(**paths: Path | None) -> None:
    """Refuses files to be written, by parameter, None for none, whose folder is not there."""
    for name, path in paths.items():
        if path is not None and not path.parent.is_dir():
            raise FileNotFoundError(
                f"`{name}` must be in a folder that is there already: make {path.parent}, or check its spelling. "
                f"Received: {path}"
            )


def seeds(first: int, count: int) -> list[int]:
    """Returns `count` seeds from the first on; ends the command as wrong usage where they pass the largest."""
    if first + count - 1 > LARGEST_SEED:
        raise click.UsageError(
            f"`--seed` must leave room for {count} seeds up to {LARGEST_SEED}. Received: {first}; give a smaller one."
        )
    return list(range(first, first + count))
