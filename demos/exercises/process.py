"""Start the learner's process, wait for it with a time limit, and end it together with everything that it started."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from minicnn.errors import one_line

from ..shared.language import Translate, translation
from .worker import CALL, read_results

PRINTED_BYTES, PRINTED_LINES = 20_000, 20  # of the learner's own output that are shown
PACKAGE = __package__ or "demos.exercises"
CODE = f"""import sys
sys.path[:] = sys.argv.pop(1).split(chr(10))
from {PACKAGE}.worker import main
main(*sys.argv[1:])
"""


class Outcome(NamedTuple):
    """The results of the learner's process.

    facts, arrays : as the worker wrote them; empty after a problem. printed : lines that the learner's code printed.
    problem : one sentence, or "". call : the number of the last case that began, or None.
    """

    facts: dict[str, Any]
    arrays: dict[str, np.ndarray]
    printed: list[str]
    problem: str
    call: int | None


def run_worker(work: str, name: str, file: str, language: str, seconds: int, model: str = "",
               processor: int = 0) -> Outcome:
    """Run the worker for one exercise and the learner's file, for at most `seconds`.

    work : "check" or "picture". processor : limit of its processor time in seconds; 0 for none.
    After Ctrl-C, the process ends at once, as after the time limit.
    """
    _ = translation(language)
    with tempfile.TemporaryDirectory(prefix="minicnn-exercise-") as folder:
        words = [sys.executable, "-c", CODE, "\n".join(map(os.path.abspath, sys.path)), folder, work, name,
                 os.path.abspath(file), language, model, str(processor)]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        assert process.stdout is not None
        printed = Printed(process.stdout)
        try:
            process.wait(seconds)
            problem = ""
        except subprocess.TimeoutExpired:
            problem = too_long(seconds, _)
        finally:
            kill(process)
        printed.thread.join(1)  # a process that has left its session may still hold the pipe
        made = None if problem else read_results(Path(folder))
        call = Path(folder, CALL)
        number = int(call.read_text() or -1) if call.is_file() else None
    if made is None:
        return Outcome({}, {}, printed.lines(), problem or how_it_ended(process.returncode, processor, _), number)
    return Outcome(*made, printed.lines(), "", number)


def too_long(seconds: int, _: Translate) -> str:
    """Return one sentence about a process that reached its limit."""
    return _("it was still running after {seconds} seconds: is there a loop without an end?").format(seconds=seconds)


def how_it_ended(code: int, processor: int, _: Translate) -> str:
    """Return one sentence about a process that ended without results. processor : the limit of its processor time."""
    if hasattr(signal, "SIGXCPU") and code == -signal.SIGXCPU:
        return too_long(processor, _)
    if code < 0:
        return _("it ended the Python process by the signal {name}").format(name=signal.Signals(-code).name)
    return _("it ended the Python process with exit code {code}").format(code=code)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and all processes that it has started, which are of its session."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:  # Windows
            process.kill()
    except (ProcessLookupError, PermissionError):  # it has ended
        pass
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


class Printed:
    """The first bytes that a process prints. The rest is read, too, so that the process never waits, and forgotten."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.text = stream, b""
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        while chunk := os.read(self.stream.fileno(), 65536):
            self.text += chunk[:PRINTED_BYTES - len(self.text)]

    def lines(self) -> list[str]:
        """Return the first lines, safe to print."""
        lines = self.text.decode(errors="backslashreplace").splitlines()
        return [one_line(line, 200) for line in lines[:PRINTED_LINES]] + ["…"] * (len(lines) > PRINTED_LINES)
