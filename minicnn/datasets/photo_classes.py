"""Photographs in folders of classes: a seeded split into two parts, and batches of random crops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from minicnn.backend import Array, Generator
from minicnn.errors import InputError, one_line
from minicnn.images import fit, load_image, readable_suffixes, resize_short_side
from minicnn.models.preprocessing import TORCHVISION

# label -> folder of Caltech 101 (Li, Andreeto, Ranzato and Perona 2022, doi:10.22002/D1.20086, CC BY 4.0)
CLASSES = {
    "face": "Faces", "motorbike": "Motorbikes", "airplane": "airplanes", "leopard": "Leopards", "car": "car_side",
    "watch": "watch", "sunflower": "sunflower", "dalmatian": "dalmatian", "pizza": "pizza",
    "grand piano": "grand_piano", "chandelier": "chandelier", "yin-yang": "yin_yang", "stop sign": "stop_sign",
    "soccer ball": "soccer_ball", "dollar bill": "dollar_bill", "accordion": "accordion", "bonsai": "bonsai",
    "sailing ship": "ketch", "sea turtle": "hawksbill", "menorah": "menorah", "trilobite": "trilobite",
    "starfish": "starfish", "laptop": "laptop", "minaret": "minaret", "pagoda": "pagoda", "revolver": "revolver",
    "brain": "brain", "wooden chair": "windsor_chair", "joshua tree": "joshua_tree", "panda": "panda",
    "strawberry": "strawberry", "metronome": "metronome", "roller skate": "inline_skate"}
PREPROCESSING = TORCHVISION._replace(resize=144, crop=128)
SHORT_SIDE = 144  # pixels of the photos in memory
SPLIT, EPOCH, CROPS = 6, 7, 8  # the first number of a seed: each use has its own random numbers


def class_files(folder: str | Path, sources: Mapping[str, str], share: float = 0.2,
                seed: int = 1) -> tuple[list[list[Path]], list[list[Path]]]:
    """Return the photo files of each class, in two parts: for the training, and held out for a test.

    sources : {label: name of the sub-folder}. share : of each class's photos that are held out.
    A photo's part depends only on the names in its own folder, on `share` and on `seed`.
    Raises InputError if a sub-folder is missing or has fewer than five photos.
    """
    training, held_out = [], []
    for source in sources.values():
        place = Path(folder, source)
        if not place.is_dir():
            raise InputError(f"{one_line(folder, 300)} has no sub-folder {source!r}: give the folder of Caltech 101, "
                             "whose sub-folders are its classes")
        files = sorted(path for path in place.iterdir() if path.suffix.lower() in readable_suffixes())
        if len(files) < 5:
            raise InputError(f"{one_line(place, 300)} has {len(files)} photos; a class needs at least 5")
        order = np.random.default_rng([SPLIT, seed]).permutation(len(files))
        count = max(1, round(share * len(files)))
        held_out.append([files[i] for i in sorted(order[:count])])
        training.append([files[i] for i in sorted(order[count:])])
    return training, held_out


def read_small(path: Path) -> Array:
    """Return the photo with a short side of 144 pixels, uint8 of shape (H, W, 3)."""
    return resize_short_side(load_image(path), SHORT_SIDE)


def held_out_photos(files: Sequence[Sequence[Path]]) -> tuple[Array, Array]:
    """Return (x, labels) of the central squares of all photos, x of shape (N, 3, 128, 128)."""
    labels = np.repeat(np.arange(len(files)), [len(paths) for paths in files])
    photos = np.stack([fit(load_image(path), PREPROCESSING.resize, PREPROCESSING.crop)
                       for paths in files for path in paths])
    return PREPROCESSING.to_input(photos), labels


@dataclass(frozen=True)
class PhotoBatches:
    """Batches for `train`: step, from 0 -> (x, labels) of random crops of photos.

    An epoch shows at most `per_class` photos of each class, others in the next epoch, in a random order.

    photos : for each class a list of arrays (H, W, 3), uint8.
    smallest : side of the smallest crop, relative to the short side. colour : strength of the change of colours.
    hidden : share of the photos of which a rectangle is hidden.
    small_steps : number of steps, at the start, whose images have 96 pixels instead of 128. They take half the time.
    """

    photos: Sequence[Sequence[Array]]
    batch_size: int
    seed: int = 0
    per_class: int = 100
    smallest: float = 0.45
    colour: float = 0.6
    hidden: float = 0.3
    small_steps: int = 0

    def steps_per_epoch(self) -> int:
        """Return the number of batches of an epoch. Raises InputError if the photos do not fill one."""
        count = sum(min(len(photos), self.per_class) for photos in self.photos) // self.batch_size
        if not count:
            raise InputError(f"a batch of {self.batch_size} needs more photos than there are")
        return count

    def __call__(self, step: int) -> tuple[Array, Array]:
        """Return (x, labels) of batch number `step`."""
        epoch, place = divmod(step, self.steps_per_epoch())
        rng = np.random.default_rng([EPOCH, self.seed, epoch])
        chosen = [(label, i) for label, photos in enumerate(self.photos)
                  for i in rng.permutation(len(photos))[:self.per_class]]
        order = rng.permutation(len(chosen))[place * self.batch_size:(place + 1) * self.batch_size]
        rng = np.random.default_rng([CROPS, self.seed, step])
        size = 96 if step < self.small_steps else PREPROCESSING.crop
        crops = [random_crop(self.photos[chosen[i][0]][chosen[i][1]], size, self.smallest, rng) for i in order]
        x = recoloured(PREPROCESSING.to_input(np.stack(crops)), self.colour, rng)
        hide_rectangles(x, self.hidden, rng)
        return x, np.array([chosen[i][0] for i in order])


def random_crop(photo: Array, size: int, smallest: float, rng: Generator) -> Array:
    """Return a random square of the photo, (H, W, 3), at `size` pixels, mirrored half of the time.

    Squares near the middle, where the objects are, are more frequent. Others would teach the backgrounds.
    smallest : side of the smallest square, relative to the short side.
    """
    H, W, _ = photo.shape
    side = rng.uniform(smallest, 1) * min(H, W)
    top, left = (H - side) * rng.uniform(0, 1, 3).mean(), (W - side) * rng.uniform(0, 1, 3).mean()
    crop = np.asarray(Image.fromarray(photo).resize((size, size), Image.Resampling.BILINEAR,
                                                    (left, top, left + side, top + side)))
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def recoloured(x: Array, strength: float, rng: Generator) -> Array:
    """Return the images x, (N, C, H, W), each with another saturation, contrast, brightness and tint.

    A saturation of 0 is a grey image, and of 1 the image itself. strength : 0 changes rounding alone.
    """
    N, C, H, W = x.shape
    saturation = 1 + strength * rng.uniform(-1.5, 0.5, (N, 1, 1, 1))
    contrast = np.exp(strength * rng.uniform(-1, 1, (N, 1, 1, 1)))
    tint = strength * rng.uniform(-0.5, 0.5, (N, C, 1, 1))
    grey = x.mean(axis=1, keepdims=True)
    return ((grey + np.clip(saturation, 0, None) * (x - grey)) * contrast + tint).astype(x.dtype)


def hide_rectangles(x: Array, share: float, rng: Generator) -> None:
    """Paint a rectangle of one random colour over a share of the images x, (N, C, H, W), in place.

    A class is then learnt from more than one part of its objects and backgrounds: random erasing, Zhong et al. 2017
    (arXiv:1708.04896).
    """
    N, C, H, W = x.shape
    for image in x:
        if rng.random() < share:
            height, width = rng.uniform(0.2, 0.6, 2) * (H, W)
            top, left = rng.uniform(0, H - height), rng.uniform(0, W - width)
            image[:, int(top):int(top + height), int(left):int(left + width)] = rng.uniform(-2, 2, (C, 1, 1))
