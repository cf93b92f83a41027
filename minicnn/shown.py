"""How networks, traces and results show themselves: a short text at the prompt, a table or a picture in a notebook."""

import html
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minicnn.network import Network, Trace

LIMIT = 60  # characters of one value
ITEMS = 100  # rows of a table in a notebook

Rows = list[tuple[str, ...]]


def short(value: Any) -> str:
    """Return a value in a few characters: an array as its type and shape, a long list as its length.

    >>> short([0.5] * 1000), short(2.5), short("a name")
    ('1,000 values', '2.5', "'a name'")
    """
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype} {tuple(value.shape)}" if value.shape else repr(value.item())
    if isinstance(value, (list, tuple, dict)) and len(value) > 4:
        return f"{len(value):,} values"
    if isinstance(value, list):
        text = f"[{', '.join(map(short, value))}]"
    elif isinstance(value, tuple) and not hasattr(value, "_fields"):
        text = f"({', '.join(map(short, value))}{',' * (len(value) == 1)})"
    else:
        text = repr(value)
    return text if len(text) <= LIMIT or hasattr(value, "_fields") else text[:LIMIT - 1] + "…"


def short_fields(result: Any) -> str:
    """Return the text of a named tuple with short values, for __repr__.

    >>> from minicnn.optimize.progress import Progress
    >>> short_fields(Progress(1, 0.5, [0.5]))
    'Progress(step=1, total=0.5, values=[0.5])'
    """
    values = ", ".join(f"{name}={short(value)}" for name, value in zip(result._fields, result, strict=True))
    return f"{type(result).__name__}({values})"


def html_fields(result: Any) -> str:
    """Return a named tuple as an HTML table for _repr_html_; a field `picture`, uint8 (H, W, 3), as a picture above it.

    >>> from minicnn.optimize.progress import Progress
    >>> "<td>total</td><td>0.5</td>" in html_fields(Progress(1, 0.5, [0.5]))
    True
    """
    picture = getattr(result, "picture", None)
    rows = [("field", "value"), *((name, short(value)) for name, value in zip(result._fields, result, strict=True))]
    return (html_picture(picture, type(result).__name__) if picture is not None else "") + html_table(rows)


def html_picture(picture: Any, alt: str) -> str:
    """Return a picture, uint8 (H, W, 3) on the host, as an HTML image. alt : its description for screen readers.

    >>> import numpy as np
    >>> html_picture(np.zeros((2, 2, 3), np.uint8), "black")[:27]
    '<img alt="black" src="data:'
    """
    from PIL import Image  # here, as networks are used without it

    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{b64encode(file.getvalue()).decode()}">'


def text_table(rows: Rows) -> list[str]:
    """Return the lines of a table: the first two columns to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(f"{cell:<{width}}" if column < 2 else f"{cell:>{width}}"
                      for column, (cell, width) in enumerate(zip(row, widths, strict=True))) for row in rows]


def html_table(rows: Sequence[tuple[str, ...]], caption: str = "") -> str:
    """Return rows of text as an HTML table. The first row is its head. After ITEMS rows, the rest is counted.

    >>> html_table([("name", "size"), ("<a>", "3")], "sizes")[:39]
    '<table><caption>sizes</caption><thead><'
    """
    def line(row: tuple[str, ...], kind: str) -> str:
        return "<tr>" + "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in row) + "</tr>"
    body = [line(row, "td") for row in rows[1:ITEMS + 1]]
    if len(rows) > ITEMS + 1:
        body.append(line((f"{len(rows) - ITEMS - 1:,} more", *[""] * (len(rows[0]) - 1)), "td"))
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead>{line(rows[0], 'th')}</thead><tbody>{''.join(body)}</tbody></table>"


def network_rows(net: "Network") -> Rows:
    """Return the rows of a network's table: name, layer, output shape, parameters, multiply-adds of one image."""
    shapes = net.shapes()
    owners = net.parameter_layers()
    rows: Rows = [("name", "layer", "output", "parameters", "multiply-adds"),
                  ("input", "", "x".join(map(str, net.input_shape)), "", "")]
    total = 0
    for name, layer, inputs in net.nodes:
        work = layer.multiply_adds(shapes[inputs[0]], shapes[name])
        size = sum(array.size for array in layer.params.values()) if name in owners else 0
        total += work
        rows.append((name, repr(layer), "x".join(map(str, shapes[name][1:])),
                     f"{size:,}" if size else "", f"{work:,}" if work else ""))
    rows.append(("total", "", "", f"{net.num_parameters():,}", f"{total:,}"))
    return rows


def trace_rows(trace: "Trace") -> Rows:
    """Return the rows of a trace's table: the name, the shape and the type of each kept activation."""
    return [("activation", "shape", "type"),
            *((name, "x".join(map(str, array.shape)), str(array.dtype)) for name, array in trace.activations.items())]
