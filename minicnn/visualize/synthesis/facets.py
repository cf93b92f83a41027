"""The facets of a class: groups of similar images, and the first image of a visualization of each group."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minicnn.arguments import Seed, require_generator, require_whole
from minicnn.backend import Array, get_array_module, to_host
from minicnn.errors import InputError
from minicnn.network import Network, warn_if_slow
from minicnn.shown import html_fields, short_fields
from minicnn.visualize.embedding.clusters import Clusters, kmeans
from minicnn.visualize.embedding.features import feature_layer
from minicnn.visualize.embedding.pca import pca
from minicnn.visualize.embedding.tsne import TsneSettings, tsne
from minicnn.visualize.entry import dtype_of, enter, images_for, require_layer

LEAST_FOR_TSNE = 20  # images; t-SNE of fewer shows no clusters, so their principal components are clustered


class Facets(NamedTuple):
    """The groups of a class's images.

    features : of the images, (N, D). positions : of the images on a map, (N, d). clusters : of the positions.
    starts : the first image of the visualization of each cluster, (k, C, H, W).
    """

    features: np.ndarray
    positions: np.ndarray
    clusters: Clusters
    starts: np.ndarray

    def __repr__(self) -> str:
        return short_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(self)

    def nearest(self, group: int, count: int) -> np.ndarray:
        """Return the indices of up to `count` images of a cluster, those nearest to its centre first."""
        return nearest_to_centre(self.positions, self.clusters, group, count)

    def feature_means(self) -> np.ndarray:
        """Return the mean of each cluster's features, (k, D)."""
        return np.stack([self.features[self.clusters.labels == group].mean(axis=0)
                         for group in range(len(self.starts))])

    def directions(self, channels: int) -> np.ndarray:
        """Return the direction of each cluster, (k, channels): the mean of its channels minus the mean of all clusters.

        Each has length 1; it is 0 if there is one cluster. channels : number of channels of the features' layer.
        """
        means = self.feature_means().reshape(len(self.starts), channels, -1).mean(axis=2)
        means = means - means.mean(axis=0)
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)


def nearest_to_centre(positions: np.ndarray, clusters: Clusters, group: int, count: int) -> np.ndarray:
    """Return the indices of up to `count` positions of a cluster, those nearest to its centre first."""
    members = np.flatnonzero(clusters.labels == group)
    distances = ((positions[members] - clusters.centres[group]) ** 2).sum(axis=1)
    return members[distances.argsort(kind="stable")[:count]]


def find_facets(net: Network, x: np.ndarray, num_facets: int, *, rng: Seed, layer: str | None = None,
                nearest: int = 15, tsne_steps: int = 1000) -> Facets:
    """Return the Facets of a class's images x (N, C, H, W): their features, PCA to 50 numbers, t-SNE to 2, k-means.

    Parameters
    ----------
    net : the network.
    x : the images.
    num_facets : the number of facets, from 1 to N.
    rng : the generator of t-SNE and k-means, or a seed.
    layer : the layer of the features. By default, the last one before the class scores.
    nearest : the first image of each facet is the mean of this number of images nearest to the cluster's centre.
    tsne_steps : the number of steps of t-SNE.

    References
    ----------
    Nguyen, Yosinski and Clune 2016 (arXiv:1602.03616), section 2.1.

    Examples
    --------
    >>> images = np.concatenate([x, x + 1, x - 1])
    >>> find_facets(net, images, 2, rng=rng).starts.shape
    (2, 3, 64, 64)
    """
    x, rng, num_facets = images_for(net, x), require_generator(rng), require_whole("num_facets", num_facets)
    nearest, tsne_steps = require_whole("nearest", nearest, 1), require_whole("tsne_steps", tsne_steps, 1)
    if not 1 <= num_facets <= len(x):
        raise InputError(f"{num_facets} facets of {len(x):,} images: give a number from 1 to {len(x):,}")
    features = layout_features(net, x, layer)
    components = min(50, len(x) - 1, features.shape[1])
    positions = pca(features, components).positions if components else features
    if len(x) >= LEAST_FOR_TSNE:
        settings = TsneSettings(min(30.0, (len(x) - 1) / 5), tsne_steps, exaggerated_steps=min(250, tsne_steps // 4))
        positions = tsne(positions, settings, rng=rng)[0]
    clusters = kmeans(positions, num_facets, rng)
    starts = [to_host(x)[nearest_to_centre(positions, clusters, group, nearest)].mean(axis=0)
              for group in range(num_facets)]
    return Facets(features, positions, clusters, np.stack(starts).astype(str(dtype_of(net, x))))


def suggest_facets(count: int, most: int = 10) -> int:
    """Return a number of facets for `count` images: one for each 100 images, from 2 to `most`, the paper's 10.

    It is 1 for a single image.
    """
    return int(np.clip(count // 100, min(count, 2), most))


def layout_features(net: Network, x: Array, layer: str | None = None, parts: int = 4,
                    batch_size: int = 16) -> np.ndarray:
    """Return the activations of a layer for images x (N, C, H, W), with the rough layout of maps, (N, D) on the host.

    Maps are averaged over parts x parts blocks. So the features depend on the positions of things in the image, like
    the features of the fully connected layer in the paper.
    layer : by default, the last one before the class scores. batch_size : images per pass.
    Raises InputError if there are no images, or if their shape or values are wrong.
    """
    layer, rows = feature_layer(net) if layer is None else require_layer(net, layer), []
    warn_if_slow(net, -(-len(x) // batch_size))
    for start in range(0, max(len(x), 1), batch_size):  # at least one pass, which raises the error of an empty batch
        out = net.predict(enter(net, x[start:start + batch_size]), layer)
        rows.append(to_host(block_means(out, parts) if out.ndim == 4 else out).reshape(len(out), -1))
    return np.concatenate(rows)


def block_means(maps: Array, parts: int) -> Array:
    """Return the means of maps (N, C, H, W) over parts x parts blocks, (N, C, parts²); blocks of small maps overlap."""
    rows, columns = (blocks(side, parts) for side in maps.shape[2:])
    return get_array_module(maps).stack([maps[:, :, top:bottom, left:right].mean(axis=(2, 3))
                                         for top, bottom in rows for left, right in columns], axis=2)


def blocks(side: int, parts: int) -> Sequence[tuple[int, int]]:
    """Return the (first, last) positions of `parts` blocks along a side, each of at least 1 position."""
    edges = [side * part // parts for part in range(parts + 1)]
    return [(first, max(last, first + 1)) for first, last in zip(edges, edges[1:], strict=False)]
