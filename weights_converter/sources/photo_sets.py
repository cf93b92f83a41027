"""Published sets of photos: the address of each, its digest, its licence, and the layout of its archive."""

from pathlib import Path
from typing import NamedTuple

from minicnn.models import cache_folder


class PhotoSet(NamedTuple):
    """One archive of photos on the web, whose folders are the classes.

    name : of the folder in the cache.
    url : address of the archive.
    size : in bytes; None if it is unknown.
    digest : the sha256 of the archive in hexadecimal, or "md5:" and its md5.
    inner : the archive inside a zip archive that holds the photos; "" if the archive itself is a tar archive.
    root : the folder of the archive that holds the folders of the classes, directly or below one of `parts`.
    parts : folders between `root` and the classes, such as ("train", "val"); () if there are none.
    classes : {folder in the archive: name of the class}; {} if each folder has its class's name.
    left_out : folders that are no classes.
    licence, citation : of the photos.
    """

    name: str
    url: str
    size: int | None
    digest: str
    inner: str
    root: str
    parts: tuple[str, ...]
    classes: dict[str, str]
    left_out: tuple[str, ...]
    licence: str
    citation: str

    @property
    def file_name(self) -> str:
        """Name of the archive at its publisher."""
        return self.url.rpartition("/")[2].partition("?")[0]

    @property
    def folder(self) -> Path:
        """The folder in the cache that has a sub-folder for each class. Raises InputError if there is no cache."""
        return photos_folder() / self.name


IMAGENETTE_CLASSES = {
    "n01440764": "tench", "n02102040": "English springer", "n02979186": "cassette player", "n03000684": "chain saw",
    "n03028079": "church", "n03394916": "French horn", "n03417042": "garbage truck", "n03425413": "gas pump",
    "n03445777": "golf ball", "n03888257": "parachute"}

# The publishers, or libraries that load these sets, state the sizes and digests. A size that nobody states is None, as
# a guessed one could refuse the right file.
SETS = (
    PhotoSet("caltech101", "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip?download=1",
             137_414_764, "331234750fc7f77520e50d9565e8b6907b03565e30320da1401130db08c61f91",
             "caltech-101/101_ObjectCategories.tar.gz", "101_ObjectCategories", (), {}, ("BACKGROUND_Google",),
             "CC BY 4.0", "Li, Andreeto, Ranzato and Perona 2022, Caltech 101, CaltechDATA, doi:10.22002/D1.20086"),
    PhotoSet("imagenette", "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",
             None, "md5:e793b78cc4c9e9a4ccc0c1155377a412",
             "", "imagenette2-160", ("train", "val"), IMAGENETTE_CLASSES, (),
             "photos of ImageNet, for non-commercial research and education",
             "Howard 2019, https://github.com/fastai/imagenette; ten classes of ImageNet, Deng et al. 2009"),
)
PHOTO_SETS = {photo_set.name: photo_set for photo_set in SETS}


def photos_folder() -> Path:
    """Return the folder of fetched photos in the cache. Raises InputError if there is no cache folder."""
    return cache_folder() / "photos"
