"""A network on the workers of a Dask cluster. Imported only for an executor of Dask, which is an optional package."""

import hashlib
import pickle
import weakref
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from distributed import Client, WorkerPlugin, get_worker

from minicnn.network import Network

__all__ = ["function_on_cluster"]


class KeptNetwork(WorkerPlugin):
    """A pickled network that the cluster sends once to each worker, also to one that joins later."""

    def __init__(self, packed: bytes) -> None:
        self.packed = packed
        self.name = f"minicnn-{hashlib.sha256(packed).hexdigest()[:16]}"


def function_on_cluster(function: Callable[[Network, Any], Any], net: Network, client: Client) -> Callable[[Any], Any]:
    """Return function(net, x) as a function of x alone that carries only the network's name.

    The workers drop the network when the returned function is no longer used.
    """
    kept = KeptNetwork(pickle.dumps(net))
    client.register_plugin(kept)
    result = partial(_call_with_kept, function, kept.name)
    weakref.finalize(result, _drop, client, kept.name)
    return result


def _call_with_kept(function: Callable[[Network, Any], Any], name: str, x: Any) -> Any:
    kept: Any = get_worker().plugins[name]
    return function(_unpack(kept.packed), x)


@lru_cache(maxsize=2)
def _unpack(packed: bytes) -> Network:
    """Return the network. It stays in memory, with its transformed weights, for the next batch."""
    network: Network = pickle.loads(packed)
    return network


def _drop(client: Client, name: str) -> None:
    if client.status == "running":
        client.unregister_worker_plugin(name)
