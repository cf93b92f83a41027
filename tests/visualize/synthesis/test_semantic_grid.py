"""Semantic grids: the vectors of the positions, batches, resuming, wrong arguments, the checks and their mutants."""

from dataclasses import replace

import numpy as np
import pytest
from mutation import assert_found, assert_right, mutate

from minicnn.datasets.shapes import draw_shapes
from minicnn.errors import InputError
from minicnn.losses import direction
from minicnn.models import load_model
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.visualize.synthesis import directions, semantic_grid
from minicnn.visualize.synthesis.directions import DirectionSettings, direction_visualization, whitening
from minicnn.visualize.synthesis.directions_check import (
    check_directions,
    check_first_direction,
    kept_direction_steps,
    strongest_cosines,
)

QUICK = DirectionSettings(num_steps=3, batch=4)
LONG = DirectionSettings(num_steps=24)
LAYER = "fire4/concat"
SIZE = 56


@pytest.fixture(scope="module")
def model():
    """The shipped network of photos."""
    return load_model("photos", "cpu").fast()


@pytest.fixture(scope="module")
def pictures(model):
    """Drawn shapes as input, (4, 3, 128, 128): the first is looked at, the others are other photos."""
    return model.preprocessing.to_input(draw_shapes(np.array([4, 0, 8, 9]), np.random.default_rng(0), 128)[0])


def grid_of(model, pictures, settings=QUICK, **options):
    return semantic_grid.semantic_grid(model.net, pictures[:1], LAYER, model.preprocessing, settings,
                                       **{"rng": 0, "cells": 3, "size": SIZE} | options)


def test_each_tile_has_the_vector_of_its_position(model, pictures):
    grid = grid_of(model, pictures)
    out = model.net.predict(pictures[:1], LAYER)[0]
    assert grid.ys.tolist() == grid.xs.tolist() == [2, 8, 13]
    for row, y in enumerate(grid.ys):
        for column, x in enumerate(grid.xs):
            np.testing.assert_array_equal(grid.vectors[row, column], out[:, y, x])
    assert grid.images.shape == (3, 3, 3, SIZE, SIZE) and len(grid.history) == 9
    assert [progress.step for progress in grid.history] == list(range(1, 10))
    assert semantic_grid.magnitudes(grid.vectors).max() == 1


def test_an_image_depends_neither_on_its_batch_nor_on_the_other_images(model, pictures):
    grid = grid_of(model, pictures)
    np.testing.assert_allclose(grid_of(model, pictures, replace(QUICK, batch=9)).images, grid.images, atol=2e-3)
    one, _ = direction_visualization(model.net, LAYER, grid.vectors[2, 1][None], model.preprocessing, QUICK, rng=0,
                                     size=SIZE)
    np.testing.assert_allclose(one[0], grid.images[2, 1], atol=2e-3)


def test_a_vector_of_zeros_gets_the_mean_colour(model, rng):
    vectors = np.stack([np.zeros(128), rng.random(128)])
    images, _ = direction_visualization(model.net, LAYER, vectors, model.preprocessing, QUICK, rng=0, size=SIZE)
    assert not images[0].any() and images[1].any()


def test_an_interrupted_grid_ends_in_the_same_bytes(model, pictures, tmp_path):
    whole = grid_of(model, pictures).images

    class Stop(Exception):
        """The interruption."""

    def interrupt(progress, images):
        if progress.step == 5:
            raise Stop
    path = tmp_path / "grid.npz"
    with pytest.raises(Stop):
        grid_of(model, pictures, callback=interrupt, checkpoint=Checkpoint(path, every=1))
    resumed = grid_of(model, pictures, checkpoint=Checkpoint(path, every=1, resume=True)).images
    assert resumed.tobytes() == whole.tobytes()


def test_the_callback_can_end_the_ascent(model, pictures):
    grid = grid_of(model, pictures, callback=lambda progress, images: progress.step == 4)
    assert len(grid.history) == 4 and not grid.images[2, 2].any()


def test_the_ascent_runs_on_the_gpu(strict_cupy, pictures):
    gpu = load_model("shapes", "gpu")
    x = pictures[:1, :, ::2, ::2]
    grid = semantic_grid.semantic_grid(gpu.net, x, "relu2", gpu.preprocessing, DirectionSettings(2), rng=0, cells=2)
    host = load_model("shapes", "cpu")
    expected = semantic_grid.semantic_grid(host.net, x, "relu2", host.preprocessing, DirectionSettings(2), rng=0,
                                           cells=2)
    np.testing.assert_allclose(grid.images, expected.images, atol=1e-4)


def test_whitening_is_the_inverse_of_the_mean_square(rng):
    vectors = rng.random((50, 6))
    np.testing.assert_allclose(whitening(vectors, 0) @ (vectors.T @ vectors / 50), np.eye(6), atol=1e-9)
    with pytest.raises(InputError, match="give a share above 0"):
        whitening(np.eye(4)[:2], 0)


@pytest.mark.parametrize("options, part", [
    ({"x": np.zeros((2, 3, 128, 128))}, "give x"), ({"layer": "pool9"}, "no maps"), ({"cells": 0}, "cells is 0"),
    ({"size": 2}, "too small|at least|pixels"), ({"layer": "fire40"}, "fire4"), ({"settings": 3}, "DirectionSettings"),
    ({"rng": "x"}, "rng is"), ({"preprocessing": None}, "preprocessing")])
def test_wrong_arguments_are_refused(model, pictures, options, part):
    given = {"net": model.net, "x": pictures[:1], "layer": LAYER, "preprocessing": model.preprocessing,
             "settings": QUICK, "rng": 0, "cells": 2} | options
    with pytest.raises(InputError, match=part):
        semantic_grid.semantic_grid(**given)


@pytest.mark.parametrize("settings", [{"num_steps": 0}, {"power": -1}, {"batch": 0}, {"everywhere": 2}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        DirectionSettings(**settings)


def test_vectors_of_another_layer_are_refused(model):
    with pytest.raises(InputError, match="64 numbers, and layer 'fire4/concat' has 128"):
        direction_visualization(model.net, LAYER, np.ones((1, 64)), model.preprocessing, QUICK, rng=0)


# ---- the checks ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def right(model, pictures):
    """The grid of 4x4 positions and its frames."""
    return run_of(model, pictures, LONG)


def run_of(model, pictures, settings):
    """Return (grid of 4x4 positions, {step: images of the first batch})."""
    frames = {}
    grid = grid_of(model, pictures, settings, cells=4, callback=lambda progress, images: frames.update(
        {progress.step: images} if progress.step <= settings.num_steps else {}))
    return grid, frames


def checks_of(model, pictures, run, change=lambda images: images, settings=LONG):
    """Return the Checks of a run whose images are changed afterwards."""
    grid, frames = run
    kept = {step: frames[step] for step in kept_direction_steps(model.net, settings)}
    out = model.net.predict(pictures[1:], LAYER)
    natural = out.transpose(0, 2, 3, 1).reshape(-1, out.shape[1])
    expected = model.net.predict(pictures[:1], LAYER)[0][:, grid.ys[:, None], grid.xs].reshape(out.shape[1], -1).T
    images = change(grid.images.reshape(16, *grid.images.shape[2:]))
    return [*check_directions(model.net, LAYER, expected, images, strongest_cosines(expected, natural),
                              model.preprocessing, settings.everywhere, np.random.default_rng(0), (4, 4),
                              settings.num_steps),
            *check_first_direction(model.net, LAYER, expected, grid.images[0, 0], model.preprocessing, settings, kept,
                                   0)]


def test_a_right_grid_passes_its_checks(model, pictures, right):
    assert_right(checks_of(model, pictures, right))


def test_a_grid_of_the_centres_passes_its_checks(model, pictures):
    centres = replace(LONG, everywhere=False)
    assert_right(checks_of(model, pictures, run_of(model, pictures, centres), settings=centres))


def flat(colour):
    return np.broadcast_to(np.array(colour, np.uint8), (1, 128, 128, 3))


HARD = {"grey": flat((128, 128, 128)), "black": flat((0, 0, 0)), "red": flat((200, 30, 20)),
        "noise": np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3)).astype(np.uint8),
        "ramp": np.broadcast_to(np.linspace(0, 255, 128).astype(np.uint8)[:, None], (1, 128, 128, 3))}


@pytest.mark.parametrize("name", HARD)
def test_a_grid_of_a_hard_picture_passes_with_room_to_spare(model, pictures, name):
    x = np.concatenate([model.preprocessing.to_input(HARD[name][0]), pictures[1:]])
    checks = checks_of(model, x, run_of(model, x, QUICK), settings=QUICK)
    assert_right(checks)
    what = [check for check in checks if "minus that of the best other assignment" in check.what]
    assert len(what) == 1 and (not what[0].judged or what[0].value > 0.01)


CHANGES = {
    "shuffled": lambda images: images[np.random.default_rng(1).permutation(16)],
    "moved by one place": lambda images: np.roll(images, 1, axis=0),
    "not optimized": lambda images: 0.05 * np.random.default_rng(1).standard_normal(images.shape, np.float32),
    "transposed": lambda images: images.reshape(4, 4, *images.shape[1:]).swapaxes(0, 1).reshape(images.shape),
}
MUTANTS = {
    "another position": (semantic_grid, "grid_vectors", "out[:, ys[:, None], xs]", "out[:, xs, ys[:, None]]"),
    "permuted channels": (directions, "require_vectors", "    return vectors", "    return vectors[:, ::-1].copy()"),
    "descent": (direction.Direction, "__call__", "seed[places] = (", "seed[places] = -("),
    "no cosine": (direction.Direction, "__call__", "factor ** self.power * v + dot", "v + 0 * dot"),
    "no slope of the cosine": (direction.Direction, "__call__", "cosine / (length + EPS)", "0"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_images_that_are_not_of_their_vectors_are_found(model, pictures, right, change):
    assert_found(checks_of(model, pictures, right, CHANGES[change]))


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(monkeypatch, model, pictures, mutant):
    owner, name, old, new = MUTANTS[mutant]
    mutate(monkeypatch, owner, name, old, new)
    assert_found(checks_of(model, pictures, run_of(model, pictures, LONG)))
