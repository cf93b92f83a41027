"""The Python lines and the command that make a picture of the page."""

import shlex
from typing import Any

from minicnn.models import Model

from . import settings as used

VIEWS = ("photo", "maps", "channel", "plain", "deconv", "guided", "overlay", "patches", "synthesis", "class",
         "saliency", "gradcam", "relevance", "occlusion", "fooling", "dream", "style")
START = """from minicnn import images, load_model, plot
from minicnn import visualize

model = load_model({model!r}).fast()
pre = model.preprocessing
photo = images.fit(images.load_image({photo!r}), pre.resize, pre.crop)
x = pre.to_input(photo)"""
GRADIENT = """dx = visualize.{function}(model.net, x, {layer!r}, {channel})
picture = plot.gradient_to_colours(pre.to_pixel_directions(dx)[0])"""
LINES = {
    "plain": GRADIENT.replace("{function}", "neuron_gradient"),
    "deconv": GRADIENT.replace("{function}", "deconvnet"),
    "guided": GRADIENT.replace("{function}", "guided_backprop"),
    "photo": "scores = model.net.predict(x)[0]\nprint(model.labels[scores.argmax()])",
    "maps": "maps = visualize.feature_maps(model.net, x, {layer!r})[0]  # (channels, h, w)",
    "overlay": "maps = visualize.feature_maps(model.net, x, {layer!r})\n"
               "heat = visualize.upsample_maps(maps[:, {channel}], *photo.shape[:2])[0]\n"
               "picture = plot.overlay(photo, heat)",
    "patches": "best = visualize.top_patches(model.net, batches, {layer!r}, channels=[{channel}])  # batches of your "
               "photos\nfield = visualize.receptive_field(model.net, {layer!r})",
    "saliency": "saliency = visualize.saliency_map(model.net, x, {label})[0]\n"
                "plot.show_image(saliency, **plot.saliency_range(saliency))",
    "gradcam": "heat = visualize.upsample_maps(visualize.grad_cam(model.net, x, {label}), *photo.shape[:2])[0]\n"
               "picture = plot.overlay(photo, heat)",
    "relevance": "relevance = visualize.relevance_map(model.net, x, {label}, preprocessing=pre)[0].sum(axis=0)",
    "occlusion": "p = visualize.class_probability(model.net, x, {label})\n"
                 "drops = p[:, None, None] - visualize.occlusion_map(\n    model.net, x, {label}, window={window}, "
                 "stride={stride})\n"
                 "heat = visualize.spread_occlusion(drops, {window}, {stride}, *photo.shape[:2])[0]",
    "fooling": "picture, report, history = visualize.fooling_image(model.net, x, {label}, pre)\nprint(report)",
    "dream": "whole = images.resize_long_side(images.load_image({photo!r}), {side})\n"
             "settings = visualize.DreamSettings(num_octaves={octaves})\n"
             "dream, history = visualize.deep_dream(\n    model.net, pre.to_input(whole), pre, settings, rng=0, "
             "layer={layer!r})\npicture = pre.to_image(dream)",
    "style": "import numpy as np\nfrom minicnn.datasets.drawings import draw_style\n{style_lines}\n\n"
             "whole = images.load_image({photo!r})\n"
             "style = draw_style({style!r}, np.random.default_rng(0), settings.size)\n"
             "result = visualize.transfer_style(model.net, whole, [style], pre, settings, rng=0)\n"
             "picture = result.picture"}
COMMANDS = {
    "photo": "saliency PHOTO", "maps": "activations PHOTO --layer LAYER", "overlay": "activations PHOTO --layer LAYER",
    "guided": "guided_backprop PHOTO --layer LAYER", "patches": "patches --layer LAYER --channels CHANNEL",
    "saliency": "saliency PHOTO --class LABEL", "gradcam": "class_maps PHOTO --class LABEL",
    "relevance": "relevance PHOTO --class LABEL", "occlusion": "occlusion PHOTO --class LABEL",
    "fooling": "fooling PHOTO --target LABEL", "dream": "deepdream PHOTO --layer LAYER --size SIDE --octaves OCTAVES",
    "style": "style_transfer PHOTO --size SIDE --side long --steps STEPS"}  # the others are parts of guided_backprop
PARTS = {"channel": ("guided", "synthesis"), "class": ("saliency", "gradcam", "relevance", "occlusion")}
TITLES = {"guided": "Guided backprop. neuron_gradient and deconvnet take the same arguments.",
          "synthesis": "The synthesised image.", "saliency": "Saliency.", "gradcam": "Grad-CAM.",
          "relevance": "Relevance.", "occlusion": "Occlusion."}


def code_of(view: str, model: Model, file: str, ascent: used.Ascent | None = None, **names: Any) -> dict[str, str]:
    """Return {"python": lines, "command": text} of a view, one of VIEWS.

    file : the name of the photo's file. ascent : how a channel's image is made; without it, its lines are missing.
    names : layer, channel, label, style, and the long side of a dream, as far as the view has them.
    """
    shown = [part for part in PARTS.get(view, (view,)) if part != "synthesis" or ascent is not None]
    window, stride = used.occlusion_steps(model.net.input_shape[1])
    known = names | {"model": model.name, "photo": file, "window": window, "stride": stride,
                     "octaves": used.dream_settings(model).num_octaves}
    if view == "style":
        settings, known["style_lines"] = used.style_settings(model)
        known |= {"side": settings.size, "steps": settings.num_steps}
    lines, commands = [START.format(**known)], []
    for part in shown:
        made = ascent.line(known["layer"], known["channel"]) if ascent is not None and part == "synthesis" else \
            LINES[part].format(**known)
        lines.append(made if len(shown) == 1 else f"# {TITLES[part]}\n{made}")
        pattern = ascent.command() if ascent is not None and part == "synthesis" else \
            COMMANDS.get(part, COMMANDS["guided"])
        words = [shlex.quote(str(known.get(word.lower(), word))) if word.isupper() else word
                 for word in pattern.split()]
        commands.append(f"minicnn {' '.join(words)} --model {shlex.quote(model.name)}")
    return {"python": "\n\n".join(lines), "command": "\n".join(commands)}
