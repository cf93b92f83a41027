"""Keras's HDF5, written as Keras writes it; other HDF5 files; hostile files."""

from io import BytesIO

import h5py
import numpy as np
import pytest
from counting_file import CountingFile

from minicnn.errors import InputError
from minicnn.models import digits
from minicnn.models.preprocessing import CAFFE_VGG
from minicnn.models.weights import Header, save_weights
from weights_converter.formats.keras import keras_arrays

SHAPES = {"kernel": (3, 3, 2, 4), "bias": (4,), "W": (3, 3, 2, 4), "b": (4,), "gamma": (4,), "beta": (4,),
          "moving_mean": (4,), "moving_variance": (4,), "running_mean": (4,), "running_std": (4,)}
KERAS_1 = {"block1_conv1": ["block1_conv1_W_1:0", "block1_conv1_b_1:0"], "pool": [],
           "fire2/squeeze1x1": ["fire2/squeeze1x1_W:0", "fire2/squeeze1x1_b:0"],
           "bn_conv1": ["bn_conv1_gamma:0", "bn_conv1_beta:0", "bn_conv1_running_mean:0", "bn_conv1_running_std:0"]}
KERAS_2 = {"block1_conv1": ["block1_conv1/kernel:0", "block1_conv1/bias:0"], "pool": [],
           "fire2/squeeze1x1": ["fire2/squeeze1x1_2/kernel:0", "fire2/squeeze1x1_2/bias:0"],
           "bn_conv1": ["bn_conv1/gamma:0", "bn_conv1/beta:0", "bn_conv1/moving_mean:0", "bn_conv1/moving_variance:0"],
           "top_level_model_weights": []}
KERAS_3_H5 = {layer: [name.removesuffix(":0") for name in names] for layer, names in KERAS_2.items()}


def kind(weight):
    """Return the key of SHAPES that a Keras name ends in."""
    return max((key for key in SHAPES if weight.partition(":")[0].removesuffix("_1").endswith(key)), key=len)


def save_names(group, attribute, names, limit=10**6):
    """Set an attribute as Keras does: a list (h5py 3 stores variable lengths), or chunks of fixed length."""
    names = [name.encode() for name in names]
    if sum(map(len, names)) <= limit:
        group.attrs[attribute] = names
    else:
        for i, piece in enumerate(np.array_split(np.asarray(names), 2)):
            group.attrs[f"{attribute}{i}"] = piece


def write_model(group, layers, fixed_length=False, limit=10**6):
    """Add random layers as Keras saves them; return {path in the group: values}."""
    rng, values = np.random.default_rng(0), {}
    save_names(group, "layer_names", layers, limit)
    group.attrs["backend"] = b"tensorflow"
    for layer, names in layers.items():
        below = group.create_group(layer)
        if fixed_length:
            below.attrs["weight_names"] = np.array([name.encode() for name in names], "S60")
        else:
            save_names(below, "weight_names", names, limit)
        for name in names:
            values[f"{layer}/{name}"] = rng.standard_normal(SHAPES[kind(name)], np.float32)
            below[name] = values[f"{layer}/{name}"]
    return values


def keras_file(layers=KERAS_2, root="", **options):
    """Return (the file, {path: values})."""
    file = BytesIO()
    with h5py.File(file, "w") as hdf5:
        values = write_model(hdf5.create_group(root) if root else hdf5, layers, **options)
        if root:  # like model.save
            hdf5.attrs["model_config"] = "{}"
            write_model(hdf5.create_group("optimizer_weights"), {"Adam": ["Adam/m/block1_conv1/kernel:0"]})
            save_names(hdf5["optimizer_weights"], "weight_names", ["Adam/m/block1_conv1/kernel:0"])
    return file, values


def changed_file(change):
    """Return a Keras file after change(hdf5)."""
    file, _ = keras_file()
    with h5py.File(file, "a") as hdf5:
        change(hdf5)
    return file


def refusal(file):
    with pytest.raises(InputError) as caught:
        keras_arrays(file)
    assert open_objects() == 0
    return str(caught.value)


def open_objects():
    kinds = h5py.h5f.OBJ_FILE | h5py.h5f.OBJ_GROUP | h5py.h5f.OBJ_DATASET | h5py.h5f.OBJ_ATTR
    return h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, kinds)


# ---- files that are read -----------------------------------------------------------------------------------

@pytest.mark.parametrize("root", ["", "model_weights"])
@pytest.mark.parametrize("options", [{}, {"fixed_length": True}, {"limit": 10}], ids=str)
@pytest.mark.parametrize("layers", [KERAS_1, KERAS_2, KERAS_3_H5], ids=["Keras 1", "Keras 2", "Keras 3 as .h5"])
def test_arrays_have_the_names_of_keras_2_and_every_bit(layers, options, root):
    file, values = keras_file(layers, root, **options)
    arrays = {array.name: array for array in keras_arrays(file)}
    statistics = ["running_mean", "running_std"] if layers is KERAS_1 else ["moving_mean", "moving_variance"]
    expected = [f"{layer}/{name}" for layer in ("block1_conv1", "fire2/squeeze1x1") for name in ("kernel", "bias")]
    assert list(values) and len(values) == len(arrays)
    for name, given in zip(expected + [f"bn_conv1/{name}" for name in ("gamma", "beta", *statistics)],
                           values.values(), strict=True):
        assert arrays[name].shape == given.shape and arrays[name].dtype == np.float32
        assert arrays[name].read().tobytes() == given.tobytes()


def test_layers_of_a_nested_model():
    file = changed_file(lambda hdf5: write_model(hdf5.create_group("outer"), KERAS_1))
    assert "outer/block1_conv1/kernel" in [array.name for array in keras_arrays(file)]


@pytest.mark.parametrize("dtype", ["float16", ">f8", "int8", "bool"])
def test_other_types_are_reported(dtype):
    def change(hdf5):
        hdf5["block1_conv1/block1_conv1/gamma"] = np.ones(3, dtype)

    [array] = [array for array in keras_arrays(changed_file(change)) if array.name == "block1_conv1/gamma"]
    assert array.dtype == np.dtype(dtype) and array.shape == (3,)


def test_values_are_read_later():
    file = CountingFile()
    with h5py.File(file, "w") as hdf5:
        group = hdf5.create_group("conv")
        save_names(group, "weight_names", ["conv/kernel:0"])
        group["conv/kernel:0"] = np.ones(10**6, np.float32)
    file.count = 0
    [array] = keras_arrays(file)
    assert 0 < file.count < 50_000
    assert array.read().sum() == 10**6
    assert file.count > 4 * 10**6


def test_nothing_stays_open(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(keras_file()[0].getvalue())
    with open(path, "rb") as file:
        arrays = keras_arrays(file)
        assert arrays[0].read().shape == arrays[0].shape
        assert open_objects() > 0
        del arrays
        assert open_objects() == 0
        arrays = keras_arrays(file)
    with pytest.raises(Exception, match="closed|read"):
        arrays[0].read()
    with h5py.File(path, "w"):  # HDF5 refuses if the file is still open
        path.unlink()
    del arrays
    assert open_objects() == 0


# ---- other HDF5 files --------------------------------------------------------------------------------------

def test_a_file_of_minicnn(tmp_path):
    save_weights(tmp_path / "a.h5", digits(seed=0), Header("digits", "digits", CAFFE_VGG))
    with open(tmp_path / "a.h5", "rb") as file:
        assert refusal(file) == "it is already a weights file of minicnn; load it with load_model"


def test_the_layout_of_keras_3():
    file = BytesIO()
    with h5py.File(file, "w") as hdf5:
        hdf5["layers/conv2d/vars/0"] = np.ones((3, 3, 2, 4), np.float32)
        hdf5.create_group("vars")
    assert "Keras 3's own layout" in refusal(file)


def test_other_files_are_described_by_their_groups():
    file = BytesIO()
    with h5py.File(file, "w") as hdf5:
        for name in "abcdef":
            hdf5[f"{name}/x"] = 1.0
    assert refusal(file) == "it is an HDF5 file without layers of Keras; it contains 'a', 'b', 'c', 'd', …"
    empty = BytesIO()
    h5py.File(empty, "w").close()
    assert refusal(empty).endswith("it contains nothing")


# ---- hostile files -----------------------------------------------------------------------------------------

def soft_link(hdf5):
    hdf5["block1_conv1/block1_conv1/gamma"] = h5py.SoftLink("/bn_conv1/bn_conv1/gamma:0")


def external_link(hdf5):
    hdf5["block1_conv1/block1_conv1/gamma"] = h5py.ExternalLink("other.h5", "x")


def linked_layer(hdf5):
    hdf5["layer"] = h5py.ExternalLink("other.h5", "layer")


def external_storage(hdf5):
    hdf5.create_dataset("block1_conv1/gamma", (4,), "f4", external=[("/etc/hostname", 0, 16)])


def virtual_dataset(hdf5):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    hdf5.create_virtual_dataset("block1_conv1/gamma", layout)


def named_type(hdf5):
    hdf5["block1_conv1/type"] = np.dtype("f4")


@pytest.mark.parametrize("change", [soft_link, external_link, linked_layer, external_storage, virtual_dataset,
                                    named_type])
def test_content_outside_the_file_is_refused(change):
    assert "is a link or is stored in another file, or is not an array" in refusal(changed_file(change))


def cycle(hdf5):
    hdf5["block1_conv1/again"] = hdf5["block1_conv1"]


def deep(hdf5):
    hdf5.create_group("/".join("a" * 25))


@pytest.mark.parametrize("change", [cycle, deep])
def test_endless_nested_groups(change):
    assert "more than 20 nested groups" in refusal(changed_file(change))


def test_links_that_multiply(monkeypatch):
    monkeypatch.setattr("weights_converter.formats.keras.ITEM_LIMIT", 1000)

    def change(hdf5):
        for i in range(15):
            for name in "ab":
                hdf5.require_group(f"{i}")[name] = hdf5.require_group(f"{i + 1}")

    assert "more than 1,000 groups and datasets" in refusal(changed_file(change))


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"shuffle": True}, {"scaleoffset": 2}], ids=str)
def test_compressed_arrays(options):
    def change(hdf5):
        hdf5.create_dataset("block1_conv1/gamma", data=np.zeros(1000, "f4"), **options)

    assert "'block1_conv1/gamma' is compressed, which Keras never does" in refusal(changed_file(change))


@pytest.mark.parametrize("options", [{}, {"chunks": (2**20,)}, {"chunks": (2**20,), "compression": "gzip"}], ids=str)
def test_a_shape_with_more_bytes_than_the_file(options):
    def change(hdf5):
        hdf5.create_dataset("block1_conv1/gamma", (2**40,), "f4", **options)

    assert "'block1_conv1/gamma' " in refusal(changed_file(change))


def test_more_bytes_than_the_limit(monkeypatch):
    monkeypatch.setattr("weights_converter.formats.keras.SIZE_LIMIT", 671)
    assert refusal(keras_file()[0]) == "its arrays claim 672 bytes, more than the limit of 671"


@pytest.mark.parametrize("value", ["text", ["a", "b"], h5py.Empty("f4")])
def test_datasets_that_are_not_numbers(value):
    def change(hdf5):
        hdf5["block1_conv1/gamma"] = value

    assert "'block1_conv1/gamma' is not an array of numbers" in refusal(changed_file(change))


@pytest.mark.parametrize("keep", [8, 100, 1000, 0.5, 0.999])
def test_truncated(keep):
    content = keras_file()[0].getvalue()
    with pytest.raises(Exception, match=".") as caught:
        for array in keras_arrays(BytesIO(content[:int(keep * len(content)) if keep < 1 else keep])):
            array.read()
    assert not isinstance(caught.value, MemoryError)
