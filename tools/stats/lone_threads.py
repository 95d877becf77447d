"""Threads that share the work among themselves, in each of which torch computes alone."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def lone_threads(most: int) -> Iterator[Executor]:
    """A thread for each processor that this process may use, and at most `most`, for many small pieces of work.

    By itself torch splits each operation among the processors and waits for all of them at its end: with another
    process on one of them that took thirty times as long. In torch the number of threads belongs to a thread; a
    new one takes over what was set last anywhere, which is therefore set back.
    """
    import torch

    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = max(1, min(processors, most))
    ready = threading.Barrier(count + 1)
    usual = torch.get_num_threads()

    def alone() -> None:
        torch.set_num_threads(1)
        ready.wait()

    with ThreadPoolExecutor(count) as pool:
        for _ in range(count):
            pool.submit(alone)
        ready.wait()
        torch.set_num_threads(usual)
        yield pool
