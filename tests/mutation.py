"""Mutants: a technique with one piece of its source replaced, and the judged checks of the picture that it makes."""

import inspect
import textwrap


def mutate(monkeypatch, owner, name, old, new, *users):
    """Replace the text `old`, which occurs once in the source of owner.name, by `new`, until the end of the test.

    owner : a module, or a class whose methods may be changed. users : modules that imported the function by its name.
    """
    source = textwrap.dedent(inspect.getsource(getattr(owner, name)))
    assert source.count(old) == 1, f"{name} has {source.count(old)} times {old!r}"
    module = owner if inspect.ismodule(owner) else inspect.getmodule(owner)
    made = {}
    exec(compile(source.replace(old, new), f"mutant of {name}", "exec"), vars(module), made)
    for place in (owner, *users):
        monkeypatch.setattr(place, name, made[name])


def card(pictures):
    """Return the Checks of all Pictures of a demo."""
    return [check for picture in pictures for check in picture.checks]


def judged_and_failed(checks):
    """Return (number of judged Checks, the names of those that fail)."""
    judged = [check for check in checks if check.judged]
    return len(judged), [f"{check.what}: {check.value:.4g}, {check.expected}" for check in judged if not check.passed]


def assert_right(checks):
    """Assert that there are judged Checks, and that all of them pass."""
    judged, failed = judged_and_failed(checks)
    assert judged and not failed, failed


def assert_found(checks):
    """Assert that at least one judged Check fails."""
    judged, failed = judged_and_failed(checks)
    assert failed, f"all of {judged} judged checks pass"
