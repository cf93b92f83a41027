"""The file that a learner fills in."""

from unicodedata import east_asian_width

from .exercise import Exercise, Function

WIDTH = 100  # columns of a line; a Korean syllable takes two


def skeleton(exercise: Exercise) -> str:
    """Return the text of NAME.py: the task, and each function with its formula, an example and no body."""
    _ = exercise.translate
    check = _("Check your answer: {command}").format(command=f"minicnn exercise {exercise.name} --check")
    hint = _("Ask for a hint: {command}").format(command=f"minicnn exercise {exercise.name} --hint")
    top = f'"""{exercise.title}\n\n{wrapped(exercise.task)}\n\n{check}\n{hint}\n"""\n\nimport numpy as np\n'
    return "\n\n".join([top, *map(empty_function, exercise.functions)])


def empty_function(function: Function) -> str:
    """Return the text of one function: signature, docstring, and `raise NotImplementedError`."""
    lines = [*wrapped(function.task).splitlines(), "", *function.example.splitlines()]
    text = "\n".join(f"    {line}".rstrip() for line in lines).lstrip()
    return f'def {function.signature}:\n    r"""{text}\n    """\n    raise NotImplementedError\n'


def wrapped(text: str) -> str:
    """Return the text with lines of at most WIDTH columns. Lines that begin with a space are formulas, and stay."""
    lines = text.strip("\n").splitlines()
    return "\n".join(line if line.startswith(" ") or not line else filled(line) for line in lines)


def filled(line: str) -> str:
    """Return a line broken at spaces into lines of at most WIDTH columns. A longer word has a line of its own."""
    lines = [""]
    for word in line.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and columns(longer) > WIDTH:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def columns(text: str) -> int:
    """Return the width of a text in a font of fixed width."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
