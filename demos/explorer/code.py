"""The Python lines and the command that make a picture of the page."""

import shlex
from typing import Any

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
    "synthesis": "from minicnn.visualize.synthesis.ascent_settings import DISTILL\nfrom dataclasses import replace\n\n"
                 "image, history = visualize.channel_visualization(\n    model.net, {layer!r}, {channel}, pre, "
                 "replace(DISTILL, num_steps=40), rng=0, size=128)\npicture = pre.to_image(image)",
    "saliency": "saliency = visualize.saliency_map(model.net, x, {label})[0]\n"
                "plot.show_image(saliency, **plot.saliency_range(saliency))",
    "gradcam": "heat = visualize.upsample_maps(visualize.grad_cam(model.net, x, {label}), *photo.shape[:2])[0]\n"
               "picture = plot.overlay(photo, heat)",
    "relevance": "relevance = visualize.relevance_map(model.net, x, {label}, preprocessing=pre)[0].sum(axis=0)",
    "occlusion": "p = visualize.class_probability(model.net, x, {label})\n"
                 "drops = p[:, None, None] - visualize.occlusion_map(model.net, x, {label})\n"
                 "heat = visualize.spread_occlusion(drops, 32, 8, *photo.shape[:2])[0]",
    "fooling": "picture, report, history = visualize.fooling_image(model.net, x, {label}, pre)\nprint(report)",
    "dream": "dream, history = visualize.deep_dream(model.net, x, pre, rng=0, layer={layer!r})\n"
             "picture = pre.to_image(dream)",
    "style": "from minicnn.datasets.drawings import draw_style\n"
             "from minicnn.visualize.style.settings import STYLE_PRESETS\n\n"
             "style = draw_style({style!r}, 0, 192)\n"
             "result = visualize.transfer_style(model.net, photo, [style], pre, STYLE_PRESETS['squeezenet'], rng=0)\n"
             "picture = result.picture"}
COMMANDS = {
    "photo": "saliency PHOTO", "maps": "activations PHOTO --layer LAYER", "overlay": "activations PHOTO --layer LAYER",
    "guided": "guided_backprop PHOTO --layer LAYER", "patches": "patches --layer LAYER --channels CHANNEL",
    "synthesis": "neuron_visualization --kind channel --layer LAYER --channels CHANNEL --size 128 --steps 40",
    "saliency": "saliency PHOTO --class LABEL", "gradcam": "class_maps PHOTO --class LABEL",
    "relevance": "relevance PHOTO --class LABEL", "occlusion": "occlusion PHOTO --class LABEL",
    "fooling": "fooling PHOTO --target LABEL", "dream": "deepdream PHOTO --layer LAYER",
    "style": "style_transfer PHOTO"}  # the other views are parts of guided_backprop
SAME = {"channel": "guided", "class": "saliency"}  # views of several pictures: the lines of the first


def code_of(view: str, model: str, file: str, **names: Any) -> dict[str, str]:
    """Return {"python": lines, "command": text} of a view, one of VIEWS.

    model : the network's name, for load_model. file : the name of the photo's file.
    names : layer, channel, label and style, as far as the view has them.
    """
    view = SAME.get(view, view)
    words = {"PHOTO": file, "LAYER": names.get("layer"), "CHANNEL": names.get("channel"), "LABEL": names.get("label")}
    command = COMMANDS.get(view, COMMANDS["guided"]).split()
    shown = " ".join(shlex.quote(str(words.get(word, word))) for word in command)
    return {"python": f"{START}\n\n{LINES[view]}".format(model=model, photo=file, **names),
            "command": f"minicnn {shown} --model {shlex.quote(model)}"}
