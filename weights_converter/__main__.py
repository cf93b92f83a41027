"""python -m weights_converter SOURCE [-o OUT.h5] [--network NAME] [--features-only] [--overwrite]"""

import argparse
import sys

DESCRIPTION = "Turn weights as other frameworks publish them into minicnn's HDF5."
EPILOG = """The network is recognised by the names and shapes of the arrays. Where several fit alike,
--network decides: vgg16, vgg19, vgg19_normalised, squeezenet1_0 or squeezenet1_1."""


class OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def main(argv=None):
    """Run the command line; 0 when done, 2 after one line on stderr, 130 after Ctrl-C."""
    parser = OneLineParser(prog="python -m weights_converter", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("source", metavar="SOURCE", help="the file to convert")
    parser.add_argument("-o", "--output", metavar="OUT.h5",
                        help="where to write (default: the cache folder, where load_model finds it by name)")
    parser.add_argument("--network", metavar="NAME", default="auto",
                        help="which network it is (default: auto)")
    parser.add_argument("--features-only", action="store_true",
                        help="leave out the classifier; a file that ends before it needs this")
    parser.add_argument("--overwrite", action="store_true", help="replace the output where it exists")
    arguments = parser.parse_args(argv)
    try:
        # imported here, so that Ctrl-C while NumPy loads is caught too
        from minicnn.errors import InputError
        from weights_converter.convert import convert

        convert(arguments.source, arguments.output, arguments.network, arguments.features_only,
                arguments.overwrite)
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130
    except MemoryError:
        return refuse(parser, f"{arguments.source}: not enough memory")
    except (InputError, OSError) as problem:
        return refuse(parser, problem)
    return 0


def refuse(parser, problem):
    """Say in one line what is wrong; the exit code."""
    print(f"{parser.prog}: error: {' '.join(str(problem).split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
