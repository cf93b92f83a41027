"""The edge: whatever users have becomes what the network takes, with the result of float32, or is refused in one line.

tests/test_junk.py throws wrong arguments at every public function. Here are the right ones in unusual forms.
"""

import types
import warnings

import numpy as np
import pytest
from junk import valid_calls
from PIL import Image
from small_networks import PLAIN, small_network

import minicnn
from minicnn import visualize
from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.layers import GlobalAvgPool2D
from minicnn.network import SlowNetworkWarning
from minicnn.visualize import AscentSettings, DreamSettings, StyleSettings
from minicnn.visualize.entry import enter, require_labels


@pytest.fixture
def net(rng):
    """Five scores, all of them above 0."""
    net = small_network(rng, positive=True)
    net.add("scores", GlobalAvgPool2D())
    return net


@pytest.fixture
def x(rng):
    """Whole numbers, which every type holds exactly."""
    return rng.integers(0, 100, (1, 3, 16, 16)).astype(np.float32)


class ArrayLike:
    """An object that NumPy can read, such as a table or a tensor of another library."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def every_second(x):
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]


FORMS = {
    "lists": lambda x: x.tolist(), "tuples": lambda x: tuple(map(tuple, x)), "float64": lambda x: x.astype("f8"),
    "float16": lambda x: x.astype("f2"), "int64": lambda x: x.astype("i8"), "uint8": lambda x: x.astype("u1"),
    "int8": lambda x: x.astype("i1"), "uint64": lambda x: x.astype("u8"), "big-endian": lambda x: x.astype(">f4"),
    "big-endian int16": lambda x: x.astype(">i2"), "longdouble": lambda x: x.astype("longdouble"),
    "objects": lambda x: x.astype(object), "Fortran order": np.asfortranarray, "read-only": read_only,
    "not contiguous": every_second, "memoryview": memoryview, "masked array": np.ma.masked_array,
    "array-like": ArrayLike, "one image (C, H, W)": lambda x: x[0], "(H, W, C)": lambda x: x[0].transpose(1, 2, 0),
    "(N, H, W, C)": lambda x: x.transpose(0, 2, 3, 1), "list of arrays": list}


@pytest.mark.parametrize("form", FORMS)
def test_images_in_every_form_are_the_same_images(form, net, x):
    given = FORMS[form](x)
    entered = enter(net, given)
    assert entered.dtype == np.float32 and (entered == x).all() and entered.shape == x.shape
    assert (visualize.saliency_map(net, given, 1) == visualize.saliency_map(net, x, 1)).all()


def best(net, x):
    return net.predict(x.astype("float32")).argmax()


FUNCTIONS = {
    "saliency_map": lambda net, x: visualize.saliency_map(net, x, 1),
    "gradient_times_input": lambda net, x: visualize.gradient_times_input(net, x, 1),
    "smooth_grad": lambda net, x: visualize.smooth_grad(net, x, 1, rng=0, samples=3),
    "integrated_gradients": lambda net, x: visualize.integrated_gradients(net, x, 1, steps=4),
    "integrated_gradients from x / 4": lambda net, x: visualize.integrated_gradients(
        net, x, 1, baseline=np.asarray(x) // 4, steps=4),
    "grad_cam": lambda net, x: visualize.grad_cam(net, x, 1),
    "guided_grad_cam": lambda net, x: visualize.guided_grad_cam(net, x, 1),
    "grad_cam_plus_plus": lambda net, x: visualize.grad_cam_plus_plus(net, x, 1),
    "layer_cam": lambda net, x: visualize.layer_cam(net, x, 1),
    "score_cam": lambda net, x: visualize.score_cam(net, x, 1, channels=3),
    "rise": lambda net, x: visualize.rise(net, x, 1, visualize.RiseSettings(3), rng=0),
    "relevance_map": lambda net, x: visualize.relevance_map(net, x, 1),
    "deeplift": lambda net, x: visualize.deeplift(net, x, 1),
    "guided_backprop": lambda net, x: visualize.guided_backprop(net, x, "relu3", 2),
    "deconvnet": lambda net, x: visualize.deconvnet(net, x, "relu3", 2),
    "occlusion_map": lambda net, x: visualize.occlusion_map(net, x, best(net, x), 4, 4, fill=-2.5),
    "class_probability": lambda net, x: visualize.class_probability(net, x, best(net, x)),
    "attribution_maps": lambda net, x: np.stack(list(visualize.attribution_maps(
        net, x, 1, rng=0, layer="relu3", samples=2, steps=2, masks=2).values())),
    "feature_maps": lambda net, x: visualize.feature_maps(net, x, "relu3"),
    "image_features": lambda net, x: visualize.image_features(net, x, "relu3"),
    "top_patches": lambda net, x: visualize.top_patches(net, [x], "relu3", 1).values,
    "guided_patch": lambda net, x: visualize.guided_patch(net, x, "relu1", 1, (3, 3),
                                                          visualize.receptive_field(net, "relu1")),
    "find_facets": lambda net, x: visualize.find_facets(net, x, 1, rng=0, layer="relu3").starts,
    "deep_dream": lambda net, x: visualize.deep_dream(net, x, PLAIN, DreamSettings(2, num_steps=1), rng=0,
                                                      layer="relu1")[0],
    "synthesize_texture": lambda net, x: visualize.synthesize_texture(
        net, x, minicnn.visualize.texture.gram.TextureSettings(["relu1"], num_steps=2), rng=0)[0],
    "denoise_tv": lambda net, x: visualize.denoise_tv(x, 0.5).astype("f4"),
    "facet_visualization": lambda net, x: visualize.facet_visualization(
        net, 1, x, PLAIN, rng=0, stages=(minicnn.visualize.synthesis.multifaceted.Stage(1, 1.0, 1.0, 0.4, 0.4),))[0],
    "feature_error": lambda net, x: np.array(visualize.feature_error(net, "relu3", x, np.ones((1, 5, 6, 6)))),
    "upsample_maps": lambda net, x: visualize.upsample_maps(np.asarray(x)[0], 20, 20),
    "rank_correlations": lambda net, x: visualize.rank_correlations(np.asarray(x)[0])}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float64", ">i2"])
def test_the_type_of_the_images_does_not_change_the_result(name, dtype, net, x):
    expected, found = FUNCTIONS[name](net, x), FUNCTIONS[name](net, x.astype(dtype))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(expected).max() > 0
    assert found.dtype == expected.dtype or name == "upsample_maps"  # of whole numbers, float64


def test_a_float64_network_keeps_float64(net, rng):
    x = rng.standard_normal((1, 3, 16, 16))
    exact = net.astype("float64")
    assert enter(exact, x).dtype == np.float64 and (enter(exact, x) == x).all()
    assert visualize.saliency_map(exact, x, 1).dtype == np.float64
    assert enter(exact, x.astype("float32")).dtype == np.float64 and enter(net, x).dtype == np.float32


def test_tensors_of_pytorch(net, x):
    torch = pytest.importorskip("torch")
    expected = visualize.saliency_map(net, x, 1)
    tensor = torch.from_numpy(x)
    for given in (tensor, tensor.clone().requires_grad_(), tensor.to(torch.bfloat16), tensor.double(), tensor.byte(),
                  [tensor[0]], tensor.permute(0, 2, 3, 1)):
        assert (visualize.saliency_map(net, given, torch.tensor(1)) == expected).all()
    for label in (torch.tensor([1]), torch.tensor(1.0), [torch.tensor(1)], torch.tensor(1, dtype=torch.uint8)):
        assert (visualize.saliency_map(net, x, label) == expected).all()
    with pytest.raises(InputError, match="label is Tensor"):
        visualize.saliency_map(net, x, torch.tensor(1.5))
    with pytest.raises(InputError, match=r"give the real part, x\.real"):
        visualize.saliency_map(net, tensor.to(torch.complex64), 1)
    photo = torch.from_numpy((x[0].transpose(1, 2, 0)).astype("u1"))
    assert (PLAIN.to_input(photo) == PLAIN.to_input(photo.numpy())).all()
    settings = StyleSettings(["relu2a"], ["relu1"], size=16, num_steps=1)
    painted = visualize.transfer_style(net, photo, photo, PLAIN, settings, rng=0).picture
    assert (painted == visualize.transfer_style(net, photo.numpy(), [photo.numpy()], PLAIN, settings, rng=0)[0]).all()


@pytest.mark.parametrize("label", [
    1, 1.0, np.int64(1), np.uint8(1), np.float32(1), np.array(1), np.array(1.0), np.array([1]), [1], (1,), range(1, 2),
    np.array([1], "u1"), np.array([1.0]), [np.array(1)], [np.int8(1)], np.array([1], object)], ids=repr)
def test_labels_in_every_form(label, net, x):
    assert require_labels(net, label, 1) == [1] and type(require_labels(net, label, 1)[0]) is int
    expected = visualize.saliency_map(net, x, 1)
    assert (visualize.saliency_map(net, x, label) == expected).all()
    quick = AscentSettings(num_steps=1, start_noise=1.0)
    shape = visualize.class_visualization(net, label, PLAIN, quick, rng=0)[0].shape
    assert shape == (1, 3, 16, 16)


@pytest.mark.parametrize("position", [(3, 2), [3, 2], np.array([3, 2]), (np.int8(3), np.array(2)), (3.0, 2.0),
                                      np.argwhere(np.arange(36).reshape(6, 6) == 20)[0]], ids=repr)
@pytest.mark.parametrize("channel", [2, 2.0, np.uint8(2), np.array(2)], ids=repr)
def test_neurons_in_every_form(position, channel, net, x):
    expected = visualize.guided_backprop(net, x, "relu3", 2, (3, 2))
    assert (visualize.guided_backprop(net, x, "relu3", channel, position) == expected).all()
    quick = AscentSettings(num_steps=1, start_noise=1.0)
    image, _ = visualize.neuron_visualization(net, "relu3", channel, PLAIN, quick, rng=0, position=position, size=16)
    assert (image == visualize.neuron_visualization(net, "relu3", 2, PLAIN, quick, rng=0, position=(3, 2),
                                                    size=16)[0]).all()


@pytest.mark.parametrize("seed", [3, np.int64(3), np.array(3), np.random.SeedSequence(3), np.random.default_rng(3),
                                  np.random.PCG64(3)], ids=lambda seed: type(seed).__name__)
def test_a_seed_is_a_generator(seed, net, x):
    expected = visualize.smooth_grad(net, x, 1, rng=np.random.default_rng(3), samples=2)
    assert (visualize.smooth_grad(net, x, 1, rng=seed, samples=2) == expected).all()


def test_pictures_in_every_form(net, rng):
    photo = rng.integers(0, 256, (16, 20, 3), np.uint8)
    settings = StyleSettings(["relu2a"], ["relu1"], size=16, num_steps=1)
    expected = visualize.transfer_style(net, photo, [photo], PLAIN, settings, rng=0).picture
    for content, styles in ((photo.tolist(), photo), (photo.astype("f4"), photo[None]), (Image.fromarray(photo),
                            Image.fromarray(photo)), (photo.astype(">i8"), [Image.fromarray(photo)]),
                            (photo, (photo.astype("f2"),)), (photo, photo.tolist())):
        assert (visualize.transfer_style(net, content, styles, PLAIN, settings, rng=0).picture == expected).all()
    for given in (photo.tolist(), photo.astype("i8"), photo.astype("f8"), Image.fromarray(photo)):
        assert (PLAIN.to_input(given) == PLAIN.to_input(photo)).all()
    texture = visualize.efros_leung(photo, 6, window=3, rng=0).image
    assert (visualize.efros_leung(Image.fromarray(photo), (6.0, 6), window=3.0, rng=0).image == texture).all()


def test_pictures_from_0_to_1_are_refused(rng):
    photo = rng.integers(0, 256, (16, 20, 3)) / 255
    with pytest.raises(InputError, match="from 0 to 1; expected 0 to 255: give 255"):
        PLAIN.to_input(photo)
    with pytest.raises(InputError, match="convert values from 0 to 1 by"):
        visualize.efros_leung(photo, 6, window=3, rng=0)
    assert PLAIN.to_input(np.ones((2, 2, 3))).shape == (1, 3, 2, 2)  # almost black


def test_pictures_outside_0_to_255_are_refused():
    for levels, message in ((np.full((2, 2, 3), 40000, "u2"), "40000"), (np.full((2, 2, 3), -1), "-1 to -1")):
        with pytest.raises(InputError, match=f"{message}.*expected 0 to 255"):
            PLAIN.to_input(levels)


def test_images_in_every_form_become_pictures(rng):
    photo = rng.integers(0, 256, (4, 5, 3), np.uint8)
    x = PLAIN.to_input(photo)
    for given in (x, x[0], x.tolist(), x.astype("f8"), x.astype(object)):
        assert (PLAIN.to_image(given) == photo).all()
    for wrong in (x[0, 0], np.concatenate([x, x]), "x", x[:, :2], None):
        with pytest.raises(InputError):
            PLAIN.to_image(wrong)


def test_a_raw_picture_is_no_input_of_a_network(net, rng):
    photo = rng.integers(0, 256, (16, 20, 3), np.uint8)
    for picture in (photo, photo[None], Image.fromarray(photo), photo.tolist(), photo[..., 0]):
        with pytest.raises(InputError, match="to_input"):
            visualize.saliency_map(net, picture, 1)


def test_an_image_of_one_channel_may_lack_its_axis(rng):
    net = minicnn.load_model("digits", "cpu").net
    x = rng.standard_normal((1, 1, 28, 28)).astype(np.float32)
    expected = visualize.saliency_map(net, x, 1)
    for given in (x[0, 0], x[0], x[0, 0][..., None], x.tolist()):
        assert (visualize.saliency_map(net, given, 1) == expected).all()


def test_the_device_is_the_networks(strict_cupy, net, x):
    expected = visualize.saliency_map(net, x, 1)
    net = net.to_device("gpu")
    on_gpu, record = strict_cupy.asarray(x), strict_cupy.record
    for given, uploads in ((x, 1), (x.tolist(), 1), (on_gpu, 0), (on_gpu.astype("float64"), 0), (on_gpu[0], 0)):
        record.reset()
        np.testing.assert_allclose(visualize.saliency_map(net, given, np.array(1)), expected, rtol=1e-6)
        assert record.transfers_to_device == uploads and record.transfers_to_host == 1
    assert (visualize.saliency_map(net, x, strict_cupy.asarray([1])) == visualize.saliency_map(net, x, 1)).all()
    assert enter(net.to_device("cpu"), on_gpu).dtype == np.float32 and to_host(on_gpu) is not on_gpu


def arrays_in(result):
    """All arrays and floats of a result."""
    if isinstance(result, (np.ndarray, float)):
        yield np.asarray(result)
    elif isinstance(result, dict):
        yield from arrays_in(list(result.values()))
    elif isinstance(result, (list, tuple, types.GeneratorType)):
        for part in result:
            yield from arrays_in(part)


def test_a_picture_of_one_colour_passes_every_public_function(tmp_path, monkeypatch):
    """No exception, no warning, no NaN."""
    monkeypatch.chdir(tmp_path)
    for name, (function, arguments) in valid_calls(tmp_path, flat=True).items():
        # The network's score of a flat picture is 0, and no ascent can start there. Its vectors are 0, too.
        if name in ("facet_visualization", "activation_atlas"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", SlowNetworkWarning)
            for values in arrays_in(function(**arguments)):
                assert values.dtype.kind != "f" or not np.isnan(values).any(), name


def test_attribution_of_a_flat_photo(rng):
    model = minicnn.load_model("shapes", "cpu")
    x = model.preprocessing.to_input(np.full((64, 64, 3), 128, np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maps = visualize.attribution_maps(model.net.fast(), x, 0, rng=rng, samples=2, steps=4, stride=32, window=32,
                                          masks=8)
        table = visualize.rank_correlations([*maps.values(), np.zeros((1, 64, 64))])
        curves = visualize.deletion_insertion(model.net.fast(), x, 0, maps, rng, steps=4, orders=1)
        mask = visualize.saliency_segment(np.full((64, 64, 3), 128, np.uint8), maps["saliency"][0])
    assert np.isfinite(table).all() and (table[-1] == 0).all() and mask.shape == (64, 64)
    assert all(np.isfinite(curve).all() for part in curves for curve in part.values())


@pytest.mark.parametrize("colour", [(128, 128, 128), (0, 0, 0), (255, 255, 255), (200, 30, 90)])
@pytest.mark.parametrize("side", [40, 96])
def test_fast_style_paints_a_flat_picture_as_float64_does(colour, side):
    """Rounding errors of a constant channel, divided by its standard deviation, were strokes: 145 levels of 255."""
    model = minicnn.load_model("styles", device="cpu")
    picture = np.full((side, side + 12, 3), colour, np.uint8)
    exact = visualize.stylize(model.net.astype("float64"), picture, model.preprocessing).astype(int)
    for net in (model.net, model.net.fast()):
        for tile in (None, 32):
            painted = visualize.stylize(net, picture, model.preprocessing, tile=tile)
            assert np.abs(painted - exact).max() <= 1


def test_a_weak_texture_is_not_flat():
    """One level of difference in one of 100 pixels is far above rounding."""
    net = minicnn.load_model("styles", device="cpu").net
    x = np.full((1, 3, 40, 40), 128, np.float32)
    x[0, 0, ::10, ::10] += 1
    layer, source = net.layer("in1"), next(node.inputs[0] for node in net.nodes if node.name == "in1")
    features = net.predict(x, source)
    x_hat = layer.forward(features)[1][0]
    assert (abs(x_hat).max(axis=(0, 2, 3)) > 0.1).all()
