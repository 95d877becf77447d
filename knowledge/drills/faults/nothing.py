"""Fault (e): nothing is planted, and an alert fires all the same."""

from knowledge.drills.calendar import iso
from knowledge.drills.practice import Practice, Truth


class Nothing(Practice):
    """An ordinary day, whatever its weather was."""

    name = "nothing"
    description = "nothing is planted: whatever the figures did, the day did it"

    def truth(self) -> Truth:
        return Truth("none.no_fault", (), f"Nothing was changed on {iso(self.incident)}.")
