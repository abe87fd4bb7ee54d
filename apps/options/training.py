"""The command `train` of all applications."""

import importlib
import importlib.util
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import click

from kerasmlsp.apps.messages import quiet_imports
from kerasmlsp.apps.options.checks import given, refuse
from kerasmlsp.apps.options.fields import FiniteRange, settings, together
from kerasmlsp.apps.options.runs import configuration, run_folder
from kerasmlsp.apps.options.shared import json_option, overwrite_option, resume_option, run_option
from kerasmlsp.apps.printing import print_results, tell_figure
from kerasmlsp.extras import required
from kerasmlsp.files import existing
from kerasmlsp.training.settings import fields


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
    # TensorFlow, which reads this once, when it is imported, uses oneDNN by itself only on processors with AVX512_VNNI
    # or the like. Steps of whole batches gain by it everywhere; answers to single examples lose.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    trials, minutes = values.pop("search", None), values.pop("timeout", None)
    on_ray = {name: values.pop(name) for name in ("address", "workers", "worker_gpus")}
    _check_ray(on_ray["address"], on_ray["workers"])
    if trials is None:
        refuse("It ends a search: give `--search N`, too, or", "timeout")
    else:
        refuse("A search goes on where it was by the same command", "resume", "overwrite")
    if resume and overwrite:
        raise click.UsageError("Give either `--resume`, to go on with the run, or `--overwrite`, to start anew.")
    chosen = configuration(config, run_folder(config, run) if resume else None, values)
    _check_settings(chosen)
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


def _check_settings(chosen):
    """Refuses options of an optimizer or a schedule that is another one."""
    if chosen.optimizer not in ("sgd", None):  # None is for the architecture to say
        refuse("The momentum is that of `--optimizer sgd`", "momentum")
    if chosen.schedule not in ("step", None):
        refuse("They are the epochs of `--schedule step`", "step_epochs")
    if chosen.schedule not in ("cosine", "linear", None):
        refuse(f"The rate does not end lower by `--schedule {chosen.schedule}`", "final_rate")


def _check_ray(address, workers):
    if address is None:
        refuse("Without `--ray` there is one process", "workers", "worker_gpus")
        return
    refuse("A training on Ray is one, and goes on by itself", "search", "overwrite", "mesh")
    if workers is None:
        raise click.UsageError("Give the number of processes as `--workers N`.")


def _train_on_ray(config: Any, run: str, on_ray: dict, *, resume: bool, as_json: bool, then: str, shown: Callable):
    required("ray")
    folder = run_folder(config, run)
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
    if (curves := run_folder(config, run) / "curves.png").exists():
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
            module.train, config, run_folder(config, run), trials, fixed=fixed, seconds=minutes and 60 * minutes
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Go on with the search by the same command.") from None
    print_results(result, as_json)
    if (figure := run_folder(config, run) / searching.FIGURE).exists():
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
    """Trains as `train` does, with a configuration that is there; as one of several processes if so announced.

    The application's module `train` has a function `train(config, run, *, resume=False, overwrite=False)`, from a
    configuration and the folder of the run to a dict of results. `resume` goes on with what is in the folder, and
    `overwrite` starts anew in the place of a run there. It raises ValueError where the data cannot be used, the folder
    holds another run, another process trains it, or the training diverges.
    """
    from kerasmlsp import distribution

    if distribution.announced():
        with quiet_imports():
            distribution.start()
    if not (resume or overwrite):
        from kerasmlsp.training import Run

        distribution.from_leader(Run(run_folder(config, run)).check_free)
    with quiet_imports():
        module = importlib.import_module(f"kerasmlsp.apps.{config.app}.train")
    try:
        result = module.train(config, run_folder(config, run), resume=resume, overwrite=overwrite)
    except KeyboardInterrupt as stopped:
        again = f"Go on with: kerasmlsp {config.app} train --run {run} --resume"
        raise KeyboardInterrupt(str(stopped) or again) from None
    if distribution.leads():
        _tell(config, run, result, as_json=as_json, then=then, shown=shown)
