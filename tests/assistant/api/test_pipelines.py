"""Pipelines and the audit log over the API."""

import asyncio

from assistant.wire import AuditPage, PipelineLine, PipelinePage, Status
from tests.assistant.api.client import Api, problem

SENT = {"pipeline": "team/daily", "orchestrator": "air", "writes": ["flights:table"], "every_h": 24, "owner": "ranking"}


async def at_the_plan(api: Api, **changes: str) -> tuple[str, str]:
    investigation = await api.open(**changes)
    await api.until(investigation, Status.waiting_for_answer)
    await api.say(investigation, "answers", step="launch", choice="no", actor="kim")
    plan = (await api.until(investigation, Status.waiting_for_approval)).plan
    assert plan is not None
    return investigation, plan.plan_hash


async def audited(api: Api, **query: int) -> AuditPage:
    return AuditPage.model_validate_json((await api.http.get("/audit", params=query)).content)


async def test_a_record_is_sent_and_the_state_is_read_from_the_orchestrator(api: Api) -> None:
    page = PipelinePage.model_validate_json((await api.http.get("/pipelines")).content)
    (line,) = page.pipelines
    assert line.state is not None
    assert (line.record.pipeline, line.state.paused, line.detail) == ("train_dcn", False, None)
    assert (await api.http.post("/pipelines", json=SENT)).status_code == 201
    assert (await api.http.post("/pipelines", json=SENT)).status_code == 200
    line = PipelineLine.model_validate_json((await api.http.get("/pipelines/team/daily")).content)
    assert line.record.model_dump(exclude_none=True, mode="json") == SENT
    assert line.state is None
    assert line.detail is not None
    assert "there is no connection; connected are: embedded" in line.detail
    page = PipelinePage.model_validate_json(
        (await api.http.get("/pipelines", params={"limit": 1, "offset": 1})).content
    )
    assert ([one.record.pipeline for one in page.pipelines], page.total) == (["train_dcn"], 2)


async def test_what_is_no_pipeline(api: Api) -> None:
    assert "no pipeline is called 'x'" in problem(await api.http.get("/pipelines/x"), 404).detail
    answer = problem(await api.http.post("/pipelines", json={"pipeline": "p", "orchestra": "air"}), 400)
    assert any("orchestra" in error for error in answer.errors)
    for every_h in (0, -3, "NaN"):
        answer = problem(await api.http.post("/pipelines", json={**SENT, "every_h": every_h}), 400)
        assert any("every_h" in error for error in answer.errors)


async def test_the_audit_log_says_who_why_and_what_came_of_it(api: Api) -> None:
    assert (await audited(api)).total == 0
    investigation, plan = await at_the_plan(api)
    await api.say(investigation, "approvals", plan_hash=plan, actor="kim", reason="it spreads")
    await api.say(investigation, "undo", plan_hash=plan, actor="lou", reason="repaired")
    page = await audited(api)
    told = [(entry.outcome, entry.undo, entry.actor, entry.reason) for entry in page.entries]
    assert told == [
        ("done", True, "lou", "repaired"),
        ("approved", True, "lou", "repaired"),
        ("done", False, "kim", "it spreads"),
        ("approved", False, "kim", "it spreads"),
    ]
    assert {(entry.action, entry.target, entry.plan_hash) for entry in page.entries} == {("pause", "train_dcn", plan)}
    states = [entry.state for entry in page.entries if entry.state is not None]
    assert [state["paused"] for state in states] == [False, True]
    assert (await audited(api, limit=1, offset=3)).entries == page.entries[3:]


async def test_two_investigations_that_plan_for_one_pipeline_pause_it_once(api: Api) -> None:
    plans = [await at_the_plan(api), await at_the_plan(api, startsAt="2013-05-04T00:30:00Z")]
    await asyncio.gather(
        *(api.say(one, "approvals", plan_hash=plan, actor="kim", reason="it spreads") for one, plan in plans)
    )
    page = await audited(api)
    assert sorted(entry.outcome for entry in page.entries) == ["approved", "done", "not_done"]
    refused = next(entry for entry in page.entries if entry.outcome == "not_done")
    assert "the state has changed since the plan was made (paused was False and is True)" in refused.reason
    assert "approved by kim: it spreads" in refused.reason


async def test_only_what_can_be_undone_is_offered(api: Api) -> None:
    investigation, plan = await at_the_plan(api)
    refused = await api.say(investigation, "refusals", plan_hash=plan, actor="kim", reason="not at night")
    assert refused.json()["can_undo"] is None
    (entry,) = (await audited(api)).entries
    assert (entry.outcome, entry.actor, entry.reason, entry.state) == ("refused", "kim", "not at night", None)
