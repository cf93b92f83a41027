"""The objective number that proves a picture: the measured quantity, its value, and the bound that it must meet."""

from typing import NamedTuple


class Check(NamedTuple):
    """One objective number. `what` names the measured quantity; `expected` states the bound in words.

    >>> below("error", 0.5, 1.0)
    Check(what='error', value=0.5, expected='at most 1', passed=True)
    """

    what: str
    value: float
    expected: str
    passed: bool


def below(what: str, value: float, bound: float) -> Check:
    """Return the Check that passes if `value` is at most `bound`."""
    return Check(what, float(value), f"at most {bound:g}", bool(value <= bound))


def above(what: str, value: float, bound: float) -> Check:
    """Return the Check that passes if `value` is more than `bound`."""
    return Check(what, float(value), f"more than {bound:g}", bool(value > bound))
