"""A model in several files, as Hugging Face writes large ones: model.safetensors.index.json and its parts.

The index is a JSON text: {"weight_map": {"conv1.weight": "model-00001-of-00002.safetensors", …}}.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from minicnn.errors import InputError, one_line
from minicnn.models.weights.recognise import JSON_LIMIT

from .stored import SIZE_LIMIT

MOST_PARTS = 1000


def parts_of(index: str | os.PathLike[str]) -> dict[str, set[str]]:
    """Return {path of a part: names of its arrays} of an index. Raises InputError if a part is missing."""
    with open(index, "rb") as file:
        found = json.loads(file.read(JSON_LIMIT))
    names: dict[str, set[str]] = {}
    for name, part in found["weight_map"].items():
        if not isinstance(part, str) or os.path.basename(part) != part or part in ("", ".", ".."):
            raise InputError(f"its index names {one_line(repr(part), 100)} as a part, which is no file beside it")
        names.setdefault(part, set()).add(name)
    if not names or len(names) > MOST_PARTS:
        raise InputError(f"its index names {len(names):,} parts; expected 1 to {MOST_PARTS:,}")
    folder = Path(index).parent
    missing = [part for part in names if not os.path.isfile(folder / part)]
    if missing:
        raise InputError(f"{len(missing)} of its {len(names)} parts are missing beside it: "
                         f"{', '.join(one_line(part, 100) for part in missing[:4])}"
                         f"{', …' if len(missing) > 4 else ''}; download them into the same folder")
    total = sum(os.path.getsize(folder / part) for part in names)
    if total > SIZE_LIMIT:
        raise InputError(f"its parts have {total:,} bytes, more than the limit of {SIZE_LIMIT:,}")
    return {str(folder / part): array_names for part, array_names in sorted(names.items())}


def require_all(part: str, wanted: Iterable[str], there: Iterable[str]) -> None:
    """Raise InputError if the part lacks arrays that the index says it has."""
    missing = sorted(set(wanted) - set(there))
    if missing:
        raise InputError(f"{one_line(Path(part).name, 100)} lacks {len(missing):,} arrays of its index, such as "
                         f"{one_line(missing[0], 100)}; download both again")
