"""How long the explorer's page takes to answer in Chromium: python tests/benchmarks/explorer.py [--model NAME]

The times are those that a user sees: from the click, in the page, to the picture that is decoded. By default the
network is the explorer's own default, SqueezeNet 1.1 if it is in the cache folder.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
REPEATS = 10
PAUSE = 1500  # milliseconds before a click, in which the pictures of the last one are finished
FLAGS = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
CLICK = """async ([selector, wanted]) => {
  const begun = performance.now();
  document.querySelector(selector).click();
  while (!document.querySelector(wanted)) await new Promise(requestAnimationFrame);
  return performance.now() - begun;
}"""
GUIDED = """async (parameters) => {
  const {picture} = await import("/page/api.js");
  const begun = performance.now(), img = new Image();
  img.src = await picture("picture", parameters);
  await img.decode();
  return performance.now() - begun;
}"""
PHOTO = """async (model) => (await (await import("/page/api.js")).sendPhoto(model, {id: "p0"})).photo"""
SYNTHESIS = """async (parameters) => {
  const {stream} = await import("/page/api.js");
  const begun = performance.now();
  for await (const [, data] of stream("synthesis", parameters)) {
    if (data.src) { const img = new Image(); img.src = data.src; await img.decode(); }
    if (data.step === data.steps) return performance.now() - begun;
  }
}"""


def measure(page, layers, layer, channel):
    """Yield (name, milliseconds or pictures a second, the goal)."""
    page.reload()
    page.wait_for_selector("body[data-shown]")
    yield "first page", page.evaluate("performance.now()"), "under 1000 ms"  # since the navigation began
    model = page.evaluate("document.querySelector('#network').value")
    photo = page.evaluate(PHOTO, model)
    times = []
    for number in range(REPEATS):
        name = layers[number % len(layers)]
        page.wait_for_timeout(PAUSE)
        times.append(page.evaluate(CLICK, [f"[data-layer='{name}']", f"#sheet[data-layer='{name}']"]))
    yield "click to all maps, median", statistics.median(times), "under 100 ms"
    yield "click to all maps, worst", max(times), "under 100 ms"
    asked = {"model": model, "photo": photo, "layer": layer, "kind": "guided"}
    times = [page.evaluate(GUIDED, asked | {"channel": channel + number}) for number in range(REPEATS)]
    yield "guided picture, median", statistics.median(times), "under 100 ms"
    asked = {"model": model, "layer": layer, "size": 128, "steps": 40}
    times = [page.evaluate(SYNTHESIS, asked | {"channel": channel + number}) for number in range(3)]
    yield "40 steps at 128 pixels, median", statistics.median(times), "under 1000 ms"
    page.wait_for_timeout(PAUSE)
    page.click("#camera")
    page.wait_for_selector("#camera:has-text('/s)')")
    page.wait_for_timeout(3000)
    rate = float(page.locator("#camera").inner_text().partition("(")[2].partition("/")[0])
    page.click("#camera")
    yield "camera, pictures a second", rate, "10 or more"


def main():
    """Start a server and Chromium, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a network's name (default: the explorer's)")
    model = parser.parse_args().model
    words = ["--model", model] if model else []
    server = subprocess.Popen([sys.executable, "-m", "demos.explore", "--no-browser", "--port", "0", *words], cwd=ROOT,
                              stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip()
        print(server.stdout.readline().strip(), f"{os.cpu_count()} cores", sep="; ")
        with sync_playwright() as driver:
            program = shutil.which("chromium") or shutil.which("google-chrome")
            browser = driver.chromium.launch(executable_path=program, args=FLAGS)
            page = browser.new_context(permissions=["camera"], viewport={"width": 1400, "height": 900}).new_page()
            page.goto(address)
            page.wait_for_selector("body[data-shown]")
            names = page.evaluate("[...document.querySelectorAll('button[data-layer], [role=option][data-layer]')]"
                                  ".map((one) => one.dataset.layer)")
            layers = [name for name in names if name.endswith("concat")] or names[:8]
            for name, value, goal in measure(page, layers, layers[len(layers) // 2], 3):
                print(f"{name:34}{value:8.0f}  (to reach: {goal})")
            browser.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
