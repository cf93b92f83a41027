"""Every exercise takes the right answer, refuses the empty one, and gives each known mistake its hint."""

import doctest
from functools import cache

import layer_answers
import network_answers
import numpy as np
import pytest

from demos.exercises.answer import answers, load_functions
from demos.exercises.contents import EXERCISES, exercise_of
from demos.exercises.judge import as_tuple, judge, right_results
from demos.exercises.skeleton import skeleton

RIGHT = layer_answers.RIGHT | network_answers.RIGHT
WRONG = layer_answers.WRONG | network_answers.WRONG
MADE = {name: exercise_of(name) for name in EXERCISES}


@cache
def expected(name):
    """The right results of an exercise, computed once."""
    return right_results(MADE[name])


def judged(name, text):
    """The judgement and the hints of an answer."""
    exercise = MADE[name]
    functions = load_functions("import numpy as np\n" + text, f"{name}.py", exercise)
    return judge(exercise, list(answers(functions, f"{name}.py", exercise.all_cases())), expected(name))


def test_there_is_an_answer_for_every_exercise():
    assert list(RIGHT) != [] and set(RIGHT) == set(WRONG) == set(EXERCISES)
    assert len(EXERCISES) >= 12 and all(len(wrong) >= 4 for wrong in WRONG.values())


@pytest.mark.parametrize("name", EXERCISES)
def test_the_right_answer_passes(name):
    results, hints = judged(name, RIGHT[name])
    assert [one.finding for one in results if not one.right] == [] and hints == []
    assert all("needs" in one.finding for one in results)


@pytest.mark.parametrize("name", EXERCISES)
def test_the_empty_skeleton_is_refused_kindly(name):
    results, hints = judged(name, skeleton(MADE[name]))
    assert not any(one.right for one in results) and hints == []
    assert all("is not written yet" in one.finding and one.lines == () for one in results)


@pytest.mark.parametrize(("name", "part", "wrong", "hint"),
                         [(name, *one) for name, wrong in WRONG.items() for one in wrong])
def test_a_known_mistake_gets_its_hint(name, part, wrong, hint):
    assert part in RIGHT[name]
    results, hints = judged(name, RIGHT[name].replace(part, wrong))
    assert not all(one.right for one in results)
    assert any(hint in one for one in hints), hints
    assert len(hints) <= 2, hints


@pytest.mark.parametrize("name", EXERCISES)
def test_the_examples_of_the_skeleton_are_true(name):
    names = {"np": np}
    exec("import numpy as np\n" + RIGHT[name], names)
    for function in MADE[name].functions:
        test = doctest.DocTestParser().get_doctest(function.example + "\n", names, function.name, None, 0)
        assert len(test.examples) >= 1
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
        assert runner.run(test).failed == 0


@pytest.mark.parametrize("name", EXERCISES)
def test_every_known_mistake_differs_from_the_right_answer(name):
    """Otherwise its hint could never appear, or would appear for a right answer."""
    exercise = MADE[name]
    for mistake in exercise.mistakes:
        different = False
        for case, right in zip(exercise.cases, expected(name), strict=False):
            if case.function == mistake.function and not different:
                try:
                    wrong = as_tuple(mistake.wrong(*case.arguments))
                except ValueError:  # these shapes do not fit; those of another case must
                    continue
                assert len(wrong) == len(right)
                different = any(a.shape != b.shape or not np.allclose(a, b, rtol=1e-5, atol=1e-9)
                                for a, b in zip(right, wrong, strict=True))
        assert different, mistake.hint
