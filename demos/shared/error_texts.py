"""The error messages of the explorer in another language, with the messages of the library that a click may show.

A name inside a message, of a layer, a class or a file, stays as the user or the network has written it. Messages on the
terminal stay English.
"""

import re
from functools import cache
from itertools import chain
from pathlib import Path

from minicnn import images
from minicnn.images import kinds

from .language import Translate, translation
from .sentences import arguments, values_of

ERRORS = ("InputError", "GoneError", "TooLargeError", "TooManyPixelsError", "DivergedError", "kind")  # `kind`: any
PLACES: dict[str, tuple[int, ...]] = dict.fromkeys(ERRORS, (0,))
LIBRARY = Path(images.__file__).parents[1]
EXPLORER = Path(__file__).parents[1] / "explorer"
TERMINAL = ("server.py", "static.py")  # modules of the explorer whose messages the page does not show
SOURCES = ("images/reading.py", "images/pixels.py", "images/tiff.py", "losses/classes.py", "optimize/loop.py",
           "layers/relevance.py", "visualize/attribution/cams.py", "visualize/attribution/grad_cam.py",
           "visualize/attribution/occlusion.py", "visualize/style/require.py", "visualize/synthesis/deepdream.py",
           "visualize/synthesis/fooling.py", "visualize/synthesis/neuron_visualization.py")
INTRODUCTION = re.compile(r": \{\d+\}$")  # of a sentence that follows, so it is found before the longest text
KINDS = ("layer", "network", "photo", "kind", "view", "style")  # of things with names, see minicnn.errors.unknown_name
OTHERS = (  # sentences that are not an argument of these functions
    "the photo: {0}", "layer '{0}': {1}", "layer '{0}' has no maps: its output is {1}",
    "layer '{0}' has channels 0 to {1}, not {2}", "{0} has values that are not finite",
    "did you mean {0}?", "did you mean {0} or {1}?", "did you mean {0} or {1} or {2}?",
    "a fault of the explorer; the terminal shows it",
    "not an image, or damaged, or in a format that Pillow cannot read; convert it to PNG or JPEG",
    "a web page, not an image; download the image itself",
    "a {0}TIFF with {1} channel of {2}, which Pillow cannot read; convert it to an 8-bit PNG",
    "a {0}TIFF with {1} channels of {2}, which Pillow cannot read; convert it to an 8-bit PNG")


@cache
def error_sentences() -> dict[str, Path]:
    """Return {sentence: module} of the messages, with numbered fields and without the path of a file."""
    named = chain.from_iterable((f"no {kind} '{{0}}'; {{1}}", f"{kind} names: {{0}}") for kind in KINDS)
    files = {*kinds.OTHER_SUFFIXES.values(), *(kind for *_, kind in kinds.SIGNATURES)}
    return dict.fromkeys((*OTHERS, *named), Path(__file__)) | dict.fromkeys(sorted(files), Path(kinds.__file__)) | {
        without_path(sentence): module for module in modules()
        for sentence in arguments(module.read_text(encoding="utf-8"), PLACES)
        if not re.search(r"\{\D", sentence)}  # about an argument of Python, such as {layer: weight}


def without_path(sentence: str) -> str:
    """Return a sentence without the field of a path at its start, and its other fields numbered from 0 on."""
    rest = sentence.removeprefix("{0}: ")
    return sentence if rest == sentence else re.sub(r"\{(\d+)\}", lambda field: f"{{{int(field[1]) - 1}}}", rest)


def modules() -> list[Path]:
    """Return the modules whose messages the page may show."""
    return [*(LIBRARY / name for name in SOURCES),
            *(module for module in sorted(EXPLORER.glob("*.py")) if module.name not in TERMINAL)]


def error_text(text: str, language: str) -> str:
    """Return a message in one of LANGUAGES. An unknown one stays as it is."""
    return text if language == "en" else said(text, translation(language))


def said(text: str, _: Translate) -> str:
    """Return the translation of a message. Of its values, only one at its end may be a sentence, as after a colon."""
    for sentence in sorted(error_sentences(), key=lambda known: (bool(INTRODUCTION.search(known)), len(known)),
                           reverse=True):
        if found := values_of(text, sentence):
            *values, more = found
            if sentence.endswith("}"):
                values[-1] = said(values[-1], _)
            return _(sentence).format(*values) + more
    return text
