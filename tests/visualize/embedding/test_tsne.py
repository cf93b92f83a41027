"""t-SNE: probabilities with the entropy asked for, the gradient, the forces by FFT against all pairs, and the maps."""

import sys

import numpy as np
import pytest

from demos import embedding_map
from demos.shared.command import main
from minicnn.backend import to_device, to_host
from minicnn.datasets.mnist import load_digits
from minicnn.errors import InputError, UnknownNameError
from minicnn.gradient_check import directional_error
from minicnn.models import load_model
from minicnn.visualize.embedding import tsne_forces
from minicnn.visualize.embedding.features import image_features
from minicnn.visualize.embedding.pca import pca
from minicnn.visualize.embedding.tsne import (
    affinities,
    attraction,
    conditional_probabilities,
    kl_divergence,
    kl_gradient,
    tsne,
)
from minicnn.visualize.embedding.tsne_check import (
    check_map,
    check_same_map,
    entropy_error,
    one_nearest_accuracy,
    trustworthiness,
)
from minicnn.visualize.embedding.tsne_forces import Pairs, exact_repulsion, fft_repulsion, fit_grid


def clusters(rng, count=120, groups=4, dtype=np.float32):
    """Points (count, 10) in well separated groups, and which group each is in."""
    labels = np.arange(count) % groups
    return (10 * rng.standard_normal((groups, 10))[labels] + rng.standard_normal((count, 10))).astype(dtype), labels


def on(xp, x):
    return to_device(x, "cpu" if xp is np else "gpu")


def dense(p):
    """Pairs as a matrix (N, N)."""
    N = len(p.starts) - 1
    out = np.zeros((N, N), p.values.dtype)
    out[p.rows, p.columns] = p.values
    return out


# ---- probabilities ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("perplexity", [2, 5, 30])
@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
def test_every_row_has_the_entropy_asked_for(rng, perplexity, scale):
    assert entropy_error(scale * clusters(rng)[0], perplexity) < 1e-5


def test_probabilities_fall_with_the_distance(xp, rng):
    distances = np.sort(rng.random((20, 15)), axis=1)
    p = to_host(conditional_probabilities(on(xp, distances), 5))
    assert np.allclose(p.sum(axis=1), 1) and (np.diff(p, axis=1) <= 0).all()


def test_points_that_are_all_the_same_are_all_as_likely():
    assert np.allclose(conditional_probabilities(np.zeros((4, 10)), 3), 0.1)


def test_affinities_are_symmetric_and_sum_to_one(xp, rng):
    x = clusters(rng)[0]
    full = to_host(affinities(on(xp, x), 10, "exact"))
    pairs = affinities(on(xp, x), 10, "fft")
    assert isinstance(pairs, Pairs)
    near = dense(Pairs(*map(to_host, pairs)))
    for p in (full, near):
        assert p.dtype == np.float32 and (p == p.T).all() and (np.diag(p) == 0).all()
        assert p.sum() == pytest.approx(1, abs=1e-5) and (p.sum(axis=1) >= 1 / (2 * len(x)) - 1e-7).all()
    # 30 neighbours are all that are near: what the others have is little
    assert np.abs(full - near).sum() < 0.02


def test_affinities_of_two_distances_are_those_of_the_formula(rng):
    x = rng.standard_normal((40, 3))
    p = affinities(x, 5, "exact")
    d2 = ((x[:, None] - x) ** 2).sum(axis=2)
    np.fill_diagonal(d2, np.inf)
    wanted = np.zeros_like(p)
    for i, row in enumerate(d2):
        low, high = 0.0, 1e4
        for _ in range(100):
            b = (low + high) / 2
            q = np.exp(-b * (row - row.min()))
            q /= q.sum()
            low, high = (b, high) if -(q[q > 0] * np.log(q[q > 0])).sum() > np.log(5) else (low, b)
        wanted[i] = q
    assert np.abs(p - (wanted + wanted.T) / 80).max() < 1e-7


# ---- forces ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-2, 1, 10])
def test_the_gradient_is_that_of_the_divergence(rng, scale):
    p = affinities(clusters(rng, 40, dtype=np.float64)[0], 5, "exact")
    positions = scale * rng.standard_normal((40, 2))
    error = directional_error(lambda y: kl_divergence(p, y), positions, kl_gradient(p, positions), rng)
    assert error < 1e-6


def test_the_divergence_is_that_of_the_definition(rng):
    p = affinities(clusters(rng, 40, dtype=np.float64)[0], 5, "exact")
    positions = rng.standard_normal((40, 2))
    q = 1 / (1 + ((positions[:, None] - positions) ** 2).sum(axis=2))
    np.fill_diagonal(q, 0)
    q /= q.sum()
    some = p > 0
    assert kl_divergence(p, positions) == pytest.approx((p[some] * np.log(p[some] / q[some])).sum(), rel=1e-12)


def test_attraction_along_pairs_is_that_of_the_full_matrix(xp, rng):
    x = clusters(rng, 300, dtype=np.float64)[0]
    pairs = affinities(x, 20, "fft")
    positions = rng.standard_normal((300, 2))
    wanted = attraction(dense(pairs), positions)
    found = attraction(Pairs(*(on(xp, part) for part in pairs)), on(xp, positions))
    assert np.allclose(to_host(found), wanted, rtol=1e-10, atol=1e-16)


@pytest.mark.parametrize(("scale", "bound"), [(1e-4, 1e-6), (0.1, 1e-6), (1, 1e-5), (3, 1e-3), (10, 5e-3), (30, 7e-3)])
def test_forces_by_fft_are_those_of_all_pairs(xp, rng, scale, bound):
    positions = (scale * rng.standard_normal((2000, 2))).astype(np.float32)
    wanted, z = exact_repulsion(positions.astype(np.float64))
    there = on(xp, positions)
    found, found_z = fft_repulsion(there, fit_grid(there))
    assert np.linalg.norm(to_host(found) - wanted) < bound * np.linalg.norm(wanted)
    assert float(found_z) == pytest.approx(z, rel=1e-3)


def test_a_finer_grid_makes_the_forces_as_right_as_wanted(rng):
    positions = 20 * rng.standard_normal((2000, 2))
    wanted, _ = exact_repulsion(positions)
    errors = [np.linalg.norm(fft_repulsion(positions, fit_grid(positions, coarsest=spacing))[0] - wanted)
              / np.linalg.norm(wanted) for spacing in (0.4, 0.2)]
    assert errors[1] < 1e-3 and errors[0] / errors[1] > 16  # at least the fourth order


def test_the_grid_is_kept_while_it_suits_and_follows_the_points(rng):
    positions = 5 * rng.standard_normal((500, 2))
    grid = fit_grid(positions)
    moved = fit_grid(positions + 100, grid)
    assert moved.forces is grid.forces and (moved.corner != grid.corner).all()
    forces, z = fft_repulsion(positions, grid)
    shifted, shifted_z = fft_repulsion(positions + 100, moved)
    # the points lie elsewhere between the nodes
    assert np.allclose(forces, shifted, atol=2e-3 * np.abs(forces).max()) and z == pytest.approx(shifted_z, rel=1e-4)
    assert fit_grid(3 * positions, grid).forces is not grid.forces
    assert fit_grid(positions / 3, grid).forces is not grid.forces


def test_points_at_one_place_push_nowhere(xp):
    positions = on(xp, np.ones((50, 2), np.float32))
    forces, z = fft_repulsion(positions, fit_grid(positions))
    assert np.abs(to_host(forces)).max() < 1e-5 and float(z) == pytest.approx(50 * 49, rel=1e-4)


# ---- maps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["exact", "fft"])
def test_clusters_become_clusters(xp, rng, method):
    x, labels = clusters(rng)
    positions, history = tsne(on(xp, x), 10, 300, rng=rng, exaggerated_steps=100, method=method)
    assert isinstance(positions, np.ndarray) and positions.shape == (120, 2) and positions.dtype == np.float32
    assert one_nearest_accuracy(positions, labels) == 1
    assert [step for step, _ in history] == list(range(10, 301, 10)) and history[-1][1] < 0.5 * history[0][1]
    assert np.abs(positions.mean(axis=0)).max() < 1e-4


def test_both_methods_draw_as_good_a_map(rng):
    x, _ = clusters(rng, 400, 8)
    (exact, history), (fft, fft_history) = (
        tsne(x, 20, 500, rng=np.random.default_rng(0), method=method) for method in ("exact", "fft"))
    assert fft_history[-1][1] == pytest.approx(history[-1][1], abs=0.05)
    assert trustworthiness(x, fft) == pytest.approx(trustworthiness(x, exact), abs=0.01)


def test_the_callback_sees_the_map_and_ends_it(rng):
    seen = []

    def watch(step, divergence, positions):
        seen.append((step, divergence, positions.copy()))
        return step == 30
    positions, history = tsne(clusters(rng)[0], 10, 100, rng=rng, callback=watch)
    assert [(step, divergence) for step, divergence, _ in seen] == history and history[-1][0] == 30
    assert (seen[-1][2] == positions).all()


def test_the_map_begins_where_it_is_told_to(rng):
    x, _ = clusters(rng)
    initial = rng.standard_normal((120, 2))
    positions, _ = tsne(x, 10, 0, rng=rng, initial=initial)
    assert np.allclose(positions, initial, atol=1e-6)
    begun, _ = tsne(x, 10, 0, rng=rng)
    assert begun[:, 0].std() == pytest.approx(1e-4, rel=0.1)
    components = pca(x, 2).positions
    assert np.corrcoef(begun[:, 0], components[:, 0])[0, 1] > 0.99


def test_points_on_a_line_and_equal_points_have_a_map(rng):
    positions, _ = tsne(np.arange(60.0)[:, None], 5, 100, rng=rng)
    assert np.isfinite(positions).all() and np.ptp(positions) > 0
    positions, _ = tsne(np.zeros((60, 4), np.float32), 5, 100, rng=rng)
    assert np.isfinite(positions).all()


def test_a_seed_draws_its_map(rng):
    x, _ = clusters(rng)
    assert check_same_map(x, 3).passed
    one, other = (tsne(x, 10, 100, rng=np.random.default_rng(seed))[0] for seed in (0, 1))
    assert (one != other).any()


@pytest.mark.parametrize(("x", "perplexity", "message"), [
    (np.zeros((60, 3), np.float32), 30, r"perplexity 30 is too large for 60 points: use at most 19\.6"),
    (np.zeros((3, 3), np.float32), 5, "a map takes at least 5 points, not 3"),
    (np.zeros((60, 3), np.float32), 1, "the perplexity is 1: .* must be above 1"),
    (np.full((60, 3), np.nan, np.float32), 5, "not finite"),
    (np.zeros((60, 3, 2), np.float32), 5, r"expected points of shape \(N, D\), got \(60, 3, 2\)"),
    (np.zeros((0, 3), np.float32), 5, r"expected points of shape \(N, D\), got \(0, 3\)")])
def test_what_has_no_map_is_refused(rng, x, perplexity, message):
    with pytest.raises(InputError, match=message):
        tsne(x, perplexity, rng=rng)


def test_other_methods_and_initial_positions_that_do_not_fit_are_refused(rng):
    x, _ = clusters(rng)
    with pytest.raises(UnknownNameError, match="no method 'barnes-hut'"):
        tsne(x, 10, rng=rng, method="barnes-hut")
    with pytest.raises(InputError, match=r"120 points need 120 initial positions of two numbers, not \(120, 3\)"):
        tsne(x, 10, rng=rng, initial=np.zeros((120, 3)))


@pytest.mark.parametrize("method", ["exact", "fft"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_map_that_flies_apart_is_one_line(rng, method):
    with pytest.raises(InputError, match="not finite any more; take a smaller learning rate"):
        tsne(clusters(rng)[0], 10, 300, rng=rng, learning_rate=1e45, method=method)


def test_a_map_far_too_large_gets_a_coarser_grid(monkeypatch, rng):
    monkeypatch.setattr(tsne_forces, "MOST", 200)
    assert fit_grid(1e6 * rng.standard_normal((500, 2))).size < 250


# ---- what proves it --------------------------------------------------------------------------------------------------


def test_trustworthiness_is_that_of_the_definition(rng):
    x, positions, k, N = rng.standard_normal((60, 5)), rng.standard_normal((60, 2)), 7, 60
    order = np.argsort(((x[:, None] - x) ** 2).sum(axis=2), axis=1)
    on_map = np.argsort(((positions[:, None] - positions) ** 2).sum(axis=2), axis=1)[:, 1:k + 1]
    total = sum(max(0, int(np.flatnonzero(order[i] == j)[0]) - k) for i in range(N) for j in on_map[i])
    assert trustworthiness(x, positions, k) == pytest.approx(1 - 2 * total / (N * k * (2 * N - 3 * k - 1)))
    assert trustworthiness(x[:, :2], 3 * x[:, :2], k) == 1
    with pytest.raises(InputError, match="k = 30 neighbours of 60 points"):
        trustworthiness(x, positions, 30)


def test_one_nearest_accuracy_leaves_the_point_itself_out():
    positions = np.array([[0.0, 0], [0, 1], [5, 0], [5, 1]])
    assert one_nearest_accuracy(positions, np.array([0, 0, 1, 1])) == 1
    assert one_nearest_accuracy(positions, np.array([0, 1, 0, 1])) == 0


def test_the_checks_of_a_map_pass_and_fail(rng):
    x, labels = clusters(rng, 240, 12)
    positions, history = tsne(x, 10, 500, rng=rng)
    plain = pca(x, 2).positions
    assert all(check.passed for check in check_map(x, labels, positions, plain, history, 10))
    shuffled = check_map(x, labels, rng.permutation(positions), plain, history[::-1], 10)
    assert [check.passed for check in shuffled] == [True, False, False, False]


def test_the_check_of_the_gradient_passes_and_fails(rng, monkeypatch):
    from minicnn.visualize.embedding import tsne_check as checks_tsne
    x, _ = clusters(rng)
    positions = rng.standard_normal((len(x), 2)).astype(np.float32)
    assert checks_tsne.check_map_gradient(x, positions, rng).passed
    monkeypatch.setattr(checks_tsne, "kl_gradient", lambda p, y: 1.001 * kl_gradient(p, y))
    assert not checks_tsne.check_map_gradient(x, positions, rng).passed


def test_digits_lie_apart_on_the_map_of_their_features(test_data, rng):
    x, labels = load_digits(test_data / "mnist", "t10k")
    x, labels = x[:800], labels[:800]
    features = image_features(load_model("digits", "cpu").net, x)
    positions, _ = tsne(features, 30, 500, rng=rng)
    assert one_nearest_accuracy(positions, labels) > 0.97 and trustworthiness(features, positions) > 0.97


def test_the_demo_draws_shapes_by_themselves():
    picture, = embedding_map.pictures(load_model("shapes", "cpu"), count=120, perplexity=10, num_steps=400)
    assert all(check.passed for check in picture.checks) and picture.array.shape == (120, 2)


def test_the_demo_says_that_digits_are_needed():
    with pytest.raises(InputError, match="digits takes grey digits, not drawn shapes: give --mnist FOLDER"):
        next(embedding_map.pictures(load_model("digits", "cpu")))


@pytest.mark.parametrize(("arguments", "message"), [
    (["--count", "24", "--perplexity", "10"], "perplexity 10 is too large for 24 points: use at most 7.6"),
    (["--count", "24", "--perplexity", "nan"], "the perplexity is nan"), (["--steps", "0"], "from 1 on"),
    (["--count", "1"], "a map takes at least 5 points, not 1"),
    (["--count", "4"], "a map takes at least 5 points, not 4"),
    (["--mnist", "empty"], "no t10k-images-idx3-ubyte(.gz) and no t10k*.npz in empty"),
    (["photo.jpg"], "unrecognized arguments: photo.jpg")])
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(sys, "argv", ["embedding_map", "--device", "cpu", "--out", "out", *arguments])
    with pytest.raises(SystemExit) as end:
        main(embedding_map.run, embedding_map.parser())
    error = capsys.readouterr().err
    assert end.value.code == 2 and message in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_an_interrupted_demo_keeps_the_map_so_far(monkeypatch):
    def interrupted(*arguments, callback, **settings):
        callback(10, 3.0, np.random.default_rng(0).standard_normal((96, 2)))
        raise KeyboardInterrupt
    monkeypatch.setattr(embedding_map, "tsne", interrupted)
    found = embedding_map.pictures(load_model("shapes", "cpu"), count=96, perplexity=8)
    assert "interrupted at step 10" in next(found).title
    with pytest.raises(KeyboardInterrupt):
        next(found)
