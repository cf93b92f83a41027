"""The patches with the largest activations: against a full sort, with any executor, and the demo."""

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
from small_networks import on, small_network

from demos import patches as patches_demo
from demos.shared.inputs import load_photos
from demos.shared.picture import run_demo
from minicnn.backend import to_device
from minicnn.datasets.shapes import draw_shapes
from minicnn.errors import InputError, UnknownNameError
from minicnn.models import (
    build_network,
    load_model,
)
from minicnn.models.preprocessing import TORCHVISION
from minicnn.receptive_field import ReceptiveField
from minicnn.sweep import resume, start_worker
from minicnn.visualize import feature_maps, receptive_field
from minicnn.visualize.units.patches import (
    TopPatches,
    channel_maxima,
    merge,
    no_patches,
    strongest_channels,
    top_patches,
)
from minicnn.visualize.units.patches_check import another_unit, check_crops, check_patches


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


def test_the_patches_equal_a_full_sort(xp, rng):
    net = small_network(rng)
    x = rng.standard_normal((23, 3, 16, 16)).astype(np.float32)
    found = top_patches(on(xp, net), in_batches(x, 5), "concat", top=4)
    expected = sorted_patches(feature_maps(on(xp, net), x, "concat"), 4)
    assert all(isinstance(part, np.ndarray) for part in found) and found.values.dtype == np.float32
    assert all(part.shape == (8, 4) for part in found)
    assert all(np.array_equal(found[i], expected[i]) for i in (1, 2, 3))
    assert np.allclose(found.values, expected.values, atol=1e-6)


def test_only_the_maxima_are_copied_to_the_host(strict_cupy, rng):
    net = small_network(rng).to_device("gpu")
    x = to_device(rng.standard_normal((6, 3, 16, 16)).astype(np.float32), "gpu")
    strict_cupy.record.reset()
    top_patches(net, [x[:3], x[3:]], "relu1")
    assert strict_cupy.record.transfers_to_host == 2 * 2  # values and positions of two batches
    assert strict_cupy.record.transfers_to_device == 0


@pytest.mark.parametrize("top", [1, 3, 9, 50])
def test_merging_any_parts_in_any_order_equals_the_full_sort_also_with_ties(rng, top):
    values = rng.integers(0, 4, (30, 5)).astype(np.float32)  # few different values: many ties
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


def test_the_result_depends_on_neither_batches_nor_executors(drawn):
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


def test_the_batches_are_read_once_and_one_at_a_time(drawn):
    net, x = drawn
    batches, seen = [], []

    def stream():
        for start in range(0, 40, 4):
            assert sum(batch() is not None for batch in batches) <= 1  # the batch before
            batch = x[start:start + 4].copy()
            batches.append(weakref.ref(batch))
            yield batch
            del batch
    top_patches(net, stream(), "relu1", callback=lambda best, count: seen.append(count))
    assert seen == list(range(4, 41, 4))


def test_rows_have_the_order_of_the_channels(drawn):
    net, x = drawn
    whole, some = (top_patches(net, [x], "relu2", channels=channels) for channels in (None, [7, 2]))
    assert equal(some, TopPatches(*(part[[7, 2]] for part in whole)))


def test_of_equal_pictures_the_earlier_comes_first(drawn):
    net, x = drawn
    found = top_patches(net, in_batches(np.concatenate([x[:5], x[:5]]), 3), "relu2", top=10)
    first = np.where(found.values > 0, found.images, -1)
    for row in first:
        live = row[row >= 0].tolist()
        assert all(live.index(n) + 1 == live.index(n + 5) for n in live if n < 5)


def test_with_few_pictures_the_remaining_places_are_empty(drawn):
    net, x = drawn
    found = top_patches(net, [x[:1], x[1:2]], "relu2", top=5)
    assert np.isfinite(found.values[:, :2]).all() and (found.values[:, 2:] == -np.inf).all()
    assert all((part[:, 2:] == -1).all() for part in found[1:])


def test_an_interrupted_sweep_continues_from_its_folder(drawn, tmp_path):
    net, x = drawn
    whole = top_patches(net, in_batches(x, 8), "relu3")
    parts = []

    def stop(best, seen):
        parts.append((best, seen))
        if seen == 24:
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        top_patches(net, in_batches(x, 8), "relu3", store=resume(tmp_path, {}), callback=stop)
    assert equal(parts[-1][0], top_patches(net, [x[:24]], "relu3"))  # the finished part is right
    assert len(list(tmp_path.glob("*.npz"))) == 3
    assert equal(top_patches(net, in_batches(x, 8), "relu3", store=resume(tmp_path, {})), whole)
    changed = np.concatenate([x[:8] * 2, x[8:]])  # changed pictures with the same numbers are computed again
    assert equal(top_patches(net, in_batches(changed, 8), "relu3", store=resume(tmp_path, {})),
                 top_patches(net, in_batches(changed, 8), "relu3"))


def test_a_failed_batch_loses_only_its_own_pictures(drawn):
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
    ("relu2", {"channels": []}, "the list of channels is empty"), ("relu2", {"top": 0}, "top is 0; expected"),
    ("fc6", {}, "layer 'fc6' has no maps"), ("pool5", {}, "layer 'pool5' has no maps")])
def test_wrong_arguments_are_refused_before_any_picture_is_read(drawn, layer, settings, message):
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
    with pytest.raises(InputError, match="works only in this process"), ProcessPoolExecutor(1) as executor:
        top_patches(small_network(rng).to_device("gpu"), [np.zeros((1, 3, 16, 16))], "relu1", executor=executor)


def test_channels_that_only_respond_to_the_padding_come_last():
    field = ReceptiveField(5, 1, -2)
    values = np.array([[9.0, 9.0], [5.0, 4.0], [6.0, -np.inf], [0.0, 0.0]])
    places = np.array([[0, 0], [3, 4], [5, -1], [4, 4]])
    images = np.array([[0, 1], [1, 0], [1, -1], [0, 1]])
    assert strongest_channels(TopPatches(values, images, places, places), 3, field, 10, 10) == [1, 2, 0]


def test_the_checks_pass(xp, drawn):
    net, x = on(xp, drawn[0]), drawn[1]
    found = top_patches(net, in_batches(x, 8), "relu3", channels=[33, 34])
    checks = check_patches(net, "relu3", [33, 34], found, 40, lambda n: x[n:n + 1])
    assert len(checks) == 5 and all(check.passed for check in checks), checks
    assert "moved by whole strides" in checks[3].what


@pytest.mark.parametrize(("wrong", "failing"), [
    ({"values": 1.01}, 0), ({"images": 1}, 0), ({"ys": 1}, 2), ({"order": -1}, 1)], ids=str)
def test_the_checks_fail_for_a_wrong_result(drawn, wrong, failing):
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


def test_another_unit_depends_on_no_padding():
    field = ReceptiveField(5, 2, -2)
    assert another_unit(field, (0, 3), 12, 12) is None  # it depends on padding itself
    y, x = another_unit(field, (1, 3), 12, 12)
    assert (y, x) != (1, 3) and field.fits(y, x, 12, 12)
    assert another_unit(ReceptiveField(5, 2, -2), (1, 1), 5 + 1, 6) is None  # there is no other unit


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


def test_a_cluster_without_dask_is_refused_in_one_line(folder, tmp_path, capsys, monkeypatch):
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
    assert "a network on the GPU works only in this process" in capsys.readouterr().err


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


def test_without_a_folder_the_demo_recommends_photos_for_an_imagenet_network(tmp_path, capsys, monkeypatch):
    from minicnn.models.weights import Header, save_weights
    save_weights(tmp_path / "net.h5", build_network("squeezenet1_1"), Header("squeeze", "squeezenet1_1", TORCHVISION))
    monkeypatch.setattr(patches_demo, "DRAWN_LARGE", 2)
    assert demo(patches_demo, "--model", str(tmp_path / "net.h5"), "--device", "cpu", "--layer", "relu_conv1",
                "--out", str(tmp_path / "out")) == 0
    said = capsys.readouterr().out  # without weights all activations are 0: empty places, and no error
    assert "drawing 2 shapes. squeeze was not trained on shapes" in said and "these channels are silent" in said


def test_the_demo_on_digits(tmp_path, capsys):
    assert demo(patches_demo, "--model", "digits", "--device", "cpu", "--layer", "relu1", "--out",
                str(tmp_path / "out")) == 0
    check_outputs(tmp_path / "out", patches_demo.NAMES)


def test_ctrl_c_keeps_the_patches_and_the_folder_allows_to_continue(folder, tmp_path, capsys, monkeypatch):
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
    (["empty"], "empty holds no pictures"), (["missing"], "missing: there is no such folder; check the path"),
    (["--layer", "fc6"], "each neuron of 'fc6' depends on"),
    (["--layer", "rleu3"], "no layer 'rleu3'; did you mean relu"),
    (["--channels", "64"], "layer 'relu3' has channels 0 to 63, not 64"),
    (["--channels", "1,x"], "expected channels as in 1,5,9, not '1,x'"), (["--workers", "0"], "from 1 on"),
    (["--resume", "file"], "file: cannot keep results there")], ids=str)
def test_wrong_options_are_refused_in_one_line(options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert demo(patches_demo, *options, *SHAPES, "--out", "out") == 2
    error = capsys.readouterr().err
    assert message in error and not (tmp_path / "out").exists()
    assert error.startswith("minicnn patches: ") and error.count("\n") == 1


def test_a_drawn_shape_depends_on_its_number_alone():
    model = load_model("shapes", "cpu")
    first, second = (patches_demo.drawn_sources(model, 5, seed=1)[3].load() for _ in range(2))
    assert (first == second).all() and first.shape == (64, 64, 3)
