"""The gradient by tiles: it equals the gradient of the whole image for any cut, and takes less memory."""

from threading import Thread

import numpy as np
import pytest
from limited_memory import limited_memory

import minicnn
from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.gradient_check import directional_error
from minicnn.layers import (
    AvgPool2D,
    Concat,
    Conv2D,
    GlobalAvgPool2D,
    InstanceNorm2D,
    LocalResponseNorm,
    MaxPool2D,
    ReLU,
)
from minicnn.losses import GuideMatch, LayerNorm2, loss_and_gradient
from minicnn.models import load_model, squeezenet1_1
from minicnn.network import Network
from minicnn.visualize import receptive_field, tiled_loss_and_gradient
from minicnn.visualize.synthesis import tiles
from minicnn.visualize.synthesis.tiles import choose_tile, spans, tile_memory


def network(xp=np, dtype="float64"):
    """Return a network with everything that can go wrong at a cut: strides, pads, both roundings of pools, branches."""
    rng = np.random.default_rng(3)
    net = Network((3, 40, 40))
    net.add("conv1", Conv2D(3, 4, 3, stride=2, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(3, stride=2, ceil=True))
    net.add("norm1", LocalResponseNorm(3, 1.0))
    net.add("left", Conv2D(4, 3, 1, rng=rng), "norm1")
    net.add("right", Conv2D(4, 3, 3, pad=1, rng=rng), "norm1")
    net.add("concat", Concat(), "left", "right")
    net.add("relu2", ReLU())
    net.add("pool2", AvgPool2D(2, pad=1))
    net.add("conv3", Conv2D(6, 5, 3, pad=1, rng=rng))
    net.add("relu3", ReLU())
    net.add("pool3", GlobalAvgPool2D())
    return net.astype(dtype).to_device("cpu" if xp is np else "gpu")


def both(net, image, terms, tile):
    return loss_and_gradient(net, image, terms), tiled_loss_and_gradient(net, image, terms, tile)


def relative(a, b):
    a, b = to_host(a), to_host(b)
    return np.abs(a - b).max() / np.abs(b).max()


# ---- equal to the whole ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(48, 64), (37, 53), (66, 23), (11, 90)], ids=str)
@pytest.mark.parametrize("tile", [1, 8, 20, 33, 1000])
def test_tiles_add_up_to_the_whole(rng, size, tile):
    net, image = network(), rng.standard_normal((2, 3, *size))
    guide = rng.standard_normal((1, 5, 3, 2))
    terms = [(-1.0, LayerNorm2("relu3")), (0.5, LayerNorm2("relu3", 2)), (-3.0, GuideMatch("relu3", guide))]
    (total, gradient, values), (by_tiles, tiled, of_tiles) = both(net, image, terms, tile)
    assert relative(tiled, gradient) < 1e-12
    assert by_tiles == pytest.approx(total, rel=1e-12) and of_tiles == pytest.approx(values, rel=1e-12)


@pytest.mark.parametrize("layer", ["conv1", "pool1", "concat", "pool2", "conv3", "input"])
def test_tiles_of_any_layer(xp, rng, layer):
    net, image = network(xp), xp.asarray(rng.standard_normal((1, 3, 38, 45)))
    (total, gradient, _), (by_tiles, tiled, _) = both(net, image, [(1.0, LayerNorm2(layer))], 16)
    assert relative(tiled, gradient) < 1e-12 and by_tiles == pytest.approx(total, rel=1e-12)
    assert type(tiled) is type(image)


def test_the_gradient_by_tiles_is_the_slope(rng):
    net, image = network(), rng.standard_normal((1, 3, 30, 41))
    terms = [(2.0, LayerNorm2("relu3"))]
    _, gradient, _ = tiled_loss_and_gradient(net, image, terms, 12)
    assert directional_error(lambda x: tiled_loss_and_gradient(net, x, terms, 12)[0], image, gradient, rng) < 1e-6


def test_a_margin_that_is_too_small_shows(rng, monkeypatch):
    """The tests above can fail: with a margin smaller than the receptive field, positions of a tile see zeros."""
    net, image, terms = network(), rng.standard_normal((1, 3, 48, 64)), [(1.0, LayerNorm2("relu3"))]
    field = receptive_field(net, "relu3")
    monkeypatch.setattr(tiles, "WINDOW", 1)  # a larger window widens the margin
    for wrong in (field._replace(size=field.size - 4), field._replace(start=field.start + field.stride)):
        monkeypatch.setattr(tiles, "receptive_field", lambda net, layer, wrong=wrong: wrong)
        (_, gradient, _), (_, tiled, _) = both(net, image, terms, 16)
        assert relative(tiled, gradient) > 1e-3


@pytest.mark.parametrize("layer", ["fire4/concat", "fire8/concat"])
def test_tiles_of_squeezenet(rng, layer):
    net = squeezenet1_1(seed=1).astype("float64")
    (_, gradient, _), (_, tiled, _) = both(net, rng.standard_normal((1, 3, 101, 83)), [(1.0, LayerNorm2(layer))], 64)
    assert relative(tiled, gradient) < 1e-12


def test_float32_differs_by_the_order_of_sums_alone(rng):
    net = load_model("shapes", "cpu").net
    image = rng.standard_normal((1, 3, 200, 168), dtype="float32")
    (total, gradient, _), (by_tiles, tiled, _) = both(net, image, [(1.0, LayerNorm2("relu4"))], 64)
    assert tiled.dtype == np.float32 and by_tiles == pytest.approx(total, rel=1e-5)
    assert relative(tiled, gradient) < 1e-5


@pytest.mark.parametrize("count, side, tile", [(13, 101, 32), (5, 40, 8), (1, 9, 64), (64, 512, 100)])
def test_spans_share_the_positions_out_and_begin_where_strides_and_winograds_windows_do(count, side, tile):
    field = receptive_field(network(), "relu3")
    cut = spans(count, side, tile, field)
    assert [position for span in cut for position in range(span.first, span.last)] == list(range(count))
    assert all(span.start % (tiles.WINDOW * field.stride) == 0 and 0 <= span.start < span.stop <= side for span in cut)
    lengths = [span.last - span.first for span in cut]
    assert max(lengths) - min(lengths) <= 1 and max(lengths) * field.stride <= max(tile, field.stride)


# ---- in less memory --------------------------------------------------------------------------------------------------


def in_fresh_memory(work):
    """Run `work` in a new thread, which cannot reuse the scratch memory of earlier passes."""
    problems = []

    def run():
        try:
            work()
        except AssertionError as problem:
            problems.append(problem)
    thread = Thread(target=run)
    thread.start()
    thread.join()
    return problems


@pytest.fixture
def one_thread():
    """Use one thread, so that the memory of no other thread counts."""
    before = minicnn.get_num_threads()
    minicnn.set_num_threads(1)
    yield
    minicnn.set_num_threads(before)


def test_tiles_take_a_part_of_the_memory(rng, one_thread):
    net = load_model("shapes", "cpu").net
    image, terms = rng.standard_normal((1, 3, 320, 320), dtype="float32"), [(1.0, LayerNorm2("relu4"))]
    limit = 25e6

    def whole():
        with limited_memory(limit):
            loss_and_gradient(net, image, terms)

    def by_tiles():
        with limited_memory(limit):
            tiled_loss_and_gradient(net, image, terms, 80)
    assert in_fresh_memory(whole) and not in_fresh_memory(by_tiles)


def needed_by_images(shape):
    """Return the bytes of the float32 arrays of the image's size, which do not depend on the tiles."""
    return tiles.IMAGES * 4 * np.prod(shape)


def test_the_forecast_chooses_the_tiles(monkeypatch):
    net = load_model("shapes", "cpu").net
    large, small = (1, 3, 2048, 1500), (1, 3, 1024, 700)
    needed = {tile: tile_memory(net, "relu4", large, tile) for tile in (None, *tiles.SIDES)}
    assert list(needed.values()) == sorted(needed.values(), reverse=True)
    assert tile_memory(net, "relu4", (1, 3, 4096, 3000), 64) - needed[64] == 3 * needed_by_images(large)
    for free, shape, expected in [(None, large, 1024), (None, small, None), (1e12, large, 1024), (1e12, small, None),
                                  (2 * needed[512] + 1, large, 512), (1e3, large, 64), (1e3, small, 64),
                                  (2 * tile_memory(net, "relu4", small, None) - 1, small, 512)]:
        monkeypatch.setattr(tiles, "available_memory", lambda device, free=free: free)
        assert choose_tile(net, "relu4", shape) == expected, (free, shape)
    assert choose_tile(net, "fc6", (1, 3, 4000, 64)) is None  # its receptive field is the whole picture


def test_the_guides_products_are_made_some_at_a_time(xp, rng, monkeypatch):
    out, guide = (xp.asarray(rng.standard_normal((1, 6, *size))) for size in ((9, 7), (5, 4)))
    value, seeds = GuideMatch("a", guide)({"a": out})
    monkeypatch.setattr("minicnn.losses.activations.PRODUCTS", 50)
    again, others = GuideMatch("a", guide)({"a": out})
    assert again == value and (to_host(others["a"]) == to_host(seeds["a"])).all()


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_layers_and_terms_that_cannot_be_cut_are_refused(rng):
    net, image = network(), rng.standard_normal((1, 3, 40, 40))
    with pytest.raises(InputError, match="must be on one layer, not on conv1, relu1"):
        tiled_loss_and_gradient(net, image, [(1.0, LayerNorm2("conv1")), (1.0, LayerNorm2("relu1"))], 16)
    with pytest.raises(InputError, match="the receptive field of 'pool3' is the whole picture"):
        tiled_loss_and_gradient(net, image, [(1.0, LayerNorm2("pool3"))], 16)
    with pytest.raises(InputError, match="no layer 'relu33'; did you mean relu3"):
        tiled_loss_and_gradient(net, image, [(1.0, LayerNorm2("relu33"))], 16)


def test_a_normalisation_over_the_picture_sees_all_of_it():
    net = Network((3, 8, 8))
    net.add("conv1", Conv2D(3, 2, 3))
    net.add("norm1", InstanceNorm2D(2))
    assert receptive_field(net, "conv1").size == 3 and receptive_field(net, "norm1") is None
