"""Scores, activations and gradients of every network against the same network in PyTorch, and against pins.

Relative error of activations: max |a - b| / max |b|. Of gradients: norm of the difference / norm, so that in
float32 the few pixels where rounding tips a ReLU or a pool the other way count as few.
"""

from typing import NamedTuple

import numpy as np
import pytest
import torch_oracle as oracle
from real_weights import read_squeezenet1_1, read_weights
from torch_oracle import F, nn, torch

from minicnn import models
from minicnn.images import load_image, resize_short_side
from minicnn.layers import (
    Add,
    AvgPool2D,
    BatchNorm2D,
    Concat,
    ConditionalInstanceNorm2D,
    Conv2D,
    DeconvReLU,
    Dropout,
    GlobalAvgPool2D,
    Gram,
    GuidedReLU,
    InstanceNorm2D,
    Linear,
    MaxPool2D,
    Pad2D,
    ReLU,
    Upsample2D,
)
from minicnn.models.preprocessing import CAFFE_SQUEEZENET, CAFFE_VGG, TORCHVISION
from minicnn.network import Network

RULES = {"plain": ReLU, "guided": GuidedReLU, "deconvnet": DeconvReLU}


class Precision(NamedTuple):
    """A type, which network computes it, and the tolerances of activations and gradients.

    winograd : None for the plain network, else the setting of the fast one. F(4, 3) rounds more than F(2, 3), and so
    changes the sign of more ReLUs' inputs and the winner of more pools' windows.
    """

    dtype: str
    winograd: int | str | None
    activations: float
    gradients: float


PRECISION = {
    "float64": Precision("float64", None, 1e-12, 1e-9),
    "float64, fast": Precision("float64", 4, 1e-12, 1e-9),
    "float32": Precision("float32", None, 1e-5, 1e-2),
    "float32, fast": Precision("float32", "off", 1e-5, 1e-2),
    "float32, F2": Precision("float32", 2, 1e-5, 1e-2),
    "float32, F4": Precision("float32", 4, 1e-4, 5e-2),
}
PRECISIONS = pytest.mark.parametrize("precision", PRECISION.values(), ids=PRECISION)


def computed_by(net, precision):
    """The network of this type, plain or fast."""
    net = net.astype(precision.dtype)
    return net if precision.winograd is None else net.fast(precision.winograd)


def max_error(ours, theirs):
    assert ours.shape == theirs.shape
    return float(abs(ours - theirs).max() / abs(theirs).max())


def norm_error(ours, theirs):
    assert ours.shape == theirs.shape
    if not theirs.any():
        return float(abs(ours).max())
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def check_activations(net, module, names, trace, precision):
    """Every activation but that of padding layers, which the oracle does not have as such."""
    x = trace.activations["input"]
    with torch.no_grad():
        tensors = oracle.activations(module, names, torch.from_numpy(x))
    expected = {name: tensor.numpy() for name, tensor in tensors.items()}
    assert [name for name in net.layer_names() if name not in expected and not name.startswith("pad")] == []
    for name, value in expected.items():
        assert trace.activations[name].dtype == value.dtype == x.dtype
        assert max_error(trace.activations[name], value) < precision.activations, name


def check_gradients(net, module, names, trace, precision, groups, wrt, rules=tuple(RULES)):
    """For each group of seeds, and with each of the ReLU rules, the gradients at the layers in `wrt`."""
    x = trace.activations["input"]
    for rule in rules:
        theirs = oracle.gradients(module, names, x, groups, wrt, rule)
        for seeds, expected in zip(groups, theirs, strict=True):
            ours = net.with_relu(RULES[rule]()).backward(trace, seeds, wrt)
            for name in wrt:
                assert ours[name].dtype == x.dtype
                assert norm_error(ours[name], expected[name]) < precision.gradients, (rule, list(seeds), name)
                assert expected[name].any() or rule == "deconvnet"  # which stops where all of it is negative


def class_scores(scores, labels):
    """The seed that picks one class score of each image."""
    seed = np.zeros_like(scores)
    seed[range(len(seed)), labels] = 1
    return seed


def random_seeds(trace, layers, rng):
    """Random gradients at several layers at once, each of norm 1."""
    seeds = {}
    for name in layers:
        out = trace.activations[name]
        seed = rng.standard_normal(out.shape)
        seeds[name] = (seed / np.linalg.norm(seed)).astype(out.dtype)
    return seeds


# ---- every architecture, with random weights ---------------------------------------------------------------


class Case(NamedTuple):
    """A network, its oracle, an input, layers to seed at once and layers whose gradients to read."""

    net: object
    module: object
    names: dict
    shape: tuple
    seeded: tuple
    wrt: tuple
    scale: float = 1.0  # of the input: pixels in 0..255 make Caffe's normalization matter


def vgg_trunk(build, widths, names, seeded, pooling="max", padding="zero"):
    pool = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}[pooling]
    padding_mode = {"zero": "zeros", "reflect": "reflect"}[padding]
    return Case(lambda: build(seed=None, pooling=pooling, padding=padding).trunk("pool5"),
                lambda: oracle.vgg_features(widths, pool=pool, padding_mode=padding_mode),
                names, (1, 3, 64, 32), seeded, ("input", "relu2_1", "pool4"))


def squeezenet(build, version, names, pool_ceil, conv10_pad=0):
    return Case(lambda: build(seed=None, pool_ceil=pool_ceil, conv10_pad=conv10_pad),
                lambda: oracle.SqueezeNet(version, ceil_mode=pool_ceil, conv10_pad=conv10_pad), names,
                (2, 3, 97, 81),
                ("relu_conv1", "fire3/relu_expand3x3", "fire5/squeeze1x1", "fire9/concat", "pool10"),
                ("input", "pool1", "fire4/relu_squeeze1x1", "fire8/concat"))


VGG16 = models.vgg16, oracle.VGG_D, oracle.VGG16_TRUNK, ("relu2_2", "conv3_3", "relu4_3", "pool5")
VGG19 = models.vgg19, oracle.VGG_E, oracle.VGG19_TRUNK, ("relu2_1", "conv4_2", "relu5_1", "pool5")
SQUEEZENET1_0 = models.squeezenet1_0, "1_0", oracle.SQUEEZENET1_0_NAMES
SQUEEZENET1_1 = models.squeezenet1_1, "1_1", oracle.SQUEEZENET1_1_NAMES
CASES = {
    "vgg16": vgg_trunk(*VGG16),
    "vgg16 avg": vgg_trunk(*VGG16, pooling="avg"),
    "vgg16 reflect": vgg_trunk(*VGG16, padding="reflect"),
    "vgg19": vgg_trunk(*VGG19),
    "vgg19 avg reflect": vgg_trunk(*VGG19, pooling="avg", padding="reflect"),
    "squeezenet1_0 ceil": squeezenet(*SQUEEZENET1_0, pool_ceil=True),
    "squeezenet1_0 floor": squeezenet(*SQUEEZENET1_0, pool_ceil=False),
    "squeezenet1_0 ceil, pad 1": squeezenet(*SQUEEZENET1_0, pool_ceil=True, conv10_pad=1),
    "squeezenet1_0 floor, pad 1": squeezenet(*SQUEEZENET1_0, pool_ceil=False, conv10_pad=1),
    "squeezenet1_1 ceil": squeezenet(*SQUEEZENET1_1, pool_ceil=True),
    "squeezenet1_1 floor": squeezenet(*SQUEEZENET1_1, pool_ceil=False),
    "alexnet": Case(lambda: models.alexnet(seed=None, num_classes=20), lambda: oracle.AlexNet(20),
                    oracle.ALEXNET_NAMES, (1, 3, 224, 224), ("conv2", "relu3", "pool5", "relu6", "fc8"),
                    ("input", "pool2", "fc6")),
    "caffenet": Case(lambda: models.caffenet(seed=None, num_classes=20), lambda: oracle.caffenet(20),
                     oracle.CAFFENET_NAMES, (1, 3, 227, 227),
                     ("norm1", "conv2", "relu4", "pool5", "relu7", "fc8"), ("input", "norm2", "fc6"), 60.0),
    "resnet18": Case(lambda: models.resnet18(seed=None), oracle.ResNet18, oracle.RESNET18_NAMES,
                     (2, 3, 97, 75), ("bn1", "res3a", "relu4a", "bn5b_branch2b", "fc1000"),
                     ("input", "pool1", "relu2a", "relu4b")),
    "digits": Case(lambda: models.digits(seed=None), oracle.digits, oracle.DIGITS_NAMES, (2, 1, 28, 28),
                   ("relu2", "conv3", "fc5"), ("input", "pool1", "drop4")),
    "shapes": Case(lambda: models.shapes(seed=None), oracle.shapes, oracle.SHAPES_NAMES, (2, 3, 64, 80),
                   ("relu2", "conv4", "fc6"), ("input", "pool1", "pool3")),
    "photos": Case(lambda: models.photos(seed=None, num_classes=7), lambda: oracle.Photos(7), oracle.PHOTOS_NAMES,
                   (2, 3, 97, 75), ("relu_conv1", "fire3/expand3x3", "fire6/concat", "pool9"),
                   ("input", "pool1", "fire4/relu_squeeze1x1", "fire7/concat")),
    # of sizes that are no multiples of 4, too, as PyTorch takes them: the picture grows to one
    "transform_network": Case(lambda: models.transform_network(None, (6, 8, 12), 2),
                              lambda: oracle.TransformerNet((6, 8, 12), 2), oracle.transform_names(2), (2, 3, 37, 44),
                              ("in1", "res1", "relu4", "deconv3"), ("input", "in3", "res1/relu1", "up2")),
}


@PRECISIONS
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_random_weights(case, precision):
    rng = np.random.default_rng(14)  # a seed with no ReLU or pool so undecided that float32 tips it
    net = computed_by(oracle.he_weights(case.net(), rng), precision)
    module = oracle.with_parameters_of(net, case.module, case.names)
    trace = net.forward((oracle.smooth_image(rng, case.shape) * case.scale).astype(precision.dtype))
    check_activations(net, module, case.names, trace, precision)

    scores = trace.activations[net.output]
    if scores.ndim == 2:
        top = {net.output: class_scores(scores, scores.argmax(axis=1))}
    else:
        top = random_seeds(trace, [net.output], rng)  # a trunk
    several = random_seeds(trace, case.seeded, rng)
    check_gradients(net, module, case.names, trace, precision, [top, several], case.wrt)


def test_the_cases_tell_pool_rounding_and_conv10_pad_apart():
    sizes = {name: case.net().shapes(case.shape[1:]) for name, case in CASES.items() if "squeezenet" in name}
    for version, pools in (("1_0", ("pool1", "pool4", "pool8")), ("1_1", ("pool1", "pool3", "pool5"))):
        ceil, floor = sizes[f"squeezenet{version} ceil"], sizes[f"squeezenet{version} floor"]
        assert all(ceil[pool] != floor[pool] for pool in pools)
    _, _, H, W = sizes["squeezenet1_0 ceil"]["conv10"]
    assert sizes["squeezenet1_0 ceil, pad 1"]["conv10"] == (1, 1000, H + 2, W + 2)


@pytest.mark.parametrize("precision", [PRECISION["float32, F2"], PRECISION["float32, F4"]], ids=["F2", "F4"])
def test_whole_vgg16(precision):
    """At full size, float32: scores, the guided image gradient; then every rule in the classifier alone."""
    rng = np.random.default_rng(10)
    net = computed_by(oracle.he_weights(models.vgg16(seed=None), rng), precision)
    names = oracle.VGG16_TRUNK | oracle.VGG_CLASSIFIER
    module = oracle.with_parameters_of(net, lambda: oracle.VGG(oracle.VGG_D), names)
    trace = net.forward(oracle.smooth_image(rng, (1, 3, 224, 224)).astype("float32"))
    check_activations(net, module, names, trace, precision)
    one_score = {"fc8": class_scores(trace.activations["fc8"], [281])}
    check_gradients(net, module, names, trace, precision, [one_score], ("input",), ["guided"])

    head = Network((512, 7, 7))
    for node in net.nodes[net.positions["flatten"]:]:
        head.add(node.name, node.layer)
    module = oracle.with_parameters_of(head, oracle.vgg_classifier, oracle.VGG_CLASSIFIER)
    trace = head.forward(trace.activations["pool5"])
    several = random_seeds(trace, ("fc6", "relu7", "fc8"), rng)
    check_gradients(head, module, oracle.VGG_CLASSIFIER, trace, precision, [one_score, several], ("input", "relu6"))


@pytest.mark.parametrize("size", [(7, 8), (8, 9), (9, 12)])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("kernel_size, stride, pad",
                         [(2, 2, 0), (2, 1, 0), (2, 3, 1), (3, 2, 0), (3, 2, 1), (3, 3, 1)])
def test_pools_with_ties(kernel_size, stride, pad, ceil, size):
    """Small whole numbers, so that most windows have several maxima, and all sums are exact."""
    rng = np.random.default_rng(9)
    x = rng.integers(-1, 2, (2, 3, *size)).astype("float64")
    for layer, pool in ((MaxPool2D, F.max_pool2d), (AvgPool2D, F.avg_pool2d)):
        out, cache = layer(kernel_size, stride, pad, ceil).forward(x)
        tensor = torch.from_numpy(x).requires_grad_(True)
        expected = pool(tensor, kernel_size, stride, pad, ceil_mode=ceil)
        np.testing.assert_allclose(out, expected.detach().numpy(), rtol=1e-14)
        dout = rng.integers(-9, 10, out.shape).astype("float64")
        expected.backward(torch.from_numpy(dout))
        dx = layer(kernel_size, stride, pad, ceil).backward(dout, cache)
        np.testing.assert_allclose(dx, tensor.grad.numpy(), rtol=1e-14, atol=1e-14)


# ---- trained weights ---------------------------------------------------------------------------------------


class Trained(NamedTuple):
    """A trained network in both libraries, and 25 photos as it wants them."""

    net: object
    build_module: object
    names: dict
    x: np.ndarray
    labels: np.ndarray
    best: tuple    # of the first photo, a panda: the three best classes,
    logits: tuple  # their scores
    sum: float     # and the sum of all scores, measured once with an independent implementation


def read_photos(test_data):
    with np.load(test_data / "photos" / "imagenet_25.npz") as photos:
        return photos["X"], photos["y"]


@pytest.fixture(params=["squeezenet1_0", "squeezenet1_1"])
def trained(request, test_data):
    images, labels = read_photos(test_data)
    if request.param == "squeezenet1_0":
        names = oracle.SQUEEZENET1_0_NAMES
        net = read_weights(test_data / "weights" / "squeezenet1_0_caffe.npz",
                           models.squeezenet1_0(seed=None, conv10_pad=1),
                           {name: name for name in names.values()})
        return Trained(net, lambda: oracle.SqueezeNet("1_0", conv10_pad=1), names,
                       CAFFE_SQUEEZENET.to_input(images), labels,
                       (388, 222, 251), (37.2544, 18.2982, 17.9155), 4981.825)
    return Trained(read_squeezenet1_1(test_data), lambda: oracle.SqueezeNet("1_1"),
                   oracle.SQUEEZENET1_1_NAMES, TORCHVISION.to_input(images), labels,
                   (388, 279, 384), (46.2923, 29.1878, 28.8394), 11215.317)


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "fast"])
def test_pins(trained, fast):
    net = trained.net.fast() if fast else trained.net
    scores = net.predict(trained.x)
    np.testing.assert_array_equal(scores.argmax(axis=1), trained.labels)
    assert tuple(np.argsort(-scores[0])[:3]) == trained.best
    np.testing.assert_allclose(scores[0, list(trained.best)], trained.logits, rtol=0, atol=3e-4)
    assert scores[0].sum(dtype="float64") == pytest.approx(trained.sum, abs=1e-2)


@PRECISIONS
def test_trained_squeezenet(trained, precision):
    photos = [4, 11]  # with no ReLU or pool so undecided that float32 tips it
    net = computed_by(trained.net, precision)
    module = oracle.with_parameters_of(net, trained.build_module, trained.names)
    trace = net.forward(trained.x[photos].astype(precision.dtype))
    check_activations(net, module, trained.names, trace, precision)
    one_score = {"pool10": class_scores(trace.activations["pool10"], trained.labels[photos])}
    several = random_seeds(trace, ("relu_conv1", "fire4/expand1x1", "fire6/concat", "conv10"),
                           np.random.default_rng(1))
    check_gradients(net, module, trained.names, trace, precision, [one_score, several], ("input", "fire5/concat"))


@PRECISIONS
def test_the_shipped_photos(test_data, precision):
    """The weights that come with the library, on the centres of two photos that the network has not seen."""
    model = models.load_model("photos", "cpu")
    net = computed_by(model.net, precision)
    module = oracle.with_parameters_of(net, lambda: oracle.Photos(len(model.labels)), oracle.PHOTOS_NAMES)
    images, _ = read_photos(test_data)
    x = model.preprocessing.to_input(images[[4, 11], 48:176, 48:176])
    trace = net.forward(x.astype(precision.dtype))
    check_activations(net, module, oracle.PHOTOS_NAMES, trace, precision)
    scores = trace.activations["pool9"]
    one_score = {"pool9": class_scores(scores, scores.argmax(axis=1))}
    several = random_seeds(trace, ("relu_conv1", "fire3/expand3x3", "fire6/concat", "pool9"), np.random.default_rng(1))
    check_gradients(net, module, oracle.PHOTOS_NAMES, trace, precision, [one_score, several],
                    ("input", "fire5/concat"))


def test_the_plain_image_gradient_on_photos_errs_little_more_than_pytorchs(trained, summary_line):
    """The error of float32 against float64, of ours and of PyTorch's: at most 5 times as large, or 1e-2."""
    exact, module = trained.net.astype("float64"), {}
    for dtype, net in (("float64", exact), ("float32", trained.net)):
        module[dtype] = oracle.with_parameters_of(net, trained.build_module, trained.names)
    ours, theirs = [], []
    for x, label in zip(trained.x[:, None], trained.labels, strict=True):
        seed = np.zeros((1, 1000), "float32")
        seed[0, label] = 1
        expected = exact.backward(exact.forward(x.astype("float64")), {"pool10": seed.astype("float64")})["input"]
        in_float64 = oracle.gradients(module["float64"], trained.names, x.astype("float64"),
                                      {"pool10": seed.astype("float64")})["input"]
        assert norm_error(expected, in_float64) < 1e-9
        ours.append(norm_error(trained.net.backward(trained.net.forward(x), {"pool10": seed})["input"], expected))
        theirs.append(norm_error(oracle.gradients(module["float32"], trained.names, x, {"pool10": seed})["input"],
                                 expected))
    summary_line(f"image gradient of {len(ours)} photos, float32 against float64: largest error {max(ours):.1e}, "
                 f"PyTorch's {max(theirs):.1e}")
    assert all(one <= max(5 * other, 1e-2) for one, other in zip(ours, theirs, strict=True))


@PRECISIONS
@pytest.mark.parametrize("network", ["vgg16", "vgg19"])
def test_trained_vgg_trunk(test_data, network, precision):
    """Caffe's VGG-16 to relu2_2; the VGG-19 with mirrored borders and channels of mean 1 to relu3_1."""
    if network == "vgg16":
        path = test_data / "weights" / "vgg16_conv1_1-conv2_2_caffe_bgr.npz"
        net = models.vgg16(seed=None).trunk("relu2_2")
        widths, end, padding_mode, names = oracle.VGG_D, 9, "zeros", oracle.VGG16_TRUNK
    else:
        path = test_data / "weights" / "vgg19_normalised_conv1_1-conv3_1.npz"
        net = models.vgg19(seed=None, padding="reflect").trunk("relu3_1")
        widths, end, padding_mode, names = oracle.VGG_E, 12, "reflect", oracle.VGG19_TRUNK
    net = read_weights(path, net, {name: name for name in net.layer_names()})
    net = computed_by(net, precision)
    names = {path: name for path, name in names.items() if name in net.layer_names()}
    module = oracle.with_parameters_of(
        net, lambda: oracle.vgg_features(widths, end, padding_mode=padding_mode), names)
    images, _ = read_photos(test_data)
    trace = net.forward(CAFFE_VGG.to_input(images[::12, 60:108, 40:120]).astype(precision.dtype))
    check_activations(net, module, names, trace, precision)
    groups = [random_seeds(trace, layers, np.random.default_rng(2))
              for layers in ([net.output], ["relu1_1", "conv1_2", "pool1", "conv2_1"])]
    check_gradients(net, module, names, trace, precision, groups, ("input", "relu1_1"))


def test_caffe_preprocessing_is_what_the_vgg19_file_says(test_data):
    """That file brings its preprocessing along, as a 1x1 convolution on RGB in 0..1."""
    images, _ = read_photos(test_data)
    with np.load(test_data / "weights" / "vgg19_normalised_conv1_1-conv3_1.npz") as file:
        weight, bias = torch.from_numpy(file["preproc.weight"]), torch.from_numpy(file["preproc.bias"])
    expected = F.conv2d(torch.from_numpy(images[::8].transpose(0, 3, 1, 2) / np.float32(255)), weight, bias)
    np.testing.assert_allclose(CAFFE_VGG.to_input(images[::8]), expected.numpy(), rtol=0, atol=1e-4)


# ---- the style-transfer check values of CS231n's third assignment ------------------------------------------

STYLE_LAYERS = {"1": 300000, "4": 1000, "6": 15, "7": 3}  # by its numbers of the modules, with their weights


def relative(ours, theirs):
    """CS231n's rel_error."""
    return float((abs(ours - theirs) / np.maximum(1e-8, abs(ours) + abs(theirs))).max())


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "fast"])
@pytest.mark.parametrize("framework, pool_ceil", [("", True), ("-tf", False)])
def test_cs231n_style_transfer_checks(test_data, framework, pool_ceil, fast):
    """`framework`: the PyTorch notebook's pools round up, the TensorFlow notebook's down."""
    with np.load(test_data / "cs231n" / f"style-transfer-checks{framework}.npz") as file:
        answers = {key: np.squeeze(file[key]) for key in file.files}
    content, style = (
        TORCHVISION.to_input(resize_short_side(load_image(test_data / "cs231n" / f"{name}.jpg"), 192))
        for name in ("tubingen", "starry_night"))
    assert content.shape == (1, 3, 192, 256) and style.shape == (1, 3, 192, 242)

    def features(x, pool_ceil):
        net = read_squeezenet1_1(test_data, pool_ceil)
        net = net.fast() if fast else net
        activations = net.forward(x, upto=net.find("7")).activations
        return {str(module): activations[net.find(str(module))] for module in range(8)}

    def gram(x):
        return Gram().forward(x)[0][0].astype("float64")

    of_content, of_style = features(content, pool_ceil), features(style, pool_ceil)
    of_black = features(np.zeros_like(content), pool_ceil)["3"]
    content_loss = 6e-2 * ((of_content["3"] - of_black) ** 2).sum(dtype="float64")
    assert relative(content_loss, answers["cl_out"]) < 1e-3

    assert relative(gram(of_style["5"]), answers["gm_out"]) < 3e-3  # rounding of the weights to float16
    assert norm_error(gram(of_style["5"]), answers["gm_out"]) < 1e-3
    assert relative(gram(features(style, not pool_ceil)["5"]), answers["gm_out"]) > 0.3  # the other rounding

    style_loss = sum(weight * ((gram(of_content[module]) - gram(of_style[module])) ** 2).sum()
                     for module, weight in STYLE_LAYERS.items())
    assert relative(style_loss, answers["sl_out"]) < 1e-3

    x = content.astype("float64")  # the answer leaves out the first row and column
    total_variation = 2e-2 * (((x[..., 1:, 1:] - x[..., 1:, :-1]) ** 2).sum()
                              + ((x[..., 1:, 1:] - x[..., :-1, 1:]) ** 2).sum())
    assert relative(total_variation, answers["tv_out"]) < 1e-5


# ---- one step of training ----------------------------------------------------------------------------------


def cross_entropy_gradient(scores, labels):
    """Of the mean of -log softmax(scores)[label]: (softmax - one-hot) / N."""
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return (probabilities - class_scores(scores, labels)) / len(labels)


def step(net, x, labels):
    """(trace, gradients of the mean cross-entropy to all parameters and to x) of one step in training."""
    trace = net.forward_train(x, np.random.default_rng(4))
    seeds = {net.output: cross_entropy_gradient(trace.activations[net.output], labels)}
    grads = net.backward(trace, seeds, ("input", *net.parameter_layers()))
    return trace, net.backward_params(trace, grads), grads["input"]


class Mask(nn.Module):
    """Dropout whose dice have fallen."""

    def __init__(self, mask):
        super().__init__()
        self.mask = torch.from_numpy(mask)

    def forward(self, x):
        return x * self.mask


def check_mask(mask, rate):
    assert set(np.unique(mask)) == {0, 1 / (1 - rate)}
    assert abs((mask == 0).mean() - rate) < 4 * (rate * (1 - rate) / mask.size) ** 0.5


def test_training_step_of_digits():
    rng = np.random.default_rng(3)
    net = oracle.he_weights(models.digits(seed=None), rng).astype("float64")
    x, labels = oracle.smooth_image(rng, (6, 1, 28, 28)), rng.integers(10, size=6)
    trace, grads, dx = step(net, x, labels)
    mask = trace.caches["drop4"]
    check_mask(mask, 0.3)

    module = oracle.with_parameters_of(net, lambda: oracle.digits(Mask(mask)), oracle.DIGITS_NAMES)
    module.requires_grad_(True)
    tensor = torch.from_numpy(x).requires_grad_(True)
    F.cross_entropy(module(tensor), torch.from_numpy(labels)).backward()
    assert norm_error(dx, tensor.grad.numpy()) < 1e-9
    assert list(grads) == ["conv1", "conv2", "conv3", "fc4", "fc5"]
    for name, gradients in grads.items():
        for key, gradient in gradients.items():
            expected = module.get_parameter(f"{name}.{oracle.PARTS[key]}").grad.numpy()
            assert norm_error(gradient, expected) < 1e-9, (name, key)


def every_layer(rng):
    """A small network in which all the layers that can be trained, or that training goes through, occur."""
    net = Network((3, 18, 14))
    net.add("pad1", Pad2D(1, "reflect"))
    net.add("conv1", Conv2D(3, 8, 3, stride=2, bias=False))
    net.add("bn1", BatchNorm2D(8))
    left = net.add("relu1", ReLU())
    net.add("conv2", Conv2D(8, 8, 3, pad=1, groups=2, bias=False))
    right = net.add("bn2", BatchNorm2D(8))
    net.add("sum2", Add(), left, right)
    net.add("relu2", ReLU())
    net.add("norm3", InstanceNorm2D(8))
    up = net.add("up3", Upsample2D(2))
    left = net.add("conv4", Conv2D(8, 6, 1), up)
    right = net.add("conv5", Conv2D(8, 4, 3, pad=1), up)
    net.add("concat6", Concat(), left, right)
    net.add("relu6", ReLU())
    net.add("norm6", ConditionalInstanceNorm2D(10, 3).with_style(np.array([0.5, 0.2, 0.3])))
    net.add("drop6", Dropout(0.25))
    net.add("pool6", AvgPool2D(3, stride=2, pad=1, ceil=True))
    net.add("pool7", GlobalAvgPool2D())
    net.add("fc7", Linear(10, 5))
    return oracle.he_weights(net, rng)


def every_layer_in_torch(x, p, mask):
    """The same in PyTorch; `p`: {"conv1/w": tensor, …}."""
    def batch_norm(x, name):
        return F.batch_norm(x, p[f"{name}/mean"], p[f"{name}/var"], p[f"{name}/gamma"], p[f"{name}/beta"],
                            training=True, momentum=0.1, eps=1e-5)

    x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), p["conv1/w"], stride=2)
    x = F.relu(batch_norm(x, "bn1"))
    x = F.relu(x + batch_norm(F.conv2d(x, p["conv2/w"], padding=1, groups=2), "bn2"))
    x = F.interpolate(F.instance_norm(x, weight=p["norm3/gamma"], bias=p["norm3/beta"]), scale_factor=2)
    left, right = F.conv2d(x, p["conv4/w"], p["conv4/b"]), F.conv2d(x, p["conv5/w"], p["conv5/b"], padding=1)
    style = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    x = F.instance_norm(F.relu(torch.cat([left, right], dim=1)),
                        weight=style @ p["norm6/gamma"], bias=style @ p["norm6/beta"])
    x = F.avg_pool2d(x * mask, kernel_size=3, stride=2, padding=1, ceil_mode=True)
    return F.linear(x.mean(dim=(2, 3)), p["fc7/w"], p["fc7/b"])


def test_training_step_through_every_layer():
    rng = np.random.default_rng(5)
    net = every_layer(rng).astype("float64")
    x, labels = oracle.smooth_image(rng, (4, 3, 18, 14)), rng.integers(5, size=4)
    tensors = {f"{name}/{key}": torch.tensor(array, requires_grad=key in layer.params)
               for name, layer in net.parameter_layers().items()
               for key, array in {**layer.params, **layer.buffers}.items()}
    trace, grads, dx = step(net, x, labels)
    mask = trace.caches["drop6"]
    check_mask(mask, 0.25)

    tensor = torch.from_numpy(x).requires_grad_(True)
    scores = every_layer_in_torch(tensor, tensors, torch.from_numpy(mask))
    F.cross_entropy(scores, torch.from_numpy(labels)).backward()
    assert max_error(trace.activations["fc7"], scores.detach().numpy()) < 1e-12
    assert norm_error(dx, tensor.grad.numpy()) < 1e-9
    ours = {f"{name}/{key}": gradient
            for name, gradients in grads.items() for key, gradient in gradients.items()}
    assert set(ours) == {key for key, value in tensors.items() if value.requires_grad}
    for key, gradient in ours.items():
        assert norm_error(gradient, tensors[key].grad.numpy()) < 1e-9, key
    for name in ("bn1", "bn2"):  # what a step leaves in the running averages
        for key, average in net.layer(name).buffers.items():
            assert max_error(average, tensors[f"{name}/{key}"].numpy()) < 1e-12, (name, key)
