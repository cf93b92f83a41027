"""Where a sweep over many pictures runs: in this process, in several, or on a Dask cluster."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from minicnn.errors import InputError
from minicnn.visualize.sweep import start_worker

ANSWER = 10  # seconds in which a scheduler has to answer


@contextmanager
def executor_for(workers=1, cluster=None):
    """Yield the executor for `minicnn.visualize.sweep`: None for one worker, a pool of processes for more.

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
