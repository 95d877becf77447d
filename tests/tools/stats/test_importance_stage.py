"""The confirming stage over real snapshots that are trained day by day."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.tools import walked
from tests.tools.ports import InMemoryPorts, InMemoryWeights
from tools.feature_ranking import FeatureRankingFacts
from tools.ports import PortError, UnreadableArtifact
from tools.records import Samples, Window
from tools.stats import importance_stage
from tools.stats.importance_report import ImportanceFacts, evidence_of, facts_of, rows_of
from tools.stats.importance_stage import Confirmation, confirm

DAYS = 13
END = walked.START + timedelta(days=DAYS)
WINDOW = Window(start=END - timedelta(hours=6), end=END)


def fresh_table(state: dict[str, Tensor]) -> None:
    state["tables.1.weight"] = torch.zeros_like(state["tables.1.weight"])


def served(days: int = DAYS, reset: bool = False) -> InMemoryPorts:
    """Snapshots of `days`, and samples of the day before the last and of its last hours."""
    line = walked.line("dlrm", DAYS, seed=3)
    programs = [line.at(day) for day in range(DAYS - days, DAYS - 1)]
    programs.append(line.at(DAYS - 1, fresh_table if reset else None))
    newest = f"m/{len(programs) - 1:02}"
    rows = walked.joined(
        walked.samples(*line.rows(DAYS - 2, 400), WINDOW.start - timedelta(hours=12)),
        walked.samples(*line.rows(DAYS - 1, 300), WINDOW.start, newest),
    )
    ports = walked.ports(programs, rows)
    weights = {
        f"m/{day:02}": {program.weight_names[name]: value.numpy() for name, value in program.weights.items()}
        for day, program in enumerate(programs)
    }
    return InMemoryPorts(
        ports.metrics, ports.models, ports.profiles, InMemoryWeights(weights), ports.programs, ports.samples
    )


def answered(ports: InMemoryPorts) -> Confirmation:
    told = confirm(ports, "m", WINDOW, ("dense_1",))
    assert isinstance(told, Confirmation), told
    return told


def test_an_ordinary_day_changes_nothing() -> None:
    told = answered(served())
    assert told.changed is False
    assert told.without_drift(()) is False
    assert (told.snapshot, told.against) == ("m/12", "m/11")
    assert (told.days, told.looked, told.known) == (11, 7, 7)
    assert all(np.isfinite([one.now, one.low, one.high, one.z, one.update]).all() for one in told.features.values())
    facts = facts_of(told, "dense_1", ("dense_1",), ("dense_1",))
    assert facts["importance_changed_without_drift"] is False
    assert facts["unused"] is False
    assert evidence_of(told, ("dense_1",), ())[-1].bearing == "against"


def test_a_table_that_was_emptied_counts_for_nothing_and_the_snapshot_is_asked() -> None:
    told = answered(served(reset=True))
    one = told.features["id_1"]
    assert one.now == 0.0
    assert one.high < 0
    assert max(told.features.values(), key=lambda one: abs(one.z)).feature == "id_1"
    assert one.changed
    assert told.furthest == "id_1"
    assert one.update_z > 5
    assert [name for name, other in told.features.items() if other.changed] == ["id_1"]
    sure = replace(told, changed=True)  # eleven days are too few to be sure of the day itself
    assert sure.without_drift(()) is True
    assert sure.without_drift(("id_1",)) is False
    assert one.ruling == "cleared"
    assert [row.feature for row in rows_of(told, ("dense_1",))][:2] == ["dense_1", "id_1"]
    assert "predictions move when id_1 is taken away went from" in evidence_of(sure, (), ())[-1].claim
    assert facts_of(sure, None, (), ())["importance_feature"] == "id_1"


def test_a_short_history_is_said_to_be_one() -> None:
    told = answered(served(days=5))
    assert told.changed is None
    assert told.without_drift(()) is None
    assert any("say what is usual" in sentence for sentence in told.not_checked)
    assert told.would_settle == ("more published snapshots of m as exported programs",)
    assert facts_of(told, None, (), ())["importance_changed_without_drift"] is None


def test_what_cannot_be_run_is_named() -> None:
    ports = served()
    ports.programs.failing["m/04"] = UnreadableArtifact("m_04.pt2 is refused: it is no zip")
    told = answered(ports)
    assert told.days == 9
    assert any("m/04" in sentence and "no zip" in sentence for sentence in told.not_checked)
    ports.programs.failing["m/12"] = UnreadableArtifact("m/12 has no program to run")
    reason = confirm(ports, "m", WINDOW, ())
    assert isinstance(reason, str)
    assert "no program" in reason
    ports.samples.by_model["m"] = Samples.none()
    assert "0 recent samples" in str(confirm(ports, "m", WINDOW, ()))
    ports.samples.failing["m"] = PortError("rows.parquet cannot be read")
    assert "rows.parquet" in str(confirm(ports, "m", WINDOW, ()))


def test_of_many_features_the_suspects_and_some_others_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance_stage, "MOST_FEATURES", 4)
    ports = served(days=3)
    some = confirm(ports, "m", WINDOW, ("id_2",))
    everything = confirm(ports, "m", WINDOW, ("id_2",), everything=True)
    assert isinstance(some, Confirmation)
    assert isinstance(everything, Confirmation)
    assert (some.looked, everything.looked, some.known) == (4, 7, 7)
    assert "id_2" in some.features
    assert some.features["id_2"].now == everything.features["id_2"].now


def test_samples_of_too_few_hours_are_said_to_be_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any("hours" in sentence for sentence in answered(served()).not_checked)
    monkeypatch.setattr("tools.stats.contributions.LEAST_HOURS", 1000)
    told = answered(served())
    assert np.isnan(told.features["dense_1"].explains)
    assert any("come from fewer than" in sentence for sentence in told.not_checked)


def test_the_facts_of_the_stage_have_names_of_their_own() -> None:
    """They are added to those of the real-time part, and replace none of them."""
    assert FeatureRankingFacts.__annotations__.keys().isdisjoint(ImportanceFacts.__annotations__)
