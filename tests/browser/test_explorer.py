"""The explorer's page in a real browser: its pictures, its links, its keyboard, its streams and the camera."""

import base64

import numpy as np
import pytest
from explorer_page import PHOTO, complete, expected_maps, maps_on, png, require_usable, shown, upload

from minicnn import images, load_model

HOSTILE = "<img src=x onerror=document.title='broken'>&amp;\u202e'\".png"
DROP = """(file) => {
  const dropped = new DataTransfer();
  const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
  dropped.items.add(new File([bytes], "dropped.png", {type: "image/png"}));
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: dropped, bubbles: true, cancelable: true}));
}"""
BARS = """() => [...document.querySelectorAll("#classes li")].map((row) => [row.querySelector(".label").textContent,
  row.querySelector(".value").textContent, row.querySelector(".bar span").style.width])"""
STOP_AT_ONCE = """() => {
  const controls = document.querySelector("#style-view .controls");
  const stop = controls.querySelector("button:not(.primary)");
  const click = () => controls.querySelector(".note").textContent.startsWith("Step") && stop.click();
  new MutationObserver(click).observe(controls.querySelector(".note"), {childList: true});
}"""


@pytest.mark.parametrize("width, scheme", [(1400, "light"), (400, "dark")])
def test_the_first_page_shows_a_photo_its_classes_a_layer_and_a_channel(new_page, address, width, scheme):
    page = new_page(width, color_scheme=scheme)
    page.goto(address)
    complete(shown(page))
    assert page.locator("#classes li").count() == 5
    assert page.locator("#layers [aria-selected=true]").count() == 1
    assert page.locator("#maps [aria-current=true]").count() == 1
    assert page.evaluate("[...document.images].filter((img) => img.checkVisibility() && !img.naturalWidth).length") == 0
    require_usable(page)
    assert maps_on(page).max() == 255
    page.click("#classes a >> nth=0")
    page.wait_for_selector("#class-view .five figure:not(.waiting) >> nth=4")
    require_usable(page)


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


def test_a_dropped_photo_gets_its_five_classes_as_bars_and_the_layers_have_their_sizes(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/relu2/3")
    shown(page).evaluate(DROP, base64.b64encode(png(PHOTO)).decode())
    page.wait_for_selector("#photo-title:text-is('dropped')")
    model = load_model("shapes")
    x = model.preprocessing.to_input(images.fit(PHOTO, model.preprocessing.resize, model.preprocessing.crop))
    scores = model.net.predict(x)[0]
    probabilities = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    for (label, value, width), best in zip(page.evaluate(BARS), np.argsort(-probabilities)[:5], strict=True):
        assert label == model.labels[best]
        assert float(value.rstrip("%\u00a0")) == pytest.approx(100 * probabilities[best], abs=0.51)
        assert float(width.rstrip("%")) == pytest.approx(100 * probabilities[best], abs=0.1)
    for name, shape in model.net.shapes().items():
        if len(shape) == 4 and name != "input":
            assert page.locator(f"[data-layer='{name}'] .size").inner_text() == " \u00d7 ".join(map(str, shape[1:]))


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
    page.wait_for_function("(value) => Math.abs(Number(document.querySelector('#hover strong').textContent"
                           ".replace('\u2212', '-')) - value) <= 0.01 * Math.abs(value) + 0.001", arg=value)
    assert page.locator("#maps .keys").is_visible()


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


def test_nothing_can_be_saved_before_the_first_picture(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/dream")
    shown(page).evaluate("""() => ["Dream", "Stop"].forEach((label) =>
      [...document.querySelectorAll("#dream-view button")].find((one) => one.textContent === label).click())""")
    page.wait_for_selector("#dream-view button:text-is('Stop'):disabled")
    assert page.locator("#dream-view >> text=Save").is_hidden()


def test_on_a_phone_a_chosen_view_and_class_come_into_sight(new_page, address):
    page = new_page(400, 800)
    page.goto(f"{address}#shapes/relu3/7")
    shown(page)
    for link, title in (("#views a >> nth=2", "#dream-view h2"), ("#classes a >> nth=1", "#class-title")):
        page.click(link)
        page.wait_for_selector(title)
        assert 0 <= page.locator(title).bounding_box()["y"] < 400


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
