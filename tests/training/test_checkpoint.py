"""Checkpoints of a training: exact continuation, and files that do not fit."""


import numpy as np
import pytest
from damaged_files import multi_line_header
from training_cases import arrays_of, noise_batches, same, shared_batches, shared_net, tiny_net

from minicnn.errors import InputError
from minicnn.optimize import Adam, GradientDescent, Momentum, NormalizedStep, RMSProp
from minicnn.training import TrainingCheckpoint
from minicnn.training.train import CosineSchedule, train

UPDATES = {"Adam": lambda: Adam(0.01), "Momentum": lambda: Momentum(0.02), "RMSProp": lambda: RMSProp(0.01),
           "GradientDescent": lambda: GradientDescent(0.05), "NormalizedStep": lambda: NormalizedStep(0.1)}


def trained(xp, update, num_steps, checkpoint=None, settings=None, **more):
    """Return (arrays, history) of a new network after its training."""
    net = tiny_net(xp)
    history = train(net, noise_batches(), update=update, num_steps=num_steps, weight_decay=0.1,
                    schedule=CosineSchedule(0.02, 8, warm_up=2),
                    checkpoint=checkpoint and TrainingCheckpoint(checkpoint, 3, settings), **more)
    assert net.device == ("cpu" if xp is np else "gpu")
    return arrays_of(net), history


@pytest.mark.parametrize("name", UPDATES)
def test_resumed_equals_uninterrupted(name, xp, tmp_path):
    make, path = UPDATES[name], tmp_path / "digits.npz"
    expected, expected_history = trained(xp, make(), 8)

    def stop(step, loss):
        return step == 4  # between two checkpoints; stopping writes one
    trained(xp, make(), 8, path, callback=stop)
    with np.load(path) as file:
        assert file["history"].tolist() == expected_history[:5]
    arrays, history = trained(xp, make(), 8, path)
    assert history == expected_history
    assert same(arrays, expected)
    assert [file.name for file in tmp_path.iterdir()] == ["digits.npz"]


@pytest.mark.parametrize("name", ["Adam", "Momentum"])
def test_resumed_after_ctrl_c(name, xp, tmp_path):
    make, path = UPDATES[name], tmp_path / "digits.npz"
    expected, expected_history = trained(xp, make(), 8)

    def interrupt(step, loss):
        if step == 4:
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        trained(xp, make(), 8, path, callback=interrupt)
    with np.load(path) as file:
        assert file["history"].tolist() == expected_history[:3]
    first = []
    arrays, history = trained(xp, make(), 8, path, callback=lambda step, loss: first.append(step))
    assert first == [3, 4, 5, 6, 7]
    assert history == expected_history
    assert same(arrays, expected)


def test_a_longer_training_continues_a_finished_one(xp, tmp_path):
    path = tmp_path / "digits.npz"
    trained(xp, Adam(0.01), 4, path)
    arrays, history = trained(xp, Adam(0.01), 7, path)
    expected, expected_history = trained(xp, Adam(0.01), 7)
    assert history == expected_history and same(arrays, expected)
    again, _ = trained(xp, Adam(0.01), 7, path, callback=lambda step, loss: pytest.fail("it is finished"))
    assert same(again, expected)


def test_a_checkpoint_of_one_device_resumes_on_the_other(strict_cupy, tmp_path):
    expected, expected_history = trained(np, Adam(0.01), 8)
    for first, second in ((np, strict_cupy), (strict_cupy, np)):
        path = tmp_path / f"{first.__name__}.npz"
        trained(first, Adam(0.01), 4, path)
        arrays, history = trained(second, Adam(0.01), 8, path)
        assert history == pytest.approx(expected_history, rel=1e-4)
        assert all(np.allclose(array, expected[name], atol=1e-4) for name, array in arrays.items())


def test_ctrl_c_while_writing_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "digits.npz"
    trained(np, Adam(0.01), 3, path)
    before = path.read_bytes()

    def interrupted(file, **arrays):
        file.write(b"PK half of it")
        raise KeyboardInterrupt
    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(np, Adam(0.01), 8, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["digits.npz"]


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint of three steps of tiny_net with Adam."""
    path = tmp_path / "digits.npz"
    trained(np, Adam(0.01), 3, path)
    return path


def refusal_to_resume(path, net=None, update=None):
    """The one line by which train() refuses the checkpoint, leaving the network as it is."""
    net = net or tiny_net()
    before = arrays_of(net)
    with pytest.raises(InputError) as refusal:
        train(net, noise_batches(), update=update or Adam(0.01), num_steps=8, checkpoint=path)
    assert same(arrays_of(net), before)
    line = str(refusal.value)
    assert "\n" not in line and line.startswith(f"{path} is ")
    return line.removeprefix(f"{path} is ")


@pytest.mark.parametrize("content", [
    b"", b"PK", b"not an archive\n", b"PK\x03\x04" + bytes(100), b"\x93NUMPY\x01\x00v\x00{}", b"\x80\x04N.",
    multi_line_header()], ids=range(7))
def test_files_that_are_not_checkpoints(content, tmp_path):
    path = tmp_path / "digits.npz"
    path.write_bytes(content)
    assert refusal_to_resume(path).startswith("not a checkpoint, or it is damaged: ")
    assert path.read_bytes() == content


def test_folders_and_other_archives_are_not_checkpoints(tmp_path):
    assert refusal_to_resume(tmp_path).startswith("not a checkpoint, or it is damaged: ")
    path = tmp_path / "array.npy"
    np.save(path, np.zeros(3))
    assert refusal_to_resume(path).startswith("not a checkpoint, or it is damaged: ")
    path = tmp_path / "train_10k.npz"
    np.savez(path, x=np.zeros((2, 28, 28)), y=np.zeros(2))
    assert refusal_to_resume(path).startswith("not a checkpoint, or it is damaged: ")
    np.savez(path, history=np.array([None]))  # a pickle
    assert refusal_to_resume(path).startswith("not a checkpoint, or it is damaged: ")
    np.savez(path, history=np.zeros(2), x=np.zeros((2, 28, 28)))
    assert refusal_to_resume(path).startswith("a checkpoint of another network; it differs in conv1/b, conv1/w, ")


def test_a_truncated_checkpoint(checkpoint):
    content = checkpoint.read_bytes()
    for length in (1, 100, len(content) // 2, len(content) - 100, len(content) - 1):
        checkpoint.write_bytes(content[:length])
        assert refusal_to_resume(checkpoint).startswith("not a checkpoint, or it is damaged: ")


def test_a_flipped_bit_is_noticed_or_harmless(checkpoint, rng):
    content, noticed = checkpoint.read_bytes(), 0
    expected, expected_history = trained(np, Adam(0.01), 3)
    for place in rng.integers(0, len(content), 60).tolist():
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        checkpoint.write_bytes(damaged)
        net = tiny_net()
        try:
            history = train(net, noise_batches(), update=Adam(0.01), num_steps=3, checkpoint=checkpoint)
        except InputError as refusal:
            assert "\n" not in str(refusal)
            assert same(arrays_of(net), arrays_of(tiny_net()))
            noticed += 1
        else:  # a date, say
            assert history == expected_history and same(arrays_of(net), expected)
    assert noticed >= 30


def test_a_checkpoint_of_another_network(checkpoint):
    other = tiny_net(batch_norm=False)
    assert refusal_to_resume(checkpoint, other) == (
        "a checkpoint of another network; it differs in norm1/beta, norm1/gamma, norm1/mean, norm1/var")
    wider = tiny_net()
    wider.layer("fc3").params["w"] = np.zeros((4, 45), "float32")
    assert refusal_to_resume(checkpoint, wider) == "a checkpoint of another network; it differs in fc3/w"


@pytest.mark.parametrize("update, names", [
    (Momentum(0.1), "beta1, beta2, count, eps, mean, momentum, square"),
    (RMSProp(0.1), "beta1, beta2, count, mean, smoothing"),
    (GradientDescent(0.1), "beta1, beta2, count, eps, mean, square"),
], ids=lambda value: type(value).__name__ if hasattr(value, "delta") else None)
def test_a_checkpoint_of_another_update(update, names, checkpoint):
    assert refusal_to_resume(checkpoint, update=update) == \
        f"a checkpoint of another kind of update; it differs in {names}"


def test_a_checkpoint_of_other_settings_is_refused_before_anything_changes(tmp_path):
    def training(**settings):
        net = tiny_net()
        before = arrays_of(net)
        try:
            return train(net, noise_batches(), update=Adam(0.01), num_steps=2,
                         checkpoint=TrainingCheckpoint(tmp_path / "c.npz", settings=settings))
        except InputError as refusal:
            assert same(arrays_of(net), before)
            return str(refusal)
    history = training(crop=16, sizes=(1, 2))
    assert training(crop=16, sizes=[1, 2]) == history
    for other, words in (({"crop": 24, "sizes": (1, 2)}, "crop 16, not 24"),
                         ({}, "crop 16, not None; sizes [1, 2], not None"),
                         ({"crop": 16, "sizes": (1, 2), "seed": 3}, "seed None, not 3")):
        assert training(**other) == f"{tmp_path / 'c.npz'} is a checkpoint of another training: it has {words}"


def test_checkpoints_of_shared_and_of_separate_layers_do_not_fit_each_other(tmp_path):
    path = tmp_path / "shared.npz"
    for shared in (False, True):
        path.unlink(missing_ok=True)
        train(shared_net(shared=shared), shared_batches, update=Adam(0.01), num_steps=1, checkpoint=path)
        with pytest.raises(InputError, match="is a checkpoint of another kind of update"):
            train(shared_net(shared=not shared), shared_batches, update=Adam(0.01), num_steps=2, checkpoint=path)


def test_a_shared_layer_continues_as_one(tmp_path):
    path, nets = tmp_path / "shared.npz", [shared_net() for _ in range(3)]
    train(nets[0], shared_batches, update=Adam(0.01), num_steps=4)
    train(nets[1], shared_batches, update=Adam(0.01), num_steps=2, checkpoint=path)
    train(nets[2], shared_batches, update=Adam(0.01), num_steps=4, checkpoint=path)
    assert same(arrays_of(nets[2]), arrays_of(nets[0]))


def test_a_missing_folder(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        train(tiny_net(), noise_batches(), update=Adam(0.01), num_steps=1, checkpoint=tmp_path / "no" / "digits.npz")
