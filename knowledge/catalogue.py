"""Causes and playbooks: the shipped ones, those of other distributions, and those in configured folders.

An entry point of the group `hawkeye.playbooks` names a package. Its `*.toml` files are playbooks, and its causes are in
the file that its attribute `CAUSES` names, or else in its `causes.toml`. A folder is read the same way.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

GROUP = "hawkeye.playbooks"
CAUSES_FILE = "causes.toml"


class Cause(BaseModel):
    """A root cause in words for a non-expert. `accuses` marks those that blame a thing or a person's work."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    title: str
    explanation: str
    how_to_confirm: str
    mitigation: str
    accuses: bool


class _CauseFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class PlaybookSource:
    """A playbook as text; the planner parses and checks it. `origin` says where it came from."""

    id: str
    origin: str
    text: str


@dataclass(frozen=True)
class Catalogue:
    """All causes and playbooks by id, in the order of ids."""

    causes: Mapping[str, Cause]
    playbooks: Mapping[str, PlaybookSource]


class CatalogueFault(ValueError):
    """A file of the catalogue cannot be used; the message says which one and why."""


def load_catalogue(folders: Sequence[Path] = ()) -> Catalogue:
    """The catalogue of all packages and of `folders`. Raises `CatalogueFault`, also where an id comes twice."""
    causes: dict[str, Cause] = {}
    playbooks: dict[str, PlaybookSource] = {}
    for place, cause_file in [*_installed(), *((folder, folder / CAUSES_FILE) for folder in folders)]:
        for cause in _causes(cause_file):
            if cause.id in causes:
                raise CatalogueFault(f"{cause_file}: the cause {cause.id!r} is there already; give this one another id")
            causes[cause.id] = cause
        for source in _playbooks(place):
            if source.id in playbooks:
                first = playbooks[source.id].origin
                raise CatalogueFault(f"two playbooks are called {source.id!r}: {first} and {source.origin}; rename one")
            playbooks[source.id] = source
    return Catalogue(dict(sorted(causes.items())), dict(sorted(playbooks.items())))


def read_playbook(path: Path) -> PlaybookSource:
    """One playbook from a file; its id is the name of the file. Raises `CatalogueFault` where it cannot be read."""
    return PlaybookSource(path.stem, str(path), _text(path))


def _installed() -> list[tuple[Traversable, Traversable]]:
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    packages = [(files(point.value), point.load()) for point in points]
    return [(place, getattr(package, "CAUSES", place / CAUSES_FILE)) for place, package in packages]


def _playbooks(place: Traversable) -> list[PlaybookSource]:
    if not place.is_dir():
        raise CatalogueFault(f"{place} is not a folder; name a folder that holds playbooks (*.toml)")
    names = [entry for entry in place.iterdir() if entry.name.endswith(".toml") and entry.name != CAUSES_FILE]
    return [
        PlaybookSource(entry.name.removesuffix(".toml"), str(entry), _text(entry))
        for entry in sorted(names, key=lambda entry: entry.name)
    ]


def _causes(path: Traversable) -> tuple[Cause, ...]:
    if not path.is_file():
        return ()
    try:
        return TypeAdapter(_CauseFile).validate_python(tomllib.loads(_text(path))).causes
    except tomllib.TOMLDecodeError as error:
        raise CatalogueFault(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CatalogueFault(f"{path}: {where}: {first['msg']}") from error


def _text(path: Traversable) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueFault(f"{path} cannot be read: {error}") from error
