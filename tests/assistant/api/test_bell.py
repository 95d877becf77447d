import asyncio
import threading

from assistant.api.bell import Bell


async def test_a_ring_from_another_thread_wakes_the_listener() -> None:
    bell = Bell()
    with bell.listening("a") as listener:
        threading.Thread(target=bell.ring, args=("a",)).start()
        assert await listener.wait(5)


async def test_a_ring_before_the_wait_is_not_lost() -> None:
    bell = Bell()
    with bell.listening("a") as listener:
        bell.ring("a")
        await asyncio.sleep(0)
        assert await listener.wait(0.01)


async def test_another_investigation_does_not_wake() -> None:
    bell = Bell()
    with bell.listening("a") as listener:
        bell.ring("b")
        assert not await listener.wait(0.01)


async def test_closing_wakes_everybody_now_and_later() -> None:
    bell = Bell()
    with bell.listening("a") as before:
        bell.close()
        assert await before.wait(5)
    with bell.listening("b") as after:
        assert await after.wait(5)


def test_a_loop_that_has_ended_is_passed_over() -> None:
    bell = Bell()

    async def leave() -> None:
        bell.listening("a").__enter__()

    asyncio.run(leave())
    bell.ring("a")
