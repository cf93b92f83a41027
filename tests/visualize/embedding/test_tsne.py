"""t-SNE: the gradient, the maps, and their objective numbers."""

import sys

import numpy as np
import pytest
from embedding_points import clusters, on

from minicnn.datasets.mnist import load_digits
from minicnn.errors import InputError, UnknownNameError
from minicnn.gradient_check import directional_error
from minicnn.models import load_model
from minicnn.visualize.embedding.affinities import affinities
from minicnn.visualize.embedding.features import image_features
from minicnn.visualize.embedding.pca import pca
from minicnn.visualize.embedding.tsne import TsneSettings, kl_divergence, kl_gradient, tsne
from minicnn.visualize.embedding.tsne_check import (
    check_map,
    check_same_map,
    one_nearest_accuracy,
    trustworthiness,
)


@pytest.mark.parametrize("scale", [1e-2, 1, 10])
def test_the_gradient_equals_finite_differences_of_the_divergence(rng, scale):
    p = affinities(clusters(rng, 40, dtype=np.float64)[0], 5, "exact")
    positions = scale * rng.standard_normal((40, 2))
    error = directional_error(lambda y: kl_divergence(p, y), positions, kl_gradient(p, positions), rng)
    assert error < 1e-6


def test_the_divergence_equals_its_definition(rng):
    p = affinities(clusters(rng, 40, dtype=np.float64)[0], 5, "exact")
    positions = rng.standard_normal((40, 2))
    q = 1 / (1 + ((positions[:, None] - positions) ** 2).sum(axis=2))
    np.fill_diagonal(q, 0)
    q /= q.sum()
    some = p > 0
    assert kl_divergence(p, positions) == pytest.approx((p[some] * np.log(p[some] / q[some])).sum(), rel=1e-12)


@pytest.mark.parametrize("method", ["exact", "fft"])
def test_clusters_become_clusters(xp, rng, method):
    x, labels = clusters(rng)
    positions, history = tsne(on(xp, x), TsneSettings(10, 300, exaggerated_steps=100, method=method), rng=rng)
    assert isinstance(positions, np.ndarray) and positions.shape == (120, 2) and positions.dtype == np.float32
    assert one_nearest_accuracy(positions, labels) == 1
    assert [step for step, _ in history] == list(range(10, 301, 10)) and history[-1][1] < 0.5 * history[0][1]
    assert np.abs(positions.mean(axis=0)).max() < 1e-4


def test_both_methods_give_maps_of_the_same_quality(rng):
    x, _ = clusters(rng, 400, 8)
    (exact, history), (fft, fft_history) = (
        tsne(x, TsneSettings(20, 500, method=method), rng=np.random.default_rng(0)) for method in ("exact", "fft"))
    assert fft_history[-1][1] == pytest.approx(history[-1][1], abs=0.05)
    assert trustworthiness(x, fft) == pytest.approx(trustworthiness(x, exact), abs=0.01)


def test_the_map_is_the_same_without_the_fast_room(rng, monkeypatch):
    x, _ = clusters(rng)
    settings = TsneSettings(10, 50, method="fft")
    positions, _ = tsne(x, settings, rng=np.random.default_rng(0))
    monkeypatch.setitem(sys.modules, "minicnn.fast.threads", None)  # an import of it fails
    assert np.array_equal(tsne(x, settings, rng=np.random.default_rng(0))[0], positions)


def test_the_callback_gets_the_map_and_can_end_the_descent(rng):
    seen = []

    def watch(step, divergence, positions):
        seen.append((step, divergence, positions.copy()))
        return step == 30
    positions, history = tsne(clusters(rng)[0], TsneSettings(10, 100), rng=rng, callback=watch)
    assert [(step, divergence) for step, divergence, _ in seen] == history and history[-1][0] == 30
    assert (seen[-1][2] == positions).all()


def test_the_map_starts_at_the_initial_positions(rng):
    x, _ = clusters(rng)
    initial = rng.standard_normal((120, 2))
    positions, _ = tsne(x, TsneSettings(10, 0), rng=rng, initial=initial)
    assert np.allclose(positions, initial, atol=1e-6)
    begun, _ = tsne(x, TsneSettings(10, 0), rng=rng)
    assert begun[:, 0].std() == pytest.approx(1e-4, rel=0.1)
    components = pca(x, 2).positions
    assert np.corrcoef(begun[:, 0], components[:, 0])[0, 1] > 0.99


def test_points_on_a_line_and_equal_points_can_be_mapped(rng):
    positions, _ = tsne(np.arange(60.0)[:, None], TsneSettings(5, 100), rng=rng)
    assert np.isfinite(positions).all() and np.ptp(positions) > 0
    positions, _ = tsne(np.zeros((60, 4), np.float32), TsneSettings(5, 100), rng=rng)
    assert np.isfinite(positions).all()


def test_the_same_seed_gives_the_same_map(rng):
    x, _ = clusters(rng)
    assert check_same_map(x, 3).passed
    one, other = (tsne(x, TsneSettings(10, 100), rng=np.random.default_rng(seed))[0] for seed in (0, 1))
    assert (one != other).any()


@pytest.mark.parametrize(("x", "perplexity", "message"), [
    (np.zeros((60, 3), np.float32), 30, r"perplexity 30 is too large for 60 points: use at most 19\.6"),
    (np.zeros((3, 3), np.float32), 5, "t-SNE needs at least 5 points, not 3"),
    (np.zeros((60, 3), np.float32), 1, "the perplexity, .*, must be above 1, not 1"),
    (np.full((60, 3), np.nan, np.float32), 5, "not finite"),
    (np.zeros((60, 3, 2), np.float32), 5, r"expected points of shape \(N, D\), got \(60, 3, 2\)"),
    (np.zeros((0, 3), np.float32), 5, r"expected points of shape \(N, D\), got \(0, 3\)")])
def test_points_that_tsne_cannot_map_are_refused(rng, x, perplexity, message):
    with pytest.raises(InputError, match=message):
        tsne(x, TsneSettings(perplexity), rng=rng)


def test_other_methods_and_initial_positions_that_do_not_fit_are_refused(rng):
    x, _ = clusters(rng)
    with pytest.raises(UnknownNameError, match="no method 'barnes-hut'"):
        tsne(x, TsneSettings(10, method="barnes-hut"), rng=rng)
    with pytest.raises(InputError, match=r"120 points need 120 initial positions of two numbers, not \(120, 3\)"):
        tsne(x, TsneSettings(10), rng=rng, initial=np.zeros((120, 3)))


@pytest.mark.parametrize("method", ["exact", "fft"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_diverging_map_raises_one_line(rng, method):
    with pytest.raises(InputError, match="not finite any more; take a smaller learning rate"):
        tsne(clusters(rng)[0], TsneSettings(10, 300, learning_rate=1e45, method=method), rng=rng)


def test_trustworthiness_equals_its_definition(rng):
    x, positions, k, N = rng.standard_normal((60, 5)), rng.standard_normal((60, 2)), 7, 60
    order = np.argsort(((x[:, None] - x) ** 2).sum(axis=2), axis=1)
    on_map = np.argsort(((positions[:, None] - positions) ** 2).sum(axis=2), axis=1)[:, 1:k + 1]
    total = sum(max(0, int(np.flatnonzero(order[i] == j)[0]) - k) for i in range(N) for j in on_map[i])
    assert trustworthiness(x, positions, k) == pytest.approx(1 - 2 * total / (N * k * (2 * N - 3 * k - 1)))
    assert trustworthiness(x[:, :2], 3 * x[:, :2], k) == 1
    with pytest.raises(InputError, match="k = 30 neighbours of 60 points"):
        trustworthiness(x, positions, 30)


def test_one_nearest_accuracy_excludes_the_point_itself():
    positions = np.array([[0.0, 0], [0, 1], [5, 0], [5, 1]])
    assert one_nearest_accuracy(positions, np.array([0, 0, 1, 1])) == 1
    assert one_nearest_accuracy(positions, np.array([0, 1, 0, 1])) == 0


def test_the_checks_of_a_map_pass_and_fail(rng):
    x, labels = clusters(rng, 240, 12)
    positions, history = tsne(x, TsneSettings(10, 500), rng=rng)
    plain = pca(x, 2).positions
    assert all(check.passed for check in check_map(x, labels, positions, plain, history, 10))
    assert [check.judged for check in check_map(x, labels, positions, plain, history, 10)] == 2 * [True] + 3 * [False]
    shuffled = check_map(x, labels, rng.permutation(positions), plain, history, 10)
    assert [check.passed for check in shuffled][:2] == [True, False]
    for wrong in (2 * positions, positions[::-1], positions * [1, 0.5], plain):
        assert not all(check.passed for check in check_map(x, labels, wrong, plain, history, 10))


def test_the_checks_of_a_map_bear_equal_points_and_a_single_step(rng):
    x = np.zeros((40, 5))
    x[20:] = 1
    for points in (x, np.zeros((40, 5)), rng.standard_normal((40, 5))):
        positions, history = tsne(points, TsneSettings(5, 1), rng=rng)
        checks = check_map(points, np.arange(40) % 3, positions, rng.standard_normal((40, 2)), history, 5)
        assert np.isfinite([check.value for check in checks]).all()


def test_the_check_of_the_gradient_passes_and_fails(rng, monkeypatch):
    from minicnn.visualize.embedding import tsne_check as checks_tsne
    x, _ = clusters(rng)
    positions = rng.standard_normal((len(x), 2)).astype(np.float32)
    assert checks_tsne.check_map_gradient(x, positions, rng).passed
    monkeypatch.setattr(checks_tsne, "kl_gradient", lambda p, y: 1.001 * kl_gradient(p, y))
    assert not checks_tsne.check_map_gradient(x, positions, rng).passed


def test_digits_are_separated_on_the_map_of_their_features(test_data, rng):
    x, labels = load_digits(test_data / "mnist", "t10k")
    x, labels = x[:800], labels[:800]
    features = image_features(load_model("digits", "cpu").net, x)
    positions, _ = tsne(features, TsneSettings(30, 500), rng=rng)
    assert one_nearest_accuracy(positions, labels) > 0.97 and trustworthiness(features, positions) > 0.97
