"""SqueezeNet 1.0 in the format of Deep Compression: the real file, and random files from an encoder below."""

from io import BytesIO

import numpy as np
import pytest

from minicnn.errors import InputError
from minicnn.models import squeezenet1_0
from weights_converter.formats.deep_compression import begins_as_deep_compression, deep_compression_arrays

LAYERS = {node.name: node.layer.params["w"].shape for node in squeezenet1_0(seed=None).nodes if node.layer.params}


def encode(layer_codes, codebooks, biases):
    """Return the file: counts, then each layer. Code 0 is skipped if the gap to the next code fits 4 bits."""
    counts, bodies = b"", b""
    for codes, codebook, bias in zip(layer_codes, codebooks, biases, strict=True):
        entries, previous = [], -1
        for position in np.flatnonzero(codes).tolist():
            while position - previous > 16:
                previous += 16
                entries.append((0, 15))  # a stored zero, as the gap is too long
            entries.append((int(codes[position]), position - previous - 1))
            previous = position
        gaps = [gap for _, gap in entries] + [0] * (len(entries) % 2)
        packed = bytes(low | high << 4 for low, high in zip(gaps[::2], gaps[1::2], strict=True))
        counts += len(entries).to_bytes(4, "little")
        bodies += codebook.tobytes() + bias.tobytes() + bytes(code for code, _ in entries) + packed
    return counts + bodies


@pytest.fixture(scope="module")
def random_file():
    """Return (the file's bytes, {name: values}) of random weights; one weight in thirty is not zero."""
    rng = np.random.default_rng(0)
    layer_codes, codebooks, biases, values = [], [], [], {}
    for layer, shape in LAYERS.items():
        codes = rng.integers(1, 256, np.prod(shape)) * (rng.random(np.prod(shape)) < 1 / 30)
        codes[rng.integers(len(codes))] = 255  # at least one
        codebook = rng.standard_normal(256).astype("<f4")
        codebook[0] = 0
        layer_codes.append(codes)
        codebooks.append(codebook)
        biases.append(rng.standard_normal(shape[0]).astype("<f4"))
        values[f"{layer}.weight"] = codebook[codes].reshape(shape)
        values[f"{layer}.bias"] = biases[-1]
    return encode(layer_codes, codebooks, biases), values


def first_layer(content):
    """Return (position of conv1's codes, their number)."""
    return 4 * 26 + 4 * 256 + 4 * 96, int.from_bytes(content[:4], "little")


def same(arrays, values):
    """Assert that names, their order, shapes and every bit are the same."""
    return [array.name for array in arrays] == list(values) and all(
        array.shape == array.read().shape == values[array.name].shape and array.dtype == np.float32
        and array.read().tobytes() == values[array.name].tobytes() for array in arrays)


def test_real_file_is_the_decoded_one(test_data):
    with open(test_data / "weights" / "compressed_SqueezeNet.net", "rb") as file:
        assert same(deep_compression_arrays(file), np.load(test_data / "weights" / "squeezenet1_0_caffe.npz"))


def test_real_file_is_recognised_by_its_head_and_size(test_data):
    head = (test_data / "weights" / "compressed_SqueezeNet.net").read_bytes()[:512]
    assert begins_as_deep_compression(head, 675_763)
    assert not begins_as_deep_compression(head, 675_762)


def test_random_weights_come_back(random_file):
    content, values = random_file
    assert begins_as_deep_compression(content[:512], len(content))
    arrays = deep_compression_arrays(BytesIO(content))
    assert same(arrays, values) and same(arrays[::-1], dict(reversed(values.items())))


def test_values_are_read_later(random_file):
    content, values = random_file
    file = BytesIO(content)
    arrays = deep_compression_arrays(file)
    file.getbuffer()[104:] = bytes(len(content) - 104)
    assert not any(array.read().any() for array in arrays)


@pytest.mark.parametrize("head", [b"", bytes(104), b"\xff" * 104, b"\x01\0\0\0" * 25, b"PK\x03\x04" + bytes(600)])
def test_other_beginnings(head):
    for size in (0, 104, len(head), 675_763):
        assert not begins_as_deep_compression(head, size)


def test_a_layer_without_stored_weights_or_with_too_many(random_file):
    content, _ = random_file
    counts = np.frombuffer(content, "<u4", 26).copy()
    size = len(content) - (counts[0] + (counts[0] + 1) // 2)
    for count in (0, 96 * 3 * 49 + 1):
        counts[0] = count
        assert not begins_as_deep_compression(counts.tobytes(), int(size + count + (count + 1) // 2))


@pytest.mark.parametrize("keep", [0, 3, 103, 104, 1000, -1])
def test_truncated(random_file, keep):
    with pytest.raises(InputError, match="do not account for its size"):
        deep_compression_arrays(BytesIO(random_file[0][:keep]))


def test_truncated_while_it_is_open(random_file):
    file = BytesIO(random_file[0])
    arrays = deep_compression_arrays(file)
    file.truncate(2000)
    with pytest.raises(InputError, match="conv10.weight is truncated"):
        arrays[-2].read()


def test_too_many_bytes(random_file):
    with pytest.raises(InputError, match="do not account"):
        deep_compression_arrays(BytesIO(random_file[0] + b"\0"))


def test_positions_beyond_the_last_weight(random_file):
    content = bytearray(random_file[0])
    start, count = first_layer(content)
    content[start + count:start + count + (count + 1) // 2] = b"\xff" * ((count + 1) // 2)
    with pytest.raises(InputError, match="conv1.weight is damaged: its stored weights reach beyond the 14,112"):
        deep_compression_arrays(BytesIO(content))[0].read()


def test_every_count_matters(random_file):
    content, _ = random_file
    for byte in range(104):
        damaged = bytearray(content)
        damaged[byte] ^= 1 << byte % 8
        assert not begins_as_deep_compression(damaged[:512], len(damaged))


def test_damage_is_refused_or_stays_within_its_array(random_file, rng):
    content, values = random_file
    for position in rng.integers(104, len(content), 20):
        damaged = bytearray(content)
        damaged[position] ^= 1 << rng.integers(8)
        differing = []
        for array in deep_compression_arrays(BytesIO(damaged)):
            try:
                read = array.read()
            except InputError:
                continue
            assert read.shape == array.shape
            differing += [array.name] if read.tobytes() != values[array.name].tobytes() else []
        assert len(differing) <= 1
