"""Colour profiles, byte by byte, for the tests. Pillow can make no other one than sRGB's."""

import struct

# The primaries of Display P3 and Adobe RGB (1998), adapted to the white of profiles, D50.
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
D50 = (0.9642, 1.0, 0.8249)


def rgb_profile(primaries, gamma):
    """Return the bytes of a profile of RGB colours with these primaries (X, Y, Z) and one gamma."""
    tags = {b"wtpt": xyz(D50)} | {name + b"XYZ": xyz(value) for name, value in zip((b"r", b"g", b"b"), primaries,
                                                                                     strict=True)}
    return profile(b"RGB ", tags | {name + b"TRC": curve(gamma) for name in (b"r", b"g", b"b")})


def grey_profile(gamma):
    """Return the bytes of a profile of grey values with a gamma."""
    return profile(b"GRAY", {b"wtpt": xyz(D50), b"kTRC": curve(gamma)})


def xyz(values):
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def curve(gamma):
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def profile(space, tags):
    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(79), **tags,
            b"cprt": b"text" + bytes(4) + b"none\0\0\0\0"}
    table, content, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(content), len(value))
        content += value.ljust(-(-len(value) // 4) * 4, b"\0")
    size = start + len(content)
    header = (struct.pack(">I4s", size, b"none") + b"\x02\x10\0\0mntr" + space + b"XYZ " + bytes(12) + b"acsp"
              + bytes(28) + xyz(D50)[8:])
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + content
