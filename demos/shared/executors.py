"""The executor of a sweep over many images (this process, several processes, or a Dask cluster), and its store."""

from argparse import ArgumentParser
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minicnn.errors import InputError
from minicnn.models.weights import weights_digest
from minicnn.network import Network
from minicnn.sweep import Store, process_pool, resume

from .claim import claim
from .command import positive_int

TIMEOUT = 10  # seconds to wait for a Dask scheduler


@contextmanager
def executor_for(workers: int = 1, cluster: str | None = None) -> Iterator[Executor | None]:
    """Yield the executor for `minicnn.sweep`: None for one worker, a pool of processes for more.

    cluster : the address of a Dask scheduler, such as tcp://host:8786. Its workers need minicnn. Raises InputError if
    Dask is not installed or no scheduler answers.
    """
    if cluster:
        with dask_client(cluster) as client:
            yield client.get_executor()
    elif workers > 1:
        with process_pool(workers) as pool:
            yield pool
    else:
        yield None


def dask_client(address: str) -> Any:
    """Return Dask's Client of the scheduler at the address. The caller closes it."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--cluster needs Dask: pip install distributed") from None
    try:
        return Client(address, timeout=TIMEOUT)
    except (OSError, ValueError) as problem:
        raise InputError(f"no Dask scheduler at {address}: {' '.join(str(problem).split())}; start one with: dask "
                         "scheduler") from None


def store_for(folder: str | Path | None, net: Network, layer: str) -> Store | None:
    """Claim the folder and return its Store for a sweep over the activations of a layer; None without a folder."""
    if not folder:
        return None
    store = resume(folder, {"weights_sha256": weights_digest(net), "layer": layer})
    claim(store.folder)
    return store


def add_sweep_options(parser: ArgumentParser) -> None:
    """Add --workers, --cluster and --resume."""
    parser.add_argument("--workers", type=positive_int, default=1, metavar="N",
                        help="number of processes (default: 1)")
    parser.add_argument("--cluster", metavar="ADDRESS", help="address of a Dask scheduler whose workers run the sweep, "
                        "such as tcp://host:8786 (pip install distributed) (default: none)")
    parser.add_argument("--resume", metavar="DIR", help="folder that keeps the result of each batch; results that it "
                        "holds are not computed again (default: none, all are computed)")
