"""The flight into a dream, for demos.deepdream --zoom: frame by frame into a folder, and as an animation."""

import json
import sys

import numpy as np
from tqdm import tqdm

from demos.shared.long_run import model_settings
from demos.shared.picture import Picture, demo_folder, make_folder, run_demo
from minicnn import images, plot
from minicnn.errors import InputError
from minicnn.files import replacing
from minicnn.visualize.synthesis.deepdream import dream_zoom
from minicnn.visualize.synthesis.deepdream_check import check_dream_zoom

NAMES = ("deepdream_zoom",)
SOURCE = ("Mordvintsev, Olah and Tyka 2015, Inceptionism; the settings are those of their notebook, google/deepdream "
          "dream.ipynb")
SMOOTH = {"interpolation": "antialiased"}  # of photos, which are shown smaller than they are


class Flight:
    """The frames of one flight on disk: folder/frames/0000.png, 0001.png, …, and settings.json, by which a flight that
    goes on knows that it is the same one."""

    def __init__(self, folder, num_frames, suffix):
        self.folder, self.num_frames, self.frames = folder, num_frames, folder / "frames"
        self.animation = folder / f"{NAMES[0]}.{suffix}"

    def path(self, number):
        """Where that frame is, or will be."""
        return self.frames / f"{number:04d}.png"

    @property
    def files(self):
        """The frames that are there, up to the first gap."""
        files = []
        while len(files) < self.num_frames and self.path(len(files)).is_file():
            files.append(self.path(len(files)))
        return files

    def begin(self, settings):
        """Make the folder, without the frames of an earlier flight."""
        make_folder(self.frames)
        for file in self.frames.glob("[0-9][0-9][0-9][0-9].png"):
            file.unlink()
        with replacing(self.frames / "settings.json", overwrite=True) as temporary:
            temporary.write_text(json.dumps(settings, indent=1), encoding="utf-8")

    def go_on(self, settings):
        """Raise InputError where there is nothing to go on from, or another flight's frames."""
        try:
            theirs = json.loads((self.frames / "settings.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise InputError(f"there is no flight to go on with in {self.folder}: --resume needs the --out folder of "
                             "one that was interrupted") from None
        mine = json.loads(json.dumps(settings))
        other = [f"{key} {theirs.get(key)}, not {mine.get(key)}" for key in mine if theirs.get(key) != mine.get(key)]
        if other:
            raise InputError(f"{self.frames} holds the frames of another flight: it has {'; '.join(other)}")

    def save(self, picture):
        """Write the next frame, uint8 (H, W, 3)."""
        images.save_image(self.path(len(self.files)), picture, overwrite=True)


def run(model, name, photo, caption, sought, settings, tile, kept, arguments):
    """Fly, save. sought, settings, tile : of `deep_dream`. kept : all that the frames depend on but their number."""
    if f".{arguments.animation}" not in images.ANIMATED:
        raise InputError(f"an animation is written as gif or webp, not {arguments.animation!r}")
    if arguments.resume and not arguments.out:
        raise InputError("--resume needs the --out folder of the flight that was interrupted")
    folder = demo_folder(arguments, (*NAMES, "frames/0000"))
    flight = Flight(folder, arguments.zoom, arguments.animation)
    kept = model_settings(model) | kept | {"zoom": arguments.zoom_by}
    if arguments.resume:
        flight.go_on(kept)
    run_demo(pictures(model, name, photo, caption, sought, settings, tile, kept, flight, arguments.resume), model,
             arguments, NAMES, folder)


def pictures(model, name, photo, caption, sought, settings, tile, kept, flight, resume):
    """The Picture of some frames, after the flight or, at Ctrl-C, a part of it; the animation is written before."""
    first = len(flight.files) if resume else 0
    x = model.preprocessing.to_input(images.load_image(flight.path(first - 1)) if first else photo)
    frames = dream_zoom(model.net, x, model.preprocessing, num_frames=flight.num_frames, first=first, tile=tile,
                        zoom=kept["zoom"], rng=np.random.default_rng(kept["seed"]), **sought, **settings)
    stopped = None
    try:
        for number, frame in enumerate(tqdm(frames, f"{name}, {caption}", flight.num_frames, initial=first,
                                            unit="frame", leave=False, disable=None), first):
            if number == 0:
                flight.begin(kept)
            flight.save(model.preprocessing.to_image(frame))
    except KeyboardInterrupt as problem:
        stopped = problem
    if flight.path(0).is_file():
        yield picture(model, name, photo, caption, sought, settings, kept, flight, stopped)
    if stopped is not None:
        if flight.files:
            print(f"go on with the same command and --resume --out {flight.folder}", file=sys.stderr)
        raise stopped


def picture(model, name, photo, caption, sought, settings, kept, flight, stopped):
    """The animation is written; the Picture of the photo and of frames from the first to the last."""
    files = flight.files
    images.save_animation(flight.animation, map(images.load_image, files), overwrite=True)
    shown = sorted({0, len(files) // 4, len(files) // 2, 3 * len(files) // 4, len(files) - 1})
    panels = [(name, photo, SMOOTH)] + [(f"frame {i}", images.load_image(files[i]), SMOOTH) for i in shown]
    title = f"{model.name}: a flight of {len(files)} frames into {name}, {caption}" + (", stopped" if stopped else "")
    first, last = (model.preprocessing.to_input(picture) for picture in (photo, images.load_image(files[-1])))
    return Picture(
        NAMES[0], title, plot.show_panels(panels, min(3, len(panels)), title), last,
        "Each frame is the one before it, cut off at the borders, enlarged to its old size and dreamt on: soon nothing "
        f"of the photo is left. The frames are in frames, the animation is {flight.animation.name}.",
        SOURCE, check_dream_zoom(model.net, first, last, **sought),
        {"photo": name, "dream": caption, "frames": len(files)} | kept | settings)
