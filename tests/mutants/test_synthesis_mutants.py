"""Class and neuron visualization and DeepDream pass all judged checks of their run cards; each mutant fails one."""

from dataclasses import replace
from importlib import import_module

import pytest
from mutation import HARD, assert_found, assert_right, card, hard_picture, load_squeezenet, mutate

from demos import class_visualization as class_demo
from demos import deepdream as dream_demo
from demos import dream_noise
from demos import neuron_visualization as neuron_demo
from demos.patches import drawn_sources
from minicnn import images
from minicnn.models import load_model
from minicnn.optimize import image_steps, parametrizations, transforms
from minicnn.visualize.synthesis import ascent, canvas, class_visualization, deepdream, neuron_visualization
from minicnn.visualize.synthesis.ascent_settings import CLASS_PRESETS, DISTILL, MARGIN, NEURON
from minicnn.visualize.synthesis.deepdream import DreamSettings

SHORT = replace(MARGIN, num_steps=11)  # the last step comes after the one with a blur


@pytest.fixture(scope="module")
def model():
    """The shipped network of drawn shapes."""
    return load_model("shapes", "cpu").fast()


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    """SqueezeNet 1.1 with torchvision's weights."""
    return load_squeezenet(tmp_path_factory.mktemp("weights"))


# ---- classes ---------------------------------------------------------------------------------------------------------

ASCENTS = (class_visualization, neuron_visualization)  # they import `ascend` by its name
FAINT = {"num_steps": 5, "gain": 300.0, "start_noise": 50.0}
CLASS_MUTANTS = {
    "the sign of L2": (SHORT, ascent, "ascend", "(settings.l2_reg / scale**2", "(-settings.l2_reg / scale**2"),
    "no L2": (SHORT, ascent, "ascend", "(settings.l2_reg / scale**2", "(0 * settings.l2_reg / scale**2"),
    "descent": (SHORT, ascent, "ascend", "((-weight, loss) for", "((weight, loss) for"),
    "no jitter": (SHORT, canvas.Canvas, "transforms", "scaled(settings.max_jitter, self.size)", "0"),
    "jitter not undone": (SHORT, transforms.Jitter, "undo", "(-shift[0], -shift[1])", "shift"),
    "no blur": (SHORT, ascent, "regularizers", "if settings.blur_sigma:", "if False:"),
    "blur at every step": (SHORT, ascent, "regularizers", ", settings.blur_every)", ", 1)"),
    "no clamp": (SHORT, ascent, "regularizers", 'if settings.clamp == "none":', "if True:"),
    "no decay": (replace(CLASS_PRESETS["yosinski-2"], **FAINT), ascent, "regularizers", "if settings.decay:",
                 "if False:"),
    "small norms stay": (replace(CLASS_PRESETS["yosinski-1"], **FAINT), ascent, "regularizers",
                         "if settings.small_norm:", "if False:"),
    "half as many small norms go": (replace(CLASS_PRESETS["yosinski-1"], **FAINT), image_steps, "above_percentile",
                                    "(values, percent, axis", "(values, percent / 2, axis"),
    "a policy's progress": (replace(CLASS_PRESETS["yosinski-1"], **FAINT), ascent, "ascent_update",
                            "settings.gain * settings.progress", "2 * settings.progress"),
    "double steps": (SHORT, ascent, "ascent_update", "rate * size / 224", "2 * rate * size / 224"),
    "another class": (SHORT, class_visualization, "class_terms", "ClassScore(net.output, labels)",
                      "ClassScore(net.output, [(label + 1) % 12 for label in labels])"),
    "the sign of the margin": (SHORT, class_visualization, "class_terms", "(settings.margin_weight, Class",
                  "(-settings.margin_weight, Class"),
    "mirrored": (SHORT, ascent, "ascend", "return to_host(canvas.image(z)), history",
                 "return to_host(canvas.image(z))[..., ::-1], history"),
}


WAVES = replace(DISTILL, num_steps=2, max_rotation=4.0, start_noise=1.0)
SPECTRUM = parametrizations.FourierSpectrum
CLASS_MUTANTS |= {
    "fine waves gain": (WAVES, SPECTRUM, "__init__", "(H * W)**0.5 / 4 / length", "(H * W)**0.5 * length"),
    "the power has no effect": (replace(WAVES, spectrum_power=2.0), SPECTRUM, "__init__",
                                "(frequency / REFERENCE)**(power - 1)", "1"),
    "colours not mixed": (WAVES, SPECTRUM, "forward", "mixed(self.colours, self.planes(z))", "self.planes(z)"),
    "colours not transposed": (WAVES, SPECTRUM, "backward", "self.colours.T", "self.colours"),
    "no slope of the sigmoid": (WAVES, SPECTRUM, "backward", " * (values * (1 - values))", ""),
    "scale not undone": (WAVES, transforms.Scale, "undo",
                         "added_up(added_up(gradient, 3, factor, factor), 2, factor, factor)", "gradient"),
    "scale undone by its inverse": (replace(WAVES, max_scale=0.5), transforms.Scale, "undo",
                                    "added_up(added_up(gradient, 3, factor, factor), 2, factor, factor)",
                                    "self.apply(gradient, 1 / factor)"),
    "rotation not undone": (WAVES, transforms.Rotation, "undo", "-angle", "angle"),
    "no rotation": (WAVES, transforms.Rotation, "apply",
                    "-tan(radians(angle) / 2), sin(radians(angle))", "0.0, 0.0"),
    "a corner for the centre": (WAVES, transforms.Crop, "apply", "self._border, self._border", "0, 0"),
    "descent of the spectrum": (WAVES, ascent, "ascend", "((-weight, loss) for", "((weight, loss) for"),
    "double steps of the spectrum": (WAVES, ascent, "ascent_update", "settings.gain * settings.learning_rate)",
                                     "2 * settings.learning_rate)"),
    "the spectrum of another class": (WAVES, class_visualization, "class_terms",
                                      "ClassScore(net.output, labels)",
                                      "ClassScore(net.output, [(label + 1) % 12 for label in labels])"),
    "mirrored waves": (WAVES, ascent, "ascend", "return to_host(canvas.image(z)), history",
                       "return to_host(canvas.image(z))[..., ::-1], history"),
}


@pytest.mark.parametrize("settings", [SHORT, WAVES, *(replace(CLASS_PRESETS[name], **FAINT) for name in (
    "yosinski-1", "yosinski-2", "yosinski-3", "yosinski-4"))], ids=str)
@pytest.mark.parametrize("label", [0, 3, 8])
def test_the_class_visualization_is_right(model, settings, label):
    assert_right(card(class_demo.pictures(model, [label], settings=settings)))


@pytest.mark.parametrize("mutant", CLASS_MUTANTS)
def test_class_mutants_are_found(monkeypatch, model, mutant):
    settings, owner, name, old, new = CLASS_MUTANTS[mutant]
    users = ASCENTS if name == "ascend" else (demo_of("class_ascent"),) if name == "class_visualization" else ()
    mutate(monkeypatch, owner, name, old, new, *users)
    assert_found(card(class_demo.pictures(model, [3], settings=settings)))


def demo_of(name):
    """Return a module of demos.shared."""
    return import_module(f"demos.shared.{name}")


def test_class_visualization_with_a_real_network(monkeypatch, squeezenet):
    settings = replace(MARGIN, num_steps=10)
    assert_right(card(class_demo.pictures(squeezenet, [76], settings=settings)))
    for mutant in ("the sign of L2", "no blur", "no clamp", "jitter not undone"):
        _, owner, name, old, new = CLASS_MUTANTS[mutant]
        with monkeypatch.context() as patch:
            mutate(patch, owner, name, old, new, *(ASCENTS if name == "ascend" else ()))
            assert_found(card(class_demo.pictures(squeezenet, [76], settings=settings)))


def test_a_run_that_was_stopped_is_not_judged_wrong(monkeypatch, model):
    monkeypatch.setattr(demo_of("class_ascent"), "class_visualization", stopped_after(4, class_visualization))
    checks = [check for picture in class_demo.pictures(model, [3], settings=replace(MARGIN, num_steps=40))
              for check in picture.checks]
    assert_right(checks)


def stopped_after(steps, module):
    """Return class_visualization that is interrupted in its callback after this number of steps."""
    plain = module.class_visualization

    def stopping(*arguments, callback, **more):
        def stop(progress, image):
            callback(progress, image)
            if progress.step == steps:
                raise KeyboardInterrupt
        return plain(*arguments, callback=stop, **more)
    return stopping


# ---- neurons, channels, layers ---------------------------------------------------------------------------------------

NEURON_MUTANTS = {
    "another position": ("neuron", "neuron_visualization", "NeuronActivation(layer, channel, position)",
                         "NeuronActivation(layer, channel, (position[0], position[1] - 1))"),
    "another neuron": ("neuron", "neuron_visualization", "NeuronActivation(layer, channel, position)",
                       "NeuronActivation(layer, [one + 1 for one in channel], position)"),
    "another channel": ("channel", "channel_visualization", "ChannelMean(layer, channel)",
                        "ChannelMean(layer, channel[::-1])"),
    "one channel of the layer": ("layer", "layer_visualization", "dream_loss(net, layer, channel, guide)",
                                 "dream_loss(net, layer, 0, guide)"),
}


def neuron_card(model, kind):
    settings = replace(NEURON, num_steps=10, start_noise=1.0)
    return card(neuron_demo.pictures(model, drawn_sources(model, 3, 0), kind, "relu2",
                                     None if kind == "layer" else [3, 5], settings=settings))


@pytest.mark.parametrize("kind", neuron_demo.KINDS)
def test_neurons_channels_and_layers_are_right(model, kind):
    assert_right(neuron_card(model, kind))


@pytest.mark.parametrize("mutant", NEURON_MUTANTS)
def test_neuron_mutants_are_found(monkeypatch, model, mutant):
    kind, name, old, new = NEURON_MUTANTS[mutant]
    mutate(monkeypatch, neuron_visualization, name, old, new, neuron_demo)
    assert_found(neuron_card(model, kind))


# ---- DeepDream -------------------------------------------------------------------------------------------------------

OCTAVE = "image = photo + resize_maps(image - photos[octave - 1], photo.shape[2:])"
DREAM_MUTANTS = {
    "no detail": (None, "deep_dream", OCTAVE, "image = resize_maps(image, photo.shape[2:])"),
    "the detail twice": (None, "deep_dream", OCTAVE, OCTAVE.replace("photo +", "2 * photo +")),
    "each octave begins again": (None, "deep_dream", OCTAVE, "image = photo"),
    "descent": (None, "deep_dream", "terms = [(-1.0,", "terms = [(1.0,"),
    "no clamp": (None, "deep_dream", "project=(clamp,)", "project=()"),
    "no jitter": (None, "deep_dream", "Jitter(settings.max_jitter)", "Jitter(0)"),
    "steps by the largest gradient": (None, "deep_dream", '"mean_abs"', '"l2"'),
    "the guide ignored": ({"guide": True}, "dream_loss", "if guide is None:", "if True:"),
    "the channel ignored": ({"channel": 3}, "dream_loss", "LayerNorm2(layer, channel)", "LayerNorm2(layer)"),
}


def dream_card(model, objective=None, photo=None):
    photo = images.resize_long_side(dream_demo.example_photo()[1], 80) if photo is None else photo
    more = dict(objective or {})
    if more.pop("guide", False):
        more["guide"] = images.resize(photo[::-1], 64, 64)
    dream = dream_demo.Dream("relu3", **more)
    settings = DreamSettings(num_octaves=3, num_steps=2, max_jitter=8)
    return card(dream_demo.pictures(model, "photo", photo, [dream], settings=settings))


@pytest.mark.parametrize("objective", [None, {"guide": True}, {"channel": 3}], ids=str)
def test_dreams_are_right(model, objective):
    assert_right(dream_card(model, objective))


@pytest.mark.parametrize("mutant", DREAM_MUTANTS)
def test_dream_mutants_are_found(monkeypatch, model, mutant):
    objective, name, old, new = DREAM_MUTANTS[mutant]
    mutate(monkeypatch, deepdream, name, old, new, *([dream_demo] if name == "deep_dream" else []))
    assert_found(dream_card(model, objective))


NOISE_DREAM_MUTANTS = {
    "descent": (None, ascent, "ascend", "((-weight, loss) for", "((weight, loss) for"),
    "the guide ignored": ({"guide": True}, deepdream, "dream_loss", "if guide is None:", "if True:"),
    "the channel ignored": ({"channel": 3}, deepdream, "dream_loss", "LayerNorm2(layer, channel)", "LayerNorm2(layer)"),
}


# the mutants of the spectrum, of its steps and of its transforms, as for classes
NOISE_DREAM_WAVES = {name: mutant for name, mutant in CLASS_MUTANTS.items()
                     if mutant[0] == WAVES and "another class" not in name} | {
    "jitter not undone": (WAVES, *CLASS_MUTANTS["jitter not undone"][1:]),
    "the jitter of other axes undone": (replace(WAVES, max_jitter=40), transforms.Jitter, "undo",
                                        "(-shift[0], -shift[1])", "(-shift[1], -shift[0])"),
    "no jitter": (WAVES, *CLASS_MUTANTS["no jitter"][1:]),
    # without any gain, `shapes` is dead; a wrong gain of the way back does not change a step of Adam
    "half of the gain's power": (WAVES, SPECTRUM, "planes", "[..., 0] * self.gain", "[..., 0] * self.gain**0.5"),
}


def noise_dream_card(model, objective=None, settings=None):
    more = dict(objective or {})
    if "guide" in more:
        more["guide"] = dream_demo.example_photo()[1][:64, :64]
    settings = settings or replace(CLASS_PRESETS["cs231n"], num_steps=3)
    return card(dream_noise.pictures(model, dream_demo.Dream("relu3", **more), 64, settings=settings))


@pytest.mark.parametrize("objective", [None, {"guide": True}, {"channel": 3}])
def test_dreams_from_noise_are_right(model, objective):
    assert_right(noise_dream_card(model, objective))


@pytest.mark.parametrize("mutant", NOISE_DREAM_MUTANTS)
def test_mutants_of_dreams_from_noise_are_found(monkeypatch, model, mutant):
    objective, owner, name, old, new = NOISE_DREAM_MUTANTS[mutant]
    others = [neuron_visualization] if name in vars(neuron_visualization) else []
    mutate(monkeypatch, owner, name, old, new, *others)
    assert_found(noise_dream_card(model, objective))


@pytest.mark.parametrize("objective", [None, {"guide": True}, {"channel": 3}])
def test_dreams_from_waves_are_right(model, objective):
    assert_right(noise_dream_card(model, objective, WAVES))


@pytest.mark.parametrize("mutant", NOISE_DREAM_WAVES)
def test_mutants_of_dreams_from_waves_are_found(monkeypatch, model, mutant):
    settings, owner, name, old, new = NOISE_DREAM_WAVES[mutant]
    mutate(monkeypatch, owner, name, old, new, *([neuron_visualization] if name == "ascend" else []))
    assert_found(noise_dream_card(model, settings=settings))


def test_a_dream_with_a_real_network(monkeypatch, squeezenet):
    photo = images.resize_long_side(dream_demo.example_photo()[1], 160)

    def made():
        return card(dream_demo.pictures(squeezenet, "photo", photo, [dream_demo.Dream("fire8/concat")],
                                        settings=DreamSettings(num_octaves=2, num_steps=2)))
    assert_right(made())
    mutate(monkeypatch, deepdream, "deep_dream", OCTAVE, DREAM_MUTANTS["no detail"][3], dream_demo)
    assert_found(made())


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("kind", HARD)
def test_dreams_of_hard_pictures_have_no_false_alarm(model, kind):
    assert_right(dream_card(model, photo=hard_picture(kind, 64, 64)))
