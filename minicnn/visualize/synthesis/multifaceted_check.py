"""The objective numbers of a multifaceted visualization: its images differ, and each is like its own group."""

from collections.abc import Sequence

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check
from minicnn.visualize.embedding.neighbours import squared_distances
from minicnn.visualize.synthesis.facets import Facets, layout_features
from minicnn.visualize.synthesis.multifaceted import centre_crop


def check_facets(net: Network, label: int, facets: Facets, images: Sequence[np.ndarray],
                 from_noise: Sequence[np.ndarray], preprocessing: Preprocessing,
                 layer: str | None = None) -> list[Check]:
    """Return the Checks of a multifaceted visualization.

    k-means lowers its sum of squares. The 8-bit pictures are classified as the class. Each image is like its own
    cluster. The images differ more than images that started from noise do.

    The ascent raises all features of the class, so every image lies beyond all clusters. The likeness is therefore the
    direction from the mean of all, by the cosine. Plain distances are reported.

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
    checks = [check_inertias(facets.clusters.inertias),
              Check("share of the facets whose 8-bit picture is classified as the class", first, "1", first == 1)]
    if len(images) < 2:
        return checks
    features, others = layout_features(net, views, layer), layout_features(net, control, layer)
    means = facets.feature_means()
    alike, nearest = own_cluster(directions(features), directions(means)), own_cluster(features, means)
    apart, apart_control = mean_distance(features), mean_distance(others)
    return checks + [
        Check("share of the facets in the direction of their own cluster, not of another one", alike, "1", alike == 1),
        Check("share of the facets whose nearest cluster is their own", nearest,
              f"reported, not judged: {1 / len(means):.2f} by chance", True),
        Check("mean distance of two facets' features", apart,
              f"more than {apart_control:.2f} (two images from noise)", apart > apart_control)]


def check_inertias(inertias: Sequence[float]) -> Check:
    """Return the Check that k-means' sums of squares fall; or are 0, if each point is a cluster of its own."""
    start, end = inertias[0], inertias[-1]
    falling = all(after <= before * (1 + 1e-12) for before, after in zip(inertias, inertias[1:], strict=False))
    return Check("k-means: sum of squared distances on the map to the clusters' centres", end,
                 f"less than {start:.4g} (first round), and never rising", falling and (end < start or end == 0))


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
