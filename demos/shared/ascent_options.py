"""The options of the demos of gradient ascent, one for each of its settings, and the contrast of faint pictures."""

from argparse import ArgumentParser
from collections.abc import Mapping

import numpy as np

from minicnn import plot
from minicnn.models import Model
from minicnn.visualize.synthesis.ascent_settings import AscentSettings

from .command import natural_int, natural_number, positive_int, positive_number
from .long_run import add_presets


def add_ascent_options(parser: ArgumentParser, presets: Mapping[str, AscentSettings], default: str) -> None:
    """Add --preset, and an option for each field of AscentSettings but `margin_weight`."""
    add_presets(parser, presets, default)
    parser.add_argument("--steps", dest="num_steps", metavar="N", type=positive_int, help="number of steps for each "
                        "image (default: the preset's)")
    parser.add_argument("--start-noise", type=natural_number, metavar="DEVIATION",
                        help="standard deviation of the noise in the first image; 0: the mean colour "
                        "(default: the preset's)")
    parser.add_argument("--policy", help="length of a step. normalized: fixed; constant: proportional to the gradient; "
                        "progress: the score would rise by --progress if it were linear; adam: of a fourier spectrum "
                        "(default: the preset's)")
    parser.add_argument("--learning-rate", type=positive_number, metavar="RATE", help="length of a normalized step, at "
                        "224 pixels; else the factor of the gradient, or its upper limit (default: the preset's)")
    parser.add_argument("--progress", type=positive_number, metavar="SCORE",
                        help="desired rise of the score per step, for the policy progress (default: the preset's)")
    parser.add_argument("--gain", type=positive_number, metavar="FACTOR", help="factor of every step's length "
                        "(default: the preset's)")
    parser.add_argument("--l2-reg", type=natural_number, metavar="WEIGHT",
                        help="weight of the penalty on the sum of squares (default: the preset's)")
    parser.add_argument("--decay", type=natural_number, metavar="SHARE",
                        help="share of the image that each step removes (default: the preset's)")
    parser.add_argument("--blur-every", type=positive_int, metavar="STEPS", help="steps from one blur to the next "
                        "(default: the preset's)")
    parser.add_argument("--blur-sigma", type=natural_number, metavar="PIXELS",
                        help="standard deviation of the blur; 0: no blur (default: the preset's)")
    parser.add_argument("--small-norm", type=natural_number, metavar="PERCENT",
                        help="percentage of the pixels set to zero: the smallest norms (default: the preset's)")
    parser.add_argument("--small-contribution", type=natural_number, metavar="PERCENT",
                        help="percentage of the pixels set to zero: the least contributions to the score "
                        "(default: the preset's)")
    parser.add_argument("--max-jitter", type=natural_int, metavar="PIXELS",
                        help="largest shift of the image per step, at 224 pixels (default: the preset's)")
    parser.add_argument("--max-scale", type=natural_number, metavar="SHARE", help="largest enlargement or reduction of "
                        "the image per step, as a share of its size (default: the preset's)")
    parser.add_argument("--max-rotation", type=natural_number, metavar="DEGREES",
                        help="largest rotation of the image per step (default: the preset's)")
    parser.add_argument("--parametrization", metavar="NAME", help="numbers that change: pixels, or fourier, a spectrum "
                        "of decorrelated colours (default: the preset's)")
    parser.add_argument("--spectrum-power", type=natural_number, metavar="EXPONENT", help="exponent of the frequency "
                        "by which the waves of a fourier image are divided; more is smoother (default: the preset's)")
    parser.add_argument("--border", type=natural_int, metavar="PIXELS", help="border of a fourier image that is "
                        "optimised too and cut off, at 224 pixels (default: the preset's)")
    parser.add_argument("--diversity-weight", type=natural_number, metavar="WEIGHT", help="weight of the likeness of "
                        "several images of one neuron or channel, such as --channels 5,5,5,5 (default: the preset's)")
    parser.add_argument("--clamp", metavar="ORDER",
                        help="limit to the valid colours: first (before the blur), last, or none "
                        "(default: the preset's)")
    parser.add_argument("--inputs", metavar="UNIT", help="unit of these numbers: torchvision (colours over their "
                        "standard deviation) or caffe (0 to 255); they are converted for other networks "
                        "(default: the preset's)")


def amplified(model: Model, caption: str, image: np.ndarray) -> tuple[str, np.ndarray]:
    """Return (caption, picture) of an image (1, C, H, W). A faint picture gets more contrast, stated in the caption."""
    preprocessing = model.preprocessing
    change = preprocessing.to_pixel_directions(image)[0].transpose(1, 2, 0) / preprocessing.unit  # (H, W, 3)
    picture, factor = plot.amplify(preprocessing.to_image(image), change)
    return f"{caption} (contrast x {factor:.0f})" if factor > 1 else caption, picture
