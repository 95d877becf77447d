"""How a dataset looked over time, put together from what the runs say that wrote it and that read it."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from knowledge.ingest.openlineage_statistics import composed, without_figures
from knowledge.lineage_times import from_microseconds, microseconds
from tools.records import DatasetStatistics, Window

_ROWS = """
select s.ts, s.written, s.parts, r.run, j.node as job from lineage_nodes n
join lineage_statistics s on s.node = n.id join lineage_runs r on r.id = s.run join lineage_nodes j on j.id = r.job
where n.node = ? and s.ts >= ? and s.ts < ? order by s.ts, j.node, r.run
"""


@dataclass(frozen=True)
class _Row:
    written: bool
    statistics: DatasetStatistics

    @property
    def has_figures(self) -> bool:
        return self.statistics != without_figures(self.statistics)


def statistics_of(db: Database, node: str, window: Window) -> Sequence[DatasetStatistics]:
    """One series of a dataset, oldest first.

    Where runs that write the dataset describe it, theirs are the figures: a reader may see only a part of it. Where
    none does, those of the reader that describes it most often are. What other readers have checked (assertions) is
    said of what was last described before.
    """
    found = db.query(_ROWS, [node, microseconds(window.start), microseconds(window.end)])
    rows = [_Row(bool(row["written"]), _statistics(node, row)) for row in found]
    if not all(row.written for row in rows):
        rows = _by_one_teller(rows)
    return [row.statistics for row in rows]


def _by_one_teller(rows: list[_Row]) -> list[_Row]:
    """Put the checks of the others to the series of those that describe the dataset."""
    written = any(row.written and row.has_figures for row in rows)
    count = Counter(row.statistics.job for row in rows if row.has_figures)
    teller = min(count, key=lambda job: (-count[job], job or ""), default=None)
    series: list[_Row] = []
    for row in rows:
        if row.has_figures and (row.written if written else row.statistics.job == teller):
            series.append(row)
        elif row.statistics.assertions:
            checked = without_figures(row.statistics)
            if series:
                series[-1] = _checked(series[-1], checked)
            else:
                series.append(_Row(row.written, checked))
    return series


def _checked(row: _Row, checks: DatasetStatistics) -> _Row:
    """The later check of the same thing stands."""
    merged = {(check.assertion, check.column): check for check in (*row.statistics.assertions, *checks.assertions)}
    return _Row(row.written, row.statistics.model_copy(update={"assertions": tuple(merged.values())}))


def _statistics(node: str, row: dict[str, Any]) -> DatasetStatistics:
    parts = {name: part for name, (_, part) in json.loads(row["parts"]).items()}
    told = {"node": node, "ts": from_microseconds(row["ts"]), "job": row["job"], "run": row["run"]}
    return DatasetStatistics.model_validate(told | composed(parts))
