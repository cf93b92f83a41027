"""verify prints a row for each check and fails if one does."""

import sys

import pytest

from demos import (
    verify,
)
from demos.shared.command import demo_parser, main
from minicnn.visualize.check import Check

pytestmark = pytest.mark.usefixtures("empty_cache")


def test_verify_prints_a_row_a_check_and_fails_when_one_does(capsys, monkeypatch):
    good, bad = Check("good", 1.0, "1", True), Check("bad", 2.0, "1", False)
    for checks, code in (([good], 0), ([good, bad], 1)):
        monkeypatch.setattr(verify, "checks_of", lambda *_, checks=checks: [("name", checks)])
        monkeypatch.setattr(sys, "argv", ["verify", "--model", "shapes", "--device", "cpu"])
        with pytest.raises(SystemExit) as end:
            main(verify.run, demo_parser("verify", ""))
        assert end.value.code == code
    out = capsys.readouterr().out
    assert "pass  name" in out and "FAIL  name" in out and "1 of 2 checks passed" in out
