"""The gallery: every technique on a photo, and index.html over it: python -m demos [PHOTO] [--model NAME]"""

import time

from demos.gallery import NAMES, write_gallery
from demos.shared.command import demo_parser, main
from demos.shared.inputs import choose_model, load_photos, short_label
from demos.shared.offer import offer_weights
from demos.shared.picture import output_folder


def run(arguments):
    """Choose the network and the photos, say which and why, make the gallery."""
    if not arguments.model:
        offer_weights()
    start = time.perf_counter()
    model, said = choose_model(arguments.model, arguments.device)
    print(said, flush=True)
    photos = load_photos(model, arguments.photos, arguments.seed)
    for photo in photos:
        label, share = photo.top[0]
        print(f"photo: {photo.name}, seen as {short_label(model, label)} ({share:.0%})", flush=True)
    files = ["index.html", *(f"{name}.png" for name in NAMES)]
    folder = output_folder(arguments.out, "gallery", files, arguments.overwrite)
    write_gallery(folder, model, said, photos, arguments.seed, lambda line: print(line, flush=True))
    print(f"done in {time.perf_counter() - start:.0f} s: open {folder / 'index.html'}")


if __name__ == "__main__":
    main(run, demo_parser("", __doc__))
