"""Lineage as a graph of datasets, with jobs and columns where they are known. Breadth first, in the order of names."""

from collections.abc import Iterable, Sequence

from tools.records import LineageEdge

Place = tuple[str, str | None]
"""A dataset, and a column of it or None for the dataset as a whole."""


class LineageGraph:
    """Built from edges dataset → job → dataset and from column to column; `jobs` says which nodes are jobs."""

    def __init__(self, edges: Sequence[LineageEdge], jobs: Iterable[str]) -> None:
        self._jobs = frozenset(jobs)
        self._up: dict[str, set[str]] = {}
        self._down: dict[str, set[str]] = {}
        self._columns_up: dict[Place, set[Place]] = {}
        self._columns_down: dict[Place, set[Place]] = {}
        self._mapped: set[tuple[str, str]] = set()
        for edge in edges:
            self._add(edge)

    def _add(self, edge: LineageEdge) -> None:
        self._up.setdefault(edge.downstream, set()).add(edge.upstream)
        self._down.setdefault(edge.upstream, set()).add(edge.downstream)
        if edge.upstream_column and edge.downstream_column:
            above, below = (edge.upstream, edge.upstream_column), (edge.downstream, edge.downstream_column)
            self._columns_up.setdefault(below, set()).add(above)
            self._columns_down.setdefault(above, set()).add(below)
            self._mapped.add((edge.upstream, edge.downstream))

    def __contains__(self, node: object) -> bool:
        return node in self._up or node in self._down

    def producers(self, dataset: str) -> list[str]:
        """The jobs that write a dataset."""
        return sorted(self._up.get(dataset, set()) & self._jobs)

    def inputs(self, dataset: str) -> list[str]:
        """The datasets that a dataset is made from, directly or through the jobs that write it."""
        found = self._up.get(dataset, set()) - self._jobs
        for job in self.producers(dataset):
            found = found | (self._up.get(job, set()) - self._jobs)
        return sorted(found - {dataset})

    def parents(self, place: Place) -> list[Place]:
        """Where the data of a place comes from: by column where the columns are known to be mapped, else by dataset.

        A mapped pair of datasets with no edge into this very column does not feed it, unless nothing else does.
        """
        node, column = place
        inputs = self.inputs(node)
        if column is None:
            return [(above, None) for above in inputs]
        by_column = sorted(self._columns_up.get(place, set()), key=lambda p: (p[0], p[1] or ""))
        unmapped: list[Place] = [(above, None) for above in inputs if (above, node) not in self._mapped]
        found = [*by_column, *unmapped]
        return found or [(above, None) for above in inputs]

    def downstream(self, node: str, columns: Iterable[str]) -> set[Place]:
        """All places that get data from these columns of a dataset, and the dataset's own, (node, None) included.

        Where the columns between two datasets are not mapped, the whole of the lower one counts, as (dataset, None)
        only: which of its columns are touched is not known.
        """
        seen: set[Place] = {(node, column) for column in columns} | {(node, None)}
        queue = sorted(seen, key=lambda p: (p[0], p[1] or ""))
        while queue:
            for below in self._below(queue.pop(0), bool(columns)):
                if below not in seen:
                    seen.add(below)
                    queue.append(below)
        return seen

    def _below(self, place: Place, by_column: bool) -> list[Place]:
        node, column = place
        if column is not None:
            found = self._columns_down.get(place, set())
            return sorted(found | {(below, None) for below, _ in found}, key=lambda p: (p[0], p[1] or ""))
        next_down = self._down.get(node, set())
        direct = next_down - self._jobs
        for job in next_down & self._jobs:
            direct = direct | (self._down.get(job, set()) - self._jobs)
        return [(below, None) for below in sorted(direct) if not by_column or (node, below) not in self._mapped]
