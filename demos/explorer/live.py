"""The streams of the explorer: pictures that grow step by step."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from minicnn.backend import Array, to_host
from minicnn.optimize.progress import Progress
from minicnn.visualize import channel_visualization, neuron_visualization
from minicnn.visualize.synthesis.ascent_settings import CS231N, NEURON
from minicnn.visualize.synthesis.before_relu import default_settings

from . import pictures
from .state import Asked
from .streams import Stream

Work = Callable[[Stream], None]
SIZES, STEPS = (16, 512), (1, 1000)


def synthesis(asked: Asked) -> Work:
    """Prepare the stream of an image that maximizes a channel, or a unit of a layer without maps."""
    model, layer = asked.model, asked.layer()
    channel, size = asked.channel(layer), asked.whole("size", *SIZES, 128)
    has_maps = len(model.net.shapes()[layer]) == 4
    settings = replace(default_settings(model.net, CS231N if has_maps else NEURON),
                       num_steps=asked.whole("steps", *STEPS, 40))

    def work(stream: Stream) -> None:
        def callback(progress: Progress, image: Array) -> None:
            if stream.step() or progress.step == settings.num_steps:
                stream.send("picture", {
                    "step": progress.step, "steps": settings.num_steps, "score": progress.values[0],
                    "src": pictures.data_url(model.preprocessing.to_image(to_host(image)))})
        visualize = channel_visualization if has_maps else neuron_visualization
        _, history = visualize(model.net, layer, channel, model.preprocessing, settings, rng=np.random.default_rng(0),
                               size=size if has_maps else None, callback=callback)
        stream.send("done", {"step": len(history), "score": history[-1].values[0]})
    return work
