"""The command line of every demo: its common options, and errors printed as one line."""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NoReturn

from minicnn import program

from .claim import release_claims

MODEL_HELP = ("a network's name or a weights file (.h5) (default: pretrained SqueezeNet weights from the cache folder "
              "if there are any, else the shipped network `photos`)")


class OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        program.report(f"{self.prog}: ", f"{message}; see {self.prog} --help")
        raise SystemExit(2)


LARGEST = 10**8  # larger numbers are typing errors, and their squares exceed the largest array size


def positive_int(text: str) -> int:
    """Return the whole number from 1 to LARGEST in an argument of the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, not {text!r}")
    if int(text) > LARGEST:
        raise argparse.ArgumentTypeError(f"expected at most {LARGEST:,}, not {text}")
    return int(text)


def natural_int(text: str) -> int:
    """Return the whole number from 0 on in an argument of the command line."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, not {text!r}")
    return int(text)


def number(text: str) -> float:
    """Return the finite number in an argument of the command line."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"expected a number, not {text!r}")
    return value


def natural_number(text: str) -> float:
    """Return the finite number from 0 on in an argument of the command line."""
    if number(text) < 0:
        raise argparse.ArgumentTypeError(f"expected a number from 0 on, not {text!r}")
    return number(text)


def positive_number(text: str) -> float:
    """Return the finite number above 0 in an argument of the command line."""
    if number(text) <= 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, not {text!r}")
    return number(text)


def demo_parser(name: str, description: str | None, photos: bool = True, model_help: str = MODEL_HELP,
                writes: bool = True) -> OneLineParser:
    """Return a parser with the options that all demos share.

    Parameters
    ----------
    name : NAME in minicnn NAME; "" for the gallery.
    description : the module's docstring.
    photos : whether the demo takes picture files.
    model_help : the help text of --model, if the demo's default network is another one.
    writes : whether the demo writes files.
    """
    parser = OneLineParser(prog=f"minicnn {name or 'gallery'}", description=description)
    if photos:
        parser.add_argument("photos", nargs="*", metavar="PHOTO", help="picture files (default: an example)")
    parser.add_argument("--model", help=model_help)
    add_common(parser, writes)
    return parser


def add_common(parser: argparse.ArgumentParser, writes: bool = True) -> None:
    """Add the options that demos without photos or --model have too: device, output folder and seed."""
    parser.add_argument("--device", default="auto", help="cpu, gpu or auto (default: auto)")
    if writes:
        parser.add_argument("--out", help="output folder (default: a new folder)")
        parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.add_argument("--seed", type=natural_int, default=0, metavar="N",
                        help="seed of the random generator (default: 0)")


def require_no_empty_words(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Exit with one line if a word of the command line is empty, as "$OUT" is if the shell variable OUT is not set."""
    for before, word in pairwise([parser.prog, *words]):
        if not word or word.startswith("--") and word.endswith("="):
            parser.error(f"the text after {word or before} is empty; give a value, or omit the option")


def run_command(run: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser,
                words: Sequence[str]) -> int:
    """Parse the words of a command line, call run(arguments), and return the exit code of `minicnn.program.run`."""
    def parse_and_run() -> None:
        require_no_empty_words(parser, words)  # argparse would take an empty text for a missing option
        try:
            run(parser.parse_intermixed_args(words))  # files may stand before and behind options
        finally:
            release_claims()
    return program.run(parser.prog, parse_and_run)


def main(run: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser) -> NoReturn:
    """Run the command line of this process, and exit."""
    sys.exit(run_command(run, parser, sys.argv[1:]))
