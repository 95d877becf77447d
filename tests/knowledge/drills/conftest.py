"""One tiny world and one tiny platform for all tests of the drills."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from knowledge.drills import flights
from knowledge.drills.calendar import Period
from knowledge.drills.faults import fault
from knowledge.drills.platform import Day, Platform
from knowledge.drills.world import Scale, World, build

TINY = Scale(pages_per_day=120, emitted_days=2, bootstrap_days=2)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def raw() -> flights.RawTables:
    return flights.load()


@pytest.fixture(scope="session")
def served(raw: flights.RawTables, tmp_path_factory: pytest.TempPathFactory) -> tuple[Platform, list[Day], Path]:
    """A tiny platform with the broken weather join, what it did, and where its snapshots are."""
    practice = fault("weather_join")(4)
    period = Period(practice.incident, TINY.emitted_days, TINY.bootstrap_days)
    root = tmp_path_factory.mktemp("snapshots")
    platform = Platform(raw, practice, period, TINY.pages_per_day, root)
    return platform, list(platform.days()), root


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build("label_corruption", 4, tmp_path_factory.mktemp("worlds"), lambda _text, _share: None, TINY)
