"""Damaged files for the tests of readers."""

import struct


def multi_line_header():
    """Return a .npz whose array has a header so long that NumPy's error message has several lines."""
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", 20_000) + b"{" + b" " * 19_998 + b"\n"
