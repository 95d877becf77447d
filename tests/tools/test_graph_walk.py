"""graph_walk: faults planted in rows and in weights of trained models, healthy days left in peace, and bad input."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.tools import walked
from tests.tools.program.exported import export
from tools.contract import Finding, Status
from tools.graph_walk import TOOL, GraphWalkParams
from tools.ports import PortError
from tools.program.graph import Column, Program
from tools.records import Samples, Standing, Window

DAYS = 4
Planted = Callable[[np.ndarray, np.ndarray], None]
MODELS = pytest.mark.parametrize("model", walked.MODELS)


@cache
def line(model: str) -> walked.Line:
    return walked.line(model, DAYS, seed=2)


def rows_of(model: str, plant: Planted | None = None, n: int = 128) -> Samples:
    """Samples of a day before and of the last day; `plant` changes the last day's in place."""
    dense, ids = line(model).rows(3, n)
    if plant:
        plant(dense, ids)
    before = walked.samples(*line(model).rows(2, 128), snapshot="m/00")
    return walked.joined(before, walked.samples(dense, ids, walked.START + timedelta(days=3), snapshot="m/01"))


def planted(
    model: str, plant: Planted | None = None, fault: Callable[[dict[str, Tensor]], None] | None = None, **params: object
) -> Finding:
    """Walk the last day's snapshot, its weights changed by `fault`, against the day before."""
    return walked.ask([line(model).at(2), line(model).at(3, fault)], rows_of(model, plant), rows=128, **params)


def sure(found: Finding) -> Mapping[str, object]:
    assert found.status is Status.answered, found.headline
    assert found.interesting
    assert found.facts["bad"] is True
    return found.facts


@MODELS
def test_healthy_days_are_left_in_peace(model: str) -> None:
    """Every day against the one before, from the first on: also the early ones, when weights move most."""
    days = walked.line(model, 8, seed=3)
    for day in range(1, 8):
        before = walked.samples(*days.rows(day - 1, 128))
        now = walked.samples(*days.rows(day, 128), walked.START + timedelta(days=day))
        found = walked.ask([days.at(day - 1), days.at(day)], walked.joined(before, now), rows=128)
        assert (found.status, found.interesting, found.facts["bad"]) == (Status.answered, False, False), found.headline
        assert found.facts["confidence"] == pytest.approx(128 / 131)
        assert found.ruled_out


@MODELS
def test_nan_in_a_feature_leads_to_it_and_its_rows(model: str) -> None:
    def plant(dense: np.ndarray, ids: np.ndarray) -> None:
        dense[::16, 1] = np.nan

    facts = sure(planted(model, plant))
    assert (facts["problem"], facts["origin"], facts["feature"]) == ("non_finite", "input", "dense_1")
    assert facts["new"] is False  # the snapshot before does the same
    if model != "normalised":  # there the batch's mean spreads it to every row
        assert facts["share_affected"] == 8 / 128


@MODELS
def test_a_thousandfold_feature_is_extreme_though_the_yardstick_shows_the_same_on_these_rows(model: str) -> None:
    def plant(dense: np.ndarray, ids: np.ndarray) -> None:
        dense[:, 1] *= 1000

    facts = sure(planted(model, plant))
    assert (facts["problem"], facts["new"]) == ("extreme", False)
    if model != "normalised":  # there a row is bad only beside the others: their mean is taken off
        assert (facts["origin"], facts["feature"]) == ("input", "dense_1")


def test_large_but_usual_values_are_not_accused() -> None:
    """A feature that has always had a few values a thousand times as large as the others."""
    days = line("dlrm")

    def heavy(day: int) -> tuple[np.ndarray, np.ndarray]:
        dense, ids = days.rows(day, 128)
        dense[::32, 1] *= 1000
        return dense, ids

    start = walked.START + timedelta(days=3)
    samples = walked.joined(walked.samples(*heavy(2)), walked.samples(*heavy(3), start))
    assert walked.ask([days.at(2), days.at(3)], samples, rows=128).facts["bad"] is False


def test_the_logarithm_of_what_is_negative() -> None:
    def plant(dense: np.ndarray, ids: np.ndarray) -> None:
        dense[::16, 2] = -1

    found = planted("normalised", plant)
    facts = sure(found)
    assert (facts["origin"], facts["first_bad_node"], facts["feature"]) == ("operator", "log", "dense_2")
    assert found.result is not None
    tried = {suggestion["what"].split(" ")[0]: suggestion for suggestion in found.result["suggestions"]}
    assert {"an", "clip"} <= set(tried)
    assert all((one["bad_before"], one["bad_after"]) == (8, 0) for one in tried.values())
    assert tried["an"]["moved"] < 0.05


@MODELS
@pytest.mark.parametrize("place", [0, -1])
def test_fiftyfold_weights_are_named(model: str, place: int) -> None:
    name = [name for name in line(model).states[0] if name.endswith("weight")][place]

    def fault(state: dict[str, Tensor]) -> None:
        state[name] *= 50

    facts = sure(planted(model, fault=fault))
    assert (facts["problem"], facts["origin"], facts["tensor"], facts["new"]) == ("extreme", "weight", name, True)


@MODELS
def test_nan_in_a_weight_is_named(model: str) -> None:
    name = next(name for name in line(model).states[0] if name.endswith("weight"))

    def fault(state: dict[str, Tensor]) -> None:
        state[name][0] = torch.nan

    facts = sure(planted(model, fault=fault))
    assert (facts["problem"], facts["origin"], facts["tensor"], facts["new"]) == ("non_finite", "weight", name, True)
    assert facts["feature"] is None


class Gated(nn.Module):
    """The gates of an LSTM are inside one operator; `scale` is seen as a view before anything reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(walked.DENSE, 4, batch_first=True), nn.Linear(4, 1)
        self.scale = nn.Parameter(torch.ones(walked.DENSE))
        nn.init.zeros_(self.out.bias)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        series = (dense * self.scale.unsqueeze(0)).unsqueeze(1) + 0 * ids[:, :1].unsqueeze(2)
        hidden = torch.nn.functional.dropout(self.lstm(series)[0][:, -1], 0.5, self.training)
        found: Tensor = self.out(hidden).squeeze(1)
        return found


@pytest.mark.parametrize(
    ("weight", "value", "problem"),
    [
        ("lstm.weight_ih_l0", torch.inf, "non_finite"),  # it saturates a gate: everything else is a number
        ("scale", 1e6, "extreme"),
        ("out.bias", 1e6, "extreme"),  # it was zero, so there is no telling how many times it grew
    ],
)
def test_a_weight_that_shows_late_or_only_in_the_predictions_is_named(weight: str, value: float, problem: str) -> None:
    torch.manual_seed(0)
    stable = walked.exported(Gated())
    name = next(name for name, of in stable.weight_names.items() if of == weight)
    spoiled = stable.weights[name].clone()
    spoiled.view(-1)[0] = value
    found = walked.ask([stable, replace(stable, weights={**stable.weights, name: spoiled})], rows_of("dlrm"), rows=128)
    facts = sure(found)
    assert (facts["problem"], facts["origin"], facts["tensor"], facts["new"]) == (problem, "weight", weight, True)
    assert facts["confidence"] == (0.99 if problem == "non_finite" else 0.95)  # a dropout in eval mode draws nothing
    assert found.evidence


def test_unknown_ids_are_a_finding_and_the_other_rows_are_run() -> None:
    def plant(dense: np.ndarray, ids: np.ndarray) -> None:
        ids[::16, 1] = 50

    found = planted("dlrm", plant)
    facts = sure(found)
    assert (facts["problem"], facts["feature"], facts["share_affected"]) == ("unknown_id", "id_1", 8 / 128)
    assert "50 in 8 of 128 rows, while tables.1.weight has 20 rows" in found.headline
    assert found.result is not None
    assert found.result["rows"] == 120


def test_only_unknown_ids() -> None:
    def plant(dense: np.ndarray, ids: np.ndarray) -> None:
        ids[:, 1] = 50

    facts = sure(planted("dlrm", plant))
    assert (facts["problem"], facts["share_affected"]) == ("unknown_id", 1.0)


class Half(nn.Module):
    """Multiplies in half precision."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(4, 4).half()
        self.out = nn.Linear(4, 1).half()
        nn.init.constant_(self.hidden.weight, 1.0)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        hidden = self.hidden(dense.half())
        return torch.sigmoid(self.out(hidden - hidden * hidden).float()).squeeze(1)


class Scaled(nn.Module):
    """Divides by the batch's deviation with nothing to keep it from zero."""

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        return torch.tanh(dense / dense.std(0)).sum(1)


class Masked(nn.Module):
    """Attends to some of its inputs: the others are minus infinity before a softmax."""

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        scores = dense.masked_fill(torch.tensor([False, True, False, False]), -torch.inf)
        return (torch.softmax(scores, 1) * dense).sum(1)


class Several(nn.Module):
    """A probability, an integer, a flag, and one number for the whole batch."""

    def forward(self, dense: Tensor, ids: Tensor) -> tuple[Tensor, ...]:
        score = torch.log(dense).sum(1)
        return torch.sigmoid(score), ids.sum(1), dense[:, 0] > 0, score.mean()


def module_program(module: nn.Module, folder: Path) -> Program:
    inputs = (torch.rand(4, 4), torch.zeros(4, 3, dtype=torch.int64))
    columns = [Column("dense", at, f"dense_{at}", "dense", 1.0) for at in range(4)]
    columns += [Column("ids", at, f"id_{at}", "categorical", 0.0) for at in range(3)]
    return export(module.eval(), inputs, folder, columns=columns)


def ask_module(module: nn.Module, folder: Path, plant: Planted | None = None) -> Finding:
    program = module_program(module, folder)
    return walked.ask([program, program], rows_of("dlrm", plant), rows=128)


def test_an_overflow_of_half_precision(tmp_path: Path) -> None:
    def plant(dense: np.ndarray, ids: np.ndarray) -> None:
        dense[::16, 0] = 1000

    found = ask_module(Half(), tmp_path, plant)
    facts = sure(found)
    assert (facts["origin"], facts["feature"]) == ("operator", "dense_0")
    assert found.result is not None
    larger = next(s for s in found.result["suggestions"] if "larger accumulation type" in s["what"])
    assert (larger["bad_before"], larger["bad_after"]) == (8, 0)
    assert larger["moved"] < 0.05


def test_a_division_by_a_statistic_of_the_batch(tmp_path: Path) -> None:
    def plant(dense: np.ndarray, ids: np.ndarray) -> None:
        dense[:, 3] = 0

    found = ask_module(Scaled(), tmp_path, plant)
    facts = sure(found)
    assert facts["first_bad_node"] == "div"
    assert facts["share_affected"] == 1.0


def test_a_mask_is_not_accused(tmp_path: Path) -> None:
    found = ask_module(Masked(), tmp_path)
    assert (found.status, found.facts["bad"]) == (Status.answered, False), found.headline


def test_several_outputs_of_any_type(tmp_path: Path) -> None:
    assert ask_module(Several(), tmp_path).facts["bad"] is False

    def plant(dense: np.ndarray, ids: np.ndarray) -> None:
        dense[5, 0] = -1

    facts = sure(ask_module(Several(), tmp_path, plant))
    assert facts["first_bad_node"] == "log"


def test_nulls_that_serving_fills_are_not_accused() -> None:
    """The served predictions are numbers, so the model cannot have been given NaN."""
    programs = [line("dlrm").at(2), line("dlrm").at(3)]

    def plant(dense: np.ndarray, ids: np.ndarray) -> None:
        dense[::16, 1] = np.nan

    samples = rows_of("dlrm", plant)
    samples.prediction[:] = 0.5
    found = walked.ask(programs, samples, rows=128)
    assert (found.status, found.facts["bad"]) == (Status.answered, False), found.headline
    assert any("dense_1" in said and "`missing`" in said for said in found.not_checked)
    elsewhere = Samples(samples.ts, np.full(len(samples), "other"), samples.features, samples.prediction)
    assert walked.ask(programs, elsewhere, rows=128).facts["bad"] is True  # that one served them, not these


def test_the_order_of_rows_does_not_matter() -> None:
    def plant(dense: np.ndarray, ids: np.ndarray) -> None:
        dense[::16, 1] *= 1000

    samples = rows_of("crossing", plant)
    samples.ts[128:] = samples.ts[128]  # all at one moment
    order = np.concatenate([np.arange(128), 128 + np.random.default_rng(0).permutation(128)])
    shuffled = Samples(
        samples.ts,
        samples.snapshot,
        {name: values[order] for name, values in samples.features.items()},
        samples.prediction,
    )
    programs = [line("crossing").at(2), line("crossing").at(3)]
    first, second = (walked.ask(programs, each, rows=128) for each in (samples, shuffled))
    assert first.facts["bad"] is True
    assert first.model_dump_json() == second.model_dump_json()


def test_everything_on_request() -> None:
    found = planted("dlrm", everything=True)
    assert found.result is not None
    assert len(found.result["values"]) > 15
    assert found.result["values"][0]["now"]["elements"] > 0
    assert found.result["values"][0]["stable"] is not None


def test_without_a_yardstick_only_what_is_no_number_is_judged() -> None:
    alone = walked.ask([line("dlrm").at(3)], rows_of("dlrm"), rows=128)
    assert (alone.status, alone.facts["bad"]) == (Status.inconclusive, None)
    assert any("no earlier snapshot" in said for said in alone.not_checked)
    assert alone.would_settle

    def plant(dense: np.ndarray, ids: np.ndarray) -> None:
        dense[::16, 1] = np.nan

    assert sure(walked.ask([line("dlrm").at(3)], rows_of("dlrm", plant), rows=128))["feature"] == "dense_1"


def test_a_yardstick_that_cannot_be_read_is_said() -> None:
    ports = walked.ports([line("dlrm").at(2), line("dlrm").at(3)], rows_of("dlrm"))
    del ports.programs.by_snapshot["m/00"]
    found = TOOL.run(GraphWalkParams(snapshot="m/01", rows=128), ports)
    assert found.status is Status.inconclusive
    assert any("m/00 has no program" in said for said in found.not_checked)


def test_a_yardstick_with_another_graph_judges_what_both_have(tmp_path: Path) -> None:
    found = walked.ask([module_program(Several(), tmp_path), line("dlrm").at(3)], rows_of("dlrm"), rows=128)
    assert found.facts["bad"] is False
    assert any("values that the stable snapshot does not have" in said for said in found.not_checked)
    assert found.facts["confidence"] == 0.9


def test_which_snapshot_is_the_yardstick() -> None:
    programs = [line("dlrm").at(day) for day in (0, 1, 2, 3)]
    ports = walked.ports(programs, rows_of("dlrm"))
    standings = (Standing.stable, Standing.bad, Standing.candidate, Standing.candidate)
    ports.models.all_snapshots = [
        snapshot.model_copy(update={"standing": standing})
        for snapshot, standing in zip(ports.models.all_snapshots, standings, strict=True)
    ]

    def against(**params: object) -> object:
        found = TOOL.run(GraphWalkParams(snapshot="m/03", rows=128, **params), ports)
        return found.result["against"] if found.result else found.headline

    assert against() == "m/00"
    assert against(against="m/01") == "m/01"
    assert "name one of its snapshots" in str(against(against="elsewhere"))


def test_the_window_says_which_samples() -> None:
    samples = rows_of("dlrm")
    window = Window(start=walked.START, end=walked.START + timedelta(days=1))
    found = walked.ask([line("dlrm").at(2), line("dlrm").at(3)], samples, rows=100, window=window)
    assert found.evidence[0].n == 100
    assert found.evidence[0].window is not None
    assert found.evidence[0].window.end <= window.end
    assert any("too few earlier samples" in said for said in found.not_checked)


@pytest.mark.parametrize("n", [1, 2, 29])
def test_a_few_rows_clear_nobody(n: int) -> None:
    samples = rows_of("dlrm")
    found = walked.ask([line("dlrm").at(2), line("dlrm").at(3)], samples.where(np.arange(256) >= 256 - n), rows=128)
    assert (found.status, found.facts["bad"]) == (Status.inconclusive, None)
    assert any("at least 30 samples" in said for said in found.would_settle)


def test_what_cannot_be_run_is_no_data_and_says_why() -> None:
    program = line("dlrm").at(3)
    unknown = replace(program, nodes=(replace(program.nodes[0], operator="aten.from_file.default"), *program.nodes[1:]))
    refused = walked.ask([unknown], rows_of("dlrm"))
    assert (refused.status, refused.facts["bad"]) == (Status.no_data, None)
    assert "aten.from_file.default" in refused.headline
    wrong = replace(
        program, weights={name: value[:, :1] if value.dim() > 1 else value for name, value in program.weights.items()}
    )
    failed = walked.ask([wrong], rows_of("dlrm"))
    assert failed.status is Status.no_data
    assert "failed" in failed.headline
    assert "Traceback" not in failed.headline
    assert walked.ask([program], Samples.none()).status is Status.no_data
    nameless = walked.ask([replace(program, columns=())], rows_of("dlrm"))
    assert (nameless.status, "features.json" in nameless.headline) == (Status.no_data, True)


def test_a_worker_that_was_stopped_is_no_data() -> None:
    ports = walked.ports([line("dlrm").at(3)], rows_of("dlrm"))
    ports.programs.failing["m/00"] = PortError("running the snapshot took longer than 120 s; take fewer rows")
    found = TOOL.run(GraphWalkParams(snapshot="m/00"), ports)
    assert (found.status, "120 s" in found.headline) == (Status.no_data, True)
