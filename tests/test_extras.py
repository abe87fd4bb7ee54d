"""The packages of extras are those of setup.cfg, and who lacks one is told which."""

import configparser
import re
from pathlib import Path

import pytest

from kerasmlsp import extras

# For tests, benchmarks and the site, and JAX, which is a backend and no package that is imported here.
OTHERS = ("test", "benchmark", "docs")


def test_extras_are_those_of_the_installation():
    config = configparser.ConfigParser()
    config.read(Path(__file__).parents[1] / "setup.cfg")
    listed = {
        (re.match(r"[\w-]+", line)[0], extra)
        for extra, lines in config["options.extras_require"].items()
        for line in lines.split()
        if extra not in OTHERS
    }
    # Of a package in several extras one is named.
    assert set(extras.PACKAGES.values()) <= listed
    assert {package for package, _ in extras.PACKAGES.values()} == {package for package, _ in listed}


def test_what_is_not_installed_is_named():
    with pytest.raises(ModuleNotFoundError, match=r"needs the package not_there: `pip install not_there`") as caught:
        extras.required("not_there")
    assert caught.value.name == "not_there"
