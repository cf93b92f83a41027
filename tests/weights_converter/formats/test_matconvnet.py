"""MatConvNet's .mat files, written by SciPy and compared with its reader; hostile files."""

import os
import struct
import sys
import tracemalloc
import zlib
from io import BytesIO

import numpy as np
import pytest
from counting_file import CountingFile
from scipy.io import loadmat, savemat

from minicnn.errors import InputError
from weights_converter.formats.matconvnet import matconvnet_arrays


def cell(*items):
    """Return a cell array of one row."""
    array = np.empty((1, len(items)), object)
    array[0, :] = items
    return array


def layer(name, filters, biases, old=False):
    """Return a convolution in MatConvNet's form since 1.0-beta10, or before."""
    fields = {"name": name, "type": "conv", "stride": np.ones((1, 2)), "pad": np.zeros((1, 4))}
    return fields | ({"filters": filters, "biases": biases} if old else {"weights": cell(filters, biases)})


def network(rng, old=False, dtype=np.float32):
    """Return (variables, {name: values}): two convolutions, a fully connected layer, layers without weights."""
    values = {name: rng.standard_normal(shape).astype(dtype) for name, shape in {
        "conv1_1.filters": (3, 3, 3, 4), "conv1_1.biases": (1, 4), "conv1_2.filters": (3, 3, 4, 1),
        "conv1_2.biases": (1, 1), "fc8.filters": (1, 1, 1, 6), "fc8.biases": (6, 1)}.items()}
    given = [layer(name, values[f"{name}.filters"], values[f"{name}.biases"], old)
             for name in ("conv1_1", "conv1_2", "fc8")]
    relu, pool = {"name": "relu1_1", "type": "relu", "weights": np.empty((0, 0), object)}, {"name": "pool1"}
    empty = {"name": "relu1_2", "type": "relu", "weights": np.empty((0, 0))}
    return {"layers": cell(given[0], relu, given[1], empty, pool, given[2])}, values


def mat_file(variables, **options):
    file = BytesIO()
    savemat(file, variables, **options)
    file.seek(0)
    return file


# ---- a writer of files that SciPy does not write -----------------------------------------------------------

def element(kind, content, order="<"):
    return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(kind, dims, content=b"", name=b"", order="<"):
    """Return the element of an array: flags, dimensions, name, content."""
    return element(14, element(6, struct.pack(f"{order}II", kind, 0), order)
                   + element(5, struct.pack(f"{order}{len(dims)}i", *dims), order)
                   + element(1, name, order) + content, order)


def numbers(array, stored, kind=7, dims=None, order="<"):
    """Return a numeric array with values stored as the MATLAB type `stored`; its class is single by default."""
    return matrix(kind, dims or array.shape, element(stored, array.tobytes("F"), order), order=order)


def text(characters, order="<"):
    encoded = characters.encode("utf-16-le" if order == "<" else "utf-16-be")
    return matrix(4, (1, len(characters)), element(4, encoded, order), order=order)


def structure(fields, order="<", width=32, dims=(1, 1)):
    names = b"".join(name.encode().ljust(width, b"\0") for name in fields)
    return matrix(2, dims, element(5, struct.pack(f"{order}i", width), order) + element(1, names, order)
                  + b"".join(fields.values()), order=order)


def whole(*variables, order="<"):
    mark = b"\x00\x01IM" if order == "<" else b"\x01\x00MI"
    return BytesIO(b"MATLAB 5.0 MAT-file, by hand".ljust(124) + mark + b"".join(variables))


def layers_of(*cells, order="<", dims=None):
    return matrix(1, dims or (1, len(cells)), b"".join(cells), b"layers", order)


def one_layer(filters, order="<", **fields):
    """Return a file with one layer in the older form."""
    return whole(layers_of(structure({"name": text("conv1", order), "filters": filters, **fields}, order),
                           order=order), order=order)


def refusal(file):
    with pytest.raises(InputError) as caught:
        for array in matconvnet_arrays(file):
            array.read()
    return str(caught.value)


# ---- files that are read -----------------------------------------------------------------------------------

@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("column", ["row", "column"])
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_come_back_bit_by_bit(rng, compressed, column, old, dtype):
    variables, values = network(rng, old, dtype)
    variables |= {"meta": {"classes": cell("tench", "goldfish")}, "normalization": {"averageImage": np.zeros(3)}}
    file = mat_file(variables, do_compression=compressed, oned_as=column)
    arrays = matconvnet_arrays(file)
    assert [array.name for array in arrays] == list(values)
    for array, given in zip(arrays, values.values(), strict=True):
        read = array.read()
        assert array.shape == read.shape == (given.shape if "filters" in array.name else (given.size,))
        assert array.dtype == read.dtype == dtype
        assert read.tobytes("F") == given.tobytes("F")


def test_scipy_reads_the_same(rng):
    file = mat_file(network(rng)[0])
    read = {array.name: array.read() for array in matconvnet_arrays(file)}
    file.seek(0)
    for theirs in loadmat(file)["layers"][0]:
        if "weights" in theirs.dtype.names and theirs["weights"][0, 0].size:
            filters, biases = theirs["weights"][0, 0][0]
            name = theirs["name"][0, 0][0]
            np.testing.assert_array_equal(read[f"{name}.filters"].squeeze(), filters.squeeze())
            np.testing.assert_array_equal(read[f"{name}.biases"], biases.ravel())


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_and_dropped_dimensions(rng, order):
    given = rng.standard_normal((5, 3)).astype("f4")
    file = one_layer(numbers(given.astype(f"{order}f4"), 7, order=order), order,
                     biases=numbers(np.array([[1, 2, 250]], "u1"), 2, kind=6, order=order))  # MATLAB stores doubles so
    filters, biases = matconvnet_arrays(file)
    assert (filters.shape, filters.dtype, biases.shape, biases.dtype) == ((5, 3, 1, 1), "f4", (3,), "f8")
    np.testing.assert_array_equal(filters.read(), given.reshape(5, 3, 1, 1))
    np.testing.assert_array_equal(biases.read(), [1, 2, 250])
    assert biases.read().dtype == "f8"
    file.seek(0)
    np.testing.assert_array_equal(loadmat(file)["layers"][0, 0]["filters"][0, 0], given)  # the file is valid


def test_integers_keep_their_type(rng):
    variables = {"layers": cell(layer("conv1", np.ones((3, 3, 2, 2), np.int8), np.ones((1, 2), np.int8)))}
    assert [array.dtype for array in matconvnet_arrays(mat_file(variables))] == [np.int8, np.int8]


def test_a_layer_without_biases():
    variables = {"layers": cell(layer("conv1", np.ones((3, 3, 2, 2), np.float32), np.empty((0, 0))))}
    assert [array.name for array in matconvnet_arrays(mat_file(variables))] == ["conv1.filters"]


def test_other_variables_are_not_read(rng):
    function = matrix(16, (1, 1), structure({"workspace": b"\xff" * 8}), b"f")
    opaque = element(14, element(6, struct.pack("<II", 17, 0)) + element(1, b"object") + b"\xff" * 64)
    broken = matrix(2, (-5, 7), b"\xff" * 64, b"meta")
    variables = mat_file(network(rng)[0]).read()[128:]
    assert len(matconvnet_arrays(whole(function, opaque, broken, variables))) == 6


def test_values_are_read_later():
    variables = {"layers": cell(layer("conv1", np.ones((10, 10, 100, 100), np.float32), np.ones((1, 100))))}
    file = CountingFile(mat_file(variables).read())
    filters, _ = matconvnet_arrays(file)
    assert 0 < file.count < 5000
    assert filters.read().sum() == 10**6


def test_compressed_values_stay_out_of_memory(rng):
    values = rng.standard_normal((10, 10, 100, 100), np.float32)
    file = mat_file({"layers": cell(layer("conv1", values, np.ones((1, 100))))}, do_compression=True)
    tracemalloc.start()
    filters, biases = matconvnet_arrays(file)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()
    np.testing.assert_array_equal(filters.read(), values)


@pytest.mark.skipif(sys.platform != "linux", reason="looks where Linux lists open files")
def test_nothing_stays_open(rng, tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    (tmp_path / "a.mat").write_bytes(mat_file(network(rng)[0], do_compression=True).read())
    with open(tmp_path / "a.mat", "rb") as file:
        arrays = matconvnet_arrays(file)
    assert arrays[0].read().shape == (3, 3, 3, 4)
    del arrays
    assert len(os.listdir("/proc/self/fd")) == before


# ---- other files -------------------------------------------------------------------------------------------

def test_a_dagnn():
    assert "it is a DagNN of MatConvNet" in refusal(mat_file({"params": np.ones(3), "layers": np.ones(3)}))


def test_other_variables_only():
    assert refusal(mat_file({"images": np.ones(3), "labels": np.ones(3)})) == (
        "it has no layers of MatConvNet; its variables: 'images', 'labels'")
    assert refusal(whole()).endswith("its variables: none")


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file".ljust(128), bytes(200)])
def test_no_header(content):
    assert refusal(BytesIO(content)) == "it is not a MAT-file of version 5; save it in MATLAB with -v7"


@pytest.mark.parametrize("layers, reason", [
    (np.ones((3, 3)), "instead of a cell array"),
    (cell(np.ones(3)), "a layer is not a struct"),
    (cell({"name": "bn", "weights": cell(*np.ones((3, 2, 2)))}), "'bn' has 3 arrays"),
    (cell({"name": "a", "weights": np.ones(3)}), "instead of a cell array"),
    (cell({"name": np.ones(3), "filters": np.ones(3)}), "the name of a layer is not a text"),
    (cell({"name": "a" * 500, "filters": np.ones(3)}), "an element of 500 bytes"),
    (cell({"name": "a", "filters": np.ones(3) * 1j}), "'a.filters' is not an array of real numbers"),
    (cell({"name": "a", "filters": "text"}), "'a.filters' is not an array of real numbers"),
    (cell({"name": "a", "filters": cell(1.0)}), "'a.filters' is not an array of real numbers"),
    (cell({"name": "a", "filters": {"b": 1.0}}), "'a.filters' is not an array of real numbers"),
])
def test_odd_layers(layers, reason):
    assert reason in refusal(mat_file({"layers": layers}))


# ---- hostile files -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("dims", [(2**16, 2**15), (2**31 - 1, 2**31 - 1), (2**31 - 1,) * 31, (-1, -10), (1, 11)])
def test_a_shape_that_does_not_match_the_bytes(dims):
    array = np.ones((1, 10), np.float32)
    assert "which does not match its size in bytes" in refusal(one_layer(numbers(array, 7, dims=dims)))
    assert "has 1 cells" in refusal(whole(layers_of(structure({"name": text("a")}), dims=dims)))
    assert "a layer is not a struct" in refusal(whole(layers_of(structure({"name": text("a")}, dims=dims))))


def test_too_many_elements():
    empty = matrix(7, (0, 0))
    for file in (whole(layers_of(*[empty] * 1001)), whole(*[empty] * 1001),
                 whole(layers_of(structure({str(i): empty for i in range(1001)})))):
        assert "more than 1,000 elements" in refusal(file)
    assert "instead of at most 64,000" in refusal(
        whole(layers_of(structure({str(i): empty for i in range(1001)}, width=100))))


@pytest.mark.parametrize("width", [0, -1])
def test_field_names_of_no_length(width):
    names = element(5, struct.pack("<i", width)) + element(1, b"name")
    assert "field names of no length" in refusal(whole(layers_of(matrix(2, (1, 1), names))))


def test_endless_nested_cells():
    nested = numbers(np.ones((1, 1), np.float32), 7)
    for _ in range(5000):
        nested = matrix(1, (1, 1), nested)
    assert "a layer is not a struct" in refusal(whole(layers_of(nested)))
    assert "not an array of real numbers" in refusal(one_layer(nested))


@pytest.mark.parametrize("kind", [3, 5, 16, 17])  # an object, a sparse array, a function, an opaque object
def test_arrays_of_other_classes_are_refused(kind):
    file = one_layer(matrix(kind, (1, 1), b"\xff" * 64))
    assert "'conv1.filters' is not an array of real numbers" in refusal(file)


def test_more_bytes_than_the_limit(rng, monkeypatch):
    monkeypatch.setattr("weights_converter.formats.matconvnet.SIZE_LIMIT", 100)
    assert "more than the limit of 100" in refusal(mat_file(network(rng)[0]))


def test_a_zip_bomb():
    content = layers_of(structure({"name": text("a"), "filters": numbers(np.zeros(5 * 10**6, "f4"), 7)}))
    packed = zlib.compress(content)
    assert len(packed) < len(content) / 500
    assert "its layers unpack to more than" in refusal(whole(struct.pack("<II", 15, len(packed)) + packed))


def test_an_empty_compressed_element():
    packed = zlib.compress(b"")
    assert "it ends within an element" in refusal(whole(struct.pack("<II", 15, len(packed)) + packed))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("keep", [130, 0.3, 0.7, 0.999])
def test_truncated(rng, compressed, keep):
    content = mat_file(network(rng)[0], do_compression=compressed).read()
    content = content[:int(keep * len(content)) if keep < 1 else keep]
    assert "is longer than the part that contains it" in refusal(BytesIO(content)) or keep == 130


def test_truncated_while_it_is_open(rng):
    file = mat_file(network(rng)[0])
    arrays = matconvnet_arrays(file)
    file.truncate(600)
    with pytest.raises(InputError, match="ends before its values"):
        arrays[-1].read()
