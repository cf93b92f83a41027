"""The parts of weights_converter that demos use. The package is `weights_converter` in a checkout, and
`minicnn.weights_converter` after an installation."""

from typing import TYPE_CHECKING

if TYPE_CHECKING or __name__.startswith("demos."):
    from weights_converter.__main__ import convert_parser, fetch_parser, inspect_parser
    from weights_converter.__main__ import main as run_converter
    from weights_converter.fetching.fetch import fetch
    from weights_converter.sources.photo_sets import PHOTO_SETS
    from weights_converter.sources.published import PUBLISHED
else:
    from minicnn.weights_converter.__main__ import convert_parser, fetch_parser, inspect_parser
    from minicnn.weights_converter.__main__ import main as run_converter
    from minicnn.weights_converter.fetching.fetch import fetch
    from minicnn.weights_converter.sources.photo_sets import PHOTO_SETS
    from minicnn.weights_converter.sources.published import PUBLISHED

__all__ = ["PHOTO_SETS", "PUBLISHED", "convert_parser", "fetch", "fetch_parser", "inspect_parser", "run_converter"]
