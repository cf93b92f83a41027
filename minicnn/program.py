"""How a command ends: with one line and an exit code, and without unfinished files, also after a signal.

`start` is called before anything else is imported, and `run` around the work. This module imports only small
modules of Python's standard library, so that even Ctrl-C during the import of NumPy ends in one line.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C; kill, or a scheduler's limit; a closed terminal (not on Windows)
STARTING, RUNNING, STOPPING, DONE = "starting", "running", "stopping", "done"
KEPT = "finished files are kept"

unfinished: set[str] = set()  # the temporary files of minicnn.files.replacing, removed if the program ends at once


class Interrupted(KeyboardInterrupt):
    """A signal that asks the program to end. Code that saves its work after Ctrl-C does so after the others, too."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.exit_code = 128 + number


class _Program:
    """The program of this process: the text of its last line, how far it is, and its exit code after a signal."""

    def __init__(self) -> None:
        self.name, self.kept, self.stage, self.exit_code = "minicnn", KEPT, STARTING, 0
        self.held, self.pending = False, 0

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """End the program: the first time by an exception, so that it can save its work, the second time at once."""
        if self.held:
            self.pending = number
            return
        if self.stage != DONE:
            self.exit_code = 128 + number
        if self.stage == RUNNING:
            self.stage = STOPPING
            raise Interrupted(number)
        self.end_now()

    def end_now(self) -> None:
        """Remove unfinished files, write the line, and end the process without anything else."""
        remove_unfinished()
        if self.stage != DONE:
            try:
                os.write(2, f"{self.name}: interrupted; {self.kept}\n".encode(errors="backslashreplace"))
            except OSError:  # the error stream is closed
                pass
        os._exit(self.exit_code)


_program = _Program()  # signal handlers, too, belong to the whole process


def start(name: str) -> None:
    """Let SIGINT, SIGTERM and SIGHUP end this process in one line. name : of the command, for the line.

    A signal that the caller has set to be ignored, as nohup does with SIGHUP, stays ignored.
    """
    _program.name = name
    for signal_name in SIGNALS:
        number = getattr(signal, signal_name, None)
        if number and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _program.on_signal)
    sys.unraisablehook = _end_or_show
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # file names may have characters that the terminal's encoding has not
            stream.reconfigure(errors="backslashreplace")


def run(name: str, work: Callable[[], object], kept: str = KEPT, word: str = "") -> int:
    """Call work() and return the exit code of the program.

    name : of the command. kept : the part of the line after an interruption that says which files are left.
    word : the text between the name and an error, such as "error: ".
    The code is 0 after success, 1 if the reader of the output has closed it, 2 after an error, which is printed in one
    line, and 128 + the signal's number after a signal: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    """
    from minicnn.errors import InputError

    _program.name, _program.kept = name, kept
    try:
        _program.stage = RUNNING
        code = _call(f"{name}: {word}", work, InputError)
        _program.stage, _program.exit_code = DONE, code
    except KeyboardInterrupt as interruption:  # a second signal ends the process at once
        _program.stage, _program.exit_code = STOPPING, getattr(interruption, "exit_code", 130)
        remove_unfinished()
        report(f"{name}: ", f"interrupted; {_program.kept}")
        flush_output()
        code = _program.exit_code
    return code


def _call(prefix: str, work: Callable[[], object], input_error: type[Exception]) -> int:
    """Call work() and return the exit code, unless a signal comes."""
    try:
        if sys.stdout is None:
            raise input_error(f"the standard output is closed; direct it to a file or to {os.devnull}")
        try:
            work()
            code = 0
        except SystemExit as end:  # of argparse, and of demos.verify
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 2
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of the output, such as head, has ended
        return 1
    except MemoryError as problem:  # NumPy's and CuPy's messages name the size that they could not allocate
        report(prefix, f"not enough memory ({problem or 'none is left'}); ask for fewer or smaller pictures")
        return 2
    except input_error as problem:
        report(prefix, problem)
        return 2
    except OSError as problem:  # a full disk, a removed folder
        reason = problem.strerror or problem
        if problem.filename is not None:
            reason = f"{os.fspath(problem.filename)}: {reason}"
        elif problem.errno in (errno.ENOSPC, errno.EIO, errno.EBADF):  # of print; errors of files name the file
            reason = f"the standard output cannot be written: {reason}"
        report(prefix, reason)
        return 2
    finally:
        flush_output()


def note_kept(text: str) -> None:
    """Let the line after an interruption say `text`, such as how to continue, about the files that are left."""
    _program.kept = text


@contextmanager
def signals_held() -> Iterator[None]:
    """Delay a signal to the end of the block: for a few steps that belong together, such as moving files."""
    _program.held = True
    try:
        yield
    finally:
        _program.held = False
        if _program.pending:
            number, _program.pending = _program.pending, 0
            _program.on_signal(number, None)


def report(prefix: str, problem: object) -> None:
    """Print the problem as one line on the error stream: the only line that a failed command prints there.

    prefix : the name of the command and a colon.
    """
    from minicnn.errors import one_line

    try:
        print(f"{prefix}{one_line(' '.join(str(problem).split()), 5000)}", file=sys.stderr, flush=True)
    except (OSError, ValueError):  # the error stream is full or closed, too: the exit code says it
        _discard(sys.stderr)


def flush_output() -> None:
    """Write out all printed text, or discard it if it cannot be written."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        _discard(sys.stdout)


def remove_unfinished() -> None:
    """Remove the temporary files and folders that were not moved to their place."""
    for path in tuple(unfinished):
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                from shutil import rmtree
                rmtree(path)
            else:
                os.unlink(path)
        except OSError:  # it was not yet made, or was moved to its place
            pass
        unfinished.discard(path)


def _discard(stream: Any) -> None:
    """Direct the stream to the null device. Otherwise Python would write again at its end, and fail with a message."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):  # closed, or not a real file
        pass


def _end_or_show(unraisable: Any) -> None:
    """End the program if a signal came where Python cannot raise an exception, such as in a destructor."""
    if isinstance(unraisable.exc_value, Interrupted):
        _program.end_now()
    sys.__unraisablehook__(unraisable)
