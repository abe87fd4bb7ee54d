"""The command line, run in the process of the tests."""

from click.testing import CliRunner

from kerasmlsp.apps import cli


def command(*words, code=0):
    """Runs a command and returns what it printed."""
    result = CliRunner().invoke(cli.root, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result
