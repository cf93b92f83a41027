"""The pages of the gallery, from the templates in demos/templates: an overview, and one page for each picture.

The pages need no script and no network, so they open from a folder, a mail or a web server. Text from users and files
is escaped by Jinja2.
"""

import inspect
import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from minicnn.errors import one_line
from minicnn.files import replacing
from minicnn.models import Model

from .gallery_panels import Panel, panel_rows, panels_of_card, panels_together
from .gallery_texts import CAPTIONS, CHOICE, VALUES, named, sentences
from .shared.check_texts import check_text
from .shared.inputs import Photo, short_label
from .shared.language import Translate, translation
from .shared.sentences import translated
from .techniques import PARTS, TECHNIQUES

TEMPLATES = Path(__file__).parent / "templates"
STYLE = "gallery.css"
FIRST = "agreement"  # the first picture: the photo, its class, and where several methods see it
SMALL = (336, 252)  # pixels of the pictures in the overview, at most; a first screen of them is below 1 MB
PAGES = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                    lstrip_blocks=True)


class Input(NamedTuple):
    """A photo on the page, as the network sees it, with its classes: [(label, probability)]."""

    file: str
    name: str
    width: int
    height: int
    classes: list[tuple[str, float]]


class Shown(NamedTuple):
    """A finished picture on the pages.

    techniques : the names of its demo's techniques, in one line, or "" if the title has the only one.
    small, width, height : its small picture. size : (width, height) of the picture. panels : its panels. rows : the
    same panels row by row, or [] if the page shows the picture whole. files : its results as pictures of full size.
    page : the file of a page of its own, or None. proof : how many checks passed. source : the paper, as
    [(text, address)]. command : the words after minicnn that make it. code, code_file : the function that made it.
    """

    name: str
    title: str
    techniques: str
    part: str
    small: str
    width: int
    height: int
    size: tuple[int, int]
    panels: list[Panel]
    rows: list[list[Panel]]
    files: list[str]
    page: str | None
    explanation: str
    source: list[tuple[str, str]]
    command: str
    code: str
    code_file: str
    checks: list[dict[str, Any]]
    proof: str
    seconds: float

    @property
    def part_anchor(self) -> str:
        """The anchor of its part in the overview."""
        return anchor(self.part)


class Failure(NamedTuple):
    """A demo that made no picture, or not all of them."""

    title: str
    part: str
    reason: str


class Site(NamedTuple):
    """What all pages share: the network, the sentence of `choose_model`, the photos, the number of pictures planned.

    language : of the pages, one of LANGUAGES.
    """

    folder: Path
    model: str
    choice: str
    inputs: list[Input]
    total: int
    language: str = "en"


def site_of(folder: Path, model: Model, choice: str, photos: Sequence[Photo], total: int,
            language: str = "en") -> Site:
    """Return the Site of a gallery."""
    inputs = [Input(input_name(n), printable(photo.name), photo.image.shape[1], photo.image.shape[0],
                    [(printable(short_label(model, label)), share) for label, share in photo.top])
              for n, photo in enumerate(photos)]
    said = translated(printable(choice), CHOICE, translation(language))
    return Site(folder, printable(model.name), said, inputs, total, language)


def input_name(n: int) -> str:
    """Return the file of the n-th photo, as the network sees it."""
    return f"input_{n + 1}.png"


def page_files(names: Iterable[str]) -> list[str]:
    """Return the files of a gallery's pages. names : of the pictures."""
    return ["index.html", STYLE, *(f"{name}{ending}" for name in names for ending in (".html", ".png", "_small.jpg"))]


def shown_picture(site: Site, name: str, demo: str, card: dict[str, Any]) -> Shown:
    """Write the small copy of a picture, and return its text for the pages. card : its run card."""
    small = f"{name}_small.jpg"
    _ = translation(site.language)
    known = [] if site.language == "en" else [*sentences(source_of(demo)), *VALUES, *CAPTIONS]
    panels = [panel._replace(caption=[named(line, site.model, known, _) for line in panel.caption])
              for panel in panels_of_card(card)]
    checks = [check | {part: check_text(check[part], site.language) for part in ("what", "expected")}
              for check in card["checks"]]
    rows = panel_rows(panels)
    width, height = write_small(site.folder / f"{name}.png", site.folder / small, rows)
    code, code_file = code_of(demo)
    title = named(printable(card["title"]), site.model, known, _)
    title = title.removeprefix(f"{site.model}: ").removeprefix(f"{site.model}, ")
    with Image.open(site.folder / f"{name}.png") as picture:
        size = picture.size
    explanation = translated(printable(card["explanation"]), known, _)
    return Shown(name, title, techniques_of(demo, title, _), part_of(demo), small, width, height, size, panels, rows,
                 card["pictures"], card["page"], explanation, linked(printable(card["source"])), command_of(demo), code,
                 code_file, checks, proof(card["checks"], _), card["seconds"])


def failure(demo: str, reason: str) -> Failure:
    """Return the Failure of a demo."""
    return Failure(demo.replace("_", " "), part_of(demo), printable(reason))


def write_overview(site: Site, shown: Sequence[Shown], failures: Sequence[Failure], finished: bool,
                   missing: Sequence[str] = ()) -> None:
    """Write index.html and the style.

    finished : whether no more pictures will follow. missing : a line for each technique that is not shown.
    """
    first = next((one for one in shown if one.name == FIRST), None)
    parts = [{"name": part, "anchor": anchor(part),
              "shown": [one for one in shown if one.part == part and one is not first],
              "failures": [one for one in failures if one.part == part]} for part in PARTS]
    page = PAGES.get_template("index.html").render(
        _=translation(site.language), site=site, first=first,
        parts=[part for part in parts if part["shown"] or part["failures"]],
        missing=[printable(line) for line in missing], count=len(shown), finished=finished)
    write(site.folder / "index.html", page)
    write(site.folder / STYLE, (TEMPLATES / STYLE).read_text(encoding="utf-8"))


def write_pictures(site: Site, shown: Sequence[Shown]) -> None:
    """Write the pages of these pictures, each with links to those before and after it."""
    ordered = sorted(shown, key=lambda one: (one.name != FIRST, PARTS.index(one.part)))  # the order of the overview
    for before, one, after in zip([None, *ordered], ordered, [*ordered[1:], None], strict=False):
        page = PAGES.get_template("picture.html").render(
            _=translation(site.language), site=site, shown=one, before=before, after=after)
        write(site.folder / f"{one.name}.html", page)


def write(path: Path, text: str) -> None:
    """Write a page whole."""
    with replacing(path, overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_small(source: Path, target: Path, rows: Sequence[Sequence[Panel]] = ()) -> tuple[int, int]:
    """Write a small copy of a picture for the overview. Return its width and height.

    rows : its panels. If there are any, the copy shows the first ones without their captions, which would be too small
    to read; else the upper part of the picture.
    """
    with Image.open(source) as picture:
        if rows:
            small = panels_together(picture.convert("RGB"), rows, SMALL[0])
        else:
            small = picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, picture.width)))
    small.thumbnail(SMALL)
    with replacing(target, overwrite=True) as temporary:
        small.save(temporary, "JPEG", quality=80)
    return small.size


def part_of(demo: str) -> str:
    """Return the part of the lecture to which a demo belongs."""
    return next(technique.part for technique in TECHNIQUES if technique.demo == demo)


def techniques_of(demo: str, title: str, _: Translate) -> str:
    """Return the names of a demo's techniques in one line, or "" if the picture's title has the only name in it."""
    names = [_(technique.name) for technique in TECHNIQUES if technique.demo == demo]
    return "" if len(names) == 1 and names[0] in title else "; ".join(names)


def command_of(demo: str) -> str:
    """Return the words after minicnn that run a demo."""
    return next(technique.command for technique in TECHNIQUES if technique.demo == demo)


def code_of(demo: str) -> tuple[str, str]:
    """Return the source of the function that makes a demo's pictures, and its file, for readers."""
    function = import_module(f".{demo}", __package__).pictures
    return inspect.getsource(function), f"demos/{demo}.py, {function.__name__}"


def source_of(demo: str) -> str:
    """Return the source of a demo."""
    return inspect.getsource(import_module(f".{demo}", __package__))


def proof(checks: Sequence[dict[str, Any]], _: Translate) -> str:
    """Return how many of the judged checks passed."""
    judged = [check for check in checks if check["judged"]]
    passed = sum(check["passed"] for check in judged)
    if not judged:
        return _("no check is judged") if not checks else _("{count} numbers reported").format(count=len(checks))
    return _("{passed} of {judged} checks passed").format(passed=passed, judged=len(judged))


def linked(source: str) -> list[tuple[str, str]]:
    """Return a source as pieces of text, each with its address or "": arXiv numbers and Distill's pages get a link."""
    pieces = re.split(r"(arXiv:\d+\.\d+|https://distill\.pub/[\w/-]+)", source)
    return [(piece, f"https://arxiv.org/abs/{piece[6:]}" if piece.startswith("arXiv:") else
             piece if piece.startswith("https:") else "") for piece in pieces if piece]


def anchor(part: str) -> str:
    """Return the name of a part's place in the overview."""
    return part.replace(" ", "-")


def printable(text: str) -> str:
    """Return text with its control characters escaped."""
    return one_line(text, 10_000)
