"""The errors that a user can cause and correct. Each message names the thing and the way out."""

from collections.abc import Iterable
from difflib import get_close_matches


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
    valid = list(valid)
    folded = {candidate.lower(): candidate for candidate in valid}
    near = [folded[match] for match in get_close_matches(str(name).lower(), folded, n=3, cutoff=0.6)]
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    else:
        shown = ", ".join(valid[:12]) + (", …" if len(valid) > 12 else "")
        hint = f"{kind} names: {shown}"
    return UnknownNameError(f"no {kind} {str(name)!r}; {hint}")
