"""The command line: minicnn convert SOURCE [-o OUT.h5], inspect FILE, fetch NAME."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from minicnn import program

DESCRIPTION = "Convert weights of other frameworks to minicnn's HDF5 format."
PREPROCESSING_NAMES = ("torchvision", "caffe", "caffe-rgb", "unit", "minus1-1", "tf", "none")  # a test compares them
EPILOG = """Formats of SOURCE: PyTorch .pth, safetensors, ONNX, Caffe .caffemodel, Keras .h5, MatConvNet .mat, NumPy
.npz, and SqueezeNet's Deep Compression .net. The first bytes of the file decide, not its name. The names and shapes of
the arrays identify the network. Other commands: minicnn inspect FILE describes a file and converts
nothing; minicnn fetch NAME downloads a published file and converts it, or a set of photos."""


class OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser that reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with code 2."""
        program.report(f"{self.prog}: error: ", f"{message}; see {self.prog} --help")
        raise SystemExit(2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code, as `minicnn.program.run`. An error is one line on stderr."""
    argv = sys.argv[1:] if argv is None else argv
    # a source file that is named inspect or fetch must be given as ./inspect or ./fetch
    make_parser = {"inspect": inspect_parser, "fetch": fetch_parser}.get(argv[0] if argv else "", convert_parser)
    parser = make_parser()
    arguments = parser.parse_args(argv[1:] if make_parser is not convert_parser else argv)
    if make_parser is convert_parser:
        require_consistent(parser, arguments)
    return program.run(parser.prog, lambda: arguments.run(arguments), arguments.kept, "error: ")


# ---- options -----------------------------------------------------------------------------------------------


def convert_parser() -> OneLineParser:
    """Return the parser of the conversion."""
    parser = OneLineParser(prog="minicnn convert", description=DESCRIPTION, epilog=EPILOG)
    add_source(parser, "SOURCE", "the file to convert")
    parser.add_argument("--labels", metavar="FILE", type=not_empty,
                        help="the names of the classes: a text with one name a line, or JSON (default: ImageNet's for "
                             "1000 classes, else none)")
    parser.add_argument("-o", "--output", metavar="OUT.h5", type=not_empty,
                        help="the file to write (default: in the cache folder, where load_model finds it by name)")
    parser.add_argument("--first-layer", action="store_true",
                        help="convert only the filters of the first convolution, of any network, for pictures of them")
    parser.add_argument("--array", metavar="NAME", type=not_empty,
                        help="with --first-layer: name of the array of filters (default: the first suitable array)")
    parser.add_argument("--channels", choices=["RGB", "BGR"],
                        help="with --first-layer: order of the network's input channels (default: as published with "
                             "the weights; for unknown networks RGB, or BGR for Caffe's formats)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    parser.set_defaults(run=run_convert, kept="nothing was written")
    return parser


def inspect_parser() -> OneLineParser:
    """Return the parser of the command inspect."""
    parser = OneLineParser(prog="minicnn inspect",
                           description="Describe a weights file and the network that it would be converted to. "
                                       "Nothing is written.")
    add_source(parser, "FILE", "the file to describe")
    parser.set_defaults(run=run_inspect, kept="nothing was written")
    return parser


def add_source(parser: argparse.ArgumentParser, metavar: str, text: str) -> None:
    """Add the options that converting and inspecting share."""
    parser.add_argument("source", metavar=metavar, type=not_empty, help=text)
    parser.add_argument("--network", metavar="NAME", type=not_empty, default="auto",
                        help="the network in the file, such as vgg16 or vgg16_caffe (default: auto, recognise it)")
    parser.add_argument("--features-only", action="store_true",
                        help="leave out the classifier; needed for a file that ends before its last feature layer")
    parser.add_argument("--preprocessing", choices=PREPROCESSING_NAMES,
                        help="the input that the network was trained on: torchvision (RGB, ImageNet's mean and std), "
                             "caffe (BGR, 0..255 minus the mean), caffe-rgb (the same in RGB), unit (RGB, 0..1), "
                             "minus1-1 or tf (RGB, -1..1), none (RGB, 0..255) (default: as published, or recognised by "
                             "the values)")
    parser.add_argument("--prefix", metavar="TEXT", type=not_empty,
                        help="take only the arrays whose names begin with TEXT, of a file that holds several networks "
                             "(default: all arrays)")


def fetch_parser() -> OneLineParser:
    """Return the parser of the command fetch."""
    from .sources.photo_sets import PHOTO_SETS
    from .sources.published import PUBLISHED

    parser = OneLineParser(prog="minicnn fetch",
                           description="Download a published weights file, verify its sha256, and convert it into the "
                                       "cache folder, where load_model finds it by name. Or download a published set "
                                       "of photos and unpack it into the cache folder, where the demos find it.",
                           epilog=f"NAME is a network: {', '.join(PUBLISHED)}; or a set of photos: "
                                  f"{', '.join(PHOTO_SETS)}")
    parser.add_argument("name", metavar="NAME", type=not_empty, help="the network or the set of photos to fetch")
    parser.add_argument("--from", dest="mirror", metavar="FILE|URL", type=not_empty,
                        help="take the same file from another place (default: its publisher)")
    parser.add_argument("--overwrite", action="store_true", help="fetch again, replacing what an earlier fetch made")
    parser.set_defaults(run=run_fetch, kept="the downloaded part is kept, and the same command resumes the download")
    return parser


def not_empty(text: str) -> str:
    """Return an option's text. Refuses an empty one, which comes from an unset shell variable."""
    if not text:
        raise argparse.ArgumentTypeError("expected a name, not ''")
    return text


def require_consistent(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Exit with an error if options exclude each other."""
    if arguments.first_layer and (arguments.network != "auto" or arguments.features_only):
        parser.error("--first-layer converts one layer of any network: leave out --network and --features-only")
    if not arguments.first_layer and (arguments.array or arguments.channels):
        parser.error("--array and --channels need --first-layer")
    if arguments.first_layer and (arguments.labels or arguments.prefix):
        parser.error("--first-layer converts filters only: leave out --labels and --prefix")
    if arguments.channels and arguments.preprocessing:
        parser.error("--preprocessing has a channel order: leave out --channels")


# ---- commands ----------------------------------------------------------------------------------------------


def run_convert(arguments: argparse.Namespace) -> None:
    """Convert a file, or only its first layer."""
    if arguments.first_layer:
        from .first_layer import extract

        extract(arguments.source, arguments.output, arguments.array, arguments.channels, arguments.overwrite, say,
                arguments.preprocessing)
    else:
        from .convert import convert

        convert(arguments.source, arguments.output, arguments.network, arguments.features_only, arguments.overwrite,
                say, arguments.labels, arguments.preprocessing, arguments.prefix or "")


def run_inspect(arguments: argparse.Namespace) -> None:
    """Describe a file."""
    from .inspection import inspect

    inspect(arguments.source, arguments.network, arguments.features_only, say, arguments.preprocessing,
            arguments.prefix or "")


def run_fetch(arguments: argparse.Namespace) -> None:
    """Download, verify and convert a published file, or unpack a set of photos."""
    from .fetching.fetch import fetch

    fetch(arguments.name, arguments.mirror, arguments.overwrite, say)


def say(line: str) -> None:
    """Print a line at once."""
    from minicnn.errors import one_line

    print(one_line(line, 20_000), flush=True)


if __name__ == "__main__":
    sys.exit(main())
