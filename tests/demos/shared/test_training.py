"""The training scripts refuse outputs that cannot be written before they start."""

import pytest
from demo_runs import exit_code as demo

from demos import (
    train_shapes,
)

pytestmark = pytest.mark.usefixtures("empty_cache")


@pytest.mark.parametrize("options", [["-o", "missing/shapes.h5"], ["-o", "there.h5"],
                                     ["-o", "new.h5", "--checkpoint", "missing/shapes.npz"]], ids=str)
def test_a_training_whose_result_cannot_be_written_does_not_begin(options, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.h5").write_text("precious")
    monkeypatch.setattr("demos.shared.training.train", lambda *arguments, **settings: pytest.fail("it began"))
    assert demo(train_shapes, *options) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "there.h5").read_text() == "precious"
