"""The command line, run as a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kill_runs import kill_runs
from weight_cases import TRUNK

from minicnn.models.weights import read_header

ROOT = Path(__file__).parents[2]


def run_converter(*arguments):
    return subprocess.run([sys.executable, "-m", "weights_converter", *map(str, arguments)], cwd=ROOT,
                          capture_output=True, text=True, timeout=60)


def test_convert_twice(two_layers, tmp_path):
    np.savez(tmp_path / "a.npz", **two_layers)
    done = run_converter(tmp_path / "a.npz", "-o", tmp_path / "a.h5", *TRUNK)
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 4, "")
    again = run_converter(tmp_path / "a.npz", "-o", tmp_path / "a.h5", *TRUNK)
    assert (again.returncode, again.stderr.count("\n"), "Traceback" in again.stderr) == (2, 1, False)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
@pytest.mark.parametrize("encoding", ["ascii", "cp437", "utf-8"])
@pytest.mark.parametrize("name", [b"gewichte-\xe4\xff.npz", "gewichte-\u20ac.npz".encode()])
def test_a_file_name_that_the_terminal_cannot_show(two_layers, tmp_path, name, encoding):
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        np.savez(file, **two_layers)
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for arguments in (TRUNK, ["--first-layer"], ["--first-layer"]):
        done = subprocess.run([sys.executable, "-m", "weights_converter", path, *arguments], cwd=ROOT,
                              env=environment, capture_output=True, timeout=60)
        assert done.stderr.count(b"\n") == done.returncode // 2 and b"Traceback" not in done.stderr
    assert done.returncode == 2 and b"already exists" in done.stderr
    first, whole = sorted((tmp_path / "cache" / "minicnn").iterdir())
    origin = read_header(first).origin
    assert origin == f"conv1_1.weight of {name.decode('utf-8', 'replace')}" and whole.name == "vgg16_caffe-relu1_2.h5"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["-o", "a.h5", *TRUNK], ["--first-layer", "-o", "a.h5"], ["inspect"]])
def test_standard_output_on_a_full_disk(two_layers, tmp_path, arguments):
    np.savez(tmp_path / "a.npz", **two_layers)
    command = [sys.executable, "-m", "weights_converter", *arguments, "a.npz"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "standard output cannot be written: No space left on device" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


SLOW_WRITE = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from minicnn.program import start
start('test')
from minicnn.models.weights import write
write._write_blocks = lambda *arguments: (print('writing', flush=True), time.sleep(60))
from weights_converter.__main__ import main
sys.exit(main())
"""


@pytest.mark.skipif(os.name != "posix", reason="no such signals on Windows")
@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_leaves_the_old_file_and_no_other(two_layers, tmp_path, name, ignored):
    np.savez(tmp_path / "a.npz", **two_layers)
    (tmp_path / "a.h5").write_bytes(b"old")
    number = getattr(signal, name)
    handler = "SIG_IGN" if ignored else "SIG_DFL"  # ignored under nohup, else the default
    handling = f"import signal; signal.signal({int(number)}, signal.{handler})"
    process = subprocess.Popen([sys.executable, "-c", handling + SLOW_WRITE, str(tmp_path / "a.npz"), "-o",
                                str(tmp_path / "a.h5"), "--overwrite", *TRUNK], cwd=ROOT, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        assert b"writing\n" in iter(process.stdout.readline, b"")  # the signal must not arrive inside HDF5
        assert len(list(tmp_path.iterdir())) == 3
        process.send_signal(number)
        if ignored:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.3)
            process.send_signal(signal.SIGINT)
        _, problems = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == (130 if ignored else 128 + number) and b"Traceback" not in problems
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "a.npz"]
    assert (tmp_path / "a.h5").read_bytes() == b"old"


def test_control_characters_are_escaped_in_everything_printed(two_layers, tmp_path):
    path = tmp_path / "a\x1b[2J\nforged line.npz"
    with open(path, "wb") as file:
        np.savez(file, **two_layers)
    (tmp_path / "b\x1b[31m.pth").write_bytes(b"<html>")
    for arguments in ((path, "-o", tmp_path / "o\x1b[2J.h5", *TRUNK), ("inspect", path), ("inspect", path, *TRUNK),
                      (path, "--first-layer", "-o", tmp_path / "p\x1b.h5"), (tmp_path / "b\x1b[31m.pth",),
                      (path, "--labels", tmp_path / "no\x1b[2J\n.txt"), (path, "--prefix", "x\x1b[2J\n")):
        done = run_converter(*arguments)
        said = done.stdout + done.stderr
        assert "\x1b" not in said and "\nforged" not in said and "\\x1b[" in said
        assert done.stderr.count("\n") == (1 if done.returncode else 0)


def test_wrong_arguments():
    for arguments in ((), ("a.npz", "--netwrok", "vgg16")):
        done = run_converter(*arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_a_closed_pipe_is_no_error(squeezenet_file):
    program = f"{sys.executable} -m weights_converter inspect {squeezenet_file[0]} | head -n 1"
    done = subprocess.run(program, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.count("\n") == 1 and done.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="Windows has neither fork nor these signals")
def test_a_conversion_that_is_ended_anywhere_leaves_no_file_or_a_whole_one(two_layers, tmp_path):
    np.savez(tmp_path / "a.npz", **two_layers)
    arguments = [str(tmp_path / "a.npz"), "-o", "{out}/a.h5", *TRUNK]
    shares = (0.05, 0.3, 0.5, 0.7, 0.9, 0.97)
    points = [("call", share, number) for share in shares for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    problems, ended = kill_runs("weights_converter.__main__", arguments, ["--overwrite"], tmp_path, points)
    assert not problems and ended >= 15
