"""Run a demo many times in processes of its own, and end each at a chosen point of the program.

A point is the number of a call: of any function ("call"), or of one that changes the file system ("file"). Points that
are counted are the same in every run, unlike points in time. The processes are forked from one that has imported
everything, so a run takes as long as its work.
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

FILE_CALLS = {"replace", "unlink", "mkdir", "rmdir"}  # of the module os, called by the library and the demos
CHANGING = ("seconds", "times", "date")  # entries of a run card that differ from run to run


class Counter:
    """A profile function that counts calls and, at the chosen one, sends this process a signal or calls `send`."""

    def __init__(self, kind, number, send):
        self.kind, self.number, self.send = kind, number, send
        self.counts = {"call": 0, "file": 0}

    def __call__(self, frame, event, function):
        if event == "call":
            self.counts["call"] += 1
        elif event == "c_call" and function.__module__ == "posix" and function.__name__ in FILE_CALLS:
            if frame.f_back.f_code.co_name == "replacing":  # it removes its temporary file, which was moved already
                return
            self.counts["file"] += 1
        else:
            return
        if self.send and self.counts[self.kind] == self.number:
            self.send, sent = 0, self.send
            if callable(sent):
                sent()
            else:
                os.kill(os.getpid(), sent)


def forked(module, arguments, place, kind="call", number=0, send=0, count=False, before=None):
    """Run the demo in a new process and return (exit code or -signal, what it wrote on stderr, numbers of calls)."""
    errors, counts = place / "stderr", place / "counts"
    counts.unlink(missing_ok=True)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status), errors.read_text(), \
            json.loads(counts.read_text()) if counts.exists() else None
    from demos.shared.command import main
    from minicnn.program import start

    os.dup2(os.open(place / "stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    sys.stdout, sys.stderr = open(1, "w"), open(2, "w")
    sys.argv = [module.__name__, *arguments]
    sys.stderr.reconfigure(errors="backslashreplace")
    counter, code = Counter(kind, number, send), 0
    signal.signal(signal.SIGINT, signal.default_int_handler)
    start("test")
    if before:
        before()
    sys.setprofile(counter if send or count else None)
    try:
        if hasattr(module, "parser"):
            main(module.run, module.parser())
        sys.exit(module.main())  # the converter
    except SystemExit as end:
        code = end.code
    except BaseException:
        import traceback
        traceback.print_exc()
        code = 70
    sys.setprofile(None)
    if count:
        counts.write_text(json.dumps(counter.counts))
    sys.stderr.flush()
    os._exit(code or 0)


def trouble(name, arguments, place):
    """Return the problems of a demo whose disk is full, whose output is full or closed, or whose folder is removed.

    Each must end in one line and exit code 2, without a hidden or half-written file; a removed folder is made again.
    """
    module, out, problems = import_module(name), place / "trouble", []
    command = [*arguments, "--out", str(out)]

    def check(what, code, errors, codes=(2,)):
        hidden = [path.name for path in out.rglob(".*")] if out.exists() else []
        if code not in codes or errors.count("\n") != (code != 0) or hidden:
            problems.append(f"{what}: exit code {code}, left {hidden}, {errors[-300:]!r}")
        shutil.rmtree(out, ignore_errors=True)

    def limit_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    def fill_output():
        sys.stdout.flush()
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)

    def close_output():
        sys.stdout = None
    for before in (limit_files, fill_output, close_output):
        code, errors, _ = forked(module, command, place, before=before)
        check(before.__name__, code, errors)
    for number in range(2, 6):
        code, errors, _ = forked(module, command, place, "file", number, lambda: shutil.rmtree(out))
        check(f"the folder is removed at file call {number}", code, errors, (0, 2))
    return problems


def contents(folder):
    """Return {path: bytes} of all files below the folder. Run cards are without the entries that always differ."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            files[str(path.relative_to(folder))] = path.read_bytes()
            if path.suffix == ".json":
                with contextlib.suppress(ValueError, AttributeError):
                    card = json.loads(path.read_text())
                    files[str(path.relative_to(folder))] = {key: card[key] for key in card if key not in CHANGING}
    return files


def differences(folder, expected):
    """Return the names of the files that are missing, unexpected or different."""
    found = contents(folder)
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def try_points(name, arguments, resume, place, points):
    """Return the problems: a run ended at a point and continued must end in the files of an undisturbed run.

    points : [(kind, share of the calls from 0 to 1 or None for every one, signal), …]. resume : the options of the
    command that continues.
    """
    module = import_module(name)
    whole = place / "whole"
    code, errors, counts = forked(module, command_for(arguments, whole), place, count=True)
    problems = [] if code == 0 else [f"undisturbed: exit code {code}, {errors[-300:]}"]
    expected, ended = contents(whole), 0
    for kind, share, send in points:
        numbers = range(1, counts[kind] + 1) if share is None else [max(1, round(share * counts[kind]))]
        for number in numbers:
            out = place / "out"
            shutil.rmtree(out, ignore_errors=True)
            command = command_for(arguments, out)
            code, errors, _ = forked(module, command, place, kind, number, send)
            ended += code != 0
            point = f"{kind} {number} of {counts[kind]}, signal {send}"
            if send == signal.SIGKILL:
                if code not in (-send, 0):
                    problems.append(f"{point}: exit code {code}")
            else:
                hidden = [path.name for path in out.rglob(".*")] if out.exists() else []
                if code not in (128 + send, 0) or errors.count("\n") != (code != 0) or hidden:
                    problems.append(f"{point}: exit code {code}, left {hidden}, {errors[-300:]!r}")
            if code != 0:
                code, errors, _ = forked(module, [*command, *resume], place)
                if code != 0:
                    problems.append(f"{point}: continued with exit code {code}, {errors[-300:]!r}")
                elif different := differences(out, expected):
                    problems.append(f"{point}: continued to other files: {different}")
    return problems, ended


def command_for(arguments, out):
    """Return the arguments with the output folder: for "{out}" in them, else after --out."""
    if any("{out}" in argument for argument in arguments):
        out.mkdir(exist_ok=True)
        return [argument.replace("{out}", str(out)) for argument in arguments]
    return [*arguments, "--out", str(out)]


def kill_runs(name, arguments, resume, place, points):
    """Return the result of `try_points` in a process of its own."""
    return in_a_process(name, arguments, resume, place, points)


def trouble_runs(name, arguments, place):
    """Return the result of `trouble` in a process of its own."""
    return in_a_process(name, arguments, [], place, None)


def in_a_process(name, arguments, resume, place, points):
    """Return the result of `try_points`, or of `trouble` without points. No BLAS may run before the forks."""
    task = json.dumps([name, arguments, resume, str(place), points])
    root = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, __file__, task], cwd=root, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


if __name__ == "__main__":
    name, arguments, resume, place, points = json.loads(sys.argv[1])
    if points is None:
        result = trouble(name, arguments, Path(place))
    else:
        result = try_points(name, arguments, resume, Path(place), points)
    print(json.dumps(result))
