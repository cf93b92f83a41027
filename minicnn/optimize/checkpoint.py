"""An optimisation of an image that can stop and go on later, ending bit for bit where the uninterrupted one does.

What has to be kept is little: the image, what the update remembers, the random generator, and the history. It is
written as .npz: arrays by name, and everything else as one line of JSON, so that no file ever runs code.
"""

import json
import re
from pathlib import Path

import numpy as np

from minicnn.backend import device_of, to_device, to_host
from minicnn.errors import InputError
from minicnn.files import replacing
from minicnn.optimize import Progress

KEYS = {"about", "settings", "update", "arrays", "rng", "history", "axes", "stopped"}  # of the line of JSON


class Checkpoint:
    """The file of one call of `optimize_image`, which reads it at the beginning and writes it as it goes.

    path : ends with .npz. every : steps from one writing to the next; the last step writes too. resume : whether to go
    on from the file, where there is one; if not, it is overwritten. settings : what the run depends on, as JSON has it;
    to go on with other settings is refused. `stopped` is True after `restore` of a run that its callback ended.
    """

    def __init__(self, path, every=25, resume=False, settings=None):
        self.path, self.every, self.resume = Path(path), every, resume
        self.settings = json.loads(json.dumps(settings or {}))
        self.stopped = False

    def part(self, name):
        """The Checkpoint of one part of a longer run, an octave or a size, in a file of its own beside this one."""
        name = re.sub(r"\W+", "_", str(name))
        return Checkpoint(self.path.with_name(f"{self.path.stem}-{name}.npz"), self.every, self.resume, self.settings)

    def restore(self, image, update, rng):
        """(image, history) as they were, and `update` and `rng` put back; (image, []) where there is nothing to go on
        from. Raises InputError, before anything is changed, for a damaged file or one of another run."""
        if not (self.resume and self.path.exists()):
            return image, []
        arrays, stored = self._read()
        mine = described(image, update, rng) | self.settings
        theirs = stored["about"] | stored["settings"]
        other = [f"{key} {theirs.get(key)}, not {mine.get(key)}" for key in sorted(mine.keys() | theirs.keys())
                 if mine.get(key) != theirs.get(key)]
        if other:
            raise InputError(f"{self.path} was saved by another run: it has {'; '.join(other)}")
        arrays = {name: to_device(array, device_of(image)).transpose(tuple(np.argsort(stored["axes"][name]).tolist()))
                  for name, array in arrays.items()}
        for key, value in stored["update"].items():
            setattr(update, key, value)
        for key, count in stored["arrays"].items():
            setattr(update, key, arrays[key] if count is None else [arrays[f"{key}:{i}"] for i in range(count)])
        if rng is not None:
            rng.bit_generator.state = stored["rng"]
        self.stopped = stored["stopped"]
        history = [Progress(step, total, values) for step, total, *values in stored["history"]]
        return arrays["image"], history

    def save(self, image, update, rng, history, stopped=False):
        """Write the file, through a temporary one; its folder is made where it is missing. stopped : whether the run
        ends here, however many steps it might have taken."""
        arrays, counts, plain = {"image": image}, {}, {}
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
        stored = {"about": described(image, update, rng), "settings": self.settings, "update": plain, "arrays": counts,
                  "rng": rng and rng.bit_generator.state, "stopped": bool(stopped),
                  "history": [[step, total, *values] for step, total, values in history],
                  "axes": {name: memory_order(array) for name, array in arrays.items()}}
        arrays = {name: to_host(array.transpose(tuple(stored["axes"][name]))) for name, array in arrays.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise InputError(f"{self.path.parent} cannot be made: {problem.strerror}; give another folder") from None
        with replacing(self.path, overwrite=True) as temporary, open(temporary, "wb") as file:
            # arrays are in the states of some generators
            np.savez(file, json=np.asarray(json.dumps(stored, default=np.ndarray.tolist)), **arrays)

    def _read(self):
        """({name: array}, what was stored as JSON)."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files if name != "json"}
                stored = json.loads(str(file["json"]))
            complete = "image" in arrays and stored.keys() == KEYS
        except Exception as problem:  # zip, zlib, JSON and NumPy each have errors of their own
            reason = " ".join(str(problem).split())
            raise InputError(f"{self.path} cannot be gone on from, it is damaged ({reason}); start anew") from None
        if not complete:
            raise InputError(f"{self.path} is no checkpoint of an optimisation; start anew")
        return arrays, stored


def described(image, update, rng):
    """What must be the same again, whatever the settings."""
    return {"update": type(update).__name__, "shape": list(image.shape), "dtype": str(image.dtype),
            "generator": rng and type(rng.bit_generator).__name__}


def memory_order(array):
    """The axes as they lie in memory, from far apart to side by side: the last bits of a sum depend on it, and
    neither a file nor a transfer would keep it."""
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
