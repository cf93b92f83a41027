"""The objective number that proves a picture: the measured quantity, its value, and the bound that it must meet."""

from typing import NamedTuple


class Check(NamedTuple):
    """One objective number. `what` names the measured quantity; `expected` states the bound in words.

    judged : whether a wrong implementation would miss the bound, and a right one meets it on every picture. A number
    without such a bound is only reported: it neither passes nor fails, and `passed` is True.

    >>> below("error", 0.5, 1.0)
    Check(what='error', value=0.5, expected='at most 1', passed=True, judged=True)
    """

    what: str
    value: float
    expected: str
    passed: bool
    judged: bool = True


def below(what: str, value: float, bound: float) -> Check:
    """Return the Check that passes if `value` is at most `bound`."""
    return Check(what, float(value), f"at most {bound:g}", bool(value <= bound))


def above(what: str, value: float, bound: float) -> Check:
    """Return the Check that passes if `value` is more than `bound`."""
    return Check(what, float(value), f"more than {bound:g}", bool(value > bound))


def reported(what: str, value: float, reason: str = "") -> Check:
    """Return the Check of a number that is not judged. reason : why, or what to compare the number with.

    >>> reported("share of the peaks", 0.25, "by chance 0.1").expected
    'reported, not judged: by chance 0.1'
    """
    return Check(what, float(value), "reported, not judged" + (f": {reason}" if reason else ""), True, judged=False)


def count_judged(checks: list[Check]) -> tuple[int, int]:
    """Return (number of judged checks that pass, number of judged checks).

    >>> count_judged([below("error", 0.5, 1.0), below("error", 2.0, 1.0), reported("share", 0.25)])
    (1, 2)
    """
    judged = [check for check in checks if check.judged]
    return sum(check.passed for check in judged), len(judged)
