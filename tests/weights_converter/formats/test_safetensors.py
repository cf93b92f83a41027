"""safetensors files of the library are read bit by bit; a file that the library refuses is refused."""

import json
import random
from io import BytesIO
from math import prod

import numpy as np
import pytest
from counting_file import CountingFile
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn.errors import InputError
from weights_converter.formats.safetensors import BITS, DTYPES, HEADER_LIMIT, safetensors_arrays


def content(header, values=b""):
    """Return a file with this header: a dict, or the text itself."""
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return len(text).to_bytes(8, "little") + text + values


def entry(shape=(2,), offsets=(0, 8), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def read_all(data):
    return {array.name: array.read() for array in safetensors_arrays(BytesIO(data))}


@pytest.fixture
def arrays(rng):
    return {"features.0.weight": rng.standard_normal((4, 3, 3, 3), np.float32),
            "features.0.bias": rng.standard_normal(4).astype(np.float16),
            "classifier": rng.standard_normal((5, 2)),
            "steps": np.array(7),
            "mask": np.array([True, False, True]),
            "empty": np.zeros((0, 3), np.float32),
            **{f"int{i}": rng.integers(0, 100, (2, 3)).astype(code) for i, code in enumerate("bBhHiIqQ")}}


# ---- files of the library ----------------------------------------------------------------------------------

def test_arrays_of_the_library_come_back_bit_by_bit(arrays, tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    library.save_file(arrays, tmp_path / "a", metadata={"format": "np"})
    with open(tmp_path / "a", "rb") as file:
        stored = {array.name: array for array in safetensors_arrays(file)}
        assert stored.keys() == arrays.keys()
        for name, array in arrays.items():
            values = stored[name].read()
            assert (values.dtype, values.shape) == (array.dtype, array.shape) == stored[name][2:0:-1]
            assert values.tobytes() == array.tobytes()
            assert values.flags.owndata or values.base.flags.owndata
            assert values.flags.writeable


def test_types_that_numpy_lacks_keep_their_names(tmp_path):
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("safetensors.torch")
    tensors = {"a": torch.arange(6, dtype=torch.float32).reshape(2, 3), "b": torch.ones(3, dtype=torch.bfloat16),
               "c": torch.ones(2, dtype=torch.float8_e4m3fn)}
    library.save_file(tensors, tmp_path / "a")
    with open(tmp_path / "a", "rb") as file:
        stored = {array.name: array for array in safetensors_arrays(file)}
        np.testing.assert_array_equal(stored["a"].read(), tensors["a"].numpy())
        assert stored["b"].dtype.names == ("bfloat16",) and stored["c"].dtype.names == ("float8_e4m3fn",)
        assert stored["b"].read().view(np.uint16).tolist() == [0x3F80] * 3


@pytest.mark.parametrize("kind", DTYPES)
def test_every_type_has_the_size_of_the_library(kind):
    library = pytest.importorskip("safetensors")
    size = 8 * BITS.get(kind, 8 * DTYPES[kind].itemsize) // 8
    data = content({"a": entry((2, 4), (0, size), kind)}, bytes(size))
    (array,) = safetensors_arrays(BytesIO(data))
    try:
        assert [name for name, _ in library.deserialize(data)] == ["a"]
    except library.SafetensorError as problem:
        if "unknown variant" not in str(problem):  # the library is older
            raise
    if kind in BITS:
        with pytest.raises(InputError, match=kind):
            array.read()
    else:
        assert array.read().tobytes() == bytes(size)


def test_only_the_header_and_then_only_the_array_is_read(rng):
    library = pytest.importorskip("safetensors.numpy")
    data = library.save({name: rng.standard_normal((100, 100)) for name in "abc"})
    file = CountingFile(data)
    stored = safetensors_arrays(file)
    header = 8 + int.from_bytes(data[:8], "little")
    assert file.count == header
    stored[1].read()
    assert file.count == header + 80_000


def test_header_without_arrays_or_with_metadata():
    assert read_all(content("{}")) == {}
    assert read_all(content({"__metadata__": {"format": "pt"}})) == {}
    assert read_all(content({"a\nb": entry()}, bytes(8)))["a\nb"].tolist() == [0, 0]  # open_arrays validates names
    assert read_all(content({"b": entry((1,), (4, 8)), "a": entry((1,), (0, 4))}, bytes(8))).keys() == {"a", "b"}


# ---- damaged files -----------------------------------------------------------------------------------------

REFUSED = {
    "hole": {"a": entry((1,), (0, 4)), "b": entry((1,), (8, 12))},
    "hole before": {"a": entry((1,), (4, 8))},
    "overlap": {"a": entry(), "b": entry((2,), (4, 12))},
    "twice the same": {"a": entry(), "b": entry()},
    "too short": {"a": entry((1,), (0, 4))},
    "too long": {"a": entry((4,), (0, 16))},
    "other size": {"a": entry((3,))},
    "backwards": {"a": entry((2,), (8, 0))},
    "empty inside": {"a": entry(), "b": entry((0,), (2, 2))},
    "negative dimension": {"a": entry((-2,))},
    "two negative dimensions": {"a": entry((-1, -2))},
    "product of 2^64 + 2": {"a": entry((2**32 + 1, 2**32 - 1, 2))},
    "huge and empty": {"a": entry((2**63, 2, 0), (0, 0)), "b": entry()},
    "2^64": {"a": entry((2**64,))},
    "many dimensions": {"a": entry((1,) * 100_000 + (2,))},
    "many twos": {"a": entry((2,) * 200_000)},
    "a float as size": {"a": entry((2.0,))},
    "true as size": {"a": entry((True, 2))},
    "text as size": {"a": entry(("2",))},
    "no list": {"a": {**entry(), "shape": 2}},
    "three offsets": {"a": entry((2,), (0, 8, 8))},
    "offset 2^64": {"a": entry((2,), (0, 2**64 + 8))},
    "unknown dtype": {"a": entry(dtype="F128")},
    "dtype no text": {"a": entry(dtype=["F32"])},
    "no dtype": {"a": {"shape": [2], "data_offsets": [0, 8]}},
    "extra key": {"a": {**entry(), "x": 1}},
    "a list": {"a": ["F32", [2], [0, 8]]},
    "null": {"a": None},
    "metadata no texts": {"__metadata__": {"a": 1}, "a": entry()},
    "metadata no object": {"__metadata__": ["a"], "a": entry()},
    "half a surrogate pair": {"\ud800": entry()},
    "half a surrogate pair in metadata": {"__metadata__": {"a": "\udc00"}, "a": entry()},
    "half a byte": {"a": entry((3,), (0, 2), "F4"), "b": entry((6,), (2, 8), "U8")},
    "key twice": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],'
                 '"data_offsets":[0,8]}}',
    "dtype twice": '{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "metadata twice": '{"__metadata__":{},"__metadata__":{},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "minus zero": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[-0,8]}}',
    "not a number": '{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}',
    "5000 digits": '{"a":{"dtype":"F32","shape":[' + "9" * 5000 + '],"data_offsets":[0,8]}}',
    "a space first": ' {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "something after": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}\0',
    "no object": "[]",
    "no JSON": "{a}",
    "nested": '{"a":' * 200_000,
    "nested lists": '{"a":' + "[" * 1_000_000,
}


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED)
def test_refused(header):
    with pytest.raises(ValueError) as caught:
        safetensors_arrays(BytesIO(content(header, bytes(8))))
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 2**31, 2**32 - 1, 2**63, 2**64 - 1])
def test_wrong_header_length(length):
    data = length.to_bytes(8, "little") + content({"a": entry()}, bytes(8))[8:]
    with pytest.raises(InputError):
        safetensors_arrays(BytesIO(data))


def test_huge_header():
    with pytest.raises(InputError, match="limit"):
        safetensors_arrays(BytesIO(content("{" + " " * HEADER_LIMIT + "}")))


def test_no_message_repeats_a_strange_name():
    for name in ("a\nb", "n" * 5_000_000):
        with pytest.raises(InputError) as caught:
            safetensors_arrays(BytesIO(content({name: entry((3,))}, bytes(8))))
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_truncated_anywhere():
    data = content({"a": entry(), "b": entry((3,), (8, 20))}, bytes(20))
    for size in range(len(data)):
        with pytest.raises(InputError):
            safetensors_arrays(BytesIO(data[:size]))


def test_file_that_shrinks_after_the_header_was_read():
    file = BytesIO(content({"a": entry()}, bytes(8)))
    (array,) = safetensors_arrays(file)
    file.truncate(len(file.getvalue()) - 1)
    with pytest.raises(InputError, match="ends before"):
        array.read()


# ---- against the library, byte by byte ---------------------------------------------------------------------

SMALL = content({"__metadata__": {"f": "pt"}, "a": entry((3, 1), (0, 6), "F16"),
                 "features": entry((2,), (6, 14))}, bytes(14))


def flipped(data, choice):
    data = bytearray(data)
    for _ in range(choice.choice([1, 1, 2])):
        data[choice.randrange(len(data))] = choice.randrange(256)
    return bytes(data)


def test_a_header_that_the_library_refuses_is_refused():
    library = pytest.importorskip("safetensors")
    choice = random.Random(0)
    bit_flips = [SMALL[:i] + bytes([SMALL[i] ^ 1 << bit]) + SMALL[i + 1:]
                 for i in range(len(SMALL) - 14) for bit in range(8)]
    accepted = 0
    for data in bit_flips + [flipped(SMALL[:-14], choice) + SMALL[-14:] for _ in range(3000)]:
        try:
            theirs = dict(library.deserialize(data))
        except library.SafetensorError:
            with pytest.raises(ValueError):
                safetensors_arrays(BytesIO(data))
            continue
        try:
            ours = read_all(data)
        except ValueError:
            continue  # a repeated or unknown key, which the library accepts
        accepted += 1
        assert {name: bytes(value["data"]) for name, value in theirs.items()} == {
            name: array.tobytes() for name, array in ours.items()}
        assert all(prod(value["shape"]) == ours[name].size for name, value in theirs.items())
    assert accepted > 100  # changes of names and metadata


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**64 - 1) | st.none())
def test_random_bytes(data, length):
    length = len(data) if length is None else length
    for head in (b"", b"{"):
        check_only_ordinary_errors(length.to_bytes(8, "little") + head + data)


KEYS = st.sampled_from(["dtype", "shape", "data_offsets", "__metadata__", "a", "b"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(list(DTYPES)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=3), JSON, max_size=3))
def test_random_json(header):
    check_only_ordinary_errors(content(header, bytes(8)))


def check_only_ordinary_errors(data):
    try:
        read_all(data)
    except (RecursionError, MemoryError):
        raise
    except Exception as problem:
        assert str(problem)
