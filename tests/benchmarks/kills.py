"""End every demo that can be continued at all points of tests/kill_cases.py: python -m tests.benchmarks.kills [NAME …]

A run that is killed, or ended by a signal, and continued must end in the files of an undisturbed run, byte for byte.
The table shows how many runs were ended. The exit code is 1 if one of them ended in other files. It takes half an hour.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from kill_cases import CASES, all_points  # noqa: E402
from kill_runs import kill_runs  # noqa: E402


def main() -> None:
    """Print a line for each demo, and the points at which it failed."""
    failed = total = 0
    for name in sys.argv[1:] or CASES:
        module, arguments, resume = CASES[name]
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as place:
            problems, ended = kill_runs(f"demos.{module}", arguments, resume, Path(place), all_points(len(name)))
        total += ended
        failed += len(problems)
        print(f"{name:<22} {ended:>4} runs ended, {len(problems)} wrong, {time.perf_counter() - start:.0f} s",
              *problems, sep="\n    ", flush=True)
    print(f"{total} runs ended, {failed} wrong")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
