"""Fault (f): nothing is planted, and a real storm stops the airports."""

from knowledge.drills.calendar import day_of, iso
from knowledge.drills.practice import Practice, Truth

_STORMS = (day_of(2013, 2, 8), day_of(2013, 2, 9), day_of(2013, 3, 8))


class Storm(Practice):
    """The blizzard of 8 and 9 February 2013, or the snow storm of 8 March."""

    name = "storm"
    description = "nothing is planted: a real storm of 2013 makes flights late for everybody"

    def draw_incident(self) -> int:
        return _STORMS[self.seed % len(_STORMS)]

    def truth(self) -> Truth:
        return Truth("none.real_world_shift", (), f"A storm hit New York on {iso(self.incident)}; nothing was changed.")
