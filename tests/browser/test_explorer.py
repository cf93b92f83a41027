"""The explorer's page in a real browser: its pictures, its links, the camera, hostile names, a restarted server."""

import io
import os
import re
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicnn import images, load_model

ROOT = Path(__file__).parents[2]
PHOTO = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
HOSTILE = "<img src=x onerror=document.title='broken'>&amp;\u202e'\".png"
READ_MAPS = """() => {
  const canvas = document.getElementById("sheet");
  const {columns, gap} = canvas.dataset;
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const values = Array.from(pixels).filter((_, place) => place % 4 === 0);
  return {columns: Number(columns), gap: Number(gap), width: canvas.width, values};
}"""
SMALL_TEXT = """() => [...document.querySelectorAll("body *")].filter((node) => node.checkVisibility()
  && [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())
  && parseFloat(getComputedStyle(node).fontSize) < 12).map((node) => node.outerHTML.slice(0, 80))"""
UNNAMED = """() => [...document.querySelectorAll("img, canvas, svg, button, select, input")].filter((node) =>
  node.checkVisibility() && !(node.getAttribute("alt") || node.getAttribute("aria-label") || node.textContent.trim()
  || node.labels?.length || node.querySelector("img[alt]"))).map((node) => node.outerHTML.slice(0, 80))"""
STOP_AT_ONCE = """() => {
  const controls = document.querySelector("#style-view .controls");
  const stop = controls.querySelector("button:not(.primary)");
  const click = () => controls.querySelector(".note").textContent.startsWith("Step") && stop.click();
  new MutationObserver(click).observe(controls.querySelector(".note"), {childList: true});
}"""
DROP = """() => {
  const dropped = new DataTransfer();
  dropped.items.add(new File(["no picture"], "letter.png", {type: "image/png"}));
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: dropped, bubbles: true, cancelable: true}));
}"""


def start_server(port=0):
    """Start `minicnn explore` with the network `shapes`. Return (process, address) when it listens."""
    command = [sys.executable, "-m", "demos.explore", "--no-browser", "--model", "shapes", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True, env=os.environ | {"PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"})
    return process, process.stdout.readline().strip()


@pytest.fixture(scope="module")
def address():
    """The address of a running explorer."""
    process, found = start_server()
    assert found.startswith("http://127.0.0.1:")
    yield found
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130


def shown(page, link=""):
    """Wait until the page shows a view, or the view of this link."""
    page.wait_for_selector(f'body[data-shown="{link}"]' if link else "body[data-shown]")
    return page


def complete(page):
    """Wait until every picture of the channel is there, and the synthesis has ended."""
    page.wait_for_selector("#channel .four figure:not(.waiting) >> nth=3")
    page.wait_for_selector("#channel .pair a[download]:visible")
    return page


def png(picture):
    """Return the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def upload(page, name="noise.png"):
    """Open PHOTO on the page, and wait until it is shown."""
    page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": png(PHOTO)})
    page.wait_for_selector("#photo-title:text('noise')" if name == "noise.png" else "#photo-title:text('onerror')")


def maps_on(page):
    """Return the maps on the canvas, uint8 (channels + unused places, h, w)."""
    found = page.evaluate(READ_MAPS)
    gap, columns = found["gap"], found["columns"]
    sheet = np.array(found["values"], np.uint8).reshape(-1, found["width"])
    side = found["width"] // columns
    tiles = sheet.reshape(-1, side, columns, side).transpose(0, 2, 1, 3).reshape(-1, side, side)
    return tiles[:, :side - gap, :side - gap]


def expected_maps(layer):
    """Return the maps that the library computes of PHOTO, each from 0 to its maximum, as uint8."""
    model = load_model("shapes")
    x = model.preprocessing.to_input(images.fit(PHOTO, model.preprocessing.resize, model.preprocessing.crop))
    maps = model.net.predict(x, layer)[0]
    high = np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)
    return np.rint(255 * maps / high).astype(np.uint8)


@pytest.mark.parametrize("width, scheme", [(1400, "light"), (400, "dark")])
def test_the_first_page_shows_a_photo_its_classes_a_layer_and_a_channel(new_page, address, width, scheme):
    page = new_page(width, color_scheme=scheme)
    page.goto(address)
    complete(shown(page))
    assert page.locator("#classes li").count() == 5
    assert page.locator("#layers [aria-selected=true]").count() == 1
    assert page.locator("#maps [aria-current=true]").count() == 1
    assert page.evaluate("[...document.images].filter((img) => img.checkVisibility() && !img.naturalWidth).length") == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(SMALL_TEXT) == [] == page.evaluate(UNNAMED)
    assert maps_on(page).max() == 255
    page.click("#classes a >> nth=0")
    page.wait_for_selector("#class-view .five figure:not(.waiting) >> nth=4")
    assert page.evaluate(SMALL_TEXT) == [] == page.evaluate(UNNAMED)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_uploaded_photo_gives_the_maps_of_the_library_and_its_name_is_only_text(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/relu2/3")
    shown(page)
    upload(page, HOSTILE)
    page.wait_for_selector("#photo-img[alt*='onerror']")
    page.click("[data-layer=relu1]")
    page.wait_for_selector("#sheet[data-layer=relu1]")
    expected = expected_maps("relu1")
    assert np.abs(maps_on(page)[:len(expected)].astype(int) - expected).max() <= 1
    assert "broken" not in page.title() and page.locator("img[src=x]").count() == 0
    number = page.locator("#hover strong").inner_text()
    page.hover("#maps [data-channel='5']")
    page.wait_for_selector("#hover .value:has-text('channel 5, row')")
    assert page.locator("#hover strong").inner_text() != "" != number
    assert page.locator("#photo .field").is_visible()


def test_hostile_labels_and_titles_are_only_text(new_page, address):
    page = new_page()

    def spoil(route):
        answer = route.fetch()
        hostile = answer.text().replace("striped disc", "<img src=x onerror=document.title=1>")
        route.fulfill(response=answer, body=hostile)
    page.route(re.compile(r"/api/(network|photo)\?"), spoil)
    page.goto(f"{address}#shapes/class/8")
    shown(page)
    assert "<img src=x" in page.locator("#classes").inner_text() + page.locator("#class-title").inner_text()
    assert page.locator("img[src=x]").count() == 0 and page.title() != "1"


def test_a_dropped_file_that_is_no_picture_is_refused_in_one_sentence(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/relu2/3")
    shown(page).evaluate(DROP)
    page.wait_for_selector("#message:visible")
    assert "not an image" in page.locator("#message span").inner_text()
    assert page.locator("#photo-title").inner_text() == "striped disc"


def test_the_page_works_by_keyboard_alone(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/relu3/7")
    shown(page)
    page.keyboard.press("Tab")
    for _ in range(40):
        if page.evaluate("document.activeElement.dataset.layer ?? ''"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("#sheet[data-layer=pool3]")
    shown(page)
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.channel ?? ''"):
            break
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#hover .value:has-text('channel 1, row')")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    shown(page, "#shapes/pool3/1")


def test_a_link_survives_a_reload_and_the_back_button_goes_back(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/conv2/5")
    complete(shown(page, "#shapes/conv2/5"))
    page.click("[aria-label='Next channel']")
    shown(page, "#shapes/conv2/6")
    page.click("#views >> text=Class")
    page.wait_for_selector("#class-title:visible")
    page.go_back()
    shown(page, "#shapes/conv2/6")
    page.reload()
    assert page.locator("#channel-title").inner_text() == "conv2, channel 6" or shown(page, "#shapes/conv2/6")
    page.goto(f"{address}#nothing/here/9999")
    page.wait_for_selector("#message:visible")
    assert "nothing" in page.locator("#message").inner_text()


def test_an_upload_survives_a_reload_and_a_restart_says_that_it_is_gone(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/relu1/2")
    upload(shown(page))
    for _ in range(2):
        page.reload()
        complete(shown(page))
        assert page.locator("#photo-title").inner_text() == "noise"
        assert np.abs(maps_on(page)[:24].astype(int) - expected_maps("relu1")).max() <= 1
    kept = page.evaluate("sessionStorage.getItem('opened')")
    page.evaluate("(kept) => sessionStorage.setItem('opened', kept)", kept.replace('"from":"', '"from":"0'))
    page.reload()
    page.wait_for_selector("#message:has-text('no longer has this photo')")
    assert page.locator("#photo-title").inner_text() == "striped disc"


def test_a_photo_of_50_megapixels_is_shown_and_a_larger_one_is_refused(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/relu2/3")
    shown(page)
    file = io.BytesIO()
    Image.new("RGB", (10_000, 5_000), (200, 90, 30)).save(file, "PNG", compress_level=1)
    page.set_input_files("#file", {"name": "phone.png", "mimeType": "image/png", "buffer": file.getvalue()})
    page.wait_for_selector("#photo-title:text-is('phone')", timeout=60_000)
    assert page.locator("#message").is_hidden()
    size = (60_000).to_bytes(4, "big")
    huge = file.getvalue()[:16] + size + size + file.getvalue()[24:29]
    huge += zlib.crc32(huge[12:]).to_bytes(4, "big") + file.getvalue()[33:]
    page.set_input_files("#file", {"name": "huge.png", "mimeType": "image/png", "buffer": huge})
    page.wait_for_selector("#message:has-text('too large')")
    assert "at most 40,000,000 pixels" in page.locator("#message span").inner_text()
    assert page.locator("#photo-title").inner_text() == "phone"
    page.set_input_files("#file", {"name": "many.png", "mimeType": "image/png", "buffer": bytes(26_000_000)})
    page.wait_for_selector("#message:has-text('at most 25 MB')")


def test_shift_and_arrow_keys_walk_inside_a_map(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/conv2/7")
    upload(shown(page))
    page.wait_for_selector("#photo-img[alt^='noise']")
    page.wait_for_selector("#maps:not(.waiting)")
    page.focus("#maps [data-channel='7']")
    for key, times in (("ArrowUp", 40), ("ArrowLeft", 40), ("ArrowRight", 3), ("ArrowDown", 1)):
        for _ in range(times):
            page.keyboard.press(f"Shift+{key}")
    page.wait_for_selector("#hover .value:has-text('channel 7, row 1, column 3')")
    model = load_model("shapes")
    x = model.preprocessing.to_input(images.fit(PHOTO, model.preprocessing.resize, model.preprocessing.crop))
    value = float(model.net.predict(x, "conv2")[0, 7, 1, 3])
    page.wait_for_function("(value) => Math.abs(Number(document.querySelector('#hover strong').textContent) - value)"
                           " <= 0.01 * Math.abs(value) + 0.001", arg=value)
    assert page.locator("#maps .keys").is_visible()


def test_two_tabs_do_not_disturb_each_other(new_page, address):
    one, two = new_page(), new_page()
    one.goto(f"{address}#shapes/relu1/2")
    two.goto(f"{address}#shapes/relu3/9")
    upload(shown(one))
    two.click("[data-photo=p1]")
    two.wait_for_selector("#photo-img[alt^='checked']")
    complete(one)
    complete(two)
    assert one.locator("#photo-title").inner_text() == "noise"
    assert np.abs(maps_on(one)[:24].astype(int) - expected_maps("relu1")).max() <= 1
    assert two.locator("#channel-title").inner_text() == "relu3, channel 9"


def test_ten_clicks_a_second_end_at_the_last_one(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/relu3/0")
    shown(page)
    for channel in range(1, 21):
        page.evaluate("(channel) => document.querySelector(`#maps [data-channel='${channel}']`).click()", channel)
        page.wait_for_timeout(100)
    complete(shown(page, "#shapes/relu3/20"))
    assert page.locator("#channel-title").inner_text() == "relu3, channel 20"
    assert page.locator("#channel .pair img >> nth=1").get_attribute("alt").endswith("channel 20 of relu3")
    assert page.locator("#message").is_hidden()


def test_ten_clicks_a_second_on_layers_classes_and_views_end_at_the_last_one(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/relu3/0")
    shown(page)
    clicks = ["[data-layer=relu1]", "#classes a", "#views a:nth-child(3)", "[data-photo=p1]", "[data-layer=conv2]",
              "#views a:nth-child(4)", "[data-layer=relu3]", "[data-photo=p2]", "#views a:nth-child(2)"]
    for selector in [*clicks, *clicks, "[data-layer=pool3]"]:
        page.evaluate("(selector) => document.querySelector(selector).click()", selector)
        page.wait_for_timeout(100)
    page.wait_for_selector("#sheet[data-layer=pool3]")
    complete(page)
    assert page.locator("#channels-view").is_visible() and page.locator("#message").is_hidden()
    assert page.locator("#photo-title").inner_text() == page.locator("[data-photo=p2]").get_attribute("title")


def test_the_network_is_fooled_while_one_watches(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/class/8")
    shown(page)
    page.click("#class-view >> text='Start'")
    page.wait_for_selector("#class-view [role=status]:has-text('Fooled after')")
    assert page.locator("#class-view svg polyline").count() == 1
    page.wait_for_selector("#class-view .five a[download]:visible")  # occlusion, too, whichever began first



def test_a_stream_can_be_stopped_and_its_last_picture_saved(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/style")
    shown(page).evaluate(STOP_AT_ONCE)
    page.click("#style-view button:text-is('Paint')")
    page.wait_for_selector("#style-view a[download]:visible")
    stopped = page.locator("#style-view .controls .note").inner_text()
    assert stopped.startswith("Step") and "60 of 60" not in stopped
    page.wait_for_timeout(300)
    assert page.locator("#style-view .controls .note").inner_text() == stopped
    with page.expect_download() as saved:
        page.click("#style-view >> text=Save")
    assert saved.value.suggested_filename == "shapes_style_strokes.png"


def test_the_camera_shows_its_classes_and_maps_live(new_page, address):
    page = new_page(permissions=["camera"])
    page.goto(f"{address}#shapes/relu1/2")
    shown(page)
    before = maps_on(page)
    page.click("#camera")
    page.wait_for_selector("#camera:has-text('/s)')")
    page.click("#camera")
    page.wait_for_selector("#camera[aria-pressed=false]")
    assert page.locator("#photo-title").inner_text() == "camera"
    assert (maps_on(page) != before).any()
    complete(page)


def test_after_a_restart_the_page_uploads_its_photo_again(browser):
    process, address = start_server()
    context = browser.new_context()
    page, errors = context.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{address}#shapes/relu3/4")
    upload(shown(page))
    process.kill()
    process.wait()
    page.click("[data-layer=relu1]")
    page.wait_for_selector("#message:has-text('does not answer')")
    assert all("ERR_" in error for error in errors)  # Chromium says by itself that a server is gone
    errors.clear()
    process, again = start_server(address.rsplit(":")[-1].strip("/"))
    try:
        assert again == address
        page.click("#message >> text='Try again'")
        page.wait_for_selector("#sheet[data-layer=relu1]")
        complete(page)
        assert np.abs(maps_on(page)[:24].astype(int) - expected_maps("relu1")).max() <= 1
        assert page.locator("#photo-title").inner_text() == "noise" and page.locator("#message").is_hidden()
        assert errors == []
        page.click("#views >> text=Dream")  # killed again, in the middle of a dream
        page.click("#dream-view button:text-is('Dream')")
        page.wait_for_selector("#dream-view .controls .note:has-text('Step')")
        process.kill()
        process.wait()
        page.wait_for_selector("#message:has-text('does not answer')")
        errors.clear()
        process, again = start_server(address.rsplit(":")[-1].strip("/"))
        page.click("#dream-view button:text-is('Dream')")
        page.wait_for_selector("#dream-view .controls .note:has-text('Step 20 of 20')")
        assert errors == []
    finally:
        context.close()
        process.kill()
        process.wait()
