"""The learner's process: run the learner's code and write its results into a folder that process.py reads.

The learner's code may print, loop, exit or fork. Only this process suffers from it.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from minicnn.errors import InputError

from ..shared.inputs import choose_model, load_photos
from ..shared.language import Translate, translation
from .answer import Answer, NotAnAnswer, answers, ended, learners_lines, load_functions, read_answer
from .contents import exercise_of
from .exercise import Exercise, Functions

RESULTS = "results.npz"  # the arrays, and under the name "facts" all else as JSON
CALL = "call.txt"        # the number of the case that runs now


def main(folder: str, work: str, name: str, file: str, language: str, model: str, seconds: str) -> NoReturn:
    """Do the work, "check" or "picture", write RESULTS into the folder, and end this process.

    seconds : of processor time, after which the system ends this process; "0" for no limit.
    """
    owner = os.getpid()
    leave_with_parent()
    limit_processor(int(seconds))
    sys.stdin = open(os.devnull)
    sys.path.append(os.path.dirname(file))  # so that an answer can import the learner's other files
    _ = translation(language)
    exercise = exercise_of(name, _)
    try:
        functions = load_functions(read_answer(file, exercise.name, _), file, exercise)
        made = check(exercise, functions, file, Path(folder)) if work == "check" else \
            picture(exercise, functions, model)
    except NotAnAnswer as problem:
        made = {"problem": problem.problem, "lines": problem.lines}, {}
    except BaseException as problem:  # the learner's functions fail inside the network
        lines = learners_lines(problem, file)
        wrong_use = isinstance(problem, InputError) and not lines  # such as a --model that does not exist
        made = {"wrong use" if wrong_use else "problem": str(problem) if wrong_use else in_network(file, problem, _),
                "lines": lines}, {}
    if os.getpid() == owner:  # a copy of this process that the learner's code has forked writes nothing
        write(Path(folder), *made)
    os._exit(0)  # without waiting for threads of the learner's


def in_network(file: str, problem: BaseException, _: Translate) -> str:
    """Return one sentence about learner's functions that pass the checks and fail in a network."""
    return _("your functions pass the checks, but a real network fails with them: {problem}").format(
        problem=ended(os.path.basename(file), problem, _))


def leave_with_parent() -> None:
    """End this process when its parent ends, which closes the pipe that is this process's standard input."""
    pipe = os.dup(0)

    def wait_for_end() -> None:
        while os.read(pipe, 1):
            pass
        os._exit(1)
    threading.Thread(target=wait_for_end, daemon=True).start()


def limit_processor(seconds: int) -> None:
    """Let the system end this process after `seconds` of processor time. Waiting for other programs is free."""
    if seconds and hasattr(signal, "SIGXCPU"):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def check(exercise: Exercise, functions: Functions, file: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (facts, arrays) of the answers to all cases."""
    def report(number: int) -> None:
        (folder / CALL).write_text(str(number))
    given = list(answers(functions, file, exercise.all_cases(), report, exercise.translate))
    facts = [{"changed": one.changed, "problem": one.problem, "lines": one.lines, "count": len(one.results)}
             for one in given]
    return {"answers": facts}, {f"{n} {part}": array for n, one in enumerate(given)
                                for part, array in enumerate(one.results)}


def picture(exercise: Exercise, functions: Functions, model_name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (facts, arrays) of the panels that a real network makes with the learner's functions."""
    model, _choice = choose_model(model_name or None, "cpu", scores=True)
    photo = load_photos(model, [])[0]
    panels = exercise.picture(functions, model, photo)
    return {"captions": [caption for caption, _array in panels], "model": model.name}, \
        {str(n): np.asarray(array) for n, (_caption, array) in enumerate(panels)}


def write(folder: Path, facts: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Write RESULTS at once: under another name first."""
    temporary = folder / "unfinished.npz"
    np.savez(temporary, facts=np.array(json.dumps(facts)), **arrays)
    os.replace(temporary, folder / RESULTS)


def read_results(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """Return (facts, arrays), or None if the process has not written them."""
    if not (folder / RESULTS).is_file():
        return None
    with np.load(folder / RESULTS, allow_pickle=False) as saved:
        arrays = {name: saved[name] for name in saved.files}
    return json.loads(str(arrays.pop("facts"))), arrays


def as_answers(facts: dict[str, Any], arrays: dict[str, np.ndarray]) -> list[Answer]:
    """Return the Answers that `check` has written."""
    return [Answer(tuple(arrays[f"{n} {part}"] for part in range(one["count"])), tuple(one["changed"]),
                   one["problem"], tuple(one["lines"])) for n, one in enumerate(facts["answers"])]
