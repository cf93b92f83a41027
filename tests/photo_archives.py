"""Small archives with the layout of the published sets of photos, whole and hostile ones."""

import io
import tarfile
import zipfile
from hashlib import md5, sha256

import numpy as np
from PIL import Image

from weights_converter.sources.photo_sets import PHOTO_SETS


def jpeg(seed=0, side=24):
    """Bytes of a small JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def file(name, content=None, size=None, kind=tarfile.REGTYPE, link=""):
    """A member of a tar archive: (TarInfo, content). size : the announced size, by default the right one."""
    member, content = tarfile.TarInfo(name), jpeg() if content is None else content
    member.size, member.type, member.linkname = len(content) if size is None else size, kind, link
    return member, content


def tar_gz(members):
    """Bytes of a .tar.gz archive of members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return buffer.getvalue()


def in_zip(content, name="caltech-101/101_ObjectCategories.tar.gz"):
    """Bytes of a zip archive with one file, and the annotations beside it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("caltech-101/Annotations.tar", b"other")
        archive.writestr(name, content)
    return buffer.getvalue()


CALTECH = [file(f"101_ObjectCategories/{name}", content) for name, content in (
    ("Faces/image_0001.jpg", jpeg(1)), ("Faces/image_0002.jpg", jpeg(2)), ("car_side/image_0001.jpg", jpeg(3)),
    ("BACKGROUND_Google/image_0001.jpg", None), ("BACKGROUND_Google/tmp", b""), ("Faces/notes.txt", b"no photo"),
    ("Faces/._image_0001.jpg", b"hidden"), (".DS_Store", b"hidden"))]
CALTECH_FILES = ["Faces/image_0001.jpg", "Faces/image_0002.jpg", "car_side/image_0001.jpg"]
IMAGENETTE = [file(f"imagenette2-160/{name}") for name in (
    "train/n01440764/n01440764_10026.JPEG", "val/n01440764/n01440764_10026.JPEG", "val/n03888257/a b.JPEG",
    "val/n99999999/unknown.JPEG", "noisy_imagenette.csv")]
IMAGENETTE_FILES = ["parachute/val-a b.JPEG", "tench/train-n01440764_10026.JPEG", "tench/val-n01440764_10026.JPEG"]
CONTENTS = {"caltech101": in_zip(tar_gz(CALTECH)), "imagenette": tar_gz(IMAGENETTE)}


def publish_photos(monkeypatch, name, server, content):
    """Let the server send `content` as the published archive of a set, with its size and its digest."""
    known = PHOTO_SETS[name]
    digest = f"md5:{md5(content).hexdigest()}" if known.digest.startswith("md5:") else sha256(content).hexdigest()
    monkeypatch.setitem(PHOTO_SETS, name, known._replace(
        url=f"{server.host}/files/{known.file_name}?download=1", digest=digest,
        size=None if known.size is None else len(content)))
    server.content = content

