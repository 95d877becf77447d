"""What widgets say to the screen. Only the screen turns them into requests."""

from dataclasses import dataclass

from textual.message import Message


@dataclass
class StepSelected(Message):
    """The reader looks at the step of the trail that began at event `seq`."""

    seq: int


@dataclass
class ChoiceMade(Message):
    """The reader answers the question of `step`."""

    step: str
    choice: str
