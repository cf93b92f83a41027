"""Activation atlases: the vectors and their attributions, the cells, the checks with their mutants, and the demo."""

import json
from dataclasses import replace

import numpy as np
import pytest
from demo_runs import exit_code, interrupted
from mutation import assert_found, assert_right, mutate

from demos import atlas as demo
from minicnn import plot
from minicnn.backend import to_host
from minicnn.datasets.shapes import draw_shapes
from minicnn.errors import InputError
from minicnn.models import load_model
from minicnn.receptive_field import receptive_field
from minicnn.visualize.attribution.gradients import score_seeds
from minicnn.visualize.synthesis import activation_vectors, ascent
from minicnn.visualize.synthesis import atlas as room
from minicnn.visualize.synthesis.activation_vectors import ActivationVectors, layers_behind, merged, sample_vectors
from minicnn.visualize.synthesis.atlas import AtlasSettings, activation_atlas, atlas_cells
from minicnn.visualize.synthesis.atlas_check import check_atlas, check_attributions
from minicnn.visualize.synthesis.directions import DirectionSettings

pytestmark = pytest.mark.usefixtures("empty_cache")
SETTINGS = AtlasSettings(cells=4, least=3, tsne_steps=150, directions=DirectionSettings(num_steps=30))
LAYER = "relu3"


@pytest.fixture(scope="module")
def model():
    """The shipped network of drawn shapes."""
    return load_model("shapes", "cpu").fast()


@pytest.fixture(scope="module")
def x(model):
    """Drawn shapes as input, (60, 3, 64, 64)."""
    return model.preprocessing.to_input(draw_shapes(np.arange(60) % 12, np.random.default_rng(0))[0])


@pytest.fixture(scope="module")
def samples(model, x):
    """Their activation vectors, two of each."""
    return sample_vectors(model.net, x, LAYER, rng=0, per_photo=2)


@pytest.fixture(scope="module")
def atlas(model, samples):
    return activation_atlas(model.net, samples, LAYER, model.preprocessing, SETTINGS, rng=0, size=24)


def test_the_vectors_are_those_of_their_positions_away_from_the_padding(model, x, samples):
    out = model.net.predict(x, LAYER)
    field = receptive_field(model.net, LAYER)
    assert samples.photos.tolist() == np.arange(60).repeat(2).tolist()
    for vector, n, y, across in zip(samples.vectors, samples.photos, samples.ys, samples.xs, strict=True):
        assert abs(vector - out[n, :, y, across]).max() < 1e-4 and field.fits(y, across, 64, 64)
    assert len({*zip(samples.photos.tolist(), samples.ys.tolist(), samples.xs.tolist(), strict=True)}) == 120


def test_the_attributions_are_the_gradient_times_the_vector(xp, x):
    net = load_model("shapes", "cpu" if xp is np else "gpu").net
    few = sample_vectors(net, x[:3], LAYER, rng=0)
    trace, seeds = score_seeds(net, xp.asarray(x[:3]), 5, (LAYER,))
    gradient = to_host(net.backward(trace, seeds, wrt=(LAYER,))[LAYER])
    expected = [gradient[n, :, y, across] @ vector
                for n, y, across, vector in zip(few.photos, few.ys, few.xs, few.vectors, strict=True)]
    np.testing.assert_allclose(few.attributions[:, 5], expected, atol=0.02 * abs(few.attributions).max())


def test_a_layer_inside_a_block_is_refused():
    net = load_model("photos", "cpu").net
    with pytest.raises(InputError, match="reads 'fire5/relu_expand3x3'|lies before"):
        layers_behind(net, "fire5/relu_expand1x1")
    np.testing.assert_allclose(layers_behind(net, "fire5/concat").predict(np.ones((1, 192, 16, 16), np.float32)).shape,
                               (1, 33))


def test_batches_of_photos_are_merged(model, x):
    parts = [sample_vectors(model.net, x[start:start + 2], LAYER, rng=0) for start in (0, 2)]
    assert merged(parts).photos.tolist() == [0, 1, 2, 3] and merged(parts).vectors.shape == (4, 64)


def test_the_cells_of_a_map_that_is_known():
    places = np.array([[0.0, 0], [0, 0.1], [1, 1], [1, 0.9], [0, 1]])
    samples = ActivationVectors(np.arange(10.0).reshape(5, 2), np.eye(5), np.arange(5), *np.zeros((2, 5), int))
    cells = atlas_cells(samples, places, AtlasSettings(cells=2, least=2))
    assert (cells.rows.tolist(), cells.columns.tolist(), cells.counts.tolist()) == ([0, 1], [1, 0], [2, 2])
    assert cells.vectors.tolist() == [[5, 6], [1, 2]] and cells.members.tolist() == [1, 1, 0, 0, -1]
    with pytest.raises(InputError, match="no cell of the atlas has 3 vectors"):
        atlas_cells(samples, places, AtlasSettings(cells=2, least=3))


@pytest.mark.parametrize("settings", [{"cells": 0}, {"least": 0}, {"percentile": 60}, {"tsne_steps": 0}, {"share": -1},
                                      {"directions": 3}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        AtlasSettings(**settings)


def test_too_few_vectors_are_refused(model, x):
    with pytest.raises(InputError, match="at least 10 vectors, and there are 2"):
        activation_atlas(model.net, sample_vectors(model.net, x[:2], LAYER, rng=0), LAYER, model.preprocessing, rng=0)


def checks_of(model, x, samples, atlas):
    few = ActivationVectors(*(column[:8] for column in samples))
    return [*check_atlas(model.net, LAYER, samples, atlas, model.preprocessing, SETTINGS, np.random.default_rng(0)),
            *check_attributions(model.net, LAYER, x[:4], few)]


def test_a_right_atlas_passes_its_checks(model, x, samples, atlas):
    assert_right(checks_of(model, x, samples, atlas))


CHANGES = {
    "tiles in other cells": lambda atlas: atlas._replace(images=np.roll(atlas.images, 1, axis=0)),
    "a shuffled map": lambda atlas: atlas._replace(positions=atlas.positions[::-1].copy()),
    "tiles not optimized": lambda atlas: atlas._replace(images=0 * atlas.images),
    "sums for means": lambda atlas: atlas._replace(cells=atlas.cells._replace(
        vectors=atlas.cells.vectors * atlas.cells.counts[:, None])),
    "cells upside down": lambda atlas: atlas._replace(cells=atlas.cells._replace(rows=3 - atlas.cells.rows)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_wrong_atlas_is_found(model, x, samples, atlas, change):
    assert_found(checks_of(model, x, samples, CHANGES[change](atlas)))


MUTANTS = {
    "the attribution of another place": (activation_vectors, "position_attributions", "pair[0, :, y, x]",
                                         "pair[0, :, x, y]"),
    "half the derivative": (activation_vectors, "position_attributions", "(2 * STEP)", "(4 * STEP)"),
    "the vector of another place": (activation_vectors, "sample_vectors", "maps[n, :, y, across]",
                                    "maps[n, :, across, y]"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_of_the_vectors_are_found(monkeypatch, model, x, mutant):
    mutate(monkeypatch, *MUTANTS[mutant])
    assert_found(check_attributions(model.net, LAYER, x[:4], activation_vectors.sample_vectors(
        model.net, x[:4], LAYER, rng=1, per_photo=2)))


def test_the_pictures_of_an_atlas_are_made_on_the_gpu(strict_cupy, samples, atlas):
    settings = replace(SETTINGS, whiten=True, cells=2, directions=DirectionSettings(num_steps=2))
    images = []
    for device in ("cpu", "gpu"):
        model = load_model("shapes", device)
        images.append(activation_atlas(model.net, samples, LAYER, model.preprocessing, settings, rng=0,
                                       positions=atlas.positions).images)
    np.testing.assert_allclose(*images, atol=1e-3)


def test_the_directions_can_be_whitened(samples, atlas):
    whitened = room.cell_directions(samples, atlas.cells, replace(SETTINGS, whiten=True))
    assert whitened.shape == atlas.cells.vectors.shape and abs(whitened - atlas.cells.vectors).max() > 0


# ---- the demo --------------------------------------------------------------------------------------------------------

QUICK = ("--model", "shapes", "--device", "cpu", "--layer", "relu2", "--steps", "4", "--cells", "5", "--count", "40",
         "--per-photo", "3", "--save-every", "3")


def test_long_labels_are_whole_and_no_wider_than_a_cell(model, atlas):
    long = model._replace(labels=["typewriter keyboard"] * len(model.labels))
    figure = demo.draw(long, atlas, demo.sheet_of(long, atlas, SETTINGS), SETTINGS)
    plot.figure_to_png(figure)  # places the cells
    axes, = figure.axes
    left, right = axes.transData.transform([(0, 0), (atlas.images.shape[-1], 0)])[:, 0]
    assert {label.get_text() for label in axes.texts} == {"typewriter\nkeyboard"}
    assert all(label.get_window_extent().width < right - left for label in axes.texts)


def test_the_demo_resumes_to_the_same_files(tmp_path, monkeypatch, capsys):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert exit_code(demo, *QUICK, "--out", whole) == 0
    card = json.loads((whole / "atlas.json").read_text())
    assert card["parameters"]["vectors"] == 120
    assert len(card["parameters"]["labels"]) == len(np.load(whole / "atlas.npy"))
    with monkeypatch.context() as patch:
        patch.setattr(ascent, "optimize_image", interrupted(ascent.optimize_image, 3))
        assert exit_code(demo, *QUICK, "--out", out) == 130
    assert "repeat the command with --resume" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(demo, "collect_and_map", None)  # the map was kept
        assert exit_code(demo, *QUICK, "--resume", "--out", out) == 0
    files = ("atlas.png", "atlas.npy", "atlas_tiles.png")
    assert [name for name in files if (out / name).read_bytes() != (whole / name).read_bytes()] == []
    assert json.loads((out / "atlas.json").read_text())["checks"] == card["checks"]
    assert not list(out.glob("*state*")) and not list(out.glob("*latest*"))


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--layer", "fc9"], "no layer"), (["--count", "2"], "at least 10 vectors"), (["--least", "500"], "no cell"),
    (["--preset", "carters"], "did you mean carter")])
def test_bad_input_is_one_line_and_exit_code_2(arguments, expected, tmp_path, capsys):
    given = ["--model", "shapes", "--device", "cpu", "--count", "20", *arguments, "--out", tmp_path / "out"]
    assert exit_code(demo, *given) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1
