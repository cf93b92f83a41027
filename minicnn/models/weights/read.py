"""Read a weights file. Every problem with the file becomes one InputError that names it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError, one_line
from minicnn.models.preprocessing import Preprocessing
from minicnn.models.weights.arrays import digest, named_arrays, require_finite
from minicnn.models.weights.bounds import (
    LARGEST_ARRAYS,
    LONGEST_TEXT,
    read_json,
    read_labels,
    read_texts,
    require_stored,
)
from minicnn.models.weights.header import TEXTS, Header, header_digest
from minicnn.models.weights.recognise import UNKNOWN, describe_file, require_ordinary, shown
from minicnn.models.weights.signatures import HDF5
from minicnn.network import Network

if TYPE_CHECKING:
    import h5py  # the functions import it: it takes longer to import than the rest of minicnn

LONGEST_NAME = 200  # characters of the name of a network or a class; longer ones are cut
MOST_ITEMS, DEEPEST = 10_000, 10  # limits for groups and datasets; VGG-19 has 57, a Fire module has 2 levels


def read_header(path: str | Path) -> Header:
    """Return the Header of a weights file.

    Raises InputError if the file is missing, damaged, not HDF5, not a weights file, or if its preprocessing is invalid.
    """
    with opened(path) as file:
        try:
            texts = read_texts(file.attrs)
            preprocessing = read_json(texts["preprocessing"], "preprocessing", 10_000)
            preprocessing |= {"mean": tuple(preprocessing["mean"]), "std": tuple(preprocessing["std"])}
            header = Header(**{key: texts[key] for key in TEXTS},
                            preprocessing=Preprocessing(**preprocessing),
                            options=read_json(texts["options"], "options", LONGEST_TEXT),
                            labels=read_labels(file["labels"]))
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise InputError(f"{shown(path)} is not a weights file of this library ({reason_of(problem)}); "
                             "make one with: minicnn convert SOURCE -o OUT.h5") from None
        if texts.get("header_sha256", header_digest(header)) != header_digest(header):
            raise InputError(f"{shown(path)} is damaged: its attributes or labels differ from their recorded digest")
        try:
            header.preprocessing.require_valid()
        except InputError as problem:
            raise InputError(f"{shown(path)} cannot be used: {problem}") from None
    return printable_header(header)


def printable_header(header: Header) -> Header:
    """Return the Header with texts that are safe to print: control characters escaped, lengths cut."""
    return header._replace(
        name=one_line(header.name, LONGEST_NAME), origin=one_line(header.origin, 1000),
        licence=one_line(header.licence, 1000), labels=[one_line(label, LONGEST_NAME) for label in header.labels])


def load_weights(net: Network, path: str | Path) -> None:
    """Read the parameters and buffers of all layers of `net`, which must be on the CPU, from the file.

    Raises one InputError that names all arrays that are missing, extra, or of another shape or type. If there are none,
    it names all damaged arrays, or else all arrays that are not finite. After an error the network is unchanged.
    """
    expected = named_arrays(net)
    with opened(path) as file:
        stored = stored_arrays(file)
        problems = differences(expected, stored)
        if problems:
            raise InputError(f"{shown(path)} does not fit the network: {listed(problems, '; ')}")
        if sum(4 * stored[name].size for name in expected) > LARGEST_ARRAYS:
            raise InputError(f"{shown(path)} is refused: its arrays take more than {LARGEST_ARRAYS:,} bytes")
        for name in expected:
            require_stored(name, stored[name])
        arrays = {name: stored[name][()].astype(np.float32, copy=False) for name in expected}
        damaged = [name for name in expected if read_texts(stored[name].attrs).get("sha256") != digest(arrays[name])]
    if damaged:
        raise InputError(f"{shown(path)} is damaged: {listed(damaged)} differ from their recorded digests")
    require_finite(arrays, path)
    for node in net.nodes:
        for values in (node.layer.params, node.layer.buffers):
            for key in values:
                values[key] = arrays[f"{node.name}/{key}"]


def stored_arrays(file: "h5py.File") -> "dict[str, h5py.Dataset]":
    """Return {name: dataset} of all datasets of the file except the labels."""
    import h5py

    stored = {name: item for name, item in all_items(file).items() if isinstance(item, h5py.Dataset)}
    stored.pop("labels", None)
    return stored


def differences(expected: dict[str, Array], stored: "dict[str, h5py.Dataset]") -> list[str]:
    """Return a phrase for each missing or extra array and for each array of another shape or type."""
    common = [name for name in expected if name in stored]
    return ([f"missing {name}" for name in expected if name not in stored]
            + [f"extra {name}" for name in stored if name not in expected]
            + [f"{name} has shape {stored[name].shape}, expected {expected[name].shape}"
               for name in common if stored[name].shape != expected[name].shape]
            + [f"{name} holds {stored[name].dtype}, expected float32 or float16"
               for name in common if stored[name].dtype not in (np.float32, np.float16)])


@contextmanager
def opened(path: str | Path) -> "Iterator[h5py.File]":
    """Open the HDF5 file for reading. Every error that HDF5 raises for damaged bytes becomes an InputError."""
    import h5py

    require_ordinary(path)
    try:
        file = h5py.File(path, "r")
    except (OSError, ValueError) as problem:
        raise not_hdf5(path, problem) from None
    with file:
        try:
            try:
                all_items(file)
            except InputError as problem:
                raise InputError(f"{shown(path)} is refused: {problem}") from None
            yield file
        except InputError as problem:
            if str(problem).startswith(shown(path)):
                raise
            raise InputError(f"{shown(path)} is refused: {problem}") from None
        except Exception as problem:  # h5py raises OSError, RuntimeError, KeyError and others
            raise InputError(f"{shown(path)} is damaged: {reason_of(problem)}") from None


def not_hdf5(path: str | Path, problem: Exception) -> InputError:
    """Return the error for a file that HDF5 cannot open: it says what the file is and the way out."""
    kind = describe_file(path)
    if kind in (UNKNOWN, (HDF5, "")):
        return InputError(f"{shown(path)} cannot be read as HDF5: {reason_of(problem)}; convert weights in other "
                          "formats first, with: minicnn convert FILE")
    way_out = kind.way_out or f"convert it with: minicnn convert {shown(path)}"
    return InputError(f"{shown(path)} is {kind.what}, not a weights file of this library; {way_out}")


def reason_of(problem: Exception) -> str:
    """Return the reason in one line. HDF5's own text contains dates, addresses and line ends."""
    if isinstance(problem, OSError) and problem.errno:
        return os.strerror(problem.errno)
    return one_line(" ".join(str(problem).split()), 300)


def listed(texts: list[str], separator: str = ", ", limit: int = 50) -> str:
    """Join texts that come from a file, as far as they fit into a message."""
    more = f" and {len(texts) - limit:,} more" if len(texts) > limit else ""
    return separator.join(one_line(text, 200) for text in texts[:limit]) + more


def all_items(file: "h5py.File") -> dict[str, Any]:
    """Return {name: Group or Dataset} of all items that are stored in the file itself.

    Raises InputError if a name leads to another place, because a weights file must not make the library read other
    files. Raises InputError also for more groups and datasets, or deeper ones, than a network has: HDF5's own walk has
    no limits.
    """
    import h5py

    found: dict[str, Any] = {}
    waiting, elsewhere = [file], []
    while waiting:
        group = waiting.pop()
        for key in group:
            name = f"{group.name}/{key}".lstrip("/")
            item = None
            if isinstance(group.get(key, getlink=True), h5py.HardLink):
                item = found[name] = group[key]
            if item is None or isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
                elsewhere.append(name)
            if isinstance(item, h5py.Group):
                waiting.append(item)
            if len(found) > MOST_ITEMS or name.count("/") > DEEPEST:
                raise InputError(f"it has more than {MOST_ITEMS:,} groups and datasets, or more than {DEEPEST} levels")
    if elsewhere:
        raise InputError(f"it keeps {listed(elsewhere)} elsewhere, behind a link")
    return found
