"""Checkpoints: an optimization of an image that was interrupted continues and ends bit for bit in the same image.

A checkpoint holds the image, the memory of the update, the state of the random generator, and the history. It is an
.npz file: arrays by name, and all other values as one line of JSON, so reading it runs no code.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.backend import Array, Generator, device_of, to_device, to_host
from minicnn.errors import InputError
from minicnn.files import replacing
from minicnn.optimize.progress import Progress

KEYS = {"about", "settings", "update", "arrays", "rng", "history", "axes", "stopped"}  # of the line of JSON
FRAME = "frame:"  # begins the names of the arrays that are frames


class Checkpoint:
    """The file of one call of `optimize_image`, which reads it at the start and writes it during the run.

    path : a file name that ends with .npz.
    every : number of steps between two writes. The last step is written too.
    resume : whether to continue from the file if it exists. Otherwise it is overwritten.
    settings : values that the run depends on, which JSON can hold. A run with other settings does not continue.
    frames : {step: image} of the steps that the caller wants to show at the end. The caller adds to it during the run;
        it is saved too, and `restore` adds the frames of the earlier part. The parts of a run share it.
    stopped : True after `restore` of a run that its callback ended.
    """

    def __init__(self, path: str | Path, every: int = 25, resume: bool = False,
                 settings: dict[str, Any] | None = None, frames: dict[int, np.ndarray] | None = None) -> None:
        self.path, self.every, self.resume = Path(path), every, resume
        self.settings = json.loads(json.dumps(settings or {}))
        self.frames = {} if frames is None else frames
        self.stopped = False

    def part(self, name: object) -> "Checkpoint":
        """Return the Checkpoint of one part of a longer run, such as an octave, in another file of the same folder."""
        name = re.sub(r"\W+", "_", str(name))
        return Checkpoint(self.path.with_name(f"{self.path.stem}-{name}.npz"), self.every, self.resume, self.settings,
                          self.frames)

    def restore(self, image: Array, update: Any, rng: Generator | None) -> tuple[Array, list[Progress]]:
        """Return the stored (image, history) and restore `update` and `rng`; (image, []) if there is no file.

        Raises InputError, before it changes anything, if the file is damaged or belongs to another run.
        """
        if not (self.resume and self.path.exists()):
            return image, []
        arrays, stored = self._read()
        expected = run_facts(image, update, rng) | self.settings
        saved = stored["about"] | stored["settings"]
        differences = [f"{key} {saved.get(key)}, not {expected.get(key)}"
                       for key in sorted(expected.keys() | saved.keys()) if expected.get(key) != saved.get(key)]
        if differences:
            raise InputError(f"{self.path} was saved by another run: it has {'; '.join(differences)}")
        self.frames |= {int(name.removeprefix(FRAME)): array for name, array in arrays.items()
                        if name.startswith(FRAME)}
        arrays = {name: to_device(array, device_of(image)).transpose(tuple(np.argsort(stored["axes"][name]).tolist()))
                  for name, array in arrays.items() if not name.startswith(FRAME)}
        for key, value in stored["update"].items():
            setattr(update, key, tuple(value) if isinstance(value, list) else value)  # JSON has no tuples
        for key, count in stored["arrays"].items():
            setattr(update, key, arrays[key] if count is None else [arrays[f"{key}:{i}"] for i in range(count)])
        if rng is not None:
            rng.bit_generator.state = stored["rng"]
        self.stopped = stored["stopped"]
        history = [Progress(step, total, values) for step, total, *values in stored["history"]]
        return arrays["image"], history

    def save(self, image: Array, update: Any, rng: Generator | None, history: list[Progress],
             stopped: bool = False) -> None:
        """Write the file at once, by way of a temporary one. Make its folder if it does not exist.

        stopped : whether the callback ended the run here, before its last step.
        """
        arrays: dict[str, Array] = {"image": image}
        counts: dict[str, int | None] = {}
        plain: dict[str, Any] = {}
        for key, value in vars(update).items():
            if key in getattr(update, "not_kept", ()):
                continue
            if hasattr(value, "shape"):
                arrays[key], counts[key] = value, None
            elif isinstance(value, list):
                arrays |= {f"{key}:{i}": array for i, array in enumerate(value)}
                counts[key] = len(value)
            else:
                plain[key] = value
        stored = {"about": run_facts(image, update, rng), "settings": self.settings, "update": plain, "arrays": counts,
                  "rng": rng and rng.bit_generator.state, "stopped": bool(stopped),
                  "history": [[step, total, *values] for step, total, values in history]}
        axes = {name: memory_order(array) for name, array in arrays.items()}
        stored["axes"] = axes
        arrays = {name: to_host(array.transpose(tuple(axes[name]))) for name, array in arrays.items()}
        arrays |= {f"{FRAME}{step}": frame for step, frame in self.frames.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise InputError(f"the folder {self.path.parent} cannot be made: {problem.strerror}; give another folder"
                             ) from None
        with replacing(self.path, overwrite=True) as temporary, open(temporary, "wb") as file:
            # the states of some generators hold arrays
            line = np.asarray(json.dumps(stored, default=np.ndarray.tolist))
            np.savez(file, json=line, **arrays)  # type: ignore[arg-type]  # NumPy's stub takes **arrays for allow_pickle

    def _read(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return ({name: array}, the values stored as JSON)."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files if name != "json"}
                stored = json.loads(str(file["json"]))
            complete = "image" in arrays and stored.keys() == KEYS
        except Exception as problem:  # zip, zlib, JSON and NumPy each have errors of their own
            reason = " ".join(str(problem).split())
            raise InputError(f"cannot continue from {self.path}: the file is damaged ({reason}); start again without it"
                             ) from None
        if not complete:
            raise InputError(f"{self.path} is not a checkpoint of an optimization; start again without it")
        return arrays, stored


def run_facts(image: Array, update: Any, rng: Generator | None) -> dict[str, Any]:
    """Return the facts that must be equal in both parts of a run, besides the settings."""
    return {"update": type(update).__name__, "shape": list(image.shape), "dtype": str(image.dtype),
            "generator": rng and type(rng.bit_generator).__name__}


def memory_order(array: Array) -> list[int]:
    """Return the axes from the largest stride to the smallest.

    The last bits of a sum depend on this order, and neither a file nor a transfer to a GPU would keep it.
    """
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
