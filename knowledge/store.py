"""The store: one SQLite file per data folder, one process per folder, one writer thread, a reader per thread.

Concurrent writers on one SQLite file lost writes with "database is locked" in spite of a timeout. So every write goes
through one thread with a queue, in BEGIN IMMEDIATE, and is on disk when `write` returns. Writes that wait at the same
time share a transaction, each in a savepoint of its own, because it is the way to the disk that takes the time.
"""

import errno
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database

from knowledge.migrations import migrations

T = TypeVar("T")
DATABASE = "hawkeye.db"
LOCK = "lock"
TOGETHER = 64  # so many writes at most share a transaction
_Job = tuple[Callable[[Database], Any], Future[Any]]


class StoreError(Exception):
    """The data folder cannot be used; the message says why and what to do."""


class FolderInUse(StoreError):
    """Another process works on the same data folder."""


class DamagedDatabase(StoreError):
    """The file is not a sound SQLite database."""


class Store:
    """Opened with `Store.open`; `write` from any thread, `reader` gives the calling thread's own connection."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock
        self._local = threading.local()
        self._readers: list[Database] = []
        self._readers_guard = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._close_guard = threading.Lock()
        self._writer = threading.Thread(target=self._write_loop, name="hawkeye-writer", daemon=True)
        self._writer.start()

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Lock the folder, check the database, migrate it. Raises `FolderInUse`, `DamagedDatabase`, `StoreError`."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = _lock(folder)
        except OSError as error:
            raise StoreError(f"cannot use {folder} as data folder: {error.strerror}. Choose another one") from error
        try:
            _check_and_migrate(folder / DATABASE)
        except BaseException:
            os.close(lock)
            raise
        return cls(folder, lock)

    def write(self, job: Callable[[Database], T]) -> T:
        """Run `job` in the writer thread: on disk as a whole when this returns, and nothing of it when this raises."""
        done: Future[T] = Future()
        with self._close_guard:  # so that no job is queued behind the one that ends the writer
            if self._closed:
                raise StoreError("the store is closed; nothing was written")
            self._jobs.put((job, done))
        return done.result()

    def reader(self) -> Database:
        """The calling thread's read-only connection."""
        db: Database | None = getattr(self._local, "db", None)
        if db is None:
            db = _connect(self.folder / DATABASE)
            db.conn.execute("PRAGMA query_only=on")
            self._local.db = db
            with self._readers_guard:
                self._readers.append(db)
        return db

    def close(self) -> None:
        """Finish the queued writes, close every connection, give the folder back. Twice is harmless."""
        with self._close_guard:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._writer.join()
        for db in self._readers:
            db.close()
        os.close(self._lock)

    def _write_loop(self) -> None:
        db = _connect(self.folder / DATABASE)
        ended = False
        while not ended:
            waiting, ended = self._waiting()
            for done, answer, error in _together(db, waiting):
                if error is not None:
                    done.set_exception(_explained(error, self.folder))
                else:
                    done.set_result(answer)
        db.close()

    def _waiting(self) -> tuple[list[_Job], bool]:
        """The jobs that wait now, at least one unless it is the end, and whether it is."""
        found: list[_Job] = []
        item = self._jobs.get()
        while item is not None:
            found.append(item)
            if len(found) == TOGETHER or self._jobs.empty():
                return found, False
            item = self._jobs.get()
        return found, True


def _together(db: Database, jobs: list[_Job]) -> list[tuple[Future[Any], Any, BaseException | None]]:
    """Run the jobs in one transaction: each with its answer, or with the error for which nothing of it was kept."""
    outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
    try:
        db.conn.execute("BEGIN IMMEDIATE")
        for job, done in jobs:
            outcomes.append((done, *_by_itself(db, job)))
        db.conn.execute("COMMIT")
    except BaseException as error:  # noqa: BLE001  (handed to the callers, whatever it is)
        if db.conn.in_transaction:
            db.conn.rollback()
        return [(done, None, error) for _, done in jobs]
    return outcomes


def _by_itself(db: Database, job: Callable[[Database], Any]) -> tuple[Any, BaseException | None]:
    """Raises where the error has ended the whole transaction, as a full disk does."""
    db.conn.execute("SAVEPOINT job")
    try:
        answer = job(db)
    except BaseException as error:  # handed to the caller, whatever it is
        if not db.conn.in_transaction:
            raise
        db.conn.execute("ROLLBACK TO job")
        db.conn.execute("RELEASE job")
        return None, error
    db.conn.execute("RELEASE job")
    return answer, None


def _lock(folder: Path) -> int:
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        raise FolderInUse(
            f"the data folder {folder} is in use by another process (pid {owner}). "
            "Stop that one, talk to it over its API, or choose another folder with HAWKEYE_DATA_DIR"
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def _connect(path: Path) -> Database:
    """WAL and synchronous=FULL: a write that was acknowledged is on disk, also after a power cut."""
    # A reader is closed by the thread that closes the store, hence check_same_thread; no connection is ever shared.
    db = Database(sqlite3.connect(path, check_same_thread=False), execute_plugins=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=on", "busy_timeout=5000"):
        db.conn.execute(f"PRAGMA {pragma}").fetchall()
    return db


def _check_and_migrate(path: Path) -> None:
    db = None
    try:
        db = _connect(path)
        verdict = db.conn.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise DamagedDatabase(_damaged(path, verdict))
        migrations.apply(db)
    except sqlite3.DatabaseError as error:
        raise DamagedDatabase(_damaged(path, str(error))) from error
    finally:
        if db is not None:
            db.close()


def _damaged(path: Path, reason: str) -> str:
    return (
        f"the database {path} is damaged ({reason}). Nothing was changed. Restore it from a backup, or move it away "
        "to start with an empty one; `sqlite3 FILE .recover` may save what is readable"
    )


def _explained(error: BaseException, folder: Path) -> BaseException:
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.IntegrityError):
        return StoreError(f"could not write to {folder / DATABASE}: {error}. Nothing of this write was kept")
    return error
