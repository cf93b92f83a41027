"""safetensors files (https://github.com/huggingface/safetensors): the length of a header, the header, the values.

Not by their library: it maps the file into memory, where the pages that were read count beside the arrays
copied from them, so that reading takes twice the file.
"""

import json
from functools import partial
from math import prod

import numpy as np

from minicnn.errors import InputError
from weights_converter.formats.stored import SIZE_LIMIT, StoredArray, read_array

HEADER_LIMIT = 10_000_000  # bytes, some 100,000 arrays; the library allows ten times as many
DIMENSION_LIMIT = 32

DTYPES = {
    "BOOL": np.dtype("?"), "U8": np.dtype("u1"), "I8": np.dtype("i1"), "U16": np.dtype("<u2"), "I16": np.dtype("<i2"),
    "U32": np.dtype("<u4"), "I32": np.dtype("<i4"), "U64": np.dtype("<u8"), "I64": np.dtype("<i8"),
    "F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "C64": np.dtype("<c8"),
    # NumPy has none of these: the converter refuses them by these names, but only among the arrays that it wants
    "BF16": np.dtype([("bfloat16", "<u2")]),
    **{kind: np.dtype([(kind, "u1")])
       for kind in ("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F4", "F6_E2M3", "F6_E3M2")},
}
BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}  # of a number, where it is not its dtype's bytes


def safetensors_arrays(file):
    """The StoredArrays of `file`, open for reading bytes; of the values nothing is read yet.

    Raises InputError for a header that is damaged or does not account for every byte of the file.
    """
    header, start = _header(file)
    _check_metadata(header.pop("__metadata__", None))
    arrays, spans = [], []
    for name, entry in header.items():
        kind, shape, (begin, end) = _checked_entry(name, entry)
        read = partial(_read_packed, name, kind) if kind in BITS else partial(
            read_array, file, start + begin, shape, DTYPES[kind])
        arrays.append(StoredArray(name, shape, DTYPES[kind], read))
        spans.append((begin, end))
    _check_coverage(spans, file.seek(0, 2) - start)
    return arrays


def _header(file):
    """The header, and where the values begin."""
    size = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise InputError("it ends before its header does")
    if length > HEADER_LIMIT:
        raise InputError(f"its header has {length:,} bytes, more than the limit of {HEADER_LIMIT:,}")
    text = file.read(length).decode("utf-8")
    if not text.startswith("{"):
        raise InputError("its header does not begin with {")
    try:
        header = json.loads(text, object_pairs_hook=_without_repeats, parse_int=_natural, parse_float=_refuse_number,
                            parse_constant=_refuse_number)
    except RecursionError:
        raise InputError("its header is nested too deeply") from None
    return header, 8 + length


def _without_repeats(pairs):
    """The pairs as a dict; also for the text in it: a lone half of a surrogate pair cannot be encoded."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InputError("its header has a key twice")
    for key, value in pairs:
        (key + value if isinstance(value, str) else key).encode("utf-8")
    return found


def _natural(digits):
    number = int(digits) if digits.isdecimal() and len(digits) <= 20 else -1
    if not 0 <= number <= SIZE_LIMIT:
        raise InputError(f"its header has the number {digits[:30]}")
    return number


def _refuse_number(digits):
    raise InputError(f"its header has the number {digits[:30]}")


def _check_metadata(metadata):
    """Whatever it says is not used."""
    if metadata is not None and not (isinstance(metadata, dict)
                                     and all(isinstance(value, str) for value in metadata.values())):
        raise InputError("its __metadata__ are not texts")


def _checked_entry(name, entry):
    """The kind, shape and offsets that the header gives for an array, where they can be true."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise InputError(f"{name[:200]!r} does not have a dtype, a shape and data_offsets")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in DTYPES:
        raise InputError(f"{name[:200]!r} has the unknown dtype {str(kind)[:50]!r}")
    if not _are_naturals(shape) or len(shape) > DIMENSION_LIMIT or prod(size or 1 for size in shape) > SIZE_LIMIT:
        raise InputError(f"{name[:200]!r} has the shape {str(shape)[:100]}")
    if not _are_naturals(offsets) or len(offsets) != 2:
        raise InputError(f"{name[:200]!r} has the data_offsets {str(offsets)[:100]}")
    bits = prod(shape) * BITS.get(kind, 8 * DTYPES[kind].itemsize)
    if bits != 8 * (offsets[1] - offsets[0]):
        raise InputError(f"{name[:200]!r} has the shape {tuple(shape)}, but {offsets[1] - offsets[0]:,} bytes")
    return kind, tuple(shape), offsets


def _are_naturals(values):
    return isinstance(values, list) and all(type(value) is int for value in values)  # True and False are no numbers


def _check_coverage(spans, size):
    """Refuse values that overlap, leave a hole, or do not end where the file does."""
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise InputError(f"its arrays overlap or leave a hole at byte {min(begin, position):,} of the values")
        position = end
    if position != size:
        raise InputError(f"its arrays have {position:,} bytes, but the file has {size:,} for them")


def _read_packed(name, kind):
    raise InputError(f"{name[:200]!r} is of {kind}, several numbers to the byte, which cannot be read")
