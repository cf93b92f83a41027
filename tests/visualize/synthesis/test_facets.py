"""The facets of a class: its images in groups, each with a mean to start from."""

import numpy as np
import pytest
from facet_pictures import on, small_network, two_kinds

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.visualize.embedding.features import image_features
from minicnn.visualize.synthesis.facets import find_facets, layout_features, suggest_facets


@pytest.mark.parametrize("seed", [3, 14])  # t-SNE with a learning rate of 200 threw a point far out
def test_few_pictures_are_not_scattered(seed):
    rng = np.random.default_rng(seed)
    x = two_kinds(rng)
    facets = find_facets(small_network(rng), x, 2, rng=rng, layer="relu1", nearest=5, tsne_steps=500)
    assert len({(n % 2, group) for n, group in enumerate(facets.clusters.labels)}) == 2


def test_kinds_are_found_and_begin_with_their_mean(xp, rng):
    x = two_kinds(rng)
    facets = find_facets(on(xp, small_network(rng)), x, 2, rng=rng, layer="relu1", nearest=5, tsne_steps=200)
    assert len({(n % 2, group) for n, group in enumerate(facets.clusters.labels)}) == 2
    assert facets.starts.shape == (2, 3, 12, 12) and facets.features.shape == (40, 6 * 16)
    for group in range(2):
        chosen = facets.nearest(group, 5)
        assert (facets.clusters.labels[chosen] == group).all()
        assert (facets.starts[group] == x[chosen].mean(axis=0)).all()
        assert facets.feature_means()[group] == pytest.approx(
            facets.features[facets.clusters.labels == group].mean(axis=0))


@pytest.mark.parametrize("count", [1, 2, 6])
def test_few_images_have_facets_without_a_map(rng, count):
    x = two_kinds(rng, count)
    facets = find_facets(small_network(rng), x, min(count, 2), rng=rng)
    assert len(facets.starts) == min(count, 2) and np.isfinite(facets.starts).all()


def test_more_facets_than_images_are_refused(rng):
    for count in (0, 7):
        with pytest.raises(InputError, match=f"{count} facets of 6 images: give a number from 1 to 6"):
            find_facets(small_network(rng), two_kinds(rng, 6), count, rng=rng)


def test_suggestions():
    assert [suggest_facets(count) for count in (1, 2, 25, 149, 300, 750, 5000)] == [1, 2, 2, 2, 3, 7, 10]
    assert suggest_facets(1000, 4) == 4


def test_layout_features_average_the_maps_in_parts(xp, rng):
    net = on(xp, small_network(rng).astype("float64"))
    x = rng.standard_normal((5, 3, 12, 12))
    maps = to_host(net.predict(on(xp, x), "relu1"))
    expected = maps.reshape(5, 6, 4, 3, 4, 3).mean(axis=(3, 5)).reshape(5, -1)
    assert np.abs(layout_features(net, x, "relu1", batch_size=2) - expected).max() < 1e-12
    assert np.abs(layout_features(net, x, "relu1", parts=1) - image_features(net, x, "relu1")).max() < 1e-12
    assert (layout_features(net, x, "fc2") == image_features(net, x, "fc2")).all()
    few = layout_features(net, x[:, :, :3, :3], "relu1").reshape(5, 6, 4, 4)  # maps smaller than the number of blocks
    maps = to_host(net.predict(on(xp, x[:, :, :3, :3]), "relu1"))
    assert np.abs(few - maps[:, :, [0, 0, 1, 2]][..., [0, 0, 1, 2]]).max() < 1e-12
