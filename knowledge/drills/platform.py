"""The platform, day by day: train, publish, roll out, serve."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from knowledge.drills.calendar import Period, iso
from knowledge.drills.feature_jobs import FeatureJobs, JobRun, ServingFeatures
from knowledge.drills.features import MODELS, inputs_of
from knowledge.drills.flights import RawTables
from knowledge.drills.practice import Practice
from knowledge.drills.publishing import Publisher
from knowledge.drills.serving import Impressions, Server
from knowledge.drills.traffic import pages
from knowledge.drills.training import Trained, Trainer


@dataclass(frozen=True)
class Published:
    """A snapshot as it was published: its training, and its artifact below the snapshot root."""

    model: str
    trained: Trained
    artifact: str


@dataclass(frozen=True)
class Day:
    """What the platform did on a day: the snapshots of the morning, and what it then served."""

    day: int
    published: tuple[Published, ...]
    impressions: Impressions | None


class Platform:
    """The platform over one period under one practice. `snapshots` is the folder that artifacts are written to."""

    def __init__(self, raw: RawTables, practice: Practice, period: Period, pages_per_day: int, snapshots: Path) -> None:
        self.period, self.practice, self._pages_per_day = period, practice, pages_per_day
        jobs = FeatureJobs(raw, practice, period.first_trained, period.incident)
        self.flights, self.vocabulary = jobs.flights, jobs.vocabulary
        self.runs: list[JobRun] = list(jobs.runs())
        self.features = ServingFeatures(self.flights, self.runs)
        self.inputs = {model: inputs_of(model, self.features.table) for model in MODELS}
        self._trainers = {
            model: Trainer(model, period, self.features, self.flights, jobs.vocabulary, practice) for model in MODELS
        }
        modules = {model: trainer.module for model, trainer in self._trainers.items()}
        self._publishers = {model: Publisher(model, module, snapshots) for model, module in modules.items()}
        self._server = Server(self.flights, self.features, jobs.vocabulary.sizes, self.inputs, practice.seed)

    def days(self) -> Iterator[Day]:
        """Every day from the first snapshot's to the one after the incident, of which only some hours are known."""
        period = self.period
        for day in range(period.first_snapshot, period.incident + 2):
            published = tuple(self._publish(model, day) for model in MODELS) if day <= period.incident else ()
            yield Day(day, published, self._serve(day) if day >= period.first_emitted else None)

    def _publish(self, model: str, day: int) -> Published:
        trained = self._trainers[model].train(day)
        state = self.practice.published(model, day, trained.state)
        self._server.load(model, day, state)
        sample = self.inputs[model].rows(trained.newest.rows)
        return Published(model, trained, self._publishers[model].publish(iso(day), state, sample))

    def _serve(self, day: int) -> Impressions:
        shown = pages(day, self._pages_per_day, self.flights, self.practice).before(self.period.now)
        return self._server.serve(shown)
