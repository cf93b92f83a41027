"""The photos of one class of a collection: the sub-folder that belongs to a class of the network."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from minicnn.errors import InputError, one_line
from minicnn.models import Model

from .photo_files import find_photos
from .photo_folder import FolderPhoto


def class_folder(model: Model, folder: Path, wanted: str | None) -> tuple[Path, str]:
    """Return the folder with the photos of one class, and a line that says which, "" for a folder without classes.

    folder : of photos. If it has two or more sub-folders with photos, they are the classes. wanted : the name of a
    sub-folder or a class of the network. By default, the sub-folder with the most photos is taken. If no sub-folder
    belongs to the network's class `wanted`, all photos are taken for photos of it.
    Raises InputError if `wanted` is neither a sub-folder nor a class of the network.
    """
    sizes = Counter(path.relative_to(folder).parts[0] for path in find_photos(folder, lambda line: None)
                    if len(path.relative_to(folder).parts) > 1)
    if len(sizes) < 2:
        return folder, ""
    if wanted is None:
        largest, count = sizes.most_common(1)[0]
        return folder / largest, (f"class: {count:,} photos in {one_line(largest, 100)}, the largest of {len(sizes)} "
                                  "classes; --class chooses another")
    for candidate in (wanted, *names_of(model, wanted, sorted(sizes))):
        name = next((name for name in sizes if plain(name) == plain(candidate)), None)
        if name is not None:
            return folder / name, f"class: {sizes[name]:,} photos in {one_line(name, 100)}"
    return folder, f"class: all {sizes.total():,} photos, as no sub-folder is named {one_line(wanted, 100)}"


def largest_class(photos: Iterable[FolderPhoto]) -> tuple[str | None, int]:
    """Return (label, number of photos) of the largest class of FolderPhotos; (None, 0) if they have no labels."""
    counts = Counter(photo.label for photo in photos if photo.label is not None)
    return max(counts.items(), key=lambda item: item[1], default=(None, 0))


def names_of(model: Model, wanted: str, classes: list[str]) -> list[str]:
    """Return the names that a sub-folder for the network's class `wanted` may have: its source's, and the label's.

    Raises InputError if the network has no such class. classes : the sub-folders, for the message.
    """
    try:
        label = model.labels[model.find_class(wanted)] if model.labels else ""
    except InputError as problem:
        if any(plain(name) == plain(wanted) for name in classes):
            return []
        shown = ", ".join(one_line(name, 40) for name in classes[:8]) + (", …" if len(classes) > 8 else "")
        raise InputError(f"{problem}; the sub-folders are {shown}") from None
    source = getattr(model, "sources", None) or {}  # {label: the folder with the network's training photos}
    return [name for name in (source.get(label), *label.split(", ")) if name]


def network_class(model: Model, wanted: str | None) -> int | None:
    """Return the network's class `wanted`, or None if it names only a sub-folder of photos."""
    try:
        return None if wanted is None else model.find_class(wanted)
    except InputError:
        return None


def plain(name: str) -> str:
    """Return a name of a class in one spelling.

    >>> plain("Grand_piano")
    'grand piano'
    """
    return " ".join(name.replace("_", " ").replace("-", " ").lower().split())
