"""The command line `kerasmlsp`: one import and one entry in a group for each application.

    $ kerasmlsp doctor
    $ kerasmlsp sentiment --help

Nothing heavy is imported here: commands import what they need when they run.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import click

import kerasmlsp
from kerasmlsp.apps import (
    augment,
    catalogue,
    deploy,
    figures,
    messages,
    options,
    printing,
    runs,
    score,
)
from kerasmlsp.apps.anomaly import cli as anomaly
from kerasmlsp.apps.caption import cli as caption
from kerasmlsp.apps.chargen import cli as chargen
from kerasmlsp.apps.detect import cli as detect
from kerasmlsp.apps.embed import cli as embed
from kerasmlsp.apps.gan import cli as gan
from kerasmlsp.apps.gesture import cli as gesture
from kerasmlsp.apps.imagenet import cli as imagenet
from kerasmlsp.apps.interpret import cli as interpret
from kerasmlsp.apps.motion import cli as motion
from kerasmlsp.apps.music import cli as music
from kerasmlsp.apps.pixelcnn import cli as pixelcnn
from kerasmlsp.apps.pretrain import cli as pretrain
from kerasmlsp.apps.segment import cli as segment
from kerasmlsp.apps.sentiment import cli as sentiment
from kerasmlsp.apps.serve import serve
from kerasmlsp.apps.speech import cli as speech
from kerasmlsp.apps.traffic import cli as traffic
from kerasmlsp.apps.translate import cli as translate
from kerasmlsp.apps.video import cli as video
from kerasmlsp.apps.wavenet import cli as wavenet
from kerasmlsp.extras import PACKAGES, install

_TRIED, _LEAST_FREE = 1 << 20, 1.0
"""Bytes that are written to try a folder, and gigabytes that should be free there."""


class _Root(messages.OneSentenceErrors):
    """Lists commands in groups, each with its first sentence as a whole."""

    def format_commands(self, ctx, formatter):
        for title, commands in _GROUPS:
            rows = [(command.name, command.get_short_help_str(limit=formatter.width)) for command in commands]
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kerasmlsp.__version__, prog_name="kerasmlsp")
@click.option("--debug", is_flag=True, envvar="KERASMLSP_DEBUG", help="Show tracebacks and TensorFlow's own messages.")
@click.pass_context
def root(context, debug):
    """Neural networks for signals: train, evaluate, export and use them."""
    messages.set_up_logs(context, debug)


@click.command()
@options.json_option
def doctor(as_json):
    """Tell whether everything that the other commands need is here.

    Exits with 0 if it is, else with 1.
    """
    report = {
        "versions": {"python": sys.version.split()[0], "kerasmlsp": kerasmlsp.__version__, **_required_versions()},
        "devices": _devices(),
        "optional": [_optional(package) for package in PACKAGES],
        "saved models": _shipped_models(),
        "folders": _folders(),
    }
    report["problems"] = _problems(report)
    printing.print_results(report, as_json)
    sys.exit(1 if report["problems"] else 0)


# In the order of `--help`.
_GROUPS = (
    ("Text", (sentiment.sentiment, chargen.chargen, embed.embed, translate.translate)),
    ("Music", (music.music,)),
    (
        "Pictures",
        (
            caption.caption,
            detect.detect,
            gan.gan,
            gesture.gesture,
            imagenet.imagenet,
            pixelcnn.pixelcnn,
            pretrain.pretrain,
            segment.segment,
            video.video,
        ),
    ),
    ("Signals", (anomaly.anomaly, motion.motion, speech.speech, traffic.traffic, wavenet.wavenet)),
    (
        "Tools",
        (
            figures.figures,
            runs.runs,
            augment.augment,
            interpret.interpret,
            catalogue.models,
            serve,
            score.score,
            deploy.deploy,
            doctor,
        ),
    ),
)


def _version(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _requirements():
    from importlib import metadata

    from packaging.requirements import Requirement

    parsed = map(Requirement, metadata.requires("kerasmlsp") or ())
    return [requirement for requirement in parsed if requirement.marker is None or requirement.marker.evaluate()]


def _required_versions() -> dict:
    return {requirement.name: _version(requirement.name) for requirement in _requirements()}


def _optional(package: str) -> dict:
    name, version = PACKAGES[package][0], _version(PACKAGES[package][0])
    return {"optional": name, "version": version, "to get it": None if version else install(package)}


def _devices() -> dict:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        with messages.quiet_imports():
            import keras
            import tensorflow

        gpus = [_gpu_name(tensorflow, gpu) for gpu in tensorflow.config.list_physical_devices("GPU")]
        return {"CPU cores": cores, "GPUs": gpus, "Keras backend": keras.backend.backend()}
    except Exception as error:  # whatever stops TensorFlow is what the report is for
        return {"CPU cores": cores, "GPUs": [], "Keras backend": None, "error": messages.sentence(error)}


def _gpu_name(tensorflow, gpu) -> str:
    return tensorflow.config.experimental.get_device_details(gpu).get("device_name", gpu.name)


def _shipped_models() -> list[str]:
    from importlib import resources

    found = []
    for app in resources.files("kerasmlsp.saved_models").iterdir():
        if app.is_dir():
            found += [
                f"{app.name}/{version.name}" for version in app.iterdir() if (version / "saved_model.pb").is_file()
            ]
    return sorted(found)


def _folders() -> list[dict]:
    return [_folder(Path.cwd(), "runs and saved models"), _folder(Path(tempfile.gettempdir()), "temporary files")]


def _folder(path: Path, purpose: str) -> dict:
    """Writes to a folder and tells what stands against it: permissions do not tell of full disks and quotas."""
    free, problem = None, None
    try:
        free = shutil.disk_usage(path).free / 1e9
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(bytes(_TRIED))
    except OSError as error:
        problem = messages.sentence(OSError(error.errno, error.strerror, str(path)))
    if problem is None and free is not None and free < _LEAST_FREE:
        problem = f"{path} has {free:.2g} GB free, which a training may fill: free some space, or work elsewhere."
    return {"folder": str(path), "for": purpose, "free GB": free, "problem": problem}


def _problems(report: dict) -> list[str]:
    problems = []
    for requirement in _requirements():
        version = report["versions"][requirement.name]
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            problems.append(f"{requirement.name} is {version or 'not there'}: `pip install '{requirement}'`")
    if "error" in report["devices"]:
        problems.append(report["devices"]["error"])
    return problems + [each["problem"] for each in report["folders"] if each["problem"]]


for _, commands in _GROUPS:
    for command in commands:
        root.add_command(command)


def main() -> None:
    """Runs the command line; the console script `kerasmlsp`."""
    root(prog_name="kerasmlsp")


if __name__ == "__main__":
    main()
