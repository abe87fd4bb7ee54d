"""The pages of the demo: what they are made of, and without a browser what they compute."""

import configparser
import html.parser
import json
import re
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "kerasmlsp" / "serving" / "page"
FILES = sorted(path for path in PAGE.rglob("*") if path.is_file())
MODELS = sorted(path.parent.name for path in PAGE.glob("*/index.html"))
HTML = [path for path in FILES if path.suffix == ".html"]
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
# How one file of the pages names another.
NAMES = re.compile(
    r'(?:href|src)="([^"#]+)"|(?:from|import) "([^"]+)"|URL\("([^"]+)"|fetch\("([^"]+)"|example: "([^"]+)"'
)
FIELDS = {"input", "select", "textarea"}
PICTURES = {"canvas", "img", "svg", "video", "audio"}


class Reader(html.parser.HTMLParser):
    """Lists the elements of a page: tag, attributes, text, and whether they lie in a label."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", "labelled": any(each["tag"] == "label" for each in self.open), **dict(attrs)}
        self.elements.append(element)
        if tag not in {"meta", "link", "input", "br"}:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag, f"</{tag}> closes something else."

    def handle_data(self, data):
        for each in self.open:
            each["text"] += data

    def of(self, *tags):
        return [each for each in self.elements if each["tag"] in tags]


def ids(paths):
    return {"argvalues": paths, "ids": [str(path.relative_to(PAGE)) for path in paths]}


def read(path):
    return Reader(path.read_text(encoding="utf-8"))


def script_of(path):
    """The script of a page and the modules that it imports, directly or not."""
    found, left = set(), [path.parent / f"{path.parent.name if path.parent != PAGE else 'index'}.js"]
    while left:
        script = left.pop().resolve()
        if script not in found:
            found.add(script)
            left += [script.parent / name for name in re.findall(r'from "([^"]+)"', script.read_text(encoding="utf-8"))]
    return found


def test_there_is_a_page_for_each_shipped_model_and_the_index_leads_to_it():
    shipped = {path.parents[1].name for path in (ROOT / "saved_models").glob("*/1/card.json")}
    # Its only use is to measure images.
    assert set(MODELS) == shipped - {"lenet_features"}
    links = [(link["href"], link["data-model"]) for link in read(PAGE / "index.html").of("a")]
    assert sorted(links) == [(f"{name}/", name) for name in MODELS]


def test_pages_are_small_and_are_all_packaged():
    assert sum(path.stat().st_size for path in FILES) < 250_000
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    pattern = config["options.package_data"]["kerasmlsp.serving"].strip()
    packaged = {path for path in PAGE.parent.glob(pattern) if path.is_file()}
    assert packaged == set(FILES)


@pytest.mark.parametrize("path", **ids([path for path in FILES if path.suffix in {".html", ".css", ".js"}]))
def test_nothing_is_fetched_from_elsewhere_and_what_is_named_is_there(path):
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"(?:https?:)?//[\w-]+\.\w+", text)
    for name in filter(None, (name for groups in NAMES.findall(text) for name in groups)):
        place = (path.parent / name).resolve()
        assert (place / "index.html" if name.endswith("/") else place).is_file(), name
    assert "url(" not in text


@pytest.mark.parametrize("path", **ids(HTML))
def test_a_strict_content_security_policy_holds(path):
    page = read(path)
    assert not page.of("style", "iframe", "base")
    assert all(script["src"] and not script["text"].strip() for script in page.of("script"))
    assert not [name for each in page.elements for name in each if name.startswith("on") or name == "style"]


@pytest.mark.parametrize("path", **ids(SCRIPTS))
def test_scripts_write_no_markup_and_no_style_attributes(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|cssText", text)


@pytest.mark.parametrize("path", **ids(HTML))
def test_all_that_can_be_used_or_seen_has_a_name(path):
    page = read(path)
    names = [each["id"] for each in page.elements if "id" in each]
    assert len(names) == len(set(names))
    targets = {label.get("for") for label in page.of("label")}
    for field in page.of(*FIELDS):
        assert field["labelled"] or field["id"] in targets or field.get("aria-label"), field
    assert targets - {None} <= set(names)
    for each in page.of(*PICTURES):
        assert each.get("aria-label") or each.get("alt") or each.get("aria-hidden") == "true", each
        assert each["tag"] != "canvas" or each.get("role") == "img" or each.get("aria-hidden") == "true"
    assert all(each["text"].strip() or each.get("aria-label") for each in page.of("button", "a", "legend", "th"))
    for each in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert name not in each or each[name] in names
    assert page.of("html")[0]["lang"] == "en"
    assert len(page.of("h1")) == len(page.of("main")) == len(page.of("title")) == 1
    assert all(each["src"].endswith(".js") and each["type"] == "module" for each in page.of("script"))


@pytest.mark.parametrize("path", **ids(HTML))
def test_answers_and_errors_are_read_out(path):
    roles = {each.get("id"): each.get("role") for each in read(path).elements}
    assert roles["error"] == "alert"
    assert path.parent == PAGE or roles["said"] == "status"


@pytest.mark.parametrize("path", **ids(HTML))
def test_scripts_find_the_elements_that_they_look_for(path):
    names = {each["id"] for each in read(path).elements if "id" in each}
    scripts = script_of(path)
    own = {script for script in scripts if script.parent == path.parent and path.parent != PAGE}
    # A page with a picture has all that the shared module ties.
    own |= {script for script in scripts if script.name == "picture.js"}
    for script in own:
        assert set(re.findall(r'byId\("([^"]+)"\)', script.read_text(encoding="utf-8"))) <= names
    tied = {each["for"] for each in read(path).of("output") if "for" in each}
    assert tied <= names


node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


@node
def test_scripts_parse():
    check = """
        import { readFileSync } from "node:fs";
        import vm from "node:vm";
        const paths = process.argv.slice(1);
        for (const path of paths) new vm.SourceTextModule(readFileSync(path, "utf8"), { identifier: path });
        console.log(paths.length);
    """
    command = [
        "node",
        "--no-warnings",
        "--experimental-vm-modules",
        "--input-type=module",
        "-e",
        check,
        *map(str, SCRIPTS),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, str(len(SCRIPTS))), done.stderr


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """A copy of the pages whose modules Node takes for such, which runs a script and returns what it says."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}')

    def run(script, value):
        path = folder / "script.mjs"
        path.write_text(f"const given = {json.dumps(value)};\n{script}")
        done = subprocess.run(["node", path], capture_output=True, text=True, cwd=folder, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def chorale():
    """Chords of a quarter each that begin anew or are held, with a rest."""
    random = np.random.default_rng(0)
    pitches = np.repeat(np.sort(random.integers(48, 80, (9, 4)))[:, ::-1], 4, axis=0)
    onsets = np.zeros(pitches.shape, bool)
    onsets[::4] = True
    onsets[8] &= (pitches[8] != pitches[7]) | (np.arange(4) == 0)
    pitches[16:20, 1] = 0
    onsets[16:20, 1] = False
    return pitches, onsets


@node
def test_a_chorale_is_written_as_midi_and_read_back(modules, tmp_path):
    pytest.importorskip("pretty_midi")
    from kerasmlsp import music

    pitches, onsets = chorale()
    script = """
        import { midi, notesOf } from "./music/notes.js";
        const notes = notesOf(given.pitches, given.onsets);
        console.log(JSON.stringify([...midi({ ...given, notes, tempo: 90, bar: 16, pickup: 0, tonic: 9, minor: 1 })]));
    """
    path = tmp_path / "chorale.mid"
    path.write_bytes(bytes(modules(script, {"pitches": pitches.tolist(), "onsets": onsets.tolist()})))
    [piece] = music.read_chorales(path)
    np.testing.assert_array_equal(piece.pitches, pitches)
    np.testing.assert_array_equal(piece.onsets, onsets)
    assert (piece.bar, piece.key) == (16, (9, "minor"))


@node
def test_the_bar_of_a_pickup_is_as_long_as_the_pickup(modules, tmp_path):
    pretty_midi = pytest.importorskip("pretty_midi")
    script = """
        import { midi } from "./music/notes.js";
        console.log(JSON.stringify([...midi({ notes: [], tempo: 120, bar: 12, pickup: 4, tonic: 3, minor: 0 })]));
    """
    path = tmp_path / "empty.mid"
    path.write_bytes(bytes(modules(script, None)))
    found = pretty_midi.PrettyMIDI(str(path))
    metres = [(change.numerator, change.denominator, change.time) for change in found.time_signature_changes]
    assert metres == [(1, 4, 0), (3, 4, 0.5)]
    assert [change.key_number for change in found.key_signature_changes] == [3]
    assert found.get_tempo_changes()[1].tolist() == [120]


@node
def test_a_melody_is_given_and_the_rest_is_free(modules):
    script = """
        import { given as inputs } from "./music/notes.js";
        console.log(JSON.stringify(inputs(given, 8)));
    """
    found = modules(script, [{"pitch": 67, "length": 2}, {"pitch": 67, "length": 1}, {"pitch": 0, "length": 2}])
    pitches, onsets = np.array(found["pitches"]), np.array(found["onsets"])
    assert pitches[:, 0].tolist() == [67, 67, 67, 0, 0, -1, -1, -1]
    assert (pitches[:, 1:] == -1).all()
    assert onsets[:, 0].tolist() == [True, False, True, False, False, False, False, False]
    assert not onsets[:, 1:].any()


@node
def test_sound_is_written_as_wav_and_the_loudest_second_is_found(modules, tmp_path):
    random = np.random.default_rng(0)
    samples = random.uniform(-0.1, 0.1, 400)
    samples[250:300] *= 9
    script = """
        import { loudest, writeWav } from "./wav.js";
        const samples = Float32Array.from(given);
        const bytes = [...new Uint8Array(await writeWav(samples, 8000).arrayBuffer())];
        console.log(JSON.stringify({ bytes, begun: [loudest(samples, 50), loudest(samples, 400)] }));
    """
    found = modules(script, samples.tolist())
    assert found["begun"] == [250, 0]
    path = tmp_path / "sound.wav"
    path.write_bytes(bytes(found["bytes"]))
    with wave.open(str(path)) as opened:
        assert opened.getparams()[:4] == (1, 2, 8000, 400)
        read_back = np.frombuffer(opened.readframes(400), "<i2") / 32768
    np.testing.assert_allclose(read_back, samples, atol=1 / 32768)


@node
def test_recordings_are_brought_to_an_even_rate(modules):
    random = np.random.default_rng(0)
    times = np.cumsum(random.uniform(0.005, 0.03, 60))
    values = random.normal(size=(60, 6))
    script = """
        import { evenly, ofTable } from "./motion/recording.js";
        const recording = { channels: ["a", "b"], rate: 25, time_column: "time" };
        const { times, values } = given;
        const rows = times.map((time, i) => [values[i][0], 1657533977000 + Math.round(1000 * time), values[i][1]]);
        const ofRows = ofTable({ header: ["a", "time", "b"], rows }, recording, "walk.csv");
        console.log(JSON.stringify([evenly(times, values, 25), ofRows]));
    """
    even, of_table = map(np.array, modules(script, {"times": times.tolist(), "values": values.tolist()}))
    wanted = np.arange(times[0], times[-1], 1 / 25)
    np.testing.assert_allclose(even, np.stack([np.interp(wanted, times, column) for column in values.T], 1), atol=1e-9)
    assert of_table.shape in {(len(even), 2), (len(even) - 1, 2)}
    # Times were rounded to a thousandth of a second.
    assert np.abs(of_table - even[: len(of_table), :2]).mean() < 0.2
