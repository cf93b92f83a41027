"""The randomisation test: the stages, the random weights, and methods that ignore the weights."""

import numpy as np
import pytest
from attribution_networks import maps_of, module_network, pictures
from small_networks import on

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.models import resnet18, squeezenet1_1, vgg16
from minicnn.visualize.attribution.randomise import (
    cascade,
    cascade_similarity,
    module_name,
    split_stages,
    unchanged_methods,
    upper_half,
    with_random_weights,
)
from minicnn.visualize.attribution.randomise_check import check_cascade, check_sanity, check_similarities
from minicnn.visualize.attribution.saliency import saliency_map


def test_the_stages_go_from_the_scores_to_the_pixels():
    names = {build: [module_name(stage[-1]) for stage in split_stages(build(seed=None), 10)]
             for build in (squeezenet1_1, vgg16, resnet18)}
    assert names[squeezenet1_1] == ["conv10", *(f"fire{k}" for k in range(9, 1, -1)), "conv1"]
    assert len(names[vgg16]) == len(names[resnet18]) == 10
    assert names[vgg16][-1] == "conv1_1" and names[resnet18][-1] == "conv1"
    for build in names:
        net = build(seed=None)
        together = [name for stage in split_stages(net, 10) for name in stage]
        assert together == list(net.parameter_layers())[::-1]
    assert [len(stage) for stage in split_stages(squeezenet1_1(seed=None), 3)] == [10, 9, 7]


def test_the_cascade_draws_one_stage_after_the_other(xp, rng):
    net = on(xp, module_network(rng))
    net.layer("bn1").buffers["mean"] = xp.asarray(np.full(6, 0.5, np.float32))
    before = {name: to_host(layer.params.get("w", layer.params.get("gamma"))).copy()
              for name, layer in net.parameter_layers().items()}
    names, above = [], []
    for name, drawn_dozen in cascade(net, pictures(rng, 1), 2, np.random.default_rng(3)):
        names.append(name)
        above.append(name)
        assert drawn_dozen.device == net.device
        for layer in ("conv1", "fire2/conv", "fc3"):
            w = drawn_dozen.layer(layer).params["w"]
            assert w.dtype == np.float32 and (to_host(w) == before[layer]).all() == (module_name(layer) not in above)
    assert names == ["fc3", "fire2", "bn1", "conv1"]
    assert (to_host(drawn_dozen.layer("bn1").buffers["mean"]) == 0).all()
    assert (to_host(drawn_dozen.layer("bn1").buffers["var"]) == 1).all()
    for name, layer in net.parameter_layers().items():
        assert (to_host(layer.params.get("w", layer.params.get("gamma"))) == before[name]).all()
    assert (to_host(net.layer("bn1").buffers["mean"]) == 0.5).all()


def test_both_back_ends_draw_the_same_weights(strict_cupy, rng):
    net = module_network(rng)
    cpu, gpu = (with_random_weights(network, ["conv1", "fc3"], np.random.default_rng(5))
                for network in (net, net.to_device("gpu")))
    for name in net.parameter_layers():
        for key, array in cpu.layer(name).params.items():
            assert (to_host(gpu.layer(name).params[key]) == array).all()
    spread = cpu.layer("conv1").params["w"].std()
    assert spread == pytest.approx((2 / 27) ** 0.5, rel=0.2) and (cpu.layer("conv1").params["b"] == 0).all()


def test_a_stage_is_drawn_again_until_the_class_score_is_not_zero(rng):
    net, x = module_network(rng, last_relu=True), pictures(rng, 1)
    for seed in range(12):
        for _, drawn_dozen in cascade(net, x, 1, np.random.default_rng(seed)):
            assert drawn_dozen.predict(x)[0, 1] > 0


def test_a_stage_is_drawn_at_most_tries_times(rng, monkeypatch):
    net, drawn_dozen = module_network(rng), []
    monkeypatch.setattr("minicnn.visualize.attribution.randomise.with_random_weights",
                        lambda net, *_: drawn_dozen.append(net) or net)
    net.layer("fc3").params["w"][:] = 0
    assert len(list(cascade(net, pictures(rng, 1), 1, rng, 1))) == 1 and len(drawn_dozen) == 100


def test_a_method_that_ignores_the_weights_is_detected(rng):
    net, x = module_network(rng), pictures(rng, 1)
    edges = np.abs(np.diff(x, axis=3, prepend=0)).max(axis=1)

    def explain(network):
        return {"edges": edges, "saliency": saliency_map(network, x, 1)}
    stages, rows = zip(*cascade_similarity(net, x, 1, explain, rng), strict=True)
    similarities = {method: np.array([[row[method] for row in rows]]) for method in ("edges", "saliency")}
    assert stages == ("fc3", "fire2", "bn1", "conv1") and similarities["edges"] == pytest.approx(1)
    assert abs(similarities["saliency"]).max() < 1
    assert unchanged_methods({"edges": similarities["edges"]}) == {"edges": pytest.approx(1)}
    checks = check_similarities(similarities)
    assert checks[0].passed and "least changed map, edges" in checks[1].what
    assert not check_similarities({"saliency": similarities["edges"]})[0].passed


def test_the_upper_half():
    assert [upper_half(np.arange(1.0, count + 1)[None]) for count in (1, 2, 3, 6, 10)] == [1, 1, 2, 3, 5]
    assert upper_half(np.array([[0.5, 0.1], [1.0, 0.2]])) == 0.75
    assert unchanged_methods({"a": np.array([[0.72]]), "b": np.array([[0.70]])}) == {"a": 0.72}


def test_the_check_of_the_cascade_detects_a_layer_that_stays_trained(rng, monkeypatch):
    net, x = module_network(rng), pictures(rng, 1)
    assert check_cascade(net, x, 1, rng)[0].passed
    monkeypatch.setattr("minicnn.visualize.attribution.randomise.with_random_weights",
                        lambda net, names, rng: with_random_weights(net, names[1:], rng))
    assert not check_cascade(net, x, 1, rng)[0].passed


def test_no_stages_are_refused(rng):
    with pytest.raises(InputError, match="stages is 0; expected a whole number from 1"):
        next(cascade(module_network(rng), pictures(rng, 1), 0, rng, 0))


def test_guided_backprop_fails_the_sanity_check_and_other_methods_pass(drawn_dozen):
    model, x, labels, _ = drawn_dozen

    def explain(network, image, label):
        return maps_of(network, image, label, samples=1, steps=1, stride=16)
    checks = check_sanity(model.net, x[:3], labels[:3], explain, np.random.default_rng(0))
    assert all(check.passed for check in checks), checks
