"""Look into a network in the browser: minicnn explore [PHOTO …] [--model NAME] [--photos FOLDER]

The page shows all maps of every layer, the picture that each channel likes best, where each class is seen in the photo
and how little it takes to see another one. Without PHOTO it shows an example; photos can be dropped on the page.
"""

import argparse
import threading
from importlib.util import find_spec
from pathlib import Path

from minicnn import program
from minicnn.errors import InputError

from .shared.command import MODEL_HELP, OneLineParser, main
from .shared.language import LANGUAGE_HELP, LANGUAGES
from .shared.photo_files import warn

PORT = 8765
NEEDED = ("starlette", "uvicorn")


def run(arguments: argparse.Namespace) -> None:
    """Serve the page until a signal comes."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(f"the explorer needs {' and '.join(missing)}; install with: pip install {' '.join(NEEDED)}")
    from .explorer.app import PAGE, TEMPLATES
    from .explorer.networks import Networks
    from .explorer.photos import offered_photos
    from .explorer.server import address_of, listen, serve
    from .explorer.state import Explorer
    from .explorer.static import write_static

    networks = Networks(arguments.model, arguments.device)
    explorer = Explorer(networks, offered_photos(networks, arguments.photos), arguments.photo_folder,
                        arguments.lang)
    if arguments.static:
        print(networks.reason)
        size = write_static(explorer, Path(arguments.static), PAGE, TEMPLATES)
        print(f"wrote {Path(arguments.static) / 'index.html'}, {size / 1e6:.1f} MB in all")
        return
    server = listen(arguments.host, arguments.port, PORT)
    address = address_of(server)
    program.note_kept("the explorer has ended")
    print(address, flush=True)
    print(networks.reason, flush=True)
    if not address.startswith(("http://127.", "http://[::1]")) or arguments.host in ("0.0.0.0", "::"):
        warn(f"warning: every machine that reaches {arguments.host} can use this page; it has no password")
    serve(explorer, server, arguments.host, lambda: None if arguments.no_browser else open_page(address))


def open_page(address: str) -> None:
    """Open the page in a browser, without waiting for it."""
    from .explorer.server import open_browser

    def work() -> None:
        if not open_browser(address):
            warn("no browser was found; open the address yourself, or give --no-browser")
    threading.Thread(target=work, daemon=True).start()


def port(text: str) -> int:
    """Return the port of the command line; 0 is any free one."""
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, not {text!r}")
    return int(text)


def parser() -> OneLineParser:
    """Return the parser of the command line."""
    parser = OneLineParser(prog="minicnn explore", description=__doc__)
    parser.add_argument("photos", nargs="*", metavar="PHOTO", help="picture files (default: an example)")
    parser.add_argument("--model", help=MODEL_HELP)
    parser.add_argument("--photos", dest="photo_folder", metavar="FOLDER", help="folder of photos in which each "
                        "channel's strongest patches are found (default: the set that `minicnn fetch caltech101` "
                        "has put into the cache folder)")
    parser.add_argument("--device", default="auto", help="cpu, gpu or auto (default: auto)")
    parser.add_argument("--host", default="127.0.0.1", help="address at which the server listens (default: 127.0.0.1, "
                        "which only this machine reaches)")
    parser.add_argument("--port", type=port, metavar="N", help=f"number of the server's port (default: {PORT}, or a "
                        "free one)")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help=LANGUAGE_HELP)
    parser.add_argument("--static", metavar="OUT", help="instead of a server, write the page with recorded answers "
                        "into the new folder OUT, from which it opens (default: a server)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    return parser


if __name__ == "__main__":
    main(run, parser())
