"""A finished picture with its raw array and its run card, and the functions that write the three files."""

import json
import os
import platform
import re
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import scipy
from matplotlib.figure import Figure

import minicnn
from minicnn.errors import InputError, one_line
from minicnn.files import replacing, unusable_name
from minicnn.images import save_image
from minicnn.models import Model
from minicnn.models.weights import weights_digest
from minicnn.optimize.progress import Progress
from minicnn.plot import save_figure
from minicnn.program import signals_held
from minicnn.visualize.check import Check

from .claim import claim, claim_new, make_folder
from .panels import panels_of
from .times import line_of


class Picture(NamedTuple):
    """One result of a demo.

    name : the stem of its files. explanation : two sentences for a reader. source : the paper. array : the raw result.
    parameters : all settings, for the run card. history : the steps of the optimization, if there was one.
    finished : {word: picture, uint8 (H, W, 3)} of the results in full size. Each becomes an image file, NAME_word.png.
    times : {stage: seconds} of a long demo. page : called with the folder of the picture; it writes a page of its own
    there and returns the page's file.
    """

    name: str
    title: str
    figure: Figure
    array: np.ndarray
    explanation: str
    source: str
    checks: list[Check]
    parameters: dict[str, Any]
    history: list[Progress] = []
    finished: Mapping[str, np.ndarray] = {}
    times: Mapping[str, float] = {}
    page: Callable[[Path], str] | None = None


def file_stem(text: str) -> str:
    """Return the text as a part of a file's name: every other character than letters, digits, . and - becomes _."""
    return re.sub(r"[^0-9A-Za-z.-]", "_", text)


def output_folder(out: str | Path | None, default: str, names: Sequence[str], overwrite: bool) -> Path:
    """Make, claim and return the folder to write into: `out`, or the first of default, default-2, … that is free.

    Raises InputError if it holds one of the files `names` and `overwrite` is False, if it cannot be written or made,
    or if another run is writing into it. A demo calls this before it starts to compute.
    """
    if not out:
        require_writable(Path(default))
        return claim_new(default)
    folder = Path(out)
    require_writable(folder)
    claim(folder)
    existing = [name for name in names if (folder / name).exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 3} more" if len(existing) > 3 else ""
        raise InputError(f"{folder} holds {', '.join(existing[:3])}{more} already; give another --out, or --overwrite")
    return folder


def require_writable(folder: Path) -> None:
    """Raise InputError if the folder, or its first parent that exists, cannot be written."""
    if reason := unusable_name(folder):
        raise InputError(f"{folder} cannot be made: {reason}; give another --out")
    existing = next((place for place in (folder, *folder.parents) if os.path.lexists(place)), Path())
    if not os.path.isdir(existing):
        raise InputError(f"{folder} cannot be made: {existing} is a file; give another --out")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"no permission to write in {existing}; give another --out")


def save_picture(folder: Path, picture: Picture, model: Model | Sequence[Model] | None, seconds: float,
                 overwrite: bool = False, command: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write NAME.png, NAME.npy, the finished pictures and the run card NAME.json, and return the run card.

    The files appear together when all are complete.

    model : the Model, a list of Models if the picture shows several, or None if the demo uses no network.
    seconds : the time that the picture took. command : of `command_of`, for the run card.
    """
    models = [] if model is None else [model] if isinstance(model, Model) else list(model)
    finished = {f"{picture.name}_{file_stem(word)}.png": image for word, image in picture.finished.items()}
    card = {
        "title": picture.title, "source": picture.source, "explanation": picture.explanation,
        "command": command or {},
        "model": ", ".join(model.name for model in models) or None,
        "device": models[0].net.device if models else picture.parameters["device"],
        "weights_sha256": ", ".join(weights_digest(model.net) for model in models) or None,
        "parameters": picture.parameters,
        "checks": [check._asdict() for check in picture.checks],
        "history": [[entry.step, entry.total, *entry.values] for entry in picture.history],
        "seconds": round(seconds, 3), "times": dict(picture.times), "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": {"minicnn": minicnn.__version__, "python": platform.python_version(), "numpy": np.__version__,
                     "scipy": scipy.__version__, "matplotlib": matplotlib.__version__},
        "array": {"file": f"{picture.name}.npy", "shape": picture.array.shape, "dtype": str(picture.array.dtype)},
        "pictures": list(finished),
    }
    make_folder(folder)
    with ExitStack() as files:  # it moves the files to their places in reverse order: the run card comes last
        def temporary(name: str) -> Path:
            return files.enter_context(replacing(folder / name, overwrite))
        card_file = temporary(f"{picture.name}.json")
        np.save(temporary(f"{picture.name}.npy"), picture.array)
        for name, image in finished.items():
            save_image(temporary(name), image, overwrite=True)
        save_figure(temporary(f"{picture.name}.png"), picture.figure, overwrite=True)
        card["page"] = None if picture.page is None else picture.page(folder)
        card["panels"] = panels_of(picture.figure)  # their places are known when the figure has been drawn
        card_file.write_text(json.dumps(card, indent=1), encoding="utf-8")
        with signals_held():
            files.close()
    return card


def show_checks(picture: Picture) -> None:
    """Print the picture's objective numbers, one a line."""
    for check in picture.checks:
        mark, note = (("ok  " if check.passed else "FAIL"), "expected ") if check.judged else ("    ", "")
        print(f"  {mark} {check.what}: {check.value:.4g} ({note}{check.expected})")


WITHOUT_EFFECT = ("out", "overwrite", "resume", "save_every", "device", "workers", "cluster")  # on the pictures


def command_of(arguments: Namespace) -> dict[str, Any]:
    """Return the options of the command line on which the pictures depend, as JSON returns them from a run card."""
    options = {name: value for name, value in vars(arguments).items() if name not in WITHOUT_EFFECT}
    result: dict[str, Any] = json.loads(json.dumps(options, default=str))
    return result


def demo_folder(arguments: Namespace, names: Iterable[str]) -> Path:
    """Return the folder for the pictures `names` of a demo, as `output_folder` does.

    With --resume, `long_run` decides if the pictures may be replaced. With the --resume DIR of a sweep, only files
    without a run card may be, which an interrupted run has left.
    """
    names, resume = list(names), getattr(arguments, "resume", None)
    again = arguments.overwrite or resume is True
    if resume and arguments.out:
        again = again or all(read_card(Path(arguments.out), name) is None for name in names)
    files = [f"{name}{suffix}" for suffix in (".png", ".npy", ".json") for name in names]
    return output_folder(arguments.out, "pictures", files, again)


def read_card(folder: Path, name: str) -> dict[str, Any] | None:
    """Return the run card of the picture `name` in the folder, {} if it cannot be read, or None if there is none."""
    try:
        card = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def run_demo(pictures: Iterable[Picture], model: Model | Sequence[Model] | None, arguments: Namespace,
             names: Iterable[str], folder: Path | None = None) -> None:
    """Make the pictures of one demo, write their files, and print their checks.

    model : as in `save_picture`. names : the stems of the files. folder : from `demo_folder`, which is the default.
    """
    folder = folder or demo_folder(arguments, names)
    command = command_of(arguments)
    start = time.perf_counter()
    for picture in pictures:
        card = save_picture(folder, picture, model, time.perf_counter() - start, overwrite=True, command=command)
        print(f"{one_line(folder / picture.name, 500)}.png: {one_line(picture.title, 500)}")
        for name in card["pictures"]:
            print(f"{one_line(folder / name, 500)}")
        show_checks(picture)
        if picture.times:
            print(f"  time: {line_of(picture.times)}")
        start = time.perf_counter()
