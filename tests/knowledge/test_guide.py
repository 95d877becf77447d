"""What is not documented fails here: each page is held against the objects that it is about."""

import json
import re
import tomllib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import get_args

import click
import pytest
from litestar.routes import HTTPRoute

from assistant.app import create_app
from assistant.cli.main import hawkeye
from assistant.planner.check import check
from assistant.planner.conditions import GROUPS, OPERATORS
from assistant.planner.events import Event
from assistant.planner.expressions import ALERT_FIELDS
from assistant.planner.library import Library
from assistant.planner.playbook import KINDS
from assistant.planner.rehearsal import Rehearsal, rehearse
from assistant.settings import Settings, load, variable
from knowledge.catalogue import PlaybookSource, load_catalogue
from knowledge.drills.faults import FAULTS
from knowledge.ingest import openlineage_event
from knowledge.ingest.alert import Alert
from knowledge.receiver import Receiver
from tests.assistant import small
from tools import records
from tools.registry import all_tools
from tools.stats.signs import Change
from tools.stats.weight_story import StoryName
from tools.training_data import CURVE_PROBLEMS

GUIDE = Path(str(files("knowledge"))) / "guide"
PAGES = sorted(page.name for page in GUIDE.glob("*.md"))
ROOT = Path(__file__).parents[2]
RECORDS = (
    records.Product,
    records.Metric,
    records.Model,
    records.Feature,
    records.Snapshot,
    records.RolloutPoint,
    records.TrainingRun,
    records.PartitionRead,
    records.MetricCurve,
    records.Confusion,
    records.Pipeline,
)
OTHER_ROWS = {*get_args(StoryName), *get_args(Change), *CURVE_PROBLEMS.values()}
"""What else has a row in a table of tools.md: values of facts."""
FACETS = (openlineage_event.Facets, openlineage_event.JobFacets, openlineage_event.RunFacets)


def page(name: str) -> str:
    return (GUIDE / name).read_text(encoding="utf-8")


def section(name: str, title: str) -> str:
    """The text below a heading, up to the next one that is as high."""
    parts = re.split(rf"^(#+) {re.escape(title)}$", page(name), flags=re.MULTILINE)
    assert len(parts) == 3, f"{name} has no heading {title!r}, or several"
    return re.split(rf"^#{{1,{len(parts[1])}}} ", parts[2], flags=re.MULTILINE)[0]


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page(name), flags=re.MULTILINE | re.DOTALL)


def says(text: str, *names: str) -> None:
    """Each of the names stands in the text, as code."""
    fenced = re.findall(r"^```.*?^```$", text, flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    code = " ".join([*fenced, *inline])
    missing = [name for name in names if not re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", code)]
    assert not missing, f"the guide does not say: {', '.join(missing)}"


@pytest.mark.parametrize("name", all_tools())
def test_every_tool_with_its_parameters_and_facts(name: str) -> None:
    tool = all_tools()[name]
    text = section("tools.md", name)
    assert tool.question in text
    says(text, *tool.params.model_fields, *tool.facts.model_fields)
    assert "inconclusive" in text or tool.unavailable
    listed = [name for row in re.findall(r"^\| (`.*?) \|", text, flags=re.MULTILINE) for name in row.split(", ")]
    unknown = {name.strip("`") for name in listed} - set(tool.facts.model_fields) - OTHER_ROWS
    assert not unknown, f"tools.md describes facts that {name} does not have: {unknown}"


def test_every_cause() -> None:
    for cause in load_catalogue().causes.values():
        text = section("causes.md", cause.id)
        assert cause.title in text
        assert ("accuses" in text) == cause.accuses


def test_every_playbook_and_all_of_the_grammar() -> None:
    text = page("playbooks.md")
    says(text, *load_catalogue().playbooks, *KINDS, *OPERATORS, *GROUPS, *(f"$alert.{name}" for name in ALERT_FIELDS))
    for kind in KINDS.values():
        says(text, *((field.alias or name) for name, field in kind.model_fields.items()))
    says(text, *Rehearsal.model_fields)


def test_the_example_playbook_has_no_fault_and_its_rehearsal_comes_out() -> None:
    source, rehearsal = (
        next(text for text in blocks("playbooks.md", "toml") if text.startswith(key)) for key in ("id =", "playbook =")
    )
    example = PlaybookSource(tomllib.loads(source)["id"], "the guide", source)
    shipped = load_catalogue()
    whole = replace(shipped, playbooks={**shipped.playbooks, example.id: example})
    assert [str(fault) for fault in check(whole, all_tools()) if fault.playbook == example.id] == []
    told = Rehearsal.model_validate(tomllib.loads(rehearsal))
    assert rehearse(told, Library(whole, all_tools()), all_tools()).differences == ()


def test_every_setting_with_its_variable_and_default() -> None:
    rows = {line.split("|")[1].strip(" `"): line for line in page("settings.md").splitlines() if line.startswith("| `")}
    assert list(rows) == list(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        default = "none" if field.default in ((), {}, None) else str(field.default)
        says(rows[name], variable(name), *([default] if default != "none" else []))


def test_the_example_settings_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "hawkeye.toml").write_text(blocks("settings.md", "toml")[0])
    assert load({}, tmp_path) != Settings()


def test_every_command_and_option() -> None:
    for path, command in commands(hawkeye, ("hawkeye",)):
        text = section("commands.md", " ".join(path))
        for parameter in command.params:
            says(text, parameter.opts[-1] if isinstance(parameter, click.Option) else parameter.human_readable_name)


def commands(group: click.Command, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, by the words that call it."""
    if not isinstance(group, click.Group):
        return [(path, group)]
    context = click.Context(group)
    names = group.list_commands(context)
    below = [(name, group.get_command(context, name)) for name in names]
    return [found for name, command in below if command for found in commands(command, (*path, name))]


def test_every_route_and_only_those(tmp_path: Path) -> None:
    app = create_app(small.settings(tmp_path))
    routes = {
        (method, re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path))
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/")
        for method in route.methods - {"OPTIONS"}
    }
    tools = {f"/api/v1/tools/{name}" for name in all_tools()}
    expected = {(m, "/api/v1/tools/{tool}" if p in tools else p) for m, p in routes}
    documented = set(re.findall(r"^#+ `(GET|POST) (/\S+)`$", page("api.md"), flags=re.MULTILINE))
    assert documented == expected


def test_every_event_is_named() -> None:
    kinds = [kind.__name__ for kind in Event.__args__[0].__args__]
    says(page("api.md"), *kinds)


def test_the_bodies_of_the_examples_are_json() -> None:
    found = re.findall(r"-d '(\{.*?\})'", page("api.md"), flags=re.DOTALL)
    assert len(found) >= 5
    for body in found:
        json.loads(body)


def test_every_fault_of_the_drills() -> None:
    for name, fault in FAULTS.items():
        says(page("drills.md"), name)
        assert fault.description in page("drills.md")


def test_every_record_field_and_facet_that_is_read() -> None:
    text = page("telemetry.md")
    for record in RECORDS:
        says(text, *record.model_fields)
    for facets in FACETS:
        says(text, *(field.alias or name for name, field in facets.model_fields.items()))
    says(text, *(name for name in vars(Receiver) if name.startswith(("receive_", "fix_"))))
    says(text, *(role.value for role in records.MetricRole), *(standing.value for standing in records.Standing))
    says(text, *Alert.model_fields)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page(name)):
        assert (GUIDE / target).exists(), f"{name} links to {target}"


def test_the_index_lists_every_page_and_the_readme_every_command() -> None:
    assert set(re.findall(r"\]\((\w[\w-]*\.md)\)", page("index.md"))) == set(PAGES) - {"index.md"}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    says(readme, *(" ".join(path) for path, _ in commands(hawkeye, ("hawkeye",))))
    for target in re.findall(r"\]\(([^)#:]+)\)", readme):
        assert (ROOT / target).exists(), f"README.md links to {target}"
