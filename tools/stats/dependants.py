"""What hangs on a pipeline: the datasets that it writes and those made from them, and the models behind both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.ports import Ports
from tools.records import Pipeline, Snapshot

SHOWN = 5
"""How many names of a list are written out."""
_RECENT = 8
"""From how many of its newest snapshots the usual time between two of a model is taken."""


@dataclass(frozen=True)
class Dependants:
    """All names are sorted. `datasets` get nothing new without the pipeline. Of the models, it trains `trained`;
    another pipeline trains `learning` on these datasets; and features of `fed` are read from them when it serves.

    `snapshots` is the newest snapshot of a model in words. `owners` is who owns which of all that, where it is known.
    """

    datasets: tuple[str, ...]
    trained: tuple[str, ...]
    learning: tuple[str, ...]
    fed: tuple[str, ...]
    snapshots: dict[str, str]
    owners: dict[str, tuple[str, ...]]

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(sorted({*self.trained, *self.learning, *self.fed}))

    def named(self, models: Sequence[str]) -> str:
        """The models with their newest snapshots."""
        return listed([f"{m} ({self.snapshots[m]})" if m in self.snapshots else m for m in models])


def dependants(pipeline: Pipeline, ports: Ports) -> Dependants:
    """Read from the lineage and the records of models and pipelines. What no lineage leads to is not found."""
    edges = ports.lineage.reach(pipeline.writes, "downstream")
    reached = sorted({*pipeline.writes, *(edge.downstream for edge in edges)})
    nodes = ports.lineage.known(reached)
    datasets = tuple(name for name in reached if name not in nodes or nodes[name].kind != "job")
    trained, learning, owners = list[str](), list[str](), dict[str, set[str]]()
    for name in ports.models.names():
        model = ports.models.model(name)
        if model is None or model.pipeline is None:
            continue
        other = ports.pipelines.pipeline(model.pipeline)
        if model.pipeline == pipeline.pipeline:
            trained.append(name)
        elif other is not None and not set(datasets).isdisjoint(other.writes):
            learning.append(name)
            if other.owner:
                owners.setdefault(other.owner, set()).add(other.pipeline)
    for name in datasets:
        if name in nodes and (owner := nodes[name].owner):
            owners.setdefault(owner, set()).add(name)
    if pipeline.owner:
        owners.setdefault(pipeline.owner, set()).add(pipeline.pipeline)
    fed = tuple(ports.lineage.readers(datasets))
    newest = {name: words for name in {*trained, *learning, *fed} if (words := _newest(ports.models.snapshots(name)))}
    owned = {owner: tuple(sorted(owners[owner])) for owner in sorted(owners)}
    return Dependants(datasets, tuple(trained), tuple(learning), fed, newest, owned)


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _newest(snapshots: Sequence[Snapshot]) -> str | None:
    """The newest snapshot, and how often a new one came: the median time between the last few."""
    if not snapshots:
        return None
    last = snapshots[-1]
    text = f"newest snapshot {last.snapshot}, published {last.published_at:%Y-%m-%d %H:%M} UTC"
    times = [one.published_at.timestamp() for one in snapshots[-_RECENT:]]
    if len(times) < 3:
        return text
    return f"{text}; a new one comes every {float(np.median(np.diff(times))) / 3600:.3g} hours"
