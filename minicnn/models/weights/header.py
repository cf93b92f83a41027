"""The facts about a network that a weights file stores besides the arrays."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import Array
from minicnn.models.preprocessing import Preprocessing

TEXTS = ("name", "architecture", "origin", "licence", "source_sha256")  # fields stored as plain text attributes


class Header(NamedTuple):
    """The facts in a weights file. `options` are keyword arguments of the function that builds the architecture.

    sources : {label: folder of the data set from which the class was learnt}.
    """

    name: str
    architecture: str
    preprocessing: Preprocessing
    labels: list[str] = []
    options: dict[str, Any] = {}
    origin: str = ""
    licence: str = ""
    source_sha256: str = ""
    sources: dict[str, str] = {}


def header_digest(header: Header) -> str:
    """Return the sha256 of all fields of the Header, in hexadecimal."""
    fields = header if header.sources else header[:-1]  # files without sources have the digest of the first version
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def encode_texts(texts: Sequence[str]) -> Array:
    """Return the texts as an array of byte strings of fixed length.

    Damaged strings of variable length can crash HDF5 2.0 or make it run forever.
    """
    encoded = [text.encode() for text in texts]
    return np.array(encoded, f"S{max(map(len, encoded), default=0) or 1}")


def decode_text(value: Any) -> str:
    """Return a text that HDF5 has read: bytes if it was stored with a fixed length."""
    return value.decode() if isinstance(value, bytes) else str(value)
