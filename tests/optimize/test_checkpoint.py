"""A run that continues from a checkpoint ends in the same image, bit for bit; other files are refused."""

import contextlib
import copy
import json
from functools import partial

import numpy as np
import pytest
from optimization_cases import network

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.losses import L2, ClassScore
from minicnn.optimize import (
    LBFGS,
    Adam,
    Blur,
    Clamp,
    DesiredProgress,
    DivergedError,
    GradientDescent,
    GuardedMomentum,
    Jitter,
    Momentum,
    NormalizedStep,
    RMSProp,
    optimize_image,
)
from minicnn.optimize.checkpoint import Checkpoint

small_net = partial(network, dtype="float32")
UPDATES = [GradientDescent(0.1), Momentum(0.1), NormalizedStep(0.5), Adam(0.05), RMSProp(0.05), LBFGS(memory=3),
           DesiredProgress(0.5, 1.0), GuardedMomentum(0.1), LBFGS(memory=3, within=Clamp(-1.0, 1.0))]
each_update = pytest.mark.parametrize(
    "update", UPDATES, ids=lambda update: type(update).__name__ + (" within" if getattr(update, "within", 0) else ""))


def climb(xp, update, num_steps, checkpoint=None, callback=None, seed=5):
    """Run a gradient ascent with jitter and blur."""
    rng = np.random.default_rng(seed)
    start = xp.asarray(rng.standard_normal((1, 3, 8, 8), dtype="float32"))
    terms = [(-1.0, ClassScore("fc", 1)), (1e-2, L2())]
    return optimize_image(small_net(xp), start, terms, update=copy.deepcopy(update), num_steps=num_steps,
                          transforms=(Jitter(2),), project=(Blur(0.5, 4),), rng=rng,
                          checkpoint=checkpoint, callback=callback)


def interrupt_at(step):
    def callback(progress, image):
        if progress.step == step:
            raise KeyboardInterrupt
    return callback


@each_update
def test_an_interrupted_run_ends_in_the_same_image(update, xp, tmp_path):
    path = tmp_path / "run.npz"
    whole, history = climb(xp, update, 9)
    with pytest.raises(KeyboardInterrupt):
        climb(xp, update, 9, Checkpoint(path, every=3), interrupt_at(8))
    seen = []
    image, again = climb(xp, update, 9, Checkpoint(path, every=3, resume=True),
                         lambda progress, image: seen.append(progress.step))
    assert seen == [7, 8, 9]  # from the state after step 6
    assert to_host(image).tobytes() == to_host(whole).tobytes()
    assert again == history
    assert not list(tmp_path.glob(".*"))


@each_update
def test_a_run_can_be_interrupted_several_times(update, xp, tmp_path):
    path = tmp_path / "run.npz"
    whole, history = climb(xp, update, 9)
    for step in (3, 5, 7):
        with contextlib.suppress(KeyboardInterrupt):
            climb(xp, update, 9, Checkpoint(path, every=1, resume=True), interrupt_at(step))
    image, again = climb(xp, update, 9, Checkpoint(path, every=1, resume=True))
    assert to_host(image).tobytes() == to_host(whole).tobytes() and again == history


@each_update
def test_a_run_can_be_made_longer(update, xp, tmp_path):
    path = tmp_path / "run.npz"
    whole, history = climb(xp, update, 7)
    climb(xp, update, 4, Checkpoint(path))
    image, again = climb(xp, update, 7, Checkpoint(path, resume=True))
    assert to_host(image).tobytes() == to_host(whole).tobytes() and again == history
    finished, _ = climb(xp, update, 7, Checkpoint(path, resume=True), interrupt_at(1))  # no step is left
    assert to_host(finished).tobytes() == to_host(whole).tobytes()


@each_update
def test_a_run_that_its_callback_ended_does_not_continue(update, xp, tmp_path):
    path = tmp_path / "run.npz"

    def ends(progress, image):
        return progress.step == 4
    image, history = climb(xp, update, 9, Checkpoint(path, every=3), ends)
    again, same = climb(xp, update, 9, Checkpoint(path, every=3, resume=True), interrupt_at(5))
    assert to_host(again).tobytes() == to_host(image).tobytes() and same == history and len(history) == 4


def test_saving_does_not_change_the_result(tmp_path):
    plain, history = climb(np, LBFGS(), 6)
    saved, same = climb(np, LBFGS(), 6, Checkpoint(tmp_path / "run.npz", every=1))
    assert saved.tobytes() == plain.tobytes() and same == history


def test_without_resume_a_run_starts_again(tmp_path):
    path = tmp_path / "run.npz"
    climb(np, Adam(0.05), 4, Checkpoint(path))
    plain, _ = climb(np, Adam(0.05), 4, seed=6)
    image, _ = climb(np, Adam(0.05), 4, Checkpoint(path), seed=6)
    assert image.tobytes() == plain.tobytes()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("of the user")
    with pytest.raises(InputError, match="file cannot be made: File exists; give another folder"):
        climb(np, Adam(0.05), 2, Checkpoint(tmp_path / "file" / "state.npz"))


def test_each_part_has_its_own_file(tmp_path):
    whole = Checkpoint(tmp_path / "dream.npz", every=2, resume=True, settings={"octaves": 4})
    part = whole.part("octave 2/4")
    assert (part.path, part.every, part.resume, part.settings) == (
        tmp_path / "dream-octave_2_4.npz", 2, True, {"octaves": 4})


@pytest.mark.parametrize("kind", [np.random.PCG64DXSM, np.random.SFC64, np.random.MT19937, np.random.Philox])
def test_every_numpy_generator_continues_from_its_state(kind, tmp_path):
    rng, again = np.random.Generator(kind(1)), np.random.Generator(kind(2))
    checkpoint, image = Checkpoint(tmp_path / "state.npz", resume=True), rng.standard_normal((1, 3, 4, 4))
    checkpoint.save(image, Momentum(0.1), rng, [])
    checkpoint.restore(image, Momentum(0.1), again)
    assert np.array_equal(rng.standard_normal(9), again.standard_normal(9))


@pytest.mark.parametrize(("settings", "update", "difference"), [
    ({"class": 1, "lr": 0.1}, Adam(0.05), "class 0, not 1"), ({"class": 0}, Adam(0.05), "lr 0.1, not None"),
    ({"class": 0, "lr": 0.1}, Momentum(0.1), "update Adam, not Momentum")])
def test_the_checkpoint_of_another_run_is_refused(settings, update, difference, tmp_path):
    path = tmp_path / "run.npz"
    climb(np, Adam(0.05), 4, Checkpoint(path, settings={"class": 0, "lr": 0.1}))
    before = copy.deepcopy(vars(update))
    with pytest.raises(InputError) as refusal:
        optimize_image(small_net(np), np.zeros((1, 3, 8, 8), "float32"), [(1.0, L2())], update=update, num_steps=9,
                       rng=np.random.default_rng(0), checkpoint=Checkpoint(path, resume=True, settings=settings))
    assert str(refusal.value) == f"{path} was saved by another run: it has {difference}"
    assert vars(update) == before


def test_an_image_of_another_size_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    climb(np, Adam(0.05), 4, Checkpoint(path))
    with pytest.raises(InputError, match=r"it has shape \[1, 3, 8, 8\], not \[1, 3, 9, 9\]"):
        Checkpoint(path, resume=True).restore(np.zeros((1, 3, 9, 9), "float32"), Adam(0.05), np.random.default_rng(0))


@pytest.mark.parametrize("content", [b"", b"not a zip", None], ids=["empty", "text", "cut"])
def test_a_damaged_file_is_refused_in_one_line(content, tmp_path):
    path = tmp_path / "run.npz"
    climb(np, Adam(0.05), 4, Checkpoint(path))
    path.write_bytes(path.read_bytes()[:-300] if content is None else content)
    with pytest.raises(InputError, match="the file is damaged") as refusal:
        climb(np, Adam(0.05), 9, Checkpoint(path, resume=True))
    assert "\n" not in str(refusal.value)


def test_another_npz_file_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    np.savez(path, json=np.asarray(json.dumps({"a": 1})), w=np.ones(3))
    with pytest.raises(InputError, match="is not a checkpoint of an optimization"):
        climb(np, Adam(0.05), 9, Checkpoint(path, resume=True))


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_a_run_that_diverges_keeps_its_last_finite_image(xp):
    seen = []
    with pytest.raises(DivergedError) as refusal:
        optimize_image(small_net(xp), xp.ones((1, 3, 8, 8), "float32"), [(1.0, L2())], update=GradientDescent(1e8),
                       num_steps=50, callback=lambda progress, image: seen.append(image))
    assert refusal.value.step == 4 and [progress.step for progress in refusal.value.history] == [1, 2, 3]
    assert np.isfinite(to_host(refusal.value.image)).all() and refusal.value.image is seen[-1]


def test_an_infinite_image_ends_the_run_at_once(xp):
    """The loss before the step is finite, but the image after it is not."""
    with pytest.raises(DivergedError, match="^the image has values that are not finite at step 2: ") as refusal:
        optimize_image(small_net(xp), xp.ones((1, 3, 8, 8), "float32"), [(1.0, L2())], update=GradientDescent(0.1),
                       num_steps=5, project=(lambda image, step: image / (2 - step) if step < 2 else image * np.inf,))
    assert np.isfinite(to_host(refusal.value.image)).all()


# ---- a gradient that is zero everywhere ------------------------------------------------------------------------------


@each_update
def test_a_dead_relu_is_named(update, xp):
    net = small_net(xp)
    net.layer("conv1").params["b"] = net.layer("conv1").params["b"] - 1000
    with pytest.raises(InputError, match="the gradient is zero everywhere: every value of 'relu1' is 0 for this image"):
        optimize_image(net, xp.ones((1, 3, 8, 8), "float32"), [(-1.0, ClassScore("fc", 0))],
                       update=copy.deepcopy(update), num_steps=5)


def test_a_zero_gradient_at_the_minimum_is_accepted(xp):
    image, history = optimize_image(small_net(xp), xp.zeros((1, 3, 8, 8), "float32"), [(1.0, L2())],
                                    update=Momentum(0.1), num_steps=2)
    assert float(image.sum()) == 0 and [progress.total for progress in history] == [0, 0]
