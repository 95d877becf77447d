"""The zip of a `.pt2` file: where the bytes of each entry lie, without trusting what the file says of itself."""

import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

JSON_LIMIT_BYTES = 32 << 20
DIRECTORY_LIMIT_BYTES = 16 << 20
MESSAGE_LIMIT = 500
REFUSED = (("aotinductor/", "compiled code"), ("custom_obj_", "a pickled object"), ("opaque_obj_", "an opaque object"))
LOCAL_HEADER = struct.Struct("<4sHHHHHIIIHH")
ENCRYPTED = 0x1


class Refused(Exception):
    """An entry and the reason; `knowledge.pt2` adds the file and what to do."""

    def __init__(self, entry: str, reason: str) -> None:
        message = f"entry {entry!r}: {reason}" if entry else reason
        super().__init__("".join(letter if letter.isprintable() else "?" for letter in message[:MESSAGE_LIMIT]))


class Strict(BaseModel):
    """A piece of the file's JSON. Keys that are not asked for are not looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


Piece = TypeVar("Piece", bound=Strict)


@dataclass(frozen=True)
class Archive:
    """The bytes of the file, and where in them each entry lies: name below the root → (start, length, checksum)."""

    raw: NDArray[np.uint8]
    places: dict[str, tuple[int, int, int]]

    def bytes_of(self, entry: str) -> NDArray[np.uint8]:
        """The bytes of an entry, as a view of the file. Raises `Refused` where it is not there."""
        if entry not in self.places:
            raise Refused(entry, "it is named but it is not in the file")
        start, length, _ = self.places[entry]
        return self.raw[start : start + length]

    def json_of(self, entry: str, shape: type[Piece]) -> Piece:
        """A JSON entry as `shape`. Raises `Refused` for one that is damaged, too large, or of another shape."""
        text = self.bytes_of(entry)
        if len(text) > JSON_LIMIT_BYTES:
            raise Refused(entry, f"it is larger than {JSON_LIMIT_BYTES} bytes")
        if zlib.crc32(text.data) != self.places[entry][2]:
            raise Refused(entry, "it is damaged: its checksum is not the one that the file gives")
        try:
            said = json.loads(text.tobytes(), object_pairs_hook=_without_repeats, parse_constant=_no_number)
            return shape.model_validate(said)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise Refused(entry, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        except (ValueError, RecursionError) as error:
            raise Refused(entry, f"it is not JSON ({error})") from None

    def only(self, folder: str, suffix: str) -> str | None:
        """The one entry of a folder with this ending; None where there is none. Raises `Refused` for several."""
        found = sorted(name for name in self.places if name.startswith(folder) and name.endswith(suffix))
        if len(found) > 1:
            raise Refused(folder, f"it must describe one model, and describes {len(found)}")
        return found[0] if found else None


def open_archive(file: BinaryIO) -> Archive:
    """The entries of an opened file, mapped into memory. Writing to the map leaves the file as it is."""
    with zipfile.ZipFile(_Capped(file)) as archive:
        entries = archive.infolist()
    raw = np.memmap(file, dtype=np.uint8, mode="c")
    places: dict[str, tuple[int, int, int]] = {}
    roots = {PurePosixPath(entry.filename).parts[:1] for entry in entries}
    if len(roots) != 1:
        raise Refused("", f"its entries must lie in one folder, and lie in {len(roots)}")
    for entry in entries:
        name = entry.filename.partition("/")[2]
        if name in places:
            raise Refused(entry.filename, "it is there twice")
        places[name] = (*_place(raw, entry), entry.CRC)
    _refuse_overlaps(places)
    opened = Archive(raw, places)
    for name, expected in (("archive_format", b"pt2"), ("byteorder", b"little")):
        said = opened.bytes_of(name)[:16].tobytes()
        if said != expected:
            raise Refused(name, f"it says {said!r} and not {expected!r}")
    return opened


class _Capped:
    """A file for zipfile, which reads the directory in one piece, as large as the file says that it is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if size > DIRECTORY_LIMIT_BYTES:
            raise Refused("", f"its directory claims {size} bytes, more than {DIRECTORY_LIMIT_BYTES}")
        return self._file.read(size if size >= 0 else DIRECTORY_LIMIT_BYTES)


def _no_number(text: str) -> float:
    """Python takes NaN and Infinity for numbers; JSON has none, and torch writes them as texts."""
    raise ValueError(f"{text} is no number of JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is there twice")
    return members


def _place(raw: NDArray[np.uint8], entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Where the bytes of an entry lie, by the directory and the entry's own header, which must agree."""
    name = entry.filename
    parts = name.split("/")
    if ".." in parts or "" in parts[:-1] or "\\" in name:
        raise Refused(name, "its name is not a plain path")
    for mark, what in REFUSED:
        if mark in name:
            raise Refused(name, f"it is {what}, which is never loaded here")
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & ENCRYPTED:
        raise Refused(name, "it is compressed or encrypted; tensors are stored as they are")
    if entry.file_size != entry.compress_size:
        raise Refused(name, f"it claims {entry.file_size} bytes and holds {entry.compress_size}")
    header_end = entry.header_offset + LOCAL_HEADER.size
    if entry.header_offset < 0 or header_end > len(raw):
        raise Refused(name, "its header lies outside the file")
    signature, _, _, method, *_, name_length, extra_length = LOCAL_HEADER.unpack(
        raw[entry.header_offset : header_end].tobytes()
    )
    own_name = raw[header_end : header_end + name_length].tobytes()
    if signature != b"PK\x03\x04" or method != zipfile.ZIP_STORED or own_name != entry.orig_filename.encode():
        raise Refused(name, "its header does not agree with the directory of the file")
    start = header_end + name_length + extra_length
    if start + entry.file_size > len(raw):
        raise Refused(name, f"it claims {entry.file_size} bytes, but the file ends before; it may be truncated")
    return start, entry.file_size


def _refuse_overlaps(places: dict[str, tuple[int, int, int]]) -> None:
    end, last = 0, ""
    for start, length, name in sorted((start, length, name) for name, (start, length, _) in places.items()):
        if start < end:
            raise Refused(name, f"it shares bytes with {last!r}")
        end, last = start + length, name
