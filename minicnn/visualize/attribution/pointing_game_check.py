"""The objective numbers of the pointing game."""

from collections.abc import Mapping

import numpy as np

from minicnn.backend import Array
from minicnn.visualize.attribution.pointing_game import dilated, pointing_game
from minicnn.visualize.check import Check

LEAST = 0.8  # the share of hits that a method must reach
# The deconvnet's maps are nearly the same for all classes, and their maximum often lies off the object.
# RISE gets few masks here, to save time, so its map is still rough: on 504 pictures it hits about 50 % with 32 masks,
# 73 % with 64 and 82 % with 128.
LEAST_OF_METHOD = {"deconvnet": 0.65, "RISE": 0.5}


def check_pointing_games(maps: Mapping[str, Array], masks: Array, rng: np.random.Generator,
                         margin: int = 0) -> list[Check]:
    """Return a Check for each method that its share of hits is high enough, and one that random pixels hit by chance.

    maps : {method: (N, H, W)}. masks : the objects' masks, bool (N, H, W). margin : pixels around the object that
    count as the object, too.
    """
    where = f"in the object's mask{f' or {margin} pixels around it' * bool(margin)}, share of {len(masks)} pictures"
    checks = []
    for method, values in maps.items():
        share, least = pointing_game(values, masks, margin), LEAST_OF_METHOD.get(method, LEAST)
        checks.append(Check(f"{method}: largest value {where}", share, f"at least {least:g}", share >= least))
    random = pointing_game(rng.random(masks.shape), masks, margin)
    area = float(dilated(masks, margin).mean())
    return [*checks, Check(f"a random pixel {where}", random, f"about {area:.2f}, the share of the masks' pixels",
                           abs(random - area) < 0.1)]
