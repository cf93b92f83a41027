"""A finished picture with its raw array and its run card, and the functions that write the three files."""

import json
import os
import platform
import re
import time
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import scipy
from matplotlib.figure import Figure

import minicnn
from minicnn.errors import InputError
from minicnn.files import free_path, replacing, unusable_name
from minicnn.models import Model
from minicnn.models.weights import weights_digest
from minicnn.optimize.progress import Progress
from minicnn.plot import save_figure
from minicnn.visualize.check import Check


class Picture(NamedTuple):
    """One result of a demo.

    name : the stem of its files. explanation : two sentences for a reader. source : the paper. array : the raw result.
    parameters : all settings, for the run card. history : the steps of the optimization, if there was one.
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


def file_stem(text: str) -> str:
    """Return the text as a part of a file's name: every other character than letters, digits, . and - becomes _."""
    return re.sub(r"[^0-9A-Za-z.-]", "_", text)


def output_folder(out: str | Path | None, default: str, names: Sequence[str], overwrite: bool) -> Path:
    """Return the folder to write into: `out`, or the first of default, default-2, … that does not exist.

    Raises InputError if it holds one of the files `names` and `overwrite` is False, and if it cannot be written or
    made. A demo calls this before it starts to compute.
    """
    folder = Path(out) if out else free_path(Path(default))
    require_writable(folder)
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


def make_folder(folder: Path) -> None:
    """Make the folder and its parents, if they do not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"{folder} cannot be made: {problem.strerror}; give another --out") from None


def save_picture(folder: Path, picture: Picture, model: Model | Sequence[Model] | None, seconds: float,
                 overwrite: bool = False) -> dict[str, Any]:
    """Write NAME.png, NAME.npy and the run card NAME.json, and return the run card.

    model : the Model, a list of Models if the picture shows several, or None if the demo uses no network.
    seconds : the time that the picture took.
    """
    models = [] if model is None else [model] if isinstance(model, Model) else list(model)
    make_folder(folder)
    save_figure(folder / f"{picture.name}.png", picture.figure, overwrite)
    with replacing(folder / f"{picture.name}.npy", overwrite) as temporary:
        np.save(temporary, picture.array)
    card = {
        "title": picture.title, "source": picture.source, "explanation": picture.explanation,
        "model": ", ".join(model.name for model in models) or None,
        "device": models[0].net.device if models else picture.parameters["device"],
        "weights_sha256": ", ".join(weights_digest(model.net) for model in models) or None,
        "parameters": picture.parameters,
        "checks": [check._asdict() for check in picture.checks],
        "history": [[entry.step, entry.total, *entry.values] for entry in picture.history],
        "seconds": round(seconds, 3), "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": {"minicnn": minicnn.__version__, "python": platform.python_version(), "numpy": np.__version__,
                     "scipy": scipy.__version__, "matplotlib": matplotlib.__version__},
        "array": {"file": f"{picture.name}.npy", "shape": picture.array.shape, "dtype": str(picture.array.dtype)},
    }
    with replacing(folder / f"{picture.name}.json", overwrite) as temporary:
        temporary.write_text(json.dumps(card, indent=1), encoding="utf-8")
    return card


def show_checks(picture: Picture) -> None:
    """Print the picture's objective numbers, one a line."""
    for check in picture.checks:
        mark, note = (("ok  " if check.passed else "FAIL"), "expected ") if check.judged else ("    ", "")
        print(f"  {mark} {check.what}: {check.value:.4g} ({note}{check.expected})")


def demo_folder(arguments: Namespace, names: Iterable[str]) -> Path:
    """Return the folder for the pictures `names` of a demo, as `output_folder` does. --resume uses the folder again."""
    # The --resume of a sweep is the name of another folder. It does not allow overwriting pictures.
    again = arguments.overwrite or getattr(arguments, "resume", False) is True
    files = [f"{name}{suffix}" for suffix in (".png", ".npy", ".json") for name in names]
    return output_folder(arguments.out, "pictures", files, again)


def run_demo(pictures: Iterable[Picture], model: Model | Sequence[Model] | None, arguments: Namespace,
             names: Iterable[str], folder: Path | None = None) -> None:
    """Make the pictures of one demo, write their files, and print their checks.

    model : as in `save_picture`. names : the stems of the files. folder : from `demo_folder`, which is the default.
    """
    folder = folder or demo_folder(arguments, names)
    start = time.perf_counter()
    for picture in pictures:
        save_picture(folder, picture, model, time.perf_counter() - start, overwrite=True)
        print(f"{folder / picture.name}.png: {picture.title}")
        show_checks(picture)
        start = time.perf_counter()
