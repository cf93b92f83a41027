"""minicnn: convolutional networks written by hand on NumPy, and pictures that show how they work."""

from importlib import import_module
from typing import Any

from minicnn.backend import get_array_module, gpu_available, to_device, to_host
from minicnn.errors import InputError
from minicnn.models import Model, Preprocessing, load_model
from minicnn.network import Network, Node, Trace

__version__ = "0.1.0"
__all__ = ["InputError", "Model", "Network", "Node", "Preprocessing", "Trace", "get_array_module",
           "get_num_threads", "gpu_available", "load_model", "set_num_threads", "to_device", "to_host"]

# Imported when first used: minicnn.visualize needs SciPy, minicnn.plot Matplotlib, which take a second to import.
MODULES = ("datasets", "fast", "gradient_check", "images", "losses", "optimize", "plot", "receptive_field", "sweep",
           "training", "visualize")


def __getattr__(name: str) -> Any:
    """Import a module or a function of minicnn.fast at its first use (PEP 562)."""
    if name in MODULES:
        return import_module(f"minicnn.{name}")
    if name in ("get_num_threads", "set_num_threads"):
        return getattr(import_module("minicnn.fast.threads"), name)
    raise AttributeError(f"module 'minicnn' has no attribute {name!r}")
