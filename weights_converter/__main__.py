"""python -m weights_converter SOURCE [-o OUT.h5], inspect FILE, fetch NAME"""

import argparse
import os
import signal
import sys

DESCRIPTION = "Turn weights as other frameworks publish them into minicnn's HDF5."
EPILOG = """SOURCE may be PyTorch's .pth, safetensors, ONNX, Caffe's .caffemodel, Keras's .h5, MatConvNet's .mat, .npz,
or SqueezeNet's Deep Compression .net: its first bytes decide, not its name. The network is recognised by the names and
shapes of its arrays. Also: python -m weights_converter inspect FILE says what a file is and converts nothing; python -m
weights_converter fetch NAME gets a published file and converts it."""


class OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def main(argv=None):
    """Run the command line; 0 when done, 2 after one line on stderr, 130 after Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    # A file that is called inspect or fetch is ./inspect, as with any program that has subcommands.
    make_parser = {"inspect": inspect_parser, "fetch": fetch_parser}.get(argv[0] if argv else None, convert_parser)
    parser = make_parser()
    arguments = parser.parse_args(argv[1:] if make_parser is not convert_parser else argv)
    if arguments.check:
        arguments.check(parser, arguments)
    try:
        # imported here, so that Ctrl-C while NumPy loads is caught too
        from minicnn.errors import InputError

        arguments.run(arguments)
    except KeyboardInterrupt:
        print(f"interrupted: {arguments.kept}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who reads our output, head for example, has seen enough
        drop_output()
        return 1
    except MemoryError:
        return refuse(parser, "not enough memory")
    except (InputError, OSError) as problem:
        return refuse(parser, problem)
    return 0


def convert_parser():
    """SOURCE -> HDF5."""
    parser = OneLineParser(prog="python -m weights_converter", description=DESCRIPTION, epilog=EPILOG)
    add_source(parser, "SOURCE", "the file to convert")
    parser.add_argument("-o", "--output", metavar="OUT.h5", type=not_empty,
                        help="where to write (default: the cache folder, where load_model finds it by name)")
    parser.add_argument("--first-layer", action="store_true",
                        help="of any network, take the filters of the first convolution alone, for the filter "
                             "pictures")
    parser.add_argument("--array", metavar="NAME", type=not_empty,
                        help="with --first-layer: which array they are (default: the first that can be)")
    parser.add_argument("--channels", choices=["RGB", "BGR"],
                        help="with --first-layer: the order in which the network takes its channels (default: as "
                             "published with the weights; of networks that are not known RGB, or BGR from Caffe)")
    parser.add_argument("--overwrite", action="store_true", help="replace the output where it exists")
    parser.set_defaults(run=run_convert, check=check_first_layer, kept="nothing was written")
    return parser


def inspect_parser():
    """What a file is."""
    parser = OneLineParser(prog="python -m weights_converter inspect",
                           description="Say what a weights file is and what would be converted; nothing is written.")
    add_source(parser, "FILE", "the file to look into")
    parser.set_defaults(run=run_inspect, check=None, kept="nothing was written")
    return parser


def add_source(parser, metavar, text):
    """What converting and inspecting have in common."""
    parser.add_argument("source", metavar=metavar, type=not_empty, help=text)
    parser.add_argument("--network", metavar="NAME", type=not_empty, default="auto",
                        help="which network it is, as vgg16 or vgg16_caffe (default: auto)")
    parser.add_argument("--features-only", action="store_true",
                        help="leave out the classifier; a file that ends before it needs this")


def fetch_parser():
    """The published files."""
    from weights_converter.sources.published import PUBLISHED

    parser = OneLineParser(prog="python -m weights_converter fetch",
                           description="Get a published weights file, check it, and convert it into the cache folder.",
                           epilog=f"NAME is one of {', '.join(PUBLISHED)}")
    parser.add_argument("name", metavar="NAME", type=not_empty, help="which weights")
    parser.add_argument("--from", dest="mirror", metavar="FILE|URL", type=not_empty,
                        help="the same file from another place")
    parser.add_argument("--overwrite", action="store_true", help="fetch and convert again what is there already")
    parser.set_defaults(run=run_fetch, check=None,
                        kept="what was downloaded is kept, and the same command goes on from there")
    return parser


def not_empty(text):
    """A name, for argparse: an empty one comes of a variable of the shell that is not set."""
    if not text:
        raise argparse.ArgumentTypeError("expected a name, not ''")
    return text


def check_first_layer(parser, arguments):
    """End with an error where options say nothing beside each other."""
    if arguments.first_layer and (arguments.network != "auto" or arguments.features_only):
        parser.error("--first-layer takes no other layer, and any network: leave out --network and --features-only")
    if not arguments.first_layer and (arguments.array or arguments.channels):
        parser.error("--array and --channels go with --first-layer")


def run_convert(arguments):
    """Convert, or take the first layer alone."""
    if arguments.first_layer:
        from weights_converter.first_layer import extract

        extract(arguments.source, arguments.output, arguments.array, arguments.channels, arguments.overwrite, say)
    else:
        from weights_converter.convert import convert

        convert(arguments.source, arguments.output, arguments.network, arguments.features_only, arguments.overwrite,
                say)


def run_inspect(arguments):
    """Report."""
    from weights_converter.inspection import inspect

    inspect(arguments.source, arguments.network, arguments.features_only, say)


def run_fetch(arguments):
    """Download, check, convert."""
    from weights_converter.fetching.fetch import fetch

    fetch(arguments.name, arguments.mirror, arguments.overwrite, say)


def say(line):
    """Print it at once, so that what cannot be printed is an error of this line."""
    from minicnn.errors import InputError

    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as problem:
        drop_output()
        raise InputError(f"standard output cannot be written: {problem.strerror}") from None


def drop_output():
    """Let what is still to be printed go nowhere: Python would try again as it ends, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def refuse(parser, problem):
    """Say in one line what is wrong; the exit code."""
    print(f"{parser.prog}: error: {' '.join(str(problem).split())}", file=sys.stderr)
    return 2


def run_as_program():
    """`main` with what only a process of its own can have: signals that clean up, and names in any characters."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # None where there is no terminal, on Windows
            stream.reconfigure(errors="backslashreplace")
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number and signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores it
            signal.signal(number, leave)
    return main()


def leave(number, frame):
    """End so that temporary files are removed, with the exit code of a program that the signal ended."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(run_as_program())
