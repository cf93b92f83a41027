"""Maximally activating patches: the strongest are the strongest, a crop is what its unit saw; and receptive fields
three ways."""

import json
import sys
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from demo_outputs import check_outputs
from demo_runs import exit_code as demo
from PIL import Image
from real_weights import read_squeezenet1_1
from small_networks import PUBLISHED_FIELDS, on, small_network

from demos import patches as patches_demo
from demos.shared.inputs import load_photos
from demos.shared.picture import run_demo
from minicnn.backend import to_device
from minicnn.datasets.shapes import draw_shapes
from minicnn.errors import InputError, UnknownNameError
from minicnn.layers import AvgPool2D, BatchNorm2D, Concat, Conv2D, Flatten, GlobalAvgPool2D, MaxPool2D, Pad2D, ReLU
from minicnn.layers.pool import Pool2D
from minicnn.models import (
    alexnet,
    build_network,
    caffenet,
    digits,
    load_model,
    resnet18,
    shapes,
    squeezenet1_0,
    squeezenet1_1,
    vgg16,
    vgg19,
)
from minicnn.models.preprocessing import TORCHVISION
from minicnn.network import Network
from minicnn.receptive_field import ReceptiveField
from minicnn.sweep import resume, start_worker
from minicnn.visualize import feature_maps, guided_backprop, receptive_field
from minicnn.visualize.units.patch_pictures import crop_patch, guided_patch, place_patch, shrink_patch
from minicnn.visualize.units.patches import (
    TopPatches,
    channel_maxima,
    merge,
    no_patches,
    strongest_channels,
    top_patches,
)
from minicnn.visualize.units.patches_check import another_unit, check_crops, check_patches

NETWORKS = [vgg16, vgg19, squeezenet1_0, squeezenet1_1, alexnet, caffenet, resnet18, digits, shapes]

# ---- receptive fields, three ways ------------------------------------------------------------------------------------


def layers_with_maps(net):
    """The names before the first layer whose units see everything."""
    shapes_of = net.shapes()
    return [name for name in net.layer_names() if len(shapes_of[name]) == 4]


def interval(net, layer, unit):
    """(first, last) pixel, padding among them, that a unit sees along a side: from the layer back, by intervals."""
    needed = {layer: (unit, unit)}
    for name, step, inputs in reversed(net.nodes):
        if name not in needed:
            continue
        first, last = needed[name]
        if isinstance(step, Conv2D):
            kernel, stride, pad = step.params["w"].shape[3], step.stride, step.pad
        elif isinstance(step, Pool2D):
            kernel, stride, pad = step.kernel_size, step.stride, step.pad
        elif isinstance(step, Pad2D):
            kernel, stride, pad = 1, 1, step.pad
        else:
            kernel, stride, pad = 1, 1, 0
        first, last = first * stride - pad, last * stride - pad + kernel - 1
        for source in inputs:
            known = needed.get(source, (first, last))
            needed[source] = min(known[0], first), max(known[1], last)
    return needed["input"]


def thin(net, rng):
    """The same geometry with one channel a layer, so that every unit can be tried: float64 weights above zero, so that
    nothing cancels, and the mean of every pool, as its maximum has a gradient at one pixel alone."""
    slim, channels = Network((1, *net.input_shape[1:])), {"input": 1}
    for name, layer, inputs in net.trunk(layers_with_maps(net)[-1]).nodes:
        C = channels[inputs[0]]
        if isinstance(layer, Concat):
            C = sum(channels[source] for source in inputs)
        elif isinstance(layer, Conv2D):
            F, _, kernel, _ = layer.params["w"].shape
            layer = Conv2D(C, 1, kernel, layer.stride, layer.pad, bias=False)
            layer.params["w"] = rng.uniform(0.5, 1.5, layer.params["w"].shape) / (C * kernel**2)
            C = 1
        elif isinstance(layer, MaxPool2D):
            layer = AvgPool2D(layer.kernel_size, layer.stride, layer.pad, layer.ceil)
        elif isinstance(layer, BatchNorm2D):
            layer = BatchNorm2D(C)
        slim.add(name, layer, *inputs)
        channels[name] = C
    return slim.astype("float64")


def support(net, trace, layer, unit):
    """(top, bottom, left, right) of the pixels that the unit's gradient reaches, and whether it reaches all of them."""
    seed = np.zeros_like(trace.activations[layer])
    seed[(0, slice(None), *unit)] = 1  # every channel: those of a concatenation see fields of different sizes
    gradient = net.backward(trace, {layer: seed})["input"][0, 0]
    rows, columns = np.flatnonzero(gradient.any(axis=1)), np.flatnonzero(gradient.any(axis=0))
    box = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return box, bool(gradient[box[0]:box[1], box[2]:box[3]].all())


@pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)
def test_closed_form_intervals_and_gradients_agree_on_every_layer(build, rng):
    net = build(seed=None)
    slim = thin(net, rng)
    side = 128 if net.input_shape[1] <= 64 else 512 if build is resnet18 else 320  # so that a field fits in
    trace = slim.forward(rng.uniform(0.5, 1.5, (1, 1, side, side)))
    for layer in layers_with_maps(net):
        field = receptive_field(net, layer)
        for unit in (0, 3, 7):
            first, last = interval(net, layer, unit)
            assert (field.start + field.stride * unit, field.size) == (first, last - first + 1), layer
        middle = trace.activations[layer].shape[2] // 2
        assert field.fits(middle, middle, side, side), layer
        for unit in ((0, 0), (middle, middle)):  # at a corner, where the padding is, and away from all padding
            assert support(slim, trace, layer, unit) == (field.box(*unit, side, side), True), (layer, unit)


@pytest.mark.parametrize(("build", "layer", "size", "stride"), PUBLISHED_FIELDS,
                         ids=[f"{build.__name__}-{layer}" for build, layer, *_ in PUBLISHED_FIELDS])
def test_intervals_give_the_published_fields(build, layer, size, stride):
    net = build(seed=None)
    (first, last), (next_first, _) = (interval(net, net.find(layer), unit) for unit in (5, 6))
    assert (last - first + 1, next_first - first) == (size, stride)


# ---- the strongest -------------------------------------------------------------------------------------------------


def sorted_patches(maps, top):
    """All maps (N, C, H, W) at once, by a full sort: the definition."""
    N, C, H, W = maps.shape
    rows = []
    for channel in range(C):
        entries = []
        for n in range(N):
            y, x = divmod(int(maps[n, channel].argmax()), W)
            entries.append((-maps[n, channel, y, x], n, y, x))
        rows.append(sorted(entries)[:top])
    values, images, ys, xs = np.array(rows).transpose(2, 0, 1)
    return TopPatches(-values, images, ys, xs)


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def in_batches(x, size):
    return [x[start:start + size] for start in range(0, len(x), size)]


@pytest.fixture(scope="module")
def drawn():
    """(the shapes network, 40 inputs)."""
    images, _ = draw_shapes(np.arange(40) % 12, np.random.default_rng(5))
    model = load_model("shapes", "cpu")
    return model.net, model.preprocessing.to_input(images)


def test_the_heap_equals_the_full_sort(xp, rng):
    net = small_network(rng)
    x = rng.standard_normal((23, 3, 16, 16)).astype(np.float32)
    found = top_patches(on(xp, net), in_batches(x, 5), "concat", top=4)
    expected = sorted_patches(feature_maps(on(xp, net), x, "concat"), 4)
    assert all(isinstance(part, np.ndarray) for part in found) and found.values.dtype == np.float32
    assert all(part.shape == (8, 4) for part in found)
    assert all(np.array_equal(found[i], expected[i]) for i in (1, 2, 3))
    assert np.allclose(found.values, expected.values, atol=1e-6)


def test_only_maxima_come_to_the_host(strict_cupy, rng):
    net = small_network(rng).to_device("gpu")
    x = to_device(rng.standard_normal((6, 3, 16, 16)).astype(np.float32), "gpu")
    strict_cupy.record.reset()
    top_patches(net, [x[:3], x[3:]], "relu1")
    assert strict_cupy.record.transfers_to_host == 2 * 2  # values and places of two batches
    assert strict_cupy.record.transfers_to_device == 0


@pytest.mark.parametrize("top", [1, 3, 9, 50])
def test_merging_in_any_pieces_and_any_order_is_the_full_sort_also_with_ties(rng, top):
    values = rng.integers(0, 4, (30, 5)).astype(np.float32)  # few different ones: many ties
    ys, xs = rng.integers(0, 9, (2, 30, 5))

    def piece(first, last):
        images = np.broadcast_to(np.arange(first, last), (5, last - first))
        return TopPatches(values[first:last].T, images, ys[first:last].T, xs[first:last].T)
    whole = merge(no_patches(5, top, np.float32), piece(0, 30))
    for channel in range(5):
        order = sorted(range(30), key=lambda n, channel=channel: (-values[n, channel], n))[:top]
        assert whole.images[channel, :30].tolist() == order
    for cuts in ([0, 1, 30], [0, 7, 14, 21, 30], list(range(31))):
        pieces = [piece(*ends) for ends in zip(cuts[:-1], cuts[1:], strict=True)]
        for order in (pieces, pieces[::-1]):
            best = no_patches(5, top, np.float32)
            for part in order:
                best = merge(best, part)
            assert equal(best, whole)


def test_neither_batches_nor_executors_decide(drawn):
    net, x = drawn
    whole = top_patches(net, in_batches(x, 8), "relu3")
    for size in (1, 7, 40):
        assert equal(top_patches(net, in_batches(x, size), "relu3"), whole)
    with ThreadPoolExecutor(3) as threads, ProcessPoolExecutor(2, initializer=start_worker) as processes:
        for executor in (threads, processes):
            assert equal(top_patches(net, in_batches(x, 8), "relu3", executor=executor), whole)
    distributed = pytest.importorskip("distributed")
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        assert equal(top_patches(net, in_batches(x, 8), "relu3", executor=client.get_executor()), whole)


def test_one_pass_one_batch_at_a_time(drawn):
    net, x = drawn
    batches, seen = [], []

    def stream():
        for start in range(0, 40, 4):
            assert sum(batch() is not None for batch in batches) <= 1  # the one before
            batch = x[start:start + 4].copy()
            batches.append(weakref.ref(batch))
            yield batch
            del batch
    top_patches(net, stream(), "relu1", callback=lambda best, count: seen.append(count))
    assert seen == list(range(4, 41, 4))


def test_channels_are_the_rows_in_the_order_asked_for(drawn):
    net, x = drawn
    whole, some = (top_patches(net, [x], "relu2", channels=channels) for channels in (None, [7, 2]))
    assert equal(some, TopPatches(*(part[[7, 2]] for part in whole)))


def test_the_same_picture_twice_the_earlier_first(drawn):
    net, x = drawn
    found = top_patches(net, in_batches(np.concatenate([x[:5], x[:5]]), 3), "relu2", top=10)
    first = np.where(found.values > 0, found.images, -1)
    for row in first:
        live = row[row >= 0].tolist()
        assert all(live.index(n) + 1 == live.index(n + 5) for n in live if n < 5)


def test_fewer_pictures_than_asked_for_leave_the_rest_empty(drawn):
    net, x = drawn
    found = top_patches(net, [x[:1], x[1:2]], "relu2", top=5)
    assert np.isfinite(found.values[:, :2]).all() and (found.values[:, 2:] == -np.inf).all()
    assert all((part[:, 2:] == -1).all() for part in found[1:])


def test_an_interrupted_sweep_goes_on_from_its_folder(drawn, tmp_path):
    net, x = drawn
    whole = top_patches(net, in_batches(x, 8), "relu3")
    parts = []

    def stop(best, seen):
        parts.append((best, seen))
        if seen == 24:
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        top_patches(net, in_batches(x, 8), "relu3", store=resume(tmp_path, {}), callback=stop)
    assert equal(parts[-1][0], top_patches(net, [x[:24]], "relu3"))  # what was finished is right as it is
    assert len(list(tmp_path.glob("*.npz"))) == 3
    assert equal(top_patches(net, in_batches(x, 8), "relu3", store=resume(tmp_path, {})), whole)
    changed = np.concatenate([x[:8] * 2, x[8:]])  # other pictures under the same numbers are not taken for these
    assert equal(top_patches(net, in_batches(changed, 8), "relu3", store=resume(tmp_path, {})),
                 top_patches(net, in_batches(changed, 8), "relu3"))


def test_a_failed_batch_costs_its_own_pictures(drawn):
    net, x = drawn
    broken = x[8:16].copy()
    broken[3] = np.nan
    lost = []
    found = top_patches(net, [x[:8], broken, x[16:]], "relu2", report=lambda *what: lost.append(what))
    assert [first for first, _ in lost] == [8] and "values that are not finite" in str(lost[0][1])
    rest = top_patches(net, [x[:8], x[16:]], "relu2")
    assert (found.values == rest.values).all()
    assert (found.images == np.where(rest.images < 8, rest.images, rest.images + 8)).all()
    with pytest.raises(InputError, match="not finite"):
        top_patches(net, [x[:8], broken], "relu2")


@pytest.mark.parametrize(("layer", "settings", "message"), [
    ("relu2", {"channels": [32]}, "layer 'relu2' has channels 0 to 31, not 32"),
    ("relu2", {"channels": [-1]}, "layer 'relu2' has channels 0 to 31, not -1"),
    ("relu2", {"channels": []}, "the list of channels is empty"), ("relu2", {"top": 0}, "from 1 on, not 0"),
    ("fc6", {}, "layer 'fc6' has no maps"), ("pool5", {}, "layer 'pool5' has no maps")])
def test_bad_questions_are_refused_before_any_picture_is_read(drawn, layer, settings, message):
    def never():
        pytest.fail("a picture was read")
        yield
    with pytest.raises(InputError, match=message):
        top_patches(drawn[0], never(), layer, **settings)


def test_unknown_layers_and_no_pictures_are_refused(drawn):
    net, x = drawn
    with pytest.raises(UnknownNameError, match="no layer 'rleu2'; did you mean relu"):
        top_patches(net, [x], "rleu2")
    with pytest.raises(InputError, match="there are no pictures to take patches from"):
        top_patches(net, [], "relu2")
    with pytest.raises(InputError, match="none of the pictures could be used"):
        top_patches(net, [x[:, :2]], "relu2", report=lambda first, problem: None)


def test_a_network_on_the_gpu_is_not_sent_to_processes(strict_cupy, rng):
    with pytest.raises(InputError, match="works in this process alone"), ProcessPoolExecutor(1) as executor:
        top_patches(small_network(rng).to_device("gpu"), [np.zeros((1, 3, 16, 16))], "relu1", executor=executor)


def test_channels_that_only_like_the_edge_come_last():
    field = ReceptiveField(5, 1, -2)
    values = np.array([[9.0, 9.0], [5.0, 4.0], [6.0, -np.inf], [0.0, 0.0]])
    places = np.array([[0, 0], [3, 4], [5, -1], [4, 4]])
    images = np.array([[0, 1], [1, 0], [1, -1], [0, 1]])
    assert strongest_channels(TopPatches(values, images, places, places), 3, field, 10, 10) == [1, 2, 0]


# ---- crops -----------------------------------------------------------------------------------------------------------


def test_crops_have_the_fields_size_and_grey_beyond_the_edge(rng):
    field, image = ReceptiveField(5, 2, -2), rng.integers(0, 255, (9, 11, 3), dtype=np.uint8)
    inside = crop_patch(image, field, 2, 3)
    assert inside.dtype == np.uint8 and (inside == image[2:7, 4:9]).all()
    corner = crop_patch(image, field, 0, 5)
    assert corner.shape == (5, 5, 3) and (corner[:2] == 128).all() and (corner[:, 3:] == 128).all()
    assert (corner[2:, :3] == image[:3, 8:11]).all()
    x = image.transpose(2, 0, 1).astype(np.float32)
    assert (crop_patch(x, field, 2, 3) == inside.transpose(2, 0, 1)).all()
    assert (crop_patch(x, field, 0, 5)[:, :2] == 0).all() and (crop_patch(x, field, 0, 5, fill=7)[:, :2] == 7).all()
    assert (crop_patch(image / 255, field, 0, 5)[:2] == 0.5).all()
    large = crop_patch(image, ReceptiveField(21, 1, -5), 0, 0)
    assert large.shape == (21, 21, 3) and (large[5:14, 5:16] == image).all() and (large[14:] == 128).all()
    with pytest.raises(InputError, match="depend on the whole picture"):
        crop_patch(image, None, 0, 0)


def test_an_input_as_wide_as_there_are_colours_is_no_picture(rng):
    x = rng.standard_normal((3, 9, 3))
    assert crop_patch(x, ReceptiveField(3, 2, -2), 2, 1, channels_last=False).shape == (3, 3, 3)
    assert (crop_patch(x, ReceptiveField(3, 2, -2), 2, 1, channels_last=False)[..., 0] == x[:, 2:5, 0]).all()


def test_the_fields_of_the_first_layer_are_as_wide_as_there_are_colours():
    net = build_network("squeezenet1_1")
    rng = np.random.default_rng(0)
    net.layer("conv1").params["w"] = rng.standard_normal((64, 3, 3, 3)).astype(np.float32)
    x = rng.standard_normal((1, 3, 31, 31)).astype(np.float32)
    patch = guided_patch(net, x, "conv1", 5, (4, 6), receptive_field(net, "conv1"))
    assert np.allclose(patch, net.layer("conv1").params["w"][5])  # of a linear unit, its filter


@pytest.mark.parametrize("unit", [(0, 0), (3, 2), (7, 9)])
def test_a_crop_put_back_where_it_was_is_the_picture_there(rng, unit):
    field, x = ReceptiveField(6, 3, -4), rng.standard_normal((2, 25, 31))
    canvas = place_patch(crop_patch(x, field, *unit), field, *unit, 25, 31)
    top, bottom, left, right = field.box(*unit, 25, 31)
    assert (canvas[:, top:bottom, left:right] == x[:, top:bottom, left:right]).all()
    assert np.count_nonzero(canvas) == 2 * (bottom - top) * (right - left)


def test_the_guided_patch_of_a_window_is_that_of_the_whole_picture(xp, drawn):
    net, x = drawn
    exact, image = on(xp, net.astype("float64")), x[3:4].astype(np.float64)
    for layer in ("relu2", "relu3", "relu5"):
        field = receptive_field(net, layer)
        side = net.shapes()[layer][2]
        for unit in ((0, 0), (side // 2, side // 2 - 1), (side - 1, side // 2)):
            channel = int(feature_maps(exact, image, layer)[0][(slice(None), *unit)].argmax())
            whole = crop_patch(guided_backprop(exact, image, layer, channel, unit)[0], field, *unit)
            patch = guided_patch(exact, image, layer, channel, unit, field)
            assert np.abs(patch - whole).max() < 1e-12 * np.abs(whole).max() and whole.any()


def test_a_shrunk_patch_is_the_mean_of_its_blocks(rng):
    patch = rng.integers(0, 256, (3, 7, 7), dtype=np.uint8)
    small = shrink_patch(patch, 2)
    assert small.shape == (3, 3, 3) and small.dtype == np.float32
    assert np.isclose(small[1, 2, 0], patch[1, 4:6, 0:2].mean()) and (shrink_patch(patch, 1) == patch).all()


def test_the_checks_pass(xp, drawn):
    net, x = on(xp, drawn[0]), drawn[1]
    found = top_patches(net, in_batches(x, 8), "relu3", channels=[33, 34])
    checks = check_patches(net, "relu3", [33, 34], found, 40, lambda n: x[n:n + 1])
    assert len(checks) == 5 and all(check.passed for check in checks), checks
    assert "moved by whole strides" in checks[3].what


@pytest.mark.parametrize(("wrong", "failing"), [
    ({"values": 1.01}, 0), ({"images": 1}, 0), ({"ys": 1}, 2), ({"order": -1}, 1)], ids=str)
def test_the_checks_fail_where_an_answer_is_wrong(drawn, wrong, failing):
    net, x = drawn
    if "order" in wrong:  # the weakest pictures
        found = top_patches(net, [x], "relu3", channels=[33, 34], top=40)
        found = TopPatches(*(part[:, -9:] for part in found))
    else:
        found = top_patches(net, [x], "relu3", channels=[33, 34])
        name, change = next(iter(wrong.items()))
        part = getattr(found, name)
        found = found._replace(**{name: part * np.float32(change) if name == "values" else (part + change) % 16})
    checks = check_patches(net, "relu3", [33, 34], found, 40, lambda n: x[n:n + 1])
    assert not checks[failing].passed


def test_a_field_that_is_a_pixel_off_fails_the_check(drawn, monkeypatch):
    net, x = drawn
    found = top_patches(net, [x], "relu3", channels=[33])
    field = receptive_field(net, "relu3")
    for wrong in (field._replace(start=field.start + 1), field._replace(size=field.size - 1)):
        monkeypatch.setattr("minicnn.visualize.units.patches_check.receptive_field", lambda *_, wrong=wrong: wrong)
        assert not all(check.passed for check in check_crops(net, "relu3", [33], found, lambda n: x[n:n + 1]))


def test_another_unit_keeps_clear_of_the_padding():
    field = ReceptiveField(5, 2, -2)
    assert another_unit(field, (0, 3), 12, 12) is None  # it sees padding itself
    y, x = another_unit(field, (1, 3), 12, 12)
    assert (y, x) != (1, 3) and field.fits(y, x, 12, 12)
    assert another_unit(ReceptiveField(5, 2, -2), (1, 1), 5 + 1, 6) is None  # there is no other


def test_on_real_weights_and_photos(test_data):
    net = read_squeezenet1_1(test_data)
    with np.load(test_data / "photos" / "imagenet_25.npz") as photos:
        x = TORCHVISION.to_input(photos["X"])
    field = receptive_field(net, "fire5")
    whole = top_patches(net, in_batches(x, 10), "fire5")
    rows = strongest_channels(whole, 3, field, 224, 224)
    found = TopPatches(*(part[rows] for part in whole))
    checks = check_patches(net, "fire5", rows, found, 25, lambda n: x[n:n + 1])
    assert len(checks) == 5 and all(check.passed for check in checks), checks
    maxima = channel_maxima(net, x, "fire5/concat")["values"]
    assert (whole.values == -np.sort(-maxima, axis=0)[:9].T).all()


# ---- the demo --------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A folder with twelve pictures, in two sub-folders, and one that is damaged."""
    images, _ = draw_shapes(np.arange(12), np.random.default_rng(0), 80)
    for n, image in enumerate(images):
        path = tmp_path / "photos" / ("even", "odd")[n % 2] / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    (tmp_path / "photos" / "even" / "bad.png").write_bytes(b"PNG?")
    return tmp_path / "photos"


SHAPES = ["--model", "shapes", "--device", "cpu"]


def test_the_demo_on_a_folder_with_one_and_two_workers(folder, tmp_path, capsys):
    for name, options in (("one", []), ("two", ["--workers", "2"])):
        options += [*SHAPES, "--channels", "33,34", "--out", str(tmp_path / name)]
        assert demo(patches_demo, str(folder), *options) == 0
        check_outputs(tmp_path / name, patches_demo.NAMES)
        said = capsys.readouterr()
        assert "bad.png" in said.err and "in 12 pictures" in said.out and "FAIL" not in said.out
    one, two = (np.load(tmp_path / name / "patches.npy") for name in ("one", "two"))
    assert one.shape == (2, 9, 4) and (one == two).all()
    card = json.loads((tmp_path / "one" / "patches.json").read_text())["parameters"]
    assert card["receptive_field"] == {"size": 22, "stride": 4, "start": -9}
    assert card["patches"]["33"][0]["picture"].startswith(str(folder))


def test_the_demo_on_a_dask_cluster(folder, tmp_path, capsys):
    distributed = pytest.importorskip("distributed")
    options = [str(folder), *SHAPES, "--channels", "33"]
    with distributed.LocalCluster(processes=False, n_workers=1, dashboard_address=None) as cluster:
        options_there = "--cluster", cluster.scheduler_address, "--out", str(tmp_path / "there")
        assert demo(patches_demo, *options, *options_there) == 0
    assert demo(patches_demo, *options, "--out", str(tmp_path / "here")) == 0
    there, here = (np.load(tmp_path / name / "patches.npy") for name in ("there", "here"))
    assert (there == here).all()
    capsys.readouterr()
    assert demo(patches_demo, *options, "--cluster", "nothing://here", "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert "no Dask scheduler at nothing://here: " in error and error.count("\n") == 1


def test_without_dask_a_cluster_is_one_line(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert demo(patches_demo, str(folder), *SHAPES, "--cluster", "tcp://host:1", "--out", str(tmp_path / "out")) == 2
    assert "--cluster needs Dask: pip install distributed" in capsys.readouterr().err


def test_the_demo_on_the_strict_gpu_finds_the_patches_of_the_cpu(strict_cupy, folder, tmp_path, capsys):
    options = [str(folder), "--model", "shapes", "--channels", "33"]
    for device in ("gpu", "cpu"):
        assert demo(patches_demo, *options, "--device", device, "--out", str(tmp_path / device)) == 0
    gpu, cpu = (np.load(tmp_path / device / "patches.npy") for device in ("gpu", "cpu"))
    assert np.allclose(gpu, cpu, rtol=1e-5) and "FAIL" not in capsys.readouterr().out
    assert demo(patches_demo, *options, "--device", "gpu", "--workers", "2", "--out", str(tmp_path / "two")) == 2
    assert "a network on the GPU works in this process alone" in capsys.readouterr().err


def test_the_demo_on_a_single_picture_shows_fewer_patches(folder, tmp_path, capsys):
    assert demo(patches_demo, str(folder / "odd" / "1.png"), *SHAPES, "--out", str(tmp_path / "out")) == 0
    check_outputs(tmp_path / "out", patches_demo.NAMES)
    array = np.load(tmp_path / "out" / "patches.npy")
    assert (array[:, 1:] == [0, -1, -1, -1]).all() and (array[:, 0, 0] > 0).all()
    assert "in 1 picture" in capsys.readouterr().out


def test_the_gallery_picture(tmp_path, capsys):
    model = load_model("shapes", "cpu")
    arguments = patches_demo.parser().parse_args(["--out", str(tmp_path / "out")])
    run_demo(patches_demo.pictures(model, load_photos(model, []), drawn=30), model, arguments, patches_demo.NAMES)
    check_outputs(tmp_path / "out", patches_demo.NAMES)
    assert "in 35 pictures" in capsys.readouterr().out


def test_without_a_folder_an_imagenet_network_says_what_it_looks_at(tmp_path, capsys, monkeypatch):
    from minicnn.models.weights import Header, save_weights
    save_weights(tmp_path / "net.h5", build_network("squeezenet1_1"), Header("squeeze", "squeezenet1_1", TORCHVISION))
    monkeypatch.setattr(patches_demo, "DRAWN_LARGE", 2)
    assert demo(patches_demo, "--model", str(tmp_path / "net.h5"), "--device", "cpu", "--layer", "relu_conv1",
                "--out", str(tmp_path / "out")) == 0
    said = capsys.readouterr().out  # without weights every channel is silent: empty places, and no error
    assert "drawing 2 shapes. squeeze was not trained on shapes" in said and "these channels are silent" in said


def test_the_demo_on_digits(tmp_path, capsys):
    assert demo(patches_demo, "--model", "digits", "--device", "cpu", "--layer", "relu1", "--out",
                str(tmp_path / "out")) == 0
    check_outputs(tmp_path / "out", patches_demo.NAMES)


def test_ctrl_c_keeps_what_was_found_and_the_folder_goes_on(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(patches_demo, "BATCH", 4 * 3 * 64 * 64)
    plain, count = patches_demo.read, []

    def interrupted(*arguments):
        count.append(1)
        if len(count) == 10:
            raise KeyboardInterrupt
        return plain(*arguments)
    plain_options = [str(folder), *SHAPES, "--channels", "33"]
    options = [*plain_options, "--resume", str(tmp_path / "kept")]
    with monkeypatch.context() as patched:
        patched.setattr(patches_demo, "read", interrupted)
        assert demo(patches_demo, *options, "--out", str(tmp_path / "part")) == 130
    said = capsys.readouterr()
    assert "in 8 pictures, interrupted" in said.out and "finished files are kept" in said.err
    assert len(list((tmp_path / "kept").glob("*.npz"))) == 2
    assert demo(patches_demo, *options, "--out", str(tmp_path / "resumed")) == 0
    assert demo(patches_demo, *plain_options, "--out", str(tmp_path / "whole")) == 0
    resumed, whole = (np.load(tmp_path / name / "patches.npy") for name in ("resumed", "whole"))
    assert (resumed == whole).all()


@pytest.mark.parametrize(("options", "message"), [
    (["empty"], "empty holds no pictures"), (["missing"], "missing: there is no such file or folder"),
    (["--layer", "fc6"], "each neuron of 'fc6' depends on"),
    (["--layer", "rleu3"], "no layer 'rleu3'; did you mean relu"),
    (["--channels", "64"], "layer 'relu3' has channels 0 to 63, not 64"),
    (["--channels", "1,x"], "expected channels as in 1,5,9, not '1,x'"), (["--workers", "0"], "from 1 on"),
    (["--resume", "file"], "file: cannot keep results there")], ids=str)
def test_bad_input_is_one_line(options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert demo(patches_demo, *options, *SHAPES, "--out", "out") == 2
    error = capsys.readouterr().err
    assert message in error and not (tmp_path / "out").exists()
    assert error.startswith("python -m demos.patches: ") and error.count("\n") == 1


def test_drawn_shapes_are_the_same_by_number_alone():
    model = load_model("shapes", "cpu")
    first, second = (patches_demo.drawn_sources(model, 5, seed=1)[3].load() for _ in range(2))
    assert (first == second).all() and first.shape == (64, 64, 3)


def test_relus_alone_change_no_field():
    net = Network((3, 8, 8))
    net.add("relu", ReLU())
    assert receptive_field(net, "relu") == ReceptiveField(1, 1, 0)
    net.add("pool", GlobalAvgPool2D())
    net.add("flat", Flatten())
    assert receptive_field(net, "pool") is receptive_field(net, "flat") is None
