"""Nearest neighbours and principal components against brute force, their demo, and pictures from folders."""

import json
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from demo_runs import exit_code
from PIL import Image

from demos import neighbours as demo
from demos.shared import photo_folder
from demos.shared.photo_folder import collect, draw_photos, find_photos, read_photos
from minicnn.backend import to_device, to_host
from minicnn.datasets.mnist import load_digits
from minicnn.errors import InputError, UnknownNameError
from minicnn.models import build_network, load_model
from minicnn.models.preprocessing import TORCHVISION
from minicnn.sweep import resume, start_worker
from minicnn.visualize.embedding import neighbours
from minicnn.visualize.embedding.embedding_check import check_distances, check_mirrored, check_pca, check_precision
from minicnn.visualize.embedding.features import feature_layer, image_features
from minicnn.visualize.embedding.neighbours import (
    RIGHT,
    WRONG,
    nearest,
    nearest_others,
    neighbour_sheet,
    precision_at,
    squared_distances,
)
from minicnn.visualize.embedding.pca import pca


def on(xp, x):
    """`x` as an array of the module xp."""
    return to_device(x, "cpu" if xp is np else "gpu")


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few rows, so that a small set needs many of them."""
    monkeypatch.setattr(neighbours, "BLOCK", 60)
    monkeypatch.setattr(neighbours, "LARGEST_BLOCK", 5)


def run(*arguments):
    """Run the demo in this process; returns its exit code."""
    return exit_code(demo, "--model", "shapes", "--device", "cpu", *arguments)


# ---- distances -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_distances_by_a_product_are_those_by_differences(xp, rng, small_blocks, dtype, offset):
    a, b = rng.standard_normal((13, 7)) * 40 + 100, rng.standard_normal((17, 7)) * 40 + 100
    a, b = (x.astype(dtype) if dtype == "uint8" else (x + offset).astype(dtype) for x in (a, b))
    exact = ((a[:, None].astype(float) - b) ** 2).sum(axis=2)
    found = squared_distances(on(xp, a), on(xp, b))
    assert found.dtype == ("float64" if dtype == "float64" else "float32") and isinstance(found, xp.ndarray)
    np.testing.assert_allclose(to_host(found), exact, rtol=1e-5)


def test_distances_are_never_negative_where_points_are_the_same(rng):
    x = np.repeat(rng.standard_normal((20, 300)).astype(np.float32) * 1000, 2, axis=0)
    assert (squared_distances(x, x) >= 0).all()


def test_distances_take_no_more_memory_than_the_result_and_a_few_blocks(rng):
    import tracemalloc
    x = np.zeros((1500, 5000), np.float32)
    tracemalloc.start()
    nearest(x[:4], x, 3)
    squared_distances(x[:4], x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 8 * neighbours.BLOCK


@pytest.mark.parametrize("k", [1, 4, 17])
def test_the_nearest_are_those_of_a_full_sort(xp, rng, small_blocks, k):
    queries, gallery = rng.standard_normal((12, 7)).astype(np.float32), rng.standard_normal((17, 7)).astype(np.float32)
    exact = np.sqrt(((queries[:, None].astype(float) - gallery) ** 2).sum(axis=2))
    indices, distances = nearest(on(xp, queries), on(xp, gallery), k)
    np.testing.assert_array_equal(to_host(indices), np.argsort(exact, axis=1)[:, :k])
    np.testing.assert_allclose(to_host(distances), np.sort(exact, axis=1)[:, :k], rtol=1e-12)


def test_a_picture_is_its_own_nearest_at_distance_zero_and_no_neighbour_of_its_own(xp, rng, small_blocks):
    x = rng.standard_normal((23, 6)).astype(np.float32) + 500
    indices, distances = map(to_host, nearest(on(xp, x), on(xp, x), 3))
    assert (indices[:, 0] == np.arange(23)).all() and (distances[:, 0] == 0).all() and (distances[:, 1] > 0).all()
    others, further = map(to_host, nearest_others(on(xp, x), 2))
    np.testing.assert_array_equal(others, indices[:, 1:])
    np.testing.assert_array_equal(further, distances[:, 1:])
    asked = np.array([20, 3])
    np.testing.assert_array_equal(to_host(nearest_others(on(xp, x), 2, on(xp, asked))[0]), others[asked])


def test_copies_of_a_picture_are_its_neighbours_but_never_itself():
    x = np.zeros((6, 3))
    indices, distances = nearest_others(x, 2)
    assert (indices != np.arange(6)[:, None]).all() and (distances == 0).all()
    assert all(len(set(row)) == 2 for row in indices.tolist())


def test_precision_counts_neighbours_of_the_same_class():
    indices = np.array([[0, 1, 2, 3], [3, 2, 1, 0]])
    assert precision_at(indices, ["cat", "dog"], ["cat", "cat", "dog", "cow"]) == (2 / 4 + 1 / 4) / 2


@pytest.mark.parametrize(("queries", "gallery", "k", "message"), [
    ((2, 3), (4, 3), 5, "k = 5 nearest of 4 pictures: give a k from 1 to 4"), ((2, 3), (4, 3), 0, "k = 0 nearest"),
    ((2, 3), (4, 2), 1, r"vectors of one length, \(M, D\) and \(N, D\), got \(2, 3\) and \(4, 2\)"),
    ((2, 3), (0, 3), 1, "the gallery is empty"), ((3,), (4, 3), 1, "expected two sets of vectors")])
def test_sets_that_do_not_fit_are_refused_in_one_line(queries, gallery, k, message):
    with pytest.raises(InputError, match=message) as caught:
        nearest(np.zeros(queries), np.zeros(gallery), k)
    assert "\n" not in str(caught.value)


def test_distances_of_nothing_and_of_nans_are_refused():
    with pytest.raises(InputError, match="the gallery is empty"):
        squared_distances(np.zeros((2, 3)), np.zeros((0, 3)))
    with pytest.raises(InputError, match="not finite"):
        nearest(np.zeros((2, 3)), np.array([[0, 0, np.nan], [1, 1, 1]]), 1)
    with pytest.raises(InputError, match="k = 3 nearest others of 3 pictures: give a k from 1 to 2"):
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


# ---- features --------------------------------------------------------------------------------------------------------


def test_the_default_layer_is_the_last_before_the_classes():
    for name, layer in {"vgg16": "relu7", "alexnet": "relu7", "squeezenet1_1": "fire9/concat", "resnet18": "relu5b",
                        "shapes": "relu5", "digits": "relu4"}.items():
        net = build_network(name)
        assert feature_layer(net) == net.find(layer)
    assert feature_layer(build_network("vgg16", last="conv3_1")) == "conv3_1"
    assert feature_layer(build_network("vgg16", last="relu6")) == "relu6"


def test_features_are_mean_activations_whatever_the_batch(xp, rng):
    net = load_model("shapes", "cpu" if xp is np else "gpu").net
    x = rng.standard_normal((7, 3, 64, 64)).astype(np.float32)
    features = image_features(net, x, batch_size=3)
    assert isinstance(features, np.ndarray) and features.dtype == np.float32 and features.shape == (7, 96)
    maps = load_model("shapes", "cpu").net.predict(x, "relu5")
    np.testing.assert_allclose(features, maps.mean(axis=(2, 3)), atol=1e-5)
    np.testing.assert_allclose(features, image_features(net, x, batch_size=16), atol=1e-5)
    np.testing.assert_allclose(image_features(net, x, "pool5"), features, atol=1e-5)


def test_features_of_nothing_and_of_unknown_layers_are_refused():
    net = build_network("shapes")
    with pytest.raises(InputError, match=r"expected images of shape \(N, 3, H, W\)"):
        image_features(net, np.zeros((0, 3, 64, 64), np.float32))
    with pytest.raises(UnknownNameError, match="did you mean relu5"):
        image_features(net, np.zeros((1, 3, 64, 64), np.float32), "rleu5")
    with pytest.raises(InputError, match="batch_size must be at least 1"):
        image_features(net, np.zeros((1, 3, 64, 64), np.float32), batch_size=0)


# ---- principal components --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(60, 9), (9, 60), (20, 20)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_principal_components_are_those_of_an_svd(xp, rng, shape, dtype):
    x = (rng.standard_normal(shape) * np.linspace(3, 0.5, shape[1]) + 50).astype(dtype)
    found = pca(on(xp, x), 5)
    assert all(isinstance(part, xp.ndarray) and part.dtype == np.float64 for part in found)
    found = type(found)(*map(to_host, found))
    centred = x.astype(float) - x.astype(float).mean(axis=0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(vt[np.arange(5), np.abs(vt[:5]).argmax(axis=1)])
    np.testing.assert_allclose(found.axes, vt[:5] * signs[:, None], atol=1e-9)
    np.testing.assert_allclose(found.positions, u[:, :5] * s[:5] * signs, atol=1e-8)
    np.testing.assert_allclose(found.variances, s[:5] ** 2 / (len(x) - 1), rtol=1e-10)
    np.testing.assert_allclose(found.mean, x.astype(float).mean(axis=0), rtol=1e-12)
    assert all(check.passed for check in check_pca(x, found))


@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
def test_axes_are_orthonormal_also_where_nothing_varies(rng, shape):
    x = np.outer(rng.standard_normal(shape[0]), rng.standard_normal(shape[1]))  # on one line
    found = pca(x, 6)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(6), atol=1e-10)
    assert found.variances[0] > 0 and (found.variances[1:] < 1e-10 * found.variances[0]).all()


def test_the_pca_check_sees_wrong_axes(rng):
    x = rng.standard_normal((40, 6))
    found = pca(x, 3)
    assert [check.passed for check in check_pca(x, found)] == [True, True, True]
    skewed = found.axes + 1e-3
    assert not any(check.passed for check in check_pca(
        x, found._replace(axes=skewed, positions=found.positions + 1, variances=found.variances * 1.01)))


@pytest.mark.parametrize(("x", "components", "message"), [
    (np.zeros((1, 5)), 1, "at least two points"), (np.zeros((4, 5)), 5, "1 to 4 components, not 5"),
    (np.zeros((4, 5)), 0, "1 to 4 components, not 0"), (np.full((4, 5), np.nan), 1, "not finite"),
    (np.zeros(4), 1, "at least two points")])
def test_points_without_components_are_refused(x, components, message):
    with pytest.raises(InputError, match=message):
        pca(x, components)


# ---- what the networks find ------------------------------------------------------------------------------------------


def test_shapes_are_nearer_to_their_class_in_features_than_in_pixels(summary_line):
    model = load_model("shapes", "cpu")
    found = collect(model, draw_photos(120, 20_000_000))
    checks = check_precision(found.features, found.pixels, found.labels)
    summary_line(f"neighbours, 120 drawn shapes: precision@5 {checks[0].value:.3f} in features, "
                 f"{checks[1].value:.3f} in pixels")
    assert checks[0].passed and checks[0].value > 0.6 and checks[1].value < 0.3
    assert not check_precision(found.pixels, found.features, found.labels)[0].passed


def test_digits_are_nearer_to_their_class_in_features_than_in_pixels(test_data, summary_line):
    x, labels = load_digits(test_data / "mnist", "t10k")
    x, labels = x[:2000], labels[:2000]
    features = image_features(load_model("digits", "cpu").net, x, batch_size=250)
    checks = check_precision(features, x.reshape(len(x), -1), labels, count=500)
    summary_line(f"neighbours, 2,000 MNIST digits: precision@5 {checks[0].value:.3f} in features, "
                 f"{checks[1].value:.3f} in pixels")
    assert checks[0].passed and checks[0].value > 0.97


def test_mirrored_photos_find_their_originals_with_real_weights(test_data, summary_line):
    from test_oracles import read_photos as photos_of
    from test_oracles import read_squeezenet1_1
    images, _ = photos_of(test_data)
    net = read_squeezenet1_1(test_data)
    features, mirrored = (image_features(net, TORCHVISION.to_input(of)) for of in (images, images[:, :, ::-1]))
    small, small_mirrored = (of[:, ::4, ::4].reshape(25, -1) for of in (images, images[:, :, ::-1]))
    check = check_mirrored(mirrored, features, np.arange(25), small_mirrored, small, least=1.0)[0]
    summary_line(f"neighbours, 25 ImageNet photos mirrored: {check.value:.0%} find their original; {check.expected}")
    assert features.shape == (25, 512) and check.passed
    assert not check_mirrored(small_mirrored, small, np.arange(25), mirrored, features)[0].passed
    assert all(check.passed for check in check_distances(features, np.random.default_rng(0)))


def test_the_distance_check_sees_a_wrong_product(rng, monkeypatch):
    from minicnn.visualize.embedding import embedding_check as checks_embedding
    x = rng.standard_normal((50, 30)).astype(np.float32)
    assert all(check.passed for check in check_distances(x, rng))
    monkeypatch.setattr(checks_embedding, "squared_distances", lambda a, b: squared_distances(a, b) * 1.0001)
    assert not check_distances(x, rng)[0].passed


# ---- folders ---------------------------------------------------------------------------------------------------------


def write_shapes(folder, count=24, by_class=True):
    """Write drawn shapes as PNG files, by class in sub-folders; returns their names."""
    for n, photo in enumerate(draw_photos(count, 5)):
        path = folder / photo.label / f"{n}.png" if by_class else folder / f"{n:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo.image).save(path)


def test_a_folder_is_read_in_order_with_labels_and_skips_what_is_broken(tmp_path):
    write_shapes(tmp_path, 14)
    (tmp_path / "dotted disc" / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "dotted disc" / "notes.txt").write_text("not a picture, and not meant as one")
    (tmp_path / "dotted disc" / "._2.png").write_bytes(b"what a Mac leaves behind")
    Image.new("RGB", (9, 9)).save(tmp_path / "LOOSE.PNG")
    said = []
    photos = list(read_photos(tmp_path, said.append))
    names = [photo.name for photo in photos]
    assert len(names) == 15 and names[0] == "LOOSE" and "checked disc/13" in names
    assert names[1:] == sorted(names[1:])
    assert [photo.label for photo in photos] == [None] + [name.partition("/")[0] for name in names[1:]]
    assert len(said) == 1 and "broken.jpg: not an image" in said[0] and "\n" not in said[0]


def test_a_folder_is_read_one_picture_at_a_time(tmp_path):
    write_shapes(tmp_path, 3, by_class=False)
    photos = read_photos(tmp_path)
    assert next(photos).name == "000"
    (tmp_path / "001.png").unlink()
    said = []
    assert [photo.name for photo in read_photos(tmp_path, said.append)] == ["000", "002"] and not said


def test_a_picture_too_long_and_thin_for_the_network_is_skipped(tmp_path):
    write_shapes(tmp_path, 17, by_class=False)
    Image.new("RGB", (50_000, 2)).save(tmp_path / "000b.png")
    said = []
    found = collect(load_model("shapes", "cpu"), read_photos(tmp_path), mirror=5, report=said.append)
    assert len(found.names) == len(found.features) == len(found.thumbnails) == 17 and found.mirrored.shape == (5, 96)
    assert len(said) == 1 and said[0].startswith("skipped: 000b: cannot resize")
    with pytest.raises(InputError, match="no pictures to compare"):
        collect(load_model("shapes", "cpu"), [])


def test_the_mirrored_features_are_those_of_the_mirrored_pictures():
    model, photos = load_model("shapes", "cpu"), list(draw_photos(20, 5))
    turned = [photo._replace(image=photo.image[:, ::-1].copy()) for photo in photos]
    for count in (0, 3, 16, 18, 99):
        found = collect(model, photos, mirror=count).mirrored
        np.testing.assert_allclose(found, collect(model, turned).features[:count], atol=1e-5)


def test_neither_executors_nor_a_store_decide_what_is_collected(tmp_path):
    model = load_model("shapes", "cpu")
    store = resume(tmp_path / "kept", {})

    def collected(executor=None, store=None):
        return collect(model, draw_photos(40, 3), mirror=20, executor=executor, store=store)
    whole = collected()
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2, initializer=start_worker) as processes:
        for found in (collected(threads), collected(processes), collected(processes, store), collected(store=store)):
            assert found.names == whole.names and found.labels == whole.labels
            assert (found.features == whole.features).all() and (found.thumbnails == whole.thumbnails).all()
            assert (found.mirrored == whole.mirrored).all() and len(found.mirrored) == 20
    assert len(list((tmp_path / "kept").glob("*.npz"))) == 3  # 16, 16 and 8 pictures


def test_a_batch_that_fails_in_an_executor_costs_its_pictures(monkeypatch):
    def picky(net, x, layer):
        if len(x) < 16:
            raise InputError("too few")
        return {"features": image_features(net, x, layer)}
    monkeypatch.setattr(photo_folder, "feature_arrays", picky)
    model, said = load_model("shapes", "cpu"), []
    with ThreadPoolExecutor(1) as executor:
        found = collect(model, draw_photos(20, 3), executor=executor, report=said.append)
    assert len(found.names) == len(found.features) == len(found.thumbnails) == 16
    assert said == ["skipped: 4 pictures from number 17 on: too few"]
    with pytest.raises(InputError, match="too few"):  # in this thread nothing is swallowed
        collect(model, draw_photos(20, 3))


def test_the_demo_with_two_workers_that_goes_on_from_its_folder(tmp_path, capsys):
    write_shapes(tmp_path / "photos", 20)
    options = [tmp_path / "photos", "-k", 2]
    assert run(*options, "--out", tmp_path / "one") == 0
    for out, workers in (("two", 2), ("again", 1)):
        assert run(*options, "--workers", workers, "--resume", tmp_path / "kept", "--out", tmp_path / out) == 0
        assert (np.load(tmp_path / out / "neighbours.npy") == np.load(tmp_path / "one" / "neighbours.npy")).all()
    assert list((tmp_path / "kept").glob("*.npz"))
    assert run(*options, "--resume", tmp_path / "kept", "--out", tmp_path / "again") == 2  # it would be overwritten
    capsys.readouterr()
    assert run(*options, "--layer", "relu3", "--resume", tmp_path / "kept", "--out", tmp_path / "three") == 2
    error = capsys.readouterr().err
    assert "kept holds the results of another sweep (layer differ)" in error and error.count("\n") == 1


def test_folders_without_pictures_are_one_line(tmp_path):
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        find_photos(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no pictures"):
        find_photos(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="this is a file"):
        find_photos(tmp_path / "a.png")
    said = []
    with pytest.raises(InputError, match="none of the 1 picture files"):
        list(read_photos(tmp_path, said.append))
    assert len(said) == 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_that_may_not_be_listed_is_one_line(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    with pytest.raises(InputError, match="no permission"):
        find_photos(folder)


# ---- the demo --------------------------------------------------------------------------------------------------------


def test_the_demo_without_a_folder_compares_drawn_shapes(tmp_path, capsys, empty_cache, monkeypatch):
    monkeypatch.setattr(demo, "DRAWN", 96)
    assert run("--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "no folder given: 96 drawn shapes are compared" in said and "precision@5 in features" in said
    card = json.loads((tmp_path / "out" / "neighbours.json").read_text())
    assert all(check["passed"] for check in card["checks"]) and len(card["checks"]) == 5
    array = np.load(tmp_path / "out" / "neighbours.npy")
    assert array.shape == (2, 6, 5)
    assert Image.open(tmp_path / "out" / "neighbours.png").size[0] > 500
    labels = [name.rsplit(" ", 1)[0] for name in card["parameters"]["queries"]]
    assert len(set(labels)) == 6
    assert all(name not in row for name, row in zip(card["parameters"]["queries"],
                                                    card["parameters"]["neighbours"]["features"], strict=True))


def test_the_demo_finds_a_query_in_a_folder(tmp_path, capsys):
    write_shapes(tmp_path / "photos", 24, by_class=False)
    (tmp_path / "photos" / "broken.png").write_bytes(b"")
    assert run(tmp_path / "photos", "--query", tmp_path / "photos" / "007.png", "-k", 3, "--layer", "relu4",
               "--out", tmp_path / "out") == 0
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and "skipped: " in captured.err and "broken.png" in captured.err
    card = json.loads((tmp_path / "out" / "neighbours.json").read_text())
    assert card["parameters"]["layer"] == "relu4" and card["parameters"]["queries"] == ["007"]
    assert card["parameters"]["neighbours"]["features"][0][0] == "007"
    assert card["parameters"]["neighbours"]["pixels"][0][0] == "007"
    assert not any("precision" in check["what"] for check in card["checks"])


@pytest.mark.parametrize(("arguments", "message"), [
    (["no_such_folder"], "no_such_folder: there is no such folder"), (["."], "holds no pictures"),
    (["--query", "no_such.png"], "no_such.png"), (["-k", "0"], "expected a whole number from 1 on"),
    (["--layer", "relu9"], "no layer 'relu9'"), (["--mnist", "."], "no t10k-images-idx3-ubyte"),
    (["photos", "--mnist", "."], "not both")])
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path, capsys, monkeypatch, empty_cache):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_the_demo_compares_digits_and_asks_for_them(tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "t10k.npz", x=rng.integers(0, 256, (30, 28, 28), dtype=np.uint8), y=np.arange(30) % 10)
    assert run("--mnist", tmp_path, "--model", "digits", "--out", tmp_path / "out") == 0
    card = json.loads((tmp_path / "out" / "neighbours.json").read_text())
    assert card["parameters"]["gallery"] == 30 and card["parameters"]["layer"] == "relu4"
    assert not any("mirrored" in check["what"] for check in card["checks"])
    assert not card["checks"][2]["passed"]  # noise: no class is near itself
    capsys.readouterr()
    assert run("--model", "digits", "--out", tmp_path / "other") == 2
    assert "digits sees grey pictures only; give --mnist FOLDER" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_too_few_pictures_are_one_line(tmp_path, capsys):
    write_shapes(tmp_path / "photos", 4, by_class=False)
    assert run(tmp_path / "photos", "--out", tmp_path / "out") == 2
    assert "4 pictures are too few to show 5 neighbours of one" in capsys.readouterr().err
    assert run(tmp_path / "photos", "-k", 1, "--query", tmp_path / "no.png", "--out", tmp_path / "out") == 2
    assert "no.png" in capsys.readouterr().err
    write_shapes(tmp_path / "single", 1, by_class=False)
    assert run(tmp_path / "single", "-k", 1, "--out", tmp_path / "out") == 2
    assert "1 picture is too few to show 1 neighbours of one" in capsys.readouterr().err
