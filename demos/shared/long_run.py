"""What the demos that optimise an image do alike: follow it, save it as it goes, go on with it later, and presets."""

import hashlib
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from demos.shared.command import positive_int
from demos.shared.picture import make_folder
from minicnn.backend import to_host
from minicnn.errors import InputError, unknown_name
from minicnn.files import replacing
from minicnn.models.weights import weights_digest
from minicnn.optimize import DivergedError
from minicnn.optimize.checkpoint import Checkpoint


class Watch:
    """The callback of one optimisation, for a `with` block around it: shows each term's value and the time left, and
    saves the image so far.

    After the block, `image` is the last finite image, of shape (N, C, H, W) on the host, `history` every step,
    `frames` {step: image} at the steps asked for, and `stopped` what ended it early: a KeyboardInterrupt or a
    DivergedError, which the block keeps back so that the image can be saved first; then raise `stopped`.

    names : of the terms, in their order. image : what it begins with. to_image : (1, C, H, W) -> uint8 (H, W, 3).
    """

    unit = "step"  # of the bar

    def __init__(self, title, num_steps, names, image, *, run=None, to_image=None, frames=()):
        self.title, self.num_steps, self.names = title, num_steps, names
        self.latest, self.history, self.frames, self.stopped = image, [], {}, None
        self.run, self.to_image, self.wanted = run, to_image, frames
        self.quiet = np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends with a line of its own

    def __enter__(self):
        self.quiet.__enter__()
        self.bar = tqdm(total=self.work(self.num_steps), desc=self.title, unit=self.unit, leave=False, disable=None,
                        unit_scale=self.unit != "step")
        return self

    def __call__(self, progress, image):
        self.latest = image
        self.history.append(progress)
        if progress.step in self.wanted:
            self.frames[progress.step] = to_host(image)
        self.bar.update(self.work(progress.step) - self.bar.n)
        self.bar.set_postfix_str("  ".join(f"{name} {value:.4g}" for name, value
                                           in zip(self.names, progress.values, strict=True)), refresh=False)
        if self.run is not None and progress.step % self.run.every == 0 and progress.step < self.num_steps:
            self.run.save_so_far(self.to_image(self.image))

    def __exit__(self, kind, problem, traceback):
        self.quiet.__exit__(kind, problem, traceback)
        self.bar.close()
        if kind is KeyboardInterrupt or kind is DivergedError and self.history:
            self.stopped = problem
            return True
        return False

    def work(self, step):
        """How much is done after this step, in units of the bar; another number where not all steps take as long."""
        return step

    @property
    def image(self):
        """The last image, on the host."""
        return to_host(self.latest)


class LongRun:
    """Where a demo saves what it has so far: NAME_so_far.png for the eye, NAME_state*.npz to go on from.

    settings : everything that the result depends on but the number of steps; another run's state is refused.
    """

    def __init__(self, folder, name, every, resume, settings):
        self.folder, self.name, self.every, self.resume, self.settings = Path(folder), name, every, resume, settings
        if resume and not self.files():
            raise InputError(f"there is nothing to go on from in {folder}: --resume needs the --out folder of a "
                             f"run of this demo that was interrupted after its first {every} steps")
        if not resume:
            for file in self.files():  # of an interrupted run that is not to go on: its parts are not this run's
                file.unlink()

    def checkpoint(self, part=""):
        """The Checkpoint of one of the demo's optimisations."""
        whole = Checkpoint(self.folder / f"{self.name}_state.npz", self.every, self.resume, self.settings)
        return whole.part(part) if part != "" else whole

    def save_so_far(self, picture):
        """Write the picture, uint8 (H, W, 3)."""
        make_folder(self.folder)
        with replacing(self.folder / f"{self.name}_so_far.png", overwrite=True) as temporary:
            Image.fromarray(np.ascontiguousarray(picture)).save(temporary)

    def files(self):
        """The files that hold the state."""
        return sorted(self.folder.glob(f"{self.name}_state*.npz"))

    def finish(self, stopped=None):
        """Remove what is no longer needed: after an interruption only the picture so far, the rest says how to go on.
        Raises what stopped the run."""
        (self.folder / f"{self.name}_so_far.png").unlink(missing_ok=True)
        if stopped is None:
            for file in self.files():
                file.unlink()
        elif isinstance(stopped, KeyboardInterrupt) and self.files():
            print(f"go on with the same command and --resume --out {self.folder}", file=sys.stderr)
        if stopped is not None:
            raise stopped


def long_run(arguments, folder, name, model, settings):
    """The LongRun of a demo that `add_long_run_options` gave its options; the model is one of its settings."""
    if arguments.resume and not arguments.out:
        raise InputError("--resume needs the --out folder of the run that was interrupted")
    left = sorted(folder.glob(f"{name}_state*.npz"))
    if left and not arguments.resume and not arguments.overwrite:
        raise InputError(f"{folder} holds {left[0].name}, an interrupted run to go on from; give --resume, another "
                         "--out, or --overwrite to begin anew")
    return LongRun(folder, name, arguments.save_every, arguments.resume, known_by(model) | settings)


def known_by(model):
    """What tells one network from another, for the settings of a LongRun: weights of one name are not always equal."""
    return {"model": model.name, "weights": weights_digest(model.net)[:16]}


def digest(picture):
    """What tells one picture from another, for the settings of a LongRun."""
    return hashlib.sha256(np.ascontiguousarray(picture)).hexdigest()[:16]


def add_long_run_options(parser, every=25):
    """--save-every, `every` unless given, and --resume."""
    parser.add_argument("--save-every", type=positive_int, default=every, metavar="STEPS",
                        help=f"write the image so far and the state to go on from (default {every})")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted run in the --out folder")


def add_presets(parser, presets, default):
    """--preset NAME, and which settings it stands for."""
    parser.add_argument("--preset", default=default, help=f"settings by name: {', '.join(presets)} (default "
                        f"{default or 'the one for the network'}); each of them can still be set")


def chosen_settings(arguments, presets):
    """The settings of the chosen preset, but those that were given on the command line (all others are None there)."""
    if arguments.preset not in presets:
        raise unknown_name("preset", arguments.preset, presets)
    preset = presets[arguments.preset]
    names = list(preset) if isinstance(preset, dict) else [field.name for field in fields(preset)]
    given = {name: value for name in names if (value := getattr(arguments, name, None)) is not None}
    return preset | given if isinstance(preset, dict) else replace(preset, **given)
