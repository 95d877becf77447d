"""How a server is asked: what is repeated and how often, for how long, and what is said of every wrong answer."""

import time
from collections.abc import Iterator, Sequence

import pytest

from knowledge.connectors.http import ATTEMPTS, MOST_BYTES, HttpError, Server
from tests.knowledge.connectors.servers import Answer, FakeServer, serving

SAID = {"detail": "the DAG is being parsed"}


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with serving(lambda _: Answer(body={"fine": True})) as server:
        yield server


def ask(fake: FakeServer, *, repeat: bool = True, timeout_s: float = 5.0) -> object:
    return Server("air", fake.url, timeout_s).ask("GET", "/x", headers={"Authorization": "Bearer hush"}, repeat=repeat)


def in_turn(fake: FakeServer, answers: Sequence[Answer]) -> None:
    rest = list(answers)
    fake.answers = lambda _: rest.pop(0)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again_with_growing_pauses(fake: FakeServer, status: int) -> None:
    in_turn(fake, [Answer(status), Answer(status), Answer(body={"fine": True})])
    begun = time.monotonic()
    assert ask(fake) == {"fine": True}
    assert time.monotonic() - begun >= 0.2 + 0.4


@pytest.mark.parametrize("repeat", [True, False])
def test_it_is_asked_a_few_times_at_most_and_only_where_that_is_safe(fake: FakeServer, repeat: bool) -> None:
    fake.answers = lambda _: Answer(500, SAID)
    with pytest.raises(HttpError, match=r"air at http://127.*answers 500: the DAG is being parsed") as error:
        ask(fake, repeat=repeat)
    assert error.value.status == 500
    assert len(fake.asked) == (ATTEMPTS if repeat else 1)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(401, SAID), r"refuses us \(401\); check the user, password or token: the DAG"),
        (Answer(403), r"refuses us \(403\); check what this user may do there$"),
        (Answer(404, SAID), "answers 404: the DAG is being parsed"),
        (Answer(409, {"detail": ["a", {"b": 1}]}), "answers 409: "),
        (Answer(418, b"<html>tea</html>"), "answers 418$"),
        (
            Answer(302, headers={"Location": "https://sso.example/login?token=1"}),
            "redirects to https://sso.example/login;",
        ),
        (Answer(200, b"<html>sign in</html>", {"Content-Type": "text/html"}), "answers with text/html, not with JSON"),
        (Answer(200, b"[" * 100_000), "not with JSON"),
    ],
)
def test_what_does_not_pass_is_asked_once_and_said_in_plain_words(fake: FakeServer, answer: Answer, says: str) -> None:
    fake.answers = lambda _: answer
    with pytest.raises(HttpError, match=says) as error:
        ask(fake)
    assert len(fake.asked) == 1
    assert "hush" not in str(error.value)
    assert "token=1" not in str(error.value)


def test_a_server_that_takes_too_long_is_not_waited_for_again(fake: FakeServer) -> None:
    fake.answers = lambda _: Answer(wait_s=1)
    begun = time.monotonic()
    with pytest.raises(HttpError, match=r"did not answer within 0.3 seconds; is it overloaded\?") as error:
        ask(fake, timeout_s=0.3)
    assert time.monotonic() - begun < 2 * 0.3 + 0.3
    assert error.value.status is None


def test_a_server_that_sends_a_little_now_and_then_is_cut_off(fake: FakeServer) -> None:
    fake.answers = lambda _: Answer(body="a" * 100, drip_s=0.05)
    with pytest.raises(HttpError, match=r"did not finish its answer within 0.3 seconds"):
        ask(fake, timeout_s=0.3)


def test_a_server_that_sends_without_an_end_is_cut_off(fake: FakeServer) -> None:
    fake.answers = lambda _: Answer(body=b" " * (MOST_BYTES + 1))
    with pytest.raises(HttpError, match="more than 8 MB"):
        ask(fake, repeat=False)


def test_one_that_hangs_up_and_one_that_is_not_there(fake: FakeServer) -> None:
    in_turn(fake, [Answer(hangs_up=True), Answer(hangs_up=True), Answer(body=1)])
    assert ask(fake) == 1
    with pytest.raises(HttpError, match="is it up, and is the url in the settings right") as error:
        Server("air", "http://127.0.0.1:1", 5).ask("GET", "/", headers={}, repeat=True)
    assert error.value.status is None


def test_neither_proxies_nor_credentials_are_taken_from_the_environment(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert ask(fake) == {"fine": True}


def test_an_empty_answer_is_none(fake: FakeServer) -> None:
    fake.answers = lambda _: Answer(204, b"")
    assert ask(fake) is None
