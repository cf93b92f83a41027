"""What every page of ours has to fulfil in a browser, for the tests."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

SMALLEST_TEXT = """() => {
  const small = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    if (parseFloat(getComputedStyle(element).fontSize) < 12) small.push(walker.currentNode.data.trim());
  }
  return small;
}"""

# The contrast of each text with the nearest ground that has a colour, as WCAG 2 defines it.
FAINT = """() => {
  const light = colour => {
    const [r, g, b] = colour.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const numbers = text => text.match(/[\\d.]+/g).map((v, i) => text.startsWith("color(srgb") && i < 3 ? 255 * v : +v);
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    let ground = element;
    while (ground && (numbers(getComputedStyle(ground).backgroundColor)[3] ?? 1) < 1) ground = ground.parentElement;
    const both = [getComputedStyle(element).color, getComputedStyle(ground || document.body).backgroundColor]
      .map(colour => light(numbers(colour).slice(0, 3))).sort((a, b) => b - a);
    if ((both[0] + 0.05) / (both[1] + 0.05) < 4.5) faint.push(walker.currentNode.data.trim());
  }
  return faint;
}"""


def require_readable(page):
    """No text under 12 pixels or with little contrast, no sideways scrolling, and every picture has a name."""
    assert page.evaluate(SMALLEST_TEXT) == []
    assert page.evaluate(FAINT) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    pictures = page.locator("img, svg, canvas, [role=img]").count()
    named = page.get_by_role("img", name=re.compile(r"\S"), include_hidden=True).count()
    assert pictures == named > 0


def count_bytes(page):
    """Return a dictionary that collects {address of a file: bytes} of all files that the page loads from now on."""
    files = {}

    def loaded(request):
        if request.url.startswith("file:"):
            files[request.url] = Path(unquote(urlsplit(request.url).path)).stat().st_size
        elif not request.url.startswith("data:"):
            raise AssertionError(f"the page wants {request.url}")
    page.on("request", loaded)
    return files
