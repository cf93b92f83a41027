"""All objective checks on the installed weights, as a table: python -m demos.verify [--model NAME]"""

import sys

import numpy as np

from demos.command import demo_parser, main
from demos.gallery import gallery_pictures
from demos.inputs import choose_model, load_photos
from minicnn.shapes import CLASSES, draw_shapes
from minicnn.visualize.checks import check_pointing_game
from minicnn.visualize.checks_occlusion import check_occlusion_masks

POINTING_SEED, POINTING_PICTURES = 20_000_000, 300  # pictures that no training has seen
OCCLUDED_PICTURES = 48  # of them


def run(arguments):
    """Print every check of the chosen network's pictures, then of the shipped one's; exit code 1 where one fails."""
    failed = total = 0
    seen = set()
    for name in (arguments.model, "shapes"):
        model, said = choose_model(name, arguments.device)
        if model.name in seen:
            continue
        seen.add(model.name)
        print(said)
        photos = load_photos(model, arguments.photos if name == arguments.model else [], arguments.seed)
        for title, checks in checks_of(model, photos, arguments.seed):
            for check in checks:
                total += 1
                failed += not check.passed
                print(f"{'pass' if check.passed else 'FAIL'}  {title:<20} {check.value:>12.4g}  "
                      f"{check.what}; expected {check.expected}", flush=True)
    print(f"{total - failed} of {total} checks passed")
    sys.exit(1 if failed else 0)


def checks_of(model, photos, seed):
    """(name, checks) of every picture of the gallery; for `shapes`, whose masks are known, what needs masks too."""
    for picture in gallery_pictures(model, photos, seed):
        yield picture.name, picture.checks
    if model.name == "shapes":
        rng = np.random.default_rng(POINTING_SEED)
        labels = np.arange(POINTING_PICTURES) % len(CLASSES)
        images, masks = draw_shapes(labels, rng)
        x = model.preprocessing.to_input(images)
        yield "pointing_game", check_pointing_game(model.net, x, labels, masks, rng)
        some = slice(OCCLUDED_PICTURES)
        yield "occlusion", check_occlusion_masks(model.net, x[some], labels[some], masks[some], 16, 16)


if __name__ == "__main__":
    main(run, demo_parser("verify", __doc__))
