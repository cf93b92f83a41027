"""The page to zoom into a map of photos, in a real browser."""

import numpy as np
import pytest
from browser_pages import count_bytes, require_readable

from demos.zoom_site import PhotoMap, write_zoom_page

HOSTILE = '<img src=x onerror="alert(1)"></script><b>'
SIDE = 24  # of a photo
COUNT = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the page of 600 photos of one colour each, photo n in cell n; the classes have hostile names."""
    folder = tmp_path_factory.mktemp("map <#1> é?")
    n = np.arange(COUNT)
    colours = np.stack([n % 25 * 10, n // 25 * 10, np.full(COUNT, 128)], axis=1).astype(np.uint8)
    thumbnails = np.broadcast_to(colours[:, None, None], (COUNT, SIDE, SIDE, 3))
    labels = [None if i == 7 else f"class {i % 3} {HOSTILE}" for i in range(COUNT)]
    names = [f"{labels[i]}/photo {i} {HOSTILE}" for i in range(COUNT)]
    positions = np.stack([n % 25, -(n // 25)], axis=1)[::-1].astype(float)  # the other way round than the grid
    photos = PhotoMap(f"a map of {HOSTILE}", f"layer {HOSTILE}", names, labels, thumbnails, n, 24, 25, positions,
                      positions)
    write_zoom_page(folder, "zoom", photos)
    return folder


@pytest.fixture
def opened(folder, new_page):
    """A function that opens the page and waits until it is drawn."""
    def open_map(*arguments, **options):
        page = new_page(*arguments, **options)
        page.on("dialog", lambda dialog: pytest.fail("a name has been run as a script"))
        page.goto((folder / "zoom.html").as_uri())
        page.wait_for_selector("html[data-ready=yes]", state="attached")
        return page
    return open_map


def centre_of(page, column, row):
    """Return the place in the window of a cell's centre, in the whole map."""
    box = page.locator("#map").bounding_box()
    zoom = 0.98 * min(box["width"] / (25 * SIDE), box["height"] / (24 * SIDE))
    left, top = box["x"] + (box["width"] - 25 * SIDE * zoom) / 2, box["y"] + (box["height"] - 24 * SIDE * zoom) / 2
    return left + (column + 0.5) * SIDE * zoom, top + (row + 0.5) * SIDE * zoom


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
def test_the_page_is_readable_and_light(folder, new_page, width, colours):
    page = new_page(width, 800, color_scheme=colours)
    files = count_bytes(page)
    page.goto((folder / "zoom.html").as_uri())
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    require_readable(page)
    assert 4 < len(files) < 12 and sum(files.values()) < 1_000_000
    page.mouse.click(*centre_of(page, 3, 2))
    page.locator("aside li").first.wait_for()
    require_readable(page)


def test_hover_names_the_photo_and_a_click_opens_its_neighbours(opened):
    page = opened()
    page.mouse.move(*centre_of(page, 3, 2))
    assert page.locator("#tip").inner_text() == f"photo 53 {HOSTILE}, class 2 {HOSTILE}"
    page.mouse.move(*centre_of(page, 7, 0))
    assert page.locator("#tip").inner_text() == f"None/photo 7 {HOSTILE}"
    page.mouse.click(*centre_of(page, 3, 2))
    assert page.locator("aside h2").inner_text() == f"photo 53 {HOSTILE}"
    near = page.locator("aside li button")
    near.first.wait_for()
    assert near.count() == 12
    nearest = near.evaluate_all("buttons => buttons.slice(0, 4).map(button => button.getAttribute('aria-label'))")
    assert sorted(nearest) == sorted(f"photo {n} {HOSTILE}, class {n % 3} {HOSTILE}" for n in (28, 52, 54, 78))
    near.nth(11).click()
    assert page.locator("aside h2").inner_text() != f"photo 53 {HOSTILE}"
    page.keyboard.press("Escape")
    assert page.locator("aside").is_hidden() and page.evaluate("document.activeElement.id") == "map"


def colour_at(page, x, y):
    """Return the colour of one pixel of the window."""
    from io import BytesIO

    from PIL import Image
    shot = page.screenshot(clip={"x": round(x), "y": round(y), "width": 1, "height": 1})
    return np.asarray(Image.open(BytesIO(shot)).convert("RGB"))[0, 0].astype(int)


def test_each_photo_is_drawn_in_its_place_at_every_zoom(opened):
    page = opened()
    for column, row in ((0, 0), (24, 0), (12, 11), (0, 23), (24, 23)):
        assert np.abs(colour_at(page, *centre_of(page, column, row)) - [column * 10, row * 10, 128]).max() < 12
    x, y = centre_of(page, 12, 11)
    page.mouse.move(x, y)
    for _ in range(8):
        page.mouse.wheel(0, -200)
    page.wait_for_timeout(300)
    assert page.locator("#tip").inner_text().startswith("photo 287 ")
    assert np.abs(colour_at(page, x, y) - [120, 110, 128]).max() < 12
    page.keyboard.press("0")
    page.locator("#free").click()
    page.wait_for_timeout(800)
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 12)
    page.wait_for_timeout(50)
    assert int(page.locator("#tip").inner_text().split()[1]) >= 575  # the last row of the grid is the first one here


def test_a_search_by_class_dims_the_others(opened):
    page = opened()
    places = [centre_of(page, n, 0) for n in (0, 1)]
    before = [colour_at(page, *place) for place in places]
    page.locator("#search").fill(f"CLASS 0 {HOSTILE}")
    page.wait_for_timeout(200)
    after = [colour_at(page, *place) for place in places]
    assert page.locator("#status").inner_text() == f"200 of 600 photos: class 0 {HOSTILE}"
    assert np.abs(before[0] - after[0]).max() < 5 and (after[1] > before[1] + 50).any()
    page.locator("#search").fill("photo 599")
    assert page.locator("#status").inner_text() == "1 of 600 photos"
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.locator("#tip").inner_text().startswith("photo 599 ")
    page.locator("#search").fill("")
    assert page.locator("#status").inner_text() == ""


def test_the_keyboard_is_enough(opened):
    page = opened()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "map":
            break
    page.wait_for_function("document.getElementById('status').textContent !== ''")
    first = int(page.locator("#status").inner_text().split()[1])
    for key, change in (("ArrowRight", 1), ("ArrowDown", 25), ("ArrowLeft", -1), ("ArrowUp", -25)):
        page.keyboard.press(key)
        first += change
        assert page.locator("#status").inner_text() == f"photo {first} {HOSTILE}, class {first % 3} {HOSTILE}"
    for _ in range(6):
        page.keyboard.press("+")
    for _ in range(14):  # the map follows
        page.keyboard.press("ArrowRight")
    box, tip = page.locator("#view").bounding_box(), page.locator("#tip").bounding_box()
    assert box["x"] <= tip["x"] and tip["x"] + tip["width"] <= box["x"] + box["width"] + 1
    page.keyboard.press("Enter")
    page.locator("aside li").first.wait_for()
    assert page.evaluate("document.activeElement.id") == "side"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "map"


def test_touch_drags_pinches_and_taps(opened):
    page = opened(400, 800, has_touch=True)
    page.touchscreen.tap(*centre_of(page, 3, 2))
    page.locator("aside li").first.wait_for()
    assert page.locator("aside h2").inner_text() == f"photo 53 {HOSTILE}"
    page.locator(".chosen button").tap()
    touch = page.context.new_cdp_session(page)

    def send(kind, *points):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [
            {"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]})
    x, y = centre_of(page, 12, 11)
    send("touchStart", (x - 20, y), (x + 20, y))
    for n in range(1, 11):
        send("touchMove", (x - 20 - 8 * n, y), (x + 20 + 8 * n, y))
    send("touchEnd")
    page.touchscreen.tap(x + 6, y + 6)
    assert page.locator("aside h2").inner_text().startswith("photo 287 ")


def test_a_missing_list_of_neighbours_is_named(opened):
    page = opened()
    page.evaluate("zoomNeighbours[2] = []")  # as if the file held none
    page.mouse.click(*centre_of(page, 24, 20))
    page.get_by_text("The file neighbours_2.js is missing beside this page.").wait_for()
