"""The client's promises: typed answers, and every failure in words."""

import socket
import subprocess
import sys

import httpx
import pytest

from assistant.wire import AnswerBody, Status
from tests.tui import incident
from tests.tui.server import Incident, create
from tui.client import Client, ClientError, Unreachable, Unreadable


async def test_events_are_read_page_by_page_and_waited_for() -> None:
    state = Incident()
    async with Client.in_process(create(state)) as client:
        page = await client.events(incident.ID, after=-1)
        assert [event.seq for event in page.events] == [0, 1, 2, 3, 4]
        assert page.status is Status.waiting_for_answer
        nothing = await client.events(incident.ID, after=page.last_seq, wait_s=0.05)
        assert (nothing.events, nothing.last_seq) == ((), 4)
        await client.answer(incident.ID, AnswerBody(step="planned", choice="yes", actor="ana"))
        more = await client.events(incident.ID, after=nothing.last_seq)
        assert more.events[0].type == "AnswerGiven"


async def test_a_problem_is_told_in_the_words_of_the_server() -> None:
    async with Client.in_process(create(Incident())) as client:
        with pytest.raises(ClientError, match="there is no investigation 'a b[?]'") as caught:
            await client.investigation("a b?")
    assert caught.value.status == 404
    assert not caught.value.passes


def answering(response: httpx.Response) -> Client:
    """A client of a server that always says this."""
    transport = httpx.MockTransport(lambda _: response)
    return Client(httpx.AsyncClient(transport=transport, base_url="http://there"), where="http://there")


async def test_a_stranger_in_place_of_the_server_is_recognised() -> None:
    async with answering(httpx.Response(200, text="<html>hello</html>")) as client:
        with pytest.raises(Unreadable, match="Check that the address is HawkEye's") as caught:
            await client.health()
    assert not caught.value.passes


@pytest.mark.parametrize(("status", "passes"), [(403, False), (429, True), (502, True)])
async def test_an_error_without_details_is_told_by_its_status(status: int, passes: bool) -> None:
    async with answering(httpx.Response(status, text="no")) as client:
        with pytest.raises(ClientError, match=f"answered {status} .* without saying why") as caught:
            await client.health()
    assert caught.value.passes is passes


async def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: a connection is refused
        async with Client.over_network(f"http://127.0.0.1:{taken.getsockname()[1]}") as client:
            with pytest.raises(Unreachable, match="does not answer .*; start it there with `hawkeye serve`") as caught:
                await client.health()
    assert caught.value.passes


@pytest.mark.parametrize("url", ["", "127.0.0.1:8765", "ftp://there", "http://", "http://[::1", "http://a:b:c"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a server"):
        Client.over_network(url)


@pytest.mark.parametrize("module", ["tui.client", "tui.app"])
def test_importing_the_interface_loads_no_heavy_library(module: str) -> None:
    heavy = ("torch", "captum", "scipy", "pyarrow", "litestar", "sqlite_utils", "assistant.app")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
