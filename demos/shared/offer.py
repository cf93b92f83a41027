"""The gallery's question, without pretrained weights, whether to fetch them."""

import sys
from typing import TextIO
from urllib.parse import urlsplit

from minicnn.errors import InputError

from .converter import PUBLISHED, fetch
from .default_network import pretrained

NAME = "squeezenet1_1"


def offer_weights() -> None:
    """Ask the user at a terminal whether to fetch SqueezeNet's weights, unless some are in the cache, and fetch them.

    Without a terminal there is no question. `choose_model` says later that it uses the shipped network.
    """
    if pretrained():
        return
    if not all(_is_terminal(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)):
        return
    host = urlsplit(PUBLISHED[NAME].url).hostname
    if _ask(f"No SqueezeNet weights yet. Fetch SqueezeNet 1.1 (5 MB) from {host}? [y/N] "):
        try:
            fetch(NAME)
        except InputError as problem:  # the gallery then uses the shipped network
            print(problem, file=sys.stderr)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _ask(question: str) -> bool:
    """Return True if the user answers yes."""
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D
        print()
        return False
