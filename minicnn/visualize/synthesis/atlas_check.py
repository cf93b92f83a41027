"""The objective numbers of an activation atlas: its cells, its map, its labels, and its pictures."""

import numpy as np

from minicnn.backend import Array, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.attribution.gradients import score_seeds
from minicnn.visualize.check import Check, above, below, reported
from minicnn.visualize.entry import enter
from minicnn.visualize.synthesis.activation_vectors import ActivationVectors
from minicnn.visualize.synthesis.atlas import Atlas, AtlasSettings
from minicnn.visualize.synthesis.directions_check import check_directions, strongest_cosines, unit

PAIRS = 2000       # random pairs of vectors
CLASSES = 3        # classes whose attribution is computed by a backward pass
ATTRIBUTION = 0.1  # largest error of attributions, relative to the largest one: ReLUs and pools that change


def check_atlas(net: Network, layer: str, samples: ActivationVectors, atlas: Atlas, preprocessing: Preprocessing,
                settings: AtlasSettings, rng: np.random.Generator) -> list[Check]:
    """Return the Checks of an atlas: the cells counted again, near vectors on the map, and the pictures.

    rng : of the random pairs and assignments. The other parameters are those of `activation_atlas`, and its result.
    """
    cells = atlas.cells
    natural = np.array([strongest_elsewhere(samples, cells.members == n, vector)
                        for n, vector in enumerate(cells.vectors)])
    pictures = check_directions(net, layer, cells.vectors, atlas.images, natural, preprocessing,
                                settings.directions.everywhere, rng, num_steps=settings.directions.num_steps)
    return [*check_cells(samples, atlas, settings), *check_neighbourhood(samples.vectors, atlas.positions, rng),
            *pictures]


def strongest_elsewhere(samples: ActivationVectors, own: np.ndarray, vector: np.ndarray) -> float:
    """Return the largest cosine of a cell's vector with a vector of photos that have none in the cell.

    own : whether each vector is in the cell, (M,). It is 1 if there are no other photos.
    """
    others = ~np.isin(samples.photos, samples.photos[own])
    return float(strongest_cosines(vector[None], samples.vectors[others])[0]) if others.any() else 1.0


def check_cells(samples: ActivationVectors, atlas: Atlas, settings: AtlasSettings) -> list[Check]:
    """Return the Check that the cells hold the vectors that lie in them, counted again by NumPy's histogram."""
    x, y = np.asarray(atlas.positions, np.float64).T
    edges: list[np.ndarray] = []
    for values in (x, y):
        low, high = np.percentile(values, [settings.percentile, 100 - settings.percentile])
        room = settings.margin * (high - low)
        edges.append(np.linspace(low - room, high + room, settings.cells + 1))
    x, y = np.clip(x, edges[0][0], edges[0][-1]), np.clip(y, edges[1][0], edges[1][-1])

    def summed(weights: np.ndarray | None) -> np.ndarray:
        sums: np.ndarray = np.histogram2d(x, y, edges, weights=weights)[0]
        return sums.T[::-1]  # rows from the top
    cells, step = atlas.cells, max(1, samples.vectors.shape[1] // 8)
    counts = summed(None)
    sums = [summed(samples.vectors[:, channel]) for channel in range(0, samples.vectors.shape[1], step)]
    full = counts >= settings.least
    told = np.zeros(counts.shape, int)
    told[cells.rows, cells.columns] = cells.counts
    wrong = float(abs(told - np.where(full, counts, 0)).max())
    error = max(float(abs(total[cells.rows, cells.columns] / cells.counts - cells.vectors[:, channel * step]).max())
                for channel, total in enumerate(sums))
    size = max(float(abs(cells.vectors).max()), 1e-30)
    # a vector on the border between two cells may be rounded to either
    return [below("largest difference of a cell's number of vectors, counted again", wrong, 1.0),
            below("largest difference of a cell's mean vector, computed again, relative", error / size,
                  1e-4 if wrong == 0 else 1.0)]


def check_neighbourhood(vectors: np.ndarray, positions: np.ndarray, rng: np.random.Generator) -> list[Check]:
    """Return the Check that vectors that are near on the map are alike: by the nearest other one of some."""
    chosen = rng.permutation(len(vectors))[:200]
    squares = ((positions[chosen, None] - positions[None]) ** 2).sum(axis=2)
    squares[np.arange(len(chosen)), chosen] = np.inf
    directions = unit(vectors)
    near = (directions[chosen] * directions[squares.argmin(axis=1)]).sum(axis=1).mean()
    pairs = rng.integers(0, len(vectors), (PAIRS, 2))
    far = (directions[pairs[:, 0]] * directions[pairs[:, 1]]).sum(axis=1).mean()
    what = "mean cosine of vectors with their nearest on the map, minus that of random pairs"
    return [above(what, near - far, 0.0)] if far < 0.98 else [reported(what, near - far, "the vectors are alike")]


def check_attributions(net: Network, layer: str, x: Array, samples: ActivationVectors) -> list[Check]:
    """Return the Checks of the vectors, and of the attributions against <a, d score / d a> by a backward pass.

    x : some of the photos, (N, C, H, W). samples : their ActivationVectors. Without class scores there is one Check.
    """
    layer, x, worst = net.find(layer), enter(net, x), 0.0
    out = to_host(net.predict(x, layer)).transpose(0, 2, 3, 1)[samples.photos, samples.ys, samples.xs]
    checks = [below("largest difference of a vector from the photo's activations at its position",
                    float(abs(out - samples.vectors).max()), 1e-3 * max(float(abs(out).max()), 1e-30))]
    if not samples.attributions.shape[1]:
        return checks
    for label in np.argsort(-samples.attributions.mean(axis=0))[:CLASSES].tolist():
        trace, seeds = score_seeds(net, x, label, (layer,))
        gradient = to_host(net.backward(trace, seeds, wrt=(layer,))[layer]).astype(np.float64)
        maps = to_host(trace.activations[layer]).astype(np.float64)
        expected = (gradient * maps).sum(axis=1)[samples.photos, samples.ys, samples.xs]
        size = max(float(abs(samples.attributions).max()), 1e-30)
        worst = max(worst, float(abs(samples.attributions[:, label] - expected).max()) / size)
    return [*checks, below(f"attributions to {CLASSES} classes against the gradient times the vector, relative "
                           "difference", worst, ATTRIBUTION)]
