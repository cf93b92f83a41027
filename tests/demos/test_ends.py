"""However a demo ends, it leaves whole files and one line, and --resume ends in the files of an undisturbed run."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kill_cases import CASES, SHAPES, few_points
from kill_runs import kill_runs, trouble_runs

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.usefixtures("empty_cache"),
              pytest.mark.skipif(os.name != "posix", reason="Windows has neither fork nor these signals")]


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_is_ended_anywhere_continues_to_the_same_files(name, tmp_path):
    module, arguments, resume = CASES[name]
    problems, ended = kill_runs(f"demos.{module}", arguments, resume, tmp_path, few_points(len(name)))
    assert not problems and ended >= 3


@pytest.mark.parametrize(("name", "arguments"), [
    ("saliency", SHAPES), ("activations", SHAPES), ("occlusion", SHAPES), ("filters", ["--device", "cpu"]),
    ("deepdream", [*SHAPES, "--octaves", "2", "--steps", "4", "--size", "64"]),
    ("style_transfer", [*SHAPES, "--steps", "4", "--size", "48"]), ("neighbours", ["--device", "cpu"]),
    ("fooling", SHAPES), ("texture_pixels", ["--device", "cpu", "--size", "24"])])
def test_a_full_disk_or_output_and_a_removed_folder_are_one_line(name, arguments, tmp_path):
    assert trouble_runs(f"demos.{name}", arguments, tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", [["demos.saliency"], ["demos.console", "saliency"],
                                     ["weights_converter", "inspect", "no.npz"]])
def test_a_signal_during_the_imports_is_one_line(command, number, tmp_path):
    """The process is sent the signal when it has imported the first part of NumPy."""
    (tmp_path / "sitecustomize.py").write_text(f"""
import os, sys
class Finder:
    def find_spec(self, name, *arguments):
        if name == "numpy._core":
            os.kill(os.getpid(), {int(number)})
sys.meta_path.insert(0, Finder())
""")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run([sys.executable, "-m", *command], cwd=tmp_path, env=environment, capture_output=True,
                          text=True, preexec_fn=obey_ctrl_c)
    assert done.returncode == 128 + number
    assert re.match(r"minicnn( \w+)?: interrupted; ", done.stderr) and done.stderr.count("\n") == 1


def obey_ctrl_c():
    """Let the process that is started obey Ctrl-C, which a job in the background of a shell ignores."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_only_one_run_writes_into_a_folder(tmp_path):
    command = [sys.executable, "-m", "demos.saliency", *SHAPES, "--out", str(tmp_path / "out")]
    runs = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for _ in range(4)]
    errors = [run.communicate()[1] for run in runs]
    codes = [run.returncode for run in runs]
    assert codes.count(0) == 1 and codes.count(2) == 3
    assert all(error.count("\n") == 1 and ("another run is writing into" in error or "already" in error)
               for error, code in zip(errors, codes, strict=True) if code)
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".json", ".npy", ".png"]


def test_runs_without_out_that_start_together_take_folders_of_their_own(tmp_path):
    command = [sys.executable, "-m", "demos.saliency", *SHAPES]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    runs = [subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert {path.name for path in tmp_path.glob("pictures*")} == {"pictures", "pictures-2", "pictures-3"}
    assert all(len(list(folder.iterdir())) == 3 for folder in tmp_path.glob("pictures*"))


def test_workers_end_with_a_killed_demo(tmp_path):
    command = [sys.executable, "-m", "demos.patches", *SHAPES, "--workers", "2", "--out", str(tmp_path / "out")]
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        workers = wait_for(lambda: children_of(parent.pid))
    finally:
        parent.kill()
        parent.wait()
    assert workers and wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def children_of(process):
    """Return the processes that multiprocessing has started for work, if there are two."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            line = (status.parent / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if parent == process and b"spawn_main" in line:
            found.append(int(status.parent.name))
    return found if len(found) >= 2 else []


def wait_for(condition, seconds=60):
    """Return the condition's first true value, or its last value after some seconds."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return value
