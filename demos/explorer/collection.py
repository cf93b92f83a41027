"""The collection of photos in which the explorer finds each channel's strongest patches, for one network."""

import hashlib
from functools import partial
from pathlib import Path
from typing import NamedTuple

from minicnn.errors import one_line
from minicnn.models import Model

from ..patches import Source, drawn_count, drawn_sources, read
from ..shared.default_network import SHAPES
from ..shared.photo_choice import fetched_photos, knows_photos
from ..shared.photo_files import find_photos

MOST = 1000  # photos of a large folder that are searched, spread evenly


class Collection(NamedTuple):
    """Pictures that can be loaded again. title : its name for the page. key : a text that identifies the pictures."""

    title: str
    key: str
    sources: list[Source]


def collection_for(model: Model, folder: str | None) -> Collection | None:
    """Return the Collection of a folder of photos; by default, of the fetched set for a network that knows photos.

    The network `shapes` has drawn shapes. Returns None if there are no photos.
    Raises InputError if the folder does not exist or holds no pictures.
    """
    if model.name == SHAPES and folder is None:
        count = drawn_count(model)
        return Collection("drawn shapes", f"drawn {count}", drawn_sources(model, count, 0))
    chosen = Path(folder) if folder is not None else fetched_photos() if knows_photos(model) else None
    if chosen is None:
        return None
    paths = find_photos(chosen, report=lambda line: None)
    if len(paths) > MOST:
        paths = [paths[n * len(paths) // MOST] for n in range(MOST)]
    names = [one_line(path.relative_to(chosen).as_posix(), 100) for path in paths]
    key = hashlib.sha256()
    for path in paths:
        state = path.stat()
        key.update(f"{path.relative_to(chosen)} {state.st_size} {state.st_mtime_ns}\n".encode(errors="replace"))
    return Collection(one_line(chosen.name, 60), key.hexdigest(),
                      [Source(name, partial(read, model.preprocessing, path))
                       for name, path in zip(names, paths, strict=True)])
