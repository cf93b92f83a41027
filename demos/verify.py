"""Print every objective check of the gallery as a table: minicnn verify [PHOTO] [--model NAME]

The exit code is 1 if a check fails.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence

import numpy as np

from minicnn.backend import Array
from minicnn.models import Model
from minicnn.network import Network
from minicnn.visualize.attribution.compare import attribution_maps
from minicnn.visualize.attribution.deletion_check import check_mean_areas
from minicnn.visualize.attribution.occlusion_check import check_occlusion_masks
from minicnn.visualize.attribution.pointing_game_check import check_pointing_games
from minicnn.visualize.attribution.randomise_check import check_sanity
from minicnn.visualize.attribution.segment_check import check_segmentation
from minicnn.visualize.check import Check

from .compare import COARSE, drawn_pictures, pointing_maps
from .gallery import gallery_pictures
from .shared.command import demo_parser, main
from .shared.inputs import Photo, choose_model, load_photos

PICTURES = 252  # newly drawn: half as many as minicnn compare draws


def run(arguments: Namespace) -> None:
    """Print the checks of the galleries of the chosen network and of `shapes`. Exit with code 1 if a check fails."""
    passed = judged = reported = 0
    done = set()
    for name in (arguments.model, "shapes"):
        model, choice = choose_model(name, arguments.device)
        if model.name in done:
            continue
        done.add(model.name)
        print(choice)
        photos = load_photos(model, arguments.photos if name == arguments.model else [], arguments.seed)
        for title, checks in checks_of(model, photos, arguments.seed):
            for check in checks:
                judged += check.judged
                reported += not check.judged
                passed += check.judged and check.passed
                mark = ("pass" if check.passed else "FAIL") if check.judged else "    "
                print(f"{mark}  {title:<20} {check.value:>12.4g}  {check.what}; "
                      f"{'expected ' if check.judged else ''}{check.expected}", flush=True)
    print(f"{passed} of {judged} checks passed; {reported} numbers are reported, not judged")
    sys.exit(1 if passed < judged else 0)


def checks_of(model: Model, photos: list[Photo], seed: int) -> Iterator[tuple[str, Sequence[Check]]]:
    """Yield (name, checks) of every picture in the gallery, and of `shapes` also the checks that need masks."""
    for picture in gallery_pictures(model, photos, seed):
        yield picture.name, picture.checks
    if model.name == "shapes":
        yield from mask_checks(model)


def mask_checks(model: Model) -> Iterator[tuple[str, Sequence[Check]]]:
    """Yield (name, checks) of the techniques that are judged on newly drawn pictures and the masks of their objects."""
    net, rng = model.net, np.random.default_rng(0)
    images, x, labels, masks = drawn_pictures(model, PICTURES)
    maps = pointing_maps(net, x, labels)
    yield "pointing_game", check_pointing_games(maps, masks, rng)
    yield "occlusion", check_occlusion_masks(net, x[:48], labels[:48], masks[:48], 16, 16)
    yield "segmentation", check_segmentation(images[:120], maps["saliency"][:120], masks[:120])
    yield "compare", check_mean_areas(net, x[:36], labels[:36], {name: found[:36] for name, found in maps.items()}, rng)

    def explain(network: Network, image: Array, label: int) -> dict[str, Array]:
        return attribution_maps(network, image, label, rng=np.random.default_rng(0), stride=8, window=16, **COARSE)
    yield "compare", check_sanity(net, x[:12], labels[:12], explain, rng)


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    return demo_parser("verify", __doc__, writes=False)


if __name__ == "__main__":
    main(run, parser())
