"""safetensors files (https://github.com/huggingface/safetensors): the header's length, the header, the values.

The safetensors library maps the file into memory. The mapped pages count as memory, and so do the arrays
copied from them, so reading takes twice the file's size. This reader copies each array straight from the file.
"""

import json
from functools import partial
from math import prod
from typing import Any, NoReturn

import numpy as np

from minicnn.errors import InputError

from .number_formats import record
from .stored import SIZE_LIMIT, SourceFile, StoredArray, read_array

HEADER_LIMIT = 10_000_000  # bytes, about 100,000 arrays; the library allows ten times as many
DIMENSION_LIMIT = 32

DTYPES = {
    "BOOL": np.dtype("?"), "U8": np.dtype("u1"), "I8": np.dtype("i1"), "U16": np.dtype("<u2"), "I16": np.dtype("<i2"),
    "U32": np.dtype("<u4"), "I32": np.dtype("<i4"), "U64": np.dtype("<u8"), "I64": np.dtype("<i8"),
    "F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "C64": np.dtype("<c8"),
    "BF16": record("bfloat16", "<u2"), "F8_E4M3": record("float8_e4m3fn"), "F8_E5M2": record("float8_e5m2"),
    "F8_E4M3FNUZ": record("float8_e4m3fnuz"), "F8_E5M2FNUZ": record("float8_e5m2fnuz"),
    "F8_E8M0": record("float8_e8m0fnu"),
    # `match` refuses these by their names, but only in arrays that the network needs: their packing is not specified
    **{kind: record(kind) for kind in ("F4", "F6_E2M3", "F6_E3M2")},
}
BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}  # bits of a number, for the types that share bytes


def safetensors_arrays(file: SourceFile) -> list[StoredArray]:
    """List the arrays of `file`. No values are read.

    Raises InputError if the header is damaged or does not account for every byte of the file.
    """
    header, start = _header(file)
    _require_metadata(header.pop("__metadata__", None))
    arrays, spans = [], []
    for name, entry in header.items():
        kind, shape, (begin, end) = _require_entry(name, entry)
        read = partial(_refuse_packed, name, kind) if kind in BITS else partial(
            read_array, file, start + begin, shape, DTYPES[kind])
        arrays.append(StoredArray(name, shape, DTYPES[kind], read))
        spans.append((begin, end))
    _require_coverage(spans, file.seek(0, 2) - start)
    return arrays


def _header(file: SourceFile) -> tuple[dict[str, Any], int]:
    """Return the header and the position of the first value."""
    size = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise InputError("it ends before its header does; download it again")
    if length > HEADER_LIMIT:
        raise InputError(f"its header has {length:,} bytes, more than the limit of {HEADER_LIMIT:,}; the file is "
                         "damaged")
    text = file.read(length).decode("utf-8")
    if not text.startswith("{"):
        raise InputError("its header does not begin with {; the file is damaged")
    try:
        header = json.loads(text, object_pairs_hook=_unique_keys, parse_int=_natural, parse_float=_refuse_number,
                            parse_constant=_refuse_number)
    except RecursionError:
        raise InputError("its header is nested too deeply; the file is damaged") from None
    return header, 8 + length


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs of a JSON object as a dict. Raises InputError if a key is repeated.

    Encoding the texts finds unpaired surrogates, which could not be printed; it raises UnicodeEncodeError.
    """
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise InputError("its header has the same key twice; the file is damaged")
    for key, value in pairs:
        (key + value if isinstance(value, str) else key).encode("utf-8")
    return entries


def _natural(digits: str) -> int:
    """Parse an integer of the header: from 0 to SIZE_LIMIT."""
    number = int(digits) if digits.isdecimal() and len(digits) <= 20 else -1
    if not 0 <= number <= SIZE_LIMIT:
        _refuse_number(digits)
    return number


def _refuse_number(digits: str) -> NoReturn:
    """Raise InputError for a number that a header cannot contain."""
    raise InputError(f"its header has the number {digits[:30]}, which is no size or offset; the file is damaged")


def _require_metadata(metadata: Any) -> None:
    """Raise InputError if the metadata, which is not used, is not a dict of texts."""
    if metadata is not None and not (isinstance(metadata, dict)
                                     and all(isinstance(value, str) for value in metadata.values())):
        raise InputError("its __metadata__ is not a dict of texts; the file is damaged")


def _require_entry(name: str, entry: Any) -> tuple[str, tuple[int, ...], list[int]]:
    """Return the (type, shape, offsets) of an array from its entry in the header.

    Raises InputError if one is missing, unknown, or does not fit the others.
    """
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise InputError(f"{name[:200]!r} does not have a dtype, a shape and data_offsets")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in DTYPES:
        raise InputError(f"{name[:200]!r} has the unknown dtype {str(kind)[:50]!r}; save it as F32")
    if not _are_naturals(shape) or len(shape) > DIMENSION_LIMIT or prod(size or 1 for size in shape) > SIZE_LIMIT:
        raise InputError(f"{name[:200]!r} has the impossible shape {str(shape)[:100]}; the file is damaged")
    if not _are_naturals(offsets) or len(offsets) != 2:
        raise InputError(f"{name[:200]!r} has the impossible data_offsets {str(offsets)[:100]}; the file is damaged")
    bits = prod(shape) * BITS.get(kind, 8 * DTYPES[kind].itemsize)
    if bits != 8 * (offsets[1] - offsets[0]):
        raise InputError(f"{name[:200]!r} has the shape {tuple(shape)}, but {offsets[1] - offsets[0]:,} bytes; the "
                         "file is damaged")
    return kind, tuple(shape), offsets


def _are_naturals(values: Any) -> bool:
    """Return True for a list of integers; True and False do not count as integers."""
    return isinstance(values, list) and all(type(value) is int for value in values)


def _require_coverage(spans: list[tuple[int, int]], size: int) -> None:
    """Raise InputError unless the values cover `size` bytes without overlap or hole."""
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise InputError(f"its arrays overlap or leave a hole at byte {min(begin, position):,} of the values; the "
                             "file is damaged")
        position = end
    if position != size:
        raise InputError(f"its arrays take {position:,} bytes, but the file has {size:,} for them; download it again")


def _refuse_packed(name: str, kind: str) -> NoReturn:
    """Raise InputError for an array whose numbers share bytes."""
    raise InputError(f"{name[:200]!r} has the type {kind}, with several numbers to the byte, which cannot be read; "
                     "save it as F32")
