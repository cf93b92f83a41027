"""The objective number that proves a picture: what was measured, its value, and the bound it must meet."""

from typing import NamedTuple


class Check(NamedTuple):
    """One objective number: what was measured, its value, what it should be in words, and whether it is."""

    what: str
    value: float
    expected: str
    passed: bool


def below(what, value, bound):
    """The Check that `value` is at most `bound`."""
    return Check(what, float(value), f"at most {bound:g}", bool(value <= bound))


def above(what, value, bound):
    """The Check that `value` is more than `bound`."""
    return Check(what, float(value), f"more than {bound:g}", bool(value > bound))
