"""Finished results of a sweep in a folder, from which an interrupted sweep continues."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from minicnn.arguments import require_kind, require_path
from minicnn.errors import InputError, one_line
from minicnn.files import replacing

__all__ = ["Store", "resume"]


class Store(NamedTuple):
    """Finished results in a folder, one file each. `resume` makes it."""

    folder: Path

    def path(self, key: Any, suffix: str) -> Path:
        """Return the file of a key. Its name holds a readable part and a digest, so that no two keys share a file."""
        text = str(key)
        return self.folder / f"{quote(text, safe='')[:60]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}{suffix}"

    def load(self, key: Any) -> Any:
        """Return the result, or None if there is no readable one: then it is computed again."""
        try:
            with np.load(self.path(key, ".npz"), allow_pickle=False) as file:
                return dict(file)
        except FileNotFoundError:
            pass
        except Exception:  # a damaged zip file can raise almost any exception
            return None
        try:
            return json.loads(self.path(key, ".json").read_text(encoding="utf-8"))["result"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, key: Any, result: Any) -> Any:
        """Write the result and return it as `load` will return it: JSON turns tuples into lists.

        Raises InputError if the result is neither {name: array} nor JSON, or if the file cannot be written.
        """
        arrays = isinstance(result, dict) and result and all(isinstance(part, np.ndarray) for part in result.values())
        path = self.path(key, ".npz" if arrays else ".json")
        try:
            text = "" if arrays else json.dumps({"result": result})
        except (TypeError, ValueError) as problem:
            raise InputError(f"the result of batch {key!r} cannot be saved: it is neither {{name: array}} nor JSON "
                             f"({problem})") from None
        try:
            with replacing(path, overwrite=True) as temporary:
                if arrays:
                    np.savez(temporary, **result)
                else:
                    temporary.write_text(text, encoding="utf-8")
        except OSError as problem:
            raise InputError(f"{path}: cannot be written ({problem.strerror})") from None
        return result if arrays else json.loads(text)["result"]


def json_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings as JSON gives them back. Raises InputError for things that JSON cannot hold."""
    require_kind("settings", settings, dict, "expected a dict {name: value} for JSON")
    try:
        return json.loads(json.dumps(settings))
    except (TypeError, ValueError, RecursionError) as problem:
        raise InputError(f"the settings cannot be saved as JSON ({one_line(problem, 100)})") from None


def resume(folder: str | Path, settings: dict[str, Any]) -> Store:
    """Return the Store for `sweep` that saves each finished result in `folder` and returns the ones that are there.

    settings : {name: value} for JSON, all values that the results depend on except the keys. A key stands for its
    batch: if the batch changes, str(key) must change. Results are {name: array} (.npz) or values for JSON.
    Raises InputError if the folder holds results of other settings or cannot be made.

    >>> store = resume(folder / "results", {"model": "shapes"})
    """
    store, mine = Store(require_path("folder", folder)), json_settings(settings)
    path = store.folder / "sweep.json"
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        there = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(mine, indent=1), encoding="utf-8")
        return store
    except OSError as problem:
        raise InputError(f"{folder}: cannot keep results there ({problem.strerror}); give another folder") from None
    except ValueError:
        there = None
    if there != mine:
        names = sorted({*mine, *there}) if isinstance(there, dict) else []
        changed = [name for name in names if there.get(name) != mine.get(name)]
        raise InputError(f"{folder} holds the results of another sweep"
                         + (f" ({', '.join(changed)} differ)" if changed else "") + "; give another folder")
    return store
