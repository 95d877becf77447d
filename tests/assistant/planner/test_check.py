"""The checker finds every fault, all at once, and names the step."""

import pytest

from assistant.planner.check import check
from tests.assistant.planner.stand_ins import DEEP, TOOLS, WALK, catalogue


def faults(**texts: str) -> list[str]:
    return [str(fault) for fault in check(catalogue(**texts), TOOLS)]


def walk(old: str, new: str) -> list[str]:
    assert old in WALK, old
    return faults(walk=WALK.replace(old, new), deep=DEEP)


def test_the_sound_ones_have_none() -> None:
    assert faults(walk=WALK, deep=DEEP) == []


BATTERY = [
    ("dangling", 'no_data = "unknown"', 'no_data = "nowhere"', "step look: goes to 'nowhere', which is not a step"),
    ("start", 'start = "look"', 'start = "lok"', "it starts at 'lok', which is not a step"),
    ("unreachable", 'no_data = "unknown"', 'no_data = "clean"', "no path leads to the step 'unknown'"),
    (
        "cycle",
        'label = "Yes", go = "clean"',
        'label = "Yes", go = "look"',
        "a circle of steps would never end: look, m",
    ),
    ("tool", 'tool = "look"', 'tool = "lookk"', "step look: there is no tool 'lookk'; there are: later, look, "),
    ("unknown fact", "$facts.look.level", "$facts.look.lvl", "step meant: the tool look has no fact 'lvl'; it has: "),
    ("not a tool", "$facts.look.level", "$facts.meant.level", "'meant' is not a step that runs a tool"),
    ("not a question", "$facts.look.level", "$answers.look", "'look' is not a question"),
    (
        "type",
        'level", above = 0.5',
        'kind", above = 0.5',
        "tests $facts.look.kind with 'above', but it is one of nulls",
    ),
    ("option", 'is = "nulls"', 'is = "nuls"', "is 'nuls', but it can only be one of nulls, shift"),
    ("option in", 'is = "nulls"', 'in = ["nulls", "z"]', "is 'z', but it can only be one of nulls, shift"),
    ("kind of value", "above = 0.5", "is = true", "is True, but it can only be number"),
    ("otherwise", 'otherwise = "clean"\n', "", "step look: 'otherwise' is missing"),
    ("no_data", 'no_data = "unknown"\n', "", "step look: 'no_data' is missing"),
    (
        "cause",
        'conclude = "broken"',
        'conclude = "brokn"',
        "step verdict: there is no cause 'brokn'; there are: broken, ",
    ),
    (
        "param type",
        'product = "$alert.product"',
        'product = "$alert.window"',
        "$alert.window, which is window; it must be",
    ),
    ("param name", "window =", "windw =", "step look: the tool look has no parameter 'windw'; it has: product, window"),
    ("param missing", ', window = "$alert.window"', "", "step look: the tool look needs the parameter 'window'"),
    (
        "param literal",
        '"$alert.product", window',
        "7, window",
        "gives 'product' the value 7: Input should be a valid s",
    ),
    ("reference", "$alert.product", "$alert.owner", "'$alert.owner' is no reference; write $facts.<step>.<fact>"),
    ("input", "$facts.look.level", "$input.level", "reads $input.level, but the playbook declares no such input"),
    ("link", "0.95]", "1.95]", "the confidence link 1.95, which is not between 0 and 1"),
    ("link type", "0.95]", '"$facts.look.model"]', "link '$facts.look.model', which is not a number"),
    ("no link", "confidence = [0.9]", "confidence = []", "step clean: names no link in `confidence`"),
    (
        "recommended",
        'recommend_otherwise = "unknown"',
        'recommend_otherwise = "?"',
        "recommends '?', which is not one of",
    ),
    ("twice", 'choice = "yes"', 'choice = "no"', "step meant: offers the choice 'no' twice"),
    ("two kinds", 'tool = "look"', 'tool = "look"\nquestion = "?"', "this one has tool and question"),
    ("no kind", 'conclude = "broken"\n', "", "step verdict: a step has exactly one of tool, decide,"),
    (
        "unknown key",
        'otherwise = "clean"',
        'otherwise = "clean"\nelse = "clean"',
        "step look: 'else' is not known here",
    ),
    ("condition", "above = 0.5", "equals = 0.5", "step meant: 'recommend.0.when.equals' is not known here"),
    (
        "playbook",
        'playbook = "deep"',
        'playbook = "deeep"',
        "step deep: there is no playbook 'deeep', or it has faults",
    ),
    ("outcome", ', fine = "clean" }', " }", "the playbook 'deep' may return 'fine'; say in `on` where that leads"),
    ("no outcome", 'fine = "clean"', 'fine = "clean", odd = "clean"', "the playbook 'deep' never returns 'odd'"),
    (
        "call input",
        "with = { model =",
        "with = { modl =",
        "the playbook 'deep' needs the input 'model'; give it in `with`",
    ),
    (
        "input type",
        'with = { model = "$facts.look.model" }',
        "with = { model = 3 }",
        "deep.probe: gives 'model' the value 3",
    ),
    ("not run", "$facts.deep.probe.confidence", "$facts.look.levle", "the tool look has no fact 'levle'"),
    ("toml", "version = 1", "version = = 1", "not valid TOML: Invalid value (at line 4, column 11)"),
    ("id", 'id = "walk"', 'id = "wolk"', "its id is 'wolk' but its file is called walk.toml"),
    ("dot", "[steps.clean]", '[steps."cle.an"]', "a step's name may hold no dot"),
]


@pytest.mark.parametrize(("old", "new", "message"), [row[1:] for row in BATTERY], ids=[row[0] for row in BATTERY])
def test_a_fault_is_found(old: str, new: str, message: str) -> None:
    found = walk(old, new)
    assert any(message in fault for fault in found), found
    assert all(fault.startswith("walk: ") for fault in found)


def test_a_fact_read_where_its_tool_may_not_have_run() -> None:
    found = walk(
        'target = "$alert.product"\nconfidence = [0.9]', 'target = "$facts.deep.probe.pipeline"\nconfidence = [0.9]'
    )
    assert found == [
        "walk: step clean: reads $facts.deep.probe.pipeline, but on some path to this step 'deep.probe' has not run"
    ]


def test_a_tool_cannot_read_its_own_facts_before_it_has_run() -> None:
    found = walk('product = "$alert.product"', 'product = "$facts.look.model"')
    assert found == ["walk: step look: reads $facts.look.model, but on some path to this step 'look' has not run"]


def test_playbooks_that_call_each_other() -> None:
    back = DEEP.replace("[steps.fine]\nreturn", '[steps.fine]\nplaybook = "walk"\n[steps.never]\nreturn')
    assert any(
        "may not call each other in a circle: walk → deep → walk" in fault for fault in faults(walk=WALK, deep=back)
    )


def test_a_fault_of_a_called_playbook_is_reported_once() -> None:
    bad = DEEP.replace('pipeline = "$facts.probe.pipeline"', 'pipeline = "$facts.probe.pipelin"')
    assert faults(walk=WALK, deep=bad) == [
        "deep: step pause: the tool probe has no fact 'pipelin'; it has: confidence, pipeline"
    ]


def test_only_what_acts_is_proposed() -> None:
    bad = DEEP.replace('propose = "pipeline_pause"', 'propose = "probe"').replace(
        'params = { pipeline = "$facts.probe.pipeline", action = "pause" }', 'params = { model = "m" }'
    )
    assert faults(walk=WALK, deep=bad) == [
        "deep: step pause: proposes 'probe', which is not a tool that acts; run it with `tool`"
    ]


def test_all_faults_come_at_once() -> None:
    bad = WALK.replace('tool = "look"', 'tool = "lookk"').replace('conclude = "fine"', 'conclude = "good"')
    found = faults(walk=bad.replace('no_data = "unknown"', 'no_data = "nowhere"'), deep="x")
    assert [text in " ".join(found) for text in ("lookk", "good", "nowhere", "unknown", "TOML")] == [True] * 5
