"""A finished picture with its raw array and its run card, and how the three are written."""

import json
import os
import platform
import re
import time
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import scipy
from matplotlib.figure import Figure

import minicnn
from minicnn.errors import InputError
from minicnn.files import free_path, replacing, why_no_name
from minicnn.models.weights import weights_digest
from minicnn.plot import save_figure
from minicnn.visualize.check import Check


class Picture(NamedTuple):
    """One result of a demo. `name` is the file's stem; `explanation` two sentences for a reader; `source` the paper."""

    name: str
    title: str
    figure: Figure
    array: np.ndarray
    explanation: str
    source: str
    checks: list[Check]
    parameters: dict
    history: list = []


def file_stem(text):
    """The text as a part of a file's name: what is no letter, digit, dot or dash becomes an underscore."""
    return re.sub(r"[^0-9A-Za-z.-]", "_", text)


def output_folder(wanted, default, names, overwrite):
    """The folder to write into: `wanted`, or the first of default, default-2, … that does not exist.

    Raises InputError where it holds one of the files `names` already and `overwrite` is False, and where it can be
    neither written nor made: before any work.
    """
    folder = Path(wanted) if wanted else free_path(Path(default))
    check_folder(folder)
    there = [name for name in names if (folder / name).exists()]
    if there and not overwrite:
        more = f" and {len(there) - 3} more" if len(there) > 3 else ""
        raise InputError(f"{folder} holds {', '.join(there[:3])}{more} already; give another --out, or --overwrite")
    return folder


def check_folder(folder):
    """Raise InputError where the folder, or the first one above it that is there, cannot be written."""
    if reason := why_no_name(folder):
        raise InputError(f"{folder} cannot be made: {reason}; give another --out")
    there = next((place for place in (folder, *folder.parents) if os.path.lexists(place)), Path())
    if not os.path.isdir(there):
        raise InputError(f"{folder} cannot be made: {there} is a file; give another --out")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"no permission to write in {there}; give another --out")


def make_folder(folder):
    """Make the folder, and those above it, where they are missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"{folder} cannot be made: {problem.strerror}; give another --out") from None


def save_picture(folder, picture, model, seconds, overwrite=False):
    """Write NAME.png, NAME.npy and the run card NAME.json; returns the run card.

    model : the Model, a list of them where the picture shows several, or None where none took part.
    """
    models = model if isinstance(model, list) else [model] if model else []
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


def show_checks(picture):
    """Print the picture's objective numbers, a line each."""
    for check in picture.checks:
        print(f"  {'ok  ' if check.passed else 'FAIL'} {check.what}: {check.value:.4g} (expected {check.expected})")


def demo_folder(arguments, names):
    """The folder that a demo writes `names` into: as `output_folder`, and the same again with --resume."""
    # A sweep's --resume names a folder of its own: the pictures stay what they are.
    again = arguments.overwrite or getattr(arguments, "resume", False) is True
    return output_folder(arguments.out, "pictures", [f"{name}{suffix}" for suffix in (".png", ".npy", ".json")
                                                      for name in names], again)


def run_demo(pictures, model, arguments, names, folder=None):
    """Make, save and report the pictures of one demo; `names`: the stems it will write; `folder`: by `demo_folder`.

    model : the Model, or a list of them, as for save_picture.
    """
    folder = folder or demo_folder(arguments, names)
    start = time.perf_counter()
    for picture in pictures:
        save_picture(folder, picture, model, time.perf_counter() - start, overwrite=True)
        print(f"{folder / picture.name}.png: {picture.title}")
        show_checks(picture)
        start = time.perf_counter()
