"""Titles, explanations and captions of the gallery's pictures in another language.

A demo writes them in English into the run card, with numbers and names in them, see shared/sentences.py.
"""

import re
from collections.abc import Collection

from .shared.language import Translate
from .shared.sentences import arguments, translated

TITLE, EXPLANATION = 1, 4        # places of these arguments of Picture
VALUES = (  # values that are words of a sentence
    "drawn shapes", "drawn pictures", "photos", "drawings", "class score", "neuron", "neurons", "channel", "channels",
    "{0} pictures", "the mean colour", "a grey picture", "noise", "several ways")
NETWORK = "\0"                   # stands for the name of the network, which may be a word of VALUES
CAPTIONS = (  # lines below the panels of figures, and titles that a demo takes from them
    "{0}: {1} filters of {2}, {3}", "{0}, {1}: {2} of {3} filters, {4}, on {5} channels",
    "{0}, {1}: {2} of {3} filters, {4}, on {5} of {6} channels", "first-layer filters of {0}", "filters of {0}",
    "saliency", "guided backprop", "occlusion", "gradient", "deconvnet", "noise", "source", "content", "style", "photo",
    "gradient x input", "guided Grad-CAM", "integrated gradients", "the same over the photo", "at the window's centre",
    "fall of the probability, over the photo:", "with this window hidden {0}", "probability of {0},",
    "{0} (blue) to {1} (red)", "{0}: {1} channels, {2} zeros", "channel {0}: up to {1}, {2} zeros",
    "channel {0} at ({1}, {2})", "strongest patches", "the score: {0}", "the pixels: {0}",
    "{0} of their energy in the mean colour",
    "deletion of blocks, the most important first; low is good",
    "insertion of the same blocks into a blurred photo; high is good", "rank correlations of the maps",
    "randomisation: a map above the line at half of the stages fails", "detectors of each concept in {0}",
    "detectors in each layer", "legend", "two principal components",
    "t-SNE, perplexity {0}, divergence {1}", "positions by t-SNE", "one cell for each, {0}",
    "{0} queries, each with its {1} nearest in {2} ({3} numbers)", "the {0} nearest in pixels ({1} numbers)",
    "{0}, {1} steps", "{0}, {1} steps (contrast x {2})", "score {0}, {1} high frequencies",
    "{0}, of unit norm", "{0}: {1}x{2} pixels", "facet {0}: {1} images", "their mean", "optimized",
    "from noise", "{0}: pixels", "generated", "nearest drawn, {0} away",
    "{0} places of {1}, each drawn by the network", "sized by the length of the activation vector",
    "after {0} steps", "{0}, epsilon {1}", "difference x{0}, 0 is grey", "at most {0} of 255",
    "its size, from 0 to {0} levels", "norm {0}, PSNR {1} dB", "norm {0}", "plus the change",
    "the change x{0}, 0 is grey", "error {0}, {1} dB", "guide", "{0}, guided", "from {0}, without a style",
    "with the style {0}", "Content Source Img.", "Style Source Img.", "Output Img.",
    "up to {0}", "the sample, {0}", "sources of {0}'s pixels",
    "(red: downwards, green: to the right)", "blends of {0}, one in each corner")
CHOICE = (  # the line that names the network, see choose_model
    "model: {0}, {1}; device: {2}", "chosen by --model", "pretrained weights found in {0}",
    "the shipped network of photographs: there are no pretrained SqueezeNet weights in the cache folder (minicnn fetch "
    "squeezenet1_1 fetches them)", "cpu (CuPy is not installed; for CUDA 13: pip install cupy-cuda13x)",
    "cpu (CuPy is installed but finds no CUDA driver or GPU)")


def sentences(source: str) -> list[str]:
    """Return the titles and explanations of all pictures in a demo's source, with numbered fields."""
    return arguments(source, {"Picture": (TITLE, EXPLANATION)})


def named(text: str, model: str, known: Collection[str], _: Translate) -> str:
    """Return the translation of a text as `translated` does. The name of the network in front of it stays."""
    found = re.match(rf"{re.escape(model)}(?=[:,] )", text)
    return translated(NETWORK + text[found.end():], known, _).replace(NETWORK, model) if found else \
        translated(text, known, _)
