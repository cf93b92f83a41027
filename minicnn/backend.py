"""NumPy or CuPy: the arrays decide. The only module that mentions CuPy; nothing here keeps any state.

Code that computes starts with `xp = get_array_module(x)` and then runs on the device of x.
"""

import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray as Array

from minicnn.errors import InputError, unknown_name

__all__ = ["Array", "Generator", "available_memory", "choose_device", "device_of", "get_array_module", "get_fft",
           "get_ndimage", "gpu_available", "gpu_problem", "is_device_array", "keep_freed_memory", "to_device",
           "to_host"]


def get_array_module(x: Array) -> ModuleType:
    """Return the module, numpy or cupy, whose functions work on the array `x`.

    >>> get_array_module(np.zeros(3)).__name__
    'numpy'
    """
    if isinstance(x, np.ndarray):
        return np
    if is_device_array(x):
        return sys.modules["cupy"]
    raise TypeError(f"expected a NumPy or CuPy array, got {type(x).__name__}")


def is_device_array(x: object) -> bool:
    """Return whether `x` is an array on the GPU, that is, a CuPy array.

    >>> is_device_array(np.zeros(3)), is_device_array([0.0])
    (False, False)
    """
    cupy = sys.modules.get("cupy")  # a CuPy array exists only after CuPy was imported
    return cupy is not None and isinstance(x, cupy.ndarray)


def get_ndimage(x: Array) -> ModuleType:
    """Return scipy.ndimage, or CuPy's version of it, for the array `x`.

    >>> get_ndimage(np.zeros(3)).__name__
    'scipy.ndimage'
    """
    if get_array_module(x) is np:
        import scipy.ndimage as ndimage
    else:
        import cupyx.scipy.ndimage as ndimage
    return ndimage


def get_fft(x: Array) -> ModuleType:
    """Return scipy.fft, or CuPy's version of it, for the array `x`; both keep float32, unlike older NumPy.

    >>> get_fft(np.zeros(3)).__name__
    'scipy.fft'
    """
    if get_array_module(x) is np:
        import scipy.fft as fft
    else:
        import cupy.fft as fft
    return fft


def gpu_problem() -> str | None:
    """Return None if CuPy computes on a GPU here, otherwise one line that says why not.

    >>> gpu_problem() is None or "CuPy" in gpu_problem() or "GPU" in gpu_problem()
    True
    """
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed; for CUDA 13: pip install cupy-cuda13x"
    if not cupy.is_available():
        return "CuPy is installed but finds no CUDA driver or GPU"
    try:
        # Availability does not prove that cuBLAS loads; a tiny product does.
        float((cupy.ones((2, 2), "float32") @ cupy.ones((2, 2), "float32")).sum())
    except Exception as problem:  # each of CUDA's many errors means the same to the user
        return f"a tiny matrix product on the GPU failed: {problem}"
    return None


def gpu_available() -> bool:
    """Return whether CuPy is installed and a tiny matrix product on the GPU works.

    >>> gpu_available() in (True, False)
    True
    """
    return gpu_problem() is None


def choose_device(device: str) -> str:
    """Return "cpu" or "gpu" for "cpu", "gpu" or "auto".

    Raises InputError if "gpu" does not work here, with the reason, and UnknownNameError for another name.

    >>> choose_device("cpu")
    'cpu'
    """
    if not isinstance(device, str) or device not in ("cpu", "gpu", "auto"):
        raise unknown_name("device", device, ["cpu", "gpu", "auto"])
    if device == "cpu":
        return "cpu"
    problem = gpu_problem()
    if device == "gpu" and problem:
        raise InputError(f"no GPU to run on: {problem}; use --device cpu or auto")
    return "cpu" if problem else "gpu"


def device_of(x: Array) -> str:
    """Return the device of the array `x`, "cpu" or "gpu".

    >>> device_of(np.zeros(3))
    'cpu'
    """
    return "cpu" if isinstance(x, np.ndarray) else "gpu"


def available_memory(device: str) -> int | None:
    """Return the free bytes on "cpu" or "gpu", or None if the system does not tell.

    >>> available_memory("cpu") != 0
    True
    """
    if device == "gpu":
        import cupy
        return cupy.cuda.Device().mem_info[0] + cupy.get_default_memory_pool().free_bytes()
    try:  # Linux also counts memory that it can free for us
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


@cache
def keep_freed_memory() -> None:
    """Allocate and free one 32 MB array, once in a process, so that malloc keeps freed memory. It uses no RAM.

    Linux's C library gives freed memory back to the system above a threshold, and then fetches it again page by page:
    a pass of SqueezeNet at 224 pixels takes up to twice as long. The threshold is twice the size of the largest array
    that was ever freed, up to 32 MB. This array raises it. It is never written to, so it uses no page.

    >>> keep_freed_memory()
    """
    np.empty(2**25 - 2**16, np.uint8)


def to_device(x: Array, device: str) -> Array:
    """Return `x` as an array on "cpu", "gpu" or "auto"; the same object if it is already there.

    >>> to_device(x, "cpu") is x
    True
    """
    device = choose_device(device) if device == "auto" else device
    if device == "cpu":
        return to_host(x)
    import cupy
    return cupy.asarray(x)


def to_host(x: Any) -> Array:
    """Return `x` as a NumPy array; the same object if it is one already.

    >>> to_host(x) is x
    True
    """
    return x if isinstance(x, np.ndarray) else x.get()
