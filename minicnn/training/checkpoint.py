"""Checkpoints of a training: an interrupted run continues and ends bit for bit as an uninterrupted one."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.errors import InputError
from minicnn.files import replacing
from minicnn.models.weights import named_arrays
from minicnn.network import Network

Updates = dict[str, Any]  # "layer/key" of each trained parameter -> its update


class TrainingCheckpoint:
    """The file of one call of `train`, which continues from it if it exists and writes it during the training.

    path : a file name that ends with .npz. every : number of steps between two writes.
    settings : values that the training depends on, which JSON can hold. A training with other settings does not
    continue.
    """

    def __init__(self, path: str | Path, every: int = 500, settings: dict[str, Any] | None = None) -> None:
        self.path, self.every = Path(path), every
        self.settings = json.loads(json.dumps(settings or {}))

    def save(self, net: Network, updates: Updates, history: list[float]) -> None:
        """Write the arrays of the network and of its updates, the history and the settings, at once."""
        arrays = {f"net:{name}": to_host(array) for name, array in named_arrays(net).items()}
        for name, rule in updates.items():
            for key, value in vars(rule).items():
                if hasattr(value, "shape"):
                    arrays[f"update:{name}:{key}"] = to_host(value)
                elif isinstance(value, int | float):
                    arrays[f"update:{name}:{key}"] = np.asarray(value)
        arrays |= {"history": np.asarray(history), "settings": np.asarray(json.dumps(self.settings))}
        with replacing(self.path, overwrite=True) as temporary, open(temporary, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    def restore(self, net: Network, updates: Updates) -> tuple[int, list[float]]:
        """Restore the network and its updates and return (next step, history); (0, []) if the file does not exist.

        Raises InputError, before it changes anything, if the file is damaged or belongs to another network, another
        kind of update, or a training with other settings.
        """
        try:
            with np.load(self.path, allow_pickle=False) as file:
                history = file["history"].tolist()
                theirs = dict(json.loads(str(file["settings"]))) if "settings" in file else {}
                arrays = {name: file[name] for name in file.files if name not in ("history", "settings")}
        except FileNotFoundError:
            return 0, []
        except Exception as problem:  # zip, zlib and NumPy each have errors of their own
            reason = " ".join(str(problem).split())  # NumPy's messages have several lines
            raise InputError(f"{self.path} is not a checkpoint, or it is damaged: {reason}") from None
        self._require_this_network(net, arrays)
        self._require_these_updates(updates, arrays)
        self._require_these_settings(theirs)
        for name, array in arrays.items():
            kind, rest = name.split(":", 1)
            if kind == "net":
                layer_name, key = rest.rsplit("/", 1)
                layer = net.layer(layer_name)
                (layer.params if key in layer.params else layer.buffers)[key] = to_device(array, net.device)
            else:
                parameter, key = rest.rsplit(":", 1)
                value = to_device(array, net.device) if array.ndim else array.item()
                setattr(updates[parameter], key, value)
        return len(history), history

    def _require_this_network(self, net: Network, arrays: dict[str, Array]) -> None:
        expected = {f"net:{name}": array.shape for name, array in named_arrays(net).items()}
        found = {name: array.shape for name, array in arrays.items() if not name.startswith("update:")}
        if expected != found:
            wrong = sorted(name.removeprefix("net:") for name in expected.keys() ^ found.keys()
                           | {name for name in expected.keys() & found.keys() if expected[name] != found[name]})
            raise InputError(f"{self.path} is a checkpoint of another network; it differs in {', '.join(wrong)}")

    def _require_these_updates(self, updates: Updates, arrays: dict[str, Array]) -> None:
        rules = {f"update:{name}:{key}": value for name, rule in updates.items() for key, value in vars(rule).items()}
        numbers = {name for name, value in rules.items() if isinstance(value, int | float)}  # always stored
        stored = {name for name in arrays if name.startswith("update:")}
        wrong = {name.rsplit(":", 1)[1] for name in (numbers - stored) | (stored - rules.keys())}
        if wrong:
            raise InputError(f"{self.path} is a checkpoint of another kind of update; it differs in "
                             f"{', '.join(sorted(wrong))}")

    def _require_these_settings(self, theirs: dict[str, Any]) -> None:
        other = [f"{key} {theirs.get(key)}, not {self.settings.get(key)}"
                 for key in sorted(self.settings.keys() | theirs.keys())
                 if self.settings.get(key) != theirs.get(key)]
        if other:
            raise InputError(f"{self.path} is a checkpoint of another training: it has {'; '.join(other)}")
