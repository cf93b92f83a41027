"""Every link in the documentation leads somewhere, and the API pages are made by the documented command."""

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(path.relative_to(ROOT).as_posix() for folder in (".", "minicnn", "demos", "weights_converter")
               for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md"))
NOTEBOOKS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "demos" / "notebooks").glob("*.ipynb"))


def text_of(name):
    """The text of a page, or of a notebook's texts."""
    if name.endswith(".ipynb"):
        cells = nbformat.read(ROOT / name, 4).cells
        return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return (ROOT / name).read_text(encoding="utf-8")


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE))


def anchor_of(heading):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors_of(path):
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"),
                                              flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {anchor_of(heading) for heading in headings}


def problem_of(link, page):
    """The problem of a link on a page, a path; "" if there is none. Outside addresses are not opened."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        well_formed = parts.scheme in ("http", "https") and re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc)
        return "" if well_formed and not re.search(r"[\s<>\"]", link) else "not a well-formed address"
    target = page if not parts.path else page.parent / unquote(parts.path)
    if not target.exists():
        return "no such file"
    if not target.resolve().is_relative_to(ROOT):
        return "outside the project"
    return "no such heading" if parts.fragment and parts.fragment not in anchors_of(target) else ""


@pytest.mark.parametrize("name", PAGES + NOTEBOOKS)
def test_every_link_of_a_page_leads_somewhere(name):
    text = without_code(text_of(name))
    links = re.findall(r"\]\(([^)]*)\)", text.replace("\n", " "))
    links += [address.rstrip(".,;:") for address in re.findall(r"(?<![(\w])https?://[^\s)>|]+", text)]
    assert {link: problem for link in links if (problem := problem_of(link, ROOT / name))} == {}


def test_a_wrong_link_is_found(tmp_path):
    page = ROOT / "README.md"
    wrong = {"nowhere.md": "no such file", "README.md#nowhere": "no such heading", "#nowhere": "no such heading",
             "https://": "not a well-formed address", "htp://a.org": "not a well-formed address",
             "../x": "no such file", "..": "outside the project"}
    assert {link: problem_of(link, page) for link in wrong} == wrong
    assert problem_of("demos/README.md#api-pages", page) == "" == problem_of("https://arxiv.org/abs/1312.6034", page)


def test_every_page_can_be_reached_from_the_readme():
    found, new = set(), {"README.md"}
    while new:
        found |= new
        links = {(ROOT / name).parent / link for name in new if name.endswith((".md", ".ipynb"))
                 for link in re.findall(r"\]\((?!http)([^)#\n]+)", text_of(name))}
        new = {path.resolve().relative_to(ROOT).as_posix() for path in links} - found
    assert set(PAGES + NOTEBOOKS) <= found, "link them from README.md or from a page that it links"


# ---- the API pages -------------------------------------------------------------------------------------------


class Links(HTMLParser):
    """The links and the anchors of an HTML page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.anchors |= {attributes[key] for key in ("id", "name") if key in attributes}
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """The folder that the command in demos/README.md writes."""
    text = text_of("demos/README.md").replace("\\\n", " ")
    command, = re.findall(r"^    (python -m pdoc .*)$", text, re.MULTILINE)
    folder = tmp_path_factory.mktemp("documentation") / "api"
    words = [str(folder) if word == "api" else word for word in shlex.split(command)[1:]]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "always"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "pdoc warns"
    return folder


def test_the_pages_describe_all_public_modules(api):
    from test_docstrings import PUBLIC, public_functions

    for module in PUBLIC:
        if module != "minicnn":  # its names have their homes in the others
            assert (api / f"{module.replace('.', '/')}.html").is_file(), module
    text = "".join(path.read_text(encoding="utf-8") for path in api.rglob("*.html"))
    missing = [name for name in public_functions() if not re.search(rf'id="[\w.]*\b{name.rsplit(".", 1)[1]}"', text)]
    assert missing == []


def test_a_parameter_is_shown_with_its_meaning(api):
    """pdoc takes `name : meaning` for a type, which it puts in brackets; demos/templates/api writes the meaning."""
    text = (api / "minicnn" / "visualize.html").read_text(encoding="utf-8")
    assert "<strong>net</strong>: a network with class scores.</p>" in text and ".):</p>" not in text
    assert 'class="n">_ScalarT' not in text


def test_every_link_inside_the_pages_leads_somewhere(api):
    @cache
    def page(path):
        return Links(path.read_text(encoding="utf-8"))

    broken = []
    for path in api.rglob("*.html"):
        for link in page(path).links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = path if not parts.path else path.parent / unquote(parts.path)
            if not target.is_file() or parts.fragment and unquote(parts.fragment) not in page(target.resolve()).anchors:
                broken.append((path.name, link))
    assert broken == []
