"""Every public function is annotated and has an example, and every example in the library runs.

The examples share these names: np, minicnn, model (the shipped `shapes`), net (its network), photo (a drawn picture,
uint8), x (the photo as the network's input), label (its class), rng (numpy.random.Generator), folder (an empty folder).
"""

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import minicnn
from minicnn import datasets  # noqa: F401
from minicnn.datasets.shapes import draw_shape

PUBLIC = ["minicnn", "minicnn.visualize", "minicnn.images", "minicnn.plot", "minicnn.losses", "minicnn.optimize",
          "minicnn.gradient_check", "minicnn.layers", "minicnn.network", "minicnn.models", "minicnn.receptive_field",
          "minicnn.backend", "minicnn.training", "minicnn.datasets", "minicnn.sweep"]
NEEDS = {"minicnn.sweep.cluster": "distributed"}  # {module: the optional package that it imports}
MODULES = ["minicnn", *(module.name for module in pkgutil.walk_packages(minicnn.__path__, "minicnn."))]


def public_functions():
    """{qualified name: function} of all functions that the public modules offer under a name without underscore."""
    found = {}
    for name in PUBLIC:
        module = importlib.import_module(name)
        for key in getattr(module, "__all__", vars(module)):
            thing = getattr(module, key)
            if inspect.isfunction(thing) and not key.startswith("_") and thing.__module__.startswith("minicnn"):
                found[f"{thing.__module__}.{thing.__name__}"] = thing
    return found


FUNCTIONS = public_functions()


@pytest.fixture(scope="session")
def example_names(tmp_path_factory):
    """What the examples may use."""
    model = minicnn.load_model("shapes", device="cpu")
    photo = draw_shape(0, np.random.default_rng(0))[0]
    return {"np": np, "minicnn": minicnn, "model": model, "net": model.net, "photo": photo,
            "x": model.preprocessing.to_input(photo), "label": 0, "rng": np.random.default_rng(0),
            "folder": tmp_path_factory.mktemp("examples")}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name, example_names, monkeypatch):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    monkeypatch.chdir(example_names["folder"])
    names = {**example_names, "rng": np.random.default_rng(0)}
    failed, _ = doctest.testmod(importlib.import_module(name), extraglobs=names,
                                optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_is_annotated_and_has_an_example(name):
    function = FUNCTIONS[name]
    signature = inspect.signature(function)
    bare = [key for key, parameter in signature.parameters.items() if parameter.annotation is parameter.empty]
    assert bare == [] and signature.return_annotation is not signature.empty, "annotate it"
    assert ">>> " in (function.__doc__ or ""), "give it an example"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_public_function_takes_more_than_six_settings(name):
    run_time = ("rng", "callback", "checkpoint", "schedule", "executor", "store", "progress", "report")
    defaults = [key for key, parameter in inspect.signature(FUNCTIONS[name]).parameters.items()
                if (parameter.default is not parameter.empty or parameter.kind is parameter.VAR_KEYWORD)
                and key not in run_time]
    assert len(defaults) <= 6, f"{len(defaults)} settings: take one frozen dataclass"
