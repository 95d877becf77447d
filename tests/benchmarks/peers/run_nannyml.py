"""What NannyML needs for the drift of every feature: `python run_nannyml.py MATRIX.npz`, with its own Python.

Prints the seconds of one calculation, after one on few rows. What it learns of the reference is not counted.
"""

import json
import sys
import time

import nannyml
import numpy as np
import pandas as pd


def main() -> None:
    """Measure, and print one JSON line."""
    reference, current = (pd.DataFrame(rows).add_prefix("f") for rows in np.load(sys.argv[1]).values())
    names = list(reference.columns)
    calculator = nannyml.UnivariateDriftCalculator(column_names=names, chunk_number=1)
    calculator.fit(reference)
    calculator.calculate(current[:1000])
    start = time.perf_counter()
    calculator.calculate(current)
    print(json.dumps({"seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
