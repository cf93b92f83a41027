"""Saliency maps: against the gradient by its definition, and their checks."""

import numpy as np
import pytest
from small_networks import on, scored_network

from minicnn.errors import InputError
from minicnn.layers import ReLU
from minicnn.visualize import (
    saliency_map,
)
from minicnn.visualize.attribution.saliency_check import check_saliency


def test_saliency_is_the_largest_absolute_gradient_over_colours(xp, rng):
    net = scored_network(rng)
    x = rng.standard_normal((3, 3, 16, 16)).astype(np.float32)
    saliency = saliency_map(on(xp, net), x, [0, 2, 4])
    assert saliency.shape == (3, 16, 16) and saliency.dtype == np.float32 and (saliency >= 0).all()
    trace = net.forward(x)
    seed = np.zeros((3, 5), np.float32)
    seed[[0, 1, 2], [0, 2, 4]] = 1
    assert np.allclose(saliency, np.abs(net.backward(trace, {"scores": seed})["input"]).max(axis=1), atol=1e-6)


def test_a_batch_of_saliency_maps_equals_single_ones(xp, rng):
    net = on(xp, scored_network(rng))
    x = rng.standard_normal((4, 3, 16, 16)).astype(np.float32)
    batch = saliency_map(net, x, [0, 1, 2, 3])
    single = np.concatenate([saliency_map(net, x[n:n + 1], n) for n in range(4)])
    assert np.allclose(batch, single, atol=1e-7)


def test_the_saliency_check_passes_and_fails_with_a_broken_backward(rng):
    net = scored_network(rng)
    x = rng.standard_normal((1, 3, 16, 16)).astype(np.float32)
    label = int(net.predict(x)[0].argmax())
    checks = check_saliency(net, x, [label], saliency_map(net, x, [label]), rng)
    assert [check.judged for check in checks] == [True, True, False] and all(check.passed for check in checks)

    class Leaky(ReLU):
        def backward(self, dout, out):
            return dout * (out > 0.05)
    broken = net.with_relu(Leaky())
    assert not check_saliency(broken, x, [label], saliency_map(broken, x, [label]), rng)[1].passed


def test_the_effect_of_hiding_salient_parts_is_reported_for_every_class(xp, rng):
    host = scored_network(rng)
    net, x = on(xp, host), rng.standard_normal((3, 3, 16, 16)).astype(np.float32)
    labels = np.argsort(-host.predict(x), axis=1)[:, 3]
    check = check_saliency(net, x, labels, saliency_map(net, x, labels), np.random.default_rng(0))[2]
    assert not check.judged and check.expected.startswith("reported, not judged: in random order 0.")


def test_classes_that_do_not_exist_are_refused(rng):
    with pytest.raises(InputError, match="no class 5: the network has 5"):
        saliency_map(scored_network(rng), np.zeros((1, 3, 16, 16), np.float32), 5)
