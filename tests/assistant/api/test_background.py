import threading

import pytest

from assistant.api.background import Background


def wait_until_idle(background: Background, rested: threading.Semaphore, times: int = 1) -> None:
    for _ in range(times):
        assert rested.acquire(timeout=5)


def test_one_worker_at_most_walks_an_investigation_and_a_wake_meanwhile_is_not_lost() -> None:
    rested, begun, go_on = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)
    at_it: list[str] = []

    def advance(investigation: str) -> None:
        at_it.append(investigation)
        begun.release()
        assert go_on.acquire(timeout=5)

    background = Background(advance, lambda _: rested.release(), at_once=4)
    background.wake("a")
    assert begun.acquire(timeout=5)
    background.wake("a")
    background.wake("a")
    assert background.running() == 1
    go_on.release(2)
    wait_until_idle(background, rested)
    assert at_it == ["a", "a"]
    assert not background.is_walking("a")
    background.close()


def test_an_error_is_kept_until_the_next_walk(caplog: pytest.LogCaptureFixture) -> None:
    rested = threading.Semaphore(0)
    outcomes = iter([ValueError("no such thing"), None])

    def advance(_: str) -> None:
        if (error := next(outcomes)) is not None:
            raise error

    background = Background(advance, lambda _: rested.release(), at_once=1)
    background.wake("a")
    wait_until_idle(background, rested)
    assert background.failure("a") == "ValueError: no such thing"
    assert "the walk of a stopped" in caplog.text
    background.wake("a")
    wait_until_idle(background, rested)
    assert background.failure("a") is None
    background.close()


def test_after_closing_nothing_is_begun() -> None:
    background = Background(lambda _: pytest.fail("walked"), lambda _: None, at_once=1)
    background.close()
    background.wake("a")
    assert background.running() == 0
