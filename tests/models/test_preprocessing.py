"""From a picture to a network's numbers and back."""

import numpy as np
import pytest

from minicnn.datasets.mnist import PREPROCESSING as MNIST
from minicnn.errors import InputError
from minicnn.layers import Conv2D, ReLU
from minicnn.models.preprocessing import CAFFE_SQUEEZENET, CAFFE_VGG, TORCHVISION, Preprocessing
from minicnn.network import Network

COLOUR = {"RGB": TORCHVISION, "BGR": CAFFE_VGG, "BGR scaled": Preprocessing("BGR", 1 / 255, (0.1, 0.2, 0.3),
                                                                          (0.5, 0.6, 0.7), 256, 224)}
ALL = COLOUR | {"L": MNIST}


@pytest.fixture
def picture(rng):
    """A picture that has black and white in it."""
    picture = rng.integers(0, 256, (5, 7, 3), np.uint8)
    picture[0, 0], picture[0, 1] = 0, 255
    return picture


# ---- in --------------------------------------------------------------------------------------------------------------

def test_to_input_by_hand():
    picture = np.array([[[255, 0, 51]]], np.uint8)  # red, green, blue = 1, 0, 0.2 of 255
    x = TORCHVISION.to_input(picture)
    assert x.shape == (1, 3, 1, 1) and x.dtype == np.float32
    assert x.ravel() == pytest.approx([(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225], rel=1e-5)
    assert CAFFE_VGG.to_input(picture).ravel() == pytest.approx([51 - 103.939, -116.779, 255 - 123.68], rel=1e-5)
    assert CAFFE_SQUEEZENET.to_input(picture).ravel().tolist() == [51 - 104, -117, 255 - 123]
    grey = (0.299 * 255 + 0.114 * 51) / 255
    assert MNIST.to_input(picture).ravel() == pytest.approx([(grey - 0.1307) / 0.3081], rel=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_shapes_and_layout(name, picture, rng):
    preprocessing, channels = ALL[name], 1 if name == "L" else 3
    one = preprocessing.to_input(picture)
    assert one.shape == (1, channels, 5, 7) and one.dtype == np.float32 and one.flags.c_contiguous
    pictures = rng.integers(0, 256, (4, 6, 2, 3), np.uint8)
    many = preprocessing.to_input(pictures)
    assert many.shape == (4, channels, 6, 2) and many.flags.c_contiguous
    for n in range(4):
        assert np.array_equal(many[n], preprocessing.to_input(pictures[n])[0])


@pytest.mark.parametrize("name", ALL)
def test_bytes_and_floats_give_the_same(name, picture):
    expected = ALL[name].to_input(picture)
    for kind in ("float32", "float64", "int64"):
        assert np.array_equal(ALL[name].to_input(picture.astype(kind)), expected)
    assert np.array_equal(ALL[name].to_input(picture.tolist()), expected)


@pytest.mark.parametrize("name", ALL)
def test_the_picture_is_not_written_into(name, picture):
    original = picture.copy()
    x = ALL[name].to_input(picture)
    x += 1  # nor shared
    assert np.array_equal(picture, original)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 4), (5, 7, 1), (3, 5, 7), (1, 2, 5, 7, 3), ()])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError) as refusal:
        TORCHVISION.to_input(np.zeros(shape))
    assert str(refusal.value) == (
        f"expected an image of shape (H, W, 3) or images of shape (N, H, W, 3), got {shape}")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    picture = np.zeros((4, 4, 3), np.float32)
    picture[2, 1, 0] = bad
    with pytest.raises(InputError, match="^the image has values that are not finite$"):
        CAFFE_VGG.to_input(picture)


# ---- and back --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", COLOUR)
def test_to_images_inverts_to_input(name, rng):
    every_byte = np.arange(256, dtype=np.uint8)  # in each picture and colour
    pictures = np.array([[rng.permutation(every_byte) for _ in range(3)] for _ in range(2)])
    pictures = pictures.reshape(2, 3, 16, 16).transpose(0, 2, 3, 1)
    back = COLOUR[name].to_images(COLOUR[name].to_input(pictures))
    assert back.dtype == np.uint8 and np.array_equal(back, pictures)


def test_grey_comes_back_grey(picture):
    every_grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    assert np.array_equal(MNIST.to_image(MNIST.to_input(every_grey)), every_grey)
    luma = np.rint(picture @ [0.299, 0.587, 0.114])
    back = MNIST.to_image(MNIST.to_input(picture))
    assert np.array_equal(back, np.repeat(luma[..., None], 3, axis=2))


def test_to_images_rounds_and_clips():
    plain = Preprocessing("RGB", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 1, 1)
    x = np.array([[-3.0, 0.4, 0.6], [254.4, 254.6, 300.0]]).reshape(2, 3, 1, 1)
    assert plain.to_images(x).reshape(2, 3).tolist() == [[0, 0, 1], [254, 255, 255]]


@pytest.mark.parametrize("name", ALL)
def test_to_image_takes_one_with_or_without_its_axis(name, picture):
    x = ALL[name].to_input(picture)
    expected = ALL[name].to_images(x)[0]
    assert expected.shape == (5, 7, 3)
    assert np.array_equal(ALL[name].to_image(x), expected)
    assert np.array_equal(ALL[name].to_image(x[0]), expected)


# ---- colours ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ALL)
def test_valid_range_holds_every_picture_and_no_more(name, picture):
    low, high = ALL[name].valid_range()
    x = ALL[name].to_input(picture)
    channels = x.shape[1]
    for bound in (low, high):
        assert bound.shape == (channels, 1, 1) and bound.dtype == np.float32
    rounding = 1e-6 * (high - low)
    assert (x >= low - rounding).all() and (x <= high + rounding).all()
    assert np.allclose(x[0, :, 0, 0], low[:, 0, 0], rtol=1e-6) and np.allclose(x[0, :, 0, 1], high[:, 0, 0], rtol=1e-6)
    for bound, byte in ((low, 0), (high, 255)):
        extreme = ALL[name].to_image(np.broadcast_to(bound, (channels, 2, 2)))
        assert (extreme == byte).all()
        clamped = ALL[name].to_image(np.clip(x, low, high))
        assert np.array_equal(clamped, ALL[name].to_image(x))


def test_pixel_directions_are_in_rgb_order(rng):
    dx = rng.standard_normal((2, 3, 4, 5))
    assert np.array_equal(TORCHVISION.to_pixel_directions(dx), dx)
    turned = CAFFE_VGG.to_pixel_directions(dx)
    for channel in range(3):
        assert np.array_equal(turned[:, channel], dx[:, 2 - channel])
    grey = rng.standard_normal((2, 1, 4, 5))
    assert np.array_equal(MNIST.to_pixel_directions(grey), np.concatenate([grey] * 3, axis=1))


@pytest.mark.parametrize("name", COLOUR)
def test_a_step_along_a_pixel_direction_changes_that_colour(name):
    picture, dx = np.full((1, 1, 3), 100, np.uint8), np.zeros((1, 3, 1, 1), np.float32)
    dx[0, 0] = 1  # the network's first channel
    x = COLOUR[name].to_input(picture) + dx * np.float32(20 * COLOUR[name].scale / COLOUR[name].std[0])
    colour = int(COLOUR[name].to_pixel_directions(dx).argmax())
    expected = [100, 100, 100]
    expected[colour] = 120
    assert COLOUR[name].to_image(x).ravel().tolist() == expected


def first_layers(w, b):
    net = Network((3, 9, 9))
    net.add("conv1", Conv2D(3, 4, 3, stride=2, pad=1))
    net.add("relu1", ReLU())
    net.layer("conv1").params.update(w=w, b=b)
    return net


def test_bgr_equals_rgb_with_the_channels_of_conv1_flipped(rng):
    """WEIGHTS.md: exact, for products of small whole numbers have no rounding that could depend on their order."""
    picture = rng.integers(0, 256, (9, 9, 3), np.uint8)
    w, b = rng.integers(-8, 9, (4, 3, 3, 3)).astype("float32"), rng.integers(-8, 9, 4).astype("float32")
    bgr = CAFFE_SQUEEZENET
    rgb = bgr._replace(channel_order="RGB", mean=bgr.mean[::-1], std=bgr.std[::-1])
    ours, flipped = first_layers(w, b), first_layers(w[:, ::-1], b)
    out = ours.forward(bgr.to_input(picture)).activations["relu1"]
    trace = flipped.forward(rgb.to_input(picture))
    assert out.any() and np.array_equal(trace.activations["relu1"], out)
    # and so do the gradients, once both have their channels in RGB order
    dout = rng.integers(-8, 9, out.shape).astype("float32")
    dx = ours.backward(ours.forward(bgr.to_input(picture)), {"relu1": dout})["input"]
    flipped_dx = flipped.backward(trace, {"relu1": dout})["input"]
    assert np.array_equal(bgr.to_pixel_directions(dx), rgb.to_pixel_directions(flipped_dx))


@pytest.mark.parametrize("name", ["BGR", "BGR scaled"])
def test_bgr_input_is_the_rgb_input_reversed(name, picture):
    bgr = COLOUR[name]
    rgb = bgr._replace(channel_order="RGB", mean=bgr.mean[::-1], std=bgr.std[::-1])
    assert np.array_equal(bgr.to_input(picture), rgb.to_input(picture)[:, ::-1])
