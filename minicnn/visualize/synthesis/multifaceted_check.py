"""The objective numbers of a multifaceted visualization: its images differ, and each is like its own group."""

from collections.abc import Sequence

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.embedding.clusters import Clusters
from minicnn.visualize.embedding.neighbours import squared_distances
from minicnn.visualize.synthesis.facets import Facets, layout_features
from minicnn.visualize.synthesis.multifaceted import centre_crop


def check_facets(net: Network, label: int, facets: Facets, images: Sequence[np.ndarray],
                 from_noise: Sequence[np.ndarray], preprocessing: Preprocessing,
                 layer: str | None = None) -> list[Check]:
    """Return the Checks of the clusters, and the likeness of each image to its own cluster, which is reported.

    The ascent raises all features of the class, so every image lies beyond all clusters. The likeness is therefore the
    direction from the mean of all, by the cosine. How alike the images become depends on the class and the steps;
    `redo_facet_steps` tells how they were made.

    Parameters
    ----------
    net, label, preprocessing : as in `facet_visualization`.
    facets : the k Facets.
    images, from_noise : k images (1, C, S, S) that started from the facets, and as many that started from noise.
    layer : the layer of the facets' features.
    """
    size = facets.starts.shape[-1]
    views, control = (
        preprocessing.to_input(preprocessing.to_images(np.concatenate([centre_crop(image, size) for image in some])))
        for some in (images, from_noise))
    scores = to_host(net.predict(to_device(views, net.device)))
    first = float((scores.argmax(axis=1) == label).mean())
    checks = [*check_clusters(facets.positions, facets.clusters),
              reported("share of the facets whose 8-bit picture is classified as the class", first)]
    if len(images) < 2:
        return checks
    features, others = layout_features(net, views, layer), layout_features(net, control, layer)
    means = facets.feature_means()
    alike, nearest = own_cluster(directions(features), directions(means)), own_cluster(features, means)
    chance = f"{1 / len(means):.2f} by chance"
    return checks + [
        reported("share of the facets in the direction of their own cluster, not of another one", alike, chance),
        reported("share of the facets whose nearest cluster is their own", nearest, chance),
        reported("mean distance of two facets' features", mean_distance(features),
                 f"{mean_distance(others):.2f} (two images from noise)")]


def check_clusters(positions: np.ndarray, clusters: Clusters) -> list[Check]:
    """Return the Checks of k-means: its sum of squares never rises, and each image is in its nearest cluster.

    No cluster is empty.

    positions : of the N images on the map, (N, d).
    """
    start, end = clusters.inertias[0], clusters.inertias[-1]
    rising = sum(after > before * (1 + 1e-9) for before, after in zip(clusters.inertias, clusters.inertias[1:],
                                                                      strict=False))
    squares = squared_distances(np.asarray(positions, np.float64), np.asarray(clusters.centres, np.float64))
    k = len(clusters.centres)
    farther = int((squares[np.arange(len(squares)), clusters.labels]
                   > squares.min(axis=1) + 1e-6 * max(float(squares.max()), 1e-30)).sum())
    empty = k - len(np.unique(clusters.labels))
    return [below(f"k-means: rounds, of {len(clusters.inertias)}, that raise the sum of squared distances to the "
                  f"centres, from {start:.4g} to {end:.4g}", rising, 0),
            below("images that are nearer to the centre of another cluster, and empty clusters", farther + empty, 0)]


def check_starts(x: np.ndarray, facets: Facets, nearest: int) -> Check:
    """Return the Check that each facet starts from the mean of the images nearest to its own cluster's centre.

    x : the images, (N, C, H, W). nearest : the number of images in a mean, or all of a smaller cluster.
    """
    worst = 0.0
    for group, start in enumerate(facets.starts):
        members = np.flatnonzero(facets.clusters.labels == group)
        far = ((facets.positions[members] - facets.clusters.centres[group]) ** 2).sum(axis=1)
        chosen = members[np.argsort(far, kind="stable")[:nearest]]
        worst = max(worst, float(abs(to_host(x)[chosen].astype(np.float64).mean(axis=0) - start).max()))
    return below(f"first images against the means of each cluster's {nearest} images nearest to its centre, largest "
                 "difference", worst, 1e-4 * max(1.0, float(abs(facets.starts).max())))


def facet_direction(facets: Facets, group: int, channels: int) -> np.ndarray:
    """Return the direction of a facet, (channels,), by the formula: see `Facets.directions`."""
    maps = facets.features.astype(np.float64).reshape(len(facets.features), channels, -1).mean(axis=2)
    means = [maps[facets.clusters.labels == other].mean(axis=0) for other in range(len(facets.starts))]
    difference: np.ndarray = means[group] - sum(means) / len(means)
    return difference / max(float(np.linalg.norm(difference)), 1e-12)


def directions(x: np.ndarray) -> np.ndarray:
    """Return the rows of x (k, D) minus their mean, scaled to length 1."""
    x = x - x.mean(axis=0)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)


def own_cluster(features: np.ndarray, means: np.ndarray) -> float:
    """Return the share of the rows of features (k, D) whose nearest row of means (k, D) has the same number."""
    return float((squared_distances(features, means).argmin(axis=1) == np.arange(len(means))).mean())


def mean_distance(x: np.ndarray) -> float:
    """Return the mean distance of two different rows of x (k, D)."""
    first, second = np.triu_indices(len(x), 1)
    return float(np.linalg.norm(x[first] - x[second], axis=1).mean())
