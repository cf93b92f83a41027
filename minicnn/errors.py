"""The one kind of error that a user can cause and mend: its message names the thing and the way out."""

from difflib import get_close_matches


class InputError(ValueError):
    """What was given cannot be used. Demos print its message as one line and leave with exit code 2."""


class UnknownNameError(InputError, KeyError):
    """A name (layer, class, model, device) that does not exist, with the nearest ones that do."""

    __str__ = Exception.__str__  # KeyError would print the repr, quotes and all


def unknown_name(kind, name, valid):
    """The UnknownNameError for `name`, a `kind` of thing ("layer", ...), suggesting from the `valid` names."""
    valid = list(valid)
    folded = {candidate.lower(): candidate for candidate in valid}
    near = [folded[match] for match in get_close_matches(str(name).lower(), folded, n=3, cutoff=0.6)]
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    else:
        shown = ", ".join(valid[:12]) + (", …" if len(valid) > 12 else "")
        hint = f"{kind} names: {shown}"
    return UnknownNameError(f"no {kind} {str(name)!r}; {hint}")
