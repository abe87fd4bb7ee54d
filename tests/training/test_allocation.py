import os
import subprocess
import sys
from pathlib import Path

import pytest

from kerasmlsp.training import allocation

# Pages that the system clears for arrays of 40 MB: larger than what glibc takes from its heap by itself.
SCRIPT = """
import ctypes, importlib.util, resource, sys
spec = importlib.util.spec_from_file_location("allocation", sys.argv[1])
allocation = importlib.util.module_from_spec(spec)
spec.loader.exec_module(allocation)
allocation.keep_freed()

def taken():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(40 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(*[taken() for _ in range(3)])
"""


@pytest.mark.skipif(not hasattr(os, "confstr") or "CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="needs glibc")
def test_what_is_freed_is_kept_unless_the_environment_says_otherwise():
    def pages(**changes):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC"))}
        command = [sys.executable, "-S", "-c", SCRIPT, str(Path(allocation.__file__))]
        done = subprocess.run(command, env=environment | changes, capture_output=True, text=True, check=True)
        return [int(count) for count in done.stdout.split()]

    assert max(pages()[1:]) < 100
    assert min(pages(MALLOC_ARENA_MAX="4")[1:]) > 1000
