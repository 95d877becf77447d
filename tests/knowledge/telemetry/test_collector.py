"""Samples in, profiles out: real tables, a real folder."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from knowledge.profiles import BaselineIsFixed, ProfileStore
from knowledge.telemetry.batches import MalformedSamples
from knowledge.telemetry.collector import Collector
from tools.ports import PortError
from tools.records import Window
from tools.stats.profile import fold as fold_profiles

START = datetime(2013, 5, 1, tzinfo=UTC)
ALL = Window(start=START, end=START + timedelta(days=30))


def samples(n: int = 600, seed: int = 0, model: str = "badge_dcn", hours: int = 50, **columns: np.ndarray) -> pa.Table:
    """Samples spread over `hours`, two features, two snapshots."""
    rng = np.random.default_rng(seed)
    ts = [START + timedelta(hours=float(h)) for h in np.sort(rng.uniform(0, hours, n))]
    wind = rng.gamma(2.0, 3.0, n).astype(np.float32)
    wind[rng.random(n) < 0.1] = np.nan
    wind[:2] = np.inf, -np.inf
    table = {
        "ts": pa.array(ts, pa.timestamp("us", tz="UTC")),
        "request_id": [f"{seed}-{i // 6}" for i in range(n)],
        "model": [model] * n,
        "snapshot": [f"{model}/{'2013-05-01' if i % 2 else '2013-05-02'}" for i in range(n)],
        "arm": ["early"] * n,
        "f.wind": wind,
        "f.carrier": rng.integers(0, 5, n).astype(np.float32),
        "prediction": rng.random(n).astype(np.float32),
        "label": pa.nulls(n, pa.float32()),
    }
    return pa.table({**table, **{f"f.{name}": values for name, values in columns.items()}})


def test_profiles_count_what_the_samples_hold(tmp_path: Path) -> None:
    store, table = ProfileStore(tmp_path), samples()
    Collector(store).fix_baseline("badge_dcn", table)
    Collector(store).fold(table)
    profiles = store.profiles("badge_dcn", ALL)
    assert [(p.window.start, p.snapshot) for p in profiles] == sorted((p.window.start, p.snapshot) for p in profiles)
    assert all(p.window.seconds == 3600 for p in profiles)
    per_snapshot = [fold_profiles(store.profiles("badge_dcn", ALL, p)) for p in sorted({p.snapshot for p in profiles})]
    both, wind = fold_profiles(per_snapshot), table["f.wind"].to_numpy()
    assert both.features == ("carrier", "wind", "prediction")
    assert both.rows == 600
    assert both.nulls[1] == np.isnan(wind).sum()
    assert both.nonfinite[1] == 2
    assert both.count[1] == both.histogram[1].sum() == np.isfinite(wind).sum()
    assert both.total[1] == pytest.approx(wind[np.isfinite(wind)].astype(float).sum())
    assert both.maximum[1] == wind[np.isfinite(wind)].max()


def test_a_batch_sent_again_changes_nothing_not_even_in_other_pieces_or_with_its_labels(tmp_path: Path) -> None:
    store, table = ProfileStore(tmp_path), samples()
    Collector(store).fold(table)
    before = {path.name: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    Collector(store).fold(table)
    Collector(store).fold(table.slice(100, 300).set_column(8, "label", pa.array(np.ones(300, dtype=np.float32))))
    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*.parquet")} == before


def test_the_order_of_rows_does_not_change_a_bit(tmp_path: Path) -> None:
    table = samples()
    folders = []
    for name, rows in (("one", table), ("two", table.take(np.random.default_rng(1).permutation(len(table))))):
        store = ProfileStore(tmp_path / name)
        Collector(store).fold(rows)
        folders.append([path.read_bytes() for path in sorted((tmp_path / name).rglob("*.parquet"))])
    assert folders[0] == folders[1]


def test_batches_add_up(tmp_path: Path) -> None:
    whole, parts, table = ProfileStore(tmp_path / "a"), ProfileStore(tmp_path / "b"), samples()
    for store in (whole, parts):
        Collector(store).fix_baseline("badge_dcn", table)
    Collector(whole).fold(table)
    for start in range(0, 600, 130):
        Collector(parts).fold(table.slice(start, 130))
    for left, right in zip(whole.profiles("badge_dcn", ALL), parts.profiles("badge_dcn", ALL), strict=True):
        assert (left.window, left.snapshot, left.rows) == (right.window, right.snapshot, right.rows)
        np.testing.assert_array_equal(left.histogram, right.histogram)
        np.testing.assert_allclose(left.total2, right.total2)


def test_models_in_one_table_keep_their_own_features(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path)
    mlp = samples(60, 1, "badge_mlp", seats=np.ones(60)).drop_columns(["f.wind"])
    Collector(store).fold(pa.concat_tables([samples(), mlp], promote_options="default"))
    assert store.profiles("badge_mlp", ALL)[0].features == ("carrier", "seats", "prediction")
    assert store.profiles("badge_dcn", ALL)[0].features == ("carrier", "wind", "prediction")


def test_a_known_feature_that_goes_null_is_counted_and_a_new_one_gets_edges(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path)
    Collector(store).fold(samples())
    later = samples(50, 2, gust=np.linspace(0, 1, 50)).set_column(5, "f.wind", pa.nulls(50, pa.float32()))
    Collector(store).fold(later)
    new = [p for p in store.profiles("badge_dcn", ALL) if "gust" in p.features]
    assert sum(p.rows for p in new) == sum(int(p.nulls[p.features.index("wind")]) for p in new) == 50
    assert sum(p.rows for p in store.profiles("badge_dcn", ALL)) == 650


def test_edges_are_fixed_once(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path)
    Collector(store).fix_baseline("badge_dcn", samples())
    Collector(store).fix_baseline("badge_dcn", samples(seed=3))
    Collector(store).fold(samples(seed=3))
    Collector(store).fix_baseline("badge_dcn", samples(seed=3))
    with pytest.raises(BaselineIsFixed, match=r"send the samples again"):
        Collector(store).fix_baseline("badge_dcn", samples())
    with pytest.raises(MalformedSamples, match="none of the 600 samples is of nobody"):
        Collector(store).fix_baseline("nobody", samples())


def test_a_batch_that_is_not_right_is_refused_whole_with_every_reason(tmp_path: Path) -> None:
    store, table = ProfileStore(tmp_path), samples(10)
    wrong = table.drop_columns(["request_id"]).append_column("f.route", pa.array(["x"] * 10))
    wrong = wrong.set_column(0, "ts", pa.array([0] * 10, pa.timestamp("us")))
    with pytest.raises(MalformedSamples) as refused:
        Collector(store).fold(wrong.append_column("f.prediction", pa.array([1.0] * 10)))
    for reason in ("request_id is missing", "timestamp with a zone", "f.route must be numbers", "may be called"):
        assert reason in str(refused.value)
    snapshots = pa.array([None, *["s"] * 9])
    with pytest.raises(MalformedSamples, match="1 rows have no snapshot"):
        Collector(store).fold(table.set_column(3, "snapshot", snapshots))
    Collector(store).fold(table.slice(0, 0))
    assert store.profiles("badge_dcn", ALL) == []


def test_hostile_model_names_stay_below_the_folder(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path / "profiles")
    for name in ("..", "../../etc", "a/b", "ünï"):
        Collector(store).fold(samples(20, model=name))
        assert sum(p.rows for p in store.profiles(name, ALL)) == 20
    assert [path.name for path in tmp_path.iterdir()] == ["profiles"]


def test_a_damaged_file_says_what_to_do_and_other_days_stay_readable(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path)
    Collector(store).fold(samples())
    damaged = sorted(tmp_path.rglob("2013-05-01.parquet"))[0]
    damaged.write_bytes(b"PAR1 rubbish")
    with pytest.raises(PortError, match="send the samples of that day again"):
        store.profiles("badge_dcn", ALL)
    assert store.profiles("badge_dcn", Window(start=START + timedelta(days=1), end=ALL.end))


def test_a_crash_while_writing_leaves_the_old_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ProfileStore(tmp_path)
    Collector(store).fold(samples())
    before = sum(p.rows for p in store.profiles("badge_dcn", ALL))

    def broken(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pyarrow.parquet.write_table", broken)
        with pytest.raises(OSError, match="no space"):
            Collector(store).fold(samples(seed=5))
    assert sum(p.rows for p in ProfileStore(tmp_path).profiles("badge_dcn", ALL)) == before
    Collector(store).fold(samples(seed=5))
    assert sum(p.rows for p in store.profiles("badge_dcn", ALL)) == 1200


@pytest.mark.parametrize("values", [np.nan, np.inf, -np.inf, 3.0, 1e38, -0.0])
def test_columns_of_one_value(tmp_path: Path, values: float) -> None:
    store = ProfileStore(tmp_path)
    table = samples(40, odd=np.full(40, values, dtype=np.float32))
    Collector(store).fix_baseline("badge_dcn", table)
    Collector(store).fold(table)
    odd = fold_profiles(store.profiles("badge_dcn", ALL))
    at = odd.features.index("odd")
    assert odd.rows == odd.count[at] + odd.nulls[at] + odd.nonfinite[at] == 40
    assert odd.histogram[at].sum() == odd.count[at]
