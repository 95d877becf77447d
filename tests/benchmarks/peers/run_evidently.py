"""What Evidently needs for a summary and the drift of every feature: `python run_evidently.py MATRIX.npz`, with its own
Python.

Prints the seconds of one report, after one on few rows.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset, DataSummaryPreset


def main() -> None:
    """Measure, and print one JSON line."""
    reference, current = (pd.DataFrame(rows).add_prefix("f") for rows in np.load(sys.argv[1]).values())
    report = Report([DataSummaryPreset(), DataDriftPreset()])
    report.run(current[:1000], reference[:1000])
    start = time.perf_counter()
    report.run(current, reference)
    print(json.dumps({"seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
