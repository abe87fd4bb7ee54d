"""What docs/how-to/clients.md shows, asked of a real server: Python, curl and JavaScript."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kerasmlsp import exporting
from kerasmlsp.serving import Client

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/clients.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server on a free port, and the folder of whoever asks it."""
    folder = tmp_path_factory.mktemp("clients")
    for name in ("sentiment", "gesture", "chargen"):
        shutil.copytree(exporting.find(name).parent, folder / "models" / name)
    shutil.copy(ROOT / "docs/hand.jpg", folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["serve", "--models", str(folder / "models"), "--port", str(port)]
    process = subprocess.Popen([sys.executable, "-m", "kerasmlsp.apps.cli", *words], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        with Client(url) as client:
            while not client.ready():
                assert process.poll() is None
                time.sleep(0.2)
        yield url, folder
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.slow
def test_python(server, monkeypatch, capsys):
    url, folder = server
    monkeypatch.chdir(folder)
    exec(compile("\n".join(blocks("python")).replace("http://127.0.0.1:8501", url), "clients.md", "exec"), space := {})
    space["client"].close()
    label, hand, facts, *text, refusal = capsys.readouterr().out.splitlines()
    assert label == "['pos' 'neg'] (2, 2)" and hand.split()[0].isdigit()
    assert facts.startswith("True ['explain', 'serving_default']")
    assert len("\n".join(text)) == 40 and refusal.startswith("INVALID_ARGUMENT 400 ")


@pytest.mark.slow
def test_curl(server):
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    url, folder = server
    (page,) = blocks("sh")
    lines = [
        subprocess.run(
            ["bash", "-c", line.replace("http://127.0.0.1:8501", url)], capture_output=True, cwd=folder
        ).stdout
        for line in page.splitlines()
    ]
    assert [each["label"] for each in json.loads(lines[0])["predictions"]] == ["pos", "neg"]
    assert json.loads(lines[1])["outputs"]["tokens"] and json.loads(lines[2])["outputs"]["label"]
    assert lines[3].startswith(b"data: {") and lines[3].endswith(b"data: [DONE]\n\n")
    assert json.loads(lines[4])["model_spec"]["name"] == "sentiment"


@pytest.mark.slow
def test_javascript(server):
    if not shutil.which("node"):
        pytest.skip("needs Node.js")
    url, folder = server
    (code,) = blocks("js")
    (folder / "page.mjs").write_text(code.replace("http://127.0.0.1:8501", url))
    done = subprocess.run(["node", "page.mjs"], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    first, *text = done.stdout.rstrip("\n").split("\n")
    assert first.startswith("pos [")
    assert "".join(Client(url).stream("chargen", "ROMEO:", length=40, seed=7)).rstrip("\n") == "\n".join(text)
