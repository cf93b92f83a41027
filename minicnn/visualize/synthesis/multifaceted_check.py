"""What proves a multifaceted visualization: that the facets are several, and each one its own."""

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.visualize.check import Check
from minicnn.visualize.embedding.neighbours import squared_distances
from minicnn.visualize.synthesis.multifaceted import layout_features, middle


def check_facets(net, label, facets, images, from_noise, preprocessing, layer=None):
    """One image (1, C, S, S) for each of the Facets, and as many that began as noise: k-means has descended; as 8-bit
    pictures the images are of their class; each is like its own cluster; they differ more than those from noise do.

    Like its own cluster: ascent makes every feature of the class larger, so that all images lie beyond all clusters;
    compared is in which direction they lie from the mean of all, by the cosine. Plain distances are reported.
    """
    size = facets.starts.shape[-1]
    views, control = (
        preprocessing.to_input(preprocessing.to_images(np.concatenate([middle(one, size) for one in some])))
        for some in (images, from_noise))
    scores = to_host(net.predict(to_device(views, net.device)))
    first = float((scores.argmax(axis=1) == label).mean())
    checks = [check_inertias(facets.clusters.inertias),
              Check("facets whose 8-bit picture's first class is the one that was asked for", first, "1", first == 1)]
    if len(images) < 2:
        return checks
    features, others = layout_features(net, views, layer), layout_features(net, control, layer)
    means = facets.feature_means()
    alike, nearest = own_cluster(directions(features), directions(means)), own_cluster(features, means)
    apart, apart_control = mean_distance(features), mean_distance(others)
    return checks + [
        Check("facets that lie in the direction of their own cluster rather than any other's, share", alike, "1",
              alike == 1),
        Check("facets whose nearest cluster is their own, share", nearest,
              f"reported, not judged: by chance {1 / len(means):.2f}", True),
        Check("mean distance of two facets in features", apart,
              f"more than {apart_control:.2f}, of two that began as noise", apart > apart_control)]


def check_inertias(inertias):
    """The sums of squares of k-means' rounds fall, or are 0, where every point has a centre to itself."""
    start, end = inertias[0], inertias[-1]
    falling = all(after <= before * (1 + 1e-12) for before, after in zip(inertias, inertias[1:], strict=False))
    return Check("k-means: sum of squared distances on the map to the clusters' centres", end,
                 f"less than {start:.4g}, at first, and never rising", falling and (end < start or end == 0))


def directions(x):
    """Rows of x (k, D) from their mean, of length 1."""
    x = x - x.mean(axis=0)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)


def own_cluster(features, means):
    """The share of the rows of features (k, D) that are nearest to the row of the same number in means (k, D)."""
    return float((squared_distances(features, means).argmin(axis=1) == np.arange(len(means))).mean())


def mean_distance(x):
    """The mean distance of two different rows of x (k, D)."""
    first, second = np.triu_indices(len(x), 1)
    return float(np.linalg.norm(x[first] - x[second], axis=1).mean())
