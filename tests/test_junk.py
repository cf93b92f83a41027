"""No wrong argument of a public function ends in a traceback: the outcome is a result, or InputError in one line."""

import inspect
import types

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from junk import JUNK, valid_calls

from minicnn import images, visualize
from minicnn.errors import InputError

LONGEST = 1000  # characters of a message

# only named values
NOT_CALLED = {"ActivationVectors", "Atlas", "AtlasCells", "SemanticGrid",
              "ANY_STYLE_PRESETS", "CLASS_PRESETS", "NEURON_PRESETS", "Attacked", "Dissection", "EpsilonSweep",
              "Fooled", "Inverted", "ProductTerms", "Texture", "TopPatches"}


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    return valid_calls(tmp_path_factory.mktemp("junk"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))  # as `resume` makes the folder that it is given


def problem_of(function, arguments):
    """None, or the error of a call that is neither a result nor an InputError of one short line."""
    try:
        result = function(**arguments)
        if isinstance(result, types.GeneratorType):
            list(result)
    except InputError as error:
        text = str(error)
        return None if text and "\n" not in text and len(text) <= LONGEST else f"a message of {len(text)} characters"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:100]}"
    return None


def names_of_all_calls():
    names = [name for name in visualize.__all__ if name not in NOT_CALLED and has_arguments(getattr(visualize, name))]
    functions = [f"images.{name}" for name in images.__all__ if has_arguments(getattr(images, name))]
    return [*names, *functions, "load_model"]


def has_arguments(thing):
    return callable(thing) and bool(inspect.signature(thing).parameters)


def test_every_public_function_is_called(calls):
    assert sorted(calls) == sorted(names_of_all_calls())


@pytest.mark.filterwarnings("ignore")  # a junk network of 16-bit numbers may overflow
def test_one_wrong_argument_is_refused_or_gives_a_result(calls, summary_line):
    count, failures = 0, []
    for name, (function, valid) in calls.items():
        if problem := problem_of(function, valid):
            failures.append(f"{name} of valid arguments: {problem}")
        for key in valid:
            for kind, make in JUNK.items():
                count += 1
                if problem := problem_of(function, {**valid, key: make()}):
                    failures.append(f"{name}({key}={kind}): {problem}")
    summary_line(f"wrong arguments: {count:,} calls of {len(calls)} public functions, {len(failures)} tracebacks")
    assert failures == [] and count > 20_000


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", names_of_all_calls())
@settings(max_examples=15, derandomize=True, database=None, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_several_wrong_arguments_are_refused_or_give_a_result(name, calls, data):
    function, valid = calls[name]
    keys = data.draw(st.sets(st.sampled_from(sorted(valid)), min_size=1, max_size=3))
    kinds = {key: data.draw(st.sampled_from(list(JUNK))) for key in sorted(keys)}
    assert problem_of(function, {**valid, **{key: JUNK[kind]() for key, kind in kinds.items()}}) is None


X = np.ones((1, 3, 16, 16), np.float32)


@pytest.mark.parametrize(("name", "arguments", "message"), [
    ("saliency_map", {"label": 1.5}, "label is 1.5; expected a class number from 0 to 4"),
    ("saliency_map", {"label": np.array(1.5)}, "expected a class number from 0 to 4"),
    ("saliency_map", {"label": float("nan")}, "label is nan"), ("saliency_map", {"label": True}, "label is True"),
    ("saliency_map", {"label": [1.5]}, "label is 1.5"), ("saliency_map", {"label": None}, "label is None"),
    ("saliency_map", {"label": "tabby"}, "model.find_class"), ("saliency_map", {"label": "1"}, "model.find_class"),
    ("saliency_map", {"label": np.array([1, 2])}, "2 labels for 1 images"),
    ("saliency_map", {"label": -1}, "no class -1: the network has 5, numbered from 0"),
    ("saliency_map", {"net": "shapes"}, "expected a Network"),
    ("saliency_map", {"x": X.astype("complex64")}, r"complex.*x\.real"),
    ("saliency_map", {"x": np.array([None, 1], object)}, "x holds None; expected numbers only"),
    ("saliency_map", {"x": (X[0].transpose(1, 2, 0) * 200).astype("uint8")}, r"model\.preprocessing\.to_input\(x\)"),
    ("saliency_map", {"x": X[:, :, 0]}, r"expected images of shape \(N, 3, H, W\), got \(1, 3, 16\)"),
    ("guided_backprop", {"channel": 1.5}, "has channels 0 to 4, not 1.5"),
    ("guided_backprop", {"position": (1.5, 2)}, "has positions"),
    ("guided_backprop", {"position": np.argwhere(X)[0]}, r"positions \(y, x\) up to \(5, 5\), not"),
    ("guided_backprop", {"layer": 3}, "expected the name of a layer"),
    ("integrated_gradients", {"steps": 1.5}, "steps is 1.5; expected a whole number from 1 on"),
    ("integrated_gradients", {"baseline": 1e300}, "too large for float32"),
    ("class_visualization", {"size": 15.5}, "size is 15.5; expected a whole number of pixels"),
    ("class_visualization", {"size": 0}, "size is 0"), ("class_visualization", {"rng": 1.5}, "rng is 1.5; .* seed"),
    ("class_visualization", {"settings": "margin"}, "give AscentSettings"),
    ("class_visualization", {"settings": {"num_steps": 3}}, "settings is dict .*; give AscentSettings"),
    ("class_visualization", {"preprocessing": None}, "model.preprocessing"),
    ("class_visualization", {"callback": 3}, "callback is 3; expected a function, or None"),
    ("class_visualization", {"checkpoint": "file"}, "minicnn.optimize.Checkpoint"),
    ("AscentSettings", {"num_steps": 0}, "num_steps is 0"), ("AscentSettings", {"num_steps": "10"}, "num_steps is str"),
    ("AscentSettings", {"num_steps": 1.5}, "num_steps is 1.5"), ("StyleSettings", {"blend": {"a": 1}}, "blend is dict"),
    ("occlusion_map", {"window": 1.5}, "window is 1.5"), ("kmeans", {"k": 1.5}, "k is 1.5"),
    ("images.resize", {"height": 8.5}, "height is 8.5"), ("top_patches", {"channels": [1.5]}, "not 1.5"),
    ("precision_at", {"indices": [[0.5, 1]]}, "indices: expected whole numbers")])
def test_nothing_is_rounded_or_guessed(name, arguments, message, calls):
    function, valid = calls[name]
    with pytest.raises(InputError, match=message) as caught:
        function(**{**valid, **arguments})
    assert "\n" not in str(caught.value)


def test_a_model_in_place_of_its_network_is_named(calls):
    function, valid = calls["saliency_map"]
    with pytest.raises(InputError, match=r"net is a Model; give its network, model\.net"):
        function(**{**valid, "net": JUNK["a model"]()})
