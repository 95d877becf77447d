import pytest

from assistant.cli.score import is_correct
from knowledge.drills.practice import Truth
from tests.assistant.walked import VERDICT


@pytest.mark.parametrize(
    ("cause", "targets", "verdict", "named", "right"),
    [
        ("training.learning_rate", ("m/1",), "training.learning_rate", ("m/1",), True),
        ("training.learning_rate", ("m/1",), "training.learning_rate", ("m/2",), False),
        ("training.learning_rate", ("m/1",), "training.learning_rate", ("m/1", "m/2"), False),
        ("training.learning_rate", ("m/1",), "training.diverged", ("m/1",), False),
        ("data.code", ("temp", "node"), "data.code", ("temp", "node"), True),
        ("traffic.mix_shift", (), "traffic.mix_shift", ("badge",), True),
        ("traffic.mix_shift", (), "inconclusive", ("badge",), False),
        ("none.no_fault", (), "none.real_world_shift", ("badge",), True),
        ("none.real_world_shift", (), "inconclusive", ("badge",), True),
        ("none.no_fault", (), "traffic.mix_shift", ("badge",), False),
        ("none.no_fault", (), "training.learning_rate", ("m/1",), False),
    ],
)
def test_what_is_right(cause: str, targets: tuple[str, ...], verdict: str, named: tuple[str, ...], right: bool) -> None:
    said = VERDICT.model_copy(update={"cause": verdict, "targets": named})
    assert is_correct(Truth(cause, targets, ""), said) is right
