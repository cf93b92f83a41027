"""Hostile use of the explorer's page: labels, files, sizes, many clicks, two tabs, and a server that is killed."""

import io
import re
import zlib

import numpy as np
from explorer_page import complete, expected_maps, maps_on, shown, start_server, upload
from PIL import Image

from minicnn import load_model

DROP = """() => {
  const dropped = new DataTransfer();
  dropped.items.add(new File(["no picture"], "letter.png", {type: "image/png"}));
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: dropped, bubbles: true, cancelable: true}));
}"""


def test_hostile_labels_and_titles_are_only_text(new_page, address):
    page = new_page()

    def spoil(route):
        answer = route.fetch()
        label = "<img src=x onerror=document.title=1>"
        if "text/html" in answer.headers["content-type"]:
            label = label.replace("<", "\\u003c").replace(">", "\\u003e")  # as the server writes it
        route.fulfill(response=answer, body=answer.text().replace("striped disc", label))
    page.route(re.compile(r"/api/photo\?|/$"), spoil)
    page.goto(f"{address}#shapes/class/{load_model('shapes').labels.index('striped disc')}")
    shown(page)
    for place in ("#classes", "#class-title"):
        assert "<img src=x" in page.locator(place).inner_text()
    assert page.locator("img[src=x]").count() == 0 and page.title() != "1"


def test_a_dropped_file_that_is_no_picture_is_refused_in_one_sentence(new_page, address):
    page = new_page()
    page.goto(f"{address}#shapes/relu2/3")
    shown(page).evaluate(DROP)
    page.wait_for_selector("#message:visible")
    assert "not an image" in page.locator("#message span").inner_text()
    assert page.locator("#photo-title").inner_text() == "striped disc"


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


def test_a_photo_of_50_megapixels_is_shown_and_a_larger_one_is_refused(new_page, address, tmp_path):
    page = new_page()
    page.goto(f"{address}#shapes/relu2/3")
    shown(page)
    file = io.BytesIO()
    Image.new("RGB", (10_000, 5_000), (200, 90, 30)).save(file, "PNG", compress_level=1)
    page.set_input_files("#file", {"name": "phone.png", "mimeType": "image/png", "buffer": file.getvalue()})
    page.wait_for_selector("#photo-title:text-is('phone')")
    assert page.locator("#message").is_hidden()
    size = (60_000).to_bytes(4, "big")
    huge = file.getvalue()[:16] + size + size + file.getvalue()[24:29]
    huge += zlib.crc32(huge[12:]).to_bytes(4, "big") + file.getvalue()[33:]
    page.set_input_files("#file", {"name": "huge.png", "mimeType": "image/png", "buffer": huge})
    page.wait_for_selector("#message:has-text('too large')")
    assert "at most 40,000,000 pixels" in page.locator("#message span").inner_text()
    assert page.locator("#photo-title").inner_text() == "phone"
    (tmp_path / "many.png").write_bytes(bytes(26_000_000))
    page.set_input_files("#file", tmp_path / "many.png")
    page.wait_for_selector("#message:has-text('at most 25 MB')")


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


def forget_refused(page, errors):
    """Forget the errors that Chromium reports by itself while a server is gone. They can come after the message."""
    page.evaluate("0")  # what the page reported before now has been read when this returns
    assert all("ERR_" in error for error in errors)
    errors.clear()


def test_after_a_restart_the_page_uploads_its_photo_again(browser):
    process, address = start_server()
    context = browser.new_context()
    page, errors = context.new_page(), []
    page.set_default_timeout(60_000)
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{address}#shapes/relu3/4")
    upload(shown(page, "#shapes/relu3/4"))
    complete(page)  # so that every request that fails below is one of relu1
    process.kill()
    process.wait()
    page.click("[data-layer=relu1]")
    page.wait_for_selector("#message:has-text('does not answer')")
    process, again = start_server(address.rsplit(":")[-1].strip("/"))
    try:
        assert again == address
        forget_refused(page, errors)
        page.click("#message >> text='Try again'")
        page.wait_for_selector("#sheet[data-layer=relu1]")
        complete(page)
        assert np.abs(maps_on(page)[:24].astype(int) - expected_maps("relu1")).max() <= 1
        assert page.locator("#photo-title").inner_text() == "noise" and page.locator("#message").is_hidden()
        assert errors == []
        page.click("#views >> text=Style")  # killed again, while it paints: that takes seconds
        page.click("#style-view button:text-is('Paint')")
        page.wait_for_selector("#style-view .controls .note:text-matches('^Step')")
        process.kill()
        process.wait()
        page.wait_for_selector("#message:has-text('does not answer')")
        process, again = start_server(address.rsplit(":")[-1].strip("/"))
        forget_refused(page, errors)
        page.click("#views >> text=Dream")
        page.click("#dream-view button:text-is('Dream')")
        page.wait_for_selector("#dream-view .controls .note:has-text('Step 20 of 20')")
        assert errors == []
    finally:
        context.close()
        process.kill()
        process.wait()
