"""NumPy or CuPy: the arrays decide. The only module that mentions CuPy; nothing here keeps any state.

Code that computes starts with `xp = get_array_module(x)` and then runs on whichever device x lives on.
"""

import os
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray as Array

from minicnn.errors import InputError, unknown_name

__all__ = ["Array", "Generator", "available_memory", "choose_device", "device_of", "get_array_module", "get_ndimage",
           "gpu_available", "gpu_problem", "to_device", "to_host"]


def get_array_module(x):
    """The module, numpy or cupy, whose functions work on the array `x`."""
    if isinstance(x, np.ndarray):
        return np
    import cupy  # only a CuPy array brings us here
    if isinstance(x, cupy.ndarray):
        return cupy
    raise TypeError(f"expected a NumPy or CuPy array, got {type(x).__name__}")


def get_ndimage(x):
    """scipy.ndimage, or CuPy's version of it, for the array `x`."""
    if get_array_module(x) is np:
        import scipy.ndimage as ndimage
    else:
        import cupyx.scipy.ndimage as ndimage
    return ndimage


def gpu_problem():
    """None where CuPy computes on a GPU here, else one line that says what is missing."""
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed: pip install 'minicnn[gpu]'"
    if not cupy.is_available():
        return "CuPy is installed but finds no CUDA driver or GPU"
    try:
        # Availability does not prove that cuBLAS loads; a tiny product does.
        float((cupy.ones((2, 2), "float32") @ cupy.ones((2, 2), "float32")).sum())
    except Exception as problem:  # any of CUDA's many errors means the same to the user
        return f"a tiny matrix product on the GPU failed: {problem}"
    return None


def gpu_available():
    """True where CuPy is installed and a tiny matrix product on the GPU works."""
    return gpu_problem() is None


def choose_device(device):
    """Resolve "auto" to "gpu" or "cpu".

    Raises InputError for "gpu" without a working GPU (naming what is missing) and for an unknown device.
    """
    if device not in ("cpu", "gpu", "auto"):
        raise unknown_name("device", device, ["cpu", "gpu", "auto"])
    if device == "cpu":
        return "cpu"
    problem = gpu_problem()
    if device == "gpu" and problem:
        raise InputError(f"no GPU to run on: {problem}; use --device cpu or auto")
    return "cpu" if problem else "gpu"


def device_of(x):
    """ "cpu" or "gpu": where the array `x` lives."""
    return "cpu" if isinstance(x, np.ndarray) else "gpu"


def available_memory(device):
    """Bytes that are free on "cpu" or "gpu"; None where the system does not say."""
    if device == "gpu":
        import cupy
        return cupy.cuda.Device().mem_info[0] + cupy.get_default_memory_pool().free_bytes()
    try:  # what could be freed for us counts too, which only Linux says
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def to_device(x, device):
    """`x` as an array on "cpu", "gpu" or "auto"; the same object when it already lives there."""
    device = choose_device(device) if device == "auto" else device
    if device == "cpu":
        return to_host(x)
    import cupy
    return cupy.asarray(x)


def to_host(x):
    """`x` as a NumPy array; the same object when it is one already."""
    return x if isinstance(x, np.ndarray) else x.get()
