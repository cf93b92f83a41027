"""The gallery in a real browser: at two widths, by touch, by keyboard, in light and dark, with hostile names."""

import numpy as np
import pytest
from browser_pages import count_bytes, require_readable

from demos import gallery
from demos.gallery import Entry, Given, write_gallery
from demos.gallery_page import FIRST
from demos.shared.inputs import Photo
from demos.shared.picture import Picture
from demos.techniques import TECHNIQUES
from minicnn import plot
from minicnn.errors import InputError
from minicnn.models import load_model
from minicnn.visualize.check import below

HOSTILE = '<img src=x onerror="alert(1)"></script><b>'
PHONE = {"width": 400, "height": 800, "has_touch": True}


def fake(names):
    """Return an Entry whose pictures have the right names and hostile captions, and cost nothing."""
    def pictures(model, given):
        for name in names:
            panels = [(f"{name} {n}\n{HOSTILE}", np.full((40, 40, 3), 60 * n, np.uint8)) for n in range(3)]
            yield Picture(name, f"{name} of {HOSTILE}", plot.show_panels(panels, size=1.6), np.zeros(3),
                          f"How {HOSTILE} is read.", "Zeiler and Fergus 2014 (arXiv:1311.2901)",
                          [below("a number", 1.0, 2.0)], {"device": "cpu"}, finished={HOSTILE: panels[0][1]})
    return Entry(names, pictures)


def failing(model, given):
    """Stand in for a demo that makes no picture."""
    raise InputError(f"no {HOSTILE}")
    yield


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A gallery with a page for every technique, and the names of its pictures."""
    model = load_model("shapes", "cpu").fast()
    model = model._replace(labels=[HOSTILE, *model.labels[1:]])
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    photos = [Photo(HOSTILE, image, np.zeros((1, 3, 64, 64), np.float32), [(0, 0.75), (1, 0.25)])] * 5
    folder = tmp_path_factory.mktemp("gallery <#1> é")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "ENTRIES", {demo: fake(entry.names) for demo, entry in gallery.ENTRIES.items()} | {
            "fooling": Entry(("fooling",), failing)})
        names = [name for name in gallery.picture_names(model) if name != "fooling"]
        failed = write_gallery(folder, model, f"model: {HOSTILE}", Given(photos, 0), lambda line: None)
    assert failed == ["fooling"]
    return folder, names


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
def test_the_overview_and_a_page_are_readable(site, new_page, width, colours):
    page = new_page(width, 900, color_scheme=colours)
    for name in ("index", "saliency"):
        page.goto((site[0] / f"{name}.html").as_uri())
        require_readable(page)
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
        assert dark == (colours == "dark")


def test_the_overview_is_short_and_names_every_technique(site, new_page):
    page = new_page(1400, 900)
    page.goto((site[0] / "index.html").as_uri())
    text = page.inner_text("main")
    names = [technique.name for technique in TECHNIQUES
             if technique.demo in shown_demos(site[1]) and technique.demo != FIRST]
    assert len(names) > 30 and [name for name in names if name not in text] == []
    assert page.evaluate("document.documentElement.scrollHeight") < 5 * 900
    tops = [page.locator(f"#{part}").bounding_box()["y"] for part in ("filters", "last-layer")]
    assert tops[0] == tops[1]  # parts with few cards stand side by side


def shown_demos(names):
    """Return the demos that have made these pictures."""
    return [demo for demo, entry in gallery.ENTRIES.items() if set(entry.names) & set(names)]


def test_hostile_names_labels_captions_and_reasons_are_text(site, new_page):
    page = new_page()
    page.on("dialog", lambda dialog: pytest.fail("a name has been run as a script"))
    page.goto((site[0] / "index.html").as_uri())
    assert page.locator("figcaption").first.inner_text() == f"{HOSTILE}\n{HOSTILE} 75.0%\n" + page.locator(
        "figcaption").first.inner_text().splitlines()[-1]
    assert f"this picture could not be made: no {HOSTILE}" in page.locator(".fail").inner_text()
    assert page.locator('img[src="x"]').count() == page.locator("main b b").count() == 0
    page.goto((site[0] / "saliency.html").as_uri())
    assert page.locator("h1").inner_text() == f"saliency of {HOSTILE}"
    assert page.locator(".panels figcaption").nth(1).inner_text() == f"saliency 1\n{HOSTILE}"
    assert page.locator('img[src="x"]').count() == 0


def test_the_captions_are_text_and_each_panel_is_its_part_of_the_figure(site, new_page):
    page = new_page()
    page.goto((site[0] / "saliency.html").as_uri())
    panels = page.get_by_role("img")
    assert panels.count() == 3
    for n in range(3):
        assert panels.nth(n).get_attribute("aria-label") == f"saliency {n}, {HOSTILE}"
        pixels = pixels_of(page, panels.nth(n))
        assert np.abs(pixels[4:-4, 4:-4] - 60.0 * n).max() < 2  # one colour: no caption, no other panel


def pixels_of(page, element):
    """Return a screenshot of an element, (H, W, 3)."""
    from io import BytesIO

    from PIL import Image
    return np.asarray(Image.open(BytesIO(element.screenshot())).convert("RGB")).astype(float)


def test_any_technique_is_two_taps_away_on_a_phone(site, new_page):
    folder, names = site
    page = new_page(**PHONE)
    page.goto((folder / "index.html").as_uri())
    cards = page.locator("a.card, a.first").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert sorted(cards) == sorted(f"{name}.html" for name in names)
    parts = page.locator("nav.contents a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    for part in parts:
        page.goto((folder / "index.html").as_uri())
        page.locator(f'nav.contents a[href="{part}"]').tap()                               # the first tap
        heading = page.locator(part)
        assert 0 <= heading.bounding_box()["y"] < PHONE["height"]
        cards = page.locator(f'section[aria-labelledby="{part[1:]}"] a.card')
        if cards.count():
            title = cards.last.get_attribute("href").removesuffix(".html")
            cards.last.tap()                                                               # the second one
            assert page.locator("h1").inner_text() == f"{title} of {HOSTILE}"
    for name in names:
        page.goto((folder / f"{name}.html").as_uri())
        assert page.evaluate("() => [...document.images].every(image => image.naturalWidth > 0)")


def test_the_keyboard_reaches_everything(site, new_page):
    page = new_page()
    page.goto((site[0] / "index.html").as_uri())
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    assert page.locator(".skip").bounding_box()["x"] >= 0  # it shows when it has the focus
    links = page.locator("a").count()
    reached = 1
    while focused(page) and reached <= links:
        page.keyboard.press("Tab")
        reached += 1
        if page.evaluate("document.activeElement.matches('a[href=\"saliency.html\"]')"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/saliency.html")
    page.locator("summary").last.focus()
    assert not page.locator("table").is_visible()
    page.keyboard.press("Enter")
    assert page.locator("table").is_visible() and page.locator("td.ok, .ok").count() == 1
    page.locator('a[rel="next"]').focus()
    page.keyboard.press("Enter")
    page.wait_for_function("!location.href.endsWith('saliency.html')")


def focused(page):
    """Return the text of the element that has the focus."""
    return page.evaluate("document.activeElement === document.body ? '' : document.activeElement.innerText")


@pytest.mark.parametrize("width", [1400, 400])
def test_the_first_screen_is_light(site, new_page, width):
    page = new_page(width)
    files = count_bytes(page)
    page.goto((site[0] / "index.html").as_uri(), wait_until="networkidle")
    assert len(files) > 5 and sum(files.values()) < 1_000_000
    assert len(files) < 3 + 5 + len(site[1])  # small pictures far below are not loaded
