"""The short answers about one unit or channel: its value, the products that make it, and its numbers."""

from typing import Any

import numpy as np
from starlette.responses import JSONResponse, Response

from minicnn.layers import Conv2D
from minicnn.visualize import product_terms, summing_unit
from minicnn.visualize.attribution.guided_backprop import choose_neuron, guided_backprop
from minicnn.visualize.attribution.guided_backprop_check import check_neuron_gradient
from minicnn.visualize.check import Check, reported

from ..shared.check_texts import check_text
from . import pictures
from .layers import field_of
from .session import View
from .state import Asked

SHOWN = 12  # products of a unit that are shown, the largest


def value(asked: Asked) -> Response:
    """Answer with the activation of one unit, its receptive field, and the products that add up to it."""
    layer = asked.layer()
    channel, view = asked.channel(layer), asked.view
    maps = pictures.as_maps(view.activation(layer))
    row, column = (asked.whole(name, 0, side - 1) for name, side in zip(("row", "column"), maps.shape[1:], strict=True))
    return JSONResponse({"value": float(maps[channel, row, column]), "box": box(view, layer, (row, column)),
                         "terms": terms(view, layer, channel, (row, column))})


def box(view: View, layer: str, position: tuple[int, int]) -> list[int]:
    """Return the receptive field [top, left, bottom, right] of a unit in the network's input, ends exclusive."""
    height, width = view.image.shape[:2]
    field = field_of(view.model.net, layer)
    if field is None:
        return [0, 0, height, width]
    top, bottom, left, right = field.box(*position, height, width)
    return [top, left, bottom, right]


def terms(view: View, layer: str, channel: int, position: tuple[int, int]) -> dict[str, Any] | None:
    """Return the largest products of a unit; None if it is not the sum of a convolution or fully connected layer.

    Of the activation of a ReLU or a concatenation, they are the products of the layer before it.
    """
    net = view.model.net
    behind = summing_unit(net, layer, channel)
    if behind is None:
        return None
    summing, unit, way = behind
    is_conv = isinstance(net.layer(summing), Conv2D)
    source = net.nodes[net.positions[summing]].inputs[0]
    found = product_terms(net, view.activation(source)[None], summing, unit, position if is_conv else None)
    sizes = np.abs(found.products)
    largest = int(np.abs(found.products.sum(axis=(1, 2))).argmax())
    shown = [tuple(map(int, np.unravel_index(place, sizes.shape)))
             for place in np.argsort(-sizes, axis=None, kind="stable")[:SHOWN]]
    return {"layer": summing, "channel": unit, "way": way, "bias": found.bias, "sum": found.total,
            "count": found.products.size, "largest": largest + found.first,
            "patch": found.patch[largest].tolist(), "filter": found.weights[largest].tolist(),
            "shown": [{"input": source, "channel": c + found.first, "row": i + found.top, "column": j + found.left,
                       "activation": float(found.patch[c, i, j]), "weight": float(found.weights[c, i, j]),
                       "product": float(found.products[c, i, j])} for c, i, j in shown]}


def channel(asked: Asked) -> Response:
    """Answer with the numbers of one channel on the photo."""
    layer = asked.layer()
    number, view = asked.channel(layer), asked.view
    maps = pictures.as_maps(view.activation(layer))
    _, row, column = choose_neuron(maps, layer, number)
    tops = maps.max(axis=(1, 2))
    return JSONResponse({
        "max": float(tops[number]), "mean": float(maps[number].mean()), "where": [int(row), int(column)],
        "active": float((maps[number] > 0).mean()), "rank": int((tops > tops[number]).sum()) + 1, "channels": len(maps),
        "box": box(view, layer, (row, column))})


def channel_checks(asked: Asked) -> Response:
    """Answer with the numbers that prove the guided picture of one channel."""
    layer = asked.layer()
    number, view, net = asked.channel(layer), asked.view, asked.model.net
    neuron = choose_neuron(view.activation(layer), layer, number)
    position = (int(neuron[1]), int(neuron[2])) if len(neuron) == 3 else None
    gradient = guided_backprop(net, view.x, layer, number, position)
    checks = check_neuron_gradient(net, view.x, layer, number, position, gradient)
    place = (number, *(position or ()))
    plain = net.plain().predict(view.x, layer)[0][place]
    checks.append(reported("activation in the plain network", float(plain),
                           f"shown {float(view.activation(layer)[place]):.6g}"))
    return JSONResponse({"checks": shown_checks(checks, asked.language)})


def shown_checks(checks: list[Check], language: str) -> list[dict[str, Any]]:
    """Return the Checks for the page: the text, the value with its bound, and whether it passes; None if not judged.

    language : of the texts, one of LANGUAGES.
    """
    return [{"what": check_text(check.what, language), "value": f"{check.value:.3g}",
             "expected": check_text(check.expected, language),
             "ok": check.passed if check.judged else None} for check in checks]
