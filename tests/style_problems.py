"""A small style transfer that the tests share: its pictures, settings, and problem."""

import dataclasses

import numpy as np
from two_stages import network

from minicnn.datasets.drawings import draw_scene, draw_style
from minicnn.models.preprocessing import TORCHVISION
from minicnn.visualize import StyleSettings, transfer_style
from minicnn.visualize.style.problem import style_problem

STYLE = ("relu1", "relu2")
PLAIN = StyleSettings(content_layers={"relu2": 1.0}, style_layers=dict.fromkeys(STYLE, 1.0), style_weight=10.0,
                      reduction="relative", pooling="avg", size=24, num_steps=12)


def content():
    return draw_scene(48)[:36]  # wider than high


def style(name="strokes"):
    return draw_style(name, np.random.default_rng(0), 40)


def transfer(xp, styles=("strokes",), masks=None, callback=None, checkpoint=None, seed=0, **settings):
    return transfer_style(network(xp), content(), [style(name) for name in styles], TORCHVISION,
                          dataclasses.replace(PLAIN, **settings), rng=np.random.default_rng(seed), masks=masks,
                          callback=callback, checkpoint=checkpoint)


def problem(net, styles=("strokes",), size=24, masks=None, **settings):
    return style_problem(net, content(), [style(name) for name in styles], TORCHVISION,
                         dataclasses.replace(PLAIN, **settings), size, masks)


def halves():
    left = np.zeros((36, 48), np.uint8)
    left[:, :24] = 255
    return [left, 255 - left]
