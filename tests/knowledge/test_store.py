import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from knowledge.store import DamagedDatabase, FolderInUse, Store, StoreError


def _put(store: Store, model: str) -> None:
    row = {"model": model, "product": "p", "record": "{}"}
    store.write(lambda db: db.table("models").insert(row))


def _count(store: Store) -> int:
    return int(store.reader().execute("SELECT count(*) FROM models").fetchone()[0])


def test_many_threads_write_and_nothing_is_lost(tmp_path: Path) -> None:
    store = Store.open(tmp_path)

    def put_many(writer: int) -> None:
        for i in range(25):
            _put(store, f"{writer}-{i}")

    threads = [threading.Thread(target=put_many, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _count(store) == 200
    store.close()


def test_a_write_that_raises_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store.open(tmp_path)

    def half(db: object) -> None:
        _insert = db.table("models").insert  # type: ignore[attr-defined]
        _insert({"model": "m", "product": "p", "record": "{}"})
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        store.write(half)
    assert _count(store) == 0
    _put(store, "m")
    assert _count(store) == 1
    store.close()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.reader().execute("DELETE FROM models")
    store.close()


def test_a_second_process_on_the_folder_is_told_whose_it_is(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(FolderInUse, match=f"pid {os.getpid()}.*HAWKEYE_DATA_DIR"):
        Store.open(tmp_path)
    store.close()
    Store.open(tmp_path).close()


def test_a_closed_store_refuses_to_write(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        _put(store, "m")


@pytest.mark.parametrize("damage", ["not a database", "overwritten pages"])
def test_a_damaged_database_is_named_and_kept(tmp_path: Path, damage: str) -> None:
    store = Store.open(tmp_path)
    for i in range(300):
        _put(store, f"m{i}")
    store.close()
    path = tmp_path / "hawkeye.db"
    blob = bytearray(path.read_bytes())
    if damage == "not a database":
        blob[:100] = b"x" * 100
    else:
        blob[8192 : len(blob) - 4096] = os.urandom(len(blob) - 12288)
    path.write_bytes(blob)
    with pytest.raises(DamagedDatabase, match="damaged.*Restore it"):
        Store.open(tmp_path)
    assert path.read_bytes() == bytes(blob)


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Choose another"):
        Store.open(tmp_path / "file" / "data")


def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        import pathlib
        from knowledge.store import Store
        store = Store.open(pathlib.Path({str(tmp_path)!r}))
        for i in range(100000):
            row = {{"model": str(i), "product": "p", "record": "{{}}"}}
            store.write(lambda db: db.table("models").insert(row))
            print(i, flush=True)
    """)
    root = Path(__file__).parents[2]
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=root)
    assert child.stdout is not None
    acknowledged = -1
    for line in child.stdout:
        acknowledged = int(line)
        if acknowledged >= 40:
            child.send_signal(signal.SIGKILL)
            break
    rest = child.stdout.read().split()
    child.wait()
    child.stdout.close()
    acknowledged = int(rest[-1]) if rest else acknowledged
    store = Store.open(tmp_path)
    assert _count(store) >= acknowledged + 1
    store.close()


def test_writes_that_wait_together_succeed_and_fail_each_by_itself(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: object) -> None:
        begun.set()
        go_on.wait(10)

    def half(db: object) -> None:
        db.table("models").insert({"model": "half", "product": "p", "record": "{}"})  # type: ignore[attr-defined]
        raise ValueError("in the middle")

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(store.write, slow)
        assert begun.wait(10)
        waiting = [pool.submit(_put, store, "a"), pool.submit(store.write, half), pool.submit(_put, store, "b")]
        go_on.set()
        assert first.result(10) is None
        failed = [one.exception(10) for one in waiting]
    assert [str(error) if error else None for error in failed] == [None, "in the middle", None]
    assert {row["model"] for row in store.reader().query("SELECT model FROM models")} == {"a", "b"}
    store.close()
