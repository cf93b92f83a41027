"""The names and bounds of checks in another language."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from minicnn.visualize import check

from .language import translation
from .sentences import arguments, translated

WHAT, EXPECTED, REASON = 0, 2, 2  # places of these arguments of the functions that make a check
PLACES = {"Check": (WHAT, EXPECTED), "below": (WHAT,), "above": (WHAT,), "reported": (WHAT, REASON)}
WORDS = (  # values that are words of such a sentence, and sentences that are not an argument of these functions
    "saliency", "relevance", "guided backprop", "guided Grad-CAM", "occlusion", "integrated gradients", "gradient",
    "gradient x input", "deletion", "insertion", "features", "pixels", "less", "more", "neuron", "channel",
    "layer", "{0} of {1} layers", "photo", "drawn picture", "content", "style", "mean and covariance",
    "mean and variances", "the box of the {0}", "the valid colours, black to white",
    "the least and the greatest value of the source", "{0}: 0 and the code's upper bound",
    "images first shown to the network", "{0}: images first shown to the network", "{0} (first image)",
    "{0} (white noise)", "photos it was made from", "unseen photos", "unseen, its values shuffled",
    "unseen, normal noise", "half the squared norm of {0}", "half the squared norm of {0}, channel {1},",
    "best dot product of {0} with the guide", " or {0} pixels around it",
    "integrated gradients: sum against the difference of the scores, as a share of the sizes of the sums in {0} blocks",
    "integrated gradients: distance from those at {0} points of the line, in units of the distance between {1} and {2} "
    "points",
    "integrated gradients: distance of the map from that of {0} points of the line, in units of the distance between "
    "{1} and {2} points")
FOLDERS = (Path(check.__file__).parent, Path(__file__).parents[1])  # whose modules make checks


@cache
def check_sentences() -> dict[str, Path]:
    """Return {sentence: module} of all checks of the library and the demos, with numbered fields."""
    return {word: Path(__file__) for word in WORDS} | {
        sentence: module for module in modules()
        for sentence in arguments(module.read_text(encoding="utf-8"), PLACES)}


def modules() -> Iterator[Path]:
    """Yield the modules that make checks."""
    calls = re.compile(rf"\b({'|'.join(PLACES)})\(")
    for folder in FOLDERS:
        for module in sorted(folder.rglob("*.py")):
            if calls.search(module.read_text(encoding="utf-8")):
                yield module


def check_text(text: str, language: str) -> str:
    """Return a check's name or bound in one of LANGUAGES. Unknown names before colons stay as they are."""
    if language == "en":
        return text
    known, _ = check_sentences(), translation(language)
    said = translated(text, known, _)
    name, colon, rest = text.partition(": ")
    return f"{translated(name, known, _)}{colon}{check_text(rest, language)}" if said == text and colon else said
