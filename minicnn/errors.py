"""The errors that a user can cause and correct. Each message names the thing and the way out."""

from collections.abc import Iterable
from difflib import get_close_matches
from unicodedata import category

LONGEST_NAME = 500  # characters of a name that is compared with others


class InputError(ValueError):
    """A wrong argument, file or option. Demos print the message as one line and exit with code 2."""


class UnknownNameError(InputError, KeyError):
    """A name of a layer, class, model or device that does not exist. The message suggests the nearest names."""

    __str__ = Exception.__str__  # KeyError would print the repr with its quotes


def unknown_name(kind: str, name: object, valid: Iterable[str]) -> UnknownNameError:
    """Return the UnknownNameError for `name`, with suggestions from the `valid` names. kind : such as "layer".

    >>> print(unknown_name("layer", "relu_1", ["conv1", "relu1"]))
    no layer 'relu_1'; did you mean relu1?
    """
    valid, name = list(valid), _short(name)
    folded = {candidate.lower(): candidate for candidate in valid if len(candidate) <= LONGEST_NAME}
    near = [folded[match] for match in get_close_matches(name.lower(), folded, n=3, cutoff=0.6)]
    if near:
        hint = f"did you mean {' or '.join(map(one_line, near))}?"
    else:
        shown = ", ".join(one_line(candidate, 60) for candidate in valid[:12]) + (", …" if len(valid) > 12 else "")
        hint = f"{kind} names: {shown}"
    return UnknownNameError(f"no {kind} '{one_line(name, 100)}'; {hint}")


def _short(name: object, limit: int = 80) -> str:
    """Return a name as text, cut to `limit` characters; only the type of an object whose text cannot be had."""
    if name is not None and not isinstance(name, (str, int, float)):
        name = type(name).__name__
    try:
        text = str(name)
    except ValueError:  # an integer of thousands of digits
        return type(name).__name__
    return text if len(text) <= limit else text[:limit - 1] + "…"


def one_line(text: object, limit: int = 200) -> str:
    """Return text from a user, a path or a file in a form that is safe to print: one line of visible characters.

    Control characters, direction marks, newlines, and bytes of a path that are not UTF-8 are escaped, so that they
    cannot move the cursor or forge a line. limit : the number of characters from which the text is cut.

    >>> print(one_line("cat\\x1b[2J\\n.png"), one_line("a" * 300, limit=5))
    cat\\x1b[2J\\n.png aaaa…
    """
    text = str(text)
    shown = "".join(map(_visible, text[:limit]))
    return shown if len(text) <= limit and len(shown) <= limit else shown[:limit - 1] + "…"


def _visible(character: str) -> str:
    if character.isprintable() or category(character) == "Zs":  # Zs: the spaces of all languages
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as os.fsdecode stores it
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
