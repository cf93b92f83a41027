"""Every layer against its naive twin and finite differences, on NumPy and on the strict CuPy stand-in."""

from itertools import product

import numpy as np
import pytest
import reference
from layer_cases import CASES, COMPUTED_BY, assert_close, build, outputs, placed, randomized, spread

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.gradient_check import check_layer
from minicnn.layers import (
    Add,
    AvgPool2D,
    BatchNorm2D,
    Concat,
    ConditionalInstanceNorm2D,
    Conv2D,
    DeconvReLU,
    Dropout,
    EpsilonRelevance,
    Flatten,
    Gram,
    GuidedReLU,
    InstanceNorm2D,
    Layer,
    Linear,
    LocalResponseNorm,
    MaxPool2D,
    Pad2D,
    PassReLU,
    ReLU,
    Softmax,
    Upsample2D,
)

each_layer = pytest.mark.parametrize("name", CASES)
both = pytest.mark.parametrize("by", COMPUTED_BY)


class InTraining(Layer):
    """`layer` as in training, for check_layer: every pass draws the same random numbers."""

    def __init__(self, layer, seed=7):
        self.layer, self.params, self.seed = layer, layer.params, seed

    def forward(self, x):
        return self.layer.forward_train(x, rng=np.random.default_rng(self.seed))

    def backward(self, dout, cache):
        return self.layer.backward(dout, cache)

    def backward_params(self, dout, cache):
        return self.layer.backward_params(dout, cache)


# ---- all layers alike --------------------------------------------------------------------------------------

@each_layer
@both
def test_output_equals_the_naive_twin(name, by, xp, rng):
    layer, xs = build(name, rng)
    out, _ = placed(layer, xp, by=by).forward(*map(xp.asarray, xs))
    assert_close(out, CASES[name].twin(layer, *xs))


@each_layer
@both
def test_gradients_equal_finite_differences(name, by, xp, rng):
    layer, xs = build(name, rng)
    errors = check_layer(placed(layer, xp, by=by), *map(xp.asarray, xs), rng=rng)
    assert set(errors) == {f"x{i}" for i in range(len(xs))} | set(layer.params)
    assert max(errors.values()) <= 1e-7, errors


@each_layer
def test_output_shape_is_the_shape_of_the_output(name, rng):
    layer, xs = build(name, rng)
    assert layer.output_shape(*[x.shape for x in xs]) == layer.forward(*xs)[0].shape


@each_layer
@both
def test_nothing_is_written_into_an_argument(name, by, xp, rng):
    layer, xs = build(name, rng)
    layer, xs = placed(layer, xp, by=by), [xp.asarray(x) for x in xs]
    out, cache = layer.forward(*xs)
    dout = xp.asarray(rng.standard_normal(out.shape))
    arguments = [*xs, dout, out, *layer.params.values(), *layer.buffers.values()]
    before = [to_host(array).copy() for array in arguments]
    if xp is np:
        for array in arguments:
            array.flags.writeable = False
        out, cache = layer.forward(*xs)
    first = {key: to_host(array).copy() for key, array in outputs(layer, xs, dout).items()}
    layer.backward(dout, cache)
    layer.backward_params(dout, cache)
    for array, old in zip(arguments, before, strict=True):
        assert np.array_equal(to_host(array), old)
    for key, array in outputs(layer, xs, dout).items():  # nor does a pass change the next one
        assert np.array_equal(to_host(array), first[key]), key


@each_layer
@both
def test_float32_stays_float32_and_agrees_with_float64(name, by, xp, rng):
    # PaddlePaddle/Paddle#4283, chainer/chainer#3046. Finite differences in float32 prove nothing.
    layer, xs = build(name, rng)
    dout = rng.standard_normal(layer.output_shape(*[x.shape for x in xs]))
    expected = outputs(layer, xs, dout)
    results = outputs(placed(layer, xp, "float32", by=by), [xp.asarray(x.astype("float32")) for x in xs],
                      xp.asarray(dout.astype("float32")))
    for key, array in results.items():
        assert array.dtype == np.float32, key
        assert_close(array, expected[key], 2e-5)


def channels_last(xp, x):
    """`x` with the memory of its last axis outermost but one: (N, H, W, C) for four axes."""
    order = (0, *range(2, x.ndim), 1)
    return xp.asarray(x).transpose(order).copy().transpose(np.argsort(order).tolist())


def every_other(xp, x):
    """`x` as every other element of a larger array."""
    larger = xp.full([2 * side for side in x.shape], xp.nan, x.dtype)
    view = larger[tuple([slice(1, None, 2)] * x.ndim)]
    view[...] = xp.asarray(x)
    return view


def mirrored(xp, x):
    """`x` as an array of negative strides."""
    backwards = tuple([slice(None, None, -1)] * x.ndim)
    return xp.asarray(x)[backwards].copy()[backwards]


@each_layer
@both
@pytest.mark.parametrize("layout", [channels_last, every_other, mirrored])
def test_memory_layout_does_not_matter(name, by, layout, xp, rng):
    layer, xs = build(name, rng)
    dout = rng.standard_normal(layer.output_shape(*[x.shape for x in xs]))
    expected = outputs(layer, xs, dout)
    results = outputs(placed(layer, xp, by=by), [layout(xp, x) for x in xs], layout(xp, dout))
    for key, array in results.items():
        assert_close(array, expected[key])


@each_layer
def test_nothing_crosses_between_host_and_device_during_a_pass(name, strict_cupy, rng):
    layer, xs = build(name, rng)
    layer, xs = placed(layer, strict_cupy), [strict_cupy.asarray(x) for x in xs]
    out, _ = layer.forward(*xs)
    dout = strict_cupy.ones(out.shape)
    record = strict_cupy.record
    record.reset()
    outputs(layer, xs, dout)
    assert (record.transfers_to_host, record.transfers_to_device, record.synchronisations) == (0, 0, 0)


def test_every_layer_is_in_the_table():
    import minicnn.layers
    kinds = {getattr(minicnn.layers, name) for name in minicnn.layers.__all__}
    assert {type(case.make()) for case in CASES.values()} == {
        kind for kind in kinds - {Layer, GuidedReLU, DeconvReLU, PassReLU} if not kind.__name__.startswith("Rescale")
        and not issubclass(kind, EpsilonRelevance)}  # the others' backward passes are no gradients


# ---- bugs of other convolution codes, each by its name -----------------------------------------------------

WINDOWED = {"conv": lambda **options: Conv2D(1, 1, 3, rng=np.random.default_rng(1), **options),
            "max pool": lambda **options: MaxPool2D(3, **options),
            "average pool": lambda **options: AvgPool2D(3, **options)}
each_windowed = pytest.mark.parametrize("windowed", WINDOWED)


@each_windowed
def test_stride_that_does_not_divide_the_image(windowed, xp):
    # PKUFlyingPig/CMU10-714#6. Windows begin at rows 0, 2 of 6 and columns 0, 2, 4 of 8: none sees the last.
    layer = placed(WINDOWED[windowed](stride=2), xp)
    x = xp.asarray(np.arange(48.0).reshape(1, 1, 6, 8))
    out, cache = layer.forward(x)
    assert out.shape == (1, 1, 2, 3)
    dx = to_host(layer.backward(xp.asarray(np.ones(out.shape)), cache))
    assert dx.shape == (1, 1, 6, 8)
    assert (dx[0, 0, 5] == 0).all() and (dx[0, 0, :, 7] == 0).all()
    assert dx[0, 0, 4].any() and dx[0, 0, :, 6].any()


def test_height_and_width_are_not_swapped(xp):
    # renmengye/np-conv2d#2. On x[row, column] = 10 row + column, a difference shows along which side it is.
    image = np.add.outer(10.0 * np.arange(3), np.arange(5.0)).reshape(1, 1, 3, 5)
    x = xp.asarray(image)
    for kernel, step in ((np.array([[-1.0, 1]]), 1), (np.array([[-1.0], [1]]), 10)):
        layer = Conv2D(1, 1, 1, bias=False)
        layer.params["w"] = xp.asarray(kernel[None, None])
        out, cache = layer.forward(x)
        assert out.shape == (1, 1, 3, 4) if step == 1 else out.shape == (1, 1, 2, 5)
        assert (to_host(out) == step).all()
        assert layer.backward(out, cache).shape == x.shape
    # the windows of rows 0-1 and columns 0-1, 2-3: the maxima lie in row 1, columns 1 and 3
    assert to_host(MaxPool2D(2).forward(x)[0]).tolist() == [[[[11, 13]]]]
    assert to_host(AvgPool2D(2).forward(x)[0]).tolist() == [[[[5.5, 7.5]]]]
    assert to_host(Upsample2D().forward(x)[0])[0, 0, 2].tolist() == [10, 10, 11, 11, 12, 12, 13, 13, 14, 14]
    assert to_host(Pad2D(1, "reflect").forward(x)[0])[0, 0, 0].tolist() == [11, 10, 11, 12, 13, 14, 13]
    assert to_host(Flatten().forward(x)[0]).tolist() == [image.ravel().tolist()]


def test_patches_are_read_in_the_order_of_the_weights(xp, rng):
    # ravin-d-27/PyDeepFlow#85, im2col order. A filter that is 1 at (c, i, j) only returns c, shifted.
    x = rng.standard_normal((2, 3, 5, 6))
    layer = Conv2D(3, 27, 3, bias=False)
    layer.params["w"] = xp.asarray(np.eye(27).reshape(27, 3, 3, 3))
    out = to_host(layer.forward(xp.asarray(x))[0])
    for f, (c, i, j) in enumerate(np.ndindex(3, 3, 3)):
        assert np.array_equal(out[:, f], x[:, c, i:i + 3, j:j + 4])


def test_convolution_does_not_flip_the_kernel(xp):
    layer = Conv2D(1, 1, 3, pad=1, bias=False)
    layer.params["w"] = xp.asarray(np.arange(1.0, 10).reshape(1, 1, 3, 3))
    impulse = np.zeros((1, 1, 3, 3))
    impulse[0, 0, 1, 1] = 1
    assert to_host(layer.forward(xp.asarray(impulse))[0]).ravel().tolist() == [9, 8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("ceil", [False, True])
def test_pool_padding_never_wins(ceil, xp, rng):
    # FluxML/NNlib.jl#133: of negative numbers, a padding of zeros would be the maximum.
    x = -1 - rng.random((2, 2, 5, 6))
    layer = MaxPool2D(3, stride=2, pad=1, ceil=ceil)
    out, cache = layer.forward(xp.asarray(x))
    assert (to_host(out) <= -1).all()
    dout = rng.standard_normal(out.shape)
    assert_close(to_host(layer.backward(xp.asarray(dout), cache)).sum(axis=(2, 3)), dout.sum(axis=(2, 3)))
    assert to_host(layer.forward(xp.asarray(np.full((1, 1, 3, 3), -np.inf)))[0]).max() == -np.inf


@pytest.mark.parametrize("name", [name for name in CASES if not name.endswith("each its own")])
def test_no_images_at_all(name, rng):
    layer, xs = build(name, rng)
    none = [x[:0] for x in xs]
    found = outputs(layer, none, lambda out: out)
    assert found["out"].shape == layer.output_shape(*[x.shape for x in none])
    assert [found[f"dx{i}"].shape for i in range(len(xs))] == [x.shape for x in none]


@pytest.mark.parametrize("layer", [Conv2D(1, 2, 3, pad=0), MaxPool2D(2, pad=0), AvgPool2D(2, pad=0), Pad2D(0),
                                   Pad2D(0, "reflect")], ids=repr)
def test_padding_0(layer, xp):
    # redwoodresearch/mlab#11: to cut a padding of 0 off by x[0:-0] leaves nothing.
    layer = placed(layer, xp)
    x = xp.asarray(np.arange(20.0).reshape(1, 1, 4, 5))
    out, cache = layer.forward(x)
    dx = layer.backward(xp.asarray(np.ones(out.shape)), cache)
    assert dx.shape == x.shape
    if isinstance(layer, Pad2D):
        assert_close(out, x)
        assert_close(dx, np.ones(x.shape))


@pytest.mark.parametrize("rule", [ReLU, GuidedReLU, DeconvReLU])
def test_gradient_at_the_kink_of_a_relu(rule, xp):
    # HomericIntelligence/Odyssey#2077. The slope at 0 itself is 0, as elsewhere; deconvnet only asks dout.
    layer = rule()
    out, cache = layer.forward(xp.asarray(np.array([[0.0, -0.0, 1e-300, -1e-300]])))
    assert to_host(out).tolist() == [[0, 0, 1e-300, 0]]
    expected = [2, 2, 2, 2] if rule is DeconvReLU else [0, 0, 2, 0]
    assert to_host(layer.backward(xp.asarray(np.array([[2.0, 2, 2, 2]])), cache)).tolist() == [expected]


@pytest.mark.parametrize("kind", [MaxPool2D, AvgPool2D])
@pytest.mark.parametrize("size, kernel_size, stride, pad, floor, ceil", [
    (13, 3, 2, 0, 6, 6), (56, 3, 2, 0, 27, 28), (109, 3, 2, 0, 54, 54), (112, 3, 2, 0, 55, 56),
    (112, 3, 2, 1, 56, 57), (4, 2, 3, 1, 2, 2), (5, 2, 3, 1, 2, 2), (2, 1, 3, 0, 1, 1), (3, 2, 2, 1, 2, 2),
])
def test_caffe_ceil_pooling_last_window_starts_inside(kind, size, kernel_size, stride, pad, floor, ceil):
    # torch/nn#116, xxradon/PytorchToCaffe#4. Rounding up adds a window that hangs over, never one outside.
    for rounds_up, expected in ((False, floor), (True, ceil)):
        layer = kind(kernel_size, stride=stride, pad=pad, ceil=rounds_up)
        x = np.arange(float(size * size)).reshape(1, 1, size, size)
        out, _ = layer.forward(x)
        assert out.shape == layer.output_shape(x.shape) == (1, 1, expected, expected)
        assert np.isfinite(out).all()


@pytest.mark.parametrize("kind, naive", [
    (MaxPool2D, reference.max_pool2d), (AvgPool2D, reference.avg_pool2d)])
def test_pools_of_every_small_size(kind, naive, rng):
    for size, kernel_size, stride, ceil in product(range(1, 5), range(1, 7), range(1, 4), (False, True)):
        for pad in range(kernel_size // 2 + 1):
            x = rng.standard_normal((1, 1, size, size))
            layer = kind(kernel_size, stride, pad, ceil)
            if size + 2 * pad < kernel_size and (not ceil or kernel_size - size - 2 * pad >= stride):
                with pytest.raises(InputError, match="too small"):
                    layer.forward(x)
            else:
                out, cache = layer.forward(x)
                assert_close(out, naive(x, kernel_size, stride, pad, ceil))
                if kind is MaxPool2D or not pad:  # no part of the gradient is lost in the padding
                    assert layer.backward(np.ones(out.shape), cache).sum() == pytest.approx(out.size)


def test_caffe_ceil_pooling_by_hand(xp):
    x = xp.asarray(np.arange(16.0).reshape(1, 1, 4, 4))
    maximum, _ = MaxPool2D(3, stride=2, ceil=True).forward(x)
    assert to_host(maximum).tolist() == [[[[10, 11], [14, 15]]]]
    mean, _ = AvgPool2D(3, stride=2, ceil=True).forward(x)  # of 9, 6, 6 and 4 pixels
    assert to_host(mean).tolist() == [[[[5, 6.5], [11, 12.5]]]]
    mean, _ = AvgPool2D(2, stride=2, pad=1).forward(x)  # the zeros of the padding count
    assert to_host(mean).tolist() == [[[[0, 0.75, 0.75], [3, 7.5, 4.5], [3, 6.75, 3.75]]]]


def test_arrays_of_numpy_and_cupy_are_never_mixed(strict_cupy, rng):
    # oreilly-japan/deep-learning-from-scratch-2#4 #7. Weights left on the host fail, they do not move.
    for name in ("conv", "linear", "batch norm", "instance norm"):
        layer, xs = build(name, rng)
        with pytest.raises(TypeError):
            layer.forward(*map(strict_cupy.asarray, xs))
        with pytest.raises(TypeError):
            placed(layer, strict_cupy).forward(*xs)


@pytest.mark.parametrize("settings", [(3, 2, 1, False), (2, 1, 0, False), (3, 2, 0, True), (3, 1, 1, True)])
def test_ties_in_overlapping_windows_against_the_loops(settings, xp, rng):
    x = rng.integers(0, 3, (2, 1, 4, 6)).astype(float)
    layer = MaxPool2D(*settings)
    out, cache = layer.forward(xp.asarray(x))
    dout = rng.standard_normal(out.shape)
    assert_close(layer.backward(xp.asarray(dout), cache), reference.max_pool2d_backward(dout, x, *settings))


def test_ties_give_the_gradient_once_to_the_first(xp):
    x = xp.asarray(np.zeros((1, 1, 3, 5)))
    _, cache = MaxPool2D(2, stride=1).forward(x)
    dx = MaxPool2D(2, stride=1).backward(xp.asarray(np.ones((1, 1, 2, 4))), cache)
    assert to_host(dx).tolist() == [[[[1, 1, 1, 1, 0], [1, 1, 1, 1, 0], [0, 0, 0, 0, 0]]]]
    x = xp.asarray(np.array([[[[0.0, 7], [7, 7]]]]))
    _, cache = MaxPool2D(2).forward(x)
    assert to_host(MaxPool2D(2).backward(xp.asarray(np.full((1, 1, 1, 1), 3.0)), cache)).tolist() == [
        [[[0, 3], [0, 0]]]]


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(("conv,", "linear"))])
def test_multiply_adds_are_those_of_the_loops(name, rng):
    layer, (x,) = build(name, rng)
    if isinstance(layer, Linear):
        count = reference.linear_multiply_adds(x.shape, layer.params["w"].shape)
    else:
        count = reference.conv2d_multiply_adds(x.shape, layer.params["w"].shape, layer.stride, layer.pad)
    assert layer.multiply_adds(x.shape, layer.output_shape(x.shape)) == count


def test_multiply_adds_of_gram_and_of_the_rest():
    assert Gram().multiply_adds((2, 3, 4, 5), (2, 3, 3)) == 2 * 3 * 3 * 20
    assert ReLU().multiply_adds((2, 3, 4, 5), (2, 3, 4, 5)) == 0


# ---- the three ways back through a ReLU --------------------------------------------------------------------

@pytest.mark.parametrize("rule, naive, by_hand", [
    (ReLU, reference.relu_backward, [3, 0, -5, 0]),
    (GuidedReLU, reference.guided_relu_backward, [3, 0, 0, 0]),
    (DeconvReLU, reference.deconv_relu_backward, [3, 4, 0, 0]),
])
def test_three_rules_of_the_relu(rule, naive, by_hand, xp, rng):
    _, cache = rule().forward(xp.asarray(np.array([[1.0, -1, 2, -2]])))
    assert to_host(rule().backward(xp.asarray(np.array([[3.0, 4, -5, -6]])), cache)).tolist() == [by_hand]
    x, dout = rng.standard_normal((2, 2, 3, 4, 5))
    out, cache = rule().forward(xp.asarray(x))
    assert_close(out, reference.relu(x))
    assert_close(rule().backward(xp.asarray(dout), cache), naive(dout, x))


# ---- training ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", CASES)
def test_only_dropout_and_batch_norm_differ_in_training(name, rng):
    layer, xs = build(name, rng)
    out, _ = layer.forward(*xs)
    differs = not np.array_equal(layer.forward_train(*xs, rng=rng)[0], out)
    assert differs == isinstance(layer, (Dropout, BatchNorm2D))


def test_dropout_in_training_equals_the_naive_twin(xp, rng):
    x = rng.standard_normal((3, 4, 2, 5))
    kept = np.random.default_rng(7).random(x.shape) >= 0.3
    out, cache = Dropout(0.3).forward_train(xp.asarray(x), rng=np.random.default_rng(7))
    assert_close(out, reference.dropout(x, kept, 0.3))
    assert_close(Dropout(0.3).backward(xp.asarray(x), cache), reference.dropout(x, kept, 0.3))


def test_dropout_draws_anew_and_keeps_the_mean():
    x = np.ones((100, 1000), np.float32)
    rng = np.random.default_rng(0)
    first, _ = Dropout(0.2).forward_train(x, rng=rng)
    second, _ = Dropout(0.2).forward_train(x, rng=rng)
    assert not np.array_equal(first, second)
    assert set(np.unique(first).tolist()) == {0, 1.25}
    # the share that stays is binomial: 0.8, with a standard deviation of sqrt(0.8 * 0.2 / 100,000) = 0.00126
    assert abs((first > 0).mean() - 0.8) < 4 * 0.00126
    assert abs(first.mean() - 1) < 4 * 0.00126 * 1.25


@pytest.mark.parametrize("make, shape", [
    (lambda: Dropout(0.4), (2, 3, 2, 4)), (lambda: Dropout(0), (2, 5)),
    (lambda: BatchNorm2D(3), (2, 3, 2, 4)), (lambda: BatchNorm2D(2), (4, 2, 1, 1)),
    (lambda: BatchNorm2D(1, eps=0.5), (1, 1, 3, 2)),
])
def test_gradients_in_training_equal_finite_differences(make, shape, xp, rng):
    layer = placed(randomized(make(), rng), xp)
    errors = check_layer(InTraining(layer), xp.asarray(spread(shape, rng)), rng=rng)
    assert set(errors) == {"x0"} | set(layer.params)
    assert max(errors.values()) <= 1e-7, errors


def test_batch_norm_in_training_follows_pytorchs_rule(xp, rng):
    settings = {"eps": 0.01, "momentum": 0.3}
    layer = randomized(BatchNorm2D(3, **settings), rng)
    x = 2 + 3 * rng.standard_normal((2, 3, 2, 4))
    mean, var = layer.buffers["mean"], layer.buffers["var"]
    on_device = placed(layer, xp)
    for _ in range(2):
        expected, mean, var = reference.batch_norm2d_train(x, **layer.params, mean=mean, var=var, **settings)
        out, _ = on_device.forward_train(xp.asarray(x), rng=rng)
        assert_close(out, expected)
    assert_close(on_device.buffers["mean"], mean)
    assert_close(on_device.buffers["var"], var)


@pytest.mark.parametrize("layer", [Dropout(), BatchNorm2D(3)], ids=repr)
def test_training_in_float32_stays_there_and_writes_into_nothing(layer, xp, rng):
    layer = placed(layer, xp, "float32")
    host = rng.standard_normal((2, 3, 2, 4)).astype("float32")
    x, buffers = xp.asarray(host.copy()), list(layer.buffers.values())
    out, cache = layer.forward_train(x, rng=rng)
    dx = layer.backward(out, cache)
    for array in (out, dx, *layer.backward_params(out, cache).values(), *layer.buffers.values()):
        assert array.dtype == np.float32
    assert np.array_equal(to_host(x), host)
    assert [to_host(array).tolist() for array in buffers] == ([[0, 0, 0], [1, 1, 1]] if buffers else [])


def test_conditional_instance_norm_takes_a_style_of_either_type_and_place(xp, rng):
    layer = placed(randomized(ConditionalInstanceNorm2D(2, 3), rng), xp, "float32")
    x = xp.asarray(rng.standard_normal((1, 2, 3, 3)).astype("float32"))
    mixture = np.array([0.25, 0.25, 0.5])
    styled = layer.with_style(mixture)
    assert styled.params is layer.params
    out, _ = styled.forward(x)
    assert out.dtype == np.float32
    assert_close(out, layer.with_style(xp.asarray(mixture[None].astype("float32"))).forward(x)[0], 1e-6)
    plain = InstanceNorm2D(2)
    plain.params = {key: array[0] for key, array in layer.params.items()}
    assert_close(layer.forward(x)[0], plain.forward(x)[0], 1e-6)  # the first style, unless told


@pytest.mark.parametrize("layer", [InstanceNorm2D(4), BatchNorm2D(4)], ids=repr)
def test_the_pixels_of_a_large_picture_are_summed_up_to_rounding(layer, rng):
    x, dout = (rng.standard_normal((1, 500, 600, 4), np.float32).transpose(0, 3, 1, 2) + shift for shift in (5, 1))
    (out, cache), (exact, exact_cache) = (layer.forward_train(each, rng=None) for each in (x, x.astype(float)))
    assert_close(out, exact, 2e-6)
    gradients, exact_gradients = (layer.backward_params(*each) for each in (
        (dout, cache), (dout.astype(float), exact_cache)))
    assert_close(gradients["beta"], exact_gradients["beta"], 2e-6)
    assert_close(layer.backward(dout, cache), layer.backward(dout.astype(float), exact_cache), 5e-6)


def test_the_gradient_at_the_kink_of_a_large_relu_is_0_too(xp, rng):
    x = np.round(rng.standard_normal((2, 5, 40, 50)))
    dx = ReLU().backward(xp.asarray(np.ones_like(x)), ReLU().forward(xp.asarray(x))[1])
    assert np.array_equal(to_host(dx), x > 0)


def test_softmax_of_large_scores_does_not_overflow(xp):
    out, _ = Softmax().forward(xp.asarray(np.array([[1e4, 0, -1e4], [1e4, 1e4, 0], [-1e4, -2e4, -1e4]])))
    assert to_host(out).tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5]]


# ---- wrong use ---------------------------------------------------------------------------------------------

def image(*shape):
    return np.zeros(shape)


WRONG = {
    "conv, channels": (lambda: Conv2D(3, 4, 3).forward(image(1, 2, 5, 5)), r"3 input.*\(1, 2, 5, 5\)"),
    "conv, one channel": (lambda: Conv2D(3, 4, 3).forward(image(1, 1, 5, 5)), "3 input channels"),
    "conv, channels of groups": (lambda: Conv2D(4, 4, 3, groups=2).forward(image(1, 2, 5, 5)), "4 input ch"),
    "conv, too low": (lambda: Conv2D(3, 4, 5, pad=1).forward(image(1, 3, 2, 9)), "2x9 is too small.*pad 1"),
    "conv, too narrow": (lambda: Conv2D(3, 4, 5).forward(image(1, 3, 9, 4)), "9x4 is too small"),
    "conv, groups of inputs": (lambda: Conv2D(3, 4, 3, groups=2), "groups=2 must divide in_channels=3"),
    "conv, groups of outputs": (lambda: Conv2D(4, 3, 3, groups=2), "groups=2 must divide.*out_channels=3"),
    "linear, features": (lambda: Linear(8, 2).forward(image(2, 7)), r"8 features.*\(2, 7\)"),
    "linear, not flat": (lambda: Linear(8, 2).forward(image(1, 2, 2, 2)), "8 features"),
    "max pool": (lambda: MaxPool2D(3).forward(image(1, 1, 2, 5)), "side of 2 is too small for a pool of 3"),
    "max pool, ceil": (lambda: MaxPool2D(4, stride=1, ceil=True).forward(image(1, 1, 2, 2)), "too small"),
    "average pool": (lambda: AvgPool2D(5, pad=1).forward(image(1, 1, 5, 2)), "side of 2 .* pad 1"),
    "pool, padding": (lambda: MaxPool2D(3, pad=2), "pad 2 is more than half"),
    "pad, too far": (lambda: Pad2D(3, "reflect").forward(image(1, 1, 3, 9)), "3x9 is too small.*3 pixels"),
    "pad, mode": (lambda: Pad2D(3, "refelct"), "did you mean reflect"),
    "concat": (lambda: Concat().output_shape((1, 2, 3, 4), (1, 2, 4, 3)), "cannot join"),
    "add": (lambda: Add().output_shape((1, 2, 3, 4), (1, 1, 3, 4)), "cannot add"),
    "add, broadcasting": (lambda: Add().forward(image(1, 2, 3, 4), image(1, 1, 3, 4)), "cannot add"),
    "batch norm": (lambda: BatchNorm2D(2).forward_train(image(1, 2, 1, 1), rng=None), "one value per channel"),
    "styles": (lambda: ConditionalInstanceNorm2D(2, 3).with_style(image(4)), "3 styles"),
    "styles of several": (lambda: ConditionalInstanceNorm2D(2, 3).with_style(image(4, 3)).mixed(), "one .* got 4"),
    "local response norm": (lambda: LocalResponseNorm(size=4), "odd"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_wrong_use_is_named(mistake):
    call, message = WRONG[mistake]
    with pytest.raises(InputError, match=message) as problem:
        call()
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("text", [
    "Conv2D(4, 6, 3, stride=2, pad=1, groups=2)", "Conv2D(3, 2, 1, stride=1, pad=0)", "Linear(5, 3)",
    "ReLU()", "MaxPool2D(kernel_size=3, stride=2, pad=0, ceil=True)", "Pad2D(pad=1, mode='reflect')",
    "Gram(normalize=False)", "Dropout(rate=0.3)", "ConditionalInstanceNorm2D(2, num_styles=3)",
])
def test_repr_is_the_constructors_call(text):
    assert repr(eval(text)) == text
