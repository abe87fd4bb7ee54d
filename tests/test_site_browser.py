"""The built site in headless Chromium: on a phone and on a screen, light and dark, by keyboard, without a network."""

import functools
import http.server
import re
import shutil
import threading
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect

SITE = Path(__file__).parents[1] / "build/docs/html"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCREENS = {"a phone, dark": (390, 844, "dark"), "a screen, light": (1440, 900, "light")}
# One of each kind.
PAGES = [
    "index",
    "lectures/sri-rama-murty",
    "gallery/index",
    "gallery/foundations/cover",
    "notebooks/picture-classes",
    "how-to/serve",
    "apps/caption",
    "reference/models",
    "reference/commands",
    "results",
]
DIAGRAM = "details:has-text('Diagram of lenet5')"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.skipif(not (SITE / "index.html").exists(), reason="needs the site: make docs"),
]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        """Nothing."""


@pytest.fixture(scope="module")
def address():
    handler = functools.partial(_Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def visit(browser, address):
    """Opens a page of the site; at the end nothing may have failed, and nothing have been asked of another place."""
    wrong, contexts = [], []

    def go(name, screen="a screen, light"):
        width, height, scheme = SCREENS[screen]
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.on("console", lambda message: message.type in {"error", "warning"} and wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("requestfailed", lambda request: wrong.append(request.url))
        page.on("response", lambda response: response.status >= 400 and wrong.append(response.url))
        page.on("request", lambda request: request.url.startswith((address, "data:")) or wrong.append(request.url))
        page.goto(f"{address}/{name}")
        return page

    yield go
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_its_pictures_have_texts(visit, name, screen):
    page = visit(f"{name}.html", screen)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.locator("html").get_attribute("data-theme") == SCREENS[screen][2]
    # The thumbnails of the gallery have their title as a link behind them, which would be read twice.
    pictures = page.locator("article img:not(.sphx-glr-thumbcontainer img)").evaluate_all(
        "all => all.map(each => [each.alt, each.loading, each.complete && each.naturalWidth])"
    )
    assert page.locator(".sphx-glr-thumbcontainer:not(:has(a.reference .xref, a.reference span))").count() == 0
    # Texts are no names of files.
    assert [alt for alt, _, _ in pictures if " " not in alt.strip() or alt.endswith((".png", ".jpg"))] == []
    assert all(width for _, loading, width in pictures if loading != "lazy")


def test_solutions_unfold_by_keyboard(visit):
    page = visit("lectures/hota.html")
    first = page.locator("details").first
    expect(first.locator("div.cell").first).not_to_be_visible()
    first.locator("summary").press("Enter")
    expect(first.locator("div.cell").first).to_be_visible()


def test_tab_leads_past_the_menu_to_the_text(visit):
    page = visit("lectures/pilanci.html")
    page.keyboard.press("Tab")
    assert "main content" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    style = "getComputedStyle(document.activeElement)"
    seen = page.evaluate(f"{style}.outlineStyle + {style}.boxShadow")
    assert seen != "nonenone", "The focus cannot be seen."


def test_the_menu_opens_on_a_phone(visit):
    page = visit("index.html", "a phone, dark")
    page.locator("button.primary-toggle").press("Enter")
    page.locator("dialog, .pst-primary-sidebar-modal").get_by_role("link", name="Notebooks").first.click()
    expect(page.locator("h1")).to_contain_text("Notebooks")


@pytest.mark.parametrize("screen", SCREENS)
def test_the_reference_draws_a_builder(visit, screen):
    page = visit("reference/models.html#kerasmlsp.models.lenet5", screen)
    page.locator(f"{DIAGRAM} summary").click()
    picture = page.locator(f"{DIAGRAM} img")
    expect(picture).to_be_visible()
    page.wait_for_function("picture => picture.complete && picture.naturalWidth", arg=picture.element_handle())
    assert "conv" in picture.get_attribute("alt")


def test_a_lecture_leads_to_the_builder_and_to_the_figure(visit):
    page = visit("lectures/sri-rama-murty.html")
    page.get_by_role("link", name="hopfield_network", exact=True).first.click()
    expect(page).to_have_url(re.compile(r"reference/models\.html#kerasmlsp\.models\.hopfield_network$"))
    page.go_back()
    page.get_by_role("link", name="resnet-vs-plain").first.click()
    expect(page.locator("h1")).to_contain_text("resnet-vs-plain")


def test_the_search_needs_no_network(visit):
    page = visit("search.html?q=hopfield")
    expect(page.locator("#search-results li").first).to_be_visible(timeout=20_000)
