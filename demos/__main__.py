"""Make the gallery: every technique on a photo, and index.html: minicnn gallery [PHOTO] [--model NAME]

`minicnn list` prints the techniques and the command of each.
"""

import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from minicnn.errors import InputError, one_line
from minicnn.models import Model

from .gallery import Given, picture_names, write_gallery
from .gallery_page import page_files
from .shared.command import demo_parser, main
from .shared.inputs import choose_model, load_photos, short_label
from .shared.language import LANGUAGE_HELP, LANGUAGES
from .shared.offer import offer_weights
from .shared.photo_choice import choose_folder
from .shared.photo_folder import FolderPhoto, read_photos
from .shared.picture import output_folder
from .techniques import demo_names, list_of_demos

MOST = 400  # photos of a folder in the gallery


def run(arguments: Namespace) -> None:
    """Choose the network and the photos, print which and why, and make the gallery; or print the list of demos."""
    if arguments.list or (arguments.photos == ["list"] and not Path("list").exists()):
        print(list_of_demos())
        return
    require_no_demo_names(arguments.photos)
    if not arguments.model:
        offer_weights()
    start = time.perf_counter()
    model, choice = choose_model(arguments.model, arguments.device)
    print(choice, flush=True)
    photos = load_photos(model, arguments.photos, arguments.seed)
    for photo in photos:
        classified = f", classified as {short_label(model, photo.label)} ({photo.top[0][1]:.0%})" if photo.top else ""
        print(f"photo: {photo.name}{classified}", flush=True)
    files = page_files(picture_names(model))
    many, line = gallery_folder(model, arguments.folder)
    print(line, end="\n" * bool(line), flush=True)
    folder = output_folder(arguments.out, "gallery", files, arguments.overwrite)
    failed = write_gallery(folder, model, choice, Given(photos, arguments.seed, many, arguments.lang),
                           lambda line: print(one_line(line, 400), flush=True))
    print(f"done in {time.perf_counter() - start:.0f} s: open {one_line(folder / 'index.html', 300)}")
    if failed:
        print(f"{len(failed)} of the demos failed: {', '.join(failed)}", file=sys.stderr)
        sys.exit(1)


def gallery_folder(model: Model, folder: str | None) -> tuple[list[FolderPhoto] | None, str]:
    """Return up to MOST photos, spread over the folder or else over a set in the cache folder, and a line about them.

    They are None if there are no photos, or if no folder is given and the network does not know photos.
    """
    path, line = choose_folder(model, folder, None, "pictures of many photos show drawn shapes")
    return None if path is None else list(read_photos(path, most=MOST)), line


def require_no_demo_names(photos: list[str]) -> None:
    """Raise InputError if one of the photos is the name of a demo and not a file."""
    for name in photos:
        if name in demo_names() and not Path(name).exists():
            raise InputError(f"{name} is a demo, not a photo: minicnn {name} runs it, minicnn list "
                             "prints all demos")


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = demo_parser("", __doc__)
    parser.add_argument("--photos", "--folder", dest="folder", metavar="FOLDER", help="folder of photos for "
                        f"neighbours, maps and patches; at most {MOST} are used, and its sub-folders are the classes "
                        "(default: a set that `minicnn fetch caltech101` has put into the cache folder, if the network "
                        "knows photos; else drawn shapes)")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help=LANGUAGE_HELP)
    parser.add_argument("--list", action="store_true", help="print the techniques and the command of each, then exit")
    return parser


if __name__ == "__main__":
    main(run, parser())
