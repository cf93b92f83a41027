"""The attribution methods compared by deletion and insertion over the photos of a folder: part of demos.compare."""

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from minicnn import images
from minicnn.errors import InputError, one_line
from minicnn.visualize.attribution.compare import METHODS, attribution_maps
from minicnn.visualize.attribution.deletion import RANDOM, deletion_insertion, mean_area
from minicnn.visualize.attribution.deletion_check import check_curves

from .compare_figure import draw_areas
from .shared.inputs import classify
from .shared.photo_files import find_photos, shown_name, warn
from .shared.picture import Picture

SET_NAMES = ("compare_set",)
EFFORT = {"samples": 8, "steps": 16, "masks": 150}  # settings of `attribution_maps` for each photo
STEPS, ORDERS = 14, 2  # points of a curve after the first; random orders of the blocks


def chosen_files(folders, count):
    """Return (name of the folder, up to `count` picture files, evenly spread over the sorted ones).

    Raises InputError if there is more than one folder, or no picture in it.
    """
    if len(folders) > 1:
        raise InputError("give one folder, or picture files, not both")
    paths = find_photos(folders[0])
    places = np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)
    return one_line(Path(folders[0]).resolve().name, 60), [paths[place] for place in places]


def set_pictures(model, folder, paths, layer=None, seed=0):
    """Yield the Picture of the mean areas under the deletion and insertion curves of all methods over photos.

    Each photo is explained for its best class. Ctrl-C keeps the finished photos.
    """
    names: list[str] = []
    areas: dict[str, list] = {"deletion": [], "insertion": []}
    labels, checks, interrupted = [], [], False
    try:
        for photo in tqdm(list(paths), desc="photos", unit="photo", leave=False, disable=None):
            try:
                photo = classify(model, shown_name(photo), images.load_image(photo))
            except InputError as problem:
                warn(f"skipped: {problem}")
                continue
            maps = attribution_maps(model.net, photo.x, photo.label, rng=np.random.default_rng([seed, len(names)]),
                                    layer=layer, **EFFORT)
            both = deletion_insertion(model.net, photo.x, photo.label, maps,
                                      np.random.default_rng([seed, 1, len(names)]), steps=STEPS, orders=ORDERS)
            if not names:
                checks = check_curves(model.net, photo.x, photo.label, *both, maps)
            for kind, curves in zip(areas, both, strict=True):
                areas[kind].append([mean_area(curves[method]) for method in (*METHODS, RANDOM)])
            names.append(photo.name)
            labels.append(photo.label)
    except KeyboardInterrupt:
        interrupted = True
    if names:
        stacked = {kind: np.array(values) for kind, values in areas.items()}  # (photos, methods + 1)
        yield set_picture(model, folder, names, labels, stacked, checks, seed)
    elif not interrupted:
        raise InputError(f"none of the {len(paths)} chosen pictures of {folder} can be read")
    if interrupted:
        raise KeyboardInterrupt


def set_picture(model, folder, names, labels, areas, checks, seed):
    """Return the Picture of the areas {"deletion" or "insertion": (photos, methods + 1)}."""
    shares = {kind: better_than_random(values, kind) for kind, values in areas.items()}
    return Picture(
        "compare_set", f"{model.name}: fifteen attributions over {len(names)} photos of {folder}",
        draw_areas(areas, (*METHODS, RANDOM), shares), np.stack(list(areas.values())),
        "Deletion: the most important blocks of each photo become mean colour; a small area under the probability's "
        "curve is good. Insertion: the same blocks are put back into the blurred photo; a large area is good. A bar is "
        "the mean over the photos, a line its standard error. A single photo says little about a method, and many do.",
        "Petsiuk et al. 2018 (arXiv:1806.07421), table 1", checks,
        {"folder": folder, "photos": names, "classes": labels, "seed": seed, **EFFORT, "steps": STEPS,
         "methods": [*METHODS, RANDOM], **{f"mean {kind} area": values.mean(axis=0).tolist()
                                           for kind, values in areas.items()},
         "share of photos better than random": shares, "array": ["deletion, insertion", "photos", "methods"]})


def better_than_random(values, kind):
    """Return {method: share of the photos with a better area than in random order} of areas (photos, methods + 1)."""
    better = values[:, :-1] < values[:, -1:] if kind == "deletion" else values[:, :-1] > values[:, -1:]
    return dict(zip(METHODS, better.mean(axis=0).tolist(), strict=True))
