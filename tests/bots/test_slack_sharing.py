"""Several processes on one Slack app: each event reaches one of them, and none is lost with it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from servers.slack_rig import FakeReception, running, slack_settings
from servers.slack_server import SlackServer


@asynccontextmanager
async def two() -> AsyncIterator[tuple[SlackServer, FakeReception, FakeReception]]:
    """Two adapters that are connected to one server, the first one with the first socket."""
    first, second = FakeReception(), FakeReception()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(SlackServer())
        for reception in (first, second):
            await stack.enter_async_context(running(slack_settings(server), reception))
        yield server, first, second
        assert server.violations == []


async def test_two_processes_share_the_events_and_together_take_each_mention() -> None:
    async with two() as (server, first, second):
        for number in range(20):
            server.mention("C0GENERAL", f"U{number}", f"question {number}")
            server.dm(f"U{number}", f"direct {number}")
        await server.wait_for(lambda: sum(d.acked_at is not None for d in server.deliveries) == 60)

        # Each event went to one socket; the two of one mention may have gone to two.
        sent = Counter(delivery.payload["event_id"] for delivery in server.deliveries)
        assert set(sent.values()) == {1}
        assert first.offered == second.offered == 30
        taken = {mention.ref for reception in (first, second) for mention in reception.taken}
        assert len(taken) == 40
        direct = [m.ref for r in (first, second) for m in r.taken if m.channel.startswith("D")]
        assert len(direct) == len(set(direct)) == 20


async def test_what_a_process_leaves_unacknowledged_goes_to_the_other_when_it_dies() -> None:
    async with two() as (server, first, second):
        first.may_take.clear()
        for number in range(4):
            server.dm(f"U{number}", f"direct {number}")
        await first.wait_until_offered(2)
        await server.wait_for(lambda: len(second.taken) == 2)
        await server.close_socket(0)
        await server.wait_for(lambda: len(second.taken) + len(first.taken) >= 4)

        assert sorted(mention.text for mention in second.taken) == [
            f"direct {number}" for number in range(4)
        ]
        again = [delivery for delivery in server.deliveries if delivery.attempt == 1]
        assert len(again) == 2
        first.may_take.set()


async def test_events_go_on_to_the_process_that_is_left() -> None:
    stop = asyncio.Event()
    first, second = FakeReception(), FakeReception()
    async with (
        SlackServer() as server,
        running(slack_settings(server), first),
        running(slack_settings(server), second, stop=stop),
    ):
        stop.set()
        await server.wait_for(lambda: server.connections == 1)
        for number in range(4):
            server.dm(f"U{number}", f"direct {number}")
        await server.wait_for(lambda: len(first.taken) == 4)
        assert second.offered == 0
        assert server.lost == []


async def test_an_event_that_both_processes_get_reads_the_same_in_both() -> None:
    async with two() as (server, first, second):
        server.deliver_each(2)
        server.dm("U1", "how do I start?")
        await server.wait_for(lambda: first.taken and second.taken)
        assert first.taken == second.taken


async def test_an_eleventh_connection_is_turned_away_until_another_one_ends() -> None:
    reception = FakeReception()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(SlackServer())
        first_stop = asyncio.Event()
        await stack.enter_async_context(
            running(slack_settings(server), FakeReception(), stop=first_stop)
        )
        for _ in range(9):
            await stack.enter_async_context(running(slack_settings(server), FakeReception()))
        await stack.enter_async_context(running(slack_settings(server), reception))
        await server.wait_for(lambda: len(server.calls_of("apps.connections.open")) == 12)
        assert server.connections == 10
        first_stop.set()
        await server.wait_for(lambda: server.connections == 9)
        await server.wait_for(lambda: server.connections == 10)
        for number in range(10):
            server.dm(f"U{number}", f"direct {number}")
        await server.wait_for(lambda: reception.taken)
