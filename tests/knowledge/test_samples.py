"""Samples as rows: the newest of each model, whatever the batches, and nothing twice."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.profiles import ProfileStore
from knowledge.samples import OLDEST, RecentSamples
from knowledge.telemetry.batches import MalformedSamples
from knowledge.telemetry.collector import Collector
from tools.ports import PortError
from tools.records import Samples, Window

START = datetime(2013, 5, 1, tzinfo=UTC)
LATER = START + timedelta(days=300)
MODEL = "ranking/ctr"


def batch(minutes: list[int], snapshot: str = "s1", model: str = MODEL, **columns: object) -> pa.Table:
    """One row a minute of the list; `f.x` is the minute, so that a row can be told by it."""
    n = len(minutes)
    table = {
        "ts": pa.array([START + timedelta(minutes=m) for m in minutes], pa.timestamp("us", tz="UTC")),
        "request_id": [f"user-{m}" for m in minutes],
        "model": [model] * n,
        "snapshot": [snapshot] * n,
        "seg.origin": ["JFK"] * n,
        "f.x": pa.array(minutes, pa.float32()),
        "prediction": pa.array([m / 1000 for m in minutes], pa.float32()),
        "label": pa.nulls(n, pa.float32()),
    }
    return pa.table({**table, **{f"f.{name}": values for name, values in columns.items()}})


class Door:
    """The collector over one folder, with the rows kept beside the profiles."""

    def __init__(self, folder: Path, kept: int = 100) -> None:
        self.folder, self.kept = folder, kept
        self.profiles = ProfileStore(folder / "profiles")
        self.rows = RecentSamples(folder / "samples", kept)

    def send(self, table: pa.Table) -> None:
        Collector(self.profiles, self.rows).fold(table)

    def recent(self, most: int = 1000, before: datetime = LATER, snapshot: str | None = None) -> Samples:
        return self.rows.recent(MODEL, before, most, snapshot)

    def minutes(self, most: int = 1000, before: datetime = LATER, snapshot: str | None = None) -> list[float]:
        found = self.recent(most, before, snapshot)
        return [] if not len(found) else found.features["x"].tolist()


def test_rows_come_back_as_they_were_served(tmp_path: Path) -> None:
    door = Door(tmp_path)
    assert len(door.recent()) == 0
    door.send(batch([5, 3], gust=pa.array([None, np.inf], pa.float64()), carrier=pa.array([7, 2], pa.int64())))
    found = door.recent()
    assert found.ts.tolist() == [int((START + timedelta(minutes=m)).timestamp()) for m in (3, 5)]
    assert found.snapshot.tolist() == ["s1", "s1"]
    np.testing.assert_array_equal(found.features["gust"], [np.inf, np.nan])
    np.testing.assert_array_equal(found.features["carrier"], [2, 7])
    np.testing.assert_allclose(found.prediction, [0.003, 0.005], rtol=1e-6)
    assert all(values.dtype == np.float64 for values in found.features.values())


def test_only_the_newest_are_kept_and_what_is_asked_for_is_given(tmp_path: Path) -> None:
    door = Door(tmp_path, kept=4)
    door.send(batch([1, 2, 3, 4, 5, 6]))
    door.send(batch([9, 8, 7], snapshot="s2"))
    assert door.minutes() == [6, 7, 8, 9]
    assert door.minutes(most=2) == [8, 9]
    assert door.minutes(before=START + timedelta(minutes=8)) == [6, 7]
    assert door.minutes(snapshot="s1") == [6]
    assert door.minutes(snapshot="none") == []
    assert len(door.rows.recent("another", LATER, 10)) == 0
    assert len(door.recent(most=0)) == 0


@settings(max_examples=8, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=9), min_size=1, max_size=45), st.integers(1, 30))
def test_neither_the_order_of_batches_nor_sending_again_matters(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], kept: int
) -> None:
    """A minute is one sample here: whatever is sent how often, the newest `kept` minutes come back."""
    door = Door(tmp_path_factory.mktemp("rows"), kept)
    unique = [sorted(set(minutes)) for minutes in batches]
    for minutes in (*unique, *unique[:3]):
        door.send(batch(minutes))
    expected = sorted({minute for minutes in unique for minute in minutes})[-kept:]
    assert door.minutes() == expected
    assert Door(door.folder, kept).minutes() == expected, "also after a restart"


def test_many_batches_become_few_files_with_few_rows(tmp_path: Path) -> None:
    door = Door(tmp_path, kept=50)
    for minute in range(70):
        door.send(batch([minute]))
    files = list((tmp_path / "samples").rglob("*.parquet"))
    assert len(files) <= 33
    assert sum(pq.read_metadata(path).num_rows for path in files) <= 50 + 33
    assert door.minutes() == list(range(20, 70))


def test_a_crash_while_files_are_written_together_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(tmp_path, kept=500)
    for minute in range(32):
        door.send(batch([minute]))

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            door.send(batch([32]))
    again = Door(tmp_path, kept=500)
    assert again.minutes() == list(range(33))
    again.send(batch([32, 33]))
    assert again.minutes() == list(range(34))


def test_what_is_far_older_than_the_newest_is_dropped(tmp_path: Path) -> None:
    door = Door(tmp_path)
    month = OLDEST // timedelta(minutes=1)
    door.send(batch([0, 10]))
    door.send(batch([month + 5]))
    assert door.minutes() == [10, month + 5]


def test_sequences_and_bags_are_padded_behind_their_end(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.send(batch([1, 2, 3], clicks=pa.array([[4, 5], None, []], pa.list_(pa.int64()))))
    door.send(batch([4], clicks=pa.array([[1.5, None, 2.5]], pa.large_list(pa.float32()))))
    door.send(batch([5], clicks=pa.array([[7, 8]], pa.list_(pa.int32(), 2))))
    nan = np.nan
    expected = [[4, 5, nan], [nan, nan, nan], [nan, nan, nan], [1.5, nan, 2.5], [7, 8, nan]]
    np.testing.assert_array_equal(door.recent().features["clicks"], expected)
    profile = door.profiles.profiles(MODEL, _all())[0]
    assert profile.features == ("x", "prediction"), "a sequence has no profile"


def test_a_number_that_becomes_a_sequence_is_one_of_a_single_value(tmp_path: Path) -> None:
    door = Door(tmp_path)
    for minute in range(33):
        values = pa.array([[1.0, 2.0]]) if minute % 2 else pa.array([minute], pa.float64())
        door.send(batch([minute], clicks=values))
    door.send(batch([40]))
    clicks = door.recent().features["clicks"]
    np.testing.assert_array_equal(clicks[:2], [[0, np.nan], [1, 2]])
    np.testing.assert_array_equal(clicks[-1], [np.nan, np.nan])


def test_rows_that_differ_in_a_sequence_only_are_two(tmp_path: Path) -> None:
    door = Door(tmp_path)
    for clicks in ([1, 2], [2, 1], [1, 2], [1], []):
        door.send(batch([1], clicks=pa.array([clicks], pa.list_(pa.int64()))))
    assert len(door.recent()) == 4
    assert sum(p.rows for p in door.profiles.profiles(MODEL, _all())) == 4


def test_nothing_is_kept_that_a_run_does_not_need(tmp_path: Path) -> None:
    Door(tmp_path).send(batch([1, 2]))
    (file,) = (tmp_path / "samples").rglob("*.parquet")
    assert pq.read_schema(file).names == ["ts", "snapshot", "prediction", "f.x", "label", "request", "print"]
    assert b"user-1" not in file.read_bytes()


def test_keeping_none_removes_what_was_kept(tmp_path: Path) -> None:
    Door(tmp_path).send(batch([1, 2]))
    none = Door(tmp_path, kept=0)
    none.send(batch([3]))
    assert len(none.recent()) == 0
    assert not (tmp_path / "samples").exists()


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.send(batch([1]))
    (file,) = (tmp_path / "samples").rglob("*.parquet")
    file.write_bytes(b"PAR1 rubbish")
    for ask in (door.recent, lambda: door.send(batch([2]))):
        with pytest.raises(PortError, match="cannot be read.*Delete it"):
            ask()


@pytest.mark.parametrize("lacking", ["request", "print"])
def test_a_file_of_another_version_is_named_with_what_it_lacks_and_what_to_do(tmp_path: Path, lacking: str) -> None:
    door = Door(tmp_path)
    door.send(batch([1]))
    (file,) = (tmp_path / "samples").rglob("*.parquet")
    pq.write_table(pq.read_table(file, partitioning=None).drop_columns([lacking]), file)
    with pytest.raises(PortError, match=f"{file.name} has no {lacking}: another version wrote it. Delete"):
        door.recent()


@pytest.mark.parametrize("column", [pa.array([["a"]]), pa.array([[[1]]]), pa.array([2**60], pa.int64())])
def test_values_that_are_no_numbers_or_cannot_be_held_are_refused(tmp_path: Path, column: pa.Array) -> None:
    with pytest.raises(MalformedSamples, match=r"f\.odd (must be numbers|holds ids beyond 2\^53)"):
        Door(tmp_path).send(batch([1], odd=column))


def test_times_that_are_yet_to_come_are_refused(tmp_path: Path) -> None:
    table = batch([1])
    ahead = pa.array([datetime.now(UTC) + timedelta(days=400)], pa.timestamp("us", tz="UTC"))
    with pytest.raises(MalformedSamples, match="1 rows have a ts that is yet to come"):
        Door(tmp_path).send(table.set_column(0, "ts", ahead))


def test_models_with_odd_names_stay_below_the_folder(tmp_path: Path) -> None:
    door = Door(tmp_path / "in")
    for model in ("..", "../../etc", "a/b"):
        door.send(batch([1], model=model))
        assert len(door.rows.recent(model, LATER, 5)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def _all() -> Window:
    return Window(start=START, end=LATER)
