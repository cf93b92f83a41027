"""Where there are no pretrained weights yet: offer to fetch them."""

import sys
from urllib.parse import urlsplit

from demos.shared.inputs import pretrained
from minicnn.errors import InputError
from weights_converter.fetching.fetch import fetch
from weights_converter.fetching.published import PUBLISHED

NAME = "squeezenet1_1"


def offer_weights():
    """Unless weights of SqueezeNet are in the cache: fetch some if there is somebody at a terminal who says yes.

    Without a terminal nothing is asked; that the shipped network is used, and how to get others, is said later.
    """
    if pretrained():
        return
    if not all(_is_terminal(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)):
        return
    host = urlsplit(PUBLISHED[NAME].url).hostname
    if _says_yes(f"No SqueezeNet weights yet. Fetch SqueezeNet 1.1 (5 MB) from {host}? [y/N] "):
        try:
            fetch(NAME)
        except InputError as problem:  # the shipped network does without
            print(problem, file=sys.stderr)


def _is_terminal(stream):
    return stream is not None and not stream.closed and stream.isatty()


def _says_yes(question):
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D
        print()
        return False
