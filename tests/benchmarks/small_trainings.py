"""Small real trainings, sound and with planted faults, logged as frameworks log them: per epoch, with checkpoints."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import torch
from torch import Tensor, nn

from knowledge.telemetry.checkpoints import weight_curves
from tools.records import MetricCurve, TrainingRun

TASKS = ("xor", "moons", "blobs", "clicks", "images", "line", "wave")
OPTIMISERS = ("sgd", "momentum", "adam", "rmsprop")
_RATES = {"sgd": 0.1, "momentum": 0.03, "adam": 0.003, "rmsprop": 0.002}
_BATCHES, _EPOCHS = (16, 64, 128), (12, 20, 40)


@dataclass(frozen=True)
class Recipe:
    """How one network is trained. What a fault changes is a field of it."""

    task: str
    optimiser: str
    seed: int
    rate: float = 1.0
    batch: int = 32
    epochs: int = 30
    depth: int = 2
    width: int = 24
    activation: str = "relu"
    output: str = "right"
    by_step: bool = False
    rows: int = 400
    input_scale: float = 1.0
    noise_labels: float = 0.0
    bias: float = 0.0
    sign: float = 1.0
    zero_grad: bool = True
    steps: bool = True
    rate_jump_at: int | None = None
    broken_epoch: int | None = None


def recipe(seed: int) -> Recipe:
    """A sound recipe, drawn from all of them."""
    rng = np.random.default_rng([seed, 7])
    return Recipe(
        task=TASKS[seed % len(TASKS)],
        optimiser=OPTIMISERS[int(rng.integers(len(OPTIMISERS)))],
        seed=seed,
        batch=int(rng.choice(_BATCHES)),
        epochs=int(rng.choice(_EPOCHS)),
        width=int(rng.choice([12, 24, 48])),
        by_step=bool(rng.random() < 0.3),
    )


Change = Callable[[Recipe], Recipe]
FAULTS: dict[str, Change] = {
    "rate × 1000": lambda r: replace(r, rate=1000.0),
    "rate × 1e-6": lambda r: replace(r, rate=1e-6),
    "optimiser never steps": lambda r: replace(r, steps=False),
    "loss is maximised": lambda r: replace(r, sign=-1.0),
    "gradients pile up": lambda r: replace(r, zero_grad=False, optimiser="momentum", rate=10.0),
    "units are dead": lambda r: replace(r, bias=-50.0),
    "softmax of one output": lambda r: replace(r, output="softmax of one", task="moons"),
    "relu before cross-entropy": lambda r: replace(r, output="dead relu", task="moons"),
    "ten sigmoid layers": lambda r: replace(r, depth=10, activation="sigmoid", optimiser="sgd", task="moons"),
    "inputs × 1e4": lambda r: replace(r, input_scale=1e4, optimiser="sgd"),
    "rate jumps": lambda r: replace(r, rate_jump_at=r.epochs // 2, rate=0.3),
    "labels at random": lambda r: replace(r, noise_labels=1.0, task="moons", epochs=12),
    "overfitted": lambda r: replace(
        r, task="moons", noise_labels=0.4, rows=80, width=128, depth=3, epochs=200, optimiser="adam", by_step=False
    ),
    "one broken epoch": lambda r: replace(r, broken_epoch=35, epochs=50, by_step=False),
}


@dataclass(frozen=True)
class _Data:
    inputs: Tensor
    labels: Tensor
    kind: str
    outputs: int


def _data(task: str, rows: int, chance: np.random.Generator) -> _Data:
    x = chance.normal(size=(rows, 2))
    if task == "xor":
        y = (x[:, 0] * x[:, 1] > 0).astype(float)
    elif task == "moons":
        y = chance.integers(0, 2, rows).astype(float)
        angle = np.pi * chance.random(rows)
        x = np.stack([np.cos(angle) + y - 0.5, (1 - 2 * y) * np.sin(angle) + 0.5 * y], 1)
        x += chance.normal(0, 0.15, x.shape)
    elif task == "blobs":
        y = chance.integers(0, 5, rows).astype(float)
        x = np.stack([np.cos(y * 1.257), np.sin(y * 1.257)], 1) * 2 + chance.normal(0, 0.6, (rows, 2))
        return _tensors(x, y, "categorical", 5)
    elif task == "clicks":
        x = chance.normal(size=(rows, 12))
        y = (chance.random(rows) < 1 / (1 + np.exp(2.2 - x @ np.linspace(-0.6, 0.6, 12)))).astype(float)
    elif task == "images":
        y = chance.integers(0, 4, rows).astype(float)
        x = chance.normal(0, 0.5, (rows, 64))
        for one in range(4):
            x.reshape(rows, 8, 8)[y == one, 2 * one : 2 * one + 2, :] += 0.6
        return _tensors(x, y, "categorical", 4)
    elif task == "line":
        y = x @ np.array([0.7, -1.2]) + chance.normal(0, 0.3, rows)
        return _tensors(x, y, "squared", 1)
    else:
        y = np.sin(2 * x[:, 0]) + 0.5 * x[:, 1] + chance.normal(0, 0.2, rows)
        return _tensors(x, y, "squared", 1)
    return _tensors(x, y, "binary", 1)


def _tensors(x: np.ndarray, y: np.ndarray, kind: str, outputs: int) -> _Data:
    return _Data(torch.from_numpy(x).float(), torch.from_numpy(y).float(), kind, outputs)


def _network(how: Recipe, data: _Data) -> nn.Sequential:
    layers: list[nn.Module] = []
    width = data.inputs.shape[1]
    if how.task == "images":
        layers += [nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        width = 96
    for _ in range(how.depth):
        linear = nn.Linear(width, how.width)
        if how.bias:
            nn.init.constant_(linear.bias, how.bias)
        layers += [linear, nn.Sigmoid() if how.activation == "sigmoid" else nn.ReLU()]
        width = how.width
    layers.append(nn.Linear(width, data.outputs))
    if data.kind == "binary":
        layers += _head(how, layers[-1])
    return nn.Sequential(*layers)


def _head(how: Recipe, last: nn.Module) -> list[nn.Module]:
    if how.output == "softmax of one":
        return [nn.Softmax(dim=1)]
    if how.output == "dead relu":
        assert isinstance(last, nn.Linear)
        nn.init.constant_(last.bias, -3.0)
        return [nn.ReLU()]
    return [nn.Sigmoid()]


def _optimiser(how: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    rate = _RATES[how.optimiser] * how.rate
    parameters = network.parameters()
    if how.optimiser == "adam":
        return torch.optim.Adam(parameters, lr=rate)
    if how.optimiser == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate)
    return torch.optim.SGD(parameters, lr=rate, momentum=0.9 if how.optimiser == "momentum" else 0.0)


def _losses(data: _Data, out: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
    """The mean loss, and which rows are right where rows can be."""
    if data.kind == "squared":
        return nn.functional.mse_loss(out.squeeze(1), labels), None
    if data.kind == "categorical":
        return nn.functional.cross_entropy(out, labels.long()), out.argmax(1) == labels.long()
    safe = out.squeeze(1).clamp(1e-7, 1 - 1e-7)
    return nn.functional.binary_cross_entropy(safe, labels), (out.squeeze(1) > 0.5) == (labels > 0.5)


_LOSS_NAMES = {"binary": "binary_crossentropy", "categorical": "cross_entropy", "squared": "mse"}


def trained(how: Recipe) -> TrainingRun:
    """Trains as the recipe says, and answers with the record that a platform would send."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(how.seed)
        chance = np.random.default_rng([how.seed, 1])
        data, held_out = _data(how.task, how.rows, chance), _data(how.task, 300, chance)
        if how.noise_labels:
            hit = torch.from_numpy(chance.random(len(data.labels)) < how.noise_labels)
            data.labels[hit] = data.labels[hit][torch.randperm(int(hit.sum()))]
        data = replace(data, inputs=data.inputs * how.input_scale)
        return _fit(how, data, replace(held_out, inputs=held_out.inputs * how.input_scale))


def _fit(how: Recipe, data: _Data, held_out: _Data) -> TrainingRun:
    network = _network(how, data)
    optimiser = _optimiser(how, network)
    logs: dict[str, list[float]] = {}
    by_step: list[float] = []
    checkpoints = [(0, _state(network))]
    for epoch in range(how.epochs):
        if how.rate_jump_at == epoch:
            for group in optimiser.param_groups:
                group["lr"] *= 30
        seen = _epoch(how, epoch, network, optimiser, data, by_step)
        for name, value in {**seen, **_evaluated(network, held_out)}.items():
            logs.setdefault(name, []).append(value)
        logs.setdefault("learning_rate", []).append(optimiser.param_groups[0]["lr"])
        checkpoints.append((epoch + 1, _state(network)))
    if how.by_step:
        logs = {"loss": by_step}
    curves = [_curve(name, values) for name, values in logs.items()]
    curves += [MetricCurve.model_validate(curve) for curve in weight_curves(checkpoints)]
    parameters = {"loss": _LOSS_NAMES[data.kind], "outputs": str(data.outputs), "epochs": str(how.epochs)}
    return TrainingRun(
        run=f"{how.task}/{how.optimiser}/{how.seed}",
        model=how.task,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        parameters=parameters,
        curves=tuple(curves),
    )


def _epoch(
    how: Recipe, epoch: int, network: nn.Module, optimiser: torch.optim.Optimizer, data: _Data, by_step: list[float]
) -> dict[str, float]:
    total, right, norms, rows = 0.0, 0.0, [], len(data.labels)
    for batch in torch.split(torch.randperm(rows), how.batch):
        if how.zero_grad:
            optimiser.zero_grad()
        inputs = data.inputs[batch] * (100.0 if epoch == how.broken_epoch else 1.0)
        loss, good = _losses(data, network(inputs), data.labels[batch])
        (how.sign * loss).backward()  # type: ignore[no-untyped-call]
        norms.append(float(nn.utils.clip_grad_norm_(network.parameters(), torch.inf)))
        if how.steps:
            optimiser.step()
        by_step.append(float(loss.detach()))
        total += by_step[-1] * len(batch)
        right += float(good.float().sum()) if good is not None else 0.0
    found = {"loss": total / rows, "gradient_norm": float(np.median(norms))}
    return found if data.kind == "squared" else {**found, "accuracy": right / rows}


def _evaluated(network: nn.Module, data: _Data) -> dict[str, float]:
    with torch.no_grad():
        loss, good = _losses(data, network(data.inputs), data.labels)
    found = {"val_loss": float(loss)}
    return found if good is None else {**found, "val_accuracy": float(good.float().mean())}


def _state(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in network.state_dict().items()}


def _curve(name: str, values: list[float]) -> MetricCurve:
    return MetricCurve(name=name, steps=tuple(range(len(values))), values=tuple(values))
