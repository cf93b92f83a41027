"""The Korean pages in a real browser: the explorer's four views and the gallery, at two widths, with hostile names."""

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from browser_pages import require_readable
from PIL import Image

from demos import gallery
from demos.gallery import Given, write_gallery
from demos.shared.inputs import load_photos
from demos.zoom_site import PhotoMap, write_zoom_page
from minicnn.models import load_model

ROOT = Path(__file__).parents[2]
HOSTILE = "<img src=x onerror=document.title='broken'>{title}"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a running explorer in Korean."""
    pytest.importorskip("starlette", reason="the extra [explore] is not installed")
    command = [sys.executable, "-m", "demos.explore", "--no-browser", "--model", "shapes", "--port", "0",
               "--lang", "ko"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               env=os.environ | {"PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"})
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130


@pytest.mark.parametrize("width", [1400, 400])
def test_the_views_of_the_explorer_are_korean(new_page, address, width):
    page = new_page(width)
    page.goto(address)
    page.wait_for_selector("#channel .pair a[download]:visible")
    sentences = page.evaluate("Object.keys(JSON.parse(document.getElementById('texts').textContent))")
    said = [sentence for sentence in sentences if len(re.sub(r"\{\w+\}", "", sentence).split()) > 1]
    assert len(said) > 60 and page.evaluate("document.documentElement.lang") == "ko"
    for view, words in enumerate(("가장 크게 반응하는 이미지", "현저성", "드림", "스타일 그림")):
        page.click(f"#views a >> nth={view}")
        page.wait_for_selector(f"#main >> text={words} >> visible=true")
        text = page.inner_text("body")
        assert [sentence for sentence in said if sentence in text] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_hostile_name_is_a_value_and_no_field_or_markup(new_page, address):
    page = new_page()
    page.goto(address)
    page.wait_for_selector("body[data-shown]")
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file, "PNG")
    page.set_input_files("#file", {"name": f"{HOSTILE}.png", "mimeType": "image/png", "buffer": file.getvalue()})
    page.wait_for_selector("#photo-title:text('onerror')")
    assert page.locator("#photo-img").get_attribute("alt").startswith("네트워크가 보는 <img")
    page.click("#views a >> nth=2")
    note = page.locator("#dream-view .note:has-text('첫 단계 전')")
    note.wait_for()
    assert "{title}" in note.inner_text() and page.locator('img[src="x"]').count() == 0


def test_a_wrong_upload_is_named_in_korean(new_page, address):
    page = new_page()
    page.goto(address)
    page.wait_for_selector("body[data-shown]")
    page.set_input_files("#file", {"name": "photo.png", "mimeType": "image/png", "buffer": b"no picture"})
    page.wait_for_selector("#message >> visible=true")
    said = page.inner_text("#message")
    assert "사진: 이미지가 아니거나 손상되었거나" in said and not re.search("[a-z]+ [a-z]+ [a-z]+", said)


def test_the_zoom_page_is_korean(new_page, tmp_path):
    rng = np.random.default_rng(0)
    photos = PhotoMap("title", "relu5", [f"{HOSTILE} {n}" for n in range(20)], [None, *["a"] * 19],
                      rng.integers(0, 256, (20, 16, 16, 3), np.uint8), np.arange(20), 4, 5, rng.normal(size=(20, 2)),
                      rng.normal(size=(20, 4)))
    write_zoom_page(tmp_path, "zoom", photos, language="ko")
    page = new_page(400, 900)
    page.goto((tmp_path / "zoom.html").as_uri())
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    require_readable(page)
    page.fill("#search", "a")
    assert page.inner_text("#status") == "사진 20장 중 19장: a"
    page.fill("#search", "")
    page.focus("#map")
    page.keyboard.press("0")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_selector("#side li")
    assert "relu5 층의 활성화로 가까운 순서:" in page.inner_text("#side") and page.locator('img[src="x"]').count() == 0


def test_the_gallery_is_korean(new_page, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "gallery_demos", lambda model: ["saliency", "activations"])
    model = load_model("shapes", "cpu").fast()
    photos = [photo._replace(name=HOSTILE) for photo in load_photos(model, [], 0)[:1]]
    assert write_gallery(tmp_path, model, f"model: {HOSTILE}", Given(photos, 0, None, "ko"), lambda line: None) == []
    page = new_page(400, 900)
    for name, words in (("index", "현저성"), ("saliency", "그림을 읽는 방법"), ("activations", "직접 만들기")):
        page.goto((tmp_path / f"{name}.html").as_uri())
        require_readable(page)
        assert words in page.inner_text("body") and page.locator('img[src="x"]').count() == 0
        assert page.evaluate("document.documentElement.lang") == "ko"
