"""The batches for the training of a transform network: random crops of photos, with or without a style for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from minicnn import images
from minicnn.arguments import count_of, describe, require_callable, require_fields, require_whole
from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.models.preprocessing import Preprocessing
from minicnn.training.train import AUGMENT, STYLE
from minicnn.visualize.arrays import as_picture
from minicnn.visualize.entry import require_preprocessing, require_side


@dataclass(frozen=True)
class PhotoCrops:
    """Batches (x, x) of random square crops of photos, half of them mirrored.

    The first x is the input of the network, the second is for the loss. Each batch depends only on the seed and the
    step. The short side of a photo is first scaled to a random length between `size` and `largest` times `size`.
    """

    photos: Sequence[Any]          # paths, each read when it is chosen, or pictures, uint8 (H, W, 3)
    preprocessing: Preprocessing   # of the loss network
    size: int = 96                 # side of a crop, pixels; a multiple of 4
    batch_size: int = 4            # photos in a batch
    seed: int = 0                  # seed of the random generator
    largest: float = 2.0           # largest length of a photo's short side, relative to `size`

    def __post_init__(self) -> None:
        if not count_of(self.photos) or not all(isinstance(photo, (str, PathLike, Image.Image))
                                                or len(getattr(photo, "shape", ())) == 3 for photo in self.photos):
            raise InputError(f"photos is {describe(self.photos)}; expected a list of paths or pictures, at least one")
        require_preprocessing(self.preprocessing)
        require_side("size", self.size)
        require_fields(self, batch_size=1, seed=0, largest=1)

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batch number `step`, from 0."""
        rng = np.random.default_rng([AUGMENT, self.seed, step])
        chosen = rng.choice(len(self.photos), self.batch_size, replace=len(self.photos) < self.batch_size)
        x = self.preprocessing.to_input(np.stack([self.crop(self.photos[index], rng) for index in chosen]))
        return x, x

    def crop(self, photo: Any, rng: np.random.Generator) -> np.ndarray:
        """Return one random square of a photo, uint8 (size, size, 3)."""
        is_path = isinstance(photo, (str, PathLike))
        photo = images.load_image(Path(photo)) if is_path else to_host(as_picture("photo", photo))
        short = round(self.size * rng.uniform(1, self.largest))
        photo = images.resize_short_side(photo, short)
        top, left = (int(rng.integers(0, side - self.size + 1)) for side in photo.shape[:2])
        photo = photo[top:top + self.size, left:left + self.size]
        return photo[:, ::-1] if rng.integers(2) else photo


class StyledPhotos(NamedTuple):
    """A batch of photos, x (N, 3, H, W), and the style of each, (N, S): 1 for its style, 0 for the others."""

    photos: np.ndarray
    style: np.ndarray


@dataclass(frozen=True)
class StyledCrops:
    """Batches (x, StyledPhotos) of `crops`, with a style for each photo. They depend only on the seed and the step.

    In a batch, the numbers of photos of any two styles differ by at most 1.
    """

    crops: PhotoCrops
    num_styles: int   # styles of the network
    first: int = 0    # the first style to train; the styles before it were trained earlier and do not occur

    def __post_init__(self) -> None:
        if require_callable("crops", self.crops) is None:
            raise InputError("crops is None; expected PhotoCrops(...)")
        require_fields(self, num_styles=1, first=0)
        require_whole("first", self.first, 0, self.num_styles - 1)

    def __call__(self, step: int) -> tuple[np.ndarray, StyledPhotos]:
        """Return batch number `step`, from 0."""
        x, photos = self.crops(step)
        rng = np.random.default_rng([STYLE, self.crops.seed, step])
        order = rng.permutation(np.arange(self.first, self.num_styles))
        return x, StyledPhotos(photos, np.eye(self.num_styles, dtype=x.dtype)[np.resize(order, len(x))])
