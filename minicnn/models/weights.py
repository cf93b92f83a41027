"""Weights in HDF5: one file a network, with everything that belongs to them.

Datasets `<layer>/w`, `<layer>/b` (OIHW; Linear (out, in)), `<layer>/gamma` … in float32, or to be small in
float16, which is read as float32; each with the sha256 of its float32 values; attributes for the architecture and
its options, name, origin, licence, source digest and preprocessing; the class names as the dataset `labels`; one
more sha256 over all of these.
"""

import hashlib
import json
import math
import os
from contextlib import contextmanager
from io import FileIO
from typing import NamedTuple

import numpy as np

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.files import replacing
from minicnn.models.preprocessing import Preprocessing

MOST_ITEMS, DEEPEST = 10_000, 10  # groups and datasets of a file; VGG-19 has 57, a Fire module 2 levels
BLOCK = 2**23  # bytes of an array that are converted, digested and written at a time
TEXTS = ("name", "architecture", "origin", "licence", "source_sha256")  # the Header's plain attributes


class Header(NamedTuple):
    """What a weights file says of itself. `options` are keyword arguments of the architecture's builder."""

    name: str
    architecture: str
    preprocessing: Preprocessing
    labels: list[str] = []
    options: dict = {}
    origin: str = ""
    licence: str = ""
    source_sha256: str = ""


def named_arrays(net):
    """{"conv1/w": array, …}: all parameters and buffers of the network."""
    arrays = {}
    for node in net.nodes:
        for key, array in {**node.layer.params, **node.layer.buffers}.items():
            arrays[f"{node.name}/{key}"] = array
    return arrays


def float32_arrays(net):
    """`named_arrays` as they are stored: float32, on the host."""
    return {name: to_host(array).astype(np.float32, copy=False) for name, array in named_arrays(net).items()}


def save_weights(path, net, header, overwrite=False, half=False):
    """Write the network's parameters and the Header to `path`; float32, through a temporary file.

    half : round to float16, three decimals, for half the size. Raises InputError where the file exists already, an
    array is not finite, or as float16 would not be, naming it, or the disk is full.
    """
    dtype = np.float16 if half else np.float32
    with np.errstate(over="ignore"):
        arrays = {name: array.astype(dtype, copy=False) for name, array in float32_arrays(net).items()}
    refuse_non_finite(arrays, path)
    with replacing(path, overwrite) as temporary:
        write_arrays(temporary, ((name, array.shape, row_blocks(array)) for name, array in arrays.items()), header,
                     dtype)


def write_arrays(path, arrays, header, dtype=np.float32):
    """Write the new file `path`, then open it again and compare.

    arrays : iterable of (name, shape, blocks); `blocks` gives the float32 values some rows at a time, so that
    a generator keeps no more than a block in memory. dtype : of the file, which holds these values exactly. Raises
    InputError where the disk is full or gives back something else, and for a senseless preprocessing. The path is
    not in the message: it is the temporary one of `replacing`.
    """
    import h5py

    header.preprocessing.check()
    digests = {}
    try:
        with _PatientFile(path, "w+") as file:
            with h5py.File(file, "w") as hdf5:
                for name, shape, blocks in arrays:
                    dataset = hdf5.create_dataset(name, shape, dtype)
                    digests[name] = _write_blocks(dataset, blocks)
                    dataset.attrs["sha256"] = _fixed_length([digests[name]])[0]
                    file.raise_problem()
                hdf5["labels"] = _fixed_length(header.labels)
                texts = {key: getattr(header, key) for key in TEXTS}
                texts["options"] = json.dumps(header.options)
                texts["preprocessing"] = json.dumps(header.preprocessing._asdict())
                texts["header_sha256"] = header_digest(header)
                for key, text in texts.items():
                    hdf5.attrs[key] = _fixed_length([text])[0]
            file.raise_problem()
    except (OSError, RuntimeError) as problem:  # HDF5 has either
        raise InputError(f"the weights cannot be written: {_reason(problem)}") from None
    read_header(path)  # compares itself with its digest
    with _opened(path) as file:
        differing = [name for name, digest in digests.items() if blocks_digest(row_blocks(file[name])) != digest]
    if differing:
        raise InputError(f"what was written reads back otherwise (a failing disk?): {', '.join(differing)}")


class _PatientFile(FileIO):
    """A file that never tells HDF5 that the disk is full: where it cannot write as it closes, it crashes.

    The first `problem`, an OSError, is kept instead, and nothing is written any more.
    """

    problem = None

    def write(self, data):
        """As every file has it; the number of bytes."""
        rest = memoryview(data)
        try:
            while len(rest) and not self.problem:
                rest = rest[super().write(rest):]  # a disk that is nearly full takes a part
        except OSError as problem:
            self.problem = problem
        return len(data)

    def truncate(self, size):
        """As every file has it; it may also make the file longer."""
        try:
            if not self.problem:
                super().truncate(size)
        except OSError as problem:
            self.problem = problem
        return size

    def raise_problem(self):
        """Raise what went wrong, if anything did."""
        if self.problem:
            raise self.problem


def _write_blocks(dataset, blocks):
    """Fill the dataset from its first row on; the digest of all values."""
    total, row = hashlib.sha256(), 0
    for block in blocks:
        dataset[row:row + len(block)] = block
        total.update(block)
        row += len(block)
    return total.hexdigest()


def row_blocks(array, row_shape=None):
    """The rows of an array or HDF5 dataset in float32 and C order, a few megabytes at a time.

    row_shape : of the rows given, the array's own by default. What is too large for float32 becomes infinite.
    """
    row_shape = array.shape[1:] if row_shape is None else row_shape
    rows = max(1, BLOCK // max(1, 4 * math.prod(row_shape)))
    for row in range(0, len(array), rows):
        block = array[row:row + rows]
        with np.errstate(over="ignore"):
            yield np.ascontiguousarray(block.reshape(len(block), *row_shape), np.float32)


def blocks_digest(blocks):
    """sha256 over the values of all blocks, hexadecimal."""
    total = hashlib.sha256()
    for block in blocks:
        total.update(block)
    return total.hexdigest()


def read_header(path):
    """The Header of a weights file.

    Raises InputError where the file is missing, damaged, no HDF5, not one of ours, or has a senseless preprocessing.
    """
    with _opened(path) as file:
        try:
            texts = {key: _text(value) for key, value in file.attrs.items()}
            preprocessing = json.loads(texts["preprocessing"])
            preprocessing |= {"mean": tuple(preprocessing["mean"]), "std": tuple(preprocessing["std"])}
            header = Header(**{key: texts[key] for key in TEXTS},
                            preprocessing=Preprocessing(**preprocessing),
                            options=dict(json.loads(texts["options"])),
                            labels=[_text(label) for label in file["labels"][:]])
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise InputError(f"{path} is no weights file of this library ({problem}); "
                             "make one with: python -m weights_converter SOURCE -o OUT.h5") from None
        if texts.get("header_sha256", header_digest(header)) != header_digest(header):
            raise InputError(f"{path} is damaged: its attributes or labels differ from their recorded digest")
        try:
            header.preprocessing.check()
        except InputError as problem:
            raise InputError(f"{path} cannot be used: {problem}") from None
    return header


def load_weights(net, path):
    """Read the parameters of every layer of `net`, on the CPU, from the file.

    Raises one InputError that names all missing, extra and misshaped keys; non-finite and damaged arrays
    likewise.
    """
    import h5py

    wanted = named_arrays(net)
    with _opened(path) as file:
        found = {name: item for name, item in _all_items(file).items() if isinstance(item, h5py.Dataset)}
        found.pop("labels", None)
        problems = [f"missing {name}" for name in wanted if name not in found]
        problems += [f"extra {name}" for name in found if name not in wanted]
        problems += [f"{name} has shape {found[name].shape}, expected {array.shape}"
                     for name, array in wanted.items() if name in found and found[name].shape != array.shape]
        problems += [f"{name} holds {found[name].dtype}, expected float32 or float16"
                     for name in wanted if name in found and found[name].dtype not in (np.float32, np.float16)]
        if problems:
            raise InputError(f"{path} does not fit the network: {'; '.join(problems)}")
        arrays = {name: found[name][()].astype(np.float32, copy=False) for name in wanted}
        damaged = [name for name in wanted if _text(found[name].attrs.get("sha256")) != digest(arrays[name])]
    if damaged:
        raise InputError(f"{path} is damaged: {', '.join(damaged)} differ from their recorded digests")
    refuse_non_finite(arrays, path)
    for node in net.nodes:
        for values in (node.layer.params, node.layer.buffers):
            for key in values:
                values[key] = arrays[f"{node.name}/{key}"]


def refuse_non_finite(arrays, path):
    """Raise InputError naming every array with a NaN or an infinity in it."""
    bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if bad:
        raise InputError(f"{path}: weights that are not finite in {', '.join(bad)}")


def digest(array):
    """sha256 of an array's float32 values in C order, hexadecimal."""
    return blocks_digest(row_blocks(array))


def header_digest(header):
    """sha256 of everything that the Header says, hexadecimal."""
    return hashlib.sha256(json.dumps(header).encode()).hexdigest()


def weights_digest(net):
    """One sha256 over the names and values of all the network's arrays, for run cards."""
    total = hashlib.sha256()
    for name, array in sorted(named_arrays(net).items()):
        total.update(f"{name} {digest(to_host(array))}\n".encode())
    return total.hexdigest()


def _fixed_length(texts):
    """Strings as an array of fixed length: damaged bytes of the other kind can crash or hang HDF5 2.0."""
    texts = [text.encode() for text in texts]
    return np.array(texts, f"S{max(map(len, texts), default=0) or 1}")


def _text(value):
    """A string as HDF5 gives it back: bytes where it was of fixed length."""
    return value.decode() if isinstance(value, bytes) else str(value)


@contextmanager
def _opened(path):
    """The HDF5 file, open for reading; whatever HDF5 raises on damaged bytes becomes an InputError."""
    import h5py

    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, ValueError) as problem:
        raise InputError(f"{path} cannot be read as HDF5: {_reason(problem)}; weights in other formats are "
                         "converted first, by python -m weights_converter") from None
    with file:
        try:
            try:
                _all_items(file)
            except InputError as problem:
                raise InputError(f"{path} is refused: {problem}") from None
            yield file
        except InputError:
            raise
        except Exception as problem:  # h5py has no error of its own: OSError, RuntimeError, KeyError, …
            raise InputError(f"{path} is damaged: {_reason(problem)}") from None


def _reason(problem):
    """What HDF5 complains of, in one line: its own text has dates, addresses and line ends in it."""
    if isinstance(problem, OSError) and problem.errno:
        return os.strerror(problem.errno)
    return " ".join(str(problem).split())


def _all_items(file):
    """{name: Group or Dataset} of everything that lies in the file itself.

    Raises InputError where a name leads elsewhere, as a weights file must not make us read another file, and
    for more groups and datasets, or deeper ones, than a network has: HDF5's own walk has no bounds.
    """
    import h5py

    found, waiting, elsewhere = {}, [file], []
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
                raise InputError(f"it has more than {MOST_ITEMS:,} groups and datasets, or {DEEPEST} within each other")
    if elsewhere:
        raise InputError(f"it keeps {', '.join(elsewhere)} elsewhere, behind a link")
    return found
