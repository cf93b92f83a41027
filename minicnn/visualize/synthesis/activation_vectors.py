"""Activation vectors of many photos, at random positions, and how much each supports each class."""

from typing import NamedTuple

import numpy as np

from minicnn.arguments import Seed, require_generator, require_whole
from minicnn.backend import Array, Generator, get_array_module, to_host
from minicnn.errors import InputError
from minicnn.network import Network
from minicnn.receptive_field import receptive_field
from minicnn.shown import html_fields, short_fields
from minicnn.visualize.entry import enter, require_layer, require_maps

STEP = 0.003  # of the central difference, as a share of the vector: few ReLUs change in between


class ActivationVectors(NamedTuple):
    """M activation vectors of a layer, on the host.

    vectors : (M, D). attributions : the support of each class, (M, classes), with no columns for a network without
    class scores. photos : the number of the photo of each, from 0. ys, xs : its position in the layer's map. All (M,).
    """

    vectors: Array
    attributions: Array
    photos: Array
    ys: Array
    xs: Array

    def __repr__(self) -> str:
        return short_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(self)


def sample_vectors(net: Network, x: Array, layer: str, *, rng: Seed, per_photo: int = 1) -> ActivationVectors:
    """Return the ActivationVectors of photos at random positions away from the edges of the layer's map.

    The attribution to class c of a vector a at a position is <a, d score_c / d a> (Olah et al. 2018): how much the
    score would change if the vector grew, to first order. `position_attributions` computes it for all classes at once.

    x : (N, C, H, W). layer : a layer with maps. rng : draws the positions; or a seed. per_photo : different positions
    of each photo; the paper takes 1. Raises InputError if the layer has no maps.

    >>> sample_vectors(net, x, "relu2", rng=0, per_photo=2).vectors.shape
    (2, 32)
    """
    layer, x, rng = require_layer(net, layer), enter(net, x), require_generator(rng)
    per_photo = require_whole("per_photo", per_photo, 1)
    require_maps(layer, net.shapes()[layer])
    maps = net.predict(x, layer)
    ys, xs = draw_positions(net, layer, x.shape, maps.shape, per_photo, rng)
    photos = np.arange(len(x)).repeat(len(ys) // len(x))
    # the position of all photos is a plain index on the host and on a GPU
    vectors = np.stack([to_host(maps[n, :, y, across]) for n, y, across in zip(photos.tolist(), ys.tolist(),
                                                                              xs.tolist(), strict=True)])
    return ActivationVectors(vectors, position_attributions(net, layer, maps, photos, ys, xs), photos, ys, xs)


def draw_positions(net: Network, layer: str, images: tuple[int, ...], maps: tuple[int, ...], per_photo: int,
                   rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return random positions (ys, xs) in the layer's map, `per_photo` different ones for each of the images.

    They are those whose receptive field has no padding; if there are none, those that are not at the map's edge; if
    there are none, all. If there are fewer than `per_photo`, all of them are taken.
    """
    field, (H, W), (OH, OW) = receptive_field(net, layer), images[2:], maps[2:]
    places = [(y, x) for y in range(OH) for x in range(OW)]
    inside = [place for place in places if field is not None and field.fits(*place, H, W)] \
        or [(y, x) for y, x in places if 0 < y < OH - 1 and 0 < x < OW - 1] or places
    count = min(per_photo, len(inside))
    chosen = np.concatenate([rng.permutation(len(inside))[:count] for _ in range(images[0])])
    ys, xs = np.array(inside)[chosen].T
    return ys, xs


def position_attributions(net: Network, layer: str, maps: Array, photos: Array, ys: Array, xs: Array) -> np.ndarray:
    """Return the attributions (M, classes) of the vectors at positions of a layer's maps (N, D, H, W), on the host.

    The derivative of all scores along one vector is a difference of two passes of the layers behind, which is exact
    unless a ReLU or a pool changes in between. A backward pass would be needed for each class instead.
    """
    if len(net.shapes()[net.output]) != 2:
        return np.zeros((len(photos), 0), np.float32)
    head = layers_behind(net, layer)
    xp, found = get_array_module(maps), []
    rows = zip(photos.tolist(), ys.tolist(), xs.tolist(), strict=True)
    for n, y, x in rows:
        pair = xp.stack([maps[n], maps[n]])
        pair[0, :, y, x] *= 1 + STEP
        pair[1, :, y, x] *= 1 - STEP
        scores = to_host(head.predict(pair))
        found.append((scores[0] - scores[1]) / (2 * STEP))
    return np.stack(found)


def layers_behind(net: Network, layer: str) -> Network:
    """Return the network whose input is the output of `layer`. It shares its layers with `net`.

    Raises InputError if a later node reads a node before `layer`, as inside a residual block.
    """
    head = type(net)(net.shapes()[layer][1:])
    names = {layer: "input"}
    for name, step, inputs in net.nodes[net.positions[layer] + 1:]:
        for source in inputs:
            if source not in names:
                raise InputError(f"{name!r} reads {source!r}, which lies before {layer!r}; choose the layer at the end "
                                 "of the block")
        names[name] = head.add(name, step, *[names[source] for source in inputs])
    return head


def merged(parts: list[ActivationVectors]) -> ActivationVectors:
    """Return the ActivationVectors of several batches of photos as one; the numbers of the photos continue."""
    before, photos = 0, []
    for part in parts:
        photos.append(part.photos + before)
        before += int(part.photos.max()) + 1
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return ActivationVectors(*columns)._replace(photos=np.concatenate(photos))
