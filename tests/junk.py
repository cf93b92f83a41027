"""Wrong arguments of every kind, and one valid call of each public function, for test_junk.py."""

import datetime
import decimal
import fractions
import pathlib
from dataclasses import replace

import numpy as np
from PIL import Image
from small_networks import PLAIN, scored_network

from minicnn import images, load_model, visualize
from minicnn.layers import Conv2D, ReLU
from minicnn.losses import LayerNorm2
from minicnn.models import transform_network, vgg19_autoencoder
from minicnn.network import Network
from minicnn.receptive_field import receptive_field
from minicnn.visualize import (
    AscentSettings,
    DreamSettings,
    FoolingSettings,
    GeneratorSettings,
    InversionSettings,
    RelevanceSettings,
    RiseSettings,
    StyleSettings,
    TsneSettings,
)
from minicnn.visualize.synthesis.ascent_settings import DISTILL
from minicnn.visualize.texture.gram import TextureSettings


class Hostile:
    """An object of which every use raises an error."""

    def fail(self, *_):
        raise RuntimeError("hostile")
    __len__ = __iter__ = __getitem__ = __array__ = __float__ = __int__ = __index__ = __bool__ = __repr__ = fail


def itself():
    """A list that contains itself."""
    loop = []
    loop.append(loop)
    return loop


def nothing(*_, **__):
    """A function that takes anything."""


# name: a function that makes the value anew, as a call may use it up
JUNK = {
    "None": lambda: None, "empty text": lambda: "", "a name": lambda: "tabby", "bytes": lambda: b"x",
    "a text of control characters": lambda: "a\x1b[2J\nb\x00", "a long text": lambda: "x" * 100_000,
    "NaN": lambda: float("nan"), "inf": lambda: float("inf"), "-1": lambda: -1, "0": lambda: 0, "1.5": lambda: 1.5,
    "True": lambda: True, "2**70": lambda: 2**70, "a huge integer": lambda: 10**5000, "complex": lambda: 1j,
    "[]": lambda: [], "[[]]": lambda: [[]], "ragged": lambda: [[1, 2], [3]], "three numbers": lambda: (1, 2, 3),
    "mixed": lambda: [1, "a", None], "a list in itself": itself, "{}": lambda: {}, "a dict": lambda: {"a": 1},
    "a set": lambda: {1, 2}, "a function": lambda: nothing, "an object": object, "a hostile object": Hostile,
    "a type": lambda: int, "range": lambda: range(3), "a generator": lambda: (n for n in range(3)),
    "a slice": lambda: slice(1, 2), "Ellipsis": lambda: ..., "a path": lambda: pathlib.Path("nowhere"),
    "a date": lambda: datetime.datetime(2020, 1, 1), "Decimal": lambda: decimal.Decimal("1.5"),
    "Fraction": lambda: fractions.Fraction(3, 2), "memoryview": lambda: memoryview(b"abc"),
    "an exception": lambda: ValueError("x"), "a PIL image": lambda: Image.new("RGB", (5, 4)),
    "0-d array": lambda: np.array(7), "0-d text": lambda: np.array("a"), "empty array": lambda: np.zeros(0),
    "complex array": lambda: np.zeros((1, 3, 16, 16), "complex64"), "texts": lambda: np.array(["a", "b"]),
    "objects": lambda: np.array([None, 1, "a"], dtype=object), "records": lambda: np.zeros(3, "i4,f4"),
    "dates": lambda: np.zeros(3, "M8[s]"), "float16": lambda: np.full((1, 3, 16, 16), 60000, "float16"),
    "NaN array": lambda: np.full((1, 3, 16, 16), np.nan, "float32"), "no images": lambda: np.zeros((0, 3, 16, 16)),
    "other channels": lambda: np.zeros((1, 5, 16, 16)), "five axes": lambda: np.zeros((1, 1, 3, 4, 4)),
    "too large for float32": lambda: np.full((1, 3, 16, 16), 1e300),
    "a huge view": lambda: np.broadcast_to(np.float32(0), (1, 3, 10**6, 10**6)),
    "[None]": lambda: [None], "a list of objects": lambda: [object()], "a list of texts": lambda: ["a", "b"],
    "a list of pictures": lambda: [np.zeros((16, 20, 3), "uint8")], "pairs": lambda: [(1, 2), (3, 4)],
    "masked": lambda: np.ma.masked_array(np.zeros((1, 3, 16, 16)), mask=True), "a mask": lambda: np.ones((4, 5), bool),
    "negative numbers": lambda: np.full((4, 5), -3), "a model": lambda: load_model("shapes", "cpu"),
    "a network without layers": lambda: Network((3, 16, 16)), "a type of numbers": lambda: np.float32,
    "a preset of another method": lambda: TsneSettings(), "a seed sequence": lambda: np.random.SeedSequence(1)}


def painter():
    """A small transform network of two styles."""
    return transform_network(styles=("a", "b"), seed=0)


def decoder():
    """A network from a code (4, 4, 4) to a picture (3, 4, 4)."""
    net = Network((4, 4, 4))
    net.add("conv", Conv2D(4, 3, 3, pad=1, rng=np.random.default_rng(0)))
    net.add("relu", ReLU())
    return net


def explain(net):
    return {"saliency": visualize.saliency_map(net, np.ones((1, 3, 16, 16), np.float32), 0)}


def valid_calls(folder, flat=False):
    """{name: (function, its arguments)} of every public function of minicnn.visualize and minicnn.images.

    flat : whether the pictures have one colour.
    """
    rng, net = np.random.default_rng(0), scored_network(np.random.default_rng(0))
    x = rng.standard_normal((1, 3, 16, 16)).astype(np.float32)
    photo = rng.integers(0, 256, (16, 20, 3), np.uint8)
    if flat:
        x, photo = np.full_like(x, 0.25), np.full_like(photo, 144)  # the same colour
    points = rng.standard_normal((9, 4))
    maps = {"saliency": visualize.saliency_map(net, x, 0)}
    patches, field = visualize.top_patches(net, [x, -x], "relu1", 1), receptive_field(net, "relu1")
    network = {"net": net, "x": x}
    scores = {**network, "label": 0}
    neuron = {**network, "layer": "relu3", "channel": 1, "position": (2, 2)}
    ascent = {"preprocessing": PLAIN, "settings": AscentSettings(num_steps=1, start_noise=1.0), "rng": 0, "size": 16,
              "callback": None, "checkpoint": None}
    dream = {**network, "preprocessing": PLAIN, "settings": DreamSettings(num_octaves=1, num_steps=1), "rng": 0,
             "layer": "relu1", "channel": 1, "guide": None, "tile": None}
    style = StyleSettings({"relu2a": 1.0}, {"relu1": 1.0}, size=16, num_steps=1)
    texture = {"window": 3, "rng": 0, "callback": None}
    code = np.ones((1, 4, 4, 4), np.float32)
    target = net.predict(x, "relu2a")
    run = {"callback": None, "checkpoint": None}
    watched = {"rng": 0, **run}
    one_step = visualize.DirectionSettings(num_steps=1)
    attack, coder = visualize.PGDSettings(num_steps=1), vgg19_autoencoder(seed=0)
    arguments = {
        "AscentSettings": vars(AscentSettings()), "DreamSettings": vars(DreamSettings()),
        "FoolingSettings": vars(FoolingSettings()), "GeneratorSettings": vars(GeneratorSettings()),
        "DissectionSettings": vars(visualize.DissectionSettings()), "PGDSettings": vars(visualize.PGDSettings()),
        "UniversalSettings": vars(visualize.UniversalSettings()), "InversionSettings": vars(InversionSettings()),
        "RelevanceSettings": vars(RelevanceSettings()), "RiseSettings": vars(RiseSettings()),
        "StyleSettings": vars(style), "TsneSettings":
        vars(TsneSettings()), "PhotoCrops": {"photos": [photo], "preprocessing": PLAIN, "size": 8, "batch_size": 1,
                                             "seed": 0, "largest": 1.0},
        "StyledCrops": {"crops": visualize.PhotoCrops([photo], PLAIN, 8), "num_styles": 2, "first": 0},
        "PerceptualLoss": {"net": net, "settings": style, "targets": {}}, "StyledLoss": {"losses": [None]},
        "AnyStyleSettings": vars(visualize.AnyStyleSettings()), "TextureSettings": vars(TextureSettings(["relu1"])),
        "adaptive_instance_norm": {"content": x, "style": -x, "mask": None},
        "any_style": {"net": coder, "content": photo, "styles": [photo], "preprocessing": PLAIN,
                      "settings": visualize.AnyStyleSettings(size=16), "masks": None, "callback": None},
        "learnt_inversion": {"net": coder, "picture": photo, "preprocessing": PLAIN},
        "whiten_and_colour": {"content": x, "style": -x, "mask": None},
        "add_perturbation": {"pictures": photo, "perturbation": photo},
        "dissect": {**network, "masks": x > 0, "layer": "relu1", "settings": visualize.DissectionSettings(),
                    "callback": None},
        "epsilon_sweep": {**network, "preprocessing": PLAIN, "epsilons": [4], "settings": attack, "batch_size": 1,
                          **watched},
        "fooled_pictures": {"net": net, "pictures": photo[None, :, :16], "perturbation": photo[:, :16],
                            "preprocessing": PLAIN},
        "AtlasSettings": vars(visualize.AtlasSettings()), "DirectionSettings": vars(visualize.DirectionSettings()),
        "sample_vectors": {**network, "layer": "relu3", "rng": 0, "per_photo": 12},
        "activation_atlas": {"net": net, "samples": visualize.sample_vectors(net, x, "relu3", rng=0, per_photo=12),
                             "layer": "relu3", "preprocessing": PLAIN, "size": 16, "positions": None, **watched,
                             "settings": visualize.AtlasSettings(2, 1, tsne_steps=1, directions=one_step)},
        "direction_visualization": {"net": net, "layer": "relu3", "size": 16,
                                    "vectors": net.predict(x, "relu3")[0, :, 0].T, "preprocessing": PLAIN,
                                    "settings": one_step, **watched},
        "semantic_grid": {**network, "layer": "relu3", "preprocessing": PLAIN, "settings": one_step, "cells": 2,
                          "size": 16, **watched},
        "whitening": {"vectors": points, "share": 0.1},
        "pgd_attack": {**network, "preprocessing": PLAIN, "settings": attack, "target": 0, **watched},
        "universal_perturbation": {**network, "preprocessing": PLAIN, "settings": visualize.UniversalSettings(
            num_passes=1, candidates=1, deepfool_steps=1), **watched},
        "assign_to_grid": {"positions": points[:, :2], "rows": 3, "columns": 3},
        "attribution_maps": {**scores, "rng": 0, "layer": "relu3", "samples": 1, "steps": 1, "stride": 8, "window": 8,
                             "masks": 1},
        "blend_square": {"num_styles": 4, "side": 3},
        "cascade_similarity": {**scores, "explain": explain, "rng": 0, "stages": 1},
        "channel_visualization": {"net": net, "layer": "relu3", "channel": 1, **ascent},
        "class_probability": scores, "class_visualization": {"net": net, "label": 1, **ascent},
        "completeness_gap": {**scores, "attribution": x, "baseline": 0.0},
        "crop_patch": {"image": photo, "field": field, "y": 3, "x": 3, "fill": 0, "channels_last": True},
        "deconvnet": neuron, "deeplift": {**scores, "baseline": 0.0}, "deep_dream": {**dream, **run},
        "deletion_insertion": {**scores, "maps": maps, "rng": 0, "grid": 2, "steps": 1, "orders": 1},
        "denoise_tv": {"x": x, "weight": 0.5, "num_steps": 1},
        "dream_zoom": {**dream, "num_frames": 1, "zoom": 0.05, "first": 0},
        "efros_leung": {"sample": photo, "size": 5, **texture, "tolerance": 0.1, "max_error": 0.3},
        "efros_leung_fill": {"image": photo, "hole": np.eye(16, 20, dtype=bool)[:, ::-1] & (np.arange(20) > 14),
                             **texture, "tolerance": 0.1, "max_error": 0.3},
        "exchange_curve": {"net": net, "before": x, "after": 0 * x, "label": 0, "blocks": np.eye(16, dtype=int),
                           "order": [1, 0], "steps": 1, "share": 1.0},
        "facet_visualization": {"net": net, "label": 0, "start": x[0], "preprocessing": PLAIN,
                                "stages": replace(DISTILL, num_steps=1), "layer": "relu1",
                                "direction": np.ones(net.shapes()["relu1"][1]), **watched},
        "feature_error": {"net": net, "layer": "relu2a", "x": x, "target": target},
        "feature_maps": {**network, "layer": "relu1"},
        "filter_grid": {"w": x, "columns": 1, "gap": 1, "zoom": 1, "same_scale": False},
        "filter_weights": {"net": net, "layer": "conv1", "preprocessing": PLAIN},
        "find_facets": {"net": net, "x": np.concatenate([x, -x]), "num_facets": 2, "rng": 0, "layer": "relu1",
                        "nearest": 1, "tsne_steps": 1},
        "fooling_image": {**network, "target": int(net.predict(x).argmin()), "preprocessing": PLAIN,
                          "settings": FoolingSettings(num_steps=1), **run},
        "fooling_report": {"net": net, "original": photo, "picture": photo, "target": 1, "preprocessing": PLAIN,
                           "steps": 1, "margin": 0.0},
        "generated_class": {"generator": decoder(), "net": net_for_codes(), "label": 0, "code": code, "highest": code,
                            "settings": GeneratorSettings(num_steps=1, learning_rate=0.1), **run},
        "grad_cam": {**scores, "layer": "relu3"}, "grad_cam_plus_plus": {**scores, "layer": "relu3"},
        "gradient_times_input": scores,
        "grid_sheet": {"thumbnails": photo[None], "cells": [0], "rows": 1, "columns": 1, "size": 8, "fill": 0},
        "guided_backprop": neuron, "guided_grad_cam": {**scores, "layer": "relu3"},
        "guided_patch": {**network, "layer": "relu1", "channel": 1, "position": (3, 3), "field": field},
        "image_features": {**network, "layer": "relu1", "batch_size": 1},
        "integrated_gradients": {**scores, "baseline": 0.0, "steps": 1},
        "inversion_report": {"net": net, "layer": "relu2a", "image": x, "target": target, "original": photo[:, :16],
                             "preprocessing": PLAIN},
        "invert_features": {"net": net, "layer": "relu2a", "target": target, "preprocessing": PLAIN,
                            "settings": InversionSettings(rates=((1, 4e-3),)), "size": (16, 16), **watched},
        "kmeans": {"points": points, "k": 2, "rng": 0, "max_rounds": 2},
        "layer_cam": {**scores, "layer": "relu3"},
        "layer_visualization": {"net": net, "layer": "relu1", "channel": 1, "guide": None, **ascent},
        "nearest": {"queries": points, "gallery": points, "k": 1},
        "nearest_others": {"x": points, "k": 1, "queries": [0, 1]}, "neuron_gradient": {**neuron, "relu": ReLU},
        "neuron_visualization": {"net": net, "layer": "relu3", "channel": 1, "position": (2, 2), **ascent},
        "occlusion_map": {**scores, "window": 8, "stride": 8, "fill": 0.0, "batch_size": 16, "callback": None},
        "occlusion_rows": {**scores, "window": 8, "stride": 8, "fill": 0.0, "batch_size": 16},
        "pca": {"x": points, "components": 2},
        "perceptual_loss": {"net": net, "style": photo, "preprocessing": PLAIN, "settings": style},
        "map_peaks": {"maps": x[0]},
        "pointing_game": {"maps": x[0], "masks": x[0] > 0, "margin": 1},
        "precision_at": {"indices": [[0, 1]], "query_labels": [7], "gallery_labels": ["a", "b"]},
        "product_terms": {"net": net, "source": x, "layer": "conv1", "channel": 1, "position": (2, 2)},
        "summing_unit": {"net": net, "layer": "relu1", "channel": 1},
        "rank_correlations": {"maps": points}, "receptive_field": {"net": net, "layer": "relu1"},
        "relevance_map": {**scores, "settings": RelevanceSettings(), "preprocessing": PLAIN, "layer": "input"},
        "resume": {"folder": folder / "results", "settings": {}},
        "rise": {**scores, "settings": RiseSettings(1), "rng": 0},
        "saliency_map": scores, "score_cam": {**scores, "layer": "relu3", "channels": 1},
        "saliency_segment": {"image": photo[:, :16], "saliency": abs(x[0, 0]), "foreground": 0.9, "background": 0.1},
        "smooth_grad": {**scores, "rng": 0, "samples": 1, "noise": 0.1},
        "spread_occlusion": {"drops": np.ones((2, 2)), "window": 8, "stride": 8, "height": 16, "width": 16},
        "squared_distances": {"a": points, "b": points}, "stacked": {"generator": decoder(), "net": net},
        "strongest_channels": {"patches": patches, "count": 2, "field": field, "height": 16, "width": 16},
        "stylize": {"net": painter(), "picture": photo[:8, :8], "preprocessing": PLAIN, "tile": None, "median": 1,
                    "callback": None},
        "sweep": {"function": abs, "batches": [("a", 1)], "executor": None, "in_flight": 1, "store": None},
        "synthesize_texture": {"net": net, "source": x, "settings": TextureSettings(["relu1"], num_steps=1),
                               "size": (8, 8), **watched},
        "thumbnail_map": {"thumbnails": photo[None], "positions": [[0.0, 0.0]], "side": 30, "fill": 0},
        "tiled_loss_and_gradient": {"net": net, "image": x, "terms": [(1.0, LayerNorm2("relu1"))], "tile": 8},
        "top_patches": {"net": net, "batches": [x], "layer": "relu1", "top": 1, "channels": [1], "executor": None,
                        "store": None, "callback": None, "report": None},
        "top_patches_by_layer": {"net": net, "batches": [x], "layers": ["relu1"], "top": 1, "callback": None},
        "transfer_style": {"net": net, "content": photo, "styles": [photo], "preprocessing": PLAIN, "settings": style,
                           "masks": None, **watched},
        "tsne": {"x": points, "settings": TsneSettings(perplexity=2.0, num_steps=1), "rng": 0, "initial": None,
                 "callback": None},
        "upsample_maps": {"maps": x[0], "height": 20, "width": 20},
        "wei_levoy": {"sample": photo, "size": 5, **texture, "levels": 1, "passes": 1},
        "with_more_styles": {"net": painter(), "count": 1}, "with_style": {"net": painter(), "style": [0.5, 0.5]}}
    calls = {name: (getattr(visualize, name), values) for name, values in arguments.items()}
    pictures = {
        "center_crop": {"image": photo, "size": 8}, "fit": {"image": photo, "resize": 10, "crop": 8},
        "load_image": {"path": folder / "photo.png", "min_side": 2, "max_pixels": 10**6},
        "psnr": {"image": photo, "original": photo},
        "resize": {"image": photo, "height": 8, "width": 9}, "resize_long_side": {"image": photo, "size": 8},
        "resize_short_side": {"image": photo, "size": 8},
        "save_animation": {"path": folder / "turn.gif", "frames": [photo], "milliseconds": 50, "overwrite": True},
        "save_image": {"path": folder / "saved.png", "image": photo, "overwrite": True}}
    images.save_image(folder / "photo.png", photo, overwrite=True)
    calls |= {f"images.{name}": (getattr(images, name), values) for name, values in pictures.items()}
    return calls | {"load_model": (load_model, {"name": "digits", "device": "cpu"})}


def net_for_codes():
    """scored_network, which also takes pictures of 4 x 4 pixels."""
    net = Network((3, 4, 4))
    net.add("conv1", Conv2D(3, 5, 3, pad=1, rng=np.random.default_rng(0)))
    net.add("relu1", ReLU())
    scores = scored_network(np.random.default_rng(0)).layer("scores")
    net.add("scores", scores)
    return net


