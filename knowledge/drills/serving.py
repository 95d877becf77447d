"""Serving: the snapshot that serves a page scores every flight on it, and the best half gets the badge."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knowledge.drills.feature_jobs import ServingFeatures
from knowledge.drills.features import MODELS, Inputs
from knowledge.drills.flights import Columns
from knowledge.drills.rollout import builds, snapshot_days
from knowledge.drills.traffic import FLIGHTS_PER_PAGE, Pages
from knowledge.drills.training import State, fresh_module, predict

BADGES_PER_PAGE = FLIGHTS_PER_PAGE // 2


@dataclass(frozen=True)
class Impressions:
    """One entry per flight shown, page by page. `snapshot_day` names the snapshot, `row` the served features, `late` is
    the label and `label_at` (unix s) the time from which it is known. The other columns are those of `Pages`."""

    day: int
    ts: NDArray[np.int64]
    page: NDArray[np.int64]
    user: NDArray[np.int64]
    model: NDArray[np.int64]
    arm: NDArray[np.int64]
    region: NDArray[np.int64]
    build: NDArray[np.int64]
    snapshot_day: NDArray[np.int64]
    flight: NDArray[np.int64]
    row: NDArray[np.int64]
    prediction: NDArray[np.float32]
    badge: NDArray[np.bool_]
    late: NDArray[np.bool_]
    label_at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ts)

    def where(self, mask: NDArray[np.bool_]) -> "Impressions":
        """The impressions where `mask` holds."""
        columns = {name: value[mask] for name, value in vars(self).items() if name != "day"}
        return Impressions(day=self.day, **columns)


class Server:
    """Serves pages with the weights of any snapshot that was published to it."""

    def __init__(
        self,
        flights: Columns,
        features: ServingFeatures,
        sizes: Mapping[str, int],
        inputs: Mapping[str, Inputs],
        seed: int,
    ) -> None:
        self._flights, self._features, self._inputs, self._seed = flights, features, inputs, seed
        self._modules = {model: fresh_module(model, sizes, seed) for model in MODELS}
        self._weights: dict[tuple[str, int], State] = {}

    def load(self, model: str, day: int, state: State) -> None:
        """Make a snapshot ready to serve; those of more than two days ago are dropped."""
        self._weights[model, day] = state
        self._weights.pop((model, day - 3), None)

    def serve(self, pages: Pages) -> Impressions:
        """Score all flights of the pages and give the badges."""
        shown = np.repeat(np.arange(len(pages)), FLIGHTS_PER_PAGE)
        flight, ts = pages.flights.ravel(), pages.ts[shown]
        row, model = self._features.rows(flight, ts), pages.model[shown]
        snapshot_day = snapshot_days(pages)[shown]
        prediction = self._score(model, snapshot_day, row)
        return Impressions(
            day=pages.day,
            ts=ts,
            page=shown,
            user=pages.user[shown],
            model=model,
            arm=pages.arm[shown],
            region=pages.region[shown],
            build=builds(pages, self._seed)[shown],
            snapshot_day=snapshot_day,
            flight=flight,
            row=row,
            prediction=prediction,
            badge=_badges(prediction),
            late=self._flights["late"][flight],
            label_at=self._flights["label_at"][flight],
        )

    def _score(
        self, model: NDArray[np.int64], snapshot_day: NDArray[np.int64], row: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        prediction = np.full(len(row), np.nan, dtype=np.float32)
        for place, name in enumerate(MODELS):
            for day in np.unique(snapshot_day[model == place]).tolist():
                mine = (model == place) & (snapshot_day == day)
                module = self._modules[name]
                module.load_state_dict(dict(self._weights[name, day]))
                prediction[mine] = predict(module, self._inputs[name].rows(row[mine]))
        return prediction


def _badges(prediction: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The half of each page with the lowest probability of being late; equal ones go by their place on the page."""
    by_page = prediction.reshape(-1, FLIGHTS_PER_PAGE)
    best = np.argsort(by_page, axis=1, kind="stable")[:, :BADGES_PER_PAGE]
    badge = np.zeros(by_page.shape, dtype=bool)
    np.put_along_axis(badge, best, True, axis=1)
    return badge.ravel()
