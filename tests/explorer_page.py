"""Helpers of the tests of the explorer's page: a server, and what the page shows."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from browser_pages import FAINT
from PIL import Image

from minicnn import images, load_model

ROOT = Path(__file__).parents[1]
PHOTO = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
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


def require_usable(page):
    """What is visible has a name and is not too small or faint to read, and nothing is cut at the right."""
    assert page.evaluate(SMALL_TEXT) == [] == page.evaluate(UNNAMED)
    assert page.evaluate(FAINT) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("#hover").evaluate("(part) => part.scrollWidth <= part.clientWidth")


def start_server(port=0, words=("--model", "shapes"), **environment):
    """Start `minicnn explore` with these words, by default for `shapes`. Return (process, address) when it listens."""
    command = [sys.executable, "-m", "demos.explore", "--no-browser", "--port", str(port), *words]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               env=os.environ | {"PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"} | environment)
    return process, process.stdout.readline().strip()


def end_server(process):
    """End a server as Ctrl-C does."""
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130


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


def expected_maps(layer, model=None, photo=PHOTO):
    """Return the maps that the library computes of a photo, each from 0 to its maximum, as uint8."""
    model = model or load_model("shapes")
    x = model.preprocessing.to_input(images.fit(photo, model.preprocessing.resize, model.preprocessing.crop))
    maps = model.net.predict(x, layer)[0]
    high = np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)
    return np.rint(255 * maps / high).astype(np.uint8)
