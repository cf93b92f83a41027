"""The activation atlas: activation vectors of many photos on a map, and a picture of the mean vector of each cell."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from minicnn.arguments import Seed, require_fields, require_generator, require_kind
from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress
from minicnn.shown import html_fields, short_fields
from minicnn.visualize.arrays import on_host
from minicnn.visualize.embedding.pca import pca
from minicnn.visualize.embedding.tsne import TsneSettings, tsne
from minicnn.visualize.synthesis.activation_vectors import ActivationVectors
from minicnn.visualize.synthesis.directions import TILES, DirectionSettings, direction_visualization, whitening

COMPONENTS = 50  # principal components of the vectors that t-SNE sees, as van der Maaten and Hinton 2008
FEWEST = 10      # vectors of an atlas


@dataclass(frozen=True)
class AtlasSettings:
    """The settings of `activation_atlas`. Raises InputError if a number is out of its range."""

    cells: int = 12             # rows and columns of the grid over the map
    least: int = 5              # smallest number of vectors in a cell that gets a picture
    percentile: float = 1.0     # percent of the vectors at each side of the map that do not stretch it
    margin: float = 0.1         # margin around the others, as a share of their spread
    perplexity: float = 30.0    # of t-SNE; at most a third of the number of vectors is used
    tsne_steps: int = 1000      # number of steps of t-SNE
    whiten: bool = False        # whether the directions are whitened by all vectors, see `whitening`
    share: float = 0.1          # of the diagonal in the whitening
    directions: DirectionSettings = field(default=TILES)  # of the pictures

    def __post_init__(self) -> None:
        require_fields(self, cells=1, least=1, percentile=0, margin=0, perplexity=1.1, tsne_steps=1, share=0)
        require_kind("directions", self.directions, DirectionSettings, "give DirectionSettings(...)")
        if self.percentile >= 50 or self.cells > 100:
            raise InputError(f"percentile is {self.percentile:g} and cells {self.cells}; expected less than 50, and at "
                             "most 100 cells")


class AtlasCells(NamedTuple):
    """The K cells of an atlas that hold enough vectors, row by row from the top left, on the host.

    rows, columns : the place of each cell, (K,). counts : the number of its vectors, (K,). vectors : their mean,
    (K, D). attributions : the mean support of each class, (K, classes). members : the cell of each vector, -1 for none,
    (M,).
    """

    rows: Array
    columns: Array
    counts: Array
    vectors: Array
    attributions: Array
    members: Array

    def __repr__(self) -> str:
        return short_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(self)


class Atlas(NamedTuple):
    """The result of `activation_atlas`, on the host.

    positions : of the vectors on the map, (M, 2), x to the right and y upwards. cells : the AtlasCells. images : a
    picture of each cell's mean vector, (K, C, size, size). history : the steps of all batches.
    """

    positions: Array
    cells: AtlasCells
    images: Array
    history: list[Progress]

    def __repr__(self) -> str:
        return short_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(self)


ATLAS = AtlasSettings()

# Drawn shapes: few vectors, and small pictures.
DRAWINGS = AtlasSettings(cells=8, least=3, tsne_steps=500)

# Carter et al. 2019 show atlases of 20x20 cells and more, of 1 million vectors.
CARTER_20 = AtlasSettings(cells=20, least=11, whiten=True, directions=DirectionSettings(
    num_steps=512, power=4.0, everywhere=False))

ATLAS_PRESETS = {"atlas": ATLAS, "drawings": DRAWINGS, "carter": CARTER_20}


def activation_atlas(net: Network, samples: ActivationVectors, layer: str, preprocessing: Preprocessing,
                     settings: AtlasSettings = ATLAS, *, rng: Seed, size: int | None = None,
                     positions: Array | None = None, callback: Callable | None = None,
                     checkpoint: Checkpoint | None = None) -> Atlas:
    """Return the Atlas of activation vectors: a map of what a layer of the network finds in many photos.

    Parameters
    ----------
    net, preprocessing : the network, and the preprocessing of its weights.
    samples : the ActivationVectors of `sample_vectors`.
    layer : the layer of the vectors.
    settings : the AtlasSettings, such as a preset in ATLAS_PRESETS.
    rng : the generator of the map and the noise, or a seed.
    positions : of the vectors on the map, (M, 2). By default, `atlas_positions`.
    size, callback, checkpoint : as in `direction_visualization`.

    Raises InputError if there are too few vectors, or no cell has enough.

    References
    ----------
    Carter et al. 2019, "Activation Atlas" (https://distill.pub/2019/activation-atlas). The paper lays the vectors out
    by UMAP; it names t-SNE as the other choice.

    Examples
    --------
    >>> from minicnn.visualize import AtlasSettings, DirectionSettings, sample_vectors
    >>> samples = sample_vectors(net, x, "relu2", rng=0, per_photo=60)
    >>> quick = AtlasSettings(cells=2, least=2, tsne_steps=10, directions=DirectionSettings(num_steps=2))
    >>> activation_atlas(net, samples, "relu2", model.preprocessing, quick, rng=0).positions.shape
    (60, 2)
    """
    require_kind("samples", samples, ActivationVectors, "give the result of sample_vectors")
    require_kind("settings", settings, AtlasSettings, "give AtlasSettings(...), or a preset of ATLAS_PRESETS")
    rng = require_generator(rng)
    map_rng, image_rng = rng.spawn(2)
    if positions is None:
        positions = atlas_positions(samples.vectors, settings, rng=map_rng)
    cells = atlas_cells(samples, positions, settings)
    images, history = direction_visualization(net, layer, cell_directions(samples, cells, settings), preprocessing,
                                              settings.directions, rng=image_rng, size=size, callback=callback,
                                              checkpoint=checkpoint)
    return Atlas(positions, cells, images, history)


def atlas_positions(vectors: Array, settings: AtlasSettings = ATLAS, *, rng: Seed,
                    callback: Callable | None = None) -> np.ndarray:
    """Return the places of vectors (M, D) on a map, (M, 2): t-SNE of their directions, as angles matter, not lengths.

    Raises InputError if there are too few vectors.
    """
    x = on_host("vectors", vectors, "(M, D)", 2).astype(np.float64)
    if len(x) < FEWEST:
        raise InputError(f"an atlas needs at least {FEWEST} vectors, and there are {len(x)}; give more photos, or more "
                         "positions of each")
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)
    x = pca(x, min(COMPONENTS, *x.shape)).positions
    perplexity = max(1.1, min(settings.perplexity, (len(x) - 1) / 3))
    steps = settings.tsne_steps
    return tsne(x.astype(np.float32), TsneSettings(perplexity, steps, exaggerated_steps=min(250, steps // 4)), rng=rng,
                callback=callback)[0]


def atlas_cells(samples: ActivationVectors, positions: Array, settings: AtlasSettings = ATLAS) -> AtlasCells:
    """Return the AtlasCells: the map divided into a grid, and the mean of the vectors of each cell.

    The map is stretched so that all but the outermost percentile of the vectors fill the grid, with a margin. Vectors
    outside count to the cells at the edge. Raises InputError if no cell has enough vectors.
    """
    positions = on_host("positions", positions, "(M, 2)", 2).astype(np.float64)
    if positions.shape != (len(samples.vectors), 2):
        raise InputError(f"{len(samples.vectors):,} vectors need as many positions of two numbers, not "
                         f"{positions.shape}")
    low, high = np.percentile(positions, (settings.percentile, 100 - settings.percentile), axis=0)
    room = settings.margin * (high - low)
    share = (np.clip(positions, low - room, high + room) - (low - room)) / np.maximum(high - low + 2 * room, 1e-30)
    place = np.minimum((share * settings.cells).astype(int), settings.cells - 1)  # (M, 2): column, row from below
    numbers = (settings.cells - 1 - place[:, 1]) * settings.cells + place[:, 0]
    cells, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    kept = np.flatnonzero(counts >= settings.least)
    if not len(kept):
        raise InputError(f"no cell of the atlas has {settings.least} vectors, of {len(numbers):,} in all; give more "
                         "photos, fewer cells, or a smaller least")
    members = np.full(len(cells), -1)
    members[kept] = np.arange(len(kept))
    members = members[inverse.reshape(-1)]
    rows, columns = np.divmod(cells[kept], settings.cells)
    means = [np.stack([values[members == n].mean(axis=0, dtype=np.float64) for n in range(len(kept))])
             for values in (samples.vectors, samples.attributions)]
    return AtlasCells(rows, columns, counts[kept], means[0].astype(np.float32), means[1].astype(np.float32), members)


def cell_directions(samples: ActivationVectors, cells: AtlasCells, settings: AtlasSettings) -> np.ndarray:
    """Return the directions that the pictures of the cells maximize, (K, D): their means, whitened if so set."""
    if not settings.whiten:
        return cells.vectors
    return (cells.vectors @ whitening(samples.vectors, settings.share)).astype(np.float32)
