"""Every technique on one photo, and the page that explains the pictures."""

import html
import re
import time

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
from demos.shared.inputs import short_label
from demos.shared.picture import make_folder, save_picture
from minicnn.files import replacing

NAMES = (*filters.NAMES, *neighbours.NAMES, *embedding_map.NAMES, *zoom_page.NAMES, *activations.NAMES, *patches.NAMES,
         *occlusion.NAMES, *saliency.NAMES, *guided_backprop.NAMES, *attribution.NAMES, *compare.NAMES,
         *class_visualization.NAMES, *class_presets.NAMES, *neuron_visualization.GRID_NAMES, *multifaceted.NAMES,
         *generator_prior.NAMES, *texture_pixels.NAMES, *deepdream.NAMES, *fooling.NAMES, *inversion.NAMES,
         *texture_gram.NAMES, *style_transfer.NAMES, *fast_style.NAMES, *fast_style.SHEET)
OF_DRAWN_CLASSES = (*multifaceted.NAMES, *generator_prior.NAMES)  # only of the network that knows them
WITHOUT_NETWORK = texture_pixels.NAMES
OF_COLOURS = (*embedding_map.NAMES, *zoom_page.NAMES, *texture_gram.NAMES, *style_transfer.NAMES, *fast_style.NAMES,
              *fast_style.SHEET)

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
<p>{said}.</p>
<ul>{photos}</ul>
{sections}
<footer><p>{count} of {total} pictures{state}. Each has its raw array (.npy) and a run card (.json) beside it.
Made by minicnn.</p></footer>
</body></html>
"""

SECTION = """<section id="{name}"><h2>{title}</h2>
<img src="{name}.png" alt="{title}">
<p>{explanation}</p>
<p class="source">{source}. <a href="{name}.npy">Raw array</a>, <a href="{name}.json">run card</a>;
{seconds:.1f} seconds.</p>
<table><tr><th>what proves it</th><th>value</th><th>should be</th><th></th></tr>{checks}</table></section>
"""

PASSED, FAILED = "<span class=ok>✓</span>", "<span class=fail>✗</span>"


def gallery_pictures(model, photos, seed):
    """Every Picture of the gallery, one by one, as they are made."""
    yield from filters.pictures([model], seed=seed)
    yield from neighbours.pictures(model, seed=seed)
    if model.net.input_shape[0] == 3:  # as drawn shapes are
        yield from embedding_map.pictures(model, count=240, seed=seed)
        yield from zoom_page.pictures(model, seed=seed)
    yield from activations.pictures(model, photos)
    yield from patches.pictures(model, photos, seed=seed)
    yield from occlusion.pictures(model, photos[:1])
    yield from saliency.pictures(model, photos, seed=seed)
    yield from guided_backprop.pictures(model, photos, seed=seed)
    yield from attribution.pictures(model, photos[:1], seed=seed)
    yield from compare.pictures(model, [compare.surest(photos)], seed=seed)
    yield from class_visualization.pictures(model, seed=seed)
    yield from class_presets.pictures(model, size=min(128, model.net.input_shape[1]), seed=seed)
    yield from neuron_visualization.gallery_pictures(model, seed=seed)
    if model.name == "shapes":
        yield from multifaceted.pictures(model, num_facets=3, count=225, seed=seed)
        yield from generator_prior.gallery_pictures(model, seed)
    yield from texture_pixels.pictures(sweep=(5, 11, 15), seed=seed)
    yield from deepdream.pictures(model, photos[0].name, deepdream.small(photos[0].image), seed=seed)
    yield from fooling.pictures(model, photos[:3], seed=seed)
    yield from inversion.quick_pictures(model, photos[:1], seed)
    if model.net.input_shape[0] == 3:
        yield from texture_gram.gallery_pictures(model, seed=seed)
        yield from style_transfer.gallery_pictures(model, photos, seed=seed)
        yield from fast_style.gallery_pictures(model, photos, seed=seed)


def count_pictures(model):
    """How many pictures the gallery of this network has."""
    missing = (() if model.name == "shapes" else OF_DRAWN_CLASSES) + (
        () if model.net.input_shape[0] == 3 else OF_COLOURS)
    return len(NAMES) - len(missing)


def write_gallery(folder, model, said, photos, seed, report):
    """Make all pictures into the folder; index.html is true after each of them, so an interruption loses nothing.

    report : called with a line of text for each picture.
    """
    sections, start = [], time.perf_counter()
    make_folder(folder)
    write_page(folder, model, said, photos, sections)
    for picture in gallery_pictures(model, photos, seed):
        seen_by = None if picture.name in WITHOUT_NETWORK else model
        card = save_picture(folder, picture, seen_by, time.perf_counter() - start, overwrite=True)
        sections.append(section(picture.name, card))
        write_page(folder, model, said, photos, sections)
        failed = sum(not check["passed"] for check in card["checks"])
        report(f"[{len(sections)}/{count_pictures(model)}] {picture.name}.png  {card['seconds']:.1f} s  "
               f"{len(card['checks']) - failed} of {len(card['checks'])} checks passed  {picture.title}")
        start = time.perf_counter()


def section(name, card):
    """The HTML of one picture, from its run card."""
    rows = "".join(
        f"<tr><td>{html.escape(check['what'])}</td><td>{check['value']:.4g}</td>"
        f"<td>{html.escape(check['expected'])}</td><td>{PASSED if check['passed'] else FAILED}</td></tr>"
        for check in card["checks"])
    source = html.escape(card["source"])
    source = re.sub(r"arXiv:(\d+\.\d+)", r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>', source)
    return SECTION.format(name=name, title=html.escape(card["title"]), explanation=html.escape(card["explanation"]),
                          source=source, seconds=card["seconds"], checks=rows)


def write_page(folder, model, said, photos, sections):
    """Write index.html over the pictures that are finished."""
    seen = "".join(
        f"<li>{html.escape(photo.name)}, seen as: " + "; ".join(
            f"{html.escape(short_label(model, label))} {share:.1%}" for label, share in photo.top) + "</li>"
        for photo in photos)
    page = PAGE.format(model=html.escape(model.name), said=html.escape(said), photos=seen,
                       sections="\n".join(sections), count=len(sections), total=count_pictures(model),
                       state="" if len(sections) == count_pictures(model) else "; not finished")
    with replacing(folder / "index.html", overwrite=True) as temporary:
        temporary.write_text(page, encoding="utf-8")
