"""The zoom into a dream, for demos.deepdream --zoom: the frames in a folder, and an animation."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from minicnn import images, plot
from minicnn.errors import InputError
from minicnn.files import remove_leftovers, replacing
from minicnn.program import note_kept
from minicnn.visualize.synthesis.deepdream import dream_zoom
from minicnn.visualize.synthesis.deepdream_check import check_dream_zoom

from .shared.claim import make_folder
from .shared.long_run import model_settings
from .shared.picture import Picture, demo_folder, run_demo

NAMES = ("deepdream_zoom",)
SOURCE = ("Mordvintsev, Olah and Tyka 2015, Inceptionism; settings of their notebook, google/deepdream dream.ipynb")
SMOOTH = {"interpolation": "antialiased"}  # for photos, which the figure shows reduced


class ZoomFolder:
    """The files of one zoom: folder/frames/0000.png, 0001.png, …, and settings.json, which a resumed zoom compares."""

    def __init__(self, folder, num_frames, suffix):
        self.folder, self.num_frames, self.frames = folder, num_frames, folder / "frames"
        self.animation = folder / f"{NAMES[0]}.{suffix}"

    def path(self, number):
        """Return the path of a frame."""
        return self.frames / f"{number:04d}.png"

    @property
    def files(self):
        """The existing frames, up to the first gap."""
        files: list[Path] = []
        while len(files) < self.num_frames and self.path(len(files)).is_file():
            files.append(self.path(len(files)))
        return files

    def clear(self):
        """Remove the frames of an earlier zoom."""
        for file in self.frames.glob("[0-9][0-9][0-9][0-9].png"):
            file.unlink()

    def begin(self, settings):
        """Make the folder of the frames, and write the settings into it."""
        make_folder(self.frames)
        remove_leftovers(self.frames)
        with replacing(self.frames / "settings.json", overwrite=True) as temporary:
            temporary.write_text(json.dumps(settings, indent=1), encoding="utf-8")

    def require_same(self, settings):
        """Raise InputError if the folder holds frames of a zoom with other settings."""
        try:
            theirs = json.loads((self.frames / "settings.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise InputError(f"{self.frames} holds frames, but no readable settings.json to continue from; give "
                             "--overwrite, or another --out") from None
        mine = json.loads(json.dumps(settings))
        other = [f"{key} {theirs.get(key)}, not {mine.get(key)}" for key in mine if theirs.get(key) != mine.get(key)]
        if other:
            raise InputError(f"{self.frames} holds the frames of another zoom: it has {'; '.join(other)}")

    def save(self, picture):
        """Write the next frame, uint8 (H, W, 3)."""
        images.save_image(self.path(len(self.files)), picture, overwrite=True)


def run(model, name, photo, caption, objective, settings, tile, kept, arguments):
    """Make the zoom and save it.

    objective, settings, tile : arguments of `deep_dream`. kept : everything that the frames depend on, except their
    number.
    """
    if f".{arguments.animation}" not in images.ANIMATED:
        raise InputError(f"the format of an animation is gif or webp, not {arguments.animation!r}")
    if arguments.resume and not arguments.out:
        raise InputError("--resume needs the --out folder of the interrupted zoom")
    folder = demo_folder(arguments, (*NAMES, "frames/0000"))
    zoom_folder = ZoomFolder(folder, arguments.zoom, arguments.animation)
    kept = model_settings(model) | kept | {"zoom": arguments.zoom_by}
    if arguments.resume and zoom_folder.files:
        zoom_folder.require_same(kept)
        remove_leftovers(zoom_folder.frames)
    else:
        zoom_folder.clear()
    run_demo(pictures(model, name, photo, caption, objective, settings, tile, kept, zoom_folder, arguments.resume),
             model, arguments, NAMES, folder)


def pictures(model, name, photo, caption, objective, settings, tile, kept, zoom_folder, resume):
    """Yield the Picture of some frames, after writing the frames and the animation. Ctrl-C ends the zoom early."""
    first = len(zoom_folder.files) if resume else 0
    x = model.preprocessing.to_input(images.load_image(zoom_folder.path(first - 1)) if first else photo)
    frames = dream_zoom(model.net, x, model.preprocessing, settings, num_frames=zoom_folder.num_frames, first=first,
                        tile=tile, zoom=kept["zoom"], rng=np.random.default_rng(kept["seed"]), **objective)
    stopped = None
    try:
        for frame in tqdm(frames, f"{name}, {caption}", zoom_folder.num_frames, initial=first, unit="frame",
                          leave=False, disable=None):
            if not zoom_folder.files:
                zoom_folder.begin(kept)
            zoom_folder.save(model.preprocessing.to_image(frame))
    except KeyboardInterrupt as problem:
        stopped = problem
    if zoom_folder.path(0).is_file():
        yield picture(model, name, photo, caption, objective, settings, kept, zoom_folder, stopped)
    if stopped is not None:
        if zoom_folder.files:
            note_kept(f"to continue, repeat the command with --resume --out {zoom_folder.folder}")
        raise stopped


def picture(model, name, photo, caption, objective, settings, kept, zoom_folder, stopped):
    """Write the animation, and return the Picture of the photo and of frames from the first to the last."""
    files = zoom_folder.files
    images.save_animation(zoom_folder.animation, map(images.load_image, files), overwrite=True)
    shown = sorted({0, len(files) // 4, len(files) // 2, 3 * len(files) // 4, len(files) - 1})
    panels = [(name, photo, SMOOTH)] + [(f"frame {i}", images.load_image(files[i]), SMOOTH) for i in shown]
    title = f"{model.name}: zoom of {len(files)} frames into {name}, {caption}" + (", stopped" if stopped else "")
    first, last = (model.preprocessing.to_input(picture) for picture in (photo, images.load_image(files[-1])))
    return Picture(
        NAMES[0], title, plot.show_panels(panels, min(3, len(panels)), title), last,
        "Each frame is the one before it, without its borders, enlarged to the same size and changed by DeepDream. "
        f"Soon nothing of the photo is left. The frames are in frames, the animation is {zoom_folder.animation.name}.",
        SOURCE, check_dream_zoom(model.net, first, last, **objective),
        {"photo": name, "dream": caption, "frames": len(files)} | kept | asdict(settings))
