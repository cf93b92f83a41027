"""How long `import minicnn` takes beyond NumPy's own import: python tests/benchmarks/import_time.py"""

import statistics
import subprocess
import sys

RUNS = 15
CODE = "import time, numpy; start = time.perf_counter(); import minicnn; print(time.perf_counter() - start)"

if __name__ == "__main__":
    seconds = [float(subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout)
               for _ in range(RUNS)]
    print(f"import minicnn after numpy, {RUNS} runs: median {statistics.median(seconds):.3f} s, "
          f"worst {max(seconds):.3f} s (to reach: under 0.2 s)")
