"""Demos that optimize an image: their progress bar, saving, resuming after an interruption, and presets."""

import hashlib
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from minicnn.backend import Array, to_host
from minicnn.errors import InputError, unknown_name
from minicnn.files import replacing
from minicnn.models import Model
from minicnn.models.weights import weights_digest
from minicnn.optimize import DivergedError
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress
from minicnn.program import note_kept

from .claim import make_folder
from .command import positive_int
from .picture import command_of, read_card

STOPPED = ", stopped"  # ends the title of a picture whose run was interrupted


class LongRun:
    """The files of a run that can be interrupted: NAME_latest.png to look at, and NAME_state*.npz to resume from.

    settings : everything on which the result depends, except the number of steps. A state with other settings is
    refused.
    """

    def __init__(self, folder: Path, name: str, every: int, resume: bool, settings: Mapping[str, Any]) -> None:
        self.folder, self.name, self.every, self.resume = Path(folder), name, every, resume
        self.settings = dict(settings)
        if not resume:
            for file in self.files():  # the parts of an older run are no parts of this one
                file.unlink()

    def checkpoint(self, part: str | int = "") -> Checkpoint:
        """Return the Checkpoint of one of the demo's optimizations; `part` tells them apart."""
        whole = Checkpoint(self.folder / f"{self.name}_state.npz", self.every, self.resume, self.settings)
        return whole.part(part) if part != "" else whole

    def save_latest(self, picture: np.ndarray) -> None:
        """Write the latest picture, uint8 (H, W, 3)."""
        make_folder(self.folder)
        with replacing(self.folder / f"{self.name}_latest.png", overwrite=True) as temporary:
            Image.fromarray(np.ascontiguousarray(picture)).save(temporary)

    def files(self) -> list[Path]:
        """Return the files that hold the state."""
        return sorted(self.folder.glob(f"{self.name}_state*.npz"))

    def finish(self, stopped: BaseException | None = None) -> None:
        """Remove the files that are no longer needed, and raise `stopped`, the exception that ended the run early.

        After an interruption the state stays, and a line says how to resume.
        """
        (self.folder / f"{self.name}_latest.png").unlink(missing_ok=True)
        if stopped is None:
            for file in self.files():
                file.unlink()
        elif isinstance(stopped, KeyboardInterrupt):
            self.hint()
        if stopped is not None:
            raise stopped

    def hint(self) -> None:
        """Let the last line after an interruption say how to continue, if a state was saved."""
        if self.files():
            note_kept(f"to continue, repeat the command with --resume --out {self.folder}")


class Watch:
    """The callback of one optimization: it shows each term's value and the remaining time, and saves the latest image.

    Use it in a `with` block around the optimization. A KeyboardInterrupt or a DivergedError after the first step ends
    the block and is kept in `stopped`, so that the demo can save its picture and then raise it.

    Parameters
    ----------
    title : the text before the progress bar.
    num_steps : the number of steps of the optimization.
    names : the names of the loss terms, in their order.
    image : the first image, of shape (N, C, H, W).
    run : the LongRun that saves the image and the state, or None.
    part : the name of this optimization; a run may have several.
    to_image : the function from (N, C, H, W) to uint8 (H, W, 3) for `save_latest`.
    frames : the steps whose images are kept in the attribute `frames`.

    Attributes
    ----------
    image : the last finite image, on the host.
    history : the Progress of every step.
    frames : {step: image}, on the host.
    checkpoint : the Checkpoint for the optimization, or None without a run.
    stopped : the exception that ended the block early, or None.
    """

    unit = "step"  # of the progress bar

    def __init__(self, title: str, num_steps: int, names: Sequence[str], image: Array, *, run: LongRun | None = None,
                 part: str | int = "", to_image: Callable[[np.ndarray], np.ndarray] | None = None,
                 frames: Collection[int] = ()) -> None:
        self.title, self.num_steps, self.names = title, num_steps, names
        self.latest = image
        self.stopped: BaseException | None = None
        self.history: list[Progress] = []
        self.run, self.to_image, self.frame_steps = run, to_image, frames
        self.checkpoint = run.checkpoint(part) if run else None
        self.frames: dict[int, np.ndarray] = self.checkpoint.frames if self.checkpoint else {}
        self.quiet = np.errstate(over="ignore", invalid="ignore")  # a diverged run ends with an error of its own

    def __enter__(self) -> "Watch":
        self.quiet.__enter__()
        self.bar = tqdm(total=self.work(self.num_steps), desc=self.title, unit=self.unit, leave=False, disable=None,
                        unit_scale=self.unit != "step")
        return self

    def __call__(self, progress: Progress, image: Array) -> None:
        self.latest = image
        self.history.append(progress)
        if progress.step in self.frame_steps:
            self.frames[progress.step] = to_host(image)
        self.bar.update(self.work(progress.step) - self.bar.n)
        self.bar.set_postfix_str("  ".join(f"{name} {value:.4g}" for name, value
                                           in zip(self.names, progress.values, strict=True)), refresh=False)
        if self.run and self.to_image and progress.step % self.run.every == 0 and progress.step < self.num_steps:
            self.run.save_latest(self.to_image(self.image))

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None,
                 traceback: TracebackType | None) -> bool:
        self.quiet.__exit__(kind, problem, traceback)
        self.bar.close()
        if self.history and isinstance(problem, KeyboardInterrupt | DivergedError):
            self.stopped = problem
        elif isinstance(problem, KeyboardInterrupt) and self.run:
            self.run.hint()
        return self.stopped is not None

    def end(self) -> None:
        """Raise the exception that ended the block early, if there is one: for a demo that shows no unfinished picture.
        """
        if self.stopped is not None:
            if self.run is not None:
                self.run.finish(self.stopped)
            raise self.stopped

    def work(self, step: int) -> int:
        """Return the work done after this step, in units of the bar. Override it if some steps take longer."""
        return step

    @property
    def image(self) -> np.ndarray:
        """The last image, on the host."""
        return to_host(self.latest)


def long_run(arguments: Namespace, folder: Path, name: str, model: Model, settings: Mapping[str, Any]) -> LongRun:
    """Return the LongRun of a demo with the options of `add_long_run_options`. The model is one of its settings.

    --resume after a run that has ended changes nothing and exits with code 0. Raises InputError if the folder holds the
    state of another run, or, with --resume, only the finished picture of another run.
    """
    if arguments.resume and not arguments.out:
        raise InputError("--resume needs the --out folder of the interrupted run")
    states = sorted(folder.glob(f"{name}_state*.npz"))
    if states and not arguments.resume and not arguments.overwrite:
        raise InputError(f"{folder} holds {states[0].name}, the state of an interrupted run; give --resume to continue "
                         "it, --overwrite to start again, or another --out")
    if arguments.resume and not states:
        _require_unfinished(arguments, folder, name)
    return LongRun(folder, name, arguments.save_every, arguments.resume, model_settings(model) | dict(settings))


def _require_unfinished(arguments: Namespace, folder: Path, name: str) -> None:
    """Exit with code 0 if the folder holds the finished picture of this command, else say that the run begins."""
    card = read_card(folder, name)
    stopped = card is not None and str(card.get("title")).endswith(STOPPED)  # before its first state was saved
    if card is not None and not arguments.overwrite and not stopped:
        if card.get("command") != command_of(arguments):
            raise InputError(f"{folder} holds {name}.png of another run and no state to continue from; give another "
                             "--out, or --overwrite")
        print(f"{folder} holds the finished pictures of this run; no work is left")
        raise SystemExit(0)
    print(f"note: {folder} holds no state of an interrupted run; the run starts from the beginning")


def model_settings(model: Model) -> dict[str, Any]:
    """Return the settings of a LongRun that identify the network: its name, and its weights, which may differ."""
    return {"model": model.name, "weights": weights_digest(model.net)[:16]}


def digest(picture: np.ndarray) -> str:
    """Return a text that identifies a picture, for the settings of a LongRun."""
    return hashlib.sha256(np.ascontiguousarray(picture).data).hexdigest()[:16]


# ---- the options of the command line ---------------------------------------------------------------------------------


def add_long_run_options(parser: ArgumentParser, every: int = 25) -> None:
    """Add --save-every, with the default `every`, and --resume."""
    parser.add_argument("--save-every", type=positive_int, default=every, metavar="STEPS",
                        help=f"steps between two savings of the latest image and the state (default: {every})")
    parser.add_argument("--resume", action="store_true", help="continue the interrupted run in the --out folder")


def add_presets(parser: ArgumentParser, presets: Mapping[str, Any], default: str | None) -> None:
    """Add --preset NAME. default : None if it depends on the network."""
    parser.add_argument("--preset", default=default, help=f"settings by name: {', '.join(presets)} (default: "
                        f"{default or 'depends on the network'}); other options change single settings")


def chosen_settings(arguments: Namespace, presets: Mapping[str, Any]) -> Any:
    """Return the preset named by --preset, changed by the settings that were given on the command line.

    A preset is a dict or a frozen dataclass. An option that was not given is None in `arguments`.
    Raises UnknownNameError if there is no such preset.
    """
    if arguments.preset not in presets:
        raise unknown_name("preset", arguments.preset, presets)
    preset = presets[arguments.preset]
    names = list(preset) if isinstance(preset, dict) else [field.name for field in fields(preset)]
    given = {name: value for name in names if (value := getattr(arguments, name, None)) is not None}
    return preset | given if isinstance(preset, dict) else replace(preset, **given)
