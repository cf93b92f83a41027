"""Small image files of many kinds, and ways to damage them."""

import io

import numpy as np
from icc_profiles import DISPLAY_P3, rgb_profile
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
TIFF_COMPRESSIONS = ("raw", "tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits", "group3", "group4", "tiff_ccitt",
                     "lzma", "zstd")
LIMIT = 4_000_000  # pixels; files that announce more are read, but would take the test's time


def sources():
    """Return {kind: the bytes of a valid file}."""
    image, exif = Image.fromarray(PIXELS), Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    rich = {"exif": exif.tobytes(), "icc_profile": rgb_profile(DISPLAY_P3, 2.2)}
    alpha = Image.fromarray(np.dstack([PIXELS, PIXELS[..., :1]]))
    sixteen = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)
    wanted = {
        "png": (image, "PNG", rich), "png rgba": (alpha, "PNG", {}), "png palette": (image.quantize(8), "PNG",
                                                                                    {"transparency": 3}),
        "png 16": (sixteen, "PNG", {}), "png 1": (image.convert("1"), "PNG", {}), "apng": (image, "PNG", frames(image)),
        "jpeg": (image, "JPEG", rich), "jpeg progressive": (image, "JPEG", {"progressive": True}),
        "jpeg cmyk": (image.convert("CMYK"), "JPEG", {}), "jpeg grey": (image.convert("L"), "JPEG", {}),
        "mpo": (image, "MPO", frames(image)), "gif": (image, "GIF", frames(image)), "webp": (image, "WEBP", rich),
        "webp lossless": (alpha, "WEBP", {"lossless": True}), "webp frames": (image, "WEBP", frames(image)),
        "bmp": (image, "BMP", {}), "bmp palette": (image.quantize(8), "BMP", {}), "tga": (alpha, "TGA", {"rle": True}),
        "ppm": (image, "PPM", {}), "pgm 16": (sixteen, "PPM", {}), "ico": (alpha, "ICO", {}),
        "pcx": (image, "PCX", {}), "sgi": (image, "SGI", {}), "dds": (alpha, "DDS", {}),
        "jp2": (image, "JPEG2000", {}), "avif": (image, "AVIF", rich), "xbm": (image.convert("1"), "XBM", {}),
        "msp": (image.convert("1"), "MSP", {}), "spider": (image.convert("F"), "SPIDER", {}), "qoi": (alpha, "QOI", {}),
        "lab": (image.convert("YCbCr"), "TIFF", {}), "tiff 16": (sixteen, "TIFF", {}),
        "tiff float": (image.convert("F"), "TIFF", {}), "tiff 32": (image.convert("I"), "TIFF", {}),
        "tiff rich": (image, "TIFF", rich), "tiff palette": (image.quantize(8), "TIFF", {})}
    for compression in TIFF_COMPRESSIONS:
        bits = compression in ("group3", "group4", "tiff_ccitt")
        wanted[f"tiff {compression}"] = (image.convert("1") if bits else image, "TIFF", {"compression": compression})
    files = {}
    for kind, (picture, format_name, options) in wanted.items():
        buffer = io.BytesIO()
        try:
            picture.save(buffer, format_name, **options)
        except (KeyError, OSError, ValueError):  # this Pillow was built without the format
            continue
        files[kind] = buffer.getvalue()
    return files


def frames(image):
    """Return the options that add two more frames."""
    return {"save_all": True, "append_images": [image.rotate(90, expand=False), image.rotate(180)]}


def damaged(files, rng):
    """Return (kind, bytes): a file with bytes changed, cut off, doubled, inserted, or with the end of another file."""
    kinds = sorted(files)
    kind = kinds[rng.integers(len(kinds))]
    data = bytearray(files[kind])
    way = rng.integers(6)
    if way <= 1:  # anywhere, or in the header
        for place in rng.integers(0, len(data) if way else min(64, len(data)), rng.integers(1, 8)):
            data[place] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
    elif way == 2:
        del data[rng.integers(len(data)):]
    elif way == 3:
        other = files[kinds[rng.integers(len(kinds))]]
        data = data[:rng.integers(1, len(data))] + other[rng.integers(len(other)):]
    elif way == 4:
        start, end = sorted(rng.integers(0, len(data), 2))
        data[start:end] = data[start:end][::-1] if rng.random() < 0.5 else data[start:end] * 2
    else:
        place = rng.integers(len(data))
        data[place:place] = rng.bytes(rng.integers(1, 40))
    return kind, bytes(data)
