"""step_through: its lines, its gradient, and the debugger inside a layer."""

import ast
import inspect
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from demo_runs import exit_code as demo

from demos import step_through
from demos.shared.inputs import load_photos
from minicnn.models import load_model

pytestmark = pytest.mark.usefixtures("empty_cache")


def test_step_through_prints_a_line_a_layer_forward_and_back(capsys):
    assert demo(step_through, "--model", "shapes", "--device", "cpu") == 0
    lines = capsys.readouterr().out.splitlines()
    names = load_model("shapes", "cpu").net.layer_names()
    for name in names:
        assert sum(line.startswith(name + " ") for line in lines) == 2
    conv2 = next(line for line in lines if line.startswith("conv2 "))
    assert "24x32x32" in conv2 and "32x32x32" in conv2 and "6,944" in conv2 and f"{32 * 32 * 32 * 24 * 9:,}" in conv2


def test_step_through_stops_in_the_debugger_inside_the_layer():
    ended = subprocess.run(
        [sys.executable, "-m", "demos.step_through", "--model", "shapes", "--device", "cpu", "--layer", "conv2"],
        input="p x.shape\nc\np dout.shape\nc\n", capture_output=True, text=True, timeout=60, check=True)
    assert "in Conv2D.forward: x (1, 24, 32, 32), w (32, 24, 3, 3), b (32,)" in ended.stdout
    assert "(Pdb) (1, 24, 32, 32)" in ended.stdout and "(Pdb) (1, 32, 32, 32)" in ended.stdout
    assert "in Conv2D.backward: dout (1, 32, 32, 32)" in ended.stdout and "\nconv1 " in ended.stdout
    quit_early = subprocess.run(
        [sys.executable, "-m", "demos.step_through", "--model", "shapes", "--device", "cpu", "--layer", "conv2"],
        input="q\n", capture_output=True, text=True, timeout=60, check=True)
    assert "left the debugger" in quit_early.stdout and "Traceback" not in quit_early.stderr


def statements(function):
    """[(first line, last line)] of every statement of a function, without the docstring and those that only raise.

    A statement that only raises is a `raise`, or a line with the comment "# raises". Of `if`, `for` and `with`, only
    the header is in the list.
    """
    lines, first = inspect.getsourcelines(function)
    definition = ast.parse(textwrap.dedent("".join(lines))).body[0]
    found = []
    for node in ast.walk(definition):
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if node is definition or not isinstance(node, ast.stmt) or isinstance(node, ast.Raise) or is_docstring:
            continue
        if "# raises" in lines[node.lineno - 1]:
            continue
        last = node.body[0].lineno - 1 if hasattr(node, "body") else node.end_lineno
        found.append((node.lineno + first - 1, max(node.lineno, last) + first - 1))
    return found


def stepped_lines(text, method):
    """The numbers of the lines at which the debugger stopped in a method of this name, parsed from its output."""
    return {int(line) for line in re.findall(rf"^> .*\((\d+)\){method}\(\)", text, re.MULTILINE)}


@pytest.mark.parametrize("name", ["conv2", "relu2", "pool2", "pool5", "fc6"])
def test_the_debugger_reaches_every_line_of_the_layers_forward_and_backward(name, monkeypatch, capsys):
    shown = []

    def step_until_the_return(prompt):
        shown.append(capsys.readouterr().out)
        return "c" if "--Return--" in shown[-1] else "n"

    monkeypatch.setattr("builtins.input", step_until_the_return)
    assert demo(step_through, "--model", "shapes", "--device", "cpu", "--layer", name) == 0
    layer = load_model("shapes", "cpu").net.plain().layer(name)
    for method in ("forward", "backward"):
        seen = stepped_lines("".join(shown), method)
        missed = [(first, last) for first, last in statements(getattr(layer, method))
                  if seen.isdisjoint(range(first, last + 1))]
        assert seen and missed == [], f"{method} of {name}: the debugger never stopped in lines {missed}"


def test_step_through_gives_the_gradient_of_network_backward(capsys):
    model = load_model("shapes", "cpu")
    x = load_photos(model, [])[0].x
    stepped = step_through.print_forward(model.net, x, None, False)
    seed = np.eye(12, dtype=np.float32)[3:4]
    gradient = step_through.print_backward(model.net, stepped, seed, None, False)
    trace = model.net.forward(x)
    assert (gradient == model.net.backward(trace, {model.net.output: seed})["input"]).all()
    assert (stepped.activations["fc6"] == trace.activations["fc6"]).all()


def test_step_through_on_the_strict_gpu(strict_cupy, capsys):
    assert demo(step_through, "--model", "shapes", "--device", "gpu") == 0
    assert "device: gpu" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--layer", "cnov1", "--model", "shapes"], "no layer 'cnov1'; did you mean conv1"),
    (["--out", "here"], "unrecognized arguments: --out")])
def test_bad_input_is_one_line(arguments, expected, capsys):
    assert demo(step_through, "--device", "cpu", *arguments) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1
