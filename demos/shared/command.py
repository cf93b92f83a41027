"""What every demo's command line does alike: its common options, and errors that become one line."""

import argparse
import math
import os
import sys
from itertools import pairwise

from minicnn.errors import InputError

MODEL_HELP = ("a network's name or a weights file (.h5); left out, pretrained SqueezeNet weights if they are in the "
              "cache, else the small network that is shipped")


class OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


MOST = 10**8  # more of anything is a slip of the finger, and its square beyond what the size of an array can be


def positive_int(text):
    """A whole number from 1 to MOST, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, not {text!r}")
    if int(text) > MOST:
        raise argparse.ArgumentTypeError(f"expected at most {MOST:,}, not {text}")
    return int(text)


def natural_int(text):
    """A whole number from 0 on, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, not {text!r}")
    return int(text)


def number(text):
    """A finite number, for argparse."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise argparse.ArgumentTypeError(f"expected a number, not {text!r}")
    return found


def natural_number(text):
    """A finite number from 0 on, for argparse."""
    if number(text) < 0:
        raise argparse.ArgumentTypeError(f"expected a number from 0 on, not {text!r}")
    return number(text)


def positive_number(text):
    """A finite number above 0, for argparse."""
    if number(text) <= 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, not {text!r}")
    return number(text)


def demo_parser(name, description, photos=True, model_help=MODEL_HELP, writes=True):
    """A parser with the options that all demos share; `name` as in python -m demos.NAME, "" for the gallery.

    photos : whether it takes picture files. model_help : of --model, where another network than usual is the default.
    writes : whether it writes files.
    """
    parser = OneLineParser(prog=f"python -m demos{'.' + name if name else ''}", description=description)
    if photos:
        parser.add_argument("photos", nargs="*", metavar="PHOTO", help="picture files; left out, an example is used")
    parser.add_argument("--model", help=model_help)
    add_common(parser, writes)
    return parser


def add_common(parser, writes=True):
    """Where to run and to write, and the seed: the options of every demo, whatever it takes."""
    parser.add_argument("--device", default="auto", help="cpu, gpu or auto (default)")
    if writes:
        parser.add_argument("--out", help="the folder to write; left out, a new one")
        parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")
    parser.add_argument("--seed", type=natural_int, default=0, help="for everything random (default 0)")


def refuse_empty(parser, words):
    """End with one line where one of the command line's words is empty, as "$OUT" is in a shell that knows no OUT."""
    for before, word in pairwise([parser.prog, *words]):
        if not word or word.startswith("--") and word.endswith("="):
            parser.error(f"there is an empty text after {word or before}; say what it is to be, or leave it out")


def main(run, parser):
    """Parse, run(arguments), exit: 0; 2 after an InputError or too little memory, as one line; 130 after Ctrl-C; 1
    where nobody reads the output any more."""
    refuse_empty(parser, sys.argv[1:])  # it would count as left out
    arguments = parser.parse_intermixed_args()  # files may stand before and behind options
    try:
        run(arguments)
        sys.stdout.flush()
    except InputError as problem:
        print(f"{parser.prog}: {problem}", file=sys.stderr)
        sys.exit(2)
    except MemoryError as problem:  # NumPy and CuPy say how much was asked for
        reason = " ".join(str(problem).split()) or "no more is to be had"
        print(f"{parser.prog}: not enough memory ({reason}); ask for fewer or smaller pictures", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever read the output, as head does, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains as it ends
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted; what was finished is kept", file=sys.stderr)
        sys.exit(130)
