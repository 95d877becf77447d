import threading

import pytest

from knowledge.investigations import ConcurrentWrite, InvestigationLog
from knowledge.store import Store


def _row(seq: int, investigation: str = "i", type_: str = "NoteAdded") -> dict[str, object]:
    return {"investigation": investigation, "seq": seq, "at": f"2013-05-01T00:00:{seq:02d}Z", "type": type_}


def test_events_come_back_in_order(store: Store) -> None:
    log = InvestigationLog(store)
    log.append([_row(0), _row(1)])
    log.append([_row(2)])
    log.append([_row(0, "j")])
    assert [r["seq"] for r in log.rows("i")] == [0, 1, 2]
    assert [r["seq"] for r in log.rows("i", after=1)] == [2]
    assert log.rows("unheard of") == []
    assert log.ids() == ["j", "i"]


@pytest.mark.parametrize("seq", [0, 1, 3])
def test_a_taken_or_skipped_seq_is_refused_whole(store: Store, seq: int) -> None:
    log = InvestigationLog(store)
    log.append([_row(0), _row(1)])
    with pytest.raises(ConcurrentWrite):
        log.append([_row(seq), _row(seq + 1)])
    assert len(log.rows("i")) == 2


def test_of_two_that_write_at_once_one_is_refused(store: Store) -> None:
    log = InvestigationLog(store)
    log.append([_row(0)])
    outcomes: list[str] = []

    def race() -> None:
        try:
            log.append([_row(1)])
            outcomes.append("kept")
        except ConcurrentWrite:
            outcomes.append("refused")

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["kept"] + ["refused"] * 5
