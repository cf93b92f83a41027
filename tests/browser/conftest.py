"""Fixtures for tests in a real browser: Chromium, driven by Playwright. Without them the tests skip, and say so."""

import shutil

import pytest
from explorer_page import end_server, start_server

# The quiet flags keep Chromium from calling its maker; the fake devices stand in for a camera.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream",
         "--use-fake-ui-for-media-stream"]


@pytest.fixture(scope="module")
def browser():
    """Chromium. It ends with the module, as Playwright's event loop would be in the way of other tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser):
    """A function that opens an empty page of a width in pixels. At the end no page may have logged an error."""
    contexts, errors = [], []

    def open_page(width=1400, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)  # a busy machine is slow
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page
    yield open_page
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture(scope="module")
def address():
    """The address of a running explorer."""
    process, found = start_server()
    assert found.startswith("http://127.0.0.1:")
    yield found
    end_server(process)
