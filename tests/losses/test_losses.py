"""Every loss against its naive twin and finite differences, on both back ends."""

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import NamedTuple

import numpy as np
import pytest
import reference

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.gradient_check import numerical_gradient, relative_error
from minicnn.layers import Gram
from minicnn.losses import (
    L2,
    ChannelMean,
    ClassMargin,
    ClassScore,
    CrossEntropy,
    FeatureMatch,
    GramMatch,
    GuideMatch,
    LayerNorm2,
    Likeness,
    NeuronActivation,
    PNorm,
    TotalVariation,
    cross_entropy,
    one_hot,
    weighted_sum,
)

MAPS, SCORES = (2, 3, 4, 5), (2, 4)  # shapes of the activations of a layer

# ---- naive twins: one number at a time -------------------------------------------------------------------------------


def total_variation(x, beta):
    """The plain definition, equation 4 of Mahendran and Vedaldi; what leaves the picture counts as no change.

    CS231n's assignment leaves out the first row and column instead: another number, and another matter.
    """
    N, C, H, W = x.shape
    total = 0.0
    for n, c, i, j in reference.indices(N, C, H, W):
        down = x[n, c, i + 1, j] - x[n, c, i, j] if i + 1 < H else 0.0
        right = x[n, c, i, j + 1] - x[n, c, i, j] if j + 1 < W else 0.0
        total += math.hypot(down, right) ** beta
    return total


def sum_of_powers(x, p):
    return math.fsum(abs(value) ** p for value in x.ravel().tolist())


def squared_distance(a, b):
    return sum_of_powers(a - b, 2)


def class_margin(x, labels):
    return sum(x[n, label] - max(score for k, score in enumerate(x[n]) if k != label) for n, label in enumerate(labels))


def cross_entropies(x, labels):
    return sum(math.log(sum(math.exp(score) for score in x[n])) - x[n, label] for n, label in enumerate(labels))


def channel_mean(x, channel):
    N, C, H, W = x.shape
    return math.fsum(x[n, channel, i, j] / (H * W) for n, i, j in reference.indices(N, H, W))


def likeness(x):
    """Cosine of the two images' tables of channel products, once for each of the two, over their number."""
    N, C, H, W = x.shape
    tables = [[math.fsum(x[n, a, i, j] * x[n, b, i, j] for i, j in reference.indices(H, W)) for a in range(C)
               for b in range(C)] for n in range(N)]
    product = math.fsum(one * other for one, other in zip(*tables, strict=True))
    return 2 * product / math.prod(math.hypot(*table) for table in tables) / N


def best_products(x, guide):
    """objective_guide of the notebook: at each position, the largest dot product with a vector of the guide."""
    N, C, H, W = x.shape
    vectors = [guide[0, :, i, j] for i, j in reference.indices(*guide.shape[2:])]
    return math.fsum(max(math.fsum(x[n, c, i, j] * vector[c] for c in range(C)) for vector in vectors)
                     for n, i, j in reference.indices(N, H, W))


TARGET = 0.5 * np.random.default_rng(5).standard_normal(MAPS)
GUIDE = np.random.default_rng(7).standard_normal((1, 3, 2, 6))
GRAM_TARGET = np.random.default_rng(6).standard_normal((2, 3, 3))
MASK = np.random.default_rng(7).uniform(size=(4, 5))


class Case(NamedTuple):
    """make(xp) builds the loss; its value for an activation of `shape` is twin(activation)."""

    make: Callable
    shape: tuple
    twin: Callable


CASES = {
    "class score": Case(lambda xp: ClassScore("a", 2), SCORES, lambda x: x[0, 2] + x[1, 2]),
    "class score, a label an image": Case(lambda xp: ClassScore("a", [3, 0]), SCORES, lambda x: x[0, 3] + x[1, 0]),
    "class score, labels in an array": Case(lambda xp: ClassScore("a", np.array([1, 3])), SCORES,
                                            lambda x: x[0, 1] + x[1, 3]),
    "class margin": Case(lambda xp: ClassMargin("a", 2), SCORES, lambda x: class_margin(x, [2, 2])),
    "cross-entropy": Case(lambda xp: CrossEntropy("a", [3, 0]), SCORES, lambda x: cross_entropies(x, [3, 0])),
    "class margin, a label an image": Case(lambda xp: ClassMargin("a", [3, 0]), SCORES,
                                           lambda x: class_margin(x, [3, 0])),
    "channel mean": Case(lambda xp: ChannelMean("a", 1), MAPS, lambda x: channel_mean(x, 1)),
    "channel mean, one of each image": Case(lambda xp: ChannelMean("a", [2, 0]), MAPS,
                                            lambda x: float(x[0, 2].mean() + x[1, 0].mean())),
    "neuron, one of each image": Case(lambda xp: NeuronActivation("a", [2, 0], (3, 1)), MAPS,
                                      lambda x: x[0, 2, 3, 1] + x[1, 0, 3, 1]),
    "neuron": Case(lambda xp: NeuronActivation("a", 2, (3, 1)), MAPS, lambda x: x[0, 2, 3, 1] + x[1, 2, 3, 1]),
    "neuron without a position": Case(lambda xp: NeuronActivation("a", 3), SCORES, lambda x: x[0, 3] + x[1, 3]),
    "layer norm": Case(lambda xp: LayerNorm2("a"), MAPS, lambda x: sum_of_powers(x, 2) / 2),
    "likeness": Case(lambda xp: Likeness("a"), MAPS, likeness),
    "layer norm of a channel": Case(lambda xp: LayerNorm2("a", 1), MAPS, lambda x: sum_of_powers(x[:, 1], 2) / 2),
    "guide match": Case(lambda xp: GuideMatch("a", xp.asarray(GUIDE)), MAPS, lambda x: best_products(x, GUIDE)),
    "feature match": Case(lambda xp: FeatureMatch("a", xp.asarray(TARGET)), MAPS,
                          lambda x: squared_distance(x, TARGET)),
    "gram match": Case(lambda xp: GramMatch("a", xp.asarray(GRAM_TARGET)), MAPS,
                       lambda x: squared_distance(reference.gram(x, True), GRAM_TARGET)),
    "gram match, not normalised": Case(
        lambda xp: GramMatch("a", xp.asarray(GRAM_TARGET), Gram(normalize=False)), MAPS,
        lambda x: squared_distance(reference.gram(x, False), GRAM_TARGET)),
    "gram match, masked": Case(
        lambda xp: GramMatch("a", xp.asarray(GRAM_TARGET), mask=xp.asarray(MASK)), MAPS,
        lambda x: squared_distance(reference.gram(x * MASK, True), GRAM_TARGET)),
    "total variation": Case(lambda xp: TotalVariation(layer="a"), MAPS, lambda x: total_variation(x, 2)),
    "total variation, beta 1.5": Case(lambda xp: TotalVariation(1.5, "a"), MAPS, lambda x: total_variation(x, 1.5)),
    "total variation, beta 3": Case(lambda xp: TotalVariation(3, "a"), MAPS, lambda x: total_variation(x, 3)),
    "L2": Case(lambda xp: L2("a"), MAPS, lambda x: sum_of_powers(x, 2)),
    "6-norm": Case(lambda xp: PNorm(layer="a"), MAPS, lambda x: sum_of_powers(x, 6)),
    "3-norm": Case(lambda xp: PNorm(3, "a"), MAPS, lambda x: sum_of_powers(x, 3)),
}
each_loss = pytest.mark.parametrize("name", CASES)


def test_a_mask_of_ones_is_none_bit_for_bit(xp, rng):
    x, target = xp.asarray(rng.standard_normal(MAPS).astype("float32")), xp.asarray(GRAM_TARGET.astype("float32"))
    plain, masked = (GramMatch("a", target, mask=mask)({"a": x}) for mask in (None, xp.ones((4, 5), "float32")))
    assert masked[0] == plain[0] and to_host(masked[1]["a"]).tobytes() == to_host(plain[1]["a"]).tobytes()


# ---- each loss alone -------------------------------------------------------------------------------------------------

@each_loss
def test_value_equals_the_naive_twin(name, xp, rng):
    make, shape, twin = CASES[name]
    x = rng.standard_normal(shape)
    value, _ = make(xp)({"a": xp.asarray(x)})
    assert type(value) is float
    assert value == pytest.approx(twin(x), rel=1e-12)


@each_loss
def test_seed_equals_finite_differences(name, xp, rng):
    make, shape, _ = CASES[name]
    x, loss = xp.asarray(rng.standard_normal(shape)), make(xp)
    _, seeds = loss({"a": x, "b": 3 * x})
    assert list(seeds) == ["a"]
    assert relative_error(seeds["a"], numerical_gradient(lambda x: loss({"a": x})[0], x)) <= 1e-7


@each_loss
def test_float32_stays_float32(name, xp, rng):
    make, shape, twin = CASES[name]
    x = rng.standard_normal(shape).astype("float32")
    loss = make(xp)
    for name in ("target", "guide", "mask"):
        if getattr(loss, name, None) is not None:
            object.__setattr__(loss, name, getattr(loss, name).astype("float32"))
    value, seeds = loss({"a": xp.asarray(x)})
    assert seeds["a"].dtype == "float32"
    assert value == pytest.approx(twin(x.astype("float64")), rel=1e-5)


@each_loss
def test_arguments_are_not_written_into(name, xp, rng):
    make, shape, _ = CASES[name]
    loss, x = make(xp), xp.asarray(rng.standard_normal(shape))
    arrays = [x, *(value for value in vars(loss).values() if hasattr(value, "shape"))]
    before = [to_host(array).copy() for array in arrays]
    loss({"a": x})
    weighted_sum([(2.0, loss), (3.0, loss)], {"a": x})
    assert all(np.array_equal(to_host(array), old) for array, old in zip(arrays, before, strict=True))


def test_regularizers_look_at_the_input():
    assert [loss.layer for loss in (TotalVariation(), L2(), PNorm())] == ["input"] * 3
    assert (TotalVariation().beta, PNorm().p) == (2, 6)


def test_a_loss_is_frozen_and_shows_its_settings_but_no_array():
    loss = FeatureMatch("conv1", np.zeros((1, 1, 100, 100)))
    assert repr(loss) == "FeatureMatch(layer='conv1')"
    with pytest.raises(FrozenInstanceError):
        loss.layer = "conv2"


@pytest.mark.parametrize("beta", [1, 1.5, 2, 3])
def test_total_variation_of_a_flat_picture(beta, xp):
    value, seeds = TotalVariation(beta)({"input": xp.full((1, 2, 4, 3), 7.0)})
    assert value == 0
    assert not to_host(seeds["input"]).any()  # below beta = 2 the slope is infinite, and cut off


def test_total_variation_of_a_ramp(xp):
    # Each row is 0 3 6 9, each column rises by 4: 2x3 pixels see both, the last row 3, the last column 4.
    x = xp.asarray(np.array([[[[4 * i + 3 * j for j in range(4)] for i in range(3)]]], float))
    for beta in (1.5, 2, 3):
        assert TotalVariation(beta)({"input": x})[0] == pytest.approx(6 * 5**beta + 3 * 3**beta + 2 * 4**beta)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 1, 1, 5), (1, 2, 6, 1)])
def test_total_variation_of_one_row_or_column(shape, xp, rng):
    x, loss = rng.standard_normal(shape), TotalVariation(3)
    value, seeds = loss({"input": xp.asarray(x)})
    assert value == pytest.approx(total_variation(x, 3))
    assert seeds["input"].shape == shape
    expected = numerical_gradient(lambda x: total_variation(x, 3), x)
    assert np.abs(to_host(seeds["input"]) - expected).max() <= 1e-7


def test_gram_match_is_zero_with_zero_gradient_at_its_target(xp, rng):
    x = xp.asarray(rng.standard_normal(MAPS))
    value, seeds = GramMatch("a", Gram().forward(x)[0])({"a": x})
    assert value == 0
    assert not to_host(seeds["a"]).any()


# ---- labels ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("labels, rows", [
    (1, [1, 1]), (np.int64(2), [2, 2]), ([0, 2], [0, 2]), ((2, 0), [2, 0]), (np.array([1, 0]), [1, 0]),
    (np.array([2, 1], np.uint8), [2, 1]),
])
def test_one_hot(labels, rows, xp):
    scores = xp.asarray(np.full((2, 3), 7, np.float32))
    encoded = one_hot(scores, labels)
    assert type(encoded) is type(scores) and encoded.dtype == "float32"
    assert to_host(encoded).tolist() == np.eye(3)[rows].tolist()
    assert to_host(scores).tolist() == [[7.0] * 3] * 2


def test_the_best_rival_is_another_class_however_large_the_scores(xp):
    value, seeds = ClassMargin("out", 0)({"out": xp.asarray([[9e6, 1.0, 2e6]])})
    assert value == 7e6 and to_host(seeds["out"]).tolist() == [[1, 0, -1]]


@pytest.mark.parametrize("labels, message", [
    (3, "no class 3: the network has 3, numbered from 0"),
    (-1, "no class -1: the network has 3, numbered from 0"),
    ([0, 3], "no class 3: the network has 3, numbered from 0"),
    (np.array([-2, 0]), "no class -2: the network has 3, numbered from 0"),
    ([1], "1 labels for 2 images"), ([0, 1, 2], "3 labels for 2 images"), ([], "0 labels for 2 images"),
])
@pytest.mark.parametrize("use", [
    one_hot, cross_entropy, lambda scores, labels: ClassScore("fc", labels)({"fc": scores})])
def test_labels_that_do_not_fit(labels, message, use, xp):
    with pytest.raises(InputError) as refusal:
        use(xp.zeros((2, 3)), labels)
    assert str(refusal.value) == message


# ---- cross-entropy ---------------------------------------------------------------------------------------------------

def naive_cross_entropy(scores, labels):
    values = [math.log(math.fsum(math.exp(score - row[label]) for score in row))
              for row, label in zip(scores.tolist(), labels, strict=True)]
    return math.fsum(values) / len(values)


def test_cross_entropy(xp, rng):
    scores, labels = 3 * rng.standard_normal((4, 5)), [0, 4, 2, 2]
    on_device = xp.asarray(scores)
    value, gradient = cross_entropy(on_device, np.array(labels))
    assert type(value) is float
    assert value == pytest.approx(naive_cross_entropy(scores, labels), rel=1e-12)
    numerical = numerical_gradient(lambda scores: cross_entropy(scores, labels)[0], on_device)
    assert relative_error(gradient, numerical) <= 1e-7
    assert np.array_equal(to_host(on_device), scores)


def test_cross_entropy_of_huge_scores(xp):
    scores = xp.asarray(np.array([[1000, 0, -1000], [0, -5000, 5000]], np.float32))
    value, gradient = cross_entropy(scores, [0, 2])
    assert value == 0 and not to_host(gradient).any()
    value, gradient = cross_entropy(scores, [2, 0])
    assert value == (2000 + 5000) / 2
    assert to_host(gradient).tolist() == [[0.5, 0, -0.5], [-0.5, 0, 0.5]]
    assert gradient.dtype == "float32"


@pytest.mark.parametrize("loss", [ChannelMean("a", [1, 0, 2]), NeuronActivation("a", [1], (0, 0))], ids=str)
def test_another_number_of_channels_than_images(loss, xp):
    with pytest.raises(InputError, match=r"^\d channels for 2 images$"):
        loss({"a": xp.ones(MAPS)})


def test_one_hot_of_maps_is_refused(rng):
    with pytest.raises(InputError, match="of shape .2, 3, 4, 4. is not class scores"):
        one_hot(rng.standard_normal((2, 3, 4, 4)), 0)
