"""TIFF files of any kind, byte by byte, for the tests: Pillow writes only a few of the kinds that it reads."""

import struct

SHORT, LONG = 3, 4
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSET, SAMPLES, STRIP_BYTES, FORMAT = (
    256, 257, 258, 259, 262, 273, 277, 279, 339)
EXTRA = 338  # tag of the meaning of an extra channel: 0 unspecified, 1 premultiplied alpha, 2 alpha


def write_tiff(path, pixels, photometric=1, bits=None, sample_format=1, order="<", more=None):
    """Write an uncompressed TIFF of `pixels`, an array (H, W) or (H, W, C), whose bytes are written as they are.

    bits : of each channel; by default, the dtype's. more : {tag: whole number}.
    """
    H, W, *channels = pixels.shape
    C = channels[0] if channels else 1
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    bits = bits or pixels.dtype.itemsize * 8
    tags = {WIDTH: (W,), HEIGHT: (H,), BITS: (bits,) * C, COMPRESSION: (1,), PHOTOMETRIC: (photometric,),
            OFFSET: (8,), SAMPLES: (C,), STRIP_BYTES: (len(data),), FORMAT: (sample_format,) * C}
    tags |= {tag: (value,) for tag, value in (more or {}).items()}
    directory, extra, end = b"", b"", 8 + len(data) + len(data) % 2
    after = end + 2 + 12 * len(tags) + 4
    for tag in sorted(tags):
        values = tags[tag]
        kind, letter = (SHORT, "H") if max(values) < 65536 else (LONG, "I")
        content = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(content) > 4:
            content, extra = struct.pack(f"{order}I", after + len(extra)), extra + content
        directory += struct.pack(f"{order}HHI", tag, kind, len(values)) + content.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", end)
    path.write_bytes(head + data + b"\0" * (len(data) % 2) + struct.pack(f"{order}H", len(tags)) + directory
                     + bytes(4) + extra)
