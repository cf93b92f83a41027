"""Multifaceted visualization: one image for each facet of a class, that is, for each group of its images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from minicnn.arguments import Seed, count_of, require_fields, require_generator, require_kind, require_number
from minicnn.backend import Array, get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.losses import ClassScore, Direction
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize import Clamp, FadingStep, optimize_image
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress, Renumbered, renumbered
from minicnn.visualize.arrays import on_host
from minicnn.visualize.attribution.grad_cam import upsample_maps
from minicnn.visualize.entry import (
    enter,
    require_labels,
    require_layer,
    require_maps,
    require_preprocessing,
    require_watchers,
)
from minicnn.visualize.synthesis.ascent import ascend
from minicnn.visualize.synthesis.ascent_settings import DISTILL, PHOTOS, AscentSettings
from minicnn.visualize.synthesis.class_visualization import class_terms
from minicnn.visualize.synthesis.denoise import DenoiseTV
from minicnn.visualize.synthesis.directions import require_vectors


@dataclass(frozen=True)
class Stage:
    """The settings of one stage of `facet_visualization`. Step sizes and weights change linearly from first to last."""

    num_steps: int        # number of steps
    first_step: float     # mean change of a pixel in the first step, grey levels of 255
    last_step: float      # mean change of a pixel in the last step, grey levels of 255
    first_weight: float   # weight of the denoising in the first step, see DenoiseTV
    last_weight: float    # weight of the denoising in the last step
    scale: float = 1.0    # enlargement of the picture before the stage
    margin: int = 0       # border of the window that stays unchanged, pixels at 227 pixels
    spread: float = 0.3   # spread of the window's position in a larger picture, see Window

    def __post_init__(self) -> None:
        require_fields(self, num_steps=1, first_step=0, last_step=0, first_weight=0, last_weight=0, margin=0, spread=0)
        require_number("scale", self.scale, above=0)


@dataclass(frozen=True)
class FacetSettings:
    """The settings of a multifaceted visualization."""

    stages: tuple[Stage, ...] | AscentSettings  # `stages` of facet_visualization
    nearest: int = 15                           # `nearest` of find_facets
    most: int = 10                              # `most` of suggest_facets
    pull: float = 0.0                           # length of the `direction` of facet_visualization, see there

    def __post_init__(self) -> None:
        require_fields(self, nearest=1, most=1, pull=0)
        if self.pull and getattr(self.stages, "parametrization", None) != "fourier":
            raise InputError(f"pull is {self.pull}, and needs AscentSettings with the parametrization 'fourier', such "
                             "as DISTILL, as the stages; give 0 for other stages")

    @property
    def num_steps(self) -> int:
        """The number of steps of all stages."""
        return self.stages.num_steps if isinstance(self.stages, AscentSettings) else \
            sum(stage.num_steps for stage in self.stages)


# The authors' code, for images that start from a mean.
NGUYEN_STAGES = (Stage(190, 1.0, 2.0, 0.4, 0.4), Stage(150, 1.0, 1.0, 0.01, 2.0, scale=1.2),
                 Stage(20, 2.0, 2.0, 0.1, 2.0, margin=50, spread=0.2), Stage(10, 2.0, 2.0, 0.4, 2.0))
NGUYEN = FacetSettings(NGUYEN_STAGES)

# Ours, for small networks. Their scores rise so fast that a tenth of the steps is enough. With more steps, all images
# end as the same picture.
SMALL = replace(NGUYEN, stages=tuple(replace(stage, num_steps=stage.num_steps // 10) for stage in NGUYEN_STAGES))

# Ours, for strokes that fill the picture, as digits do. The picture is not enlarged, the mean of many strokes would be
# a blot, and of ten groups of one digit many would be too similar.
TINY = FacetSettings(tuple(replace(stage, num_steps=max(1, stage.num_steps // 20), scale=1.0)
                           for stage in NGUYEN_STAGES), nearest=5, most=4)

# Ours: the waves, the colours and the shifts of Feature Visualization (Olah et al. 2017), from the same means. Its
# steps reach so far that all facets would end as the same picture, so the features of each group are raised, too:
# four facets of 200 watches, by NGUYEN and by WAVES: on SqueezeNet 1.1, the mean cosine of two facets' mean features is
# 0.92 and 0.54, and the mean score 88 and 173; 3 and 4 of them lie in the direction of their own photos.
WAVES = FacetSettings(DISTILL, pull=0.5)

# Ours, for networks of photos as small as `photos`: the class visualization of such networks, and a stronger pull.
COARSE_WAVES = FacetSettings(PHOTOS, pull=2.0)

FACET_PRESETS = {"distill": WAVES, "photos": COARSE_WAVES, "nguyen": NGUYEN, "small": SMALL, "tiny": TINY}


def facet_visualization(net: Network, label: int, start: np.ndarray, preprocessing: Preprocessing, *,
                        rng: Seed, stages: Sequence[Stage] | AscentSettings = NGUYEN_STAGES,
                        layer: str | None = None, direction: Array | None = None, callback: Callable | None = None,
                        checkpoint: Checkpoint | None = None) -> tuple[np.ndarray, list[Progress]]:
    """Return an image (1, C, S, S), made from `start` to maximize the score of a class, on the host, and the history.

    The first stages change the whole picture, the later ones details, the last ones the centre. Each step is the
    gradient over its mean size, followed by clamping to the valid colours and by total-variation denoising. The weights
    of the denoising are for 227 pixels. It is weaker for smaller pictures, whose strokes are thinner.

    Parameters
    ----------
    net : the network.
    label : the class.
    start : the first image, (C, H, H). S is H times the scales of the stages. The network is shown windows of H pixels.
    preprocessing : of the network's weights.
    rng : the generator of the windows, or a seed.
    stages : the settings of the stages; or AscentSettings, such as DISTILL: then all steps are those of
        `class_visualization` from `start`, and S is H.
    layer, direction : for AscentSettings, a layer with maps and a vector of its D channels, (D,), such as one of
        `Facets.directions`. The product of the layer's mean activations and the vector is maximized beside the score.
    callback : called with (Progress, image) after each step. Step numbers continue through the stages. A true return
        value ends the visualization.
    checkpoint : a Checkpoint for resuming an interrupted run.

    References
    ----------
    Nguyen, Yosinski and Clune 2016 (arXiv:1602.03616), section 2.1, and their code for Caffe.

    Examples
    --------
    >>> stages = (Stage(2, 1.0, 2.0, 0.4, 0.4), Stage(1, 1.0, 1.0, 0.4, 0.4, scale=1.25))
    >>> image, history = facet_visualization(net, label, x[0], model.preprocessing, rng=rng, stages=stages)
    >>> image.shape, len(history)
    ((1, 3, 80, 80), 3)
    """
    image, (label,), rng = enter(net, start, "start"), require_labels(net, label, 1), require_generator(rng)
    require_preprocessing(preprocessing, net)
    require_watchers(callback, checkpoint)
    size = image.shape[3]
    if image.shape != (1, image.shape[1], size, size):
        raise InputError(f"expected one square image (C, H, H) to start from, got {tuple(image.shape)}")
    pulls = require_pulls(net, stages, layer, direction)
    if isinstance(stages, AscentSettings):
        terms = [*class_terms(net, [label], stages), *pulls]
        return ascend(net, terms, preprocessing, (1, size), stages, rng=rng, start=image, callback=callback,
                      checkpoint=checkpoint)
    stages = require_stages(stages)
    history: list[Progress] = []
    clamp = Clamp(*(to_device(bound, net.device) for bound in preprocessing.valid_range()))
    level = preprocessing.unit
    for number, stage in enumerate(stages):
        if stage.scale != 1:
            full = round(image.shape[2] * stage.scale)
            image = upsample_maps(image[0], full, full)[None]
        watch = Renumbered(callback, len(history))
        image, steps = optimize_image(
            net, image, [(-1.0, ClassScore(net.output, label))],
            update=FadingStep(stage.first_step * level, stage.last_step * level, stage.num_steps, "mean_abs"),
            num_steps=stage.num_steps,
            transforms=(Window(image.shape[2], size, stage.spread, round(stage.margin * size / 227)),),
            project=(clamp, DenoiseTV(stage.first_weight, stage.last_weight, stage.num_steps, level * size / 227)),
            callback=watch,
            rng=rng,
            checkpoint=checkpoint and checkpoint.part(number))
        history += renumbered(steps, watch.before)
        if watch.stopped:
            break
    return to_host(image), history


def require_pulls(net: Network, stages: Sequence[Stage] | AscentSettings, layer: str | None,
                  direction: Array | None) -> list[tuple[float, Direction]]:
    """Return the term of the direction, none by default. Raises InputError if it does not fit the layer or the stages.
    """
    if layer is None and direction is None:
        return []
    if layer is None or direction is None or not isinstance(stages, AscentSettings):
        raise InputError("a direction needs the layer of its channels, and AscentSettings for the stages; give layer, "
                         "direction and stages=FACET_PRESETS['distill'].stages, or neither layer nor direction")
    layer = require_layer(net, layer)
    require_maps(layer, net.shapes()[layer])
    vectors = require_vectors(net, layer, on_host("direction", direction, "(D,)", 1)[None])
    return [(1.0, Direction(layer, to_device(vectors, net.device), power=0.0))] if vectors.any() else []


def require_stages(stages: Sequence[Stage]) -> Sequence[Stage]:
    """Return the stages. Raises InputError unless they are Stages, at least one."""
    for stage in stages if count_of(stages) else [stages]:
        require_kind("a stage", stage, Stage, "give stages, such as FACET_PRESETS['small'].stages")
    return stages


def noise_start(shape: tuple[int, ...], preprocessing: Preprocessing, rng: np.random.Generator) -> np.ndarray:
    """Return a first image of `shape` (C, H, W): the mean colour with normal noise of 8 grey levels."""
    return rng.standard_normal(shape, np.float32) * np.float32(8 * preprocessing.unit)


def centre_crop(images: Array, size: int) -> Array:
    """Return the central crops of `size` pixels of images (N, C, H, W), (N, C, size, size)."""
    y, x = ((side - size) // 2 for side in images.shape[2:])
    return images[:, :, y:y + size, x:x + size]


@dataclass(frozen=True)
class Window:
    """Show the network a window of a larger picture, and give the rest of the picture no gradient.

    The window's position is normally distributed around the centre, with a standard deviation of spread * (full - size)
    pixels.
    """

    full: int         # side of the picture, pixels
    size: int         # side of the window, pixels
    spread: float     # standard deviation of the position, as a share of full - size
    margin: int = 0   # border of the window that gets no gradient, pixels

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        """Return a random upper left corner of the window, (y, x)."""
        room = self.full - self.size
        y, x = np.clip(rng.normal(room / 2, room * self.spread, 2), 0, room).astype(int).tolist()
        return y, x

    def apply(self, image: Array, corner: tuple[int, int]) -> Array:
        """Return the window, (N, C, size, size), of the image (N, C, full, full)."""
        y, x = corner
        return image[:, :, y:y + self.size, x:x + self.size]

    def undo(self, gradient: Array, corner: tuple[int, int]) -> Array:
        """Return the gradient to the image (N, C, full, full) from the gradient to the window."""
        whole = get_array_module(gradient).zeros((*gradient.shape[:2], self.full, self.full), gradient.dtype)
        (y, x), near, far = corner, self.margin, self.size - self.margin
        whole[:, :, y + near:y + far, x + near:x + far] = gradient[:, :, near:far, near:far]
        return whole
