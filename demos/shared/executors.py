"""Where a sweep over many pictures runs, in this process, in several, or on a Dask cluster, and what it keeps."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from demos.shared.command import positive_int
from minicnn.errors import InputError
from minicnn.models.weights import weights_digest
from minicnn.sweep import resume, start_worker

ANSWER = 10  # seconds in which a scheduler has to answer


@contextmanager
def executor_for(workers=1, cluster=None):
    """Yield the executor for `minicnn.sweep`: None for one worker, a pool of processes for more.

    cluster : a Dask scheduler's address, as tcp://host:8786, whose workers have minicnn installed. Raises InputError
    where Dask is not installed and where no scheduler answers.
    """
    if cluster:
        with dask_client(cluster) as client:
            yield client.get_executor()
    elif workers > 1:
        with ProcessPoolExecutor(workers, get_context("spawn"), start_worker) as pool:
            yield pool
    else:
        yield None


def dask_client(address):
    """Dask's Client of the scheduler at the address, to be closed."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--cluster needs Dask: pip install 'minicnn[cluster]'") from None
    try:
        return Client(address, timeout=ANSWER)
    except (OSError, ValueError) as problem:
        raise InputError(f"no Dask scheduler at {address}: {' '.join(str(problem).split())}; start one with: dask "
                         "scheduler") from None


def store_for(folder, net, layer):
    """The store for `minicnn.sweep` in the folder, of what the layer answers; None for no folder."""
    return folder and resume(folder, {"weights_sha256": weights_digest(net), "layer": layer})


def add_sweep_options(parser):
    """--workers, --cluster and --resume."""
    parser.add_argument("--workers", type=positive_int, default=1, metavar="N", help="processes (default 1)")
    parser.add_argument("--cluster", metavar="ADDRESS", help="run on the workers of this Dask scheduler, as "
                        "tcp://host:8786 (pip install 'minicnn[cluster]')")
    parser.add_argument("--resume", metavar="DIR", help="keep the results of each batch in this folder, and go on from "
                        "those that are there")
