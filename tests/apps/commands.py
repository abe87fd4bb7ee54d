"""The command line, run in the process of the tests."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from click.testing import CliRunner

from kerasmlsp.apps import cli


def command(*words, code=0):
    """Runs a command and returns what it printed."""
    result = CliRunner().invoke(cli.root, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def within(measure):
    """Whether a measure lies in its interval, which those of few examples lack."""
    low, high = measure["low"], measure["high"]
    return low is high is None or low <= measure["value"] <= high


def stop_and_resume(app, words, history):
    """Stops a training with Ctrl-C, goes on by the command that it names; the log must be that of a whole training.

    Args:
        app: Name of the application.
        words: Arguments of its `train`, without `--run`.
        history: Path of the log within the run.
    """

    # Each in a process of its own, as for a user: what a test has changed in this one must not reach them.
    def started(run, *arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "kerasmlsp.apps.cli", app, "train", "--run", run, *map(str, arguments)],
            stderr=subprocess.PIPE,
            text=True,
        )

    def finished(process):
        _, told = process.communicate()
        assert process.returncode == 0, told

    words = [*words, "--deterministic", "--jit", "off"]
    finished(started("steady", *words))
    stopped, path = started("stopped", *words), Path("runs") / app / "stopped" / history
    while not (path.exists() and len(path.read_text().splitlines()) > 3):
        assert stopped.poll() is None
        time.sleep(0.02)
    stopped.send_signal(signal.SIGINT)
    _, told = stopped.communicate()
    assert stopped.returncode == 130 and f"kerasmlsp {app} train --run stopped --resume" in told
    finished(started("stopped", "--resume"))
    assert path.read_text() == (Path("runs") / app / "steady" / history).read_text()
