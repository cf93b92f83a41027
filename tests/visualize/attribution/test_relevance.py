"""Relevance propagation and DeepLIFT: conservation, hand-computed rules, and PyTorch's autograd."""

import numpy as np
import pytest
from attribution_networks import module_network, pictures, real_photos, small_network, squeezenet_twins
from small_networks import PLAIN, on

from minicnn.errors import InputError
from minicnn.layers import (
    AvgPool2D,
    BatchNorm2D,
    Conv2D,
    EpsilonRelevance,
    Flatten,
    GammaRelevance,
    InstanceNorm2D,
    Linear,
    LocalResponseNorm,
    MaxPool2D,
    PositiveRelevance,
    ReLU,
    Softmax,
)
from minicnn.layers.relevance import BoxRelevance, relevance_layer
from minicnn.models import load_model, resnet18
from minicnn.network import Network
from minicnn.visualize.attribution.deeplift import deeplift
from minicnn.visualize.attribution.deeplift_check import check_deeplift
from minicnn.visualize.attribution.gradients import gradient_times_input
from minicnn.visualize.attribution.relevance import (
    LRP_COMPOSITE,
    LRP_EPSILON,
    LRP_GAMMA,
    LRP_ZPLUS,
    RELEVANCE_PRESETS,
    RelevanceSettings,
    folded,
    never_negative,
    relevance_map,
    weight_depths,
)
from minicnn.visualize.attribution.relevance_check import check_relevance

PRESETS = pytest.mark.parametrize("settings", RELEVANCE_PRESETS.values(), ids=RELEVANCE_PRESETS)


def alex_network(rng):
    """Return a float64 network as AlexNet is: groups, response normalization, ceil pools, fully connected layers."""
    net = Network((3, 16, 16))
    net.add("conv1", Conv2D(3, 6, 3, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(3, 2, ceil=True))
    net.add("norm1", LocalResponseNorm(3, alpha=0.5))
    net.add("conv2", Conv2D(6, 8, 3, pad=1, groups=2, rng=rng))
    net.add("relu2", ReLU())
    net.add("pool2", AvgPool2D(2))
    net.add("flat", Flatten())
    net.add("fc3", Linear(72, 7, rng=rng))
    net.add("relu3", ReLU())
    net.add("fc4", Linear(7, 5, rng=rng))
    for layer in net.parameter_layers().values():
        layer.params["b"] = rng.normal(0, 0.3, layer.params["b"].shape)
    return net.astype("float64")


def random_resnet(rng):
    """Return a float64 ResNet-18 with running statistics as of a trained one."""
    net = resnet18(seed=0)
    for layer in net.parameter_layers().values():
        if isinstance(layer, BatchNorm2D):
            count = layer.params["gamma"].size
            layer.buffers = {"mean": rng.normal(0, 0.3, count), "var": rng.uniform(0.5, 2, count)}
            layer.params = {"gamma": rng.uniform(0.5, 1.5, count), "beta": rng.normal(0, 0.3, count)}
    return net.astype("float64")


# ---- relevance -------------------------------------------------------------------------------------------------------


def test_the_rules_by_hand():
    """One neuron with inputs 2 and 3, weights 4 and -1, and the bias 1: z is 8 - 3 + 1 = 6."""
    layer, x, relevance = Linear(2, 1), np.array([[2.0, 3.0]]), np.array([[12.0]])
    layer.params = {"w": np.array([[4.0, -1.0]]), "b": np.array([1.0])}
    kept = {"epsilon": 1e-12, "keep_bias": True}
    rules = {EpsilonRelevance(layer, **kept): [16, -6],                    # of 12 / 6 = 2 for each unit
             EpsilonRelevance(layer, epsilon=2, keep_bias=True): [12, -4.5],  # of 12 / 8
             EpsilonRelevance(layer, epsilon=1e-12): [16 + 0.8, -6 + 1.2],    # the bias's 2, as 2 to 3
             GammaRelevance(layer, 0.5, **kept): [12 * 12 / 10.5, -12 * 3 / 10.5],  # 2 * 6, 3 * -1, 1.5: 10.5
             PositiveRelevance(layer, **kept): [12 * 8 / 9, 0],
             BoxRelevance(layer, np.array([[0.0]]), np.array([[5.0]]), 1e-12): [12 * 8 / 10, 12 * 2 / 10]}
    for rule, expected in rules.items():
        out, cache = rule.forward(x)
        assert out.item() == 6
        np.testing.assert_allclose(rule.backward(relevance, cache), [expected], rtol=1e-9, err_msg=str(rule))


@PRESETS
def test_the_relevance_of_every_layer_adds_up_to_the_score(settings, xp, rng):
    net, x = small_network(rng).astype("float64"), pictures(rng, dtype="float64")
    scores = net.predict(x)[[0, 1], [1, 3]]
    for layer in ("input", *net.layer_names()):
        found = relevance_map(on(xp, net), x, [1, 3], settings, layer=layer)
        np.testing.assert_allclose(found.reshape(2, -1).sum(axis=1), scores, rtol=1e-4, err_msg=layer)


@PRESETS
@pytest.mark.parametrize("build", [alex_network, module_network])
def test_relevance_is_conserved_through_groups_pools_and_normalizations(build, settings, rng):
    net, x = build(rng).astype("float64"), pictures(rng, dtype="float64")
    found = relevance_map(net, x, [4, 2], settings)
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), net.predict(x)[[0, 1], [4, 2]], rtol=1e-4)
    checks = check_relevance(net, x, [4, 2], found, rng, settings)
    assert len(checks) == 3 and all(check.passed for check in checks), checks


@PRESETS
def test_relevance_is_conserved_in_a_residual_network(settings, rng):
    net, x = random_resnet(rng), rng.standard_normal((1, 3, 48, 48))
    label = int(net.predict(x)[0].argmax())
    found = relevance_map(net, x, label, settings)
    size = np.abs(found).sum()
    assert abs(found.sum() - net.predict(x)[0, label]) < 1e-4 * size


def test_epsilon_without_biases_is_gradient_times_input(rng):
    net, x = small_network(rng, bias=False).astype("float64"), pictures(rng, dtype="float64")
    settings = RelevanceSettings("epsilon", upper=0, pixels="epsilon", epsilon=1e-13)
    np.testing.assert_allclose(relevance_map(net, x, 2, settings), gradient_times_input(net, x, 2), atol=1e-8)


def test_biases_that_keep_their_share_leave_gradient_times_input(rng):
    net, x = small_network(rng).astype("float64"), pictures(rng, dtype="float64")
    settings = RelevanceSettings("epsilon", upper=0, pixels="epsilon", epsilon=1e-13, keep_bias=True)
    np.testing.assert_allclose(relevance_map(net, x, 2, settings), gradient_times_input(net, x, 2), atol=1e-8)


def test_a_folded_network_has_the_same_scores(rng):
    net, x = random_resnet(rng), rng.standard_normal((1, 3, 40, 40))
    merged = folded(net)
    np.testing.assert_allclose(merged.predict(x), net.predict(x), rtol=1e-9)
    assert not any(isinstance(node.layer, BatchNorm2D) for node in merged.nodes)


def test_the_composite_takes_epsilon_above_gamma_below_and_the_box_at_the_pixels():
    from minicnn.visualize.attribution.relevance import relevance_network
    net = load_model("shapes", "cpu").net
    x = np.zeros((1, *net.input_shape), np.float32)
    rules = [type(node.layer).__name__ for node in relevance_network(net, x).nodes if node.layer.params]
    assert rules[0] == "BoxRelevance" and rules[-1] == "EpsilonRelevance" and "GammaRelevance" in rules[1:-1]
    assert rules == sorted(rules, key=("BoxRelevance", "GammaRelevance", "EpsilonRelevance").index)
    depths = weight_depths(net)
    assert depths["input"] == 0 and max(depths.values()) == len(net.parameter_layers())
    assert "input" not in never_negative(net) and "conv1" not in never_negative(net) and "relu1" in never_negative(net)


def test_a_fast_network_gives_the_same_numbers(rng):
    net, x = small_network(rng), pictures(rng)
    for method in (relevance_map, deeplift):
        assert (method(net, x, 1) == method(net.fast(), x, 1)).all()
    sibling = net.fast().with_rule(GammaRelevance)
    assert type(sibling) is type(net.fast())
    plain = net.with_rule(GammaRelevance)
    seeds = {"fc3": np.ones((2, 5), np.float32)}
    ours, theirs = (one.backward(one.forward(x), seeds)["input"] for one in (sibling, plain))
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())


def test_a_layer_without_a_rule_is_refused(rng):
    net = small_network(rng)
    for layer, name in ((Softmax(), "Softmax"), (InstanceNorm2D(8), "InstanceNorm2D")):
        other = net.with_layers({"relu2": layer})
        with pytest.raises(InputError, match=f"relevance propagation has no rule for a layer {name}"):
            relevance_map(other, pictures(rng), 0)
        with pytest.raises(InputError, match=f"DeepLIFT has no rule for a layer {name}"):
            deeplift(other, pictures(rng), 0)
    assert isinstance(relevance_layer(EpsilonRelevance(Linear(2, 2)), GammaRelevance), GammaRelevance)


@pytest.mark.parametrize(("settings", "message"), [
    ("gamma", "settings is str 'gamma'; expected a RelevanceSettings"),
    (RelevanceSettings("zplus"), "rule"), (RelevanceSettings(pixels="flat"), "pixels"),
    (RelevanceSettings(upper=2), "upper is 2"), (RelevanceSettings(gamma=-1), "gamma is -1"),
    (RelevanceSettings(epsilon=0), "epsilon is 0"), (RelevanceSettings(keep_bias=3), "keep_bias is 3")])
def test_wrong_settings_are_refused_in_one_line(settings, message, rng):
    with pytest.raises(InputError, match=message) as caught:
        relevance_map(small_network(rng), pictures(rng), 0, settings)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="preprocessing is 3"):
        relevance_map(small_network(rng), pictures(rng), 0, preprocessing=3)


def test_the_preprocessing_sets_the_range_of_the_pixels(rng):
    net, x = small_network(rng).astype("float64"), pictures(rng, dtype="float64") / 4
    wide = relevance_map(net, x, 1, LRP_ZPLUS, preprocessing=PLAIN)
    assert not np.allclose(wide, relevance_map(net, x, 1, LRP_ZPLUS))
    np.testing.assert_allclose(wide.sum(axis=(1, 2, 3)), net.predict(x)[:, 1], rtol=1e-4)


# ---- the same in PyTorch: the gradient of x' w' with the factor R / z held constant (Montavon et al. 2019) -----------


def torch_relevance(oracle, net, x, label, rho, keep_bias):
    """Return the relevance at the pixels by the autograd trick, layer by layer over a chain of nodes."""
    torch, F = oracle.torch, oracle.torch.nn.functional

    def forward(layer, a, change=lambda w: w):
        w, b = (change(torch.from_numpy(layer.params[key])) for key in ("w", "b"))
        return F.linear(a, w, b) if isinstance(layer, Linear) else F.conv2d(a, w, b, layer.stride, layer.pad)
    activations = [torch.from_numpy(x)]
    for _, layer, _ in net.nodes:
        a = activations[-1]
        activations.append(F.relu(a) if isinstance(layer, ReLU) else F.max_pool2d(a, layer.kernel_size, layer.stride)
                           if isinstance(layer, MaxPool2D) else a.mean((2, 3)) if "Global" in type(layer).__name__
                           else forward(layer, a))
    relevance = torch.zeros_like(activations[-1])
    relevance[:, label] = activations[-1][:, label]
    for (_, layer, _), a in zip(reversed(net.nodes), reversed(activations[:-1]), strict=True):
        if isinstance(layer, ReLU):
            continue
        a = a.detach().requires_grad_(True)
        if isinstance(layer, MaxPool2D):
            relevance, = torch.autograd.grad(F.max_pool2d(a, layer.kernel_size, layer.stride), a, relevance)
            continue
        z = a.mean((2, 3)) if "Global" in type(layer).__name__ else forward(layer, a, rho)
        z = z + torch.where(z < 0, -1e-9, 1e-9)
        s = (relevance / z).detach()
        c, = torch.autograd.grad((z * s).sum(), a)
        handed = a.detach() * c
        if not keep_bias and "Global" not in type(layer).__name__:
            b = rho(torch.from_numpy(layer.params["b"]))
            share = (s * (b if s.ndim == 2 else b[:, None, None])).sum(1, keepdim=True)
            size = a.detach().abs().requires_grad_(True)
            ones = torch.ones_like(torch.from_numpy(layer.params["w"])[:1])
            window = F.linear(size, ones) if isinstance(layer, Linear) else F.conv2d(size, ones, None, layer.stride,
                                                                                     layer.pad)
            c, = torch.autograd.grad((window * (share / window).detach()).sum(), size)
            handed = handed + size.detach() * c
        relevance = handed.detach()
    return relevance.numpy()


@pytest.mark.parametrize("keep_bias", [False, True])
@pytest.mark.parametrize(("rule", "rho"), [
    ("epsilon", lambda w: w), ("gamma", lambda w: w + 0.25 * w.clamp(min=0)), ("positive", lambda w: w.clamp(min=0))])
def test_relevance_against_autograd(oracle, rule, rho, keep_bias, rng):
    net, x = small_network(rng).astype("float64"), abs(pictures(rng, dtype="float64"))
    expected = torch_relevance(oracle, net, x, 3, rho, keep_bias)
    sibling = net.with_rule(lambda layer: {
        "epsilon": EpsilonRelevance, "gamma": GammaRelevance, "positive": PositiveRelevance}[rule](
            layer, keep_bias=keep_bias))
    trace = sibling.forward(x)
    seeds = np.zeros((2, 5))
    seeds[:, 3] = trace.activations["fc3"][:, 3]
    found = sibling.backward(trace, {"fc3": seeds})["input"]
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


def test_the_box_rule_against_autograd(oracle, rng):
    """Montavon's tutorial: z = layer(x) - layer+(low) - layer-(high), and the gradients at all three inputs."""
    torch, F = oracle.torch, oracle.torch.nn.functional
    layer = Conv2D(3, 4, 3, stride=2, pad=1, rng=rng)
    layer.params = {key: values.astype("f8") for key, values in layer.params.items()}
    x, relevance = rng.uniform(-1, 2, (2, 3, 8, 8)), rng.random((2, 4, 4, 4))
    low, high = np.full((3, 1, 1), -1.0), np.full((3, 1, 1), 2.0)
    rule = BoxRelevance(layer, low, high)
    found = rule.backward(relevance, rule.forward(x)[1])
    w = torch.from_numpy(layer.params["w"])
    ends = [torch.from_numpy(np.broadcast_to(end, x.shape).copy()).requires_grad_(True) for end in (x, low, high)]
    z = sum(sign * F.conv2d(end, part, None, 2, 1) for end, part, sign in
            zip(ends, (w, w.clamp(min=0), w.clamp(max=0)), (1, -1, -1), strict=True)) + 1e-9
    (z * (torch.from_numpy(relevance) / z).detach()).sum().backward()
    expected = sum((end * end.grad).detach().numpy() for end in ends)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(found.sum(), relevance.sum(), rtol=1e-5)


# ---- DeepLIFT --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [small_network, alex_network, module_network])
@pytest.mark.parametrize("baseline", [0.0, np.full((3, 1, 1), 0.5), np.linspace(-1, 1, 256).reshape(16, 16)],
                         ids=["zero", "colour", "picture"])
def test_deeplift_adds_up_to_the_difference_from_any_baseline(build, baseline, xp, rng):
    net, x = build(rng).astype("float64"), pictures(rng, dtype="float64")
    found = deeplift(on(xp, net), x, [0, 4], baseline=baseline)
    difference = net.predict(x) - net.predict(np.broadcast_to(baseline, x.shape).copy())
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), difference[[0, 1], [0, 4]], rtol=1e-6)
    checks = check_deeplift(on(xp, net), x, [0, 4], found, rng, baseline=baseline)
    assert len(checks) == 2 and all(check.passed for check in checks), checks


def test_deeplift_adds_up_in_a_residual_network(rng):
    net, x = random_resnet(rng), rng.standard_normal((1, 3, 40, 40))
    difference = net.predict(x) - net.predict(0 * x)
    np.testing.assert_allclose(deeplift(net, x, 7).sum(), difference[0, 7], rtol=1e-6)


def test_deeplift_of_a_linear_network_is_gradient_times_difference(rng):
    net, x = small_network(rng, relu=False).astype("float64"), pictures(rng, dtype="float64")
    np.testing.assert_allclose(deeplift(net, x, 1), gradient_times_input(net, x, 1), atol=1e-13)
    assert (deeplift(small_network(rng), pictures(rng), 1, baseline=pictures(np.random.default_rng(0))) != 0).any()


def test_the_image_as_its_own_baseline_has_zero_attribution(rng):
    x = pictures(rng)
    assert (deeplift(small_network(rng), x, 0, baseline=x) == 0).all()


def test_deeplift_against_an_independent_chain_of_multipliers(oracle, real_squeezenet, test_data):
    """The multipliers as autograd hooks of a PyTorch twin, as Captum does it, with its rule for max pools."""
    net, module, x, labels = squeezenet_twins(oracle, real_squeezenet, test_data)
    torch, F, nn = oracle.torch, oracle.torch.nn.functional, oracle.torch.nn

    class Rescale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, both, kernel, stride, ceil):
            ctx.settings = kernel, stride
            if kernel is None:
                out, ctx.switches = both.clamp(min=0), None
            else:
                out, ctx.switches = F.max_pool2d(both, kernel, stride, ceil_mode=ceil, return_indices=True)
            ctx.save_for_backward(both, out)
            return out

        @staticmethod
        def backward(ctx, dout):
            both, out = ctx.saved_tensors
            x, x0 = both.chunk(2)
            y, y0 = out.chunk(2)
            change = x - x0
            if ctx.switches is None:
                ratio = torch.where(change == 0, (x > 0).double(), (y - y0) / torch.where(change == 0, 1.0, change))
                return torch.cat([dout.chunk(2)[0] * ratio] * 2), None, None, None
            dout, high = dout.chunk(2)[0], torch.maximum(y, y0)

            def spread(values, switches):
                return torch.zeros_like(x).flatten(2).scatter_add(2, switches.flatten(2), values.flatten(2)).view_as(x)
            first, second = ctx.switches.chunk(2)
            total = spread(dout * (high - y0), first) + spread(dout * (y - high), second)
            ratio = torch.where(change == 0, spread(dout, first), total / torch.where(change == 0, 1.0, change))
            return torch.cat([ratio] * 2), None, None, None

    class Step(nn.Module):
        def __init__(self, pool=None):
            super().__init__()
            self.settings = (pool.kernel_size, pool.stride, pool.ceil_mode) if pool else (None, None, None)

        def forward(self, both):
            return Rescale.apply(both, *self.settings)

    def replace(parent):
        for name, child in parent.named_children():
            if isinstance(child, nn.ReLU | oracle.Rectifier):
                setattr(parent, name, Step())
            elif isinstance(child, nn.MaxPool2d):
                setattr(parent, name, Step(child))
            else:
                replace(child)
    replace(module)
    for n, label in enumerate(labels.tolist()):
        image = torch.from_numpy(x[n:n + 1])
        both = torch.cat([image, torch.full_like(image, 0.25)]).requires_grad_(True)
        multipliers = torch.autograd.grad(module(both)[0, label], both)[0][:1]
        expected = (multipliers * (image - 0.25)).numpy()
        found = deeplift(net, x[n:n + 1], label, baseline=0.25)
        assert np.linalg.norm(found - expected) < 1e-9 * np.linalg.norm(expected)


# ---- real photos -----------------------------------------------------------------------------------------------------


def test_relevance_of_a_photo_is_conserved_at_every_layer(real_squeezenet, test_data):
    x, labels = real_photos(test_data)
    x, label, net = x[11:12, :, ::2, ::2], int(labels[11]), real_squeezenet
    score = net.predict(x)[0, label]
    for settings in (LRP_COMPOSITE, LRP_GAMMA, LRP_ZPLUS):
        for layer in ("input", "pool1", "relu_conv10"):
            found = relevance_map(net, x, label, settings, layer=layer)
            assert abs(found.sum(dtype="f8") - score) < 1e-4 * abs(score)
    found = relevance_map(net, x, label, LRP_EPSILON)  # it is noise: large parts of both signs cancel
    assert abs(found.sum(dtype="f8") - score) < 1e-4 * np.abs(found).sum()
    found = relevance_map(net, x, label)
    assert all(check.passed for check in check_relevance(net.fast(), x, label, found, np.random.default_rng(0)))
    for wrong in (found[..., ::-1], -found, np.abs(found), relevance_map(net, x, label, LRP_GAMMA)):
        assert not all(check.passed for check in check_relevance(net, x, label, wrong, np.random.default_rng(0)))
