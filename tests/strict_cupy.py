"""A strict stand-in for CuPy, backed by NumPy: what goes wrong only on a GPU goes wrong here too.

It has the functions, methods and keywords that CuPy has and no others, never mixes device arrays with host
data, counts transfers and synchronisations, refuses writes that race on a GPU, and binds each distinct call
against the signature in the CuPy wheel, where that is installed; the wheel needs no GPU for it.
"""

import functools
import inspect
import re
import types

import numpy as np
import scipy.ndimage

try:  # now, before a fixture puts the stand-in in its place
    import cupy as real_cupy
    import cupyx.scipy
    import cupyx.scipy.ndimage
except ImportError:
    real_cupy = None

# What the stand-in provides: add names as they are needed; a test asks the wheel whether CuPy has them.
UFUNCS = frozenset("""
    abs absolute add arccos arcsin arctan arctan2 bitwise_and bitwise_or bitwise_xor cbrt ceil copysign cos
    cosh deg2rad divide divmod equal exp exp2 expm1 fabs floor floor_divide fmax fmin fmod greater
    greater_equal hypot invert isfinite isinf isnan less less_equal log log10 log1p log2 logaddexp
    logical_and logical_not logical_or logical_xor maximum minimum mod multiply negative not_equal positive
    power rad2deg reciprocal remainder rint sign signbit sin sinh sqrt square subtract tan tanh true_divide
    trunc""".split())
FUNCTIONS = """
    all allclose amax amin any append arange argmax argmin argpartition argsort argwhere around array_equal
    array_split atleast_1d atleast_2d atleast_3d average bincount broadcast_arrays broadcast_shapes
    broadcast_to can_cast clip column_stack compress concatenate convolve copy copyto corrcoef correlate
    count_nonzero cov cross cumprod cumsum diag diagonal diff digitize dot dstack einsum empty empty_like
    expand_dims extract eye fill_diagonal flatnonzero flip fliplr flipud full full_like gradient hanning
    histogram hstack identity indices inner interp isclose iscomplexobj isin isscalar kron lexsort linspace
    logspace matmul max may_share_memory mean median meshgrid min moveaxis nan_to_num nanargmax nanmax
    nanmean nanmedian nanmin nanstd nansum nanvar ndim nonzero ones ones_like outer pad partition percentile
    prod promote_types ptp put_along_axis quantile ravel repeat reshape result_type roll rollaxis rot90
    round searchsorted select shape shares_memory size sort split squeeze stack std sum swapaxes take
    take_along_axis tensordot tile trace transpose tri tril tril_indices triu triu_indices unique
    unravel_index unwrap var vdot vstack where zeros zeros_like lib.stride_tricks.as_strided
    lib.stride_tricks.sliding_window_view linalg.cholesky linalg.det linalg.eigh linalg.eigvalsh linalg.inv
    linalg.lstsq linalg.matrix_power linalg.norm linalg.pinv linalg.qr linalg.slogdet linalg.solve
    linalg.svd fft.fft fft.fft2 fft.fftfreq fft.fftn fft.fftshift fft.ifft fft.ifft2 fft.ifftn fft.ifftshift
    fft.irfft fft.irfft2 fft.irfftn fft.rfft fft.rfft2 fft.rfftfreq fft.rfftn ndimage.gaussian_filter
    ndimage.map_coordinates ndimage.rotate ndimage.shift ndimage.zoom""".split()
UPLOADS = "array asanyarray asarray ascontiguousarray asfortranarray".split()
METHODS = """
    all any argmax argmin argpartition argsort astype clip compress conj copy cumprod cumsum diagonal dot
    fill flatten max mean min nonzero partition prod ravel repeat reshape round searchsorted sort squeeze
    std sum swapaxes take trace transpose var view""".split()
VALUES = """
    bool_ complex64 complex128 dtype e finfo float16 float32 float64 floating iinfo inf int8 int16 int32
    int64 integer intp nan newaxis number pi uint8 uint16 uint32 uint64""".split()

# Keywords of functions that take fewer than in NumPy, for where there is no wheel or no signature in it. They
# hold for the method of the same name too.
KEYWORDS = {name: frozenset(keywords.split()) for names, keywords in {
    "all any max min amax amin": "a axis out keepdims",
    "std var nanstd nanvar": "a axis dtype out ddof keepdims",
    "sum mean prod nansum nanmean argmax argmin": "a axis dtype out keepdims",
    "clip": "a a_min a_max out", "ndarray.clip": "min max out", "count_nonzero": "a axis",
    "take": "a indices axis out", "reshape": "a newshape order copy",
    "sort argsort": "a axis kind", "partition argpartition": "a kth axis",
    "percentile quantile": "a q axis out overwrite_input method keepdims interpolation",
    "zeros ones empty": "shape dtype order", "full": "shape fill_value dtype order",
    "arange": "start stop step dtype", "eye": "N M k dtype order", "broadcast_to": "array shape",
    "meshgrid": "indexing sparse copy", "einsum": "dtype optimize",
    "lib.stride_tricks.as_strided": "x shape strides",
    "pad": "array pad_width mode constant_values end_values stat_length reflect_type",
    "linalg.svd": "a full_matrices compute_uv", "linalg.pinv": "a rcond",
}.items() for name in names.split()}
UFUNC_KEYWORDS = frozenset(["out", "dtype", "casting"])
# Parameters that CuPy reads on the host, and others that may be lists of numbers; no other may be a list.
HOST_PARAMETERS = frozenset("""
    shape newshape axis axes axis1 axis2 pad_width constant_values end_values stat_length reps repeats k kth
    n num decimals dtype dims dimensions indices_or_sections window_shape strides ddof offset source
    destination ord range s sigma radius zoom angle order mode""".split())
LIST_PARAMETERS = frozenset(["", "q", "out", "choicelist", "args", "operands", "shift"])
# Functions that may start with something other than a device array.
HOST_FIRST = frozenset("""
    arange asnumpy broadcast_shapes can_cast einsum empty eye full get_array_module hanning identity indices
    is_available iscomplexobj isscalar linspace logspace ndim ones promote_types result_type shape size tri
    tril_indices triu_indices zeros fft.fftfreq fft.rfftfreq""".split())
# Inside these CuPy reads a number back from the device: for the shape of the result, or for a check.
SYNCHRONISING = frozenset("""
    argwhere bincount compress extract flatnonzero histogram nanmax nanmin nonzero unique unravel_index
    ndarray.compress ndarray.nonzero""".split())
# NumPy returns Python scalars here, CuPy 0-d arrays.
DEVICE_SCALARS = frozenset(["allclose", "array_equal", "count_nonzero"])
# Element types of ufunc.at: it needs an atomic instruction of the GPU.
ATOMIC_DTYPES = {
    "add": "float16 float32 float64 int32 uint32 uint64".split(), "subtract": "int32 uint32".split(),
    **dict.fromkeys(["maximum", "minimum"], "float32 float64 int32 uint32 uint64".split()),
    **dict.fromkeys(["bitwise_and", "bitwise_or", "bitwise_xor"], "int32 int64 uint32 uint64".split()),
}
SCALARS = (bool, int, float, complex, np.generic)


class Record:
    """What crossed between host and device, and every call, since the last reset."""

    def __init__(self):
        # Calls that fit the wheel, as (name, positional count, keywords), of the whole session.
        self.bound_calls = set()
        self.reset()

    def reset(self):
        self.transfers_to_host = self.transfers_to_device = self.synchronisations = 0
        self.calls = []


record = Record()


def find(name, numpy_side):
    """What is cupy.<name> (for ndimage cupyx.scipy.<name>), in NumPy and SciPy or in the wheel."""
    if numpy_side:
        root = scipy if name.startswith("ndimage.") else np
    else:
        root = cupyx.scipy if name.startswith("ndimage.") else real_cupy
    return functools.reduce(getattr, name.split("."), root)


@functools.cache
def parameters_of(name):
    """The parameters of cupy.<name>: the wheel's, else NumPy's; None where neither shows any."""
    try:
        function = find(name, numpy_side=real_cupy is None)
        signature = inspect.signature(function)
    except AttributeError:  # asnumpy and the like, without the wheel
        return None
    except ValueError:  # a method written in Cython: the first line of its docstring is its signature
        line = re.match(r"_ndarray_base\.\w+\((.*)\)( ->.*)?$", (function.__doc__ or "").partition("\n")[0])
        if line is None:
            return None
        untyped = re.sub(r"(_ndarray_base|Py_ssize_t|int) (?=\w)", "", line[1])
        signature = inspect.signature(eval(f"lambda {untyped}: None"))
    return [parameter for parameter in signature.parameters.values() if parameter.name != "self"]


@functools.cache
def bind(name, count, keywords):
    """The names of the `count` positional parameters of such a call; TypeError where CuPy would refuse it."""
    is_ufunc = name in UFUNCS
    allowed = UFUNC_KEYWORDS if is_ufunc else KEYWORDS.get(name, KEYWORDS.get(name.removeprefix("ndarray.")))
    if allowed is not None and not allowed.issuperset(keywords):
        raise TypeError(f"cupy.{name} takes no {', '.join(sorted(set(keywords) - allowed))}")
    names = [""] * count  # nothing known
    parameters = None if is_ufunc else parameters_of(name)
    if parameters is not None:
        try:
            inspect.Signature(parameters).bind(*names, **dict.fromkeys(keywords))
        except TypeError as problem:
            raise TypeError(f"cupy.{name}: {problem}") from None
        names = []
        for parameter in parameters:
            names += [parameter.name] * (count if parameter.kind == parameter.VAR_POSITIONAL else 1)
        names = names[:count]
    elif is_ufunc and real_cupy and not find(name, False).nin <= count <= find(name, False).nargs:
        raise TypeError(f"cupy.{name}: wrong number of arguments")
    if real_cupy:
        record.bound_calls.add((name, count, keywords))
    return names


def is_device(value):
    """True for a device array and for a list or tuple of nothing else."""
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(map(is_device, value))
    return isinstance(value, ndarray)


def holds_device(value):
    """True where there is a device array anywhere in `value`."""
    if isinstance(value, (list, tuple)):
        return any(map(holds_device, value))
    return isinstance(value, ndarray)


def unwrap(value):
    """`value` with the NumPy array behind each device array; TypeError for a host array."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError("a NumPy array where CuPy needs a device array: move it there with to_device")
    if isinstance(value, (list, tuple)):
        return [unwrap(item) for item in value] if isinstance(value, list) else tuple(map(unwrap, value))
    return value


def unwrap_operand(value):
    """As unwrap, for operators, ufuncs and assigned values: there CuPy takes no lists either."""
    if not isinstance(value, (ndarray, np.ndarray, *SCALARS)):
        raise TypeError(f"Unsupported type {type(value).__name__}: not a device array or a number")
    return unwrap(value)


def wrap(result):
    """A result with device arrays: what NumPy reduces to a scalar is a 0-d array in CuPy."""
    if isinstance(result, (np.ndarray, np.generic)):
        return ndarray(np.asarray(result))
    if isinstance(result, (list, tuple)):  # a plain tuple also for NumPy's named ones, which CuPy lacks
        return [wrap(item) for item in result] if isinstance(result, list) else tuple(map(wrap, result))
    return result


def check_writable(array):
    """Refuse to write to an array in which two elements share memory: the GPU's threads would race."""
    extent = array.itemsize
    for stride, length in sorted(zip(map(abs, array.strides), array.shape, strict=True)):
        if length > 1 and stride < extent:
            raise ValueError("writing to a view with overlapping elements (as_strided): undefined on a GPU")
        extent += stride * (length - 1)


def check_overlap(target, source):
    """Refuse to copy between parts of one array that overlap: CuPy may do it in any order."""
    if isinstance(source, np.ndarray) and np.shares_memory(target, source):
        # As in a[i] += 1, where the two are one.
        if (source.ctypes.data, source.strides) != (target.ctypes.data, target.strides):
            raise ValueError("assignment between overlapping parts of an array: copy first")


def check_distinct(positions, value):
    """Refuse different values for one element: on a GPU, whichever thread comes last wins."""
    if np.size(value) > 1 and np.unique(positions).size < positions.size:
        raise ValueError("an index names an element twice in an assignment: undefined on a GPU, use ufunc.at")


def check_values(name, arguments):
    """Limits that CuPy sets on values rather than on keywords."""
    function = name.rpartition(".")[2]
    if function == "pad" and arguments.get("mode", "constant") == "median":
        raise ValueError("cupy.pad has no mode 'median'")
    if function in ("sort", "argsort") and arguments.get("kind") not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")
    if function in ("percentile", "quantile") and arguments.get("method", "linear") not in (
            "linear", "lower", "higher", "midpoint", "nearest"):
        raise ValueError(f"cupy.{function}: no method {arguments['method']!r}")
    if function == "map_coordinates" and not isinstance(arguments["coordinates"], ndarray):
        raise TypeError("cupyx.scipy.ndimage.map_coordinates: coordinates must be one device array")
    if function == "put_along_axis":
        positions = np.arange(arguments["arr"].size).reshape(arguments["arr"].shape)
        positions = np.take_along_axis(positions, unwrap(arguments["indices"]), arguments["axis"])
        check_distinct(positions, unwrap(arguments["values"]))
    if function == "sliding_window_view":
        if arguments.get("writeable"):
            raise NotImplementedError("Writeable views are not supported.")
        # CuPy uploads the window's shape and reads every number of it back.
        record.transfers_to_device += 1
        record.synchronisations += np.size(arguments["window_shape"])


def record_call(name, args, kwargs):
    """Record a call and bind it; the names of its positional parameters."""
    call = (name, len(args), tuple(sorted(kwargs)))
    record.calls.append(call)
    return bind(*call)


def check_call(name, args, kwargs):
    """Record a call, refuse what CuPy would refuse, and return its arguments for NumPy."""
    names = record_call(name, args, kwargs)
    if args and not name.startswith("ndarray.") and name not in UFUNCS and name not in HOST_FIRST:
        if not is_device(args[0]):
            raise TypeError(f"cupy.{name} of a {type(args[0]).__name__}: not a device array")
    check_values(name, {**dict(zip(names, args, strict=True)), **kwargs})
    if name in SYNCHRONISING or (name == "where" and len(args) + len(kwargs) == 1):
        record.synchronisations += 1
    if kwargs.get("out") is not None:
        check_writable(kwargs["out"])
    values = []
    for parameter, value in zip((*names, *kwargs), (*args, *kwargs.values()), strict=True):
        if parameter in HOST_PARAMETERS:
            if holds_device(value):
                raise TypeError(f"cupy.{name}: {parameter} must be host data, not a device array")
        elif name in UFUNCS and parameter == "":
            value = unwrap_operand(value)
        elif isinstance(value, (list, tuple)) and parameter not in LIST_PARAMETERS and not is_device(value):
            raise TypeError(f"cupy.{name}: a list as {parameter}: not a device array")
        else:
            value = unwrap(value)
        values.append(value)
    return values[:len(args)], dict(zip(kwargs, values[len(args):], strict=True))


def make_function(name):
    """cupy.<name>: the checks, then NumPy's function on the arrays within."""
    numpy_function = find(name, numpy_side=True)

    def function(*args, **kwargs):
        host_args, host_kwargs = check_call(name, args, kwargs)
        result = numpy_function(*host_args, **host_kwargs)
        if kwargs.get("out") is not None:
            return kwargs["out"]
        return ndarray(np.asarray(result)) if name in DEVICE_SCALARS else wrap(result)

    return function


def make_method(name):
    """ndarray.<name>, likewise."""
    numpy_method = find(f"ndarray.{name}", numpy_side=True)

    def method(self, *args, **kwargs):
        host_args, host_kwargs = check_call(f"ndarray.{name}", args, kwargs)
        result = numpy_method(self._host, *host_args, **host_kwargs)
        if kwargs.get("out") is not None:
            return kwargs["out"]
        return self if result is self._host else wrap(result)  # as astype(copy=False) does

    return method


def make_upload(name):
    """cupy.asarray and its kin, which alone take host data."""
    def upload(obj, *args, **kwargs):
        record_call(name, (obj, *args), kwargs)
        kwargs.pop("blocking", None)
        if is_device(obj):
            source = unwrap(obj)
            host = getattr(np, name)(source, *args, **kwargs)
            return obj if host is source else ndarray(host)
        if holds_device(obj):
            raise TypeError(f"cupy.{name} of a list that mixes device and host data")
        record.transfers_to_device += 1
        host = np.array(getattr(np, name)(obj, *args, **kwargs))  # a copy: no memory is shared with the host
        if host.dtype.kind not in "biufc" or host.dtype.char in "gG":
            raise ValueError(f"Unsupported dtype {host.dtype}")
        return ndarray(host)

    return upload


class Ufunc:
    """cupy.<name> for an elementwise function, with the few ufunc methods that CuPy has."""

    def __init__(self, name):
        self.name = self.__name__ = name
        self._function = make_function(name)

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)

    def at(self, a, indices, b=None):
        if str(a.dtype) not in ATOMIC_DTYPES.get(self.name, ()):
            raise TypeError(f"cupy.{self.name}.at does not support {a.dtype}")
        record.calls.append((f"{self.name}.at", 3, ()))
        getattr(np, self.name).at(a._host, host_index(indices), unwrap_operand(b))

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        method = {"add": "sum", "multiply": "prod"}.get(self.name)
        if method is None:
            raise NotImplementedError(f"`{self.name}.reduce` is not supported yet")
        return getattr(array, method)(axis, dtype, out, keepdims)


def host_index(index):
    """An index for NumPy that gives a view wherever CuPy gives one; TypeError for what CuPy would upload."""
    items = []
    for item in index if isinstance(index, tuple) else (index,):
        if isinstance(item, ndarray):
            if item.dtype == bool:
                record.synchronisations += 1  # CuPy counts the True ones
        elif type(item) is bool or not isinstance(item, (int, np.integer, slice, type(None), type(...))):
            raise TypeError(f"index with a {type(item).__name__}: move it to the device first")
        items.append(unwrap(item))
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)  # so that a[0, 0] is a 0-d view and not a copy
    return tuple(items)


class ndarray:
    """A device array: a NumPy array that only the functions of this file can reach."""

    __slots__ = ("_host",)
    __hash__ = None

    def __init__(self, host):
        if not isinstance(host, np.ndarray):
            raise TypeError("make device arrays with cupy.empty, cupy.zeros, cupy.asarray, ...")
        self._host = host

    # Conversions that NumPy would make without a word, and that CuPy forbids or lets pass by dispatch.
    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        # np.float32(2) * x arrives here, and CuPy takes it; for np.float32(2) < x NumPy sends a 0-d array.
        number = isinstance(inputs[0], np.generic) or (ufunc in COMPARISONS and np.ndim(inputs[0]) == 0)
        if method == "__call__" and ufunc.nin == 2 and number and not kwargs:
            return wrap(ufunc(inputs[0], unwrap_operand(inputs[1])))
        raise TypeError(f"np.{ufunc.__name__} of a device array: use xp.{ufunc.__name__}")

    def __array_function__(self, function, types, args, kwargs):
        raise TypeError(f"np.{function.__name__} of a device array: use xp.{function.__name__}")

    def __reduce_ex__(self, protocol):
        raise TypeError("pickling a device array moves it to the host: use `.get()`")

    # Between device and host.
    def get(self, stream=None, order="C", out=None, blocking=True):
        record.transfers_to_host += 1
        if out is None:
            return np.array(self._host, order=order)
        np.copyto(out, self._host, casting="no")
        return out

    def set(self, arr, stream=None):
        if not isinstance(arr, np.ndarray) or arr.dtype != self.dtype or arr.shape != self.shape:
            raise TypeError(f"set() needs a NumPy array of shape {self.shape} and type {self.dtype}")
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        record.transfers_to_device += 1
        self._host[...] = arr

    def tolist(self):
        return self.get().tolist()

    def item(self):
        record.synchronisations += 1
        return self._host.item()

    def __bool__(self):
        record.synchronisations += 1
        return bool(self._host)

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __complex__(self):
        return complex(self.item())

    def __repr__(self):
        record.synchronisations += 1
        return f"device {self._host!r}"

    def __str__(self):
        record.synchronisations += 1
        return str(self._host)

    def __format__(self, specification):
        record.synchronisations += 1
        return format(self._host, specification)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        if self.ndim < 2:
            raise TypeError(f"iterating over a {self.ndim}-d device array: one number at a time")
        record.synchronisations += 1
        return (self[row] for row in range(len(self)))

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    # Indexing.
    def __getitem__(self, index):
        return ndarray(self._host[host_index(index)])

    def __setitem__(self, index, value):
        source = unwrap_operand(value)
        index = host_index(index)
        if any(isinstance(item, np.ndarray) for item in index):
            check_writable(self)
            check_distinct(np.arange(self.size).reshape(self.shape)[index], source)
        else:
            check_writable(self._host[index])
            check_overlap(self._host[index], source)
        self._host[index] = source


OPERATORS = dict(
    add=np.add, sub=np.subtract, mul=np.multiply, truediv=np.true_divide, floordiv=np.floor_divide,
    mod=np.remainder, pow=np.power, lshift=np.left_shift, rshift=np.right_shift, xor=np.bitwise_xor,
    matmul=np.matmul, divmod=np.divmod, **{"and": np.bitwise_and, "or": np.bitwise_or})
COMPARISONS = (np.less, np.less_equal, np.equal, np.not_equal, np.greater, np.greater_equal)
UNARY_OPERATORS = dict(neg=np.negative, pos=np.positive, abs=np.absolute, invert=np.invert)


def add_operators(name, ufunc):
    """Give ndarray a binary operator, its reflection and its in-place form."""
    def forward(self, other):
        return wrap(ufunc(self._host, unwrap_operand(other)))

    def reflected(self, other):
        return wrap(ufunc(unwrap_operand(other), self._host))

    def in_place(self, other):
        check_writable(self)
        ufunc(self._host, unwrap_operand(other), out=self._host)
        return self

    setattr(ndarray, f"__{name}__", forward)
    if ufunc not in COMPARISONS:
        setattr(ndarray, f"__r{name}__", reflected)
        if name not in ("matmul", "divmod"):  # CuPy has no @=
            setattr(ndarray, f"__i{name}__", in_place)


def complete_ndarray():
    """Give ndarray its operators, attributes and methods, which are all alike."""
    for name, ufunc in (*OPERATORS.items(), *zip("lt le eq ne gt ge".split(), COMPARISONS, strict=True)):
        add_operators(name, ufunc)
    for name, ufunc in UNARY_OPERATORS.items():
        setattr(ndarray, f"__{name}__", lambda self, ufunc=ufunc: wrap(ufunc(self._host)))
    for name in "shape dtype ndim size nbytes itemsize strides flags base T mT real imag".split():
        setattr(ndarray, name, property(lambda self, name=name: wrap(getattr(self._host, name))))
    for name in METHODS:
        setattr(ndarray, name, make_method(name))


def asnumpy(*args, **kwargs):
    """The host copy of a device array; a host array as it is."""
    record_call("asnumpy", args, kwargs)
    a, *args = args
    return a.get(*args, **kwargs) if isinstance(a, ndarray) else np.asarray(a)


def get_array_module(*args):
    """The stand-in where one of the arguments is a device array, else numpy."""
    record_call("get_array_module", args, {})
    return MODULES["cupy"] if any(isinstance(arg, ndarray) for arg in args) else np


def is_available():
    """True: there is always a stand-in."""
    record_call("is_available", (), {})
    return True


class Device:
    """cupy.cuda.Device: a GPU of 16 GB, half of it free."""

    mem_info = 8 * 10**9, 16 * 10**9


class MemoryPool:
    """cupy.cuda.MemoryPool, with nothing in it."""

    def free_bytes(self):
        """What was freed and not given back."""
        return 0


def get_default_memory_pool():
    """The pool."""
    return MemoryPool()


def missing(name):
    """The modules' __getattr__."""
    raise AttributeError(f"no {name!r} here: either CuPy lacks it, or strict_cupy.py has yet to list it")


def make_modules():
    """The modules to place in sys.modules, by name."""
    modules = {name: types.ModuleType(name, __doc__) for name in (
        "cupy", "cupy.cuda", "cupy.fft", "cupy.lib", "cupy.lib.stride_tricks", "cupy.linalg",
        "cupyx", "cupyx.scipy", "cupyx.scipy.ndimage")}
    for name, module in modules.items():
        module.__getattr__ = missing
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    cupy = modules["cupy"]
    for name in FUNCTIONS:
        path, _, function = name.rpartition(".")
        module = modules["cupyx.scipy.ndimage" if path == "ndimage" else f"cupy.{path}".strip(".")]
        setattr(module, function, make_function(name))
    for names, make in ((UFUNCS, Ufunc), (UPLOADS, make_upload), (VALUES, functools.partial(getattr, np))):
        for name in names:
            setattr(cupy, name, make(name))
    for thing in (ndarray, asnumpy, get_array_module, is_available, get_default_memory_pool):
        setattr(cupy, thing.__name__, thing)
    cupy.cuda.Device = Device
    cupy.record = record
    cupy.__version__ = real_cupy.__version__ if real_cupy else "14"
    return modules


complete_ndarray()
MODULES = make_modules()
