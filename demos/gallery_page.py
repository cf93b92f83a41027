"""The page of the gallery: an overview with small pictures, a section for each, and the missing techniques."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from minicnn.files import replacing
from minicnn.models import Model

from .shared.inputs import Photo, short_label
from .techniques import link_arxiv

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>minicnn: inside {model}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222;
overflow-wrap: anywhere }}
h1, h2 {{ line-height: 1.2 }} section {{ margin-top: 3rem }} .picture {{ overflow-x: auto }}
.picture img {{ max-width: 100%; height: auto }}
@media (max-width: 40rem) {{ .picture img {{ max-width: none; width: 56rem }} }}
nav {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); gap: 0.6rem }}
nav a {{ font-size: 0.8rem; line-height: 1.25; color: inherit; text-decoration: none }}
nav img {{ width: 100%; height: 5rem; object-fit: cover; object-position: top; border: 1px solid #ddd }}
.inputs {{ display: flex; flex-wrap: wrap; gap: 1rem }} .inputs figure {{ margin: 0; width: 12rem }}
.inputs img {{ width: 100% }} figcaption {{ font-size: 0.85rem }}
table {{ border-collapse: collapse; font-size: 0.85rem }} td, th {{ padding: 0.15rem 0.7rem; text-align: left;
vertical-align: top }} tr {{ border-top: 1px solid #ddd }} .source, .up, footer {{ color: #666; font-size: 0.9rem }}
.ok {{ color: #080 }} .fail {{ color: #b00; font-weight: bold }}
</style></head><body>
<h1 id="top">Inside {model}</h1>
<p>{choice}.</p>
<div class="inputs">{photos}</div>
<h2>Overview</h2>
<nav>{overview}</nav>
{sections}
{missing}
<footer><p>{count} of {total} pictures{state}. With each picture come its raw array (.npy) and its run card (.json).
Made by minicnn.</p></footer>
</body></html>
"""

SECTION = """<section id="{name}"><h2>{title}</h2>
<div class="picture"><a href="{name}.png"><img src="{name}.png" alt="{title}" loading="lazy"></a></div>
<p>{explanation}</p>
<p class="source">{source}. <a href="{name}.npy">Raw array</a>, <a href="{name}.json">run card</a>;
{seconds:.1f} seconds.</p>
<table><tr><th>check</th><th>value</th><th>expected</th><th></th></tr>{checks}</table>
<p class="up"><a href="#top">Overview</a></p></section>
"""

FAILURE = """<section id="failed-{name}"><h2>{title}</h2><p class="fail">This picture could not be made: {reason}</p>
<p class="up"><a href="#top">Overview</a></p></section>
"""

LINK = '<a href="#{name}"><img src="{name}.png" alt="" loading="lazy">{title}</a>'
FAILED_LINK = '<a href="#failed-{name}" class="fail">{title}: failed</a>'
PASSED, FAILED = "<span class=ok>✓</span>", "<span class=fail>✗</span>"


class Section(NamedTuple):
    """A part of the page: its HTML, and its link in the overview. picture : whether it shows a picture."""

    text: str
    link: str
    picture: bool


def section(name: str, card: dict[str, Any]) -> Section:
    """Return the Section of one picture, made from its run card."""
    rows = "".join(
        f"<tr><td>{html.escape(check['what'])}</td><td>{check['value']:.4g}</td>"
        f"<td>{html.escape(check['expected'])}</td><td>{mark_of(check)}</td></tr>"
        for check in card["checks"])
    source = link_arxiv(html.escape(card["source"]), r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>')
    title, name = html.escape(card["title"]), quote(name)
    text = SECTION.format(name=name, title=title, explanation=html.escape(card["explanation"]), source=source,
                          seconds=card["seconds"], checks=rows)
    return Section(text, LINK.format(name=name, title=title), True)


def failed_section(demo: str, reason: str) -> Section:
    """Return the Section of a demo that made no picture, or not all of them."""
    title = html.escape(demo.replace("_", " "))
    return Section(FAILURE.format(name=quote(demo), title=title, reason=html.escape(reason)),
                   FAILED_LINK.format(name=quote(demo), title=title), False)


def mark_of(check: dict[str, Any]) -> str:
    """Return the HTML of the mark beside a check: passed, failed, or none for a number that is only reported."""
    return (PASSED if check["passed"] else FAILED) if check["judged"] else ""


def input_name(n: int) -> str:
    """Return the file of the n-th photo, as the network sees it."""
    return f"input_{n + 1}.png"


def photo_figure(model: Model, n: int, photo: Photo) -> str:
    """Return the HTML of the n-th photo with its classes."""
    classes = "; ".join(f"{html.escape(short_label(model, label))} {share:.1%}" for label, share in photo.top)
    classified = f", classified as: {classes}" if classes else ""
    return (f'<figure><img src="{input_name(n)}" alt="">'
            f"<figcaption>{html.escape(photo.name)}{classified}</figcaption></figure>")


def write_page(folder: Path, model: Model, choice: str, photos: Sequence[Photo], sections: Sequence[Section],
               total: int, finished: bool, missing: Iterable[str] = ()) -> None:
    """Write index.html.

    choice : the sentence of `choose_model`. total : the number of pictures of a whole gallery. finished : whether no
    more sections will follow. missing : a line for each technique that is not shown, with the reason.
    """
    rows = "".join(f"<li>{html.escape(line)}</li>" for line in missing)
    not_shown = f'<section id="missing"><h2>Not shown here</h2><ul>{rows}</ul></section>' if rows else ""
    count = sum(one.picture for one in sections)
    page = PAGE.format(model=html.escape(model.name), choice=html.escape(choice),
                       photos="".join(photo_figure(model, n, photo) for n, photo in enumerate(photos)),
                       overview="\n".join(one.link for one in sections),
                       sections="\n".join(one.text for one in sections),
                       missing=not_shown, count=count, total=total, state="" if finished else "; not finished")
    with replacing(folder / "index.html", overwrite=True) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
