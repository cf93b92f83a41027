"""Limits on the memory and time that a weights file may ask for, counted before anything is read or built.

HDF5 and JSON are short ways to describe a lot: a file of 700 kB can announce 2**26 labels or a million blocks.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from minicnn.errors import InputError, one_line
from minicnn.models.weights.header import decode_text

if TYPE_CHECKING:
    import h5py

MOST_ATTRIBUTES, LONGEST_TEXT = 100, 100_000  # characters of an attribute; 1,000 styles take 20,000
MOST_LABELS, MOST_BYTES_OF_LABELS = 100_000, 2**25
LARGEST_ARRAYS = 2**31  # bytes of all arrays in float32; VGG-19 has 575 MB
DEFLATE = 1100  # bytes that one compressed byte can become
MOST = {"num_blocks": 100, "num_classes": 100_000, "input_size": 4096, "conv10_pad": 100, "widths": 4096,
        "code_channels": 10_000, "size": 4096}
MOST_STYLES = 10_000


def read_texts(attributes: Any) -> dict[str, str]:
    """Return {key: text} of the attributes of an HDF5 file. Raises InputError if there are too many or too long ones.

    attributes : of an h5py.File or Dataset.
    """
    if len(attributes) > MOST_ATTRIBUTES:
        raise InputError(f"it has more than {MOST_ATTRIBUTES} attributes")
    texts = {}
    for key in attributes:
        attribute = attributes.get_id(key)
        if attribute.get_storage_size() > LONGEST_TEXT:
            raise InputError(f"its attribute {one_line(key, 50)!r} has more than {LONGEST_TEXT:,} bytes")
        text = decode_text(attributes[key])
        if len(text) > LONGEST_TEXT:
            raise InputError(f"its attribute {one_line(key, 50)!r} has more than {LONGEST_TEXT:,} characters")
        texts[key] = text
    return texts


def read_labels(dataset: Any) -> list[str]:
    """Return the texts of the dataset `labels`. Raises InputError if there are more than any classifier has."""
    if len(dataset.shape or ()) != 1 or dataset.shape[0] > MOST_LABELS:
        raise InputError(f"its labels have the shape {dataset.shape}, not one name for each of up to {MOST_LABELS:,} "
                         "classes")
    if dataset.shape[0] * dataset.dtype.itemsize > MOST_BYTES_OF_LABELS:
        raise InputError(f"its labels have {dataset.shape[0] * dataset.dtype.itemsize:,} bytes, more than the limit of "
                         f"{MOST_BYTES_OF_LABELS:,}")
    if dataset.shape[0]:
        require_stored("labels", dataset)
    return [decode_text(label) for label in dataset[:]]


def require_stored(name: str, dataset: "h5py.Dataset") -> None:
    """Raise InputError if a dataset announces more bytes than the file can hold, compressed or not."""
    announced, stored = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
    compressed = dataset.id.get_create_plist().get_nfilters() > 0
    if announced > stored * (DEFLATE if compressed else 1):
        raise InputError(f"{one_line(name, 100)} announces {announced:,} bytes of values, but stores {stored:,}")


def read_json(text: str, what: str, limit: int) -> dict[str, Any]:
    """Return a JSON object of at most `limit` characters. Raises InputError, or ValueError if it is no JSON."""
    if len(text) > limit:
        raise InputError(f"its {what} has {len(text):,} characters, more than the limit of {limit:,}")
    try:
        return dict(json.loads(text))
    except RecursionError:
        raise InputError(f"its {what} is nested too deeply") from None


def require_small(options: Mapping[str, Any]) -> None:
    """Raise InputError if a builder's options ask for a network larger than any that this library has."""
    for key, limit in MOST.items():
        values = options.get(key, 0)
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, (int, float)) and not -limit <= value <= limit:
                raise InputError(f"{key} is {one_line(value, 20)}, beyond the limit of {limit:,}")
    styles = options.get("styles", ())
    if not isinstance(styles, (list, tuple)):
        raise InputError(f"its styles are {type(styles).__name__}, not a list of names")
    if len(styles) > MOST_STYLES:
        raise InputError(f"it has {len(styles):,} styles, more than the limit of {MOST_STYLES:,}")
