"""The catalogue: shipped files, configured folders, and faults said in words."""

from pathlib import Path

import pytest

from knowledge.catalogue import CatalogueFault, load_catalogue, read_playbook

CAUSE = """[[causes]]
id = "own.cause"
title = "t"
explanation = "e"
how_to_confirm = "h"
mitigation = "m"
accuses = true
"""


def test_the_shipped_ones_are_there() -> None:
    catalogue = load_catalogue()
    assert "topline_drop" in catalogue.playbooks
    assert catalogue.causes["data.upstream_code_change"].accuses
    assert not catalogue.causes["none.real_world_shift"].accuses


def test_a_folder_adds_playbooks_and_causes(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('id = "own"', encoding="utf-8")
    (tmp_path / "causes.toml").write_text(CAUSE, encoding="utf-8")
    catalogue = load_catalogue([tmp_path])
    assert catalogue.playbooks["own"].text == 'id = "own"'
    assert catalogue.playbooks["own"].origin == str(tmp_path / "own.toml")
    assert "own.cause" in catalogue.causes
    assert list(catalogue.causes) == sorted(catalogue.causes)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("topline_drop.toml", "", "two playbooks are called 'topline_drop'"),
        ("causes.toml", CAUSE.replace("own.cause", "inconclusive"), "the cause 'inconclusive' is there already"),
        ("causes.toml", "[[causes", "not valid TOML"),
        ("causes.toml", CAUSE.replace("accuses = true", ""), "causes.0.accuses: Field required"),
        ("own.toml", b"\xff", "cannot be read"),
    ],
)
def test_faults_name_the_file(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CatalogueFault, match=message):
        load_catalogue([tmp_path])


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogueFault, match="is not a folder; name a folder that holds playbooks"):
        load_catalogue([tmp_path / "nowhere"])
    with pytest.raises(CatalogueFault, match="cannot be read"):
        read_playbook(tmp_path / "nowhere.toml")
