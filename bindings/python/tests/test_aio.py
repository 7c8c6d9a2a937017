"""keycask.aio: the loop goes on."""

import asyncio
import sqlite3
import threading

import pytest

import keycask
import keycask.aio
from conftest import MASTER_KEY


def test_everything_is_a_coroutine(path, tmp_path):
    async def run():
        async with keycask.aio.open(path, master_key=MASTER_KEY) as store:
            token = await store.encrypt("alice", "sk")
            assert await store.decrypt("alice", token) == "sk"
            assert await store.decrypt_bytes("alice", await store.encrypt_bytes("alice", b"\xff")) == b"\xff"
            await store.rotate_user("alice")
            assert await store.is_stale("alice", token)
            assert not await store.is_stale("alice", await store.reencrypt("alice", token))
            await store.forget_versions("alice")
            assert [user.name async for user in store.users()] == ["alice"]
            assert [step.remaining async for step in store.rewrap()] == [0]
            with await store.key("alice") as key, await store.pool_key() as pool:
                assert key.decrypt(key.encrypt("sk")) == pool.decrypt(pool.encrypt("sk")) == "sk"
            await store.erase_user("alice")
            with pytest.raises(keycask.UserDestroyedError):
                await store.encrypt("alice", "sk")
            await store.restore_user("alice")
            await store.backup(str(tmp_path / "copy.db"))
            assert (await store.check()).is_well and store.stats().commits > 0
        assert store.closed
        store = await keycask.aio.open(path, master_key=MASTER_KEY)
        store.close()

    asyncio.run(run())


def test_a_cached_user_needs_no_thread_and_others_do_not_stop_the_loop(path):
    """The store is locked by the loop itself, which opens it when a thread waits: were the loop stopped, it would hang."""

    async def run():
        async with keycask.aio.open(path, master_key=MASTER_KEY, busy_timeout=600) as store:
            token = await store.encrypt("alice", "sk")
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
            waiting = [asyncio.ensure_future(store.encrypt(f"user {number}", "sk")) for number in range(20)]
            while store.stats().busy_waits == 0:
                await asyncio.sleep(0)
            before = threading.active_count()
            assert await store.decrypt("alice", token) == "sk"
            assert threading.active_count() == before and not any(each.done() for each in waiting)
            other.execute("ROLLBACK")
            other.close()
            for number, made in enumerate(await asyncio.gather(*waiting)):
                assert await store.decrypt(f"user {number}", made) == "sk"

    asyncio.run(run())


def test_thousands_of_tasks_at_once(path):
    async def run():
        async with keycask.aio.open(path, master_key=MASTER_KEY) as store:
            async def one(number):
                user = f"user {number % 50}"
                return await store.decrypt(user, await store.encrypt(user, f"sk {number}")) == f"sk {number}"

            assert all(await asyncio.gather(*(one(number) for number in range(5000))))

    asyncio.run(run())
