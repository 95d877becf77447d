import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx

from assistant.app import create_app
from assistant.planner.driver import Driver
from assistant.planner.library import Library
from assistant.settings import Settings
from assistant.wire import EventPage, InvestigationPage, Status
from knowledge.catalogue import load_catalogue
from knowledge.workspace import Workspace
from tests.assistant import small
from tests.assistant.api.client import Api, problem
from tools.registry import all_tools


async def test_from_the_webhook_to_the_verdict(api: Api) -> None:
    investigation = await api.open()
    asked = await api.until(investigation, Status.waiting_for_answer)
    assert asked.question is not None
    assert (asked.question.step, asked.question.recommended) == ("launch", "no")
    assert (await api.say(investigation, "answers", step="launch", choice="no", actor="kim")).status_code == 200
    proposed = await api.until(investigation, Status.waiting_for_approval)
    assert proposed.plan is not None
    assert proposed.plan.target == "train_dcn"
    plan_hash = proposed.plan.plan_hash
    assert (await api.say(investigation, "refusals", plan_hash=plan_hash, actor="kim", reason="no")).status_code == 200
    done = await api.until(investigation, Status.done)
    assert done.summary.verdict is not None
    assert (done.summary.verdict.cause, done.summary.verdict.target) == ("training.learning_rate", "dcn/2013-05-04")


async def test_an_approved_action_is_done_read_back_and_undone(api: Api) -> None:
    investigation = await api.open()
    await api.until(investigation, Status.waiting_for_answer)
    await api.say(investigation, "answers", step="launch", choice="no", actor="kim")
    plan = (await api.until(investigation, Status.waiting_for_approval)).plan
    assert plan is not None
    wrong = await api.say(investigation, "approvals", plan_hash="0" * 64, actor="kim", reason="ok")
    assert "no plan has the hash" in problem(wrong, 409).detail
    await api.say(investigation, "approvals", plan_hash=plan.plan_hash, actor="kim", reason="ok")
    done = await api.until(investigation, Status.done)
    assert done.can_undo == plan.plan_hash
    undone = await api.say(investigation, "undo", plan_hash=plan.plan_hash, actor="kim", reason="wrong one")
    assert undone.status_code == 200
    assert undone.json()["can_undo"] is None


async def test_the_same_alert_sent_twice_or_at_once_opens_one_investigation(api: Api) -> None:
    opened = await asyncio.gather(*(api.open() for _ in range(5)))
    assert len(set(opened)) == 1
    assert await api.open(startsAt="2013-05-04T00:30:00Z") not in opened
    resolved = small.webhook(status="resolved")
    response = await api.http.post("/alerts/alertmanager", json=resolved)
    assert (response.status_code, response.json()) == (202, {"investigations": []})


async def test_a_stale_answer_is_a_conflict_and_a_repeated_one_is_not(api: Api) -> None:
    investigation = await api.open()
    await api.until(investigation, Status.waiting_for_answer)
    other = await api.say(investigation, "answers", step="isolate", choice="no", actor="kim")
    assert "does not wait for an answer" in problem(other, 409).detail
    bad = await api.say(investigation, "answers", step="launch", choice="maybe", actor="kim")
    assert "choose one of yes, no" in problem(bad, 422).detail
    for _ in range(2):
        assert (await api.say(investigation, "answers", step="launch", choice="no", actor="kim")).status_code == 200
    late = await api.say(investigation, "answers", step="launch", choice="yes", actor="lee")
    problem(late, 409)


async def test_of_two_answers_at_once_one_is_refused(api: Api) -> None:
    investigation = await api.open()
    await api.until(investigation, Status.waiting_for_answer)
    said = await asyncio.gather(
        *(api.say(investigation, "answers", step="launch", choice=c, actor="kim") for c in ("yes", "no"))
    )
    assert sorted(response.status_code for response in said) == [200, 409]


async def test_stepping_back_and_answering_otherwise(api: Api) -> None:
    investigation = await api.open()
    asked = await api.until(investigation, Status.waiting_for_answer)
    await api.say(investigation, "answers", step="launch", choice="yes", actor="kim")
    first = await api.until(investigation, Status.done)
    assert first.summary.verdict is not None
    assert first.summary.verdict.cause == "traffic.mix_shift"
    seq = next(step.seq for step in asked.trail if step.kind == "question")
    back = await api.say(investigation, "step-backs", to_seq=seq, actor="kim")
    assert back.json()["question"]["step"] == "launch"
    problem(await api.say(investigation, "step-backs", to_seq=9999, actor="kim"), 409)
    await api.say(investigation, "answers", step="launch", choice="no", actor="kim")
    await api.until(investigation, Status.waiting_for_approval)


async def test_a_note_is_kept(api: Api) -> None:
    investigation = await api.open()
    await api.until(investigation, Status.waiting_for_answer)
    assert (await api.say(investigation, "notes", text="see the deploy", actor="kim")).status_code == 200
    page = EventPage.model_validate_json((await api.http.get(f"/investigations/{investigation}/events")).content)
    assert page.events[-1].type == "NoteAdded"
    problem(await api.say(investigation, "notes", text="", actor="kim"), 400)


async def test_a_poll_sleeps_until_something_happens(api: Api) -> None:
    investigation = await api.open()
    asked = await api.until(investigation, Status.waiting_for_answer)
    path, query = f"/investigations/{investigation}/events", {"after": asked.last_seq, "wait_s": 20.0}
    poll = asyncio.create_task(api.http.get(path, params=query))
    await asyncio.sleep(0.05)
    assert not poll.done()
    begun = time.monotonic()
    await api.say(investigation, "notes", text="wake up", actor="kim")
    page = EventPage.model_validate_json((await poll).content)
    assert time.monotonic() - begun < 5
    assert [event.type for event in page.events] == ["NoteAdded"]


async def test_a_poll_without_news_answers_with_nothing(api: Api) -> None:
    investigation = await api.open()
    asked = await api.until(investigation, Status.waiting_for_answer)
    query = {"after": asked.last_seq, "wait_s": 0.05}
    page = (await api.http.get(f"/investigations/{investigation}/events", params=query)).json()
    assert (page["events"], page["last_seq"], page["status"]) == ([], asked.last_seq, "waiting_for_answer")


async def test_the_list_is_paged_newest_first(api: Api) -> None:
    opened = [await api.open(fingerprint=name) for name in ("a", "b", "c")]
    response = await api.http.get("/investigations", params={"limit": 2, "offset": 1})
    page = InvestigationPage.model_validate_json(response.content)
    assert page.total == 3
    assert [line.id for line in page.investigations] == [opened[1], opened[0]]
    assert page.investigations[0].title == "The share of right badges fell"
    for query in ({"limit": 0}, {"limit": 1000}, {"offset": -1}):
        problem(await api.http.get("/investigations", params=query), 400)


async def test_opening_by_hand(api: Api) -> None:
    investigation = await api.open()
    alert = (await api.view(investigation)).alert.model_dump(mode="json")
    again = await api.http.post("/investigations", json={"alert": alert})
    assert again.status_code == 201
    assert again.json()["summary"]["id"] != investigation
    unknown = await api.http.post("/investigations", json={"alert": alert, "playbook": "nope"})
    assert "no playbook 'nope'" in problem(unknown, 422).detail
    for change, says in (({"product": "x"}, "product 'x' is not known"), ({"metric": "x"}, "no metric 'x'")):
        refused = await api.http.post("/investigations", json={"alert": {**alert, **change}})
        assert says in problem(refused, 422).detail
    backwards = {**alert, "window": {"start": "2013-05-05T00:00:00Z", "end": "2013-05-04T00:00:00Z"}}
    found = problem(await api.http.post("/investigations", json={"alert": backwards}), 400)
    assert any("must end after it starts" in error for error in found.errors)


async def test_unfinished_investigations_are_resumed_at_the_start(tmp_path: Path) -> None:
    made = small.settings(tmp_path)
    investigation = _opened_and_left(made)
    app = create_app(made)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://test/api/v1") as http:
        api = Api(http)
        await api.until(investigation, Status.waiting_for_answer)
        assert await api.open() == investigation


def _opened_and_left(made: Settings) -> str:
    """An investigation as a process leaves it that dies right after opening it."""
    workspace = Workspace.open(made.data_dir)
    library = Library(load_catalogue(made.playbook_folders), all_tools())
    driver = Driver(workspace.log, workspace.ports, library, all_tools(), lambda: datetime.now(UTC))
    investigation = driver.open(workspace.receiver.receive_alert(small.webhook())[0], "small")
    workspace.close()
    return investigation
