"""Training: batches, schedule, the loop, and the accuracy."""

import numpy as np
import pytest
from training_cases import arrays_of, noise_batches, same, shared_batches, shared_net, tiny_net

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.gradient_check import directional_error
from minicnn.layers import Dropout, Flatten, Linear, ReLU
from minicnn.losses import cross_entropy
from minicnn.models.weights import named_arrays
from minicnn.network import Network
from minicnn.optimize import Adam, FirstOrder, GradientDescent, Momentum, NormalizedStep, RMSProp
from minicnn.training.train import CosineSchedule, MiniBatches, accuracy, train


def numbered(count):
    """Return images whose pixels are their numbers, and these numbers as labels."""
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
    assert missing == set(range(11))  # a different one in each epoch


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


def test_batches_do_not_change_the_arrays():
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


def test_cosine_schedule():
    schedule = CosineSchedule(0.5, 8)
    assert [schedule(step) for step in (0, 2, 4, 6, 8, 9, 100)] == pytest.approx(
        [0.5, 0.25 * (1 + 2**-0.5), 0.25, 0.25 * (1 - 2**-0.5), 0, 0, 0], abs=1e-15)


def test_cosine_schedule_with_warm_up():
    schedule = CosineSchedule(0.3, 10, warm_up=4)
    assert [schedule(step) for step in range(5)] == pytest.approx([0.075, 0.15, 0.225, 0.3, 0.3])
    assert schedule(7) == pytest.approx(0.15) and schedule(10) == 0
    assert all(type(schedule(step)) is float for step in range(12))  # a NumPy number would make arrays float64


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


def test_a_float64_rate_keeps_float32_parameters():
    net = tiny_net()
    train(net, noise_batches(), update=GradientDescent(np.float64(0.01)), num_steps=2, weight_decay=np.float64(0.1))
    assert {array.dtype.name for array in named_arrays(net).values()} == {"float32"}


@pytest.mark.parametrize("schedule, rates", [(None, [0.25, 0.25]), (lambda step: 0.5 / (step + 1), [0.5, 0.25])])
def test_weight_decay_shrinks_w_only(schedule, rates, xp):
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
    assert len(set(losses())) == 3  # each step drops other values


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


def test_labels_without_a_class_are_refused():
    x, labels = noise_batches().x, np.full(12, 3)
    with pytest.raises(InputError, match="^no class 3: the network has 3"):
        train(tiny_net(), MiniBatches(x, labels, 4), update=Adam(0.01), num_steps=1)


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


def test_both_backends_give_the_same_training(strict_cupy):
    nets = [tiny_net(xp) for xp in (np, strict_cupy)]
    histories = [train(net, noise_batches(), update=Adam(0.01), num_steps=6, weight_decay=0.1) for net in nets]
    assert histories[0] == pytest.approx(histories[1], rel=1e-4)
    for name, array in arrays_of(nets[0]).items():
        assert np.allclose(array, arrays_of(nets[1])[name], atol=1e-4), name


def test_only_the_named_parameters_are_trained():
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
