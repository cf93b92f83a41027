"""The gallery: every technique on one photo, and a page that explains the pictures."""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from minicnn.errors import InputError, one_line
from minicnn.images import save_image
from minicnn.models import Model
from minicnn.visualize.check import count_judged

from . import (
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
from .gallery_page import (
    Failure,
    Shown,
    failure,
    input_name,
    shown_picture,
    site_of,
    write_overview,
    write_pictures,
)
from .shared.claim import make_folder
from .shared.inputs import Photo
from .shared.layers import has_scores
from .shared.photo_folder import FolderPhoto
from .shared.picture import Picture, save_picture
from .techniques import COLOUR, PHOTOS, SCORES, SHAPES, TECHNIQUES


class Given(NamedTuple):
    """The input of the gallery: the photos, the seed, and the photos of a folder, or None."""

    photos: list[Photo]
    seed: int
    folder: list[FolderPhoto] | None = None


class Entry(NamedTuple):
    """How the gallery calls one demo: the names of the pictures that it makes, and pictures(model, given)."""

    names: tuple[str, ...]
    pictures: Callable[[Model, Given], Iterable[Picture]]


# One entry for each demo that demos/techniques.py lists. The list decides which of them are called, and their order.
ENTRIES = {
    "filters": Entry(filters.NAMES, lambda model, given: filters.pictures([model], seed=given.seed)),
    "neighbours": Entry(neighbours.NAMES, lambda model, given:
                        neighbours.pictures(model, given.folder, seed=given.seed)),
    "embedding_map": Entry(embedding_map.NAMES, lambda model, given:
                           embedding_map.gallery_pictures(model, given.folder, given.seed)),
    "zoom_page": Entry(zoom_page.NAMES, lambda model, given: zoom_page.pictures(model, given.folder, seed=given.seed)),
    "activations": Entry(activations.NAMES, lambda model, given: activations.pictures(model, given.photos)),
    "patches": Entry(patches.NAMES, lambda model, given:
                     patches.pictures(model, given.photos, seed=given.seed, folder=given.folder)),
    "occlusion": Entry(occlusion.NAMES, lambda model, given: occlusion.pictures(model, given.photos[:1])),
    "saliency": Entry(saliency.NAMES, lambda model, given: saliency.pictures(model, given.photos, seed=given.seed)),
    "guided_backprop": Entry(guided_backprop.NAMES, lambda model, given:
                             guided_backprop.pictures(model, given.photos, seed=given.seed)),
    "attribution": Entry(attribution.NAMES, lambda model, given:
                         attribution.pictures(model, given.photos[:1], seed=given.seed)),
    "compare": Entry(compare.NAMES, lambda model, given:
                     compare.pictures(model, [compare.surest(given.photos)], seed=given.seed)),
    "class_visualization": Entry(class_visualization.NAMES, lambda model, given:
                                 class_visualization.pictures(model, seed=given.seed)),
    "class_presets": Entry(class_presets.NAMES, lambda model, given:
                           class_presets.pictures(model, size=min(128, model.net.input_shape[1]), seed=given.seed)),
    "neuron_visualization": Entry(neuron_visualization.GRID_NAMES, lambda model, given:
                                  neuron_visualization.gallery_pictures(model, seed=given.seed)),
    "multifaceted": Entry(multifaceted.NAMES, lambda model, given:
                          multifaceted.pictures(model, num_facets=3, count=225, seed=given.seed)),
    "generator_prior": Entry(generator_prior.NAMES, lambda model, given:
                             generator_prior.gallery_pictures(model, given.seed)),
    "fooling": Entry(fooling.NAMES, lambda model, given: fooling.pictures(model, given.photos[:3], seed=given.seed)),
    "inversion": Entry(inversion.NAMES, lambda model, given:
                       inversion.quick_pictures(model, given.photos[:1], given.seed)),
    "deepdream": Entry(deepdream.NAMES, lambda model, given:
                       deepdream.pictures(model, given.photos[0].name, deepdream.small(given.photos[0].image),
                                          seed=given.seed)),
    "texture_pixels": Entry(texture_pixels.NAMES, lambda model, given:
                            texture_pixels.pictures(sweep=(5, 11, 15), seed=given.seed)),
    "texture_gram": Entry(texture_gram.NAMES, lambda model, given:
                          texture_gram.gallery_pictures(model, seed=given.seed)),
    "style_transfer": Entry(style_transfer.NAMES, lambda model, given:
                            style_transfer.gallery_pictures(model, given.photos, seed=given.seed)),
    "fast_style": Entry((*fast_style.NAMES, *fast_style.SHEET), lambda model, given:
                        fast_style.gallery_pictures(model, given.photos, seed=given.seed)),
}
WITHOUT_NETWORK = texture_pixels.NAMES  # their run cards name no network
REASONS = {COLOUR: "a network of colour pictures", SCORES: "class scores, which this network does not give",
           SHAPES: "the shipped network `shapes`, or a folder of photos of one class", PHOTOS: "a folder of photos",
           "": "nothing"}

def gallery_demos(model: Model) -> list[str]:
    """Return the demos that the gallery shows of this network, each once, in the order of the list of techniques."""
    scores = has_scores(model.net)
    fits = {"": True, COLOUR: model.net.input_shape[0] == 3, SHAPES: model.name == "shapes" and scores,
            SCORES: scores, PHOTOS: False}
    return list(dict.fromkeys(technique.demo for technique in TECHNIQUES if fits[technique.needs]))


def picture_names(model: Model) -> list[str]:
    """Return the names of all pictures in the gallery of this network."""
    return [name for demo in gallery_demos(model) for name in ENTRIES[demo].names]


def missing_techniques(model: Model) -> list[str]:
    """Return a line for each technique that the gallery of this network does not show, with the reason."""
    shown = gallery_demos(model)
    return [f"{technique.name} needs {REASONS[technique.needs]}: minicnn {technique.command}"
            for technique in TECHNIQUES if technique.demo not in shown]


def gallery_pictures(model: Model, photos: list[Photo], seed: int) -> Iterator[Picture]:
    """Yield every Picture of the gallery as soon as it is made."""
    for demo in gallery_demos(model):
        yield from ENTRIES[demo].pictures(model, Given(photos, seed))


def write_gallery(folder: Path, model: Model, choice: str, given: Given, report: Callable[[str], None]) -> list[str]:
    """Write all pictures and the pages into the folder, and return the names of the demos that failed.

    A demo that fails is reported in the overview, with its reason, and the next demos still run. The overview is
    written again after each picture, so an interrupted gallery keeps a valid page.

    choice : the sentence of `choose_model` that names the network. report : called with a line of text per picture.
    """
    shown: list[Shown] = []
    failures: list[Failure] = []
    failed: list[str] = []
    total = len(picture_names(model))
    make_folder(folder)
    for n, photo in enumerate(given.photos):
        save_image(folder / input_name(n), photo.image, overwrite=True)
    site = site_of(folder, model, choice, given.photos, total)
    write_overview(site, shown, failures, finished=False)
    for demo in gallery_demos(model):
        start = time.perf_counter()
        try:
            for picture in ENTRIES[demo].pictures(model, given):
                network = None if picture.name in WITHOUT_NETWORK else model
                card = save_picture(folder, picture, network, time.perf_counter() - start, overwrite=True)
                shown.append(shown_picture(site, picture.name, demo, card))
                write_pictures(site, shown[-1:])
                write_overview(site, shown, failures, finished=False)
                passed, judged = count_judged(picture.checks)
                report(f"[{len(shown)}/{total}] {picture.name}.png  {card['seconds']:.1f} s  "
                       f"{passed} of {judged} checks passed  {picture.title}")
                start = time.perf_counter()
        except Exception as problem:  # one picture must not cost the others
            failed.append(demo)
            failures.append(failure(demo, reason_of(problem)))
            report(f"FAILED: {demo}: {reason_of(problem)}")
            write_overview(site, shown, failures, finished=False)
    write_pictures(site, shown)
    write_overview(site, shown, failures, finished=True, missing=missing_techniques(model))
    return failed


def reason_of(problem: Exception) -> str:
    """Return in one line why a picture could not be made; for an error of the program, also its place in the code."""
    if isinstance(problem, InputError):
        return one_line(problem, 400)
    place = traceback.extract_tb(problem.__traceback__)[-1]
    return one_line(f"{type(problem).__name__}: {problem} ({Path(place.filename).name}, line {place.lineno})", 400)
