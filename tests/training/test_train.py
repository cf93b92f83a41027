"""Training: batches, schedule, the loop and its checkpoints; digits from files, and their distortion."""

import gzip
import math
import pathlib
import struct

import numpy as np
import pytest
import scipy.ndimage

from minicnn.backend import to_host
from minicnn.datasets.mnist import load_digits, read_idx
from minicnn.errors import InputError
from minicnn.gradient_check import directional_error
from minicnn.layers import BatchNorm2D, Conv2D, Dropout, Flatten, Linear, MaxPool2D, ReLU
from minicnn.losses import cross_entropy
from minicnn.models.weights import named_arrays
from minicnn.network import Network
from minicnn.optimize import Adam, FirstOrder, GradientDescent, Momentum, NormalizedStep, RMSProp
from minicnn.training import TrainingCheckpoint
from minicnn.training.augment import Distortion, distort
from minicnn.training.train import CosineSchedule, MiniBatches, accuracy, train

# ---- batches ---------------------------------------------------------------------------------------------------------


def numbered(count):
    """Images that show their own number, and labels that are it."""
    labels = np.arange(count)
    return labels.reshape(count, 1, 1, 1) * np.ones((1, 2, 3, 3), "float32"), labels


def test_each_epoch_covers_all_images_once():
    batches = MiniBatches(*numbered(12), batch_size=3)
    orders = []
    for epoch in range(3):
        orders.append([])
        for step in range(4 * epoch, 4 * epoch + 4):
            x, labels = batches(step)
            assert x.shape == (3, 2, 3, 3) and labels.shape == (3,)
            assert (x == labels.reshape(3, 1, 1, 1)).all()  # each image keeps its label
            orders[-1] += labels.tolist()
    assert [sorted(order) for order in orders] == [list(range(12))] * 3
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_a_remainder_smaller_than_a_batch_is_left_out_of_its_epoch():
    batches = MiniBatches(*numbered(11), batch_size=4)
    missing = set()
    for epoch in range(20):
        seen = [label for step in (2 * epoch, 2 * epoch + 1) for label in batches(step)[1].tolist()]
        assert len(set(seen)) == len(seen) == 8
        missing |= set(range(11)) - set(seen)
    assert missing == set(range(11))  # another one each time


def test_a_batch_is_a_function_of_seed_and_step():
    def noise(x, rng):
        return rng.standard_normal(x.shape)
    batches, again = (MiniBatches(*numbered(12), 3, seed=5, augment=noise) for _ in range(2))
    forward = [batches(step) for step in range(8)]
    for step in reversed(range(8)):
        x, labels = again(step)
        assert np.array_equal(x, forward[step][0]) and np.array_equal(labels, forward[step][1])
    assert len({x.tobytes() for x, _ in forward}) == 8  # each step has its own
    other = MiniBatches(*numbered(12), 3, seed=6)
    assert any(not np.array_equal(other(step)[1], forward[step][1]) for step in range(8))


def test_the_arrays_are_not_written_into():
    x, labels = numbered(6)

    def blank(x, rng):
        x[:] = -1
        return x
    assert (MiniBatches(x, labels, 2, augment=blank)(0)[0] == -1).all()
    assert np.array_equal(x, numbered(6)[0])


def test_a_batch_larger_than_the_set():
    assert len(MiniBatches(*numbered(4), batch_size=4)(7)[0]) == 4
    with pytest.raises(InputError, match="^a batch of 5 needs at least as many images, not 4$"):
        MiniBatches(*numbered(4), batch_size=5)(0)


# ---- schedule --------------------------------------------------------------------------------------------------------

def test_cosine_schedule():
    schedule = CosineSchedule(0.5, 8)
    assert [schedule(step) for step in (0, 2, 4, 6, 8, 9, 100)] == pytest.approx(
        [0.5, 0.25 * (1 + 2**-0.5), 0.25, 0.25 * (1 - 2**-0.5), 0, 0, 0], abs=1e-15)


def test_cosine_schedule_with_warm_up():
    schedule = CosineSchedule(0.3, 10, warm_up=4)
    assert [schedule(step) for step in range(5)] == pytest.approx([0.075, 0.15, 0.225, 0.3, 0.3])
    assert schedule(7) == pytest.approx(0.15) and schedule(10) == 0
    assert all(type(schedule(step)) is float for step in range(12))  # a NumPy number would make arrays float64


# ---- the loop --------------------------------------------------------------------------------------------------------

def tiny_net(xp=np, dtype="float32", seed=0, dropout=0.3, batch_norm=True):
    """Two convolutions and a classifier of three classes, for pictures of 2x6x6."""
    rng = np.random.default_rng(seed)
    net = Network((2, 6, 6))
    net.add("conv1", Conv2D(2, 4, 3, pad=1, rng=rng))
    if batch_norm:
        net.add("norm1", BatchNorm2D(4))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("conv2", Conv2D(4, 5, 3, pad=1, rng=rng))
    net.add("relu2", ReLU())
    net.add("flatten", Flatten())
    if dropout:
        net.add("drop3", Dropout(dropout))
    net.add("fc3", Linear(45, 3, rng))
    return net.astype(dtype).to_device("cpu" if xp is np else "gpu")


def noise_batches(batch_size=4, count=12, dtype="float32"):
    """Pictures of noise with labels by chance."""
    rng = np.random.default_rng(1)
    return MiniBatches(rng.standard_normal((count, 2, 6, 6)).astype(dtype), rng.integers(0, 3, count), batch_size)


def arrays_of(net):
    """All parameters and buffers as they are now, on the host."""
    return {name: to_host(array).copy() for name, array in named_arrays(net).items()}


def same(arrays, others):
    """True where both have the same names and the same bits."""
    return arrays.keys() == others.keys() and all(
        array.dtype == others[name].dtype and np.array_equal(array, others[name]) for name, array in arrays.items())


def test_a_step_of_gradient_descent_is_the_gradient(xp, rng):
    """With a learning rate of 1, what a step takes away is the gradient of the batch's loss."""
    net, batches = tiny_net(xp, "float64", dropout=0), noise_batches(dtype="float64")
    x, labels = batches(0)
    before = {(name, key): array for name, layer in net.parameter_layers().items()
              for key, array in layer.params.items()}
    buffers = {key: array for key, array in net.layer("norm1").buffers.items()}
    history = train(net, batches, update=GradientDescent(1.0), num_steps=1)
    gradients = {(name, key): array - net.layer(name).params[key] for (name, key), array in before.items()}
    for (name, key), array in before.items():
        net.layer(name).params[key] = array

    def loss(value, name, key):
        net.layer(name).params[key] = value
        out = net.forward_train(xp.asarray(x), rng=None).activations["fc3"]
        net.layer(name).params[key] = before[name, key]
        return cross_entropy(out, labels)[0]
    for (name, key), array in before.items():
        # what a convolution's bias adds, the normalization after it takes away
        if (name, key) == ("conv1", "b"):
            assert np.abs(to_host(gradients[name, key])).max() < 1e-12
        else:
            error = directional_error(lambda value, name=name, key=key: loss(value, name, key), array,
                                      gradients[name, key], rng, directions=3)
            assert error < 1e-6, (name, key)
    assert history == [loss(before["fc3", "b"], "fc3", "b")]
    assert all(not np.array_equal(to_host(buffers[key]), to_host(array))
               for key, array in net.layer("norm1").buffers.items())


@pytest.mark.parametrize("update", [Adam(0.02), Momentum(0.02), RMSProp(3e-3), GradientDescent(0.1),
                                    NormalizedStep(0.1)], ids=lambda update: type(update).__name__)
def test_train_lowers_the_loss(update, xp):
    net, batches = tiny_net(xp), noise_batches()
    before = {name: layer.params["w"] for name, layer in net.parameter_layers().items() if "w" in layer.params}
    history = train(net, batches, update=update, num_steps=30)
    assert len(history) == 30 and all(type(value) is float for value in history)
    assert np.mean(history[-6:]) < 0.75 * np.mean(history[:3])
    for name, w in before.items():  # new arrays of the same type, on the same device
        assert type(net.layer(name).params["w"]) is type(w) and net.layer(name).params["w"].dtype == "float32"
    assert vars(update) == vars(type(update)(update.learning_rate))  # the caller's own remembers nothing


def test_train_overfits_32_images():
    rng = np.random.default_rng(2)
    x, labels = rng.standard_normal((32, 2, 6, 6), dtype="float32"), rng.integers(0, 3, 32)
    net = tiny_net(dropout=0)
    history = train(net, MiniBatches(x, labels, 16), update=Adam(0.01), num_steps=120,
                    schedule=CosineSchedule(0.01, 120, warm_up=5))
    assert accuracy(net, x, labels) == 1
    assert history[-1] < 0.1


class Recording(FirstOrder):
    """An update that notes every gradient and learning rate it is asked about, and changes nothing."""

    def __init__(self):
        self.learning_rate = 0.25
        self.calls = []

    def __deepcopy__(self, memo):
        sibling = Recording()
        sibling.calls = self.calls  # all copies write into one list
        return sibling

    def delta(self, gradient):
        self.calls.append((self.learning_rate, gradient))
        return 0 * gradient


def test_the_schedule_sets_the_learning_rate_of_every_parameter():
    update = Recording()
    train(tiny_net(), noise_batches(), update=update, num_steps=3, schedule=lambda step: 0.5 + step)
    assert [rate for rate, _ in update.calls] == [0.5] * 8 + [1.5] * 8 + [2.5] * 8  # 8 parameters
    update = Recording()
    train(tiny_net(), noise_batches(), update=update, num_steps=1)
    assert [rate for rate, _ in update.calls] == [0.25] * 8


def test_a_rate_that_is_numpys_float64_leaves_float32_what_it_is():
    net = tiny_net()
    train(net, noise_batches(), update=GradientDescent(np.float64(0.01)), num_steps=2, weight_decay=np.float64(0.1))
    assert {array.dtype.name for array in named_arrays(net).values()} == {"float32"}


@pytest.mark.parametrize("schedule, rates", [(None, [0.25, 0.25]), (lambda step: 0.5 / (step + 1), [0.5, 0.25])])
def test_weight_decay_shrinks_w_alone(schedule, rates, xp):
    net = tiny_net(xp)
    before = arrays_of(net)
    train(net, noise_batches(), update=Recording(), num_steps=2, schedule=schedule, weight_decay=0.2)
    for name, array in arrays_of(net).items():
        key = name.rpartition("/")[2]
        if key == "w":
            expected = before[name] * (1 - 0.2 * rates[0]) * (1 - 0.2 * rates[1])
            assert np.allclose(array, expected, rtol=1e-6) and array.dtype == "float32"
        elif key in ("b", "gamma", "beta"):
            assert np.array_equal(array, before[name])


def shared_net(dtype="float64", shared=True):
    """The same convolution twice, or two that are equal."""
    net, layer = Network((2, 4, 4)), Conv2D(2, 2, 3, pad=1, rng=np.random.default_rng(0))
    net.add("conv1", layer)
    net.add("relu1", ReLU())
    net.add("conv2", layer if shared else Conv2D(2, 2, 3, pad=1, rng=np.random.default_rng(0)))
    net.add("flatten", Flatten())
    net.add("fc", Linear(32, 3, np.random.default_rng(1)))
    return net.astype(dtype)


def shared_batches(step):
    rng = np.random.default_rng([9, step])
    return rng.standard_normal((3, 2, 4, 4)), np.array([0, 2, 1])


def test_a_shared_layer_is_trained_once_with_the_summed_gradient():
    net, apart, recording = shared_net(), shared_net(shared=False), Recording()
    w = net.layer("conv1").params["w"]
    train(apart, shared_batches, update=GradientDescent(1.0), num_steps=1)
    expected = sum(w - apart.layer(name).params["w"] for name in ("conv1", "conv2"))
    train(net, shared_batches, update=recording, num_steps=1)
    assert [gradient.shape for _, gradient in recording.calls] == [(2, 2, 3, 3), (2,), (3, 32), (3,)]
    assert np.allclose(recording.calls[0][1], expected, rtol=1e-12)
    train(net, shared_batches, update=GradientDescent(1.0), num_steps=1, weight_decay=0.1)
    assert net.layer("conv1") is net.layer("conv2")
    assert np.allclose(net.layer("conv1").params["w"], w - expected - 0.1 * w, rtol=1e-12)


def test_dropout_depends_on_seed_and_step():
    def losses(**settings):
        return train(tiny_net(), lambda step: noise_batches()(0), update=Recording(), num_steps=3, **settings)
    assert losses() == losses() != losses(seed=1)
    assert len(set(losses())) == 3  # each step drops others


def test_another_loss():
    def scaled(scores, labels):
        value, gradient = cross_entropy(scores, labels)
        return 3 * value, 3 * gradient
    once, thrice = Recording(), Recording()
    plain = train(tiny_net(), noise_batches(), update=once, num_steps=1)
    assert train(tiny_net(), noise_batches(), update=thrice, num_steps=1, loss=scaled) == [3 * plain[0]]
    for (_, gradient), (_, larger) in zip(once.calls, thrice.calls, strict=True):
        assert np.allclose(larger, 3 * gradient, rtol=1e-4, atol=1e-6)


def test_the_callback_ends_the_training():
    seen = []

    def stop_at_two(step, loss):
        seen.append((step, loss))
        return step == 2
    history = train(tiny_net(), noise_batches(), update=Adam(0.01), num_steps=9, callback=stop_at_two)
    assert seen == list(enumerate(history)) and len(history) == 3


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid", "ignore:divide")
def test_divergence_names_the_step(xp):
    with pytest.raises(InputError) as refusal:
        train(tiny_net(xp, batch_norm=False), noise_batches(), update=GradientDescent(1e30), num_steps=9)
    assert str(refusal.value) in [f"the loss is {value} at step 1: the training diverged; lower the learning rate"
                                  for value in ("inf", "nan")]


def test_labels_that_are_no_class():
    x, labels = noise_batches().x, np.full(12, 3)
    with pytest.raises(InputError, match="^no class 3: the network has 3"):
        train(tiny_net(), MiniBatches(x, labels, 4), update=Adam(0.01), num_steps=1)


# ---- on the device ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("update", [Adam(0.01), Momentum(0.01), RMSProp(0.01), GradientDescent(0.01)],
                         ids=lambda update: type(update).__name__)
def test_only_batches_and_dropouts_masks_are_uploaded(update, strict_cupy):
    net, batches, record = tiny_net(strict_cupy), noise_batches(), strict_cupy.record
    record.reset()  # building the net uploaded its parameters
    Dropout(0.3).forward_train(strict_cupy.zeros((4, 45), "float32"), rng=np.random.default_rng(0))
    per_dropout = record.transfers_to_device
    record.reset()
    train(net, batches, update=update, num_steps=5, schedule=CosineSchedule(0.01, 5), weight_decay=0.1)
    assert record.calls
    assert record.transfers_to_device == 5 * (1 + per_dropout)
    assert record.transfers_to_host == 0


def test_both_back_ends_train_alike(strict_cupy):
    nets = [tiny_net(xp) for xp in (np, strict_cupy)]
    histories = [train(net, noise_batches(), update=Adam(0.01), num_steps=6, weight_decay=0.1) for net in nets]
    assert histories[0] == pytest.approx(histories[1], rel=1e-4)
    for name, array in arrays_of(nets[0]).items():
        assert np.allclose(array, arrays_of(nets[1])[name], atol=1e-4), name


# ---- checkpoints -----------------------------------------------------------------------------------------------------

UPDATES = {"Adam": lambda: Adam(0.01), "Momentum": lambda: Momentum(0.02), "RMSProp": lambda: RMSProp(0.01),
           "GradientDescent": lambda: GradientDescent(0.05), "NormalizedStep": lambda: NormalizedStep(0.1)}


def trained(xp, update, num_steps, checkpoint=None, settings=None, **more):
    """(arrays, history) of a new net after its training."""
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


def test_a_longer_training_goes_on_from_a_finished_one(xp, tmp_path):
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


def multi_line_header():
    """A .npz whose array has a header so long that NumPy's refusal fills several lines."""
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", 20_000) + b"{" + b" " * 19_998 + b"\n"


@pytest.mark.parametrize("content", [
    b"", b"PK", b"not an archive\n", b"PK\x03\x04" + bytes(100), b"\x93NUMPY\x01\x00v\x00{}", b"\x80\x04N.",
    multi_line_header()], ids=range(7))
def test_files_that_are_no_checkpoint(content, tmp_path):
    path = tmp_path / "digits.npz"
    path.write_bytes(content)
    assert refusal_to_resume(path).startswith("not a checkpoint, or it is damaged: ")
    assert path.read_bytes() == content


def test_other_things_that_are_no_checkpoint(tmp_path):
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


def test_only_the_parameters_asked_for_are_trained():
    net = tiny_net()
    before = arrays_of(net)
    train(net, noise_batches(), update=Adam(0.01), num_steps=2, only=("gamma", "beta"))
    changed = {name for name, array in arrays_of(net).items() if not np.array_equal(array, before[name])}
    assert {name for name in changed if not name.endswith(("mean", "var"))} == {"norm1/gamma", "norm1/beta"}


def test_a_batch_may_go_through_a_sibling_of_the_network():
    net, seen = tiny_net(), []

    def variant(network, labels):
        assert network is net
        seen.append(labels)
        return network.with_relu(ReLU())
    plain = tiny_net()
    assert train(net, noise_batches(), update=Adam(0.01), num_steps=2, variant=variant) == \
        train(plain, noise_batches(), update=Adam(0.01), num_steps=2)
    assert len(seen) == 2 and same(arrays_of(net), arrays_of(plain))


def test_a_layer_that_was_trained_apart_is_no_shared_one(tmp_path):
    path = tmp_path / "shared.npz"
    for shared in (False, True):
        path.unlink(missing_ok=True)
        train(shared_net(shared=shared), shared_batches, update=Adam(0.01), num_steps=1, checkpoint=path)
        with pytest.raises(InputError, match="is a checkpoint of another kind of update"):
            train(shared_net(shared=not shared), shared_batches, update=Adam(0.01), num_steps=2, checkpoint=path)


def test_a_shared_layer_resumes_as_one(tmp_path):
    path, nets = tmp_path / "shared.npz", [shared_net() for _ in range(3)]
    train(nets[0], shared_batches, update=Adam(0.01), num_steps=4)
    train(nets[1], shared_batches, update=Adam(0.01), num_steps=2, checkpoint=path)
    train(nets[2], shared_batches, update=Adam(0.01), num_steps=4, checkpoint=path)
    assert same(arrays_of(nets[2]), arrays_of(nets[0]))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        train(tiny_net(), noise_batches(), update=Adam(0.01), num_steps=1, checkpoint=tmp_path / "no" / "digits.npz")


# ---- accuracy --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("batch_size", [1, 3, 4, 250])
def test_accuracy(batch_size, xp):
    net = Network((3, 1, 1))
    net.add("flatten", Flatten())
    net.add("fc", Linear(3, 3))
    net.layer("fc").params["w"] = np.eye(3, dtype="float32")  # the scores are the picture
    net = net.to_device("cpu" if xp is np else "gpu")
    x = np.eye(3, dtype="float32")[[0, 1, 2, 2, 1, 0, 0]].reshape(7, 3, 1, 1)
    assert accuracy(net, x, np.array([0, 1, 2, 2, 1, 0, 0]), batch_size) == 1
    assert accuracy(net, x, np.array([0, 1, 2, 0, 0, 1, 0]), batch_size) == 4 / 7
    assert accuracy(net, x, np.array([1, 2, 0, 0, 0, 1, 2]), batch_size) == 0


# ---- digits from files -----------------------------------------------------------------------------------------------

def idx_bytes(array):
    """`array`, of unsigned bytes, as MNIST's site describes the format."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(path, content):
    """Write bytes, gzipped where the name asks for it."""
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["digits-idx3-ubyte", "digits-idx3-ubyte.gz"])
@pytest.mark.parametrize("shape", [(5,), (0,), (2, 3, 4), (3, 1, 2, 2)])
def test_read_idx(name, shape, tmp_path, rng):
    array = rng.integers(0, 256, shape, np.uint8)
    read = read_idx(write(tmp_path / name, idx_bytes(array)))
    assert read.dtype == np.uint8 and np.array_equal(read, array)
    assert np.array_equal(read_idx(str(tmp_path / name)), array)


def refusal_of_idx(path):
    with pytest.raises(InputError) as refusal:
        read_idx(path)
    line = str(refusal.value)
    assert "\n" not in line and line.startswith(f"{path} ")
    return line.removeprefix(f"{path} ")


@pytest.mark.parametrize("name", ["digits", "digits.gz"])
@pytest.mark.parametrize("content, message", [
    (b"", "is not an idx file of unsigned bytes"), (b"\0\0\x08", "is not an idx file of unsigned bytes"),
    (b"\0\0\x08\x03\0\0\0\x02", "is not an idx file of unsigned bytes"),                # the header ends early
    (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "is not an idx file of unsigned bytes"),        # of floats
    (b"\x93NUMPY\x01\0v\0" + bytes(30), "is not an idx file of unsigned bytes"),
    (idx_bytes(np.ones((2, 3, 4), np.uint8))[:-1], "holds 23 bytes, its header says (2, 3, 4)"),
    (idx_bytes(np.ones((2, 3, 4), np.uint8)) + b"\0", "holds 25 bytes, its header says (2, 3, 4)"),
    (b"\0\0\x08\x02\x80\0\0\0\x80\0\0\0", "holds 0 bytes, its header says (2147483648, 2147483648)"),
    (b"\0\0\x08\x04" + 4 * b"\0\1\0\0", "holds 0 bytes, its header says (65536, 65536, 65536, 65536)"),  # 2 to the 64
])
def test_damaged_idx_files(name, content, message, tmp_path):
    assert refusal_of_idx(write(tmp_path / name, content)) == message


def test_idx_files_that_cannot_be_read(tmp_path):
    assert refusal_of_idx(tmp_path / "missing.gz").startswith("cannot be read: ")
    assert refusal_of_idx(tmp_path).startswith("cannot be read: ")
    plain = tmp_path / "plain.gz"
    plain.write_bytes(idx_bytes(np.ones(3, np.uint8)))
    assert refusal_of_idx(plain).startswith("cannot be read: Not a gzipped file")


def test_damaged_gzip(tmp_path, rng):
    array = rng.integers(0, 7, (3, 28, 28), np.uint8)
    path = write(tmp_path / "digits.gz", idx_bytes(array))
    content = path.read_bytes()
    for length in range(0, len(content), 200):
        path.write_bytes(content[:length])
        assert refusal_of_idx(path)
    for place in [*range(20), *range(20, len(content), 37), *range(len(content) - 8, len(content))]:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1:])
        try:
            read = read_idx(path)
        except InputError as refusal:
            assert "\n" not in str(refusal)
        else:  # a date, say
            assert np.array_equal(read, array) and place < 20


@pytest.fixture
def digits(rng):
    """Five digits of noise and their labels, as bytes."""
    return rng.integers(0, 256, (5, 28, 28), np.uint8), np.array([3, 1, 4, 1, 5], np.uint8)


def idx_folder(folder, digits, part="train", ending="-idx{}-ubyte.gz"):
    images, labels = digits
    folder.mkdir(exist_ok=True)
    write(folder / f"{part}-images{ending.format(3)}", idx_bytes(images))
    write(folder / f"{part}-labels{ending.format(1)}", idx_bytes(labels))
    return folder


def check_digits(folder, part, digits):
    x, labels = load_digits(folder, part)
    assert x.shape == (5, 1, 28, 28) and x.dtype == np.float32 and labels.dtype == np.int64
    assert labels.tolist() == [3, 1, 4, 1, 5]
    assert np.allclose(x[:, 0], (digits[0] / 255 - 0.1307) / 0.3081, atol=1e-6)


@pytest.mark.parametrize("ending", ["-idx{}-ubyte.gz", "-idx{}-ubyte", ".idx{}-ubyte"])
@pytest.mark.parametrize("folder", ["mnist", "train-images", "images-idx3"])
def test_load_digits_from_idx(ending, folder, tmp_path, digits):
    idx_folder(tmp_path / folder, digits, "train", ending)
    check_digits(tmp_path / folder, "train", digits)
    check_digits(str(tmp_path / folder), "train", digits)


def test_load_digits_of_the_part_asked_for(tmp_path, digits):
    images, labels = digits
    idx_folder(tmp_path, (images[:2], labels[:2]), "train")
    idx_folder(tmp_path, digits, "t10k")
    check_digits(tmp_path, "t10k", digits)


def test_load_digits_from_npz(tmp_path, digits):
    np.savez(tmp_path / "train_10k.npz", x=digits[0], y=digits[1])
    check_digits(tmp_path, "train", digits)


def refusal_of_digits(folder, part="train"):
    with pytest.raises(InputError) as refusal:
        load_digits(folder, part)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_load_digits_that_are_not_there(tmp_path, digits):
    for folder in (tmp_path, tmp_path / "missing"):
        assert refusal_of_digits(folder) == f"no train-images-idx3-ubyte(.gz) and no train*.npz in {folder}"
    idx_folder(tmp_path, digits)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    assert refusal_of_digits(tmp_path).startswith(f"{tmp_path / 'train-labels-idx1-ubyte.gz'} cannot be read: ")
    assert refusal_of_digits(tmp_path, "t10k").startswith("no t10k-images")


@pytest.mark.parametrize("shapes", [((5, 28, 28), (4,)), ((5, 28, 27), (5,)), ((5,), (5,)), ((5, 28, 28), (5, 1))])
def test_load_digits_that_do_not_fit(shapes, tmp_path):
    images, labels = (np.zeros(shape, np.uint8) for shape in shapes)
    np.savez(tmp_path / "train.npz", x=images, y=labels)
    expected = f"holds images of shape {shapes[0]} for labels of shape {shapes[1]}, not (N, 28, 28) and (N,)"
    assert refusal_of_digits(tmp_path) == f"{tmp_path / 'train.npz'} {expected}"
    idx_folder(tmp_path, (images, labels))
    assert refusal_of_digits(tmp_path) == f"{tmp_path / 'train-images-idx3-ubyte.gz'} {expected}"


def test_load_digits_from_damaged_archives(tmp_path, digits):
    path = tmp_path / "train.npz"
    np.savez(path, x=digits[0])
    assert refusal_of_digits(tmp_path).startswith(f"{path} cannot be read: ")
    np.savez(path, x=np.array([None]), y=digits[1])  # a pickle
    assert refusal_of_digits(tmp_path).startswith(f"{path} cannot be read: ")
    np.savez_compressed(path, x=digits[0], y=digits[1])
    content = path.read_bytes()
    for damaged in (b"", content[:-1], content[:1000], content[:1000] + b"\xff\xff\xff" + content[1003:],
                    multi_line_header()):
        path.write_bytes(damaged)
        assert refusal_of_digits(tmp_path).startswith(f"{path} cannot be read: ")


def test_the_real_test_digits(test_data):
    x, labels = load_digits(pathlib.Path(test_data) / "mnist", "t10k")
    assert x.shape == (10000, 1, 28, 28)
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]  # LeCun's test set


# ---- distortion ------------------------------------------------------------------------------------------------------

STILL = dict(shift=0, rotation=0, scale=0, shear=0, elastic=0)


@pytest.mark.parametrize("shape, dtype", [((3, 1, 28, 28), "float32"), ((2, 3, 9, 12), "float64"),
                                          ((1, 2, 1, 5), "float32")])
def test_distort_keeps_shape_type_and_its_argument(shape, dtype, rng):
    x = rng.standard_normal(shape).astype(dtype)
    original = x.copy()
    out = distort(x, rng)
    assert out.shape == shape and out.dtype == dtype and not np.array_equal(out, x)
    assert np.array_equal(x, original)


@pytest.mark.parametrize("shape", [(2, 1, 28, 28), (2, 2, 7, 10)])
def test_no_strength_is_the_identity(shape, rng):
    x = rng.standard_normal(shape, dtype="float32")
    assert np.array_equal(distort(x, rng, Distortion(**STILL)), x)


def test_distort_is_a_function_of_the_generator(rng):
    x = np.repeat(rng.standard_normal((1, 1, 12, 12), dtype="float32"), 3, axis=0)
    out = distort(x, np.random.default_rng(4))
    assert np.array_equal(out, distort(x, np.random.default_rng(4)))
    assert not np.array_equal(out, distort(x, np.random.default_rng(5)))
    assert not np.array_equal(out[0], out[1]) and not np.array_equal(out[1], out[2])  # each image its own


def test_the_channels_of_an_image_move_together(rng):
    x = np.repeat(rng.standard_normal((2, 1, 12, 12)), 3, axis=1)
    out = distort(x, rng)
    assert np.array_equal(out[:, 0], out[:, 1]) and np.array_equal(out[:, 0], out[:, 2])


@pytest.mark.parametrize("strengths", [{}, dict(shift=2.0), dict(rotation=0.4), dict(shear=0.3), dict(scale=0.2),
                                       dict(shift=1.0, rotation=0.2, shear=0.1, scale=0.1)])
def test_distort_equals_scipys_affine_transform(strengths, rng):
    strengths = STILL | strengths
    x = rng.standard_normal((4, 1, 9, 14))
    out, twin = distort(x, np.random.default_rng(1), Distortion(**strengths)), np.random.default_rng(1)
    angles = twin.uniform(-strengths["rotation"], strengths["rotation"], 4)
    slants = twin.uniform(-strengths["shear"], strengths["shear"], 4)
    sizes = 1 + twin.uniform(-strengths["scale"], strengths["scale"], (2, 4))
    shifts = twin.uniform(-strengths["shift"], strengths["shift"], (4, 2))
    centre = np.array([4.0, 6.5])
    for n, angle in enumerate(angles):
        matrix = np.array([[math.cos(angle) * sizes[0, n], math.sin(angle) + slants[n]],
                           [-math.sin(angle), math.cos(angle) * sizes[1, n]]])
        expected = scipy.ndimage.affine_transform(x[n, 0], matrix, centre + shifts[n] - matrix @ centre, order=1,
                                                  mode="nearest")
        assert np.allclose(out[n, 0], expected, atol=1e-10)


@pytest.mark.parametrize("elastic, smoothness", [(4.0, 4.0), (4.0, 6.0), (2.0, 4.0)])
def test_elastic_displacements_are_smooth_and_of_their_strength(elastic, smoothness, rng):
    """On a ramp, bilinear interpolation shows where a pixel came from."""
    ramp = np.broadcast_to(100.0 + np.arange(80)[:, None], (4, 1, 80, 80))
    distortion = Distortion(**STILL | dict(elastic=elastic, smoothness=smoothness))
    moved = (distort(ramp, rng, distortion) - ramp)[:, 0, 8:-8, 8:-8]
    # uniform noise has a deviation of 1 / sqrt(3), which a blur by s divides by 2 s sqrt(pi)
    assert moved.std() == pytest.approx(elastic / 3**0.5 / (2 * math.pi**0.5), rel=0.25)
    assert abs(moved.mean()) < 0.3 * moved.std()
    assert np.diff(moved, axis=2).std() < moved.std() / smoothness


def test_the_border_is_drawn_out(rng):
    """A normalised black border stays black: nothing but the picture's own values comes in."""
    x = np.full((20, 1, 10, 10), -0.4)
    x[:, :, 4:-4, 4:-4] = 1
    out = distort(x, rng, Distortion(**STILL | dict(shift=3.0)))
    assert np.allclose(out.min(axis=(1, 2, 3)), -0.4) and np.allclose(out[:, :, [0, -1]], -0.4)


def test_distorted_batches_are_a_function_of_the_step(rng):
    batches = MiniBatches(rng.standard_normal((6, 1, 9, 9), dtype="float32"), np.arange(6), 3, augment=distort)
    x, labels = batches(3)
    assert np.array_equal(batches(3)[0], x)
    assert not np.array_equal(x, batches.x[labels])
