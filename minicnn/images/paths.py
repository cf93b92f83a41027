"""Say in one line why a path cannot be read as an image file, and the way out."""

import errno
import glob
import os
import re
import stat
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

from minicnn.errors import InputError, one_line

SHOWN = 300          # characters of a path in a message
MOST_NAMES = 10_000  # names of a folder that are searched for one that is similar
SPECIAL = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"),
           (stat.S_ISBLK, "a device"))


def require_path(path: Any) -> str:
    """Return the path as text. Raises InputError if it is not a path, is empty, or is an address on the web."""
    if not isinstance(path, str | bytes | os.PathLike):
        raise InputError(f"expected the path of an image file, got {type(path).__name__}")
    text = os.fsdecode(path)
    if not text.strip():
        raise InputError("the path of the image file is empty; name an image file")
    if is_address(text):
        raise InputError(f"{one_line(text, SHOWN)}: this is an address on the web; download it first, then name the "
                         "file")
    return text


def is_address(text: str) -> bool:
    """Return True if `text` begins like a URL and there is no such file."""
    return bool(re.match(r"(?i)[a-z][a-z0-9+.-]+://|https?:/|data:\w+/", text)) and not os.path.lexists(text)


def require_regular_file(path: str) -> None:
    """Raise InputError if there is no file at the path, or if it is a folder, a pipe, a socket or a device.

    The message does not name the path. A pipe must not be opened: the program would wait for it.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as problem:
        raise InputError(missing(path, problem)) from None
    except ValueError as problem:  # a zero byte in the path
        raise InputError(f"cannot be the name of a file ({problem}); check the path") from None
    if stat.S_ISDIR(mode):
        raise InputError("this is a folder; name an image file in it")
    for is_special, kind in SPECIAL:
        if is_special(mode):
            raise InputError(f"this is {kind}, not an image file; save the image to a file first")


def missing(path: str, problem: OSError) -> str:
    """Return the reason, one line, why os.stat raised `problem` for the path."""
    if problem.errno == errno.EACCES:
        return "permission denied; allow reading its folder, or choose another file"
    if problem.errno == errno.ELOOP:
        return "this link leads back to itself; name the file that it should lead to"
    if problem.errno == errno.ENAMETOOLONG:
        return "cannot be the name of a file, as it is too long; check the path"
    for place in (Path(path), *Path(path).parents):
        if os.path.islink(place) and not os.path.exists(place):
            here = "this" if place == Path(path) else one_line(place, SHOWN)
            target = one_line(os.readlink(place), SHOWN)
            return f"{here} is a link to {target}, which does not exist; name the file itself"
    return no_such_file(path)


def no_such_file(path: str) -> str:
    """Return why there is no such file, and the files that may be meant."""
    if path.startswith("~") and os.path.exists(os.path.expanduser(path)):
        return f"no such file, as the shell did not replace the ~; write {one_line(os.path.expanduser(path), SHOWN)}"
    if re.search(r"[*?]|\[[^]/]+\]", path):
        found = sorted(islice(glob.iglob(path), MOST_NAMES))
        return (f"this pattern was not replaced by names of files; it matches {len(found):,}, such as "
                f"{one_line(found[0], SHOWN)}" if found else "no file matches this pattern; check the path")
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        above = next((place for place in Path(folder).parents if os.path.exists(place)), Path(folder))
        first = Path(folder).parts[len(above.parts):][:1]
        wrong = next((place for place in (Path(folder), *Path(folder).parents) if os.path.isfile(place)), None)
        if wrong:
            return f"{one_line(wrong, SHOWN)} is a file, not a folder; check the path"
        near = near_names(str(above), first[0]) if first else []
        return f"there is no folder {one_line(os.path.dirname(path), SHOWN)}; " + (
            f"did you mean {' or '.join(near)}?" if near else "check the path")
    near = near_names(folder, name)
    return f"no such file; did you mean {' or '.join(near)}?" if near else "no such file; check the path"


def near_names(folder: str, name: str) -> list[str]:
    """Return up to three names in the folder that resemble `name`, which is not among them."""
    try:
        with os.scandir(folder) as entries:
            names = {entry.name.lower(): entry.name for entry in islice(entries, MOST_NAMES)}
    except OSError:  # some folders cannot be listed, but their files can be opened
        return []
    return [one_line(names[match]) for match in get_close_matches(name.lower(), names) if names[match] != name]
