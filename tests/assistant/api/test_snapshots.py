"""The routes of snapshots over the real application: register, look, and the timeline."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from assistant.wire import CheckOutcome, CheckState, SnapshotPage, SnapshotView, Status
from tests.assistant.api.client import Api, problem
from tests.assistant.publishing.platform import Platform, broken_table


def record(snapshot: str = "dcn/2013-05-04", **changes: Any) -> dict[str, Any]:
    told = {"snapshot": snapshot, "model": "dcn", "published_at": "2013-05-04T09:00:00Z", "artifact": None}
    return told | changes


async def register(api: Api, **changes: Any) -> httpx.Response:
    return await api.http.post("/snapshots", json=record(**changes))


async def checked(api: Api, snapshot: str) -> SnapshotView:
    for _ in range(400):
        response = await api.http.get(f"/snapshots/{quote(snapshot, safe='')}")
        view = SnapshotView.model_validate_json(response.content)
        if view.line.check is CheckState.done:
            return view
        await asyncio.sleep(0.02)
    raise AssertionError(f"never done: {view}")


async def test_a_new_snapshot_is_registered_at_once_and_checked_behind(api: Api) -> None:
    response = await register(api)
    assert response.status_code == 201
    view = SnapshotView.model_validate_json(response.content)
    assert view.line.check in (CheckState.queued, CheckState.running, CheckState.done)
    assert (view.line.asked, view.record.standing) == (3, "candidate")
    done = await checked(api, "dcn/2013-05-04")
    assert done.line.outcome is CheckOutcome.not_checked
    assert [finding.tool for finding in done.findings] == ["snapshot_diff", "graph_walk", "training_data"]
    assert done.line.answered == 3
    assert done.line.investigation is None


async def test_the_same_again_is_known_and_a_standing_may_change(api: Api) -> None:
    assert (await register(api)).status_code == 201
    done = await checked(api, "dcn/2013-05-04")
    again = await register(api, standing="stable")
    assert again.status_code == 200
    view = SnapshotView.model_validate_json(again.content)
    assert view.record.standing == "stable"
    assert view.findings == done.findings, "it is not checked twice"


async def test_many_at_the_same_time_are_one(api: Api) -> None:
    answers = await asyncio.gather(*(register(api) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]


async def test_another_artifact_or_model_under_a_known_id_is_refused(api: Api, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "snapshots"
    folder.mkdir(parents=True)
    for name in ("one.pt2", "two.pt2"):
        (folder / name).write_bytes(b"PK")
    assert (await register(api, artifact="one.pt2")).status_code == 201
    for changes in ({"artifact": "two.pt2"}, {"artifact": None}, {"artifact": "one.pt2", "model": "mlp"}):
        refused = problem(await register(api, **changes), 409)
        assert "A snapshot is never changed" in refused.detail
    (folder / "one.pt2").unlink()
    again = await register(api, artifact="one.pt2", standing="bad")
    assert again.status_code == 200, "an artifact that was cleared away does not keep its snapshot from being marked"


async def test_artifacts_that_are_not_below_a_root_are_refused_and_nothing_is_kept(api: Api, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "snapshots"
    folder.mkdir(parents=True)
    (tmp_path / "outside.pt2").write_bytes(b"PK")
    (folder / "link.pt2").symlink_to(tmp_path / "outside.pt2")
    for artifact in ("gone.pt2", "../../outside.pt2", str(tmp_path / "outside.pt2"), "link.pt2", "\0", "..\\..\\x"):
        assert "artifact" in problem(await register(api, artifact=artifact), 422).detail
    problem(await api.http.get("/snapshots/dcn/2013-05-04"), 404)


async def test_bad_records_say_what_is_wrong(api: Api) -> None:
    faults = {"published_at": "yesterday", "standing": "splendid", "snapshot": "", "colour": "blue"}
    for name, value in faults.items():
        assert problem(await api.http.post("/snapshots", json=record() | {name: value}), 400).errors
    problem(await api.http.post("/snapshots", content=b"{", headers={"Content-Type": "application/json"}), 400)
    assert "there is no snapshot 'x/y'" in problem(await api.http.get("/snapshots/x/y"), 404).detail


async def test_a_suspicion_opens_an_investigation_that_asks_and_concludes(api: Api, tmp_path: Path) -> None:
    platform = Platform(tmp_path / "data" / "snapshots")
    days = [platform.day(), platform.day(change=broken_table)]
    for day in days:
        assert (await api.http.post("/snapshots", json=day.snapshot)).status_code == 201
    name = days[1].snapshot["snapshot"]
    line = (await checked(api, name)).line
    assert line.outcome is CheckOutcome.suspicious
    assert line.investigation is not None
    view = await api.until(line.investigation, Status.waiting_for_answer)
    assert view.summary.playbook == "snapshot_published"
    assert view.summary.title == f"The published snapshot {name} looks suspicious"
    assert view.alert.snapshot == name
    assert view.question is not None
    assert view.question.step == "meant"
    await api.say(line.investigation, "answers", step="meant", choice="no", actor="kim")
    verdict = (await api.until(line.investigation, Status.done)).summary.verdict
    assert verdict is not None
    assert (verdict.cause, verdict.target) == ("snapshot.unusual_weights", name)
    assert any("graph" in said for said in verdict.not_checked)
    await register(api, **days[1].snapshot, standing="suspect")
    page = (await api.http.get("/investigations")).json()
    assert page["total"] == 1, "a suspicion opens one investigation"


async def test_the_timeline_lists_the_newest_first_page_by_page(api: Api) -> None:
    for day in range(1, 6):
        await register(api, snapshot=f"dcn/{day}", published_at=f"2013-05-0{day}T09:00:00Z")
    page = SnapshotPage.model_validate_json((await api.http.get("/models/dcn/snapshots?limit=2&offset=1")).content)
    assert [line.snapshot for line in page.snapshots] == ["dcn/4", "dcn/3"]
    assert (page.total, page.offset, page.limit) == (5, 1, 2)
    assert page.snapshots[0].published_at == datetime(2013, 5, 4, 9, tzinfo=UTC)
    assert "there is no model 'mlp'; known: dcn" in problem(await api.http.get("/models/mlp/snapshots"), 404).detail
    for wrong in ("limit=0", "limit=many", "offset=-1"):
        problem(await api.http.get(f"/models/dcn/snapshots?{wrong}"), 400)


async def test_a_model_with_a_slash_can_be_named(api: Api) -> None:
    await register(api, snapshot="ranking/ctr/1", model="ranking/ctr")
    page = SnapshotPage.model_validate_json((await api.http.get("/models/ranking%252Fctr/snapshots")).content)
    assert (page.model, len(page.snapshots)) == ("ranking/ctr", 1)
    models = (await api.http.get("/models")).json()
    assert models == [{"model": "ranking/ctr", "product": None, "title": None}]
