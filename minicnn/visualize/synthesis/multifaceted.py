"""One class, several pictures: a class visualization for each kind of its images (multifaceted visualization)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.losses import ClassScore
from minicnn.optimize import Clamp, FadingStep, optimize_image
from minicnn.visualize.attribution.grad_cam import upsample_maps
from minicnn.visualize.embedding.clusters import Clusters, kmeans
from minicnn.visualize.embedding.features import feature_layer
from minicnn.visualize.embedding.pca import pca
from minicnn.visualize.embedding.tsne import tsne
from minicnn.visualize.entry import enter
from minicnn.visualize.synthesis.denoise import DenoiseTV

LEAST_FOR_A_MAP = 20  # images; of fewer, t-SNE makes no clusters and the principal components are clustered


class Stage(NamedTuple):
    """Steps under the same settings. first_step, last_step : mean change of a pixel, in grey levels of 0..255.

    first_weight, last_weight : see DenoiseTV. scale : of the picture, before the stage. margin : how wide a border is
    left as it is, and spread : of the window's place in a larger picture, see Window; pixels of 227.
    """

    num_steps: int
    first_step: float
    last_step: float
    first_weight: float
    last_weight: float
    scale: float = 1.0
    margin: int = 0
    spread: float = 0.3


# The authors' settings for images that begin as a mean, in their code.
NGUYEN = (Stage(190, 1.0, 2.0, 0.4, 0.4), Stage(150, 1.0, 1.0, 0.01, 2.0, scale=1.2),
          Stage(20, 2.0, 2.0, 0.1, 2.0, margin=50, spread=0.2), Stage(10, 2.0, 2.0, 0.4, 2.0))

# What facet_visualization takes as `stages`, find_facets as `nearest` and suggest_facets as `most`. In small networks
# the score rises so fast that a tenth of the steps is enough; more of them lead from every image to the same picture.
# "tiny" is for strokes that fill their picture, as digits do: there is no room to enlarge it, the mean of many strokes
# is a blot, and of ten groups of one digit many are too alike.
FACET_PRESETS = {
    "nguyen": {"stages": NGUYEN, "nearest": 15, "most": 10},
    "small": {"stages": tuple(stage._replace(num_steps=stage.num_steps // 10) for stage in NGUYEN),
              "nearest": 15, "most": 10},
    "tiny": {"stages": tuple(stage._replace(num_steps=max(1, stage.num_steps // 20), scale=1.0) for stage in NGUYEN),
             "nearest": 5, "most": 4},
}


class Facets(NamedTuple):
    """The kinds of a class's images: their `features` (N, D), where these lie on a map, `positions` (N, d), their
    `clusters` there, and the image to begin with for each cluster, `starts` (k, C, H, W)."""

    features: Any
    positions: Any
    clusters: Clusters
    starts: Any

    def nearest(self, group, count):
        """Which of the cluster's images lie nearest to its centre on the map, up to `count`, the nearest first."""
        mine = np.flatnonzero(self.clusters.labels == group)
        distances = ((self.positions[mine] - self.clusters.centres[group]) ** 2).sum(axis=1)
        return mine[distances.argsort(kind="stable")[:count]]

    def feature_means(self):
        """The mean of each cluster's features, (k, D)."""
        return np.stack([self.features[self.clusters.labels == group].mean(axis=0)
                         for group in range(len(self.starts))])


def suggest_facets(count, most=10):
    """As many facets as `count` images can well have, 1 to `most`, the paper's 10: some 100 images each, to choose
    from."""
    return int(np.clip(count // 100, min(count, 2), most))


def layout_features(net, x, layer=None, parts=4, batch_size=16):
    """The activations of a layer for many images, x (N, C, H, W) -> (N, D) on the host, `batch_size` at a time.

    Maps are averaged over each of parts x parts pieces, so that it counts roughly where things are, as it does for the
    fully connected layer of the paper. layer : left out, `feature_layer(net)`. Raises InputError as `enter` does.
    """
    layer, rows = feature_layer(net) if layer is None else net.find(layer), []
    for start in range(0, max(len(x), 1), batch_size):  # once where there are none, for enter to say so
        out = net.predict(enter(net, x[start:start + batch_size]), layer)
        if out.ndim == 4:
            cuts = [(side * np.arange(parts + 1)) // parts for side in out.shape[2:]]
            xp = get_array_module(out)
            out = xp.stack([out[:, :, top:max(bottom, top + 1), left:max(right, left + 1)].mean(axis=(2, 3))
                            for top, bottom in zip(cuts[0], cuts[0][1:], strict=False)
                            for left, right in zip(cuts[1], cuts[1][1:], strict=False)], axis=2)
        rows.append(to_host(out.reshape(len(out), -1)))
    return np.concatenate(rows)


def find_facets(net, x, num_facets, *, rng, layer=None, nearest=15, tsne_steps=1000):
    """The Facets of a class's images x, (N, C, H, W): features, PCA to 50, t-SNE to 2, k-means.

    Each begins with the mean of the `nearest` of the cluster's images to its centre on the map. layer : as in
    `layout_features`. rng : numpy.random.Generator, for t-SNE and k-means. Raises InputError for more facets than
    images. Nguyen, Yosinski and Clune 2016 (arXiv:1602.03616), section 2.1.
    """
    if not 1 <= num_facets <= len(x):
        raise InputError(f"{num_facets} facets of {len(x):,} images: give a number from 1 to {len(x):,}")
    features = layout_features(net, x, layer)
    components = min(50, len(x) - 1, features.shape[1])
    positions = pca(features, components).positions if components else features
    if len(x) >= LEAST_FOR_A_MAP:
        positions = to_host(tsne(positions, min(30.0, (len(x) - 1) / 5), tsne_steps, rng=rng,
                                 exaggerated_steps=min(250, tsne_steps // 4))[0])
    facets = Facets(features, positions, kmeans(positions, num_facets, rng), None)
    starts = [to_host(x)[facets.nearest(group, nearest)].mean(axis=0) for group in range(num_facets)]
    return facets._replace(starts=np.stack(starts))


def noise_start(shape, preprocessing, rng):
    """The mean colour with normal noise of 8 grey levels, (C, H, W): for a visualization that begins with no image."""
    return rng.standard_normal(shape, np.float32) * np.float32(8 * grey_level(preprocessing))


def grey_level(preprocessing):
    """One of the 256 grey levels, in the units of the network's input."""
    return float(preprocessing.scale / np.mean(preprocessing.std))


def middle(images, size):
    """The windows of `size` pixels in the middle of the images, (N, C, size, size)."""
    y, x = ((side - size) // 2 for side in images.shape[2:])
    return images[:, :, y:y + size, x:x + size]


@dataclass(frozen=True)
class Window:
    """Shows the network a window of `size` pixels of a picture of `full`, around the middle but for a normal noise of
    `spread` (full - size) pixels; a border of `margin` pixels of the window gets no gradient."""

    full: int
    size: int
    spread: float
    margin: int = 0

    def draw(self, rng):
        """The window's upper left corner, (y, x), from the numpy.random.Generator `rng`."""
        room = self.full - self.size
        return tuple(np.clip(rng.normal(room / 2, room * self.spread, 2), 0, room).astype(int).tolist())

    def apply(self, image, corner):
        """The window, (N, C, size, size), of the image (N, C, full, full)."""
        y, x = corner
        return image[:, :, y:y + self.size, x:x + self.size]

    def undo(self, gradient, corner):
        """The gradient to the window -> that to the image."""
        whole = get_array_module(gradient).zeros((*gradient.shape[:2], self.full, self.full), gradient.dtype)
        (y, x), near, far = corner, self.margin, self.size - self.margin
        whole[:, :, y + near:y + far, x + near:x + far] = gradient[:, :, near:far, near:far]
        return whole


class Counted:
    """A callback, or None, that is told of the steps `before`, too; `stopped`: whether it has asked for the end."""

    def __init__(self, callback, before):
        self.callback, self.before, self.stopped = callback, before, False

    def __call__(self, progress, image):
        if self.callback is not None:
            self.stopped = bool(self.callback(progress._replace(step=self.before + progress.step), image))
        return self.stopped


def facet_visualization(net, label, start, preprocessing, *, rng, stages=NGUYEN, callback=None,
                        checkpoint=None):
    """An image, (1, C, S, S) on the host, that began as `start`, (C, H, H), and maximises the class's score, and the
    history. S is H times the stages' scales: the network sees windows of H.

    Steps by the gradient over its mean size, each followed by clamping to the colours that exist and by total-variation
    denoising; first coarsely, then the details, at last the middle. rng : numpy.random.Generator, for the windows.
    stages : [Stage, …]. callback, checkpoint : see `optimize_image`; the steps of all stages are counted through.
    Denoising is meant for 227 pixels, and is weaker on smaller pictures, whose strokes are thinner.
    Nguyen, Yosinski and Clune 2016 (arXiv:1602.03616), section 2.1, and their code for Caffe.
    """
    size, history = start.shape[-1], []
    low, high = (to_device(bound, net.device) for bound in preprocessing.valid_range())
    level = grey_level(preprocessing)
    image = to_device(start[None].astype(np.float32), net.device)
    for number, stage in enumerate(stages):
        if stage.scale != 1:
            full = round(image.shape[2] * stage.scale)
            image = upsample_maps(image[0], full, full)[None]
        counted = Counted(callback, len(history))
        image, part = optimize_image(
            net, image, [(-1.0, ClassScore(net.output, label))],
            update=FadingStep(stage.first_step * level, stage.last_step * level, stage.num_steps, "mean_abs"),
            num_steps=stage.num_steps,
            transforms=(Window(image.shape[2], size, stage.spread, round(stage.margin * size / 227)),),
            project=(Clamp(low, high),
                     DenoiseTV(stage.first_weight, stage.last_weight, stage.num_steps, level * size / 227)),
            callback=counted,
            rng=rng,
            checkpoint=checkpoint and checkpoint.part(number))
        history += [progress._replace(step=counted.before + progress.step) for progress in part]
        if counted.stopped:
            break
    return to_host(image), history
