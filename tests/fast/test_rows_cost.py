"""What passes in step cost: memory in 500 of them, calls and meetings of threads in one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minicnn import get_num_threads, models, set_num_threads

SCRIPT = """if True:
    import numpy as np
    from minicnn import models, set_num_threads

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096 / 1e6

    set_num_threads(2)
    net, rng, open_trace = models.squeezenet1_1().trunk("fire5/concat").fast(), np.random.default_rng(0), None
    for i in range(600):
        if i == 100:
            before = resident()
        x = rng.standard_normal((1 + i % 2, 3, 96 + 8 * (i % 3), 96), np.float32)
        trace = net.forward(x, keep=[net.output])
        net.backward(trace, {net.output: trace.activations[net.output]}, release=i % 5 == 0)
        open_trace = trace if i % 7 == 0 else open_trace
        net.predict(x)
    print(before, resident() - before)"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux says how much memory is resident")
def test_500_passes_without_growth(summary_line):
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    before, growth = map(float, done.stdout.split())
    summary_line(f"500 passes in step: {growth:.1f} MB more than the {before:.0f} MB before")
    assert growth < 5


def test_calls_and_meetings_of_a_pass(summary_line, rng):
    net, before = models.squeezenet1_1(3).fast(), get_num_threads()
    set_num_threads(2)
    trace = net.forward(rng.standard_normal((1, 3, 224, 224), np.float32), keep=["fire9/concat"])
    net.backward(trace, {"fire9/concat": trace.activations["fire9/concat"]})
    set_num_threads(before)
    (passage,) = [cache for cache in trace.caches.of_chains.values() if hasattr(cache, "spaces")]
    (space,), ways = passage.spaces, []
    for steps in (space.forward_calls, *space.backward_calls.values()):
        ways.append((sum(len(calls) for step in steps for calls in step), len(steps) - 1))
    calls, meetings = map(sum, zip(*ways, strict=True))
    summary_line(f"SqueezeNet 1.1 at 224 pixels, 2 threads, there and back: {calls} calls, {meetings} meetings")
    assert len(ways) == 2 and calls <= 1200 and meetings <= 26
