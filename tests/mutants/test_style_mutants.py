"""Each style technique passes all judged checks of its run card; broken in a characteristic way, it fails one."""

from dataclasses import replace

import numpy as np
import pytest
from mutation import HARD, assert_found, assert_right, card, hard_picture, mutate

from demos import fast_style as fast_demo
from demos import style_transfer as transfer_demo
from demos.shared.style_inputs import Sources
from minicnn.datasets.drawings import draw_scene, draw_style
from minicnn.errors import InputError
from minicnn.layers import ConditionalInstanceNorm2D, norm
from minicnn.models import load_model
from minicnn.visualize.style import (
    colour,
    fast_style,
    many_styles,
    many_styles_check,
    pictures,
    problem,
    terms,
    tiled_transform,
    transfer,
)
from minicnn.visualize.style.settings import SHAPES

SIZE = 40


@pytest.fixture(scope="module")
def model():
    """The shipped network of drawn shapes."""
    return load_model("shapes", "cpu").fast()


@pytest.fixture(scope="module")
def painter():
    """The shipped transform network of several styles."""
    return load_model("styles", "cpu").fast()


# ---- style transfer --------------------------------------------------------------------------------------------------

PAIR = {"styles": ("strokes", "dots"), "blend": (1, 3)}
MASKED = {**PAIR, "masks": True}
WAVES, ADAM_WAVES = ({**MASKED, "parametrization": "fourier", "optimizer": name, "learning_rate": 0.05}
                     for name in ("lbfgs", "adam"))
ORIGINAL, LUMINANCE, MATCH = ({"colours": name} for name in ("original", "luminance", "match"))
TRANSFER_MUTANTS = {
    "content and style swapped": ({}, problem, "style_problem", "problem_inputs(net, content, styles, preprocessing",
                                  "problem_inputs(net, styles[0], [content], preprocessing"),
    "the sign of total variation": ({}, problem, "style_problem", "(settings.tv_weight / (own",
                                    "(-settings.tv_weight / (own"),
    "content's weight ignored": ({"content_weight": 3.0}, problem, "style_problem", "settings.content_weight,", "1.0,"),
    "style's weight ignored": ({}, problem, "style_problem", "part.weight * settings.style_weight", "part.weight"),
    "the blend ignored": (PAIR, problem, "style_problem", "style_layers, part.blend)", "style_layers)"),
    "the masks swapped": (MASKED, problem, "style_problem", "settings.blend, masks)",
                          "settings.blend, masks[::-1])"),
    "the masks ignored": (MASKED, problem, "style_problem", "layer_masks(part.mask, net",
                          "layer_masks(part.mask * 0 + 1, net"),
    "other pools": ({}, problem, "style_problem", "net = net.with_pooling(settings.pooling)", ""),
    "a style of another size": ({"style_scale": 0.5}, problem, "problem_inputs", "settings.style_size(size)", "size"),
    "other layers' weights": ({"style_layers": {"relu1": 1.0, "relu2": 4.0}}, terms, "style_terms",
                              "weight * layers[layer]", "weight"),
    "from the style": ({}, transfer, "first_image", "x = problem.content", "x = problem.styles[0]"),
    "mirrored": ({}, transfer, "transfer_style", "x = to_host(image)\n", "x = to_host(image)[..., ::-1]\n"),
    "a faint start on a spectrum": (WAVES, transfer, "optimize_size", "parametrization.inverse(image)",
                                    "0.9 * parametrization.inverse(image)"),
    "the numbers for the picture": (WAVES, transfer, "optimize_size", "forward(z)[0], False",
                                    "forward(0.9 * z)[0], False"),
    "Adam with double steps on a spectrum": (ADAM_WAVES, transfer, "phases", "Phase(Adam(settings.learning_rate)",
                                             "Phase(Adam(2 * settings.learning_rate)"),
    "Adam without its clamp": ({"optimizer": "adam", "clamp": 0.5, "num_steps": 20}, transfer, "phases",
                               "if settings.clamp is None else (Clamp", "if True else (Clamp"),
    "Adam with double steps": ({"optimizer": "adam"}, transfer, "phases", "Phase(Adam(settings.learning_rate)",
                               "Phase(Adam(2 * settings.learning_rate)"),
    "the content's brightness": (ORIGINAL, colour, "keep_colours", "luminance(painted)", "luminance(content)"),
    "the painted colours": (ORIGINAL, pictures, "finished_picture", 'if colours not in ("original", "luminance"):',
                            "if True:"),
    "a colourful content": (LUMINANCE, pictures, "finished_picture", 'if colours not in ("original", "luminance"):',
                            "if True:"),
    "only the mean is matched": (MATCH, colour, "match_colours", "(pixels - pixels.mean(axis=0)) @ transform.T",
                                 "(pixels - pixels.mean(axis=0))"),
}


def transfer_card(model, content=None, styles=("strokes",), masks=False, **changed):
    content = draw_scene(SIZE) if content is None else content
    mask = np.zeros(content.shape[:2], np.uint8)
    mask[:, :content.shape[1] // 3] = 255
    drawn = [draw_style(name, np.random.default_rng(0), SIZE) if isinstance(name, str) else name for name in styles]
    sources = Sources(content, drawn, ["content", *map(str, range(len(drawn)))], [mask, 255 - mask] if masks else None)
    settings = replace(SHAPES, **{"size": SIZE, "num_steps": 5, "learning_rate": 0.1} | changed)
    return card(transfer_demo.pictures(model, sources, settings))


@pytest.mark.parametrize("changed", [
    {}, {"init": "noise"}, {"reduction": "mean"}, {"coarse": 28, "fine_steps": 3}, {"optimizer": "adam", "clamp": 0.5},
    {"optimizer": "adam", "num_steps": 20, "last_learning_rate": 0.01}, WAVES, ADAM_WAVES, PAIR, MASKED, ORIGINAL,
    LUMINANCE, MATCH], ids=str)
def test_transfers_are_right(model, changed):
    assert_right(transfer_card(model, **changed))


@pytest.mark.parametrize("mutant", TRANSFER_MUTANTS)
def test_transfer_mutants_are_found(monkeypatch, model, mutant):
    changed, owner, name, old, new = TRANSFER_MUTANTS[mutant]
    users = [module for module in (transfer, transfer_demo, problem, pictures) if hasattr(module, name)]
    mutate(monkeypatch, owner, name, old, new, *(user for user in users if user is not owner))
    assert_found(transfer_card(model, **changed))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("colours", ["style", "original", "luminance", "match"])
def test_flat_pictures_and_noise_have_no_false_alarm(model, colours):
    flat, two, _, noise = (hard_picture(kind, SIZE, SIZE) for kind in HARD)
    for content, style in ((flat, two), (two, flat), (noise, two), (two, noise)):
        try:
            assert_right(transfer_card(model, content, [style], colours=colours))
        except InputError as problem:  # the network does not respond to one colour
            assert "gradient is zero" in str(problem) and content is flat


# ---- transform networks ----------------------------------------------------------------------------------------------

FAST_MUTANTS = {
    "another style": (many_styles, "with_style", "layer.with_style(style)", "layer.with_style(style[::-1])"),
    "the last style wins": (many_styles, "with_style", "layer.with_style(style)", "layer.with_style(style * 0 + 0.25)"),
    "channels swapped": (fast_style, "stylize", "preprocessing.to_image(out)[:H, :W]",
                         "preprocessing.to_image(out)[:H, :W, ::-1]"),
    "clipped": (fast_style, "stylize", "preprocessing.to_image(out)[:H, :W]",
                "np.clip(preprocessing.to_image(out)[:H, :W], 60, 200)"),
    "cut at the wrong side": (fast_style, "stylize", "preprocessing.to_image(out)[:H, :W]",
                              "preprocessing.to_image(out)[-H:, -W:]"),
    "another border": (fast_style, "mirrored", '"reflect"', '"edge"'),
    "tiles with a mean of their own": (tiled_transform, "predict_by_tiles", "outputs(net.with_layers(fixed)):",
                                       "outputs(net):"),
    "a gradient without the mean": (ConditionalInstanceNorm2D, "backward", "normalize_backward(", "no_mean("),
}


def fast_card(painter, picture=None, style=1):
    picture = draw_scene(50)[:43] if picture is None else picture
    mixture = np.eye(len(painter.styles))[style]
    one = painter._replace(net=fast_demo.with_style(painter.net, mixture))
    return card(fast_demo.pictures(one, [fast_demo.paint(one, "it", picture)], mixture=mixture))


@pytest.mark.parametrize("style", range(4))
def test_fast_styles_are_right(painter, style):
    assert_right(fast_card(painter, style=style))


@pytest.mark.parametrize("mutant", FAST_MUTANTS)
def test_fast_style_mutants_are_found(monkeypatch, painter, mutant):
    owner, name, old, new = FAST_MUTANTS[mutant]
    if new == "no_mean(":
        painter = painter._replace(net=painter.net.plain())
        monkeypatch.setattr(norm, "no_mean", lambda dx_hat, x_hat, inverse_std, axes: dx_hat * inverse_std,
                            raising=False)
    users = [module for module in (fast_style, fast_demo, many_styles_check) if hasattr(module, name)]
    mutate(monkeypatch, owner, name, old, new, *(user for user in users if user is not owner))
    # higher than a tile with its margins
    assert_found(fast_card(painter, draw_scene(200)[:, :43] if owner is tiled_transform else None))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("kind", HARD)
def test_fast_style_of_hard_pictures_has_no_false_alarm(painter, kind):
    assert_right(fast_card(painter, hard_picture(kind, 40, 52)))
    assert_right(fast_card(painter, hard_picture(kind, 5, 7)))


SHEET_MUTANTS = {
    "the blend ignored": (many_styles, "with_style", "layer.with_style(style)",
                          "layer.with_style(np.eye(len(style))[style.argmax()])"),
    "styles in reverse": (many_styles, "with_style", "layer.with_style(style)", "layer.with_style(style[::-1])"),
    "unequal shares": (ConditionalInstanceNorm2D, "_style_on", "self.style[None]", "self.style[None]**2"),
}


def sheet_card(painter, model):
    return card(fast_demo.sheet_pictures(painter, "it", draw_scene(32), model, 3))


def test_the_sheet_of_styles_is_right(painter, model):
    assert_right(sheet_card(painter, model))


@pytest.mark.parametrize("mutant", SHEET_MUTANTS)
def test_sheet_mutants_are_found(monkeypatch, painter, model, mutant):
    owner, name, old, new = SHEET_MUTANTS[mutant]
    users = [fast_demo, many_styles_check] if name == "with_style" else []
    mutate(monkeypatch, owner, name, old, new, *users)
    assert_found(sheet_card(painter, model))
