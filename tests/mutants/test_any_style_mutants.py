"""Any style passes all judged checks of its run card; broken in a characteristic way, it fails one."""

from dataclasses import replace

import numpy as np
import pytest
from any_style_networks import painter_model
from mutation import HARD, assert_found, assert_right, card, hard_picture, mutate

from demos import any_style as demo
from demos.shared.style_inputs import Sources
from minicnn.datasets.drawings import draw_scene, draw_style
from minicnn.visualize.style import any_style, fast_style, feature_transforms
from minicnn.visualize.style.any_style import AnyStyleSettings

SIZE = 22  # not a multiple of 4
SMALL = AnyStyleSettings(size=SIZE, layers=("relu2_1", "relu1_1"))
HALF, ADAIN, SCALE, PAIR = {"strength": 0.5}, {"method": "adain"}, {"style_scale": 0.5}, {"blend": (1, 4)}
MASKED = {"masks": True, "blend": (1, 1)}
WCT_AND_COLOUR = (feature_transforms, "whiten_and_colour")
MUTANTS = {
    "not whitened": ({}, *WCT_AND_COLOUR, "colour @ whiten", "colour"),
    "not coloured": ({}, *WCT_AND_COLOUR, "colour @ whiten", "whiten"),
    "coloured first": ({}, *WCT_AND_COLOUR, "colour @ whiten", "whiten @ colour"),
    "the content's mean": ({}, *WCT_AND_COLOUR, "target.mean)", "source.mean)"),
    "whitened by a quarter": ({}, *WCT_AND_COLOUR, "(source, -0.5)", "(source, -0.25)"),
    "centred at 0": ({}, *WCT_AND_COLOUR, "(content, source.mean,", "(content, 0 * source.mean,"),
    "variances for deviations": (ADAIN, feature_transforms, "adaptive_instance_norm", "xp.sqrt(", "("),
    "not normalised": (ADAIN, feature_transforms, "adaptive_instance_norm", "/ xp.where(varies, variance, 1)", "/ 1"),
    "the whole mean at half strength": (HALF, any_style, "styled_features", "settings.strength * share", "share"),
    "strength 0 is not exact": ({}, any_style, "styled_features", "out = content\n", "out = content * 1.00001\n"),
    "equal weights": (PAIR, any_style, "style_shares", "weight / sum(blend)", "1 / len(blend)"),
    "the masks swapped": (MASKED, any_style, "any_style", "for mask in masks or ()]",
                          "for mask in (masks or ())[::-1]]"),
    "statistics of the whole": (MASKED, any_style, "styled_features", "style, mask) - content)", "style) - content)"),
    "from fine to coarse": ({}, any_style, "any_style", "for layer in settings.layers:\n",
                            "for layer in settings.layers[::-1]:\n"),
    "the coarsest layer alone": ({}, any_style, "any_style", "for layer in settings.layers:\n",
                                 "for layer in settings.layers[:1]:\n"),
    "a style of another size": (SCALE, any_style, "any_style_inputs", "settings.style_scale * settings.size",
                                "settings.size"),
    "another border": ({}, fast_style, "mirrored", '"reflect"', '"edge"'),
    "mirrored": ({}, any_style, "any_style", "[..., :H, :W], content", "[..., W - 1::-1][..., :H, :], content"),
}


def painted_card(content=None, styles=("strokes", "dots"), masks=False, **changed):
    content = draw_scene(SIZE) if content is None else content
    drawn = [draw_style(name, np.random.default_rng(0), SIZE) if isinstance(name, str) else name for name in styles]
    drawn = drawn if "blend" in changed else drawn[:1]
    mask = np.zeros(content.shape[:2], np.uint8)
    mask[:, :content.shape[1] // 3] = 255
    sources = Sources(content, drawn, ["content", *map(str, range(len(drawn)))], [mask, 255 - mask] if masks else None)
    return card(demo.pictures(painter_model(), sources, replace(SMALL, **changed)))


@pytest.mark.parametrize("changed", [{}, HALF, ADAIN, SCALE, PAIR, MASKED, {"colours": "original"},
                                     {"colours": "match"}, {"colours": "luminance"},
                                     {"layers": ("relu3_1", "relu3_1", "relu1_1")}], ids=str)
def test_paintings_are_right(changed):
    assert_right(painted_card(**changed))


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(monkeypatch, mutant):
    changed, owner, name, old, new = MUTANTS[mutant]
    users = [module for module in (any_style, demo) if hasattr(module, name) and module is not owner]
    users += [module for module in (__import__("minicnn.visualize.style.any_style_check", fromlist=[name]),)
              if hasattr(module, name)]
    mutate(monkeypatch, owner, name, old, new, *users)
    assert_found(painted_card(**changed))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("method", ["wct", "adain"])
def test_flat_pictures_and_noise_have_no_false_alarm(method):
    pictures = [hard_picture(kind, SIZE, SIZE) for kind in HARD]
    for content, style in zip(pictures, [*pictures[1:], pictures[0]], strict=True):
        assert_right(painted_card(content, [style], method=method))
    assert_right(painted_card(draw_scene(SIZE), pictures[:1], method=method, layers=("relu3_1",)))


@pytest.mark.parametrize("old, new", [("[..., :H, :W]", "[..., -H:, -W:]"),
                                      ("decoder_output(layer) for", "decoder_output('relu2_1') for")])
def test_mutants_of_the_learnt_inversion_are_found(monkeypatch, old, new):
    photo = draw_scene(SIZE)
    assert_right(card(demo.inversion_pictures(painter_model(), "scene", photo)))
    mutate(monkeypatch, any_style, "learnt_inversion", old, new, demo)
    assert_found(card(demo.inversion_pictures(painter_model(), "scene", photo)))
