"""Networks, traces and results are short at the prompt and tables in a notebook; text from files is never markup."""

from html.parser import HTMLParser

import numpy as np
import pytest

from minicnn import models, visualize
from minicnn.layers import ReLU
from minicnn.models import Model, load_model
from minicnn.network import Network
from minicnn.optimize.progress import Progress
from minicnn.shown import html_fields, html_table, short
from minicnn.visualize.style.transfer import Stylized

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


class Cells(HTMLParser):
    """The tags and the texts of a piece of HTML."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def results():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((300, 8))
    yield visualize.pca(points, 2)
    yield visualize.kmeans(points, 5, 0)
    yield visualize.top_patches(load_model("shapes").net, [rng.standard_normal((4, 3, 64, 64), np.float32)], "conv2")
    yield Stylized(PICTURE, np.zeros((1, 3, 2, 3), np.float32), [Progress(i, 1.0, [1.0]) for i in range(1000)])


@pytest.mark.parametrize("build", [models.squeezenet1_1, models.resnet18, models.digits])
def test_networks_traces_and_models_are_short(build):
    net = build()
    trace = net.forward(np.zeros((1, *net.input_shape), np.float32))
    model = Model(net, None, [f"class {i}" for i in range(1000)], "a")
    for shown in (net, net.fast(), trace, net.fast().forward(np.zeros((1, *net.input_shape), np.float32)), model):
        assert len(repr(shown)) < 200 and "\n" not in repr(shown)
    cells = Cells(net._repr_html_())
    assert cells.texts.count("ReLU()") == sum(isinstance(node.layer, ReLU) for node in net.nodes)
    assert f"{net.num_parameters():,}" in cells.texts and all(node.name in cells.texts for node in net.nodes)
    assert Cells(model._repr_html_()).tags == cells.tags
    table = Cells(trace._repr_html_())
    assert table.tags.count("tr") == len(trace.activations) + 1
    assert "x".join(map(str, trace.activations[net.output].shape)) in table.texts


def test_results_are_short():
    for result in results():
        assert len(repr(result)) < 500 and repr(result).startswith(f"{type(result).__name__}(")
        cells = Cells(result._repr_html_())
        assert all(name in cells.texts for name in result._fields)
        assert ("img" in cells.tags) == hasattr(result, "picture")


def test_small_results_read_as_before():
    assert repr(Progress(3, 0.5, [0.25, 0.25])) == "Progress(step=3, total=0.5, values=[0.25, 0.25])"


@pytest.mark.parametrize("value, text", [
    (np.zeros((3, 4), np.float32), "float32 (3, 4)"), (np.float64(0.5), "0.5"), ([], "[]"), ((1,), "(1,)"),
    (list(range(5)), "5 values"), ([np.zeros(2), None], "[float64 (2,), None]"), ("a" * 100, "'" + "a" * 58 + "…")])
def test_values(value, text):
    assert short(value) == text


def test_names_are_text():
    name = "<script>alert(1)</script>&\"'"
    net = Network((3, 8, 8))
    net.add(name, ReLU())
    trace = net.forward(np.zeros((1, 3, 8, 8), np.float32))
    model = Model(net, None, [], name)
    for page in (net._repr_html_(), trace._repr_html_(), model._repr_html_(), html_fields(Progress(1, 0.0, [name]))):
        assert "script" not in Cells(page).tags and "<script>" not in page


def test_long_tables_are_cut():
    rows = [("n", "square")] + [(str(i), str(i * i)) for i in range(1000)]
    cells = Cells(html_table(rows))
    assert cells.tags.count("tr") == 102 and "900 more" in cells.texts
