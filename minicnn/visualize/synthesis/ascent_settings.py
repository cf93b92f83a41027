"""The settings of gradient ascent on the image, and the published settings as presets."""

from dataclasses import dataclass, replace

from minicnn.arguments import require_choice, require_fields, require_number
from minicnn.errors import InputError
from minicnn.models.preprocessing import CAFFE_VGG, TORCHVISION

INPUTS = {"torchvision": TORCHVISION, "caffe": CAFFE_VGG}
POLICIES = ("normalized", "constant", "progress", "adam")
PARAMETRIZATIONS = ("pixels", "fourier")
CLAMPS = ("first", "last", "none")


@dataclass(frozen=True)
class AscentSettings:
    """The settings of class, neuron, channel and layer visualization. The defaults use no regularization but the clamp.

    Lengths are for pictures of 224 pixels. For other sizes, the length of a normalized step and the jitter scale with
    the side of the picture, so that the change per pixel stays the same. The blur is at most 1/32 of the side.

    decay, blur_sigma, small_norm and small_contribution are the four regularizers of Yosinski et al. 2015
    (arXiv:1506.06579), section 4. They are applied after each step in this order; 0 switches one off.

    Raises InputError if a name is unknown or a number is out of its range.
    """

    num_steps: int = 100             # number of steps
    start_noise: float = 0.0         # standard deviation of the noise in the first image; 0: the mean colour
    policy: str = "normalized"       # step length: "normalized" (fixed length), "constant" (learning_rate * gradient)
    #                                  "progress" (the objective would rise by `progress` if it were linear) or "adam"
    #                                  (on a "fourier" spectrum)
    learning_rate: float = 25.0      # length of a normalized step, change of a number by a step of Adam, else the
    #                                  factor of the gradient or its upper limit
    progress: float = 2.0            # desired rise of the objective per step, for the policy "progress"
    gain: float = 1.0                # factor of every step's length
    l2_reg: float = 0.0              # weight of the penalty on the sum of squares
    margin_weight: float = 0.0       # weight of the margin to the best other class, for class_visualization only
    decay: float = 0.0               # share of the image that each step removes, from 0 to below 1
    blur_every: int = 4              # steps from one blur to the next
    blur_sigma: float = 0.0          # standard deviation of the blur, pixels
    small_norm: float = 0.0          # percent of the pixels set to 0: the smallest norms
    small_contribution: float = 0.0  # percent of the pixels set to 0: the least contributions to the objective
    max_jitter: int = 0              # largest shift of the image per step, pixels
    max_scale: float = 0.0           # largest enlargement or reduction of the image per step, as a share of its size
    max_rotation: float = 0.0        # largest rotation of the image per step, degrees
    parametrization: str = "pixels"  # numbers that change: "pixels", or "fourier", see optimize.FourierSpectrum. For
    #                                  "fourier", start_noise and learning_rate are those of the spectrum
    spectrum_power: float = 1.0      # power of the frequency by which the waves of a "fourier" image are divided; 2
    #                                  makes smoother images than 1
    border: int = 0                  # border of a "fourier" image that is optimised too and cut off, pixels
    diversity_weight: float = 0.0    # weight of the likeness of several images of one neuron or channel, see Likeness
    clamp: str = "last"              # limit to the valid colours: "first" or "last" of the regularizers, or "none"
    inputs: str = "torchvision"      # unit of these numbers: "torchvision" (colours over their standard deviation) or
    #                                  "caffe" (0 to 255); they are converted for networks with other inputs

    def __post_init__(self) -> None:
        for kind, name, names in (("policy", self.policy, POLICIES), ("clamp", self.clamp, CLAMPS),
                                  ("inputs", self.inputs, INPUTS),
                                  ("parametrization", self.parametrization, PARAMETRIZATIONS)):
            require_choice(kind, name, list(names))
        require_fields(self, num_steps=1, start_noise=0, learning_rate=0, decay=0, blur_every=1, blur_sigma=0,
                       margin_weight=0, max_jitter=0, max_rotation=0, border=0, diversity_weight=0, spectrum_power=0)
        require_number("max_scale", self.max_scale, 0, below=1)
        if not 0 <= self.decay < 1:
            raise InputError(f"the decay is the share of the image that a step removes: from 0 to below 1, not "
                             f"{self.decay}")
        for name, percent in (("small_norm", self.small_norm), ("small_contribution", self.small_contribution)):
            if not 0 <= percent < 100:
                raise InputError(f"{name} is the percentage of pixels set to 0: from 0 to below 100, not {percent}")
        if (self.policy == "adam") != (self.parametrization == "fourier"):
            raise InputError(f"the policy 'adam' and the parametrization 'fourier' need each other; got the policy "
                             f"{self.policy!r} and the parametrization {self.parametrization!r}")
        if self.parametrization == "fourier":
            given = [name for name in ("decay", "blur_sigma", "small_norm", "small_contribution")
                     if getattr(self, name)]
            if given:
                raise InputError(f"{given[0]} changes pixels, and the parametrization is 'fourier'; give 0, or the "
                                 "parametrization 'pixels'")


PLAIN = AscentSettings()

# Simonyan et al. 2013 (arXiv:1312.6034) publish the objective and the first image, which is zero. The numbers are ours.
SIMONYAN = AscentSettings(num_steps=100, learning_rate=5.0, l2_reg=1e-2, clamp="none")

# Stanford CS231n, assignment 3.
CS231N = AscentSettings(num_steps=100, start_noise=1.0, l2_reg=1e-3, blur_every=10, blur_sigma=0.5, max_jitter=16,
                        clamp="first")

# Yosinski et al. 2015 (arXiv:1506.06579), table 1, with the details of optimize_image.py in their Deep Visualization
# Toolbox. The numbers are for CaffeNet, whose inputs are pixels in 0..255. On SqueezeNet the pictures are faint: 1000
# steps of YOSINSKI_3 end 1.5 grey levels from the mean colour, and 1000 steps of YOSINSKI_4 end 0.2 grey levels from
# it. The demos raise the contrast. With a gain of 30, 60 steps change the picture more.
YOSINSKI = AscentSettings(start_noise=10.0, policy="constant", learning_rate=100.0, inputs="caffe")
YOSINSKI_1 = replace(YOSINSKI, num_steps=500, policy="progress", blur_sigma=0.5, small_norm=50.0)
YOSINSKI_2 = replace(YOSINSKI, num_steps=750, decay=0.3, small_norm=20.0)
YOSINSKI_3 = replace(YOSINSKI, num_steps=1000, decay=1e-4, blur_sigma=1.0)
YOSINSKI_4 = replace(YOSINSKI, num_steps=1000, policy="progress", learning_rate=1e8, blur_sigma=0.5,
                     small_contribution=90.0)

# Ours. The published settings raise the score alone, and the scores of similar classes rise with it, sometimes more:
# an alligator's with an iguana's. About 1 in 12 of SqueezeNet's pictures by CS231N is classified as another class.
MARGIN = replace(CS231N, margin_weight=0.5)

# Ours. Pixels outside the receptive field keep their initial noise, so start with less. A neuron has one position, so
# shift less.
NEURON = replace(CS231N, start_noise=0.2, max_jitter=8)

# Olah, Mordvintsev and Schubert 2017, "Feature Visualization" (https://distill.pub/2017/feature-visualization). They
# also turn the image. A turned image is read between its pixels three times more, and is blurred: with a max_rotation
# of 2 degrees, SqueezeNet's score of a tarantula ends at 249 instead of 306. So by default it is not turned.
DISTILL = AscentSettings(num_steps=256, start_noise=0.01, policy="adam", learning_rate=0.05, max_jitter=8,
                         max_scale=0.1, parametrization="fourier", border=16)

# Ours, for small networks of photos such as `photos`. DISTILL shows them as many small parts, and as fine patterns that
# no photo has. Here coarse waves change the most, the image is also shown at half and at one and a half of its size,
# and the margin keeps other classes away.
PHOTOS = replace(DISTILL, num_steps=160, learning_rate=0.025, margin_weight=1.0, max_scale=0.5, max_rotation=8.0,
                 spectrum_power=2.0)

PUBLISHED = {"simonyan": SIMONYAN, "cs231n": CS231N, "yosinski-1": YOSINSKI_1, "yosinski-2": YOSINSKI_2,
             "yosinski-3": YOSINSKI_3, "yosinski-4": YOSINSKI_4}
CLASS_PRESETS = {"distill": DISTILL, "photos": PHOTOS, "margin": MARGIN, **PUBLISHED}
NEURON_PRESETS = {"distill": DISTILL, "neuron": NEURON, **PUBLISHED}
