"""minicnn: convolutional networks by hand on NumPy, and pictures of what they have learnt."""

from minicnn.backend import get_array_module, gpu_available, to_device, to_host
from minicnn.errors import InputError
from minicnn.models import Model, Preprocessing, load_model
from minicnn.network import Network, Node, Trace

__version__ = "0.1.0"
__all__ = ["InputError", "Model", "Network", "Node", "Preprocessing", "Trace", "get_array_module", "gpu_available",
           "load_model", "to_device", "to_host"]
