"""The kinds of image files that Pillow can read, and the names of other kinds."""

import os
from functools import cache
from pathlib import Path

from PIL import Image

# Formats that Pillow recognizes without being able to decode them, and EPS, which it decodes by running a program.
NOT_DECODED = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF")

CONVERT = "convert it to PNG or JPEG"
RAW = f"raw data of a camera; {CONVERT} with the camera's program"
VIDEO = "a video; save one of its frames as PNG"
HEIC = f"HEIC, which Pillow cannot read; {CONVERT}, or choose JPEG in the phone's camera settings"
AVIF = f"AVIF, which needs Pillow 11.3 or newer; update Pillow, or {CONVERT}"
ARCHIVE = "an archive; unpack it first"

# Pictures and related files by their suffix, for files that are skipped in a folder or cannot be read.
OTHER_SUFFIXES = {
    **dict.fromkeys((".heic", ".heif", ".hif"), HEIC),
    **dict.fromkeys((".avif", ".avifs"), AVIF),
    ".jxl": f"JPEG XL, which Pillow cannot read; {CONVERT}",
    **dict.fromkeys((".jxr", ".wdp", ".hdp"), f"JPEG XR, which Pillow cannot read; {CONVERT}"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".dng", ".orf", ".rw2", ".raf", ".pef",
                     ".srw", ".crw", ".3fr", ".iiq", ".x3f", ".raw"), RAW),
    **dict.fromkeys((".svg", ".svgz"), f"a drawing in SVG, without pixels; {CONVERT}"),
    **dict.fromkeys((".eps", ".ps", ".ai"), f"PostScript, a program that draws; {CONVERT}"),
    ".pdf": f"a PDF document; {CONVERT}",
    **dict.fromkeys((".wmf", ".emf"), f"a drawing of Windows; {CONVERT}"),
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".3gp"), VIDEO),
    **dict.fromkeys((".exr", ".hdr"), f"a picture of unlimited brightness; {CONVERT}"),
    **dict.fromkeys((".xcf", ".kra", ".clip"), f"the file of a paint program; {CONVERT} by exporting it there"),
    **dict.fromkeys((".dcm", ".dicom", ".nii"), f"a medical image; {CONVERT}"),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".xz", ".bz2"), ARCHIVE),
}

# The first bytes of files: (offset, bytes, the file's kind).
SIGNATURES = (
    (4, b"ftyphei", HEIC), (4, b"ftyphev", HEIC), (4, b"ftypmif1", HEIC), (4, b"ftypmsf1", HEIC),
    (4, b"ftypavif", AVIF), (4, b"ftypavis", AVIF), (4, b"ftypcrx", RAW),
    (4, b"ftyp", VIDEO), (0, b"\x1aE\xdf\xa3", VIDEO), (8, b"AVI ", VIDEO), (0, b"\0\0\x01\xba", VIDEO),
    (0, b"\0\0\x01\xb3", VIDEO),
    (0, b"\xff\x0a", OTHER_SUFFIXES[".jxl"]), (0, b"\0\0\0\x0cJXL ", OTHER_SUFFIXES[".jxl"]),
    (0, b"II\xbc", OTHER_SUFFIXES[".jxr"]), (8, b"CR", RAW), (0, b"FUJIFILM", RAW), (0, b"IIRO", RAW),
    (0, b"IIU\0", RAW),
    (0, b"%PDF", OTHER_SUFFIXES[".pdf"]), (0, b"%!PS", OTHER_SUFFIXES[".eps"]), (0, b"v/1\x01", OTHER_SUFFIXES[".exr"]),
    (0, b"\xc5\xd0\xd3\xc6", OTHER_SUFFIXES[".eps"]), (0, b"#?RADIANCE", OTHER_SUFFIXES[".hdr"]),
    (0, b"gimp xcf", OTHER_SUFFIXES[".xcf"]), (128, b"DICM", OTHER_SUFFIXES[".dcm"]),
    (0, b"\xd7\xcd\xc6\x9a", OTHER_SUFFIXES[".wmf"]),
    (0, b"PK\x03\x04", ARCHIVE), (0, b"\x1f\x8b", ARCHIVE), (0, b"7z\xbc\xaf", ARCHIVE), (0, b"Rar!", ARCHIVE),
    (0, b"\x93NUMPY", "a NumPy array; save it as an image with minicnn.images.save_image"),
    (0, b"\x89HDF", "an HDF5 file, not an image; a network's weights belong to --model"),
    (0, b"version https://git-lfs", "a pointer of git-LFS, not the image itself; fetch it with: git lfs pull"),
    (0, b"\0\x05\x16\x07", "the resource part of a Macintosh file (AppleDouble), not the image itself; choose the "
                           "file without ._ in its name"),
)


@cache
def readable_suffixes() -> tuple[str, ...]:
    """Return the suffixes, in lower case, of the image files that the installed Pillow can read, such as ".png".

    >>> ".jpg" in readable_suffixes(), ".pdf" in readable_suffixes()
    (True, False)
    """
    Image.init()
    return tuple(sorted(suffix for suffix, name in Image.registered_extensions().items()
                        if (name in Image.OPEN or name == "MPO") and name not in NOT_DECODED))  # MPO opens as JPEG


def other_kind(path: str | Path) -> str | None:
    """Return the name of the file's kind and the way out if Pillow cannot read this kind; None for other files."""
    try:
        with open(path, "rb") as file:
            head = file.read(1024)
    except (OSError, ValueError):
        head = b""
    suffix = os.path.splitext(path)[1].lower()
    for offset, signature, kind in SIGNATURES:
        if head[offset:].startswith(signature) and not (kind == AVIF and ".avif" in readable_suffixes()):
            return kind
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page, not an image; download the image itself"
    if b"<svg" in text:
        return OTHER_SUFFIXES[".svg"]
    return None if suffix in readable_suffixes() else OTHER_SUFFIXES.get(suffix)


def looks_like_picture(path: str | Path) -> bool:
    """Return True if the file begins like a PNG, JPEG, GIF, WebP, BMP, TIFF or AVIF image. The name does not matter."""
    try:
        with open(path, "rb") as file:
            head = file.read(16)
    except (OSError, ValueError):
        return False
    return (head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"))
            or head[:4] == b"RIFF" and head[8:12] == b"WEBP" or head[:2] == b"BM" and head[6:10] == b"\0\0\0\0"
            or head[4:12] == b"ftypavif")
