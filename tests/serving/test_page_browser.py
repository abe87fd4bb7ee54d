"""The pages of the demo in headless Chromium: real clicks, keys, files, microphone and camera, at a real server."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "kerasmlsp" / "serving" / "page"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# The first call of a model takes seconds, as TensorFlow optimises its graph then.
PATIENCE = 60_000
SCREENS = {"a phone, dark": (360, 740, "dark"), "a projector, light": (1280, 900, "light")}
MODELS = sorted(path.parent.name for path in PAGE.glob("*/index.html"))
# What of a page tells that its model has answered.
ANSWERED = dict.fromkeys(MODELS, "#label") | {"chargen": "#facts", "gan": "#strip li:last-child"}

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")]


@contextlib.contextmanager
def serving(log, *options):
    """Runs the command until the end; gives the address once all models answer."""
    command = [sys.executable, "-m", "kerasmlsp.apps.cli", "serve", "--demo", "--port", "0", *options]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT) as server:
        try:
            yield ready(server, log)
        finally:
            server.terminate()
            server.wait(timeout=60)
    assert server.returncode == 0, log.read_text()


def ready(server, log):
    for _ in range(600):
        assert server.poll() is None, log.read_text()
        found = re.search(r"Listening on (\S+),", log.read_text())
        with contextlib.suppress(OSError):
            if found and urllib.request.urlopen(f"{found[1]}/readyz").status == 200:
                return found[1]
        time.sleep(0.5)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("serving") / "log", "--models", str(ROOT / "saved_models")) as found:
        yield found


@pytest.fixture(scope="module")
def browser():
    arguments = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={PAGE / 'speech' / 'yes.wav'}",
        "--autoplay-policy=no-user-gesture-required",
    ]
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield found
        found.close()


@pytest.fixture
def visit(browser, address):
    """Opens a page of the demo; at the end no script may have failed and nothing been refused."""
    said, contexts = [], []

    def go(name, screen="a projector, light", at=address, **options):
        width, height, scheme = SCREENS[screen]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: message.type in {"error", "warning"} and said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{at}/demo/{name}/" if name else f"{at}/demo/")
        return page

    expect.set_options(timeout=PATIENCE)
    go.said = said
    yield go
    for context in contexts:
        context.close()
    assert said == []


def answered(page, name):
    expect(page.locator(ANSWERED[name])).not_to_have_text(re.compile("^(…|)$"))
    return page


def label(page):
    return page.locator("#label")


@pytest.mark.parametrize("screen", SCREENS)
def test_the_index_leads_to_each_page(visit, screen):
    page = visit("", screen)
    expect(page.locator(".models a")).to_have_count(len(MODELS))
    page.get_by_role("link", name="Which number").click()
    expect(page.locator("h1")).to_have_text("Which number does a hand show?")
    page.get_by_role("link", name="All demos").press("Enter")
    expect(page.locator("h1")).to_have_text("Models to play with")


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", MODELS)
def test_a_page_answers_at_once_and_fits_the_screen(visit, name, screen):
    page = answered(visit(name, screen), name)
    expect(page.locator("#facts")).to_have_text(re.compile("^Trained on: .+ Limit: .+"))
    expect(page.locator("#error")).to_be_empty()
    wide, shown = page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= shown
    # Large enough for a finger, but for words within lines and keys of the piano.
    for box in filter(None, (each.bounding_box() for each in page.locator("button:visible:not(.keys *)").all())):
        assert box["height"] >= 24
        assert box["width"] >= 24


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_stand_out_from_what_is_behind_them(visit, scheme):
    page = answered(visit("sentiment", "a phone, dark" if scheme == "dark" else "a projector, light"), "sentiment")
    for place in (".lede", ".facts", ".hint", "#label", "button", "#examples button", "label"):
        assert contrast(page, place) >= 4.5, place


def contrast(page, place):
    """Ratio of the luminances of a text and of the ground behind it, as WCAG has it."""
    script = """element => {
        let behind = element;
        while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
        return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
    }"""
    shades = np.array(
        [
            [float(part) for part in re.findall(r"[\d.]+", shade)[:3]]
            for shade in page.locator(place).first.evaluate(script)
        ]
    )
    linear = np.where(shades / 255 <= 0.04045, shades / 255 / 12.92, ((shades / 255 + 0.055) / 1.055) ** 2.4)
    dark, light = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (light + 0.05) / (dark + 0.05)


def test_a_review_is_told_as_it_is_typed_and_its_words_are_weighted(visit):
    page = visit("sentiment")
    expect(label(page)).to_contain_text("positive")
    page.get_by_role("textbox", name="Review").fill("A dull film.")
    expect(label(page)).to_contain_text("negative")
    words = page.locator("#words span")
    expect(words).to_have_text(["a", "dull", "film", "."])
    weights = words.evaluate_all("all => all.map(each => Number(each.style.getPropertyValue('--weight')))")
    assert np.argmax(weights) == 1
    page.get_by_label("what changes without them").check()
    expect(page.locator("#meaning")).to_contain_text("left out")
    expect(page.locator("#most")).to_contain_text(re.compile("^Most weight: dull"))
    page.get_by_role("button", name="Praise").click()
    expect(label(page)).to_contain_text("positive")


def test_text_streams_stops_and_is_the_same_for_the_same_seed(visit):
    page = visit("chargen")
    text, stop = page.locator("#text"), page.get_by_role("button", name="Stop")
    page.get_by_label("Characters").fill("2000")
    page.get_by_role("button", name="Write").click()
    expect(text).to_have_text(re.compile(r"^ROMEO:\s+Good morrow, ?.{20,}", re.S))
    stop.click()
    expect(stop).to_be_disabled()
    assert len(text.text_content()) < 2000
    page.get_by_label("Characters").fill("100")
    found = []
    for seed in ("3", "3", "4"):
        page.get_by_label("Seed").fill(seed)
        page.get_by_role("button", name="Write").click()
        expect(page.get_by_role("button", name="Go on")).to_be_enabled()
        found.append(text.text_content())
    assert len(found[0]) == len("ROMEO:\nGood morrow, ") + 100
    assert found[0] == found[1] != found[2]
    page.get_by_label("Seed").fill("1.5")
    page.get_by_role("button", name="Write").click()
    expect(page.locator("#error")).to_have_text("Seed must be a whole number from 0 to 2147483647.")


def written(page):
    expect(page.get_by_role("button", name="Write")).not_to_have_attribute("aria-busy", "true")
    return page


def test_a_melody_by_keys_is_harmonised_played_and_kept_as_midi(visit, tmp_path):
    pytest.importorskip("pretty_midi")
    from kerasmlsp import music

    page = written(answered(visit("music"), "music"))
    page.get_by_role("button", name="C4", exact=True).focus()
    for key in ("g", "h", "8", "j", "k", "0", "Backspace", "1", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    melody = "G4 quarter, A4 quarter, B4 eighth, C5 eighth, D4 whole"
    expect(page.locator("#melody")).to_have_text(melody)
    page.get_by_role("slider", name="Bars").fill("2")
    page.get_by_role("button", name="Write").click()
    expect(label(page)).to_contain_text("2 bars in G major")
    written(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download MIDI").click()
    download.value.save_as(tmp_path / "chorale.mid")
    [piece] = music.read_chorales(tmp_path / "chorale.mid")
    assert piece.pitches.shape == (32, 4)
    assert piece.pitches[:28, 0].tolist() == [67] * 4 + [69] * 4 + [71] * 2 + [72] * 2 + [62] * 16
    assert (piece.bar, piece.key) == (16, (7, "major"))

    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("checkbox", name="alto").uncheck()
    page.get_by_label("Tempo").fill("160")
    # Two bars take three seconds.
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.get_by_text("As a table, beat by beat").click()
    expect(page.locator("#chords tr")).to_have_count(8)
    expect(page.locator("#chords tr").first.locator("td").nth(1)).to_have_text("G4")


def test_another_chorale_has_another_seed(visit):
    page = written(answered(visit("music"), "music"))
    first = page.locator("#roll").get_attribute("aria-label")
    page.get_by_label("Mode").select_option("minor")
    page.get_by_label("Metre").select_option("3/4")
    page.get_by_role("button", name="Another one").click()
    expect(label(page)).to_contain_text("4 bars in G minor")
    assert page.get_by_label("Seed").input_value() == "2"
    assert page.locator("#roll").get_attribute("aria-label") != first


def test_a_sign_is_told_from_an_example_a_drawing_the_camera_and_a_file(visit):
    page = visit("gesture")
    expect(label(page)).to_contain_text("5")
    page.get_by_role("button", name="Draw").click()
    expect(label(page)).to_contain_text("2")
    page.get_by_label("middle").uncheck()
    expect(label(page)).to_contain_text("1")
    page.get_by_role("button", name="Empty sheet").click()
    expect(page.locator("#said")).to_contain_text("unsure")
    before = page.locator("#shares").text_content()
    box = page.locator("#drawing").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.95)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.3, steps=6)
    page.mouse.up()
    expect(page.locator("#shares")).not_to_have_text(before)
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator("#picture")).to_have_attribute("aria-label", "The picture of the camera")
    expect(page.locator("video")).to_be_hidden()
    page.locator("#file").set_input_files(ROOT / "docs" / "hand.jpg")
    expect(page.locator("#picture")).to_have_attribute("aria-label", "The picture hand.jpg")
    expect(label(page)).to_contain_text("5")
    page.locator("#file").set_input_files(ROOT / "docs" / "beats.tsv")
    expect(page.locator("#error")).to_have_text("beats.tsv is no picture that the browser can read.")


def test_a_picture_is_turned_as_its_exif_data_say(visit, tmp_path):
    from PIL import Image

    picture = Image.open(ROOT / "docs" / "hand.jpg").convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right
    picture.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif)
    page = visit("gesture")
    expect(label(page)).to_contain_text("5")
    page.get_by_role("button", name="Draw").click()
    expect(label(page)).to_contain_text("2")
    page.locator("#file").set_input_files(tmp_path / "turned.jpg")
    expect(page.locator("#picture")).to_have_attribute("aria-label", "The picture turned.jpg")
    expect(label(page)).to_contain_text("5")


def test_a_photograph_gets_captions_and_a_map_for_each_word(visit):
    page = answered(visit("caption"), "caption")
    caption = label(page).text_content()
    assert "man" in caption
    words = page.locator("#tiles button")
    expect(words).to_have_text(caption.split())
    expect(page.locator("#rows tr")).to_have_count(3)
    expect(page.locator("#rows tr").first).to_contain_text(caption)
    pixels = "canvas => canvas.toDataURL()"
    plain = page.locator("#picture").evaluate(pixels)
    words.nth(1).click()
    expect(words.nth(1)).to_have_attribute("aria-pressed", "true")
    assert page.locator("#picture").evaluate(pixels) != plain
    expect(page.locator("#said")).to_contain_text("man: looked")
    words.nth(1).press("Enter")
    assert page.locator("#picture").evaluate(pixels) == plain


def test_a_picture_can_be_dropped(visit):
    page = answered(visit("caption"), "caption")
    content = list((ROOT / "docs" / "hand.jpg").read_bytes())
    script = """(area, bytes) => {
        const given = new DataTransfer();
        given.items.add(new File([new Uint8Array(bytes)], "hand.jpg", { type: "image/jpeg" }));
        area.dispatchEvent(new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true }));
    }"""
    first = label(page).text_content()
    page.locator("#drop").evaluate(script, content)
    expect(page.locator("#picture")).to_have_attribute("aria-label", re.compile("^The picture: "))
    expect(label(page)).not_to_have_text(re.compile(f"^(…|{first})$"))


def test_a_word_is_recorded_and_files_are_heard(visit):
    page = visit("speech")
    expect(label(page)).to_contain_text("yes")
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.get_by_role("button", name="Record", exact=True)).to_be_visible()
    expect(page.locator("#wave")).to_have_attribute("aria-label", re.compile("^Waveform of the microphone, 2.0 s"))
    expect(label(page)).to_contain_text("yes")
    # Ten seconds, of which the loudest is a "left".
    page.locator("#file").set_input_files(ROOT / "docs" / "words.ogg")
    expect(label(page)).to_contain_text("left")
    expect(page.locator("#wave")).to_have_attribute("aria-label", re.compile("^Waveform of words.ogg, 10.0 s"))
    assert page.locator("audio").evaluate("audio => audio.src").startswith("blob:")
    page.locator("#file").set_input_files(ROOT / "docs" / "hand.jpg")
    expect(page.locator("#error")).to_have_text("hand.jpg is no recording that the browser can read.")


def test_clothes_are_morphed_by_a_slider(visit):
    page = answered(visit("gan"), "gan")
    pixels = "canvas => canvas.toDataURL()"
    page.get_by_label("Clothes").select_option("Bag")
    expect(page.locator("#samples button").first).to_have_attribute("aria-label", "bag, seed 1")
    page.get_by_role("button", name="bag, seed 3", exact=True).click()
    expect(page.get_by_label("First seed")).to_have_value("3")
    page.get_by_label("end", exact=True).check()
    page.get_by_role("button", name="bag, seed 7").click()
    expect(page.get_by_label("Last seed")).to_have_value("7")
    for share, seed in (("0", 3), ("1", 7)):
        page.get_by_label("On the way").fill(share)
        where = f"bag: {100 * int(share)} percent of the way from seed 3 to seed 7"
        expect(page.locator("#image")).to_have_attribute("aria-label", where)
        sample = page.get_by_role("button", name=f"bag, seed {seed}", exact=True).locator("canvas")
        assert page.locator("#image").evaluate(pixels) == sample.evaluate(pixels)
    walk = page.get_by_role("button", name="Walk")
    walk.click()
    expect(page.locator("#image")).not_to_have_attribute("aria-label", where)
    walk.click()
    expect(walk).to_have_attribute("aria-pressed", "false")


def test_a_beat_is_bent_until_it_is_abnormal(visit, tmp_path):
    page = answered(visit("anomaly"), "anomaly")
    expect(label(page)).to_contain_text("unlike the normal ones")
    page.get_by_role("button", name="A normal beat").click()
    expect(label(page)).to_contain_text(re.compile("^like the normal ones"))
    page.get_by_label("Height").fill("3")
    expect(label(page)).to_contain_text("unlike the normal ones")
    page.get_by_label("Height").fill("0")
    page.locator("#file").set_input_files(ROOT / "docs" / "beats.tsv")
    expect(page.get_by_label("Row")).to_be_visible()
    expect(label(page)).to_contain_text(re.compile("^like"))
    page.get_by_label("Row").fill("2")
    expect(label(page)).to_contain_text("unlike")
    (tmp_path / "short.csv").write_text("1,2,3\n4,5,6\n")
    page.locator("#file").set_input_files(tmp_path / "short.csv")
    expect(page.locator("#error")).to_have_text(
        "Row 1 of short.csv must hold 140 numbers, perhaps after a label; it holds 3."
    )
    expect(label(page)).to_contain_text("unlike")


def test_activities_of_a_recording_are_told(visit, tmp_path):
    page = answered(visit("motion"), "motion")
    expect(label(page)).to_contain_text("5 activities")
    expect(page.locator("#shares .top")).to_contain_text("walking")
    rows = ["timestamp,x_acc,y_acc,z_acc,x_gyro,y_gyro,z_gyro"]
    rows += [f"{1657533977000 + 10 * i},{-3.9 + 0.01 * (i % 3)},-1.2,-9.1,0,0,{0.001 * (i % 2)}" for i in range(400)]
    (tmp_path / "still.csv").write_text("\n".join(rows))
    page.locator("#file").set_input_files(tmp_path / "still.csv")
    expect(page.locator("#about")).to_have_text("still.csv")
    expect(label(page)).to_contain_text("seated")
    expect(page.locator("#acceleration")).to_have_attribute("aria-label", "Acceleration along three axes for 4 s")
    (tmp_path / "no.csv").write_text("a,b\n1,2\n3,4\n")
    page.locator("#file").set_input_files(tmp_path / "no.csv")
    expect(page.locator("#error")).to_have_text("no.csv has no column x_acc.")


def test_a_phone_records_its_own_moves(visit):
    page = answered(visit("motion"), "motion")
    page.clock.install()
    page.get_by_role("button", name="Record with this phone").click()
    expect(page.locator("#about")).to_contain_text("Recording, 12 s to go")
    script = """at => dispatchEvent(new DeviceMotionEvent("devicemotion", {
        accelerationIncludingGravity: { x: -3.9, y: -1.2, z: -9.1 },
        rotationRate: { alpha: at % 2, beta: 90, gamma: -at % 2 },
    }))"""
    for at in range(70):
        page.evaluate(script, at)
        page.wait_for_timeout(25)
    with page.expect_request("**/v1/models/motion:predict") as asked:
        page.clock.run_for(13_000)
    expect(page.locator("#about")).to_have_text("Recorded with this phone, 12 s.")
    [signals] = asked.value.post_data_json["inputs"]["signals"]
    # Degrees become rad, and beta is about x.
    np.testing.assert_allclose(np.array(signals)[:, :4] - [-3.9, -1.2, -9.1, np.pi / 2], 0, atol=1e-6)
    page.get_by_role("button", name="Record with this phone").click()
    page.clock.run_for(13_000)
    expect(page.locator("#error")).to_contain_text("No motion sensor answers here")


def test_a_road_that_slows_down_changes_its_forecast(visit, tmp_path):
    page = answered(visit("traffic"), "traffic")
    expect(page.locator("#influence tr").first).to_contain_text("(itself)")
    page.get_by_label("Slower").fill("0")
    expect(page.locator("#said")).not_to_contain_text("27 now")
    free = label(page).text_content()
    page.get_by_label("Slower").fill("50")
    expect(label(page)).not_to_have_text(free)
    roads = json.loads((ROOT / "saved_models" / "traffic" / "1" / "card.json").read_text())["roads"]
    (tmp_path / "speeds.csv").write_text("\n".join([",".join(roads), *[",".join(["60"] * len(roads))] * 12]))
    page.get_by_label("Slower").fill("0")
    page.locator("#file").set_input_files(tmp_path / "speeds.csv")
    expect(label(page)).to_contain_text("60 now")
    (tmp_path / "few.csv").write_text("773869,767541\n60,60\n")
    page.locator("#file").set_input_files(tmp_path / "few.csv")
    expect(page.locator("#error")).to_have_text(re.compile(r"^few\.csv lacks 205 of the 207 roads, such as \d+\.$"))


def test_a_failing_answer_is_shown_as_its_sentence_and_goes_when_the_next_is_well(visit):
    page = answered(visit("sentiment"), "sentiment")
    sentence = "The queue of the model is full: try again in a second"
    page.route("**/v1/models/**", lambda route: route.fulfill(status=503, json={"error": sentence}))
    page.get_by_role("button", name="Slating").click()
    expect(page.locator("#error")).to_have_text(f"{sentence}.")
    page.unroute("**/v1/models/**")
    page.route("**/v1/models/**", lambda route: route.abort())
    page.get_by_role("button", name="Irony").click()
    expect(page.locator("#error")).to_have_text("The server cannot be reached.")
    page.unroute("**/v1/models/**")
    page.get_by_role("button", name="Slating").click()
    expect(label(page)).to_contain_text("negative")
    expect(page.locator("#error")).to_be_empty()
    # Chromium itself tells of both.
    assert len(visit.said) == 2
    visit.said.clear()


def test_a_model_that_is_not_served_is_told(visit):
    page = visit("", screen="a phone, dark")
    page.route("**/v1/models", lambda route: route.fulfill(json={"models": ["gan"]}))
    page.reload()
    expect(page.locator(".models a")).to_have_count(1)
    expect(page.locator(".models .none").first).to_contain_text("Not served here.")


def test_a_token_is_asked_for_once_and_kept_for_the_session(visit, tmp_path):
    shutil.copytree(ROOT / "saved_models" / "gan", tmp_path / "models" / "gan")
    (tmp_path / "token").write_text("open-sesame")
    options = ("--models", str(tmp_path / "models"), "--token-file", str(tmp_path / "token"))
    with serving(tmp_path / "log", *options) as address:
        page = visit("gan", at=address)
        dialog = page.get_by_role("dialog", name="Token")
        dialog.get_by_label("The server wants a token").fill("sesame")
        dialog.get_by_role("button", name="Use it").click()
        dialog.get_by_label("The server refused this token").fill("open-sesame")
        page.keyboard.press("Enter")
        answered(page, "gan")
        expect(dialog).to_have_count(0)
        page.reload()
        answered(page, "gan")
        page.goto(f"{address}/demo/")
        expect(page.locator(".models a")).to_have_count(1)
        expect(dialog).to_have_count(0)
        page.evaluate("() => sessionStorage.clear()")
        page.reload()
        dialog.get_by_role("button", name="Cancel").click()
        expect(page.locator("#error")).not_to_be_empty()
    assert visit.said
    assert all("401" in text for text in visit.said)
    visit.said.clear()
