"""Any style at once: strength, blends, masks, colours, both backends, and an independent program in PyTorch."""

from dataclasses import replace

import numpy as np
import pytest
from any_style_networks import random_painter as painter
from weights_files import refusal

from minicnn.backend import get_array_module, to_host
from minicnn.datasets.drawings import draw_scene, draw_style
from minicnn.errors import InputError
from minicnn.models import vgg16
from minicnn.models.autoencoder import DECODED
from minicnn.models.preprocessing import CAFFE_VGG, TORCHVISION
from minicnn.visualize import ANY_STYLE_PRESETS, AnyStyleSettings, any_style, learnt_inversion
from minicnn.visualize.style.any_style import style_shares
from minicnn.visualize.style.any_style_check import check_any_style, check_learnt_inversion
from minicnn.visualize.style.colour import to_yuv
from weights_converter.sources.autoencoder import DECODER_LAYERS, ENCODER

SIZE = 24
SMALL = AnyStyleSettings(size=SIZE)
CONTENT = draw_scene(32)[:22]
STROKES, DOTS = (draw_style(name, np.random.default_rng(0), 32) for name in ("strokes", "dots"))
LEFT = np.zeros(CONTENT.shape[:2], np.uint8)
LEFT[:, :12] = 255


def on(xp, dtype="float32"):
    return painter(dtype).to_device("cpu" if xp is np else "gpu")


def paint(net, *styles, settings=SMALL, content=CONTENT, **options):
    return any_style(net, content, styles, CAFFE_VGG, settings, **options)


def last_image(net, *styles, settings=SMALL, **options):
    """Return the last decoded image, before it is rounded to 8 bits."""
    images = []
    paint(net, *styles, settings=settings, callback=lambda layer, features, image: images.append(image), **options)
    return to_host(images[-1])


@pytest.mark.parametrize("preset", ANY_STYLE_PRESETS)
def test_both_backends_paint_the_same(preset, strict_cupy):
    settings = replace(ANY_STYLE_PRESETS[preset], size=SIZE, layers=DECODED[::-1])
    calls = []
    pictures = [paint(on(xp, "float64"), STROKES, DOTS, settings=settings, masks=[LEFT, 255 - LEFT],
                      callback=lambda *call: calls.append(call)) for xp in (np, strict_cupy)]
    assert pictures[0].dtype == np.uint8 and pictures[0].shape == (16, SIZE, 3)
    assert abs(pictures[0].astype(int) - pictures[1]).max() <= 1
    assert [layer for layer, _, _ in calls] == [*DECODED[::-1]] * 2
    assert get_array_module(calls[-1][2]) is strict_cupy and not np.array_equal(pictures[0], paint(painter(), STROKES))


@pytest.mark.parametrize("method", ["wct", "adain"])
def test_the_checks_pass(method, xp):
    net, settings = on(xp), replace(SMALL, method=method, strength=0.6, blend=(1, 3))
    painted = paint(net, STROKES, DOTS, settings=settings)
    checks = check_any_style(net, CONTENT, [STROKES, DOTS], CAFFE_VGG, settings, painted)
    assert [check.judged for check in checks] == [True, True, False, True]
    assert all(check.passed for check in checks), checks


@pytest.mark.parametrize("fast", [False, True])
def test_strength_0_is_the_reconstruction_bit_for_bit(fast):
    net = painter().fast() if fast else painter()
    settings = replace(SMALL, strength=0, layers=["relu3_1"])
    small = paint(net, STROKES, settings=settings, content=CONTENT[:16, :SIZE])
    np.testing.assert_array_equal(small, learnt_inversion(net, CONTENT[:16, :SIZE], CAFFE_VGG)["relu3_1"])
    full = last_image(net, STROKES, settings=replace(SMALL, strength=1))
    half = last_image(net, STROKES, settings=replace(SMALL, strength=0.5))
    none = last_image(net, STROKES, DOTS, settings=replace(SMALL, strength=0))
    assert abs(full - half).max() > 0.1 and abs(half - none).max() > 0.1
    np.testing.assert_array_equal(none, last_image(net, DOTS, settings=replace(SMALL, strength=0, method="adain")))


def test_a_blend_of_one_style_is_this_style():
    net = painter()
    alone = last_image(net, DOTS)
    np.testing.assert_array_equal(last_image(net, STROKES, DOTS, settings=replace(SMALL, blend=(0, 2))), alone)
    both = last_image(net, STROKES, DOTS)
    np.testing.assert_array_equal(both, last_image(net, STROKES, DOTS, settings=replace(SMALL, blend=[0.5, 0.5])))
    assert abs(both - alone).max() > 0.1


def test_masks_give_each_part_its_style_and_leave_the_rest():
    net, coarse = painter(), replace(SMALL, layers=("relu1_1",))
    white = np.full_like(LEFT, 255)
    np.testing.assert_array_equal(last_image(net, DOTS, masks=[white]), last_image(net, DOTS))
    left = last_image(net, DOTS, settings=coarse, masks=LEFT > 0)
    untouched = last_image(net, DOTS, settings=replace(coarse, strength=0))
    np.testing.assert_array_equal(left[..., 14:], untouched[..., 14:])  # beside the reach of the decoder
    assert abs(left[..., :8] - untouched[..., :8]).max() > 1
    both = last_image(net, STROKES, DOTS, settings=coarse, masks=[255 - LEFT, LEFT])
    np.testing.assert_allclose(both[..., :6], left[..., :6], atol=1e-3)


def test_shares_of_overlapping_and_soft_masks():
    one, two = np.array([[1, 1, 0.5, 0]]), np.array([[1, 0, 0.5, 0]])
    first, second = style_shares([1, 3], [one, two])
    np.testing.assert_allclose(first, [[0.25, 1, 0.25, 0]])
    np.testing.assert_allclose(second, [[0.75, 0, 0.75, 0]])
    np.testing.assert_allclose(style_shares([2], [one]), [one])
    assert style_shares([1, 3], []) == [0.25, 0.75]


def test_original_colours():
    painted = paint(painter(), STROKES, content=CONTENT[:16, :SIZE], settings=replace(SMALL, colours="original"))
    assert abs(to_yuv(painted) - to_yuv(CONTENT[:16, :SIZE]))[..., 1:].max() < 1e-5


def test_odd_sizes_and_tiny_pictures():
    for size in ((1, 1), (3, 5), (13, 18)):
        content = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
        painted = paint(painter(), content[::-1, :1], content=content, settings=replace(SMALL, size=max(size)))
        assert painted.shape == content.shape
        made = learnt_inversion(painter(), content, CAFFE_VGG)
        assert all(picture.shape == content.shape for picture in made.values())
        assert all(check.passed for check in check_learnt_inversion(painter(), content, made, CAFFE_VGG))


# ---- an independent program ------------------------------------------------------------------------------------------

def published_arrays(net):
    """Return the arrays of a network under the names and in the units of the published file."""
    names = DECODER_LAYERS | {layer: layer for layer in ENCODER}
    arrays = {f"{name}.{key}": net.layer(layer).params[key[0]].astype("float64") for name, layer in names.items()
              for key in ("weight", "bias")}
    mean = np.array(CAFFE_VGG.mean)
    for name in (name for name, layer in DECODER_LAYERS.items() if layer.endswith("conv1_1")):
        arrays[f"{name}.weight"] = arrays[f"{name}.weight"][::-1] / 255
        arrays[f"{name}.bias"] = (arrays[f"{name}.bias"] + mean)[::-1] / 255
    return arrays | {"preproc.weight": 255 * np.eye(3)[::-1].reshape(3, 3, 1, 1), "preproc.bias": -mean}


def as_levels(image):
    """Return the network's image (1, 3, H, W) as RGB from 0 to 1, (H, W, 3)."""
    return (image[0][::-1].transpose(1, 2, 0) + np.array(CAFFE_VGG.mean)[::-1]) / 255


@pytest.mark.parametrize("method, strength, blend", [("wct", 1.0, (1.0,)), ("wct", 0.6, (0.25, 0.75)),
                                                     ("adain", 0.7, (0.5, 0.5))])
def test_the_whole_transform_against_pytorch(method, strength, blend):
    twin = pytest.importorskip("any_style_twin")
    net = painter("float64")
    content = draw_scene(40)
    settings = AnyStyleSettings(method=method, strength=strength, blend=blend, size=40)
    styles = [draw_style(name, np.random.default_rng(1), 40) for name in ("strokes", "dots")][:len(blend)]
    result = as_levels(last_image(net, *styles, settings=settings, content=content))
    expected = twin.paint(published_arrays(net), content, styles, (3, 2, 1), getattr(twin, method), strength, blend)
    assert np.linalg.norm(result - expected) < 1e-4 * np.linalg.norm(expected)


def test_the_published_weights_against_pytorch(test_data, tmp_path):
    twin = pytest.importorskip("any_style_twin")
    from minicnn.models import load_model
    from weights_converter.convert import convert
    source = test_data / "weights" / "vgg19_normalised_conv1_1-conv3_1.npz"
    model = load_model(convert(source, tmp_path / "a.h5", say=lambda line: None), "cpu")
    photo = np.load(test_data / "photos" / "imagenet_25.npz")["X"][0, :96, :96]
    style = np.load(test_data / "photos" / "imagenet_25.npz")["X"][3, :96, :96]
    with np.load(source) as arrays:
        expected = twin.paint(arrays, photo, [style], (3, 2, 1), twin.wct, 1.0, [1.0])
        rebuilt = twin.decode(twin.encode(twin.torch.from_numpy(photo / 255.0).permute(2, 0, 1)[None], arrays, 3),
                              arrays, 3)[0].permute(1, 2, 0).numpy()
    painted = any_style(model.net.fast(), photo, style, model.preprocessing, AnyStyleSettings(size=96))
    assert abs(painted - np.clip(255 * expected, 0, 255)).max() < 1.5
    made = learnt_inversion(model.net.fast(), photo, model.preprocessing)
    assert abs(made["relu3_1"] - np.clip(255 * rebuilt, 0, 255)).max() < 0.6
    assert painted.std() > 20


# ---- wrong input -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("settings, message", [
    ({"method": "wtc"}, "method"), ({"strength": 1.5}, "the strength is 1.5"), ({"layers": ["relu4_1"]}, "layer"),
    ({"layers": []}, "expected a list of relu1_1"), ({"blend": 3}, "blend is 3"), ({"size": 0}, "size"),
    ({"style_scale": 0}, "the style scale is 0"), ({"colours": "none"}, "colours"), ({"side": "wide"}, "side")])
def test_settings_that_cannot_be(settings, message):
    assert message in refusal(lambda: AnyStyleSettings(**settings))


@pytest.mark.parametrize("call, message", [
    (lambda: paint(vgg16(seed=None), STROKES), "no decoder of 'relu3_1'"),
    (lambda: paint(painter()), "styles"), (lambda: paint(painter(), STROKES, settings="wct"), "settings is str 'wct'"),
    (lambda: paint(painter(), STROKES, masks=[LEFT, LEFT]), "2 masks and 1 styles"),
    (lambda: paint(painter(), STROKES, masks=[LEFT[:5]]), "the content picture"),
    (lambda: paint(painter(), STROKES, settings=replace(SMALL, blend=[1, 2])), "2 weights for 1 styles"),
    (lambda: paint(painter(), STROKES, settings=replace(SMALL, blend=[0])), "weights of the blend are 0"),
    (lambda: paint(painter(), STROKES[..., 0]), "style"), (lambda: paint(painter(), STROKES, content="a"), "content"),
    (lambda: paint(painter(), STROKES, callback=3), "callback"),
    (lambda: any_style(painter(), CONTENT, STROKES, None), "preprocessing"),
    (lambda: learnt_inversion(vgg16(seed=None), CONTENT, TORCHVISION), "no decoder of 'relu1_1'")])
def test_bad_input(call, message):
    assert message in refusal(call)


def test_no_masks_at_all_is_an_error():
    with pytest.raises(InputError, match="black everywhere"):
        paint(painter(), STROKES, masks=[LEFT * 0])
