"""The same weights in every container give the same network, bit by bit."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import weight_writers

from minicnn.models import build_network, load_model, squeezenet1_1
from minicnn.models.preprocessing import TORCHVISION
from minicnn.models.weights import named_arrays
from weights_converter.__main__ import main
from weights_converter.formats.onnx import export_hint, onnx_arrays
from weights_converter.sources import SOURCES

ROOT = Path(__file__).parents[3]


def source_of(name, publisher):
    return next(source for source in SOURCES if (source.name, source.publisher) == (name, publisher))


def from_hwio(target, array):
    """Return OIHW as HWIO: the inverse of the conversion, by its definition."""
    return np.ascontiguousarray(array.transpose(2, 3, 1, 0)) if target.key.endswith("/w") else array


def as_published(source, ours, change=lambda target, array: array):
    """Return {name: array} of a network under the names of the source, each after change(target, array)."""
    return {name: change(target, ours[target.key]) for name, target in source.names.items()}


# VmHWM, because ru_maxrss includes the memory of the parent process
PEAK = """import re, sys
from pathlib import Path
from weights_converter.__main__ import main
assert main(sys.argv[1:]) == 0
status = Path("/proc/self/status")
print(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) if status.exists() else 0)
"""


def peak_of_conversion(path, output, *options):
    """Return the peak memory of a conversion in bytes; 0 on systems without VmHWM."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(path), "-o", str(output), *options],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


SQUEEZENET = (  # (module that the writer needs, or None; the writer; the source; the layout)
    ("numpy", weight_writers.write_npz, "squeezenet1_1", "torchvision", None),
    ("torch", weight_writers.write_pth_zip, "squeezenet1_1", "torchvision", None),
    ("torch", weight_writers.write_pth_stream, "squeezenet1_1", "torchvision", None),
    ("numpy", weight_writers.write_pth_tar, "squeezenet1_1", "torchvision", None),
    ("safetensors", weight_writers.write_safetensors, "squeezenet1_1", "torchvision", None),
    ("onnx", weight_writers.write_onnx, "squeezenet1_1", "torchvision", None),
    ("onnx", weight_writers.write_onnx, "squeezenet1_1_onnx", "the ONNX model zoo", None),
    ("google.protobuf", weight_writers.write_caffemodel, "squeezenet1_1_caffe", "Caffe", None),
    ("h5py", weight_writers.write_keras, "squeezenet1_1_keras", "Keras", from_hwio),
)


@pytest.fixture(scope="module")
def real_or_random():
    """SqueezeNet 1.1 with random weights."""
    return named_arrays(squeezenet1_1(seed=3))


@pytest.mark.parametrize("module, write, name, publisher, change", SQUEEZENET,
                         ids=[f"{write.__name__[6:]}-{name}" for _, write, name, *_ in SQUEEZENET])
def test_squeezenet_through_every_container(real_or_random, tmp_path, module, write, name, publisher, change):
    pytest.importorskip(module)
    source = source_of(name, publisher)
    write(tmp_path / "weights", as_published(source, real_or_random, *([change] if change else [])))
    assert main([str(tmp_path / "weights"), "-o", str(tmp_path / "out.h5")]) == 0
    model = load_model(tmp_path / "out.h5", device="cpu")
    assert model.name == name and model.preprocessing == source.preprocessing
    arrays = named_arrays(model.net)
    assert all(arrays[key].tobytes() == array.tobytes() for key, array in real_or_random.items())


@pytest.mark.parametrize("module, write, name, publisher, change", SQUEEZENET,
                         ids=[f"{write.__name__[6:]}-{name}" for _, write, name, *_ in SQUEEZENET])
def test_real_squeezenet_through_every_container(test_data, tmp_path, module, write, name, publisher, change):
    pytest.importorskip(module)
    torchvision = source_of("squeezenet1_1", "torchvision")
    with np.load(test_data / "weights" / "squeezenet1_1.npz") as archive:
        ours = {target.key: archive[key] for key, target in torchvision.names.items()}
    source = source_of(name, publisher)
    write(tmp_path / "weights", as_published(source, ours, *([change] if change else [])))
    assert main([str(tmp_path / "weights"), "-o", str(tmp_path / "out.h5")]) == 0
    net = load_model(tmp_path / "out.h5", device="cpu").net
    panda = np.load(test_data / "photos" / "imagenet_25.npz")["X"][:1]
    scores = net.predict(TORCHVISION.to_input(panda))[0]  # torchvision's values, under another publisher's names
    best = np.argsort(-scores)[:3]
    assert best.tolist() == [388, 279, 384]
    np.testing.assert_allclose(scores[best], [46.2923, 29.1878, 28.8394], rtol=1e-5)
    np.testing.assert_allclose(scores.sum(dtype=np.float64), 11215.317, rtol=1e-5)


# ---- VGG-16 of random values, by the real writers, against an independent VGG-16 ---------------------------


def keras_layout(target, array):
    """HWIO kernels; Dense (in, out), whose first rows are flattened from (H, W, C)."""
    if target.key == "fc6/w":
        return array.reshape(4096, 512, 7, 7).transpose(2, 3, 1, 0).reshape(7 * 7 * 512, 4096)
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def matconvnet_layout(target, array):
    """HWIO kernels, also in the classifier."""
    if array.ndim == 1:
        return array
    size = 7 if target.key == "fc6/w" else 1
    return (array if array.ndim == 4 else array.reshape(len(array), -1, size, size)).transpose(2, 3, 1, 0)


def timm_layout(target, array):
    """The classifier as convolutions, except its last layer."""
    if target.key in ("fc6/w", "fc7/w"):
        size = 7 if target.key == "fc6/w" else 1
        return array.reshape(4096, -1, size, size)
    return array


VGG16 = (
    ("torch", weight_writers.write_pth_stream, "vgg16", "torchvision", None),
    ("safetensors", weight_writers.write_safetensors, "vgg16", "timm", timm_layout),
    ("h5py", weight_writers.write_keras, "vgg16_keras", "Keras", keras_layout),
    ("h5py", weight_writers.write_npz, "vgg16_frossard", "Frossard", keras_layout),
    ("scipy", weight_writers.write_matconvnet, "vgg16_matconvnet", "MatConvNet", matconvnet_layout),
)


@pytest.fixture(scope="module")
def vgg16_and_scores():
    """{"conv1_1/w": random values, …}, a picture, and its scores from an independent VGG-16."""
    torch = pytest.importorskip("torch")
    from torch_oracle import VGG, VGG_D

    rng = np.random.default_rng(0)
    arrays = {}
    for name, array in named_arrays(build_network("vgg16")).items():
        values = rng.random(array.shape, np.float32)  # uniform, in a range that keeps the scale of the activations
        arrays[name] = (values - np.float32(0.5)) * np.float32((24 * array[0].size) ** 0.5 / array[0].size)
    x = rng.standard_normal((1, 3, 224, 224), np.float32)
    with torch.device("meta"):  # allocates no values
        module = VGG(VGG_D).eval()
    named = as_published(source_of("vgg16", "torchvision"), arrays)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in named.items()}, assign=True)
    with torch.no_grad():
        return arrays, x, module(torch.from_numpy(x)).numpy()


@pytest.mark.parametrize("module, write, name, publisher, change", VGG16, ids=[name for _, _, name, *_ in VGG16])
def test_vgg16_of_random_values(vgg16_and_scores, tmp_path, module, write, name, publisher, change):
    pytest.importorskip(module)
    arrays, x, scores = vgg16_and_scores
    source = source_of(name, publisher)
    published = as_published(source, arrays, *([change] if change else []))
    write(tmp_path / "weights", {key: np.ascontiguousarray(array) for key, array in published.items()})
    peak = peak_of_conversion(tmp_path / "weights", tmp_path / "out.h5")
    assert peak < 1.3 * (tmp_path / "weights").stat().st_size  # the largest array has three quarters of the bytes
    (tmp_path / "weights").unlink()
    model = load_model(tmp_path / "out.h5", device="cpu")
    (tmp_path / "out.h5").unlink()
    found = named_arrays(model.net)
    assert all(np.array_equal(found[key], array) for key, array in arrays.items())
    assert np.ptp(scores) > 0.1
    np.testing.assert_allclose(model.net.predict(x), scores, rtol=1e-4, atol=1e-4 * np.ptp(scores))


# ---- the other networks, from modules with torchvision's names ---------------------------------------------

def independent_network(torch, name):
    """A torch module with random parameters and statistics."""
    import torch_oracle as oracle

    torch.manual_seed(0)
    module = {"squeezenet1_0": lambda: oracle.SqueezeNet("1_0"), "squeezenet1_1": lambda: oracle.SqueezeNet("1_1"),
              "alexnet": oracle.AlexNet, "resnet18": oracle.ResNet18}[name]().eval()
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            for values in (layer.weight.data, layer.bias.data, layer.running_mean, layer.running_var):
                values.uniform_(0.5, 1.5)
    return module


def assert_same_scores(torch, module, net):
    x = np.random.default_rng(0).standard_normal((2, 3, 224, 224), np.float32)
    with torch.no_grad():
        scores = module(torch.from_numpy(x)).numpy()
    assert np.ptp(scores) > 1e-3
    np.testing.assert_allclose(net.predict(x), scores, rtol=1e-4, atol=1e-4 * np.ptp(scores))


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1", "alexnet", "resnet18"])
def test_state_dict_of_an_independent_network(tmp_path, name):
    torch = pytest.importorskip("torch")
    module = independent_network(torch, name)
    checkpoint = {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in module.state_dict().items()}}
    torch.save(checkpoint, tmp_path / "checkpoint.pth.tar")  # the usual name, although the file is a zip
    assert main([str(tmp_path / "checkpoint.pth.tar"), "-o", str(tmp_path / "out.h5")]) == 0
    assert_same_scores(torch, module, load_model(tmp_path / "out.h5", device="cpu").net)


def export_to_onnx(torch, module, path, **options):
    """Export by TorchScript; skip the test if this PyTorch no longer supports it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is deprecated
            torch.onnx.export(module, torch.zeros(1, 3, 224, 224), path, dynamo=False, **options)
    except (AttributeError, ImportError, TypeError) as problem:
        pytest.skip(f"no exporter: {problem}")


@pytest.mark.parametrize("name", ["squeezenet1_1", "alexnet", "resnet18"])
def test_onnx_exported_by_pytorch(tmp_path, name):
    torch = pytest.importorskip("torch")
    pytest.importorskip("torch.onnx")
    module = independent_network(torch, name)
    unmerged = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    export_to_onnx(torch, module, tmp_path / "a.onnx", **(unmerged if name == "resnet18" else {}))
    assert main([str(tmp_path / "a.onnx"), "-o", str(tmp_path / "out.h5")]) == 0
    assert_same_scores(torch, module, load_model(tmp_path / "out.h5", device="cpu").net)


def test_onnx_with_merged_normalizations(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    pytest.importorskip("torch.onnx")
    export_to_onnx(torch, independent_network(torch, "resnet18"), tmp_path / "a.onnx")
    assert main([str(tmp_path / "a.onnx"), "-o", str(tmp_path / "out.h5")]) == 2
    assert "onnx::Conv_" in capsys.readouterr().err
    with open(tmp_path / "a.onnx", "rb") as file:
        assert "training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False" in export_hint(onnx_arrays(file))


def test_keras_without_the_top(tmp_path, rng):
    source = source_of("vgg16_keras", "Keras")
    ours = named_arrays(build_network("vgg16").trunk("pool5"))
    ours = {key: rng.standard_normal(array.shape, np.float32) for key, array in ours.items()}
    theirs = {name: from_hwio(target, ours[target.key]) for name, target in source.names.items() if target.key in ours}
    weight_writers.write_keras(tmp_path / "notop.h5", theirs, model=True)
    assert main([str(tmp_path / "notop.h5"), "-o", str(tmp_path / "out.h5"), "--features-only"]) == 0
    model = load_model(tmp_path / "out.h5", device="cpu")
    assert (model.name, model.net.output) == ("vgg16_keras-pool5", "pool5")
    assert all(np.array_equal(array, ours[key]) for key, array in named_arrays(model.net).items())


# ---- memory ------------------------------------------------------------------------------------------------

NEEDS_PROC = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")


@NEEDS_PROC
@pytest.mark.parametrize("module, write", [("torch", weight_writers.write_pth_stream),
                                           ("safetensors", weight_writers.write_safetensors)])
def test_vgg19_takes_at_most_1_3_times_its_size(tmp_path, module, write):
    pytest.importorskip(module)
    source = source_of("vgg19", "torchvision")
    ours = named_arrays(build_network("vgg19"))
    write(tmp_path / "vgg19", as_published(source, {name: array + 1 for name, array in ours.items()}))
    del ours
    size = (tmp_path / "vgg19").stat().st_size
    assert size > 574e6
    peak = peak_of_conversion(tmp_path / "vgg19", tmp_path / "vgg19.h5")
    print(f"{write.__name__}: {peak / size:.2f} times the file")
    assert peak < 1.3 * size
    for path in tmp_path.iterdir():
        path.unlink()


LARGE = (  # AlexNet's fc6 has three fifths of its bytes, VGG-16's largest convolution a sixth of the trunk's
    ("numpy", weight_writers.write_npz, "alexnet", "torchvision", None),
    ("torch", weight_writers.write_pth_zip, "alexnet", "torchvision", None),
    ("numpy", weight_writers.write_pth_tar, "alexnet", "torchvision", None),
    ("onnx", weight_writers.write_onnx, "alexnet", "torchvision", None),
    ("google.protobuf", weight_writers.write_caffemodel, "caffenet", "Caffe", None),
    ("h5py", weight_writers.write_keras, "vgg16_keras", "Keras", from_hwio),
    ("scipy", weight_writers.write_matconvnet, "vgg16_matconvnet", "MatConvNet", from_hwio),
    ("scipy", weight_writers.write_matconvnet_packed, "vgg16_matconvnet", "MatConvNet", from_hwio),
)


@pytest.fixture(scope="module")
def overhead(tmp_path_factory):
    """Peak memory of the conversion of a 5 MB file, plus 24 MB."""
    folder = tmp_path_factory.mktemp("overhead")
    source = source_of("squeezenet1_1", "torchvision")
    weight_writers.write_npz(folder / "small", as_published(source, named_arrays(squeezenet1_1(seed=3))))
    return peak_of_conversion(folder / "small", folder / "out.h5") + 24e6


@NEEDS_PROC
@pytest.mark.parametrize("module, write, name, publisher, change", LARGE,
                         ids=[write.__name__[6:] for _, write, *_ in LARGE])
def test_one_array_at_a_time_is_in_memory(overhead, tmp_path, module, write, name, publisher, change):
    pytest.importorskip(module)
    source = source_of(name, publisher)
    net = build_network(source.architecture, **source.options)
    ours = named_arrays(net.trunk("pool5") if change else net)
    theirs = {key: target for key, target in source.names.items() if target.key in ours}
    arrays = {key: change(target, ours[target.key]) if change else ours[target.key] for key, target in theirs.items()}
    write(tmp_path / "weights", arrays)
    peak = peak_of_conversion(tmp_path / "weights", tmp_path / "out.h5", *["--features-only"] * bool(change))
    largest = max(array.nbytes for array in arrays.values())
    print(f"{write.__name__}: {(peak - largest) / 1e6:.0f} MB more than the largest array of {largest / 1e6:.0f} MB, "
          f"where {overhead / 1e6:.0f} MB may be")
    assert peak < largest + overhead
    for path in tmp_path.iterdir():
        path.unlink()
