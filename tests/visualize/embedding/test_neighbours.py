"""Nearest neighbours against brute force, and with features of networks."""

import numpy as np
import pytest
from embedding_points import on

from demos.shared.photo_folder import collect, draw_photos
from minicnn.backend import to_host
from minicnn.datasets.mnist import load_digits
from minicnn.errors import InputError
from minicnn.models import load_model
from minicnn.models.preprocessing import TORCHVISION
from minicnn.visualize.embedding import neighbours
from minicnn.visualize.embedding.features import image_features
from minicnn.visualize.embedding.neighbours import (
    RIGHT,
    WRONG,
    nearest,
    nearest_others,
    neighbour_sheet,
    precision_at,
    squared_distances,
)
from minicnn.visualize.embedding.neighbours_check import (
    check_distances,
    check_neighbour_sheet,
    check_neighbours,
    report_mirrored,
    report_precision,
)


@pytest.fixture
def small_blocks(monkeypatch):
    """Limit blocks to a few rows, so that a small set needs many blocks."""
    monkeypatch.setattr(neighbours, "BLOCK", 60)
    monkeypatch.setattr(neighbours, "LARGEST_BLOCK", 5)


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_distances_by_the_product_equal_distances_by_differences(xp, rng, small_blocks, dtype, offset):
    a, b = rng.standard_normal((13, 7)) * 40 + 100, rng.standard_normal((17, 7)) * 40 + 100
    a, b = (x.astype(dtype) if dtype == "uint8" else (x + offset).astype(dtype) for x in (a, b))
    exact = ((a[:, None].astype(float) - b) ** 2).sum(axis=2)
    found = squared_distances(on(xp, a), on(xp, b))
    assert found.dtype == ("float64" if dtype == "float64" else "float32") and isinstance(found, xp.ndarray)
    np.testing.assert_allclose(to_host(found), exact, rtol=1e-5)


def test_distances_of_equal_points_are_never_negative(rng):
    x = np.repeat(rng.standard_normal((20, 300)).astype(np.float32) * 1000, 2, axis=0)
    assert (squared_distances(x, x) >= 0).all()


def test_distances_need_only_the_memory_of_a_few_blocks(rng):
    import tracemalloc
    x = np.zeros((1500, 5000), np.float32)
    tracemalloc.start()
    nearest(x[:4], x, 3)
    squared_distances(x[:4], x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 8 * neighbours.BLOCK


@pytest.mark.parametrize("k", [1, 4, 17])
def test_nearest_equals_a_full_sort(xp, rng, small_blocks, k):
    queries, gallery = rng.standard_normal((12, 7)).astype(np.float32), rng.standard_normal((17, 7)).astype(np.float32)
    exact = np.sqrt(((queries[:, None].astype(float) - gallery) ** 2).sum(axis=2))
    indices, distances = nearest(on(xp, queries), on(xp, gallery), k)
    np.testing.assert_array_equal(to_host(indices), np.argsort(exact, axis=1)[:, :k])
    np.testing.assert_allclose(to_host(distances), np.sort(exact, axis=1)[:, :k], rtol=1e-12)


def test_an_image_is_its_own_nearest_at_distance_zero_but_not_among_its_nearest_others(xp, rng, small_blocks):
    x = rng.standard_normal((23, 6)).astype(np.float32) + 500
    indices, distances = map(to_host, nearest(on(xp, x), on(xp, x), 3))
    assert (indices[:, 0] == np.arange(23)).all() and (distances[:, 0] == 0).all() and (distances[:, 1] > 0).all()
    others, further = map(to_host, nearest_others(on(xp, x), 2))
    np.testing.assert_array_equal(others, indices[:, 1:])
    np.testing.assert_array_equal(further, distances[:, 1:])
    asked = np.array([20, 3])
    np.testing.assert_array_equal(to_host(nearest_others(on(xp, x), 2, on(xp, asked))[0]), others[asked])


def test_copies_of_an_image_are_its_nearest_others():
    x = np.zeros((6, 3))
    indices, distances = nearest_others(x, 2)
    assert (indices != np.arange(6)[:, None]).all() and (distances == 0).all()
    assert all(len(set(row)) == 2 for row in indices.tolist())


def test_precision_counts_neighbours_of_the_same_class():
    indices = np.array([[0, 1, 2, 3], [3, 2, 1, 0]])
    assert precision_at(indices, ["cat", "dog"], ["cat", "cat", "dog", "cow"]) == (2 / 4 + 1 / 4) / 2


@pytest.mark.parametrize(("queries", "gallery", "k", "message"), [
    ((2, 3), (4, 3), 5, "k = 5 nearest of 4 images: give a k from 1 to 4"), ((2, 3), (4, 3), 0, "k = 0 nearest"),
    ((2, 3), (4, 2), 1, r"vectors of one length, \(M, D\) and \(N, D\), got \(2, 3\) and \(4, 2\)"),
    ((2, 3), (0, 3), 1, "the gallery is empty"), ((3,), (4, 3), 1, "expected two sets of vectors")])
def test_sets_of_other_shapes_are_refused_in_one_line(queries, gallery, k, message):
    with pytest.raises(InputError, match=message) as caught:
        nearest(np.zeros(queries), np.zeros(gallery), k)
    assert "\n" not in str(caught.value)


def test_empty_galleries_and_nans_are_refused():
    with pytest.raises(InputError, match="the gallery is empty"):
        squared_distances(np.zeros((2, 3)), np.zeros((0, 3)))
    with pytest.raises(InputError, match="not finite"):
        nearest(np.zeros((2, 3)), np.array([[0, 0, np.nan], [1, 1, 1]]), 1)
    with pytest.raises(InputError, match="k = 3 nearest others of 3 images: give a k from 1 to 2"):
        nearest_others(np.zeros((3, 3)), 3)


def test_a_neighbour_sheet_shows_each_picture_in_its_place_and_frames_it():
    colours = np.arange(10, 60, 10, np.uint8)[:, None, None, None] * np.ones((1, 48, 48, 3), np.uint8)
    sheet = neighbour_sheet(colours[:2], colours, np.array([[2, 3], [4, 0]]), np.array([[True, False], [False, True]]))
    row, column = 52 + 3, 52 + 3
    assert sheet.shape == (2 * 52 + 3, 52 + 12 + 2 * 52 + 3, 3)
    assert (sheet[2:50, 2:50] == 10).all() and (sheet[row + 2:row + 50, 2:50] == 20).all()
    left = 52 + 12
    assert (sheet[2:50, left + 2:left + 50] == 30).all()
    assert (sheet[row + 2:row + 50, left + column + 2:left + column + 50] == 10).all()
    assert tuple(sheet[0, left]) == RIGHT == tuple(sheet[row, left + column])
    assert tuple(sheet[0, left + column]) == WRONG == tuple(sheet[row, left])


def test_shapes_are_nearer_to_their_class_in_features_than_in_pixels(summary_line):
    model = load_model("shapes", "cpu")
    found = collect(model, draw_photos(120, 20_000_000))
    checks = report_precision(found.features, found.pixels, found.labels)
    summary_line(f"neighbours, 120 drawn shapes: precision@5 {checks[0].value:.3f} in features, "
                 f"{checks[1].value:.3f} in pixels")
    assert checks[0].value > 0.6 and checks[1].value < 0.3 and not any(check.judged for check in checks)


def test_digits_are_nearer_to_their_class_in_features_than_in_pixels(test_data, summary_line):
    x, labels = load_digits(test_data / "mnist", "t10k")
    x, labels = x[:2000], labels[:2000]
    features = image_features(load_model("digits", "cpu").net, x, batch_size=250)
    checks = report_precision(features, x.reshape(len(x), -1), labels, count=500)
    summary_line(f"neighbours, 2,000 MNIST digits: precision@5 {checks[0].value:.3f} in features, "
                 f"{checks[1].value:.3f} in pixels")
    assert checks[0].value > 0.97


def test_mirrored_photos_find_their_originals_with_real_weights(test_data, summary_line):
    from test_oracles import read_photos as photos_of
    from test_oracles import read_squeezenet1_1
    images, _ = photos_of(test_data)
    net = read_squeezenet1_1(test_data).fast()
    features, mirrored = (image_features(net, TORCHVISION.to_input(of)) for of in (images, images[:, :, ::-1]))
    small, small_mirrored = (of[:, ::4, ::4].reshape(25, -1) for of in (images, images[:, :, ::-1]))
    check = report_mirrored(mirrored, features, np.arange(25), small_mirrored, small)[0]
    summary_line(f"neighbours, 25 ImageNet photos mirrored: {check.value:.0%} find their original; {check.expected}")
    assert features.shape == (25, 512) and check.value == 1 and not check.judged
    assert all(check.passed for check in check_distances(features, np.random.default_rng(0)))


def test_the_distance_check_fails_for_a_wrong_product(rng, monkeypatch):
    from minicnn.visualize.embedding import neighbours_check
    x = rng.standard_normal((50, 30)).astype(np.float32)
    assert all(check.passed for check in check_distances(x, rng))
    monkeypatch.setattr(neighbours_check, "squared_distances", lambda a, b: squared_distances(a, b) * 1.0001)
    assert not check_distances(x, rng)[0].passed


def test_the_check_of_neighbours_detects_wrong_ones(rng):
    x = rng.standard_normal((30, 5)).astype(np.float32)
    queries = np.array([3, 7, 20])
    found = nearest_others(x, 4, queries)[0]
    assert check_neighbours(x[queries], x, found, queries)[0].passed
    assert check_neighbours(x[queries], x, nearest(x[queries], x, 4)[0])[0].passed
    with_itself = nearest(x[queries], x, 4)[0]
    farthest = np.argsort(-((x[queries][:, None] - x) ** 2).sum(axis=2), axis=1)[:, :4]
    by_cosine = np.argsort(-x[queries] @ x.T, axis=1)[:, 1:5]
    for wrong in (with_itself, found[:, ::-1], found + 1 - 30 * (found == 29), farthest, by_cosine, found[::-1]):
        assert not check_neighbours(x[queries], x, wrong, queries)[0].passed
    assert check_neighbours(np.ones((2, 3)), np.ones((6, 3)), np.array([[1, 2], [0, 2]]), np.array([0, 1]))[0].passed


@pytest.mark.parametrize("framed", [False, True])
def test_the_check_of_the_sheet_of_neighbours_detects_wrong_places(rng, framed):
    gallery = rng.integers(0, 256, (9, 12, 12, 3), dtype=np.uint8)
    indices, agreement = rng.permutation(9)[:8].reshape(2, 4), rng.random((2, 4)) < 0.5 if framed else None
    sheet = neighbour_sheet(gallery[:2], gallery, indices, agreement)
    assert check_neighbour_sheet(sheet, gallery[:2], gallery, indices)[0].passed
    for wrong in (indices[::-1], indices[:, ::-1]):
        assert not check_neighbour_sheet(sheet, gallery[:2], gallery, wrong)[0].passed
    assert not check_neighbour_sheet(sheet[:, ::-1], gallery[:2], gallery, indices)[0].passed
