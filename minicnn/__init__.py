"""minicnn: convolutional networks written by hand on NumPy, and pictures that show how they work."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minicnn.backend import get_array_module, gpu_available, to_device, to_host
    from minicnn.errors import InputError
    from minicnn.fast.threads import get_num_threads, set_num_threads
    from minicnn.models import Model, Preprocessing, load_model
    from minicnn.network import Network, Node, Trace

__version__ = "0.1.0"
__all__ = ["InputError", "Model", "Network", "Node", "Preprocessing", "Trace", "get_array_module",
           "get_num_threads", "gpu_available", "load_model", "set_num_threads", "to_device", "to_host"]

# All are imported at their first use. A command can so take care of signals before it imports NumPy, and
# minicnn.visualize needs SciPy, minicnn.plot Matplotlib, which take a second to import.
MODULES = ("backend", "datasets", "errors", "fast", "files", "gradient_check", "images", "layers", "losses", "models",
           "network", "optimize", "plot", "receptive_field", "sweep", "training", "visualize")
HOMES = {"get_array_module": "backend", "gpu_available": "backend", "to_device": "backend", "to_host": "backend",
         "InputError": "errors", "get_num_threads": "fast.threads", "set_num_threads": "fast.threads",
         "Model": "models", "Preprocessing": "models", "load_model": "models",
         "Network": "network", "Node": "network", "Trace": "network"}


def __getattr__(name: str) -> Any:
    """Import a module, or a name from its module, at its first use (PEP 562)."""
    if name in MODULES:
        return import_module(f"minicnn.{name}")
    if name in HOMES:
        return getattr(import_module(f"minicnn.{HOMES[name]}"), name)
    raise AttributeError(f"module 'minicnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return all public names, imported or not yet, for completion."""
    return sorted({*globals(), *MODULES, *HOMES})
