"""Whoever lists the event log gets all of it, whatever others have read of it before."""

from pathlib import Path

import pytest
from buses import make_house

from sinkwell.bus.feed import Feed
from sinkwell.bus.interest import Interest


@pytest.mark.parametrize("events", [(), ("sink.*",)])
async def test_what_came_since_others_have_read_is_not_passed_over(
    tmp_path: Path, events: tuple[str, ...]
) -> None:
    async with make_house(tmp_path) as house:
        feed = Feed(house.ledger)
        await house.announce(3)
        assert len(await feed.now_after(0)) == 3
        await house.announce(3)

        listed, position = [], 0
        while True:
            entries, looked_to = await feed.matching(position, Interest(events))
            if looked_to == position:
                break
            listed += [entry.event.position for entry in entries]
            position = looked_to

    assert listed == [1, 2, 3, 4, 5, 6]
