"""The teacher of `photos`: pretrained SqueezeNet weights, which have seen a million photos of a thousand classes."""

from dataclasses import replace
from pathlib import Path

from tqdm.auto import tqdm

from minicnn.backend import Array
from minicnn.datasets.photo_classes import CLASSES, PREPROCESSING, PhotoBatches, read_small
from minicnn.errors import InputError, one_line
from minicnn.images import readable_suffixes
from minicnn.models import load_model
from minicnn.training import TaughtBatches, fit_teacher

LAYER = "fire9/concat"
EPOCHS = 2  # over the labelled photos, to fit the teacher
UNLABELLED = 0.25  # share of the photos of other folders in a batch


def taught_batches(name: str, folder: str | Path, labelled: PhotoBatches) -> TaughtBatches:
    """Return the labelled batches, and photos of the other sub-folders, with the probabilities of a teacher.

    name : of the teacher's weights. folder : with the sub-folders.
    Raises InputError if the weights are not there, or if they do not read images as `photos` does.
    """
    model = load_model(name)
    if LAYER not in model.net.layer_names() or model.preprocessing[:4] != PREPROCESSING[:4]:
        raise InputError(f"{one_line(name, 100)} cannot be the teacher, as it has no layer {LAYER}, or not the "
                         "preprocessing of torchvision: minicnn fetch squeezenet1_1 fetches weights that can")
    plain = replace(labelled, smallest=0.6, colour=0, hidden=0, moved=0, small_steps=0)
    count = EPOCHS * plain.steps_per_epoch()
    with tqdm(total=count, desc="teacher", unit="batch", disable=None) as bar:
        def batch(step: int) -> tuple[Array, Array]:
            bar.update()
            return plain(step)
        teacher = fit_teacher(model.net.fast(), LAYER, PREPROCESSING.crop, batch, count, len(labelled.photos))
    others = other_photos(Path(folder))
    free = min(round(UNLABELLED * labelled.batch_size), len(others))
    if not free:
        return TaughtBatches(labelled, teacher)
    return TaughtBatches(replace(labelled, batch_size=labelled.batch_size - free), teacher,
                         unlabelled=replace(labelled, photos=[others], batch_size=free, per_class=len(others)))


def other_photos(folder: Path) -> list[Array]:
    """Return the photos of the sub-folders that are no class of `photos`."""
    suffixes = readable_suffixes()
    files = sorted(path for place in sorted(folder.iterdir()) if place.is_dir() and place.name not in CLASSES.values()
                   for path in place.iterdir() if path.suffix.lower() in suffixes)
    return [read_small(path) for path in tqdm(files, "other photos", unit="photo", disable=None)]
