"""The streams of the explorer: pictures that grow step by step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from minicnn import images
from minicnn.backend import Array, to_device, to_host
from minicnn.datasets.drawings import STYLES, draw_style
from minicnn.errors import InputError
from minicnn.optimize.progress import Progress
from minicnn.visualize import (
    channel_visualization,
    deep_dream,
    fooling_image,
    neuron_visualization,
    transfer_style,
)
from minicnn.visualize.attribution.occlusion import class_probability, occlusion_rows, spread_occlusion
from minicnn.visualize.attribution.occlusion_check import check_occlusion
from minicnn.visualize.check import above, below, reported
from minicnn.visualize.style.pictures import finished_picture
from minicnn.visualize.synthesis.fooling import MARGIN
from minicnn.visualize.synthesis.fooling_check import check_fooling

from ..shared.inputs import best_classes
from . import pictures
from . import settings as used
from .session import View
from .state import Asked
from .streams import Stream
from .unit_answers import shown_checks

Work = Callable[[Stream], None]
SIZES, STEPS = (16, 512), (1, 1000)  # that a request may ask for


def synthesis(asked: Asked) -> Work:
    """Prepare the stream of an image that maximizes a channel, or a unit of a layer without maps."""
    model, layer = asked.model, asked.layer()
    channel, size = asked.channel(layer), asked.whole("size", *SIZES, used.SYNTHESIS_SIDE)
    steps, unit = asked.whole("steps", *STEPS, used.SYNTHESIS_STEPS), (asked.network, layer, channel)
    has_maps = len(model.net.shapes()[layer]) == 4

    def work(stream: Stream) -> None:
        def callback(progress: Progress, image: Array) -> None:
            if stream.step() or progress.step == steps:
                stream.send("picture", {
                    "step": progress.step, "steps": steps, "score": progress.values[0],
                    "src": pictures.data_url(model.preprocessing.to_image(to_host(image)))})

        def ascend(from_noise: bool) -> tuple[Array, list[Progress]]:
            settings = used.ascent(model, layer, from_noise, steps).settings
            visualize = channel_visualization if has_maps else neuron_visualization
            return visualize(model.net, layer, channel, model.preprocessing, settings, rng=0,
                             size=size if has_maps else None, callback=callback)
        try:
            image, history = ascend(unit in asked.explorer.from_noise)
        except InputError:  # no gradient reaches a grey image: start from noise
            asked.explorer.from_noise.add(unit)
            image, history = ascend(True)
        finished = model.preprocessing.to_input(model.preprocessing.to_image(image))
        out = to_host(model.net.predict(to_device(finished, model.net.device), layer))[0]
        means = pictures.as_maps(out).mean(axis=(1, 2))
        first = history[0].values[0]
        stream.send("done", {"step": len(history), "score": float(means[channel]), "checks": shown_checks([
            above("mean activation of the finished 8-bit picture", means[channel], first),
            reported("mean activation at the start", first),
            reported("channels of the layer that are more active on it", int((means > means[channel]).sum()),
                     f"of {len(means)}")], asked.language)})
    return work


def occlusion(asked: Asked) -> Work:
    """Prepare the stream of the fall of a class's probability while a window hides one place after another."""
    model, label, view = asked.model, asked.label(), asked.view
    H, W = view.x.shape[2:]
    window, stride = (asked.whole(name, 1, min(H, W), size)
                      for name, size in zip(("window", "stride"), used.occlusion_steps(H), strict=True))

    def work(stream: Stream) -> None:
        p = class_probability(model.net, view.x, label)
        values = np.zeros(0)
        for values in occlusion_rows(model.net, view.x, label, window, stride):
            if stream.step() or np.isfinite(values).all():
                drops = np.nan_to_num(p[:, None, None] - values)
                spread = spread_occlusion(drops, window, stride, H, W)[0]
                stream.send("picture", {
                    "step": int(np.isfinite(values).sum()), "steps": values.size, "lowest": float(np.nanmin(values)),
                    "src": pictures.data_url(pictures.heat(view.image, spread))})
        checks = check_occlusion(model.net, view.x, np.array([label]), values, window, stride)
        stream.send("done", {"step": values.size, "probability": float(p[0]), "lowest": float(values.min()),
                             "checks": shown_checks(checks, asked.language)})
    return work


def fooling(asked: Asked) -> Work:
    """Prepare the stream of a photo that changes until the network sees the class in it."""
    model, target, view = asked.model, asked.label(), asked.view
    source = best_classes(view.activation(model.net.output))[0][0]

    def work(stream: Stream) -> None:
        def callback(progress: Progress, image: Array) -> None:
            stream.step()
            stream.send("picture", fooled_answer(view, to_host(image), source, target, progress.step))
        picture, report, history = fooling_image(model.net, view.x, target, model.preprocessing, MARGIN,
                                                 callback=callback)
        checks = check_fooling(model.net, view.image, picture, report, target, model.preprocessing,
                               np.random.default_rng(0), view.photo.title, MARGIN)
        stream.send("done", {"step": report.steps, "steps": MARGIN.num_steps, "fooled": report.survived,
                             "margin": report.margin, "largest": report.linf, "psnr": finite(report.psnr),
                             "checks": shown_checks(checks, asked.language)})
    return work


def fooled_answer(view: View, image: np.ndarray, source: int, target: int, step: int) -> dict[str, Any]:
    """Return the event of one step of fooling: the 8-bit picture, its change, its scores, and the target's margin."""
    model = view.model
    picture = model.preprocessing.to_image(image)
    x = to_device(model.preprocessing.to_input(picture), model.net.device)
    scores = to_host(model.net.predict(x))[0]
    best = best_classes(scores)
    return {"step": step, "steps": MARGIN.num_steps, "src": pictures.data_url(picture),
            "noise": pictures.data_url(pictures.noise(picture, view.image)), "factor": pictures.NOISE,
            "scores": {"from": float(scores[source]), "to": float(scores[target])},
            "margin": float(scores[target] - np.delete(scores, target).max()),
            "class": best[0][0], "probability": best[0][1]}


def dream(asked: Asked) -> Work:
    """Prepare the stream of a photo in which the patterns of a layer grow."""
    model, layer, view = asked.model, asked.layer(), asked.view
    picture = images.resize_long_side(view.photo.picture, dream_side(view))
    settings = used.dream_settings(model)
    steps = settings.num_octaves * settings.num_steps

    def work(stream: Stream) -> None:
        def callback(progress: Progress, image: Array) -> None:
            if stream.step() or progress.step == steps:
                stream.send("picture", {"step": progress.step, "steps": steps, "score": progress.values[0],
                                        "src": pictures.data_url(model.preprocessing.to_image(to_host(image)))})
        _, history = deep_dream(model.net, model.preprocessing.to_input(picture), model.preprocessing, settings,
                                rng=np.random.default_rng(0), layer=layer, callback=callback)
        first, last = (history[place].values[0] for place in (-settings.num_steps, -1))
        stream.send("done", {"step": len(history), "checks": shown_checks([
            above("objective at the end of the last octave", last, first)], asked.language)})
    return work


def dream_side(view: View) -> int:
    """Return the long side of a dream of the photo, in pixels."""
    return used.dream_side(view.model, max(view.photo.picture.shape[:2]), max(view.image.shape[:2]))


def style(asked: Asked) -> Work:
    """Prepare the stream of the photo painted in a drawn style."""
    model, view = asked.model, asked.view
    name, steps = asked.choice("style", tuple(STYLES)), asked.whole("steps", *STEPS, used.STYLE_STEPS)

    def work(stream: Stream) -> None:
        settings = replace(used.style_settings(model)[0], num_steps=steps)
        painting = draw_style(name, np.random.default_rng(0), settings.size)

        def callback(progress: Progress, image: Array) -> None:
            if stream.step() or progress.step == settings.num_steps:
                shown = finished_picture(to_host(image), view.photo.picture, model.preprocessing, settings.colours)
                stream.send("picture", {"step": progress.step, "steps": settings.num_steps, "loss": progress.total,
                                        "src": pictures.data_url(shown)})
        result = transfer_style(model.net, view.photo.picture, [painting], model.preprocessing, settings,
                                rng=np.random.default_rng(0), callback=callback)
        stream.send("done", {"step": len(result.history), "src": pictures.data_url(result.picture),
                             "checks": shown_checks([
            below("loss at the end", result.history[-1].total, result.history[0].total)], asked.language)})
    return work


def finite(number: float) -> float | None:
    """Return the number; None for an infinite one, which JSON does not have."""
    return number if abs(number) < 1e30 else None
