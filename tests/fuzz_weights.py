"""Damaged weights files by the thousand, in a process of its own: fuzz_weights.py FILE SEED WRITTEN [OPTION ...]

Cuts, flipped bits and absurd lengths, each given to the converter's main. Every one must end in one line and exit
code 2 with nothing written, or in a file whose warning was printed, within ten seconds and without a flood of memory;
a crash or a hang ends this process. WRITTEN is 1, or N for large files: of those that can be converted all values are
read, but only every Nth is written, as HDF5 would take most of the time. Prints what came of how many.
"""

import faulthandler
import io
import json
import resource
import sys
import tempfile
from collections import Counter
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import numpy as np

from weights_converter.__main__ import main

SECONDS = 10
MEMORY = 2**30  # bytes of addresses beyond what the libraries took
LENGTHS = (2**64 - 1, 2**63, 2**63 - 1, 2**32 - 1, 2**31, 2**31 - 1, 2**40, 0)


def damaged(content, rng, cuts=50, flips=1000, lengths=250):
    """Damaged copies of the bytes; half of the flips are near the ends, where headers are, and not in values."""
    for length in np.linspace(0, len(content) - 1, cuts).astype(int):
        yield content[:length]
    for i in range(flips):
        place = rng.integers(len(content))
        if i % 2:
            place = rng.integers(min(1000, len(content))) * (1 if i % 4 == 1 else -1)
        yield changed(content, place, bytes([content[place] ^ 1 << rng.integers(8)]))
    for _ in range(lengths):
        size = int(rng.choice([4, 8]))
        field = (LENGTHS[rng.integers(len(LENGTHS))] % 256**size).to_bytes(size, rng.choice(["little", "big"]))
        place = rng.integers(min(2000, len(content) - size))
        yield changed(content, place if rng.random() < 0.7 else len(content) - size - place, field)


def changed(content, place, replacement):
    """A copy with other bytes from `place` on, which may count from the end."""
    copy = bytearray(content)
    place %= len(content)
    copy[place:place + len(replacement)] = replacement
    return bytes(copy[:len(content)])


def outcome(folder, content, options, good=False):
    """What main makes of the bytes; AssertionError where that is not allowed."""
    source, output = folder / "source", folder / "out.h5"
    source.write_bytes(content)
    said, complained = io.StringIO(), io.StringIO()
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    with redirect_stdout(said), redirect_stderr(complained):
        code = main([str(source), "-o", str(output), *options])
    faulthandler.cancel_dump_traceback_later()
    said, complained = said.getvalue(), complained.getvalue()
    if code == 0:
        assert good or "warning: no published file with sha256" in said, said
        output.unlink()
        return "converted with a warning"
    assert not good, complained
    assert code == 2 and complained.count("\n") == 1 and "not enough memory" not in complained, complained
    assert len(complained) < 10_000, complained[:1000]
    assert list(folder.iterdir()) == [source]
    return "refused"


def without_writing(path, arrays, header):
    """In place of write_arrays: reads all values, and makes an empty file."""
    for _, _, blocks in arrays:
        for _ in blocks:
            pass
    Path(path).touch()


def run(path, seed, written, options):
    """Count the outcomes over all damaged copies of a file, which is good itself; print them."""
    content, rng = Path(path).read_bytes(), np.random.default_rng(seed)
    counts = Counter()
    with tempfile.TemporaryDirectory() as folder:
        outcome(Path(folder), content, options, good=True)  # the libraries are loaded now
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        addresses = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (addresses + MEMORY, addresses + MEMORY))
        for i, copy in enumerate(damaged(content, rng)):
            with patch("weights_converter.convert.write_arrays", without_writing) if i % written else nullcontext():
                counts[outcome(Path(folder), copy, options)] += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
    print(json.dumps({**counts, "megabytes": round(grown)}))


if __name__ == "__main__":
    faulthandler.enable()
    run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
