"""The settings of the explorer's computations, and the Python lines that make the same settings."""

from dataclasses import replace
from typing import NamedTuple

from minicnn.models import Model
from minicnn.visualize import DreamSettings
from minicnn.visualize.style.settings import StyleSettings
from minicnn.visualize.synthesis.ascent_settings import CS231N, DISTILL, NEURON, AscentSettings
from minicnn.visualize.synthesis.before_relu import first_relu_is_dead

from ..shared.layers import style_layers
from ..shared.preset_choice import BY_LAYERS, default_style, style_presets

SYNTHESIS_SIDE, SYNTHESIS_STEPS = 128, 40                # pixels and steps
DREAM_SIDE, STYLE_SIDE, STYLE_STEPS = 256, 192, 60       # long sides in pixels, and steps
SMALL_STYLE_SIDE = 96                                    # for the network `shapes`
WINDOW, STRIDE = 32, 8                                   # of occlusion, pixels for a network of 224 pixels
SMALL = 100                                              # side of the input of a network of small pictures, pixels
ASCENTS = {"distill": DISTILL, "cs231n": CS231N, "neuron": NEURON}


class Ascent(NamedTuple):
    """How a channel's image is made. preset : the name of its settings. has_maps : whether the layer has maps."""

    preset: str
    settings: AscentSettings
    has_maps: bool

    def line(self, layer: str, channel: int) -> str:
        """Return the Python lines that make the image."""
        name = self.preset.upper()
        function = "channel_visualization" if self.has_maps else "neuron_visualization"
        size = f", size={SYNTHESIS_SIDE}" if self.has_maps else ""
        return (f"from dataclasses import replace\n"
                f"from minicnn.visualize.synthesis.ascent_settings import {name}\n\n"
                f"settings = replace({name}, num_steps={self.settings.num_steps})\n"
                f"image, history = visualize.{function}(\n"
                f"    model.net, {layer!r}, {channel}, pre, settings, rng=0{size})\n"
                f"picture = pre.to_image(image)")

    def command(self) -> str:
        """Return the command that makes the image, with the words LAYER and CHANNEL."""
        kind, size = ("channel", f" --size {SYNTHESIS_SIDE}") if self.has_maps else ("neuron", "")
        return (f"neuron_visualization --kind {kind} --layer LAYER --channels CHANNEL{size} --preset {self.preset} "
                f"--steps {self.settings.num_steps}")


def ascent(model: Model, layer: str, from_noise: bool, steps: int | None = None) -> Ascent:
    """Return how the image of a channel of `layer` is made.

    from_noise : whether it starts from noise, as no gradient reaches the channel from a grey image.
    steps : by default, SYNTHESIS_STEPS.
    """
    has_maps = len(model.net.shapes()[layer]) == 4
    preset = "distill"
    if from_noise or first_relu_is_dead(model.net):  # as in networks of drawings
        preset = "cs231n" if from_noise or has_maps else "neuron"
    return Ascent(preset, replace(ASCENTS[preset], num_steps=steps or SYNTHESIS_STEPS), has_maps)


def dream_settings(model: Model) -> DreamSettings:
    """Return the settings of a dream."""
    return DreamSettings() if model.net.input_shape[1] > SMALL else DreamSettings(num_octaves=2)


def dream_side(model: Model, long_side: int, seen: int) -> int:
    """Return the long side of a dream in pixels.

    long_side : of the photo. seen : of the photo as the network sees it, which a network of small pictures keeps.
    """
    return min(DREAM_SIDE, long_side) if model.net.input_shape[1] > SMALL else seen


def style_settings(model: Model) -> tuple[StyleSettings, str]:
    """Return the settings of a style transfer, and the Python lines that make the same `settings`."""
    preset = default_style(model)
    side = STYLE_SIDE if preset != "shapes" else SMALL_STYLE_SIDE
    settings = replace(style_presets(model)[preset], size=side, side="long", coarse=None, num_steps=STYLE_STEPS)
    name, source = "STYLE_PRESETS", f"STYLE_PRESETS[{preset!r}]"
    if preset == BY_LAYERS:
        content, layers = style_layers(model.net)
        name, source = "style_of_layers", f"style_of_layers({content!r}, {layers!r})"
    return settings, (f"from dataclasses import replace\nfrom minicnn.visualize.style.settings import {name}\n\n"
                      f"settings = replace({source},\n    size={side}, side='long', coarse=None, "
                      f"num_steps={STYLE_STEPS})")


def occlusion_steps(side: int) -> tuple[int, int]:
    """Return (window, stride) of occlusion for an input of `side` pixels."""
    return max(1, round(WINDOW * side / 224)), max(1, round(STRIDE * side / 224))
