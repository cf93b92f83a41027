"""Write a backward pass or a visualization yourself, have it checked, and run a real network with it:

minicnn exercise list
minicnn exercise relu            writes relu.py, with the formula and an empty body
minicnn exercise relu --check    checks relu.py, and makes a picture with it if it is right
"""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from minicnn.errors import InputError, one_line
from minicnn.files import replacing

from .exercises.contents import EXERCISES, exercise_of
from .exercises.exercise import Exercise
from .exercises.judge import Judged, judge, right_results
from .exercises.process import Outcome, run_worker
from .exercises.skeleton import skeleton
from .shared.command import MODEL_HELP, OneLineParser, main
from .shared.language import LANGUAGE_HELP, LANGUAGES, Translate, translation

PROCESSOR_SECONDS = 20  # of processor time for all cases of one exercise; a right answer takes one or two
CHECK_SECONDS = 300     # for the same, with the time in which other programs run
PICTURE_SECONDS = 600   # for the picture of a real network
NOT_YET = 1             # the exit code for an answer that is not yet right; 2 is for wrong use


def run(arguments: Namespace) -> None:
    """Print the list, write the learner's file, give hints, or check an answer."""
    _ = translation(arguments.lang)
    if arguments.name == "list":
        print(list_of_exercises(_))
        return
    exercise = exercise_of(arguments.name, _)
    file = f"{exercise.name}.py"
    if arguments.hint:
        print("\n".join(f"{number}. {hint}" for number, hint in enumerate(exercise.hints, 1)))
    elif arguments.check is None:
        write_skeleton(exercise, Path(file), arguments.force)
    elif not check(exercise, arguments.check or file, arguments):
        sys.exit(NOT_YET)


def list_of_exercises(_: Translate) -> str:
    """Return one line for each exercise: its name and its title."""
    width = max(map(len, EXERCISES))
    return "\n".join(f"{name:<{width}}  {make(_).title}" for name, make in EXERCISES.items())


def write_skeleton(exercise: Exercise, file: Path, force: bool) -> None:
    """Write the learner's file. Raises InputError if it exists, unless `force`."""
    _ = exercise.translate
    if file.exists() and not force:
        raise InputError(_("{file} exists already; --force replaces it, and --check checks it").format(file=file))
    with replacing(file, overwrite=force) as temporary:
        temporary.write_text(skeleton(exercise), encoding="utf-8")
    print(_("wrote {file}: fill in {count} function(s), then run: minicnn exercise {name} --check").format(
        file=file, count=len(exercise.functions), name=exercise.name))


def check(exercise: Exercise, file: str, arguments: Namespace) -> bool:
    """Check the learner's file, print the findings, and make the picture. Return whether all is right."""
    from .exercises.answer import read_answer
    from .exercises.worker import as_answers

    _ = exercise.translate
    read_answer(file, exercise.name, _)  # raises InputError before a process is started
    print(exercise.title, flush=True)
    outcome = run_worker("check", exercise.name, file, arguments.lang, CHECK_SECONDS,
                         processor=PROCESSOR_SECONDS)
    show_printed(outcome, _)
    if not outcome.facts or "problem" in outcome.facts:
        show_problem(exercise, outcome)
        return False
    judged, hints = judge(exercise, as_answers(outcome.facts, outcome.arrays), right_results(exercise))
    for one in judged:
        show_judged(one, _)
    for hint in hints:
        print(_("hint: {hint}").format(hint=hint))
    if not all(one.right for one in judged):
        print(_("not yet right: {count} of {all} checks passed").format(
            count=sum(one.right for one in judged), all=len(judged)))
        return False
    print(_("all {all} checks passed").format(all=len(judged)), flush=True)
    return make_picture(exercise, file, arguments)


def show_judged(one: Judged, _: Translate) -> None:
    """Print the line of one case, and the learner's own lines of a traceback below it."""
    word = _("ok") if one.right else _("NO")
    print(f"  {word:<3} {one.case.function}, {one.case.name}: {one.finding}")
    for line in one.lines:
        print(f"        {line}")


def show_printed(outcome: Outcome, _: Translate) -> None:
    """Print the text that the learner's code has printed."""
    if outcome.printed:
        print(_("your code printed:"))
        print("\n".join(f"  | {line}" for line in outcome.printed))


def show_problem(exercise: Exercise, outcome: Outcome) -> None:
    """Print one sentence about a file or a process that gave no results."""
    _ = exercise.translate
    if outcome.facts:
        print(f"  {_('NO'):<3} {outcome.facts['problem']}")
        for line in outcome.facts["lines"]:
            print(f"        {line}")
    elif outcome.call is None:
        print(f"  {_('NO'):<3} {_('your code gave no results: {problem}').format(problem=outcome.problem)}")
    else:
        case = exercise.all_cases()[outcome.call]
        print(f"  {_('NO'):<3} {case.function}, {case.name}: {outcome.problem}")


def make_picture(exercise: Exercise, file: str, arguments: Namespace) -> bool:
    """Make the picture with the learner's functions, and print where it is. Return whether that worked."""
    from minicnn import plot

    _ = exercise.translate
    print(_("running a real network with your code …"), flush=True)
    outcome = run_worker("picture", exercise.name, file, arguments.lang, PICTURE_SECONDS, arguments.model or "")
    if "wrong use" in outcome.facts:
        raise InputError(outcome.facts["wrong use"])
    if not outcome.facts or "problem" in outcome.facts:
        show_printed(outcome, _)
        show_problem(exercise, outcome)
        return False
    captions = outcome.facts["captions"]
    panels = [(caption, array, {"cmap": "gray", "vmin": 0, "vmax": 1} if array.ndim == 2 else {})
              for caption, array in zip(captions, (outcome.arrays[str(n)] for n in range(len(captions))), strict=True)]
    picture = Path(f"exercise_{exercise.name}.png")
    model = one_line(outcome.facts["model"], 60)
    columns = len(panels) if len(panels) < 6 else -(-len(panels) // 2)
    title = f"{model}: {exercise_of(exercise.name).caption}"  # English: the fonts of figures have no Hangul
    plot.save_figure(picture, plot.show_panels(panels, columns, title), overwrite=True)
    print(_("wrote {picture}, made by {model} with your code: {caption}").format(
        picture=picture, model=model, caption=exercise.caption))
    print(_("the same solution in the library: {file}").format(file=exercise.solution))
    return True


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = OneLineParser(prog="minicnn exercise", description=__doc__, formatter_class=RawDescriptionHelpFormatter,
                           epilog="exit code: 0 if the answer is right, 1 if it is not yet right, 2 after wrong use")
    parser.add_argument("name", metavar="NAME", help="an exercise, or list")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", nargs="?", const="", metavar="FILE", help="check this file (default: NAME.py)")
    what.add_argument("--hint", action="store_true", help="print hints")
    what.add_argument("--force", action="store_true", help="replace NAME.py if it exists")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help=LANGUAGE_HELP)
    parser.add_argument("--model", help=MODEL_HELP)
    return parser


if __name__ == "__main__":
    main(run, parser())
