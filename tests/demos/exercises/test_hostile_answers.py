"""Answers that crash, return nonsense, print, exit, fork or never end: one sentence each, and the check goes on."""

import numpy as np
import pytest

from demos.exercises.answer import NotAnAnswer, answer, answers, load_functions
from demos.exercises.contents import exercise_of
from demos.exercises.exercise import Case
from demos.exercises.judge import judge, right_results

FORWARD = "def relu_forward(x):\n    return np.maximum(x, 0)\n"
HEAD = "import numpy as np\n"


def judged(body):
    """The judgement and the hints of an answer with this body of relu_backward."""
    exercise = exercise_of("relu")
    text = f"{HEAD}{FORWARD}def relu_backward(dout, x):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    functions = load_functions(text, "relu.py", exercise)
    given = list(answers(functions, "relu.py", exercise.all_cases()))
    results, hints = judge(exercise, given, right_results(exercise))
    return [one for one in results if not one.right], hints


@pytest.mark.parametrize(("body", "sentence"), [
    ("dx = dout * (x > 0)", "relu_backward returns nothing"),
    ("return None", "returns nothing"),
    ("return 'dout'", "returns str, and not an array"),
    ("return {}", "returns dict, and not an array"),
    ("return [dout * (x > 0), dout]", "returns 2 results, needs 1: dx"),
    ("return (dout * (x > 0)).tolist()", "returns list, and not an array"),
    ("return (dout * (x > 0)).astype(object)", "returns ndarray, and not an array of numbers"),
    ("return (dout * (x > 0)).astype(complex)", "returns ndarray, and not an array of numbers"),
    ("return True", "returns bool, and not an array"),
    ("return dout[0] * (x[0] > 0)", "dx has the shape"),
    ("return 0", "dx has the shape ()"),
    ("return np.zeros((0,))", "dx has the shape (0,)"),
    ("return dout * np.inf", "not finite"),
    ("return x > 0", "dx has the type bool"),
    ("1 / 0", "relu_backward ends with ZeroDivisionError: division by zero"),
    ("import sys\nsys.exit(0)", "relu_backward calls sys.exit"),
    ("raise KeyboardInterrupt", "relu_backward ends with KeyboardInterrupt"),
    ("return relu_backward(dout, x)", "calls itself without an end"),
    ("raise ValueError('\\x1b[2J\\n' * 3)", "ends with ValueError: \\x1b[2J"),
    ("class Odd(Exception):\n    def __str__(self): raise SystemExit\nraise Odd", "ends with Odd"),
])
def test_one_sentence_for_each_wrong_result(body, sentence):
    wrong, hints = judged(body)
    assert len(wrong) == 4 and all(one.case.function == "relu_backward" for one in wrong)
    assert sentence in wrong[0].finding and wrong[0].finding.isprintable()
    assert len(hints) <= 1 and all(hint.isprintable() for hint in hints)


def test_a_traceback_shows_only_the_learners_own_lines(tmp_path):
    path = tmp_path / "relu.py"
    path.write_text(f"{HEAD}{FORWARD}def relu_backward(dout, x):\n    return helper(dout)\n\n\n"
                    "def helper(dout):\n    return np.reshape(dout, 7)\n")
    exercise = exercise_of("relu")
    functions = load_functions(path.read_text(), str(path), exercise)
    case = next(case for case in exercise.cases if case.function == "relu_backward")
    one = answer(functions["relu_backward"], str(path), case)
    assert one.problem.startswith("relu_backward ends with ValueError: cannot reshape")
    assert one.lines == ("relu.py, line 5, in relu_backward: return helper(dout)",
                         "relu.py, line 9, in helper: return np.reshape(dout, 7)")


@pytest.mark.parametrize(("text", "sentence"), [
    ("def relu_forward(x)\n    return x\n", "relu.py is not valid Python: SyntaxError"),
    ("def relu_forward(x):\nreturn x\n", "relu.py is not valid Python: IndentationError"),
    ("\0", "relu.py is not valid Python"),
    ("", "relu.py has no function relu_forward(x)"),
    (FORWARD, "relu.py has no function relu_backward(dout, x)"),
    ("relu_forward = 3\n", "relu.py has no function relu_forward(x)"),
    ("import sys\nsys.exit('done')\n", "relu.py calls sys.exit"),
    ("import no_such_module\n", "relu.py ends with ModuleNotFoundError"),
    ("raise BaseException\n", "relu.py ends with BaseException"),
])
def test_a_file_that_is_no_answer(text, sentence):
    with pytest.raises(NotAnAnswer) as refused:
        load_functions(text, "relu.py", exercise_of("relu"))
    assert sentence in refused.value.problem and refused.value.problem.isprintable()


def test_a_function_gets_arrays_of_its_own():
    """An answer that spoils its arguments spoils nothing of the next case."""
    exercise = exercise_of("relu")
    before = [array.copy() for case in exercise.cases for array in case.arguments]
    list(answers({"relu_forward": lambda x: x.fill(7), "relu_backward": lambda dout, x: dout.fill(7)}, "relu.py",
                 exercise.all_cases()))
    after = [array for case in exercise.cases for array in case.arguments]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_changed_arguments_are_named():
    case = Case("", "relu_backward", (np.ones(3), np.ones(3)), lambda dout, x: dout)
    assert answer(lambda dout, x: x.fill(2) or dout, "relu.py", case).changed == (1,)
    assert answer(lambda dout, x: dout + x, "relu.py", case).changed == ()
