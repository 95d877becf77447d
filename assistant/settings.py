"""The settings: defaults, then `hawkeye.toml`, then HAWKEYE_* environment variables, then the command line."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from knowledge.connectors.connection import EMBEDDED, Connection
from knowledge.connectors.tracking import Tracking
from knowledge.pipelines import PipelineSettings

FILE = "hawkeye.toml"
FILE_VARIABLE = "HAWKEYE_CONFIG"
PREFIX = "HAWKEYE_"
_PATHS = ("data_dir", "snapshot_roots", "playbook_folders")
_LISTS = ("snapshot_roots", "playbook_folders")
_WORDS = ("api_keys",)
_TABLES = ("factories", "mlflow")
_SECRETS = ("secret_file", "webhook_secret_file")
_NESTED = ("orchestrators", "pipelines")


class SettingsError(ValueError):
    """A setting is wrong; the message names each one, where it was read, and what it may be."""


class Settings(BaseModel):
    """What one running assistant is configured with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Annotated[Path, Field(description="the folder of the database, profiles and snapshots")] = Path(
        ".hawkeye"
    )
    host: Annotated[str, Field(description="the address that `hawkeye serve` listens on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="its port; 0 takes a free one")] = 8765
    snapshot_roots: Annotated[
        tuple[Path, ...], Field(description="further folders that snapshot artifacts may lie in")
    ] = ()
    playbook_folders: Annotated[tuple[Path, ...], Field(description="folders with playbooks of your own")] = ()
    playbook: Annotated[str, Field(min_length=1, description="the playbook that an alert is walked with")] = (
        "topline_drop"
    )
    baseline_days: Annotated[int, Field(ge=2, le=90, description="how many days before an alert are its baseline")] = 14
    samples_kept: Annotated[
        int, Field(ge=0, le=1_000_000, description="how many samples of each model are kept as rows; 0 keeps none")
    ] = 20_000
    factories: Annotated[
        dict[str, Annotated[str, Field(pattern=r"^\w+(\.\w+)*:\w+$")]],
        Field(description="model → `package.module:function` that makes its module, for snapshots of weights alone"),
    ] = {}
    orchestrators: Annotated[
        dict[Annotated[str, Field(pattern=r"^[\w-]+$")], Connection],
        Field(description="name → how the platform's orchestrator of that name is reached"),
    ] = {}
    pipelines: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=200)], PipelineSettings],
        Field(description="pipeline → where it runs and what else is known of it, over what the platform sent"),
    ] = {}
    api_keys: Annotated[
        tuple[Annotated[SecretStr, Field(min_length=16)], ...],
        Field(description="keys of which one is needed to send telemetry; without any, only this machine may send"),
    ] = ()
    mlflow: Annotated[Tracking | None, Field(description="how the MLflow server with training runs is reached")] = None
    cluster: Annotated[
        str | None,
        Field(pattern=r"^(tcp|tls)://\S+:\d+$", description="the scheduler of a Dask cluster that heavy work runs on"),
    ] = None
    at_once: Annotated[int, Field(ge=1, le=64, description="how many investigations are walked at the same time")] = 4

    @field_validator("orchestrators")
    @classmethod
    def _name_is_free(cls, orchestrators: dict[str, Connection]) -> dict[str, Connection]:
        if EMBEDDED in orchestrators:
            raise ValueError(f"{EMBEDDED!r} is the orchestrator of the data folder; call this one something else")
        return orchestrators

    @model_validator(mode="after")
    def _orchestrators_are_there(self) -> "Settings":
        known = [EMBEDDED, *self.orchestrators]
        for name, told in self.pipelines.items():
            if told.orchestrator is not None and told.orchestrator not in known:
                raise ValueError(
                    f"the pipeline {name!r} is said to run on {told.orchestrator!r}; there are: {', '.join(known)}"
                )
        return self


def load(env: Mapping[str, str] = os.environ, folder: Path | None = None, **overrides: object) -> Settings:
    """The settings of this process. `folder` is where `hawkeye.toml` is looked for, the current one by default.

    Overrides that are None count as not given. Raises `SettingsError` with every fault at once.
    """
    path = Path(env[FILE_VARIABLE]) if FILE_VARIABLE in env else (folder or Path.cwd()) / FILE
    sources = {str(path): _from_file(path, needed=FILE_VARIABLE in env), "the environment": _from_env(env)}
    sources["the command line"] = {name: value for name, value in overrides.items() if value is not None}
    origin = {name: source for source, values in sources.items() for name in values}
    merged = {name: value for values in sources.values() for name, value in values.items()}
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError("; ".join(_fault(e["loc"], e["msg"], e["type"], origin) for e in error.errors())) from None


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def _from_file(path: Path, *, needed: bool) -> dict[str, Any]:
    """Paths in the file are meant relative to the file's own folder."""
    if not path.exists() and not needed:
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} is not TOML: {error}") from None
    return {name: _placed(path.parent, name, value) for name, value in values.items()}


def _placed(folder: Path, name: str, value: object) -> object:
    if name in _PATHS:
        return _beside(folder, value)
    if name in _NESTED and isinstance(value, dict):
        return {key: _with_secret_beside(folder, told) for key, told in value.items()}
    return _with_secret_beside(folder, value) if name == "mlflow" else value


def _with_secret_beside(folder: Path, told: object) -> object:
    if not isinstance(told, dict):
        return told
    return {**told, **{name: _beside(folder, told[name]) for name in _SECRETS if name in told}}


def _beside(folder: Path, value: object) -> object:
    if isinstance(value, str):
        return folder / value
    return [_beside(folder, item) for item in value] if isinstance(value, list) else value


def _from_env(env: Mapping[str, str]) -> dict[str, Any]:
    """Folders are separated as in PATH, keys by commas, and so are the `name=value` of tables, `name.key=value` nested.

    A variable of ours that is no setting stays: other commands may read it.
    """
    found = {name: env[variable(name)] for name in Settings.model_fields if env.get(variable(name))}
    return {name: _spelled_out(name, value) for name, value in found.items()}


def _spelled_out(name: str, value: str) -> object:
    if name in _WORDS:
        return [part.strip() for part in value.split(",") if part.strip()]
    if name in _LISTS:
        return [part for part in value.split(os.pathsep) if part]
    pairs = [part.partition("=") for part in value.split(",") if part]
    table = {key.strip(): told.strip() for key, _, told in pairs}
    return table if name in _TABLES else _nested(table) if name in _NESTED else value


def _nested(table: Mapping[str, str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for key, told in table.items():
        outer, _, inner = key.rpartition(".")  # the name of a pipeline may have dots
        found.setdefault(outer, {})[inner] = told
    return found


def _fault(where: tuple[int | str, ...], what: str, kind: str, origin: Mapping[str, str]) -> str:
    if not where:  # settings that do not go together
        return what.removeprefix("Value error, ")
    name = str(where[0])
    if kind == "extra_forbidden" and len(where) == 1:
        return f"{origin[name]} sets {name!r}, which is no setting; there are: {', '.join(Settings.model_fields)}"
    part = ".".join(str(step) for step in where) if name in (*_NESTED, "mlflow") else name
    return f"{origin[name]} sets {part} to something that it cannot be: {what.lower()}"
