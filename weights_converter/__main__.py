"""python -m weights_converter SOURCE [-o OUT.h5], inspect FILE, fetch NAME"""

import argparse
import os
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
    try:
        # imported here, so that Ctrl-C while NumPy loads is caught too
        from minicnn.errors import InputError

        arguments.run(arguments)
    except KeyboardInterrupt:
        print(f"interrupted: {arguments.kept}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who reads our output, head for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
    parser.add_argument("-o", "--output", metavar="OUT.h5",
                        help="where to write (default: the cache folder, where load_model finds it by name)")
    parser.add_argument("--first-layer", nargs="?", const="auto", metavar="ARRAY",
                        help="of any network, take the filters of the first convolution alone, for the filter "
                             "pictures; ARRAY names them where they are not found")
    parser.add_argument("--bgr", action="store_true",
                        help="with --first-layer: the network wants its channels in the order blue, green, red")
    parser.add_argument("--overwrite", action="store_true", help="replace the output where it exists")
    parser.set_defaults(run=run_convert, kept="nothing was written")
    return parser


def inspect_parser():
    """What a file is."""
    parser = OneLineParser(prog="python -m weights_converter inspect",
                           description="Say what a weights file is and what would be converted; nothing is written.")
    add_source(parser, "FILE", "the file to look into")
    parser.set_defaults(run=run_inspect, kept="nothing was written")
    return parser


def add_source(parser, metavar, text):
    """What converting and inspecting have in common."""
    parser.add_argument("source", metavar=metavar, help=text)
    parser.add_argument("--network", metavar="NAME", default="auto",
                        help="which network it is, as vgg16 or vgg16_caffe (default: auto)")
    parser.add_argument("--features-only", action="store_true",
                        help="leave out the classifier; a file that ends before it needs this")


def fetch_parser():
    """The published files."""
    from weights_converter.published import PUBLISHED

    parser = OneLineParser(prog="python -m weights_converter fetch",
                           description="Get a published weights file, check it, and convert it into the cache folder.",
                           epilog=f"NAME is one of {', '.join(PUBLISHED)}")
    parser.add_argument("name", metavar="NAME", help="which weights")
    parser.add_argument("--from", dest="mirror", metavar="FILE|URL", help="the same file from another place")
    parser.add_argument("--overwrite", action="store_true", help="fetch and convert again what is there already")
    parser.set_defaults(run=run_fetch,
                        kept="what was downloaded is kept, and the same command goes on from there")
    return parser


def run_convert(arguments):
    """Convert, or take the first layer alone."""
    if arguments.first_layer:
        from weights_converter.first_layer import extract

        extract(arguments.source, arguments.output, arguments.first_layer, arguments.bgr, arguments.overwrite)
    else:
        from weights_converter.convert import convert

        convert(arguments.source, arguments.output, arguments.network, arguments.features_only, arguments.overwrite)


def run_inspect(arguments):
    """Report."""
    from weights_converter.inspection import inspect

    inspect(arguments.source, arguments.network, arguments.features_only)


def run_fetch(arguments):
    """Download, check, convert."""
    from weights_converter.fetch import fetch

    fetch(arguments.name, arguments.mirror, arguments.overwrite)


def refuse(parser, problem):
    """Say in one line what is wrong; the exit code."""
    print(f"{parser.prog}: error: {' '.join(str(problem).split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
