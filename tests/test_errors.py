"""Messages with text from users are one line, short, and without control characters; names are compared at once."""

import time

import pytest
from hangs import HANGS

from minicnn.errors import InputError, one_line, unknown_name

ODD = ["", "x", "cat\x1b[2J\nforged line", "\r\x07\x00\x9b", "\u202eright to left", "\u2028\u2029\x85", "caf\udce9",
       "\ud800", "猫 😀", "a" * 9_000_000, "\x1b" * 9_000_000, "'quoted\" \\n", "\u200b\ufeff"]


@pytest.mark.parametrize("text", ODD)
def test_one_line_is_printable_and_short(text):
    start = time.process_time()
    line = one_line(text)
    assert line.isprintable() and len(line) <= 200
    line.encode()  # raises UnicodeEncodeError if a terminal could not show it
    assert time.process_time() - start < HANGS


@pytest.mark.parametrize("text", ODD)
def test_an_unknown_name_is_one_short_line(text):
    start = time.process_time()
    for name, valid in ((text, ["conv1", "relu1"]), ("conv2", [text, "conv1"]), (text, [text + "x"] * 20)):
        problem = unknown_name("layer", name, valid)
        assert isinstance(problem, InputError)
        assert str(problem).isprintable() and len(str(problem)) < 1500 and str(problem).encode()
    assert time.process_time() - start < HANGS


def test_a_near_name_is_suggested():
    assert str(unknown_name("layer", "relu_1", ["conv1", "relu1"])) == "no layer 'relu_1'; did you mean relu1?"
    assert str(unknown_name("layer", 7, ["conv1"])) == "no layer '7'; layer names: conv1"
