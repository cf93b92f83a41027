"""Follow a guide literally: find the steps in its page, and do them in a copy of the project.

A step is a sentence of one of the forms below, mostly with a block of code behind it. Every block of code on the page
must belong to a step.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
COPIED = ("minicnn", "demos", "weights_converter", "tests", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
FORMS = {
    "create": r"Create `([^`\n]+)`:",
    "append": r"At the end of `([^`\n]+)`, add:",
    "insert": r"In `([^`\n]+)`, below the line that begins with `([^`\n]+)`, add:",
    "replace": r"In `([^`\n]+)`, write `([^`\n]+)` in place of `([^`\n]+)`\.",
}
FORMS = {kind: form.replace(" ", r"\s+") for kind, form in FORMS.items()}  # a sentence may continue in the next line


class Step(NamedTuple):
    """kind : one of FORMS, "run", or "prints". words : the file and the texts of the sentence. block : the code."""

    kind: str
    words: tuple
    block: str = ""


def steps_of(text):
    """Return the Steps of a page in their order."""
    blocks = [(match.start(), match[1], match[2]) for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)]
    found, used = [], set()
    for kind, form in FORMS.items():
        for match in re.finditer(form, text):
            if kind == "replace":
                found.append((match.start(), Step(kind, match.groups())))
                continue
            start, _, block = next(block for block in blocks if block[0] > match.end())
            assert text[match.end():start].strip() == "", f"text between {match[0]!r} and its block"
            used.add(start)
            found.append((match.start(), Step(kind, match.groups(), block)))
    for start, language, block in blocks:
        if start in used:
            continue
        assert language in ("sh", "text"), f"a block that no sentence explains: {block[:80]}"
        found.append((start, Step("run" if language == "sh" else "prints", (), block)))
    return [step for _, step in sorted(found)]


def copy_of_project(folder):
    """Return a copy of the project's files, with the command minicnn, and the environment in which it runs."""
    copy = folder / "project"
    copy.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    programs = folder / "bin"
    programs.mkdir()
    for name, words in (("python", ""), ("minicnn", "-m demos.console")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (programs / name).chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                    "PYTHONPATH": str(copy), "XDG_CACHE_HOME": str(folder / "cache"), "OPENBLAS_NUM_THREADS": "1"}
    return copy, environment


def edit(path, step):
    """Do a step that changes the file `path`."""
    if step.kind == "create":
        assert not path.exists(), f"{path} exists already"
        path.write_text(step.block, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    if step.kind == "append":
        path.write_text(text + step.block, encoding="utf-8")
    elif step.kind == "insert":
        lines = text.splitlines(keepends=True)
        place, = [i for i, line in enumerate(lines) if line.startswith(step.words[1])]
        path.write_text("".join([*lines[:place + 1], step.block, *lines[place + 1:]]), encoding="utf-8")
    else:
        _, new, old = step.words
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
        path.write_text(text.replace(old, new), encoding="utf-8")


def require_printed(output, block):
    """Assert that the lines of the block appear in the output in this order; … stands for any text in a line."""
    rest = output
    for line in block.splitlines():
        found = re.search("^" + ".*".join(map(re.escape, line.split("…"))) + "$", rest, re.MULTILINE)
        assert found, f"{line!r} is not in the output:\n{output[-3000:]}"
        rest = rest[found.end():]


def follow(page, folder):
    """Do all steps of a page in a copy of the project, and return the copy. A command that fails fails the test."""
    copy, environment = copy_of_project(folder)
    output = ""
    for step in steps_of((ROOT / page).read_text(encoding="utf-8")):
        if step.kind == "run":
            done = subprocess.run(["sh", "-e", "-c", step.block], cwd=copy, env=environment, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            output = done.stdout
            assert done.returncode == 0, f"{step.block}\n{output[-3000:]}"
        elif step.kind == "prints":
            require_printed(output, step.block)
        else:
            edit(copy / step.words[0], step)
    return copy, environment
