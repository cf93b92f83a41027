"""A function of a network and a batch, on workers that get the network pickled."""

import pickle
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any

from minicnn.errors import InputError
from minicnn.network import Network

__all__ = ["dask_client", "is_killed_worker", "network_function"]


def network_function(function: Callable[[Network, Any], Any], net: Network,
                     executor: Executor | None = None) -> Callable[[Any], Any]:
    """Return function(net, x) as a function of x alone, for `sweep` on this executor.

    Other processes get the network pickled, and each unpickles it once. Each worker of a Dask cluster is sent the
    network once; the processes of a pool get it with each batch, through a pipe.
    Raises InputError if the executor uses other processes and the network is on the GPU.

    >>> scores = network_function(minicnn.Network.predict, net)
    >>> scores(x).shape
    (1, 12)
    """
    if executor is None or isinstance(executor, ThreadPoolExecutor):
        return partial(function, net)
    if net.device != "cpu":
        raise InputError("a network on the GPU works only in this process: use no executor, or --device cpu")
    if client := dask_client(executor):
        from minicnn.sweep.cluster import function_on_cluster

        return function_on_cluster(function, net, client)
    return partial(_unpack_and_call, function, pickle.dumps(net))


def _unpack_and_call(function: Callable[[Network, Any], Any], packed: bytes, x: Any) -> Any:
    return function(_unpack(packed), x)


@lru_cache(maxsize=2)
def _unpack(packed: bytes) -> Network:
    """Return the network. It stays in memory, with its transformed weights, for the next batch."""
    return pickle.loads(packed)


def dask_client(executor: Executor | None) -> Any:
    """Return the Client of an executor of Dask, None for other executors."""
    return getattr(executor, "_client", None) if type(executor).__module__.startswith("distributed") else None


def is_killed_worker(problem: BaseException | None) -> bool:
    """Return whether Dask has given a batch up because the workers that held it died."""
    return type(problem).__name__ == "KilledWorker" and type(problem).__module__.startswith("distributed")
