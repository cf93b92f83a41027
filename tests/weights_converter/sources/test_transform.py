"""Files of PyTorch's example fast_neural_style, written by PyTorch, give the same stylised image here as there."""

import numpy as np
import pytest
import torch_oracle as oracle
import weight_writers
from torch_oracle import torch

from minicnn.models import load_model
from weights_converter.__main__ import main

STATISTICS = ("running_mean", "running_var")  # files from before PyTorch 0.4 have them for every instance norm


@pytest.fixture(scope="module")
def published():
    """A TransformerNet in evaluation mode, with random weights that all change the result."""
    torch.manual_seed(0)
    module = oracle.TransformerNet().requires_grad_(False).eval()
    for name, values in module.named_parameters():
        if ".in" in name or name.startswith("in"):
            values += 0.2 * torch.randn(values.shape)
    return module


def state(module, old=False):
    """{name: array} of the file."""
    arrays = {name: values.numpy() for name, values in module.state_dict().items()}
    norms = [name.removesuffix(".weight") for name in arrays if name.endswith((".in1.weight", ".in2.weight"))
             or name.startswith("in") and name.endswith(".weight")]
    assert len(norms) == 15
    if old:
        arrays |= {f"{norm}.{what}": np.zeros_like(arrays[f"{norm}.weight"]) for norm in norms for what in STATISTICS}
    return arrays


@pytest.mark.parametrize("write, old", [(weight_writers.write_pth_zip, False), (weight_writers.write_pth_stream, True),
                                        (weight_writers.write_pth_tar, True)])
def test_a_file_of_pytorch_gives_the_same_image(published, tmp_path, rng, capsys, write, old):
    write(tmp_path / "candy.pth", state(published, old))
    assert main([str(tmp_path / "candy.pth"), "-o", str(tmp_path / "candy.h5")]) == 0
    said = capsys.readouterr().out
    assert "fast_neural_style with fast_neural_style's names, 62 arrays, 1,679,235 parameters" in said
    assert ("left out: 30 arrays of in1, " in said) == old and "-o candy.h5" in said
    model = load_model(tmp_path / "candy.h5", device="cpu")
    assert model.name == "fast_neural_style" and model.labels == []
    picture = rng.integers(0, 256, (33, 42, 3), np.uint8)
    x = model.preprocessing.to_input(picture)
    np.testing.assert_array_equal(x[0], picture.transpose(2, 0, 1))  # the preprocessing does not change pixel values
    theirs = published(torch.from_numpy(x)).numpy()
    ours = model.net.predict(x)
    assert ours.shape == theirs.shape == (1, 3, 36, 44)
    assert abs(ours - theirs).max() < 1e-4 * abs(theirs).max()
    np.testing.assert_array_equal(model.preprocessing.to_image(theirs),
                                  np.rint(theirs[0].clip(0, 255)).astype(np.uint8).transpose(1, 2, 0))


def test_a_file_with_a_block_missing_is_refused(published, tmp_path, capsys):
    arrays = {name: array for name, array in state(published).items() if not name.startswith("res5")}
    weight_writers.write_pth_zip(tmp_path / "candy.pth", arrays)
    assert main([str(tmp_path / "candy.pth"), "-o", str(tmp_path / "candy.h5")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "missing: res5.conv1.conv2d.weight" in error and "--features-only" not in error
    assert not (tmp_path / "candy.h5").exists()
