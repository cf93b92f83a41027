"""The gallery: every technique on one photo, and a page that explains the pictures."""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from minicnn.errors import InputError, one_line
from minicnn.images import save_image
from minicnn.models import Model, load_model
from minicnn.visualize.check import count_judged

from . import (
    activations,
    agreement,
    any_style,
    atlas,
    attribution,
    class_maps,
    class_presets,
    class_visualization,
    compare,
    deepdream,
    dissection,
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
    pgd,
    relevance,
    saliency,
    semantic_grid,
    style_transfer,
    texture_gram,
    texture_pixels,
    universal,
    zoom_page,
)
from .gallery_page import (
    FIRST,
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
from .shared.decoders import has_decoder
from .shared.default_network import PHOTOS as PHOTOS_NETWORK
from .shared.default_network import SHAPES as DRAWN
from .shared.inputs import Photo
from .shared.language import Translate, english, translation
from .shared.layers import has_scores
from .shared.photo_folder import FolderPhoto
from .shared.picture import Picture, save_picture
from .techniques import COLOUR, DECODERS, MASKS, PHOTOS, SCORES, SHAPES, TECHNIQUES


class Given(NamedTuple):
    """The input of the gallery: the photos, the seed, the photos of a folder, or None, and one of LANGUAGES."""

    photos: list[Photo]
    seed: int
    folder: list[FolderPhoto] | None = None
    language: str = "en"


class Entry(NamedTuple):
    """How the gallery calls one demo.

    names : the pictures that it makes. pictures : called as pictures(model, given). needs_more : whether the network or
    the given pictures do not fit this demo, so that the network `stand_in` shows it; of `shapes`, on drawn shapes.
    """

    names: tuple[str, ...]
    pictures: Callable[[Model, Given], Iterable[Picture]]
    needs_more: Callable[[Model, Given], bool] = lambda model, given: False
    stand_in: str = DRAWN


def no_folder(model: Model, given: Given) -> bool:
    """Return True if there is no folder of photos."""
    return not given.folder


def always(model: Model, given: Given) -> bool:
    """Return True: the demo's pictures are drawn, or have exact masks."""
    return True


# One entry for each demo that demos/techniques.py lists. The list decides which of them are called, and their order.
ENTRIES = {
    "filters": Entry(filters.NAMES, lambda model, given: filters.pictures([model], seed=given.seed)),
    "neighbours": Entry(neighbours.NAMES, lambda model, given:
                        neighbours.pictures(model, given.folder, seed=given.seed), no_folder),
    "embedding_map": Entry(embedding_map.NAMES, lambda model, given:
                           embedding_map.gallery_pictures(model, given.folder, given.seed),
                           lambda model, given: not embedding_map.enough(given.folder)),
    "zoom_page": Entry(zoom_page.NAMES, lambda model, given:
                       zoom_page.pictures(model, given.folder, seed=given.seed, language=given.language), no_folder),
    "activations": Entry(activations.NAMES, lambda model, given: activations.pictures(model, given.photos)),
    "patches": Entry(patches.NAMES, lambda model, given:
                     patches.pictures(model, given.photos, seed=given.seed, folder=given.folder),
                     lambda model, given: len(given.photos) + len(given.folder or ()) < patches.TOP),
    "dissection": Entry(dissection.NAMES, lambda model, given:
                        dissection.pictures(model, count=dissection.GALLERY, seed=given.seed), always),
    "agreement": Entry(agreement.NAMES, lambda model, given: agreement.pictures(model, given.photos)),
    "occlusion": Entry(occlusion.NAMES, lambda model, given: occlusion.pictures(model, given.photos[:1])),
    "saliency": Entry(saliency.NAMES, lambda model, given: saliency.pictures(model, given.photos, seed=given.seed)),
    "guided_backprop": Entry(guided_backprop.NAMES, lambda model, given:
                             guided_backprop.pictures(model, given.photos, seed=given.seed)),
    "attribution": Entry(attribution.NAMES, lambda model, given:
                         attribution.pictures(model, given.photos[:1], seed=given.seed)),
    "relevance": Entry(relevance.NAMES, lambda model, given:
                       relevance.pictures(model, given.photos[:2], seed=given.seed)),
    "class_maps": Entry(class_maps.NAMES, lambda model, given:
                        class_maps.pictures(model, given.photos[:2], seed=given.seed)),
    "compare": Entry(compare.NAMES, lambda model, given:
                     compare.pictures(model, [compare.surest(given.photos)], seed=given.seed)),
    "class_visualization": Entry(class_visualization.NAMES, lambda model, given:
                                 class_visualization.gallery_pictures(model, given.seed)),
    "class_presets": Entry(class_presets.NAMES, lambda model, given:
                           class_presets.gallery_pictures(model, given.seed)),
    "neuron_visualization": Entry(neuron_visualization.GRID_NAMES, lambda model, given:
                                  neuron_visualization.gallery_pictures(model, given.photos, seed=given.seed)),
    "multifaceted": Entry(multifaceted.NAMES, lambda model, given:
                          multifaceted.gallery_pictures(model, given.folder, given.seed),
                          lambda model, given: not multifaceted.enough(given.folder)),
    "semantic_grid": Entry(semantic_grid.NAMES, lambda model, given:
                           semantic_grid.gallery_pictures(model, given.photos, given.folder, given.seed)),
    "atlas": Entry(atlas.NAMES, lambda model, given:
                   atlas.gallery_pictures(model, given.folder, given.seed),
                   lambda model, given: len(given.folder or ()) < atlas.FEWEST),
    "generator_prior": Entry(generator_prior.NAMES, lambda model, given:
                             generator_prior.gallery_pictures(model, given.seed),
                             lambda model, given: not has_decoder(model), PHOTOS_NETWORK),
    "fooling": Entry(fooling.NAMES, lambda model, given: fooling.pictures(model, given.photos[:3], seed=given.seed)),
    "pgd": Entry(pgd.NAMES, lambda model, given: pgd.gallery_pictures(model, given.photos, given.seed)),
    "universal": Entry(universal.NAMES, lambda model, given: universal.gallery_pictures(model, given.seed), always),
    "inversion": Entry(inversion.NAMES, lambda model, given:
                       inversion.quick_pictures(model, given.photos[:1], given.seed)),
    "deepdream": Entry(deepdream.NAMES, lambda model, given:
                       deepdream.gallery_pictures(model, given.photos[0], given.seed)),
    "texture_pixels": Entry(texture_pixels.NAMES, lambda model, given:
                            texture_pixels.pictures(sweep=(5, 11, 15), seed=given.seed)),
    "texture_gram": Entry(texture_gram.NAMES, lambda model, given:
                          texture_gram.gallery_pictures(model, seed=given.seed)),
    "style_transfer": Entry(style_transfer.NAMES, lambda model, given:
                            style_transfer.gallery_pictures(model, given.photos, seed=given.seed)),
    "fast_style": Entry((*fast_style.NAMES, *fast_style.SHEET), lambda model, given:
                        fast_style.gallery_pictures(model, given.photos, seed=given.seed)),
    "any_style": Entry((*any_style.NAMES, *any_style.INVERSION), lambda model, given:
                       any_style.gallery_pictures(model, given.photos, given.seed)),
}
WITHOUT_NETWORK = texture_pixels.NAMES  # their run cards name no network
REASONS = {COLOUR: "a network of colour pictures", SCORES: "class scores, which this network does not give",
           SHAPES: "class scores, which this network does not give", PHOTOS: "a folder of photos",
           DECODERS: "VGG-19 with decoders, converted from vgg19_normalised_conv1_1-conv3_1.npz",
           MASKS: "class scores, which this network does not give", "": "nothing"}


class Show(NamedTuple):
    """A demo of the gallery with its network and its input. why : the reason for another network than the gallery's."""

    demo: str
    model: Model
    given: Given
    why: str = ""

    def pictures(self) -> Iterator[Picture]:
        """Yield the demo's pictures, each with the reason for its network in its explanation."""
        for picture in ENTRIES[self.demo].pictures(self.model, self.given):
            yield picture._replace(explanation=f"{picture.explanation} {self.why}".strip())


def shows(model: Model, given: Given, _: Translate = english) -> list[Show]:
    """Return the Show of each demo. Where the network or the given pictures do not fit, another network stands in."""
    demos = gallery_demos(model)
    few = [demo for demo in demos if ENTRIES[demo].needs_more(model, given)] if model.name != DRAWN else []
    others = {name: load_model(name, model.net.device).fast() for name in {ENTRIES[demo].stand_in for demo in few}}
    drawn = given._replace(photos=[], folder=None)
    return [Show(demo, others[ENTRIES[demo].stand_in], drawn, why_other(demo, model, given, _)) if demo in few
            else Show(demo, model, given) for demo in demos]


def why_other(demo: str, model: Model, given: Given, _: Translate) -> str:
    """Return why the gallery of this network shows a demo with another network, for the page."""
    entry = ENTRIES[demo]
    if entry.stand_in != DRAWN:
        return _("Why photos, and not {model}? This technique needs a decoder of the network's features. One for the "
                 "network photos comes with the library. To train another one, run: minicnn train_decoder --photos "
                 "FOLDER --model {model}").format(model=model.name)
    if entry.needs_more is always:
        return _("Why drawn shapes, and not {model}? This technique needs hundreds of pictures of a class, or exact "
                 "masks. The library has both for its small network, shapes, whose pictures are drawn."
                 ).format(model=model.name)
    if given.folder:
        return _("Why drawn shapes, and not {model}? This technique needs more photos than were given. So the small "
                 "network, shapes, shows it, on pictures that are drawn.").format(model=model.name)
    return _("Why drawn shapes, and not {model}? This technique needs hundreds of photos, which do not come with "
            "the library. So its small network, shapes, shows it, on pictures that are drawn. To see photos here, "
            "run: minicnn fetch caltech101 (137 MB), and then the gallery again; or run: minicnn gallery --photos "
            "FOLDER, with photos of your own.").format(model=model.name)


def gallery_demos(model: Model) -> list[str]:
    """Return the demos that the gallery shows of this network, each once, in the order of the list of techniques."""
    scores = has_scores(model.net)
    fits = {"": True, COLOUR: model.net.input_shape[0] == 3, SHAPES: scores,
            SCORES: scores, DECODERS: any_style.has_painter(), MASKS: scores, PHOTOS: False}
    demos = list(dict.fromkeys(technique.demo for technique in TECHNIQUES if fits[technique.needs]))
    return sorted(demos, key=lambda demo: demo != FIRST)  # a stable sort keeps the order of the others


def picture_names(model: Model) -> list[str]:
    """Return the names of all pictures in the gallery of this network."""
    return [name for demo in gallery_demos(model) for name in ENTRIES[demo].names]


def missing_techniques(model: Model, _: Translate = english) -> list[str]:
    """Return a line for each technique that the gallery of this network does not show, with the reason."""
    shown = gallery_demos(model)
    return [_("{technique} needs {reason}").format(technique=_(technique.name), reason=_(REASONS[technique.needs]))
            + f": minicnn {technique.command}"
            for technique in TECHNIQUES if technique.demo not in shown]


def gallery_pictures(model: Model, photos: list[Photo], seed: int) -> Iterator[Picture]:
    """Yield every Picture that the gallery makes with this network, as soon as it is made."""
    for show in shows(model, Given(photos, seed)):
        if show.model is model:
            yield from show.pictures()


def write_gallery(folder: Path, model: Model, choice: str, given: Given, report: Callable[[str], None]
                  ) -> list[str]:
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
    site = site_of(folder, model, choice, given.photos, total, given.language)
    write_overview(site, shown, failures, finished=False)
    _ = translation(given.language)
    for show in shows(model, given, _):
        start = time.perf_counter()
        try:
            for picture in show.pictures():
                network = None if picture.name in WITHOUT_NETWORK else show.model
                card = save_picture(folder, picture, network, time.perf_counter() - start, overwrite=True)
                shown.append(shown_picture(site, picture.name, show.demo, card))
                write_pictures(site, shown[-1:])
                write_overview(site, shown, failures, finished=False)
                passed, judged = count_judged(picture.checks)
                report(f"[{len(shown)}/{total}] {picture.name}.png  {card['seconds']:.1f} s  "
                       f"{passed} of {judged} checks passed  {picture.title}")
                start = time.perf_counter()
        except Exception as problem:  # one picture must not cost the others
            failed.append(show.demo)
            failures.append(failure(show.demo, reason_of(problem)))
            report(f"FAILED: {show.demo}: {reason_of(problem)}")
            write_overview(site, shown, failures, finished=False)
    write_pictures(site, shown)
    write_overview(site, shown, failures, finished=True, missing=missing_techniques(model, _))
    return failed


def reason_of(problem: Exception) -> str:
    """Return in one line why a picture could not be made; for an error of the program, also its place in the code."""
    if isinstance(problem, InputError):
        return one_line(problem, 400)
    place = traceback.extract_tb(problem.__traceback__)[-1]
    return one_line(f"{type(problem).__name__}: {problem} ({Path(place.filename).name}, line {place.lineno})", 400)
