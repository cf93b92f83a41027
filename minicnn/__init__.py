"""minicnn: convolutional networks by hand on NumPy, and pictures of what they have learnt."""

from minicnn.backend import get_array_module, gpu_available, to_device, to_host
from minicnn.errors import InputError
from minicnn.fast.threads import get_num_threads, set_num_threads
from minicnn.models import Model, Preprocessing, load_model
from minicnn.network import Network, Node, Trace

__version__ = "0.1.0"
__all__ = ["InputError", "Model", "Network", "Node", "Preprocessing", "Trace", "get_array_module",
           "get_num_threads", "gpu_available", "load_model", "set_num_threads", "to_device", "to_host"]
