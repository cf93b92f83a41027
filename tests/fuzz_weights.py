"""Convert thousands of damaged copies of a weights file, in one process.

fuzz_weights.py FILE SEED WRITTEN [OPTION ...]

A copy is truncated, has a flipped bit, or has an absurd length field. Each is given to the converter's main. It must
end in one line and exit code 2 with nothing written, or in a converted file after a warning, within ten seconds and
with bounded memory. With the option --load each copy is given to load_model instead, which must return a model or
raise a one-line InputError. A crash or a hang ends this process. WRITTEN is 1, or N for large files: then all values
are read, but only every Nth converted copy is written, because HDF5 would take most of the time. Prints the number of
each outcome as JSON.
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

from minicnn.errors import InputError
from minicnn.models import load_model
from weights_converter.__main__ import main

SECONDS = 10
MEMORY = 2**30  # bytes of address space in addition to the libraries
LENGTHS = (2**64 - 1, 2**63, 2**63 - 1, 2**32 - 1, 2**31, 2**31 - 1, 2**40, 0)


def damaged(content, rng, cuts=20, flips=160, lengths=60):
    """Yield damaged copies of the bytes. Half of the flipped bits are near the ends, where the headers are."""
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
    """Return a copy with other bytes from `place` on; a negative `place` counts from the end."""
    copy = bytearray(content)
    place %= len(content)
    copy[place:place + len(replacement)] = replacement
    return bytes(copy[:len(content)])


def outcome(folder, content, options, good=False):
    """Convert the bytes and return the outcome. Raises AssertionError if it is not an allowed one."""
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


def loaded(folder, content, options, good=False):
    """Load the bytes with load_model and return the outcome. Raises AssertionError if it is not an allowed one."""
    source = folder / "source.h5"
    source.write_bytes(content)
    said = io.StringIO()
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    with redirect_stdout(said), redirect_stderr(said):
        try:
            model = load_model(source, device="cpu")
        except InputError as problem:
            model, line = None, str(problem)
    faulthandler.cancel_dump_traceback_later()
    assert said.getvalue() == ""
    if model is not None:
        assert model.net.num_parameters() > 0
        return "loaded"
    assert not good, line
    assert line.isprintable() and str(source) in line and len(line) < 10_000, line[:1000]
    return "refused"


def without_writing(path, arrays, header):
    """Replace write_arrays: read all values and make an empty file."""
    for _, _, blocks in arrays:
        for _ in blocks:
            pass
    Path(path).touch()


def run(path, seed, written, options):
    """Count and print the outcomes of all damaged copies of a good file."""
    content, rng = Path(path).read_bytes(), np.random.default_rng(seed)
    attempt = loaded if options == ["--load"] else outcome
    counts = Counter()
    with tempfile.TemporaryDirectory() as folder:
        attempt(Path(folder), content, options, good=True)  # loads the libraries, before the limit is set
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        addresses = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (addresses + MEMORY, addresses + MEMORY))
        for i, copy in enumerate(damaged(content, rng)):
            with patch("weights_converter.convert.write_arrays", without_writing) if i % written else nullcontext():
                counts[attempt(Path(folder), copy, options)] += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
    print(json.dumps({**counts, "megabytes": round(grown)}))


if __name__ == "__main__":
    faulthandler.enable()
    run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
