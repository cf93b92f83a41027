"""All objective checks on the installed weights, as a table: python -m demos.verify [--model NAME]"""

import sys

import numpy as np

from demos.compare import COARSE, POINTING_PICTURES, drawn_pictures, pointing_maps
from demos.gallery import gallery_pictures
from demos.shared.command import demo_parser, main
from demos.shared.inputs import choose_model, load_photos
from minicnn.visualize.attribution.compare import attribution_maps
from minicnn.visualize.attribution.compare_check import check_mean_areas, check_sanity
from minicnn.visualize.attribution.gradients_check import check_pointing_games, check_segmentation
from minicnn.visualize.attribution.occlusion_check import check_occlusion_masks


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
        yield from mask_checks(model)


def mask_checks(model):
    """(name, checks) of what is judged on sets of freshly drawn pictures, with their objects' masks."""
    net, rng = model.net, np.random.default_rng(0)
    images, x, labels, masks = drawn_pictures(model, POINTING_PICTURES)
    maps = pointing_maps(net, x, labels)
    yield "pointing_game", check_pointing_games(maps, masks, rng)
    some = slice(48)
    yield "occlusion", check_occlusion_masks(net, x[some], labels[some], masks[some], 16, 16)
    some = slice(120)
    yield "segmentation", check_segmentation(images[some], maps["saliency"][some], masks[some])
    some = slice(36)
    these = {method: found[some] for method, found in maps.items()}
    yield "compare", check_mean_areas(net, x[some], labels[some], these, rng)

    def explain(network, image, label):
        return attribution_maps(network, image, label, rng=np.random.default_rng(0), stride=8, window=16, **COARSE)
    some = slice(12)
    yield "compare", check_sanity(net, x[some], labels[some], explain, rng)


def parser():
    """The command line."""
    return demo_parser("verify", __doc__, writes=False)


if __name__ == "__main__":
    main(run, parser())
