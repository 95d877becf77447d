"""The faults that can be planted, by name, in the order in which they are listed."""

from types import MappingProxyType

from knowledge.drills.faults.broken_table import BrokenTable
from knowledge.drills.faults.label_corruption import LabelCorruption
from knowledge.drills.faults.learning_rate import LearningRate
from knowledge.drills.faults.nothing import Nothing
from knowledge.drills.faults.storm import Storm
from knowledge.drills.faults.traffic_mix import TrafficMix
from knowledge.drills.faults.weather_join import WeatherJoin
from knowledge.drills.practice import Practice

_ALL: tuple[type[Practice], ...] = (
    WeatherJoin,
    LearningRate,
    LabelCorruption,
    BrokenTable,
    TrafficMix,
    Nothing,
    Storm,
)
FAULTS: MappingProxyType[str, type[Practice]] = MappingProxyType({fault.name: fault for fault in _ALL})


class UnknownFault(LookupError):
    """No fault of this name can be planted; the message lists those that can."""


def fault(name: str) -> type[Practice]:
    """The fault of this name. Raises `UnknownFault`."""
    if name not in FAULTS:
        raise UnknownFault(f"no fault is called {name!r}; there are: {', '.join(FAULTS)}")
    return FAULTS[name]
