"""The choice of many photos: a folder that the user names, or a fetched set in the cache folder."""

from argparse import ArgumentParser
from pathlib import Path

from minicnn.errors import InputError, one_line
from minicnn.models import Model

from .converter import PHOTO_SETS

WITHOUT_PHOTOS = ("shapes", "digits")  # the shipped networks that were not trained on photos
HOW_TO_GET = ("minicnn fetch caltech101 gets a set of them (137 MB), and --photos FOLDER takes "
              "your own")


def add_photos_option(parser: ArgumentParser) -> None:
    """Add --photos FOLDER."""
    parser.add_argument("--photos", dest="photo_folder", metavar="FOLDER", help="folder of photos; the names of its "
                        "sub-folders are the classes (default: a set that `minicnn fetch "
                        "caltech101` has put into the cache folder, if the network knows photos; else drawn shapes)")


def choose_folder(model: Model, given: str | None, option: str | None, instead: str) -> tuple[Path | None, str]:
    """Return the folder of photos, or None if there is none, and a line that says which photos are used, and why.

    given : the argument FOLDER. option : the argument of --photos. instead : the sentence that names the pictures used
    if there are no photos. The line is empty for a folder that the user has named.
    Raises InputError if there are both arguments.
    """
    if given and option:
        raise InputError("give a FOLDER or --photos FOLDER, not both")
    if given or option:
        return Path(str(given or option)), ""
    if not knows_photos(model):
        return None, instead
    fetched = fetched_photos()
    if fetched is None:
        return None, f"{instead}; {one_line(model.name, 60)} knows photos, which show more: {HOW_TO_GET}"
    return fetched, f"photos: the set {fetched.name} in {one_line(fetched.parent, 300)}, as no folder is given"


def knows_photos(model: Model) -> bool:
    """Return True if the network was trained on photos in colour, as far as its name and its input tell."""
    return model.name not in WITHOUT_PHOTOS and model.net.input_shape[0] == 3


def fetched_photos() -> Path | None:
    """Return the folder of the first published set of photos in the cache folder, or None."""
    try:
        return next((one.folder for one in PHOTO_SETS.values() if one.folder.is_dir()), None)
    except InputError:  # there is no cache folder
        return None
