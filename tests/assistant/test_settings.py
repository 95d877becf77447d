from pathlib import Path

import pytest

from assistant.settings import SettingsError, load


def test_the_defaults(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    assert (settings.host, settings.port, settings.baseline_days) == ("127.0.0.1", 8765, 14)
    assert settings.data_dir == Path(".hawkeye")


def test_the_later_source_wins(tmp_path: Path) -> None:
    (tmp_path / "hawkeye.toml").write_text('port = 1\nhost = "file"\nbaseline_days = 7\n')
    settings = load({"HAWKEYE_PORT": "2", "HAWKEYE_HOST": "env"}, tmp_path, host="flag", data_dir=None)
    assert (settings.baseline_days, settings.port, settings.host) == (7, 2, "flag")


def test_paths_in_the_file_are_beside_it_and_lists_in_variables_are_as_in_path(tmp_path: Path) -> None:
    (tmp_path / "hawkeye.toml").write_text('data_dir = "data"\nsnapshot_roots = ["s", "/abs"]\n')
    settings = load({"HAWKEYE_PLAYBOOK_FOLDERS": "a:b"}, tmp_path)
    assert settings.data_dir == tmp_path / "data"
    assert settings.snapshot_roots == (tmp_path / "s", Path("/abs"))
    assert settings.playbook_folders == (Path("a"), Path("b"))


def test_factories_are_a_table_in_the_file_and_pairs_in_the_variable(tmp_path: Path) -> None:
    (tmp_path / "hawkeye.toml").write_text('[factories]\nranker = "ranking.models:build"\n')
    assert load({}, tmp_path).factories == {"ranker": "ranking.models:build"}
    settings = load({"HAWKEYE_FACTORIES": "ranker=a.b:c, late=d:e"}, tmp_path)
    assert settings.factories == {"ranker": "a.b:c", "late": "d:e"}


@pytest.mark.parametrize(
    ("toml", "env", "says"),
    [
        ("port = 70000", {}, "hawkeye.toml sets port"),
        ("", {"HAWKEYE_PORT": "many"}, "the environment sets port"),
        ("prot = 1", {}, "'prot', which is no setting; there are: data_dir"),
        ("port = ", {}, "is not TOML"),
        ("snapshot_roots = 3", {}, "sets snapshot_roots"),
        ("", {"HAWKEYE_FACTORIES": "ranker"}, "the environment sets factories"),
        ("[factories]\nranker = 'os.system(1)'", {}, "sets factories"),
        ("", {"HAWKEYE_CONFIG": "/nowhere/h.toml"}, "cannot read the settings file /nowhere/h.toml"),
    ],
)
def test_what_is_wrong_is_named_with_its_source(tmp_path: Path, toml: str, env: dict[str, str], says: str) -> None:
    (tmp_path / "hawkeye.toml").write_text(toml)
    with pytest.raises(SettingsError, match=says):
        load(env, tmp_path)


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "hawkeye.toml").write_text("port = -1\nbaseline_days = 0\n")
    with pytest.raises(SettingsError, match=r"sets port .*; .* sets baseline_days"):
        load({}, tmp_path)
