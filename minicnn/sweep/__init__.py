"""Call a function for many batches, in this thread, on each core, or on several machines, and continue after a stop."""

from minicnn.sweep.batches import Outcome, require_sweep, sweep
from minicnn.sweep.networks import network_function
from minicnn.sweep.processes import process_pool, start_worker
from minicnn.sweep.store import Store, resume

__all__ = ["Outcome", "Store", "network_function", "process_pool", "require_sweep", "resume", "start_worker", "sweep"]
