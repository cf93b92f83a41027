"""The gallery: every technique on one photo, and a page that explains the pictures."""

import html
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from demos import (
    activations,
    attribution,
    class_presets,
    class_visualization,
    compare,
    deepdream,
    embedding_map,
    fast_style,
    filters,
    fooling,
    generator_prior,
    guided_backprop,
    inversion,
    multifaceted,
    neighbours,
    neuron_visualization,
    occlusion,
    patches,
    saliency,
    style_transfer,
    texture_gram,
    texture_pixels,
    zoom_page,
)
from demos.shared.inputs import Photo, short_label
from demos.shared.layers import has_scores
from demos.shared.picture import Picture, make_folder, save_picture
from demos.techniques import COLOUR, PHOTOS, SCORES, SHAPES, TECHNIQUES, link_arxiv
from minicnn.files import replacing
from minicnn.models import Model
from minicnn.visualize.check import count_judged


class Entry(NamedTuple):
    """How the gallery calls one demo: the names of the pictures that it makes, and pictures(model, photos, seed)."""

    names: tuple[str, ...]
    pictures: Callable[[Model, list[Photo], int], Iterable[Picture]]


# One entry for each demo that demos/techniques.py lists. The list decides which of them are called, and their order.
ENTRIES = {
    "filters": Entry(filters.NAMES, lambda model, photos, seed: filters.pictures([model], seed=seed)),
    "neighbours": Entry(neighbours.NAMES, lambda model, photos, seed: neighbours.pictures(model, seed=seed)),
    "embedding_map": Entry(embedding_map.NAMES, lambda model, photos, seed:
                           embedding_map.pictures(model, count=240, seed=seed)),
    "zoom_page": Entry(zoom_page.NAMES, lambda model, photos, seed: zoom_page.pictures(model, seed=seed)),
    "activations": Entry(activations.NAMES, lambda model, photos, seed: activations.pictures(model, photos)),
    "patches": Entry(patches.NAMES, lambda model, photos, seed: patches.pictures(model, photos, seed=seed)),
    "occlusion": Entry(occlusion.NAMES, lambda model, photos, seed: occlusion.pictures(model, photos[:1])),
    "saliency": Entry(saliency.NAMES, lambda model, photos, seed: saliency.pictures(model, photos, seed=seed)),
    "guided_backprop": Entry(guided_backprop.NAMES, lambda model, photos, seed:
                             guided_backprop.pictures(model, photos, seed=seed)),
    "attribution": Entry(attribution.NAMES, lambda model, photos, seed:
                         attribution.pictures(model, photos[:1], seed=seed)),
    "compare": Entry(compare.NAMES, lambda model, photos, seed:
                     compare.pictures(model, [compare.surest(photos)], seed=seed)),
    "class_visualization": Entry(class_visualization.NAMES, lambda model, photos, seed:
                                 class_visualization.pictures(model, seed=seed)),
    "class_presets": Entry(class_presets.NAMES, lambda model, photos, seed:
                           class_presets.pictures(model, size=min(128, model.net.input_shape[1]), seed=seed)),
    "neuron_visualization": Entry(neuron_visualization.GRID_NAMES, lambda model, photos, seed:
                                  neuron_visualization.gallery_pictures(model, seed=seed)),
    "multifaceted": Entry(multifaceted.NAMES, lambda model, photos, seed:
                          multifaceted.pictures(model, num_facets=3, count=225, seed=seed)),
    "generator_prior": Entry(generator_prior.NAMES, lambda model, photos, seed:
                             generator_prior.gallery_pictures(model, seed)),
    "fooling": Entry(fooling.NAMES, lambda model, photos, seed: fooling.pictures(model, photos[:3], seed=seed)),
    "inversion": Entry(inversion.NAMES, lambda model, photos, seed: inversion.quick_pictures(model, photos[:1], seed)),
    "deepdream": Entry(deepdream.NAMES, lambda model, photos, seed:
                       deepdream.pictures(model, photos[0].name, deepdream.small(photos[0].image), seed=seed)),
    "texture_pixels": Entry(texture_pixels.NAMES, lambda model, photos, seed:
                            texture_pixels.pictures(sweep=(5, 11, 15), seed=seed)),
    "texture_gram": Entry(texture_gram.NAMES, lambda model, photos, seed:
                          texture_gram.gallery_pictures(model, seed=seed)),
    "style_transfer": Entry(style_transfer.NAMES, lambda model, photos, seed:
                            style_transfer.gallery_pictures(model, photos, seed=seed)),
    "fast_style": Entry((*fast_style.NAMES, *fast_style.SHEET), lambda model, photos, seed:
                        fast_style.gallery_pictures(model, photos, seed=seed)),
}
WITHOUT_NETWORK = texture_pixels.NAMES  # their run cards name no network

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>minicnn: inside {model}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
h1, h2 {{ line-height: 1.2 }} h2 {{ margin-top: 3rem }} img {{ max-width: 100%; height: auto }}
table {{ border-collapse: collapse; font-size: 0.85rem }} td, th {{ padding: 0.15rem 0.7rem; text-align: left;
vertical-align: top }} tr {{ border-top: 1px solid #ddd }} .source, footer {{ color: #666; font-size: 0.9rem }}
.ok {{ color: #080 }} .fail {{ color: #b00; font-weight: bold }}
</style></head><body>
<h1>Inside {model}</h1>
<p>{choice}.</p>
<ul>{photos}</ul>
{sections}
<footer><p>{count} of {total} pictures{state}. With each picture come its raw array (.npy) and its run card (.json).
Made by minicnn.</p></footer>
</body></html>
"""

SECTION = """<section id="{name}"><h2>{title}</h2>
<img src="{name}.png" alt="{title}">
<p>{explanation}</p>
<p class="source">{source}. <a href="{name}.npy">Raw array</a>, <a href="{name}.json">run card</a>;
{seconds:.1f} seconds.</p>
<table><tr><th>check</th><th>value</th><th>expected</th><th></th></tr>{checks}</table></section>
"""

PASSED, FAILED = "<span class=ok>✓</span>", "<span class=fail>✗</span>"


def gallery_demos(model: Model) -> list[str]:
    """Return the demos that the gallery shows of this network, each once, in the order of the list of techniques."""
    scores = has_scores(model.net)
    fits = {"": True, COLOUR: model.net.input_shape[0] == 3, SHAPES: model.name == "shapes" and scores,
            SCORES: scores, PHOTOS: False}
    return list(dict.fromkeys(technique.demo for technique in TECHNIQUES if fits[technique.needs]))


def picture_names(model: Model) -> list[str]:
    """Return the names of all pictures in the gallery of this network."""
    return [name for demo in gallery_demos(model) for name in ENTRIES[demo].names]


def gallery_pictures(model: Model, photos: list[Photo], seed: int) -> Iterator[Picture]:
    """Yield every Picture of the gallery as soon as it is made."""
    for demo in gallery_demos(model):
        yield from ENTRIES[demo].pictures(model, photos, seed)


def write_gallery(folder: Path, model: Model, choice: str, photos: list[Photo], seed: int,
                  report: Callable[[str], None]) -> None:
    """Write all pictures and index.html into the folder.

    The page is written again after each picture, so an interrupted gallery keeps a valid page.

    choice : the sentence of `choose_model` that names the network. report : called with a line of text per picture.
    """
    sections: list[str] = []
    total = len(picture_names(model))
    make_folder(folder)
    write_page(folder, model, choice, photos, sections)
    start = time.perf_counter()
    for picture in gallery_pictures(model, photos, seed):
        network = None if picture.name in WITHOUT_NETWORK else model
        card = save_picture(folder, picture, network, time.perf_counter() - start, overwrite=True)
        sections.append(section(picture.name, card))
        write_page(folder, model, choice, photos, sections)
        passed, judged = count_judged(picture.checks)
        report(f"[{len(sections)}/{total}] {picture.name}.png  {card['seconds']:.1f} s  "
               f"{passed} of {judged} checks passed  {picture.title}")
        start = time.perf_counter()


def section(name: str, card: dict[str, Any]) -> str:
    """Return the HTML of one picture, made from its run card."""
    rows = "".join(
        f"<tr><td>{html.escape(check['what'])}</td><td>{check['value']:.4g}</td>"
        f"<td>{html.escape(check['expected'])}</td><td>{mark_of(check)}</td></tr>"
        for check in card["checks"])
    source = link_arxiv(html.escape(card["source"]), r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>')
    return SECTION.format(name=name, title=html.escape(card["title"]), explanation=html.escape(card["explanation"]),
                          source=source, seconds=card["seconds"], checks=rows)


def mark_of(check: dict[str, Any]) -> str:
    """Return the HTML of the mark beside a check: passed, failed, or none for a number that is only reported."""
    return (PASSED if check["passed"] else FAILED) if check["judged"] else ""


def write_page(folder: Path, model: Model, choice: str, photos: list[Photo], sections: list[str]) -> None:
    """Write index.html with the finished pictures."""
    photo_rows = "".join(
        f"<li>{html.escape(photo.name)}, classified as: " + "; ".join(
            f"{html.escape(short_label(model, label))} {share:.1%}" for label, share in photo.top) + "</li>"
        for photo in photos)
    total = len(picture_names(model))
    page = PAGE.format(model=html.escape(model.name), choice=html.escape(choice), photos=photo_rows,
                       sections="\n".join(sections), count=len(sections), total=total,
                       state="" if len(sections) == total else "; not finished")
    with replacing(folder / "index.html", overwrite=True) as temporary:
        temporary.write_text(page, encoding="utf-8")
