"""The help texts: every option that takes a value has a meaning, every number a unit, and both have a default."""

import argparse
import re

import pytest

from demos.console import demo
from demos.shared.converter import convert_parser, fetch_parser, inspect_parser
from demos.techniques import demo_names

# The help of a number has at least one of these words: the unit of a size, or the things that are counted.
UNITS = ("pixels?", "steps?", "seconds?", "number of", "seed", "photos", "images", "factor", "share", "weight", "rate",
         "decay", "exponent", "grey levels", "levels of", "degrees", "percentage", "processes", "standard deviation",
         "rise of the score", "margin of", "drawings", "channels?", "position", "masks", "draws", "blocks", "passes",
         "bound of")
CONVERTERS = {"convert": convert_parser, "fetch": fetch_parser, "inspect": inspect_parser}


def parsers():
    """Yield (command, parser) of every command of minicnn."""
    for name in ("gallery", *demo_names()):
        yield name, demo(name).parser()
    for name, make in CONVERTERS.items():
        yield name, make()


def values():
    """Return (command, action) of all options and arguments that take a value."""
    return [(name, action) for name, parser in parsers() for action in parser._actions
            if action.nargs != 0 and not isinstance(action, argparse._SubParsersAction)]


def name_of(command, action):
    """Return the name of an option on the command line."""
    return f"{command} {'/'.join(action.option_strings) or action.dest}"


def is_number(action):
    """Return True if the option is read as a number."""
    if action.type is None or action.choices:
        return False
    try:
        return isinstance(action.type("3"), int | float) or isinstance(action.type("0.3"), int | float)
    except (argparse.ArgumentTypeError, ValueError):
        return False


def test_every_option_says_what_it_is():
    assert [name_of(*one) for one in values() if not one[1].help] == []
    silent = [name_of(name, action) for name, parser in parsers() for action in parser._actions if not action.help]
    assert silent == []


def test_every_option_with_a_value_says_its_default():
    optional = [(name, action) for name, action in values()
                if not (action.required and action.nargs not in ("?", "*"))]
    assert len(optional) > 150
    assert [name_of(*one) for one in optional if "default" not in (one[1].help or "")] == []


def test_the_default_that_a_help_text_names_is_the_default():
    wrong = []
    for name, action in values():
        if isinstance(action.default, int | float | str) and not isinstance(action.default, bool):
            said = re.search(r"default: ([^);,]+)", (action.help or '') % vars(action))
            if said is None or str(action.default).replace(",", "") not in said[1].replace(",", ""):
                wrong.append(f"{name_of(name, action)}: {action.default} and not {said and said[1]}")
    assert wrong == []


def test_every_number_has_a_unit():
    numbers = [(name, action) for name, action in values() if is_number(action)]
    assert len(numbers) > 60
    assert [f"{name_of(*one)}: {one[1].help}" for one in numbers
            if not re.search(rf"\b({'|'.join(UNITS)})\b", f"{name_of(*one)} {one[1].metavar} {one[1].help}",
                             re.I)] == []


@pytest.mark.parametrize("rule", [test_every_option_says_what_it_is, test_every_option_with_a_value_says_its_default,
                                  test_the_default_that_a_help_text_names_is_the_default,
                                  test_every_number_has_a_unit])
def test_each_rule_finds_a_bad_help_text(rule, monkeypatch):
    bad = argparse.ArgumentParser()
    bad.add_argument("--silent")
    bad.add_argument("--much", type=float, default=3.0, help="how much (default: 4)")
    bad.add_argument("--long", type=int, help="how long it is")
    good = list(parsers())
    monkeypatch.setitem(globals(), "parsers", lambda: [*good, ("bad", bad)])
    with pytest.raises(AssertionError, match="bad --(silent|much|long)"):
        rule()
