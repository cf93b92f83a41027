"""The stand-in for CuPy refuses what fails or silently goes wrong on a GPU, and computes as NumPy does."""

import copy
import pickle
import sys

import numpy as np
import pytest
from strict_cupy import (
    FUNCTIONS,
    KEYWORDS,
    METHODS,
    MODULES,
    UFUNCS,
    UPLOADS,
    find,
    parameters_of,
    real_cupy,
    record,
)

from minicnn import backend

needs_wheel = pytest.mark.skipif(real_cupy is None, reason="the CuPy wheel is not installed")
cp = MODULES["cupy"]
HOST = np.arange(6, dtype=np.float32).reshape(2, 3)
windows = cp.lib.stride_tricks.sliding_window_view
as_strided = cp.lib.stride_tricks.as_strided


@pytest.fixture
def x(strict_cupy):
    """A device array, (2, 3); nothing is counted yet."""
    x = strict_cupy.asarray(HOST)
    record.reset()
    return x


def assign(a, index, value):
    a[index] = value


def in_place_add(a, value):
    a += value


# name: what is done with the device array x, and the error that it must raise.
REFUSED = {
    # Mixing host and device, and conversions nobody asked for.
    "operator with a host array": (lambda x: x + HOST, TypeError),
    "reflected operator": (lambda x: HOST * x, TypeError),
    "host array in place": (lambda x: in_place_add(HOST.copy(), x), TypeError),
    "device array in place": (lambda x: in_place_add(x, HOST), TypeError),
    "comparison": (lambda x: x > HOST, TypeError),
    "matmul": (lambda x: x @ HOST.T, TypeError),
    "operator with a list": (lambda x: x + [1, 2, 3], TypeError),
    "operator with a 0-d host array": (lambda x: x + np.array(1.0), TypeError),
    "function of a host array": (lambda x: cp.exp(HOST), TypeError),
    "function of a list": (lambda x: cp.sum([1, 2]), TypeError),
    "reduction of a host array": (lambda x: cp.sum(HOST), TypeError),
    "a host array in a list": (lambda x: cp.stack([x, HOST]), TypeError),
    "stack of host arrays": (lambda x: cp.stack([HOST, HOST]), TypeError),
    "asarray of a mixed list": (lambda x: cp.asarray([x, HOST]), TypeError),
    "second argument on the host": (lambda x: cp.where(x > 0, x, HOST), TypeError),
    "a list as an array": (lambda x: cp.isin(x, [1, 2]), TypeError),
    "einsum operand": (lambda x: cp.einsum("ij,kj->ik", x, HOST), TypeError),
    "out on the host": (lambda x: cp.exp(x, out=HOST.copy()), (TypeError, AttributeError)),
    "np.exp": (lambda x: np.exp(x), TypeError),
    "np.sum": (lambda x: np.sum(x), TypeError),
    "np.stack": (lambda x: np.stack([x, x]), TypeError),
    "np.asarray": (lambda x: np.asarray(x), TypeError),
    "np.array of a list": (lambda x: np.array([x, x]), TypeError),
    "np.testing": (lambda x: np.testing.assert_allclose(x, HOST), TypeError),
    "assignment into a host array": (lambda x: assign(HOST.copy(), ..., x), TypeError),
    "__index__": (lambda x: [1, 2, 3][cp.argmax(x)], TypeError),
    "device shape": (lambda x: cp.zeros(cp.argmax(x)), TypeError),
    "device axis": (lambda x: x.sum(cp.argmax(x)), TypeError),
    "device size in reshape": (lambda x: x.reshape(cp.asarray(3), 2), TypeError),
    "device pad_width": (lambda x: cp.pad(x, cp.asarray([1, 1])), TypeError),
    "device slice": (lambda x: x[:cp.argmax(x)], TypeError),
    "iteration over numbers": (lambda x: list(x[0]), TypeError),
    "pickle": (lambda x: pickle.dumps(x), TypeError),
    "hash": (lambda x: {x: 1}, TypeError),
    # Indexing and assignment.
    "host index": (lambda x: x[np.array([0, 1])], TypeError),
    "host mask": (lambda x: x[HOST > 2], TypeError),
    "list index": (lambda x: x[[0, 1]], TypeError),
    "list index in a tuple": (lambda x: x[:, [0, 1]], TypeError),
    "take of a list": (lambda x: cp.take(x, [0, 1], axis=1), TypeError),
    "index out of range": (lambda x: x[cp.asarray([5])], IndexError),
    "assigning a host array": (lambda x: assign(x, ..., HOST), TypeError),
    "assigning a list": (lambda x: assign(x, 0, [1, 2, 3]), TypeError),
    "repeated target": (lambda x: assign(x, cp.asarray([0, 0]), cp.ones((2, 3))), ValueError),
    "repeated target, two arrays": (
        lambda x: assign(x, (cp.asarray([0, 0]), cp.asarray([1, 1])), cp.arange(2)), ValueError),
    "put_along_axis, repeated target": (
        lambda x: cp.put_along_axis(x, cp.asarray([[0, 0], [1, 2]]), cp.ones((2, 2)), 1), ValueError),
    "overlapping assignment": (lambda x: assign(x, np.s_[:, 1:], x[:, :-1]), ValueError),
    "writing to overlapping windows": (lambda x: in_place_add(as_strided(x, (2, 2), (4, 4)), 1), ValueError),
    "assigning to overlapping windows": (lambda x: assign(as_strided(x, (2, 2), (4, 4)), ..., 1), ValueError),
    "out with overlapping windows": (
        lambda x: cp.negative(x[:, :2], out=as_strided(x, (2, 2), (4, 4))), ValueError),
    "writing to a broadcast view": (lambda x: assign(cp.broadcast_to(x, (2, 2, 3)), ..., 1), ValueError),
    # Functions, keywords and values that CuPy does not have.
    "block": (lambda x: cp.block([x, x]), AttributeError),
    "insert": (lambda x: cp.insert(x, 0, 1), AttributeError),
    "einsum_path": (lambda x: cp.einsum_path, AttributeError),
    "nanpercentile": (lambda x: cp.nanpercentile(x, 5), AttributeError),
    "random": (lambda x: cp.random.normal(), AttributeError),
    "cudnn": (lambda x: cp.cudnn, AttributeError),
    "import cupy.random": (lambda x: __import__("cupy.random"), ImportError),
    "sum where=": (lambda x: cp.sum(x, where=x > 0), TypeError),
    "method sum where=": (lambda x: x.sum(where=x > 0), TypeError),
    "max initial=": (lambda x: x.max(initial=0), TypeError),
    "var correction=": (lambda x: cp.var(x, correction=1), TypeError),
    "ufunc where=": (lambda x: cp.exp(x, where=x > 0), TypeError),
    "clip min=": (lambda x: cp.clip(x, min=0, max=1), TypeError),
    "clip without a bound": (lambda x: cp.clip(x, 0, None, dtype="f4"), TypeError),
    "take mode=": (lambda x: cp.take(x, cp.asarray([0]), mode="clip"), TypeError),
    "argpartition kind=": (lambda x: cp.argpartition(x, 1, kind="introselect"), TypeError),
    "sort stable=": (lambda x: cp.sort(x, stable=True), TypeError),
    "sort kind": (lambda x: cp.sort(x, kind="quicksort"), ValueError),
    "method argsort kind": (lambda x: x.argsort(kind="quicksort"), ValueError),
    "einsum out=": (lambda x: cp.einsum("ij->i", x, out=cp.empty(2)), TypeError),
    "reshape shape=": (lambda x: cp.reshape(x, shape=(3, 2)), TypeError),
    "zeros like=": (lambda x: cp.zeros(3, like=x), TypeError),
    "pad median": (lambda x: cp.pad(x, 1, mode="median"), ValueError),
    "percentile method": (lambda x: cp.percentile(x, 5, method="hazen"), ValueError),
    "dot out of another dtype": (lambda x: cp.dot(x, x.T, out=cp.empty((2, 2))), ValueError),
    "sliding_window_view writeable=": (lambda x: windows(x, (2, 2), writeable=True), NotImplementedError),
    "as_strided writeable=": (lambda x: as_strided(x, (2,), (4,), writeable=False), TypeError),
    "maximum.reduce": (lambda x: cp.maximum.reduce(x), NotImplementedError),
    "multiply.at": (lambda x: cp.multiply.at(x, cp.asarray([0]), 2), TypeError),
    "add.at on int64": (lambda x: cp.add.at(cp.zeros(3, "int64"), cp.asarray([0]), 1), TypeError),
    "objects": (lambda x: cp.asarray(["a"]), ValueError),
    "map_coordinates with a list": (
        lambda x: backend.get_ndimage(x).map_coordinates(x, [x[0], x[0]]), TypeError),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(x, name):
    unnamed = ("device shape", "device axis", "device size in reshape")
    if name in unnamed and np.lib.NumpyVersion(np.__version__) < "2.4.0":
        pytest.skip("NumPy names the parameters of its functions in C from 2.4 on, by which the stand-in refuses")
    attempt, error = REFUSED[name]
    with pytest.raises(error):
        attempt(x)


def test_reductions_are_0d_device_arrays(x):
    for result in (x.sum(), cp.max(x), x[0, 0], x.mean() + 1, cp.dot(x[0], x[0]), cp.allclose(x, x),
                   cp.count_nonzero(x)):
        assert isinstance(result, cp.ndarray) and result.shape == ()
    assert record.synchronisations == 0


@pytest.mark.parametrize("read", [
    lambda x: float(x.sum()), lambda x: int(x.sum()), lambda x: bool(x.sum() > 3), lambda x: x.sum().item(),
    lambda x: f"{x.sum():.3f}", lambda x: str(x), repr, lambda x: [row for row in x], lambda x: x[x > 2],
    lambda x: assign(x, x > 2, 0), cp.nonzero, lambda x: x.nonzero(), cp.unique, lambda x: cp.where(x > 2),
    lambda x: cp.histogram(x, 3)])
def test_counts_synchronisations(x, read):
    read(x)
    assert (record.synchronisations, record.transfers_to_host) == (1, 0)


def test_counts_transfers(x):
    np.testing.assert_array_equal(x.get(), HOST)
    np.testing.assert_array_equal(cp.asnumpy(x), HOST)
    assert x.tolist() == HOST.tolist()
    assert (record.transfers_to_host, record.transfers_to_device, record.synchronisations) == (3, 0, 0)
    cp.asarray(HOST)
    cp.array([1.0, 2.0])
    x.set(HOST)
    assert (record.transfers_to_host, record.transfers_to_device) == (3, 3)
    assert cp.asarray(x) is x
    cp.zeros((2, 3)), cp.arange(3), cp.full((2,), 1.0), cp.asnumpy(HOST), x.copy(), x[:, cp.arange(2)]
    assert (record.transfers_to_host, record.transfers_to_device) == (3, 3)
    windows(x, (2, 2))
    assert (record.transfers_to_device, record.synchronisations) == (4, 2)


def test_host_and_device_share_no_memory(strict_cupy):
    host = np.zeros(3)
    device = strict_cupy.asarray(host)
    back = device.get()
    host[0], back[1] = 1, 2
    assert device.tolist() == [0, 0, 0]


def test_views_share_memory(x):
    x[0, 0][...] = 10
    x.reshape(3, 2)[0, 1] = 11
    x.T[2, 0] = 12
    as_strided(x, (3,), (4,))[...] += 1
    cp.negative(x[1], out=x[1])
    assert x.tolist() == [[11, 12, 13], [-3, -4, -5]]
    y = x
    y += 1
    assert y is x and x[0, 0].item() == 12
    assert cp.shares_memory(x, windows(x, (2, 2)))


def test_allowed_writes(x):
    x[cp.asarray([0, 0])] = 1  # one value: it does not matter which thread comes last
    x[cp.asarray([1, 0])] += cp.ones((2, 3))
    x[:, 1:] += x[:, :-1]  # CuPy copies the operand first
    x[:, ::2] *= 2
    cp.add.at(x, cp.asarray([0, 0]), 1)
    assert x.tolist() == [[6, 6, 10], [8, 9, 22]]
    assert copy.deepcopy(x) is not x


def test_matmul_in_place_makes_a_new_array(x):
    before = square = cp.ones((2, 2))
    square @= square
    assert square is not before


def test_numbers_may_be_operands(x):
    for number in (2, 2.0, np.float32(2)):
        assert (number * x).dtype == (x * number).dtype == cp.maximum(x, number).dtype == np.float32
    assert (np.float64(2) * x).dtype == (x * np.float64(2)).dtype == np.float64
    assert np.float32(1) < x.max()


def test_calls_are_recorded(x):
    cp.sum(x, axis=0)
    x.sum(0, keepdims=True)
    cp.exp(x, out=x)
    assert record.calls == [("sum", 1, ("axis",)), ("ndarray.sum", 1, ("keepdims",)), ("exp", 1, ("out",))]
    if real_cupy:
        assert record.bound_calls.issuperset(record.calls)


def test_backend_finds_the_stand_in(strict_cupy):
    assert sys.modules["cupy"] is strict_cupy
    assert backend.gpu_problem() is None and backend.choose_device("auto") == "gpu"
    record.reset()
    x = backend.to_device(HOST, "gpu")
    assert backend.get_array_module(x) is strict_cupy is strict_cupy.get_array_module(HOST, x)
    assert strict_cupy.get_array_module(HOST) is np
    assert backend.device_of(x) == "gpu" and backend.to_device(x, "gpu") is x
    np.testing.assert_array_equal(backend.to_host(x), HOST)
    blurred = backend.get_ndimage(x).gaussian_filter(x, sigma=(0, 1))
    np.testing.assert_allclose(blurred.get(), backend.get_ndimage(HOST).gaussian_filter(HOST, sigma=(0, 1)))
    assert (strict_cupy.record.transfers_to_device, strict_cupy.record.transfers_to_host) == (1, 2)


def test_same_code_on_both(xp, rng):
    x, w = xp.asarray(rng.standard_normal((2, 3, 5, 5))), xp.asarray(rng.standard_normal((4, 27)))
    padded = xp.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    columns = xp.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))  # (N, C, OH, OW, KH, KW)
    out = columns.transpose(0, 2, 3, 1, 4, 5).reshape(50, 27) @ w.T
    out -= out.max(axis=1, keepdims=True)
    softmax = xp.exp(out) / xp.exp(out).sum(axis=1, keepdims=True)
    assert float(softmax.sum()) == pytest.approx(50)
    assert backend.to_host(xp.argmax(out, axis=1)).shape == (50,)
    labels = xp.argmax(out, axis=1)
    softmax[xp.arange(50), labels] -= 1
    q, r = xp.linalg.qr(out)
    assert bool(xp.allclose(q @ r, out)) and xp.result_type(q, xp.float32) == xp.float64


def test_real_cupy_comes_back():
    assert sys.modules.get("cupy") is real_cupy


@needs_wheel
def test_all_names_exist_in_the_wheel():
    for name in (*UFUNCS, *FUNCTIONS, *UPLOADS):
        assert callable(find(name, numpy_side=False))
    assert all(isinstance(find(name, numpy_side=False), real_cupy.ufunc) for name in UFUNCS)
    for name in METHODS:
        assert parameters_of(f"ndarray.{name}") is not None
    assert hasattr(real_cupy.cuda.Device, "mem_info") and hasattr(real_cupy.get_default_memory_pool(), "free_bytes")
    for name in "block einsum_path geomspace insert nanpercentile nanquantile unstack cudnn".split():
        assert not hasattr(real_cupy, name) and not hasattr(cp, name)
    dunders = [name for name in vars(cp.ndarray) if name not in ("__module__", "__slots__")]
    assert [name for name in dunders if not hasattr(real_cupy.ndarray, name)] == ["_host"]


@needs_wheel
@pytest.mark.parametrize("name", KEYWORDS)
def test_keyword_table_matches_the_wheel(name):
    parameters = parameters_of(name)
    named = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    if any(p.kind == p.VAR_KEYWORD for p in parameters):  # a list by hand
        assert named <= KEYWORDS[name]
    else:
        assert named == KEYWORDS[name]
    if "." not in name and name in METHODS and f"ndarray.{name}" not in KEYWORDS:
        assert {p.name for p in parameters_of(f"ndarray.{name}")} - {"shape"} <= KEYWORDS[name]


@needs_wheel
def test_binding_needs_the_wheel(x):
    with pytest.raises(TypeError, match="cumsum"):
        cp.cumsum(x, initial=0)
    with pytest.raises(TypeError, match="clip"):
        cp.clip(x, 0)
    with pytest.raises(TypeError, match="wrong number"):
        cp.exp(x, x, x)
