"""minicnn exercise: its files, its exit codes, and the learner's process, which may do anything."""

import os
import signal
import subprocess
import sys
import time

import layer_answers
import pytest

from demos import console, exercise
from demos.exercises.contents import EXERCISES, exercise_of
from demos.exercises.process import run_worker
from demos.exercises.skeleton import skeleton


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, with an empty cache: the network is the shipped one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def write(text, name="relu.py"):
    """Write an answer into the current folder."""
    with open(name, "w", encoding="utf-8") as file:
        file.write("import numpy as np\n" + text)


def minicnn(capsys, *words):
    """The exit code, the output and the error stream of minicnn exercise."""
    code = console.main(["exercise", *words])
    return code, *capsys.readouterr()


def test_the_list_has_every_exercise(capsys):
    code, out, err = minicnn(capsys, "list")
    assert (code, err) == (0, "") and [line.split()[0] for line in out.splitlines()] == list(EXERCISES)


@pytest.mark.parametrize("name", EXERCISES)
def test_a_skeleton_is_written_once(name, capsys, folder):
    assert minicnn(capsys, name)[0] == 0
    text = (folder / f"{name}.py").read_text(encoding="utf-8")
    assert text == skeleton(exercise_of(name))
    assert max(map(len, text.splitlines())) <= 120 and "raise NotImplementedError" in text
    compile(text, f"{name}.py", "exec")
    (folder / f"{name}.py").write_text("mine")
    code, out, err = minicnn(capsys, name)
    assert (code, out) == (2, "") and err == (f"minicnn exercise: {name}.py exists already; --force replaces it, and "
                                              "--check checks it\n")
    assert (folder / f"{name}.py").read_text() == "mine"
    assert minicnn(capsys, name, "--force")[0] == 0
    assert (folder / f"{name}.py").read_text(encoding="utf-8") == text
    code, out, _ = minicnn(capsys, name, "--hint")
    assert code == 0 and out.startswith("1. ") and len(out.splitlines()) >= 2


@pytest.mark.parametrize(("words", "said"), [
    (("rleu",), "no exercise 'rleu'; did you mean relu?"),
    ((), "required: NAME"),
    (("relu", "--check", "missing.py"), "missing.py: no such file; write it with: minicnn exercise relu"),
    (("relu", "--check"), "relu.py: no such file"),
    (("relu", "--check", "."), ". is not a file"),
    (("relu", "--check", "--hint"), "not allowed with"),
    (("relu", "--lang", "xx"), "invalid choice"),
    (("relu", "--check", ""), "empty"),
])
def test_wrong_use_is_one_line(words, said, capsys):
    code, out, err = minicnn(capsys, *words)
    assert (code, out, err.count("\n")) == (2, "", 1) and said in err


def test_files_that_are_no_text(capsys, folder):
    (folder / "relu.py").write_bytes(b"\xff\xfe\x00")
    assert "relu.py is not a text in UTF-8" in minicnn(capsys, "relu", "--check")[2]
    (folder / "relu.py").write_bytes(b"#" * (2**20 + 1))
    assert "larger than 1 MB" in minicnn(capsys, "relu", "--check")[2]
    os.mkfifo(folder / "pipe.py")
    assert "pipe.py is not a file" in minicnn(capsys, "relu", "--check", "pipe.py")[2]


def test_a_right_answer_makes_its_picture(capsys, folder):
    write("print('I am here')\n" + layer_answers.RIGHT["relu"])
    code, out, err = minicnn(capsys, "relu", "--check")
    assert (code, err) == (0, "")
    assert "  | I am here\n" in out and "relative error 0, needs 1e-07" in out and "NO" not in out
    assert out.splitlines()[-1] == "the same solution in the library: minicnn/layers/relu.py"
    assert (folder / "exercise_relu.png").read_bytes()[1:4] == b"PNG"
    assert sorted(path.name for path in folder.iterdir() if path.name != "cache") == ["exercise_relu.png", "relu.py"]


def test_a_wrong_answer_ends_with_code_1_and_a_hint(capsys, folder):
    write(layer_answers.RIGHT["relu"].replace("dout * mask", "dout"), "mine.py")
    code, out, err = minicnn(capsys, "relu", "--check", "mine.py")
    assert (code, err) == (1, "") and "hint: The mask is missing" in out
    assert out.splitlines()[-1] == "not yet right: 2 of 6 checks passed"
    assert not (folder / "exercise_relu.png").exists()


def test_a_check_in_korean(capsys, folder):
    code, out, err = minicnn(capsys, "relu", "--lang", "ko")
    assert (code, err) == (0, "") and "함수 2개" in out
    text = (folder / "relu.py").read_text(encoding="utf-8")
    assert "답을 검사하려면: minicnn exercise relu --check --lang ko" in text
    write(layer_answers.RIGHT["relu"].replace("dout * mask", "dout"))
    code, out, err = minicnn(capsys, "relu", "--check", "--lang", "ko")
    assert (code, err) == (1, "") and "힌트: 마스크가 빠졌습니다" in out and "상대 오차" in out
    write("def relu_forward(x):\n    1 / 0\ndef relu_backward(dout, x):\n    pass\n")
    out = minicnn(capsys, "relu", "--check", "--lang", "ko")[1]  # sentences of the learner's process
    assert "relu_forward 실행이 예외로 끝났습니다: ZeroDivisionError" in out and "return 문이 빠졌습니까?" in out


def test_functions_that_fail_only_in_a_network(capsys):
    write(layer_answers.RIGHT["relu"].replace("return dout * mask", "return dout * mask if dout.ndim != 4 or "
                                              "len(dout) == 2 else np.zeros(3)"))
    code, out, err = minicnn(capsys, "relu", "--check")
    assert (code, err) == (1, "") and "all 6 checks passed" in out and "Traceback" not in out
    assert "your functions pass the checks, but a real network fails with them: relu.py ends with" in out


def test_an_unknown_model_is_wrong_use(capsys):
    write(layer_answers.RIGHT["relu"])
    code, _, err = minicnn(capsys, "relu", "--check", "--model", "no_such")
    assert code == 2 and err.startswith("minicnn exercise: ") and "no_such" in err and err.count("\n") == 1


def outcome(body, **limits):
    """The outcome of an answer whose relu_backward has this body."""
    write("import os, sys\ndef relu_forward(x):\n    return np.maximum(x, 0)\ndef relu_backward(dout, x):\n    " + body)
    return run_worker("check", "relu", "relu.py", "en", **{"seconds": 60} | limits)


def test_an_endless_loop_is_ended():
    ended = outcome("while True: print('x' * 500)", processor=2)
    assert ended.problem == "it was still running after 2 seconds: is there a loop without an end?"
    assert ended.call == 1 and len(ended.printed) == 21 and len(ended.printed[0]) <= 200


def test_a_process_that_ends_itself_or_forks():
    assert outcome("os._exit(0)").problem == "it ended the Python process with exit code 0"
    assert "the signal SIGKILL" in outcome("os.kill(os.getpid(), 9)").problem
    forked = outcome("os.fork()\n    return dout * (x > 0)")
    assert forked.problem == "" and len(forked.facts["answers"]) == 6


def test_ctrl_c_ends_the_learners_process_too(folder):
    write("import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n")
    command = subprocess.Popen([sys.executable, "-m", "demos.exercise", "relu", "--check"], cwd=folder,
                               stderr=subprocess.PIPE, text=True,
                               env=os.environ | {"PYTHONPATH": os.pathsep.join([os.path.dirname(os.path.dirname(
                                   exercise.__file__))])})
    while not (folder / "pid").is_file() or not (folder / "pid").read_text():
        assert command.poll() is None
        time.sleep(0.05)
    command.send_signal(signal.SIGINT)
    assert command.communicate(timeout=60)[1].count("\n") == 1 and command.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)
