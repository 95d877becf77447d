"""How the platform is run when all is well. A fault is a practice that does one thing differently, where it would
really happen: in a transform's code, in the training, in a partition's labels, in the traffic."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from knowledge.drills import transforms
from knowledge.drills.calendar import day_of
from knowledge.drills.flights import Columns
from knowledge.drills.randomness import stream

if TYPE_CHECKING:
    from torch import Tensor

FIRST_DAY, LAST_DAY = day_of(2013, 2, 10), day_of(2013, 12, 28)


@dataclass(frozen=True)
class Truth:
    """What really happened. `targets` are the names by which a verdict may call what it happened to: any one is right;
    empty where nobody is to be accused. `accuses` says whether a model, snapshot or dataset is at fault at all."""

    cause: str
    targets: tuple[str, ...]
    explanation: str

    @property
    def accuses(self) -> bool:
        return not self.cause.startswith(("none.", "traffic."))


@dataclass(frozen=True)
class JobCode:
    """A version of a job's code: the commit, the file in the repository, and the pull request that brought it."""

    version: str
    path: str
    pull_request: int


@dataclass(frozen=True)
class WeatherJob:
    """A version of `job.join_weather`, and what of it runs: (rows, flights, weather) → readings."""

    code: JobCode
    join: Callable[[Columns, Columns, Columns], Columns]


WEATHER_V1 = WeatherJob(JobCode("4c1f0d2", "features/join_weather.py", 388), transforms.join_weather_v1)


class Practice(ABC):
    """The platform without a fault, on an incident day drawn from the seed."""

    name: ClassVar[str]
    description: ClassVar[str]

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.incident = self.draw_incident()

    def draw_incident(self) -> int:
        """The day of the incident: uniform over the days that have enough history before them."""
        return int(stream(self.seed, "incident day").integers(FIRST_DAY, LAST_DAY + 1))

    def draw(self, purpose: str, choices: tuple[str, ...]) -> str:
        """One of the choices, drawn by the seed."""
        return choices[int(stream(self.seed, purpose).integers(len(choices)))]

    @abstractmethod
    def truth(self) -> Truth:
        """What is planted, and where."""

    def weather_job(self, run_start: int) -> WeatherJob:  # noqa: ARG002
        """The version of `job.join_weather` that a run starting at this time (unix s) executes."""
        return WEATHER_V1

    def learning_rate(self, model: str, day: int, usual: float) -> float:  # noqa: ARG002
        """The learning rate of the training that publishes the model's snapshot of a day."""
        return usual

    def published(self, model: str, day: int, state: Mapping[str, "Tensor"]) -> Mapping[str, "Tensor"]:  # noqa: ARG002
        """The weights as the publishing job writes them to the model's snapshot of a day."""
        return state

    def partition_labels(self, model: str, day: int, late: NDArray[np.bool_]) -> NDArray[np.bool_]:  # noqa: ARG002
        """The labels as written to the model's training partition of a day."""
        return late

    def appeal(self, ts: NDArray[np.int64], flights: Columns) -> NDArray[np.float64] | None:  # noqa: ARG002
        """How much likelier each flight is to be on a page at time `ts` [n]: float64[n, flights]; None for usual."""
        return None
