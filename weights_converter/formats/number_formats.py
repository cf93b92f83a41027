"""The number formats that NumPy lacks and float32 holds exactly: bfloat16, float8, float4 and 4-bit integers.

The readers represent such an array by a record of its bits with one field, whose name is the format's:
np.dtype([("bfloat16", "<u2")]). Messages show that name. `widened` looks every value up in a table of all bit patterns.
Formats: https://onnx.ai/onnx/technical/float8.html, OCP Microscaling Formats (MX) 1.0.
"""

import re
from collections.abc import Iterable

import numpy as np

from minicnn.backend import Array

SHORT_FLOATS = {  # name -> bits of the exponent, bits of the mantissa, bias, the patterns that are no finite number
    "float8_e4m3fn": (4, 3, 7, "all ones"), "float8_e5m2": (5, 2, 15, "IEEE"),
    "float8_e4m3fnuz": (4, 3, 8, "minus zero"), "float8_e5m2fnuz": (5, 2, 16, "minus zero"),
    "float4_e2m1": (2, 1, 1, "none"),
}
SAVED_SCALES = re.compile(r"(^|[._/:])(scales?|\w+_scales?|\w*scale_inv|zero_points?|\w+_zero_points?|qzeros|qweight|"
                          r"SCB|absmax|quant_map|quant_state\w*|weight_format|_packed_params)($|[._/:])")


def record(name: str, bits: str = "u1") -> np.dtype:
    """Return the dtype that stands for the format of that name."""
    return np.dtype([(name, bits)])


def type_name(dtype: np.dtype) -> str:
    """Return the name of a type, for messages: float32, or bfloat16."""
    return dtype.names[0] if dtype.names else str(dtype)


def is_weight_type(dtype: np.dtype) -> bool:
    """Return True for float64, which is rounded, and for every type that float32 holds exactly."""
    if dtype.names:
        return len(dtype.names) == 1 and (dtype.names[0] in ("bfloat16", "float8_e8m0fnu") or
                                          dtype.names[0] in SHORT_FLOATS)
    if dtype.kind == "f":
        return dtype.itemsize in (2, 4, 8)
    return dtype.kind == "b" or dtype.kind in "iu" and dtype.itemsize <= 2


def is_short(dtype: np.dtype) -> bool:
    """Return True for a type that is common in quantised files: integers, and floats of 8 or 4 bits."""
    return dtype.kind in "iu" or bool(dtype.names) and dtype.names != ("bfloat16",)


def scales_of(names: Iterable[str]) -> list[str]:
    """Return the names of scales and zero points, which show that a file's integers are quantised weights."""
    return [name for name in names if SAVED_SCALES.search(name)]


def widened(values: Array) -> Array:
    """Return the values of an array in one of these formats as float32; an array of another dtype as it is."""
    if not values.dtype.names:
        return values
    name = values.dtype.names[0]
    bits = values[name]
    if name == "bfloat16":  # the upper half of a float32
        return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return table(name)[bits]


def table(name: str) -> Array:
    """Return the float32 values of all bit patterns of a format, in their order."""
    if name == "float8_e8m0fnu":  # only an exponent
        return np.append(np.ldexp(np.float32(1), np.arange(-127, 128)), np.float32(np.nan)).astype(np.float32)
    exponent_bits, mantissa_bits, bias, special = SHORT_FLOATS[name]
    bits = np.arange(2 ** (1 + exponent_bits + mantissa_bits))
    exponent, mantissa = bits >> mantissa_bits & 2**exponent_bits - 1, bits & 2**mantissa_bits - 1
    negative = bits >> exponent_bits + mantissa_bits == 1
    significand = np.where(exponent > 0, 2**mantissa_bits + mantissa, mantissa)  # without an exponent: subnormal
    values = np.ldexp(significand.astype(np.float32), np.maximum(exponent, 1) - bias - mantissa_bits)
    largest = exponent == 2**exponent_bits - 1
    if special == "IEEE":
        values[largest] = np.where(mantissa[largest] == 0, np.inf, np.nan)
    elif special == "all ones":
        values[largest & (mantissa == 2**mantissa_bits - 1)] = np.nan
    values = np.where(negative, -values, values)
    if special == "minus zero":
        values[negative & (exponent == 0) & (mantissa == 0)] = np.nan
    return values.astype(np.float32)
