"""Pixels, a Fourier spectrum and a decoder's code: adjoints, finite differences, and PyTorch's gradient."""

import numpy as np
import pytest
from small_networks import on

from minicnn.backend import to_host
from minicnn.layers import Conv2D, Flatten, GlobalAvgPool2D, Linear, ReLU, Upsample2D
from minicnn.losses import L2, ClassScore
from minicnn.models.preprocessing import TORCHVISION
from minicnn.network import Network
from minicnn.optimize import (
    Adam,
    Checkpoint,
    Crop,
    Decoded,
    FourierSpectrum,
    GradientDescent,
    Jitter,
    Pixels,
    Rotation,
    Scale,
    optimize_image,
)
from minicnn.optimize.loop import transformed_loss
from minicnn.optimize.parametrizations import Shown
from minicnn.visualize.spectrum import COLOURS, spectrum_of
from minicnn.visualize.spectrum_replay import Waves
from minicnn.visualize.synthesis.generator import stacked


def spectrum(xp, size, dtype="float64", channels=3, power=1.0):
    low = np.linspace(-2, -1, channels).reshape(-1, 1, 1).astype(dtype)
    colours = np.asarray(COLOURS, dtype) if channels == 3 else np.full((1, 1), 0.5, dtype)
    return FourierSpectrum(size, xp.asarray(low), xp.asarray(low + 3), xp.asarray(colours), power)


@pytest.mark.parametrize(("size", "power"), [((7, 7), 1), ((8, 8), 2), ((30, 30), 1), ((6, 11), 0.5), ((9, 4), 2)])
def test_the_adjoint_of_the_spectrum(size, power, rng, xp):
    p = spectrum(xp, size, power=power)
    z = xp.asarray(rng.standard_normal(p.shape(2)))
    planes = p.planes(z)
    d = xp.asarray(rng.standard_normal(planes.shape))
    left, right = float((planes * d).sum()), float((z * p.adjoint(d)).sum())
    assert planes.shape == (2, 3, *size)
    assert left == pytest.approx(right, abs=1e-12 * float((planes * planes).sum() * (d * d).sum())**0.5)


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (6, 11), (9, 4)])
def test_the_planes_are_numpys_transform(size, rng):
    p, (H, W) = spectrum(np, size), size
    z = rng.standard_normal(p.shape(1))
    frequency = np.maximum(np.hypot(np.fft.fftfreq(H)[:, None], np.fft.rfftfreq(W)), 1 / max(size))
    expected = np.fft.irfft2((z[..., 0] + 1j * z[..., 1]) * (H * W)**0.5 / 4 / frequency, s=size)
    assert np.abs(p.planes(z) - expected).max() < 1e-12


@pytest.mark.parametrize("channels", [1, 3])
def test_backward_of_the_image_against_finite_differences(channels, rng):
    p = spectrum(np, 9, channels=channels)
    z, direction = rng.standard_normal((2, *p.shape(1)))
    image, cache = p.forward(z)
    d = rng.standard_normal(image.shape)
    step = 1e-6
    slope = float(((p.forward(z + step * direction)[0] - p.forward(z - step * direction)[0]) * d).sum()) / (2 * step)
    assert float((p.backward(d, cache) * direction).sum()) == pytest.approx(slope, rel=1e-7)
    assert (image > p.low).all() and (image < p.low + p.span).all()


@pytest.mark.parametrize("size", [(10, 10), (7, 12)])
def test_inverse_gives_the_numbers_of_an_image(size, rng, xp):
    p = spectrum(xp, size)
    image = p.low + p.span * xp.asarray(rng.uniform(0.011, 0.989, (2, 3, *size)))
    assert float(abs(p.forward(p.inverse(image))[0] - image).max()) < 1e-12
    beyond = p.forward(p.inverse(p.low + p.span * xp.asarray(rng.uniform(-1, 2, (1, 3, *size)))))[0]
    assert bool((beyond > p.low).all()) and bool((beyond < p.low + p.span).all())


def test_a_higher_power_makes_fine_waves_smaller_and_keeps_those_of_16_pixels():
    z = np.zeros(spectrum(np, 32).shape(1))
    for column, ratio in ((1, 2.0), (2, 1.0), (8, 0.25)):  # of 32, 16 and 4 pixels
        wave = z.copy()
        wave[0, 0, 0, column, 0] = 1.0
        plain, steep = (abs(spectrum(np, 32, power=power).planes(wave)).max() for power in (1.0, 2.0))
        assert steep / plain == pytest.approx(ratio)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_spectrum_of_the_checks_is_that_of_the_optimization(power, rng):
    p, waves = spectrum_of(TORCHVISION, (6, 9), "cpu", power), Waves(TORCHVISION, 6, 9, power)
    z = rng.standard_normal(p.shape(2)).astype(np.float32)
    image, cache = p.forward(z)
    d = rng.standard_normal(image.shape).astype(np.float32)
    assert np.abs(waves.image(z) - image).max() < 1e-5
    assert np.abs(waves.slope(z, d) - p.backward(d, cache)).max() < 1e-5
    assert np.abs(waves.of(image) - p.inverse(image)).max() < 1e-4


def test_float32_stays_float32(rng):
    p = spectrum(np, 8, "float32")
    image, cache = p.forward(rng.standard_normal(p.shape(1), dtype="float32"))
    assert image.dtype == p.backward(image, cache).dtype == p.inverse(image).dtype == np.float32


def test_pixels_are_themselves(rng):
    x = rng.standard_normal((1, 3, 4, 4))
    image, cache = Pixels().forward(x)
    assert image is x and Pixels().backward(x, cache) is x


def test_a_code_has_the_gradient_of_the_stacked_networks(rng):
    decoder = Network((2, 4, 4))
    decoder.add("up", Upsample2D(2))
    net = Network((2, 8, 8))
    net.add("relu", ReLU())
    net.add("flat", Flatten())
    net.add("fc", Linear(128, 5, rng=rng))
    net, decoder = net.astype("float64"), decoder.astype("float64")
    code = rng.standard_normal((1, 2, 4, 4))
    both = stacked(decoder, net)
    trace = both.forward(code)
    seed = np.zeros((1, 5))
    seed[0, 3] = 1.0
    expected = both.backward(trace, {"fc": seed})["input"]
    total, dz, _ = transformed_loss(net, [(1.0, ClassScore("fc", 3))], (), code, shown=Shown(Decoded(decoder)))
    assert np.abs(dz - expected).max() < 1e-12 and total == pytest.approx(trace.activations["fc"][0, 3])


def torch_step(net, z, side, size, low, high, label, shift, factor, angle):
    """Return (score, its gradient to z) of one step in PyTorch: torch.fft, explicit matrices, autograd."""
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed (the extra named peers)")
    z = torch.tensor(z, requires_grad=True)
    rows, columns = torch.fft.fftfreq(side, dtype=torch.float64), torch.fft.rfftfreq(side, dtype=torch.float64)
    frequency = torch.hypot(rows[:, None], columns[None]).clamp(min=1 / side)
    planes = torch.fft.irfft2(torch.view_as_complex(z) * side / 4 / frequency, s=(side, side))
    values = torch.sigmoid(torch.einsum("ij,njhw->nihw", torch.tensor(np.array(COLOURS)), planes))
    x = torch.tensor(low) + (torch.tensor(high) - torch.tensor(low)) * values
    x = torch.roll(x, shift, (2, 3))
    places, centre = torch.arange(side, dtype=torch.float64), (side - 1) / 2

    def hat(places_read):  # (…, side): weights of linear reading at the places, 0 outside
        return (1 - (places_read[..., None] - places).abs()).clamp(min=0)
    grow = hat((places - centre) / factor + centre)
    x = torch.einsum("ab,cd,nkbd->nkac", grow, grow, x)
    across, down = -np.tan(np.radians(angle) / 2), np.sin(np.radians(angle))

    def shear(x, slope):
        moved = hat(places[None] + slope * (places - centre)[:, None])  # (row, column, read column)
        return torch.einsum("hab,nkhb->nkha", moved, x)
    x = shear(shear(shear(x, across).transpose(2, 3), down).transpose(2, 3), across)
    border = (side - size) // 2
    x = x[:, :, border:border + size, border:border + size]
    for conv in ("conv1", "conv2"):
        w, b = (torch.tensor(net.layer(conv).params[name]) for name in "wb")
        x = torch.relu(torch.nn.functional.conv2d(x, w, b, padding=1))
    score = x.mean((2, 3))[:, label].sum()
    score.backward()
    return score.item(), z.grad.numpy()


def conv_net(rng, size=12):
    net = Network((3, size, size))
    net.add("conv1", Conv2D(3, 6, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("conv2", Conv2D(6, 5, 3, pad=1, rng=rng))
    net.add("relu2", ReLU())
    net.add("scores", GlobalAvgPool2D())
    return net


def test_a_whole_step_has_pytorchs_gradient(rng, xp):
    """Spectrum, colours, sigmoid, jitter, scale, rotation, crop and network in float64, and back."""
    net = conv_net(rng).astype("float64")
    p = spectrum(xp, 17)
    z = rng.standard_normal(p.shape(2))
    low = np.linspace(-2, -1, 3).reshape(-1, 1, 1)
    drawn = [(Jitter(3), (2, -1)), (Scale(0.2), 0.87), (Rotation(9), 6.5), (Crop(17, 12), None)]
    total, dz, _ = transformed_loss(on(xp, net), [(1.0, ClassScore("scores", 3))], drawn, xp.asarray(z), shown=Shown(p))
    score, expected = torch_step(net, z, 17, 12, low, low + 3, 3, (2, -1), 0.87, 6.5)
    assert total == pytest.approx(score, rel=1e-12)
    assert np.abs(to_host(dz) - expected).max() < 1e-12 * np.abs(expected).max()


def climb(xp, net, p, z, num_steps, **more):
    return optimize_image(on(xp, net), xp.asarray(z), [(-1.0, ClassScore("scores", 2))], update=Adam(0.05),
                          num_steps=num_steps, transforms=(Jitter(2), Scale(0.1), Rotation(4), Crop(16, 12)),
                          parametrization=p, **more)


def test_an_interrupted_spectrum_resumes_bit_for_bit(rng, xp, tmp_path):
    net, p = conv_net(rng), spectrum(xp, 16, "float32")
    z = 0.1 * rng.standard_normal(p.shape(1), dtype="float32")

    def interrupt(progress, image):
        if progress.step == 6:
            raise KeyboardInterrupt
    whole, history = climb(xp, net, p, z, 8, rng=np.random.default_rng(3))
    with pytest.raises(KeyboardInterrupt):
        climb(xp, net, p, z, 8, rng=np.random.default_rng(3), callback=interrupt,
              checkpoint=Checkpoint(tmp_path / "run.npz", every=4))
    again, repeated = climb(xp, net, p, z, 8, rng=np.random.default_rng(9),
                            checkpoint=Checkpoint(tmp_path / "run.npz", resume=True))
    assert to_host(again).tobytes() == to_host(whole).tobytes() and history == repeated
    assert history[-1].total < history[0].total and whole.dtype == np.float32


def test_the_callback_is_given_the_image(rng):
    net, p, seen = conv_net(rng), spectrum(np, 16, "float32"), []
    z = 0.1 * rng.standard_normal(p.shape(1), dtype="float32")
    end, _ = climb(np, net, p, z, 3, rng=rng, callback=lambda progress, image: seen.append(image))
    assert [image.shape for image in seen] == [(1, 3, 16, 16)] * 3
    assert np.array_equal(seen[-1], p.forward(end)[0]) and not np.array_equal(seen[0], seen[1])


def test_each_image_is_made_once_a_step(rng):
    """The image that the callback is given is the one that the next step changes."""
    net, count = conv_net(rng), []

    class Counting(Pixels):
        def forward(self, z):
            count.append(1)
            return super().forward(z)
    optimize_image(net, rng.standard_normal((1, 3, 12, 12), dtype="float32"), [(1.0, L2())],
                   update=GradientDescent(0.1), num_steps=5, parametrization=Counting(),
                   callback=lambda progress, image: None)
    assert len(count) == 6
