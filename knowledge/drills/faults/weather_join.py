"""Fault (a): the weather join breaks for one origin after a change of its code."""

from functools import partial

from knowledge.drills.calendar import at, iso
from knowledge.drills.practice import JobCode, Practice, Truth, WeatherJob
from knowledge.drills.transforms import ORIGINS, STATIONS, WEATHER, join_weather_v2

_FIRST_RUN_H = 12


class WeatherJoin(Practice):
    """Version 2 of the join normalises airports to weather stations, and its mapping lacks an airport."""

    name = "weather_join"
    description = "the weather join loses one origin after a change of its code, and its features go null"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.origin = self.draw("broken origin", ORIGINS)
        mapping = {origin: station for origin, station in STATIONS.items() if origin != self.origin}
        code = JobCode("9be27a4", "features/join_weather.py", 431)
        self._changed = WeatherJob(code, partial(join_weather_v2, stations=mapping))

    def weather_job(self, run_start: int) -> WeatherJob:
        return self._changed if run_start >= at(self.incident, _FIRST_RUN_H) else super().weather_job(run_start)

    def truth(self) -> Truth:
        return Truth(
            cause="data.upstream_code_change",
            targets=("flights:weather_joined", "flights:job.join_weather", *WEATHER),
            explanation=(
                f"From {iso(self.incident)} {_FIRST_RUN_H}:00 UTC on, version {self._changed.code.version} of "
                "job.join_weather maps airports to weather stations, and its mapping lacks "
                f"{self.origin}: badge_dcn gets no weather there."
            ),
        )
