"""A model's trainings, night by night, made in memory: the weather moves labels and losses, faults are planted."""

from datetime import UTC, datetime, timedelta

import numpy as np

from tests.tools.ports import InMemoryPorts
from tools.records import (
    Cube,
    Metric,
    MetricCurve,
    MetricRole,
    Model,
    PartitionRead,
    Product,
    Snapshot,
    TrainingRun,
    Window,
)

DAY_0 = datetime(2013, 4, 13, tzinfo=UTC)
NIGHTS = 22
MODELS = ("badge_dcn", "badge_mlp")
LAST = NIGHTS - 1
STEPS = 80
WINDOW = Window(start=DAY_0 + timedelta(days=LAST, hours=11), end=DAY_0 + timedelta(days=NIGHTS, hours=8))
BASELINE = Window(start=WINDOW.start - timedelta(days=14), end=WINDOW.start)


def trained(seed: int = 0, storm: bool = False) -> InMemoryPorts:
    """Ports over `NIGHTS` trainings of two models; with `storm`, four of five flights of the last partition were late
    and hard to tell apart."""
    rng, found = np.random.default_rng(seed), InMemoryPorts()
    metric = Metric(name="label_rate", role=MetricRole.label_rate, better="neither", title="Late flights")
    found.metrics.products["badge"] = Product(product="badge", title="Badge", metrics=(metric,))
    rate = 1 / (1 + np.exp(-np.clip(rng.normal(-1.1, 0.7, NIGHTS), -2.5, 0.5)))
    skill = rng.normal(0.67, 0.04, NIGHTS)
    if storm:
        rate[LAST], skill[LAST] = 0.8, 0.53
    for name in MODELS:
        found.models.by_name[name] = Model(model=name, product="badge", title=name, pipeline=f"train_{name}")
        for night in range(NIGHTS):
            run = _run(name, night, float(rate[night]), float(skill[night]), rng)
            found.training.by_run[run.run] = run
            found.models.all_snapshots.append(
                Snapshot(
                    snapshot=str(run.snapshot), model=name, published_at=run.started_at + timedelta(hours=2),
                    training_run=run.run,
                )
            )  # fmt: skip
    found.metrics.cubes["badge", "label_rate"] = _served(rate, rng)
    return found


def _run(model: str, night: int, rate: float, skill: float, rng: np.random.Generator) -> TrainingRun:
    day, rows = DAY_0 + timedelta(days=night), int(rng.normal(4000, 120))
    late = int(rng.binomial(rows, rate))
    partition = PartitionRead(
        dataset=f"flights:training_{model}",
        partition=f"{day:%Y-%m-%d}",
        rows=rows,
        null_counts={"wind": int(rng.binomial(rows, 0.01)), "seats": int(rng.binomial(rows, 0.16))},
        label_counts={"late": late, "on_time": rows - late},
        day=Window(start=day, end=day + timedelta(days=1)),
    )
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    loss = entropy * (1.05 - 0.1 * np.linspace(0, 1, STEPS)) + rng.normal(0, 0.02, STEPS)
    curves = {
        "loss": loss,
        "gradient_norm": np.exp(rng.normal(-1.4, 0.3, STEPS)),
        "learning_rate": np.full(STEPS, 0.02),
        "eval.auc_before": np.array([skill + rng.normal(0, 0.01)]),
    }
    return TrainingRun(
        run=f"train_{model}/{night:02d}",
        model=model,
        snapshot=f"{model}/{night:02d}",
        started_at=day + timedelta(days=1, hours=7),
        parameters={"learning_rate": "0.02"},
        partitions=(partition,),
        curves=tuple(_curve(name, values) for name, values in curves.items()),
    )


def _curve(name: str, values: np.ndarray) -> MetricCurve:
    return MetricCurve(name=name, steps=tuple(range(len(values))), values=tuple(float(v) for v in values))


def _served(rate: np.ndarray, rng: np.random.Generator) -> Cube:
    hours = np.arange(NIGHTS * 24)
    n = np.tile(np.full(len(hours), 60.0), 2)
    late = rng.binomial(60, np.tile(rate[hours // 24], 2)).astype(np.float64)
    ts = int(DAY_0.timestamp()) + np.tile(hours, 2) * 3600
    return Cube(ts, {"model": np.repeat(np.array(MODELS), len(hours))}, late, n)


def change(ports: InMemoryPorts, model: str = "badge_dcn", night: int = LAST, **curves: np.ndarray) -> None:
    """Replaces curves of a run; a dot of a name is written as two underscores."""
    run = ports.training.by_run[f"train_{model}/{night:02d}"]
    new = {name.replace("__", "."): values for name, values in curves.items()}
    kept = tuple(c for c in run.curves if c.name not in new)
    update = {"curves": kept + tuple(_curve(name, values) for name, values in new.items())}
    ports.training.by_run[run.run] = run.model_copy(update=update)


def change_partition(ports: InMemoryPorts, model: str = "badge_dcn", night: int = LAST, **fields: object) -> None:
    """Replaces fields of the partition of a run."""
    run = ports.training.by_run[f"train_{model}/{night:02d}"]
    partition = run.partitions[0].model_copy(update=fields)
    ports.training.by_run[run.run] = run.model_copy(update={"partitions": (partition,)})


def invert(ports: InMemoryPorts, model: str = "badge_dcn") -> None:
    """Inverts the labels of the last partition of a model."""
    run = ports.training.by_run[f"train_{model}/{LAST:02d}"]
    counts = run.partitions[0].label_counts
    change_partition(ports, model, label_counts={"late": counts["on_time"], "on_time": counts["late"]})
    auc = next(c for c in run.curves if c.name == "eval.auc_before").values[0]
    change(ports, model, eval__auc_before=np.array([1 - auc]))
