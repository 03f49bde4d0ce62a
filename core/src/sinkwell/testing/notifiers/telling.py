"""What arrives outside, and how a notifier is configured: the first part of its kit."""
# ruff: noqa: S101 - a kit is made of assertions

import asyncio
from collections import Counter

from sinkwell.contract.events import FACTS
from sinkwell.contract.notifier import AnyNotifierType
from sinkwell.testing.kit import in_loop
from sinkwell.testing.notifiers.base import NotifierKit, Talk, example, loop_watched
from sinkwell.testing.type_checks import check_docstrings, check_identity, check_settings

_AT_ONCE = 32
_IN_ORDER = 25
_HOSTILE = (
    "two\r\nlines: x\n\n",
    "\0\x01\x1b[31m",
    "é☃\u202e\U0001f4a5",
    '"\\<&>{}%s$',
    "x" * 5_000,
)


class NotifierTelling(NotifierKit):
    """Every event arrives, as what it is."""

    @in_loop
    async def test_every_type_arrives(self, talk: Talk) -> None:
        """Every type of event there is arrives, under its own id."""
        async with talk.opened() as notifier:
            for fact in FACTS.values():
                event = example(fact)
                await talk.tell(notifier, event)
                heard = await talk.heard([event])
                assert heard, f"{event.type} did not arrive under its id"
                assert [each.event_type or event.type for each in heard] == [event.type]

    @in_loop
    async def test_any_text_arrives(self, talk: Talk) -> None:
        """Events arrive whatever their texts hold: line ends, control characters, emoji, much."""
        async with talk.opened() as notifier:
            for text in _HOSTILE:
                event = example(FACTS["delivery.rejected"], text)
                await talk.tell(notifier, event)
                assert await talk.heard([event]), f"an event with {text[:20]!r} did not arrive"

    @in_loop
    async def test_a_repeat_keeps_its_id(self, talk: Talk) -> None:
        """An event that is told twice arrives twice, with the same id."""
        event = example()
        async with talk.opened() as notifier:
            await talk.tell(notifier, event)
            await talk.tell(notifier, event)
            heard = await talk.heard([event, event])
        assert [each.event_id for each in heard] == [event.id, event.id]

    @in_loop
    async def test_order_is_kept(self, talk: Talk) -> None:
        """Events that are told one after the other arrive in that order, each once."""
        events = [example() for _ in range(_IN_ORDER)]
        async with talk.opened() as notifier:
            for event in events:
                await talk.tell(notifier, event)
            heard = await talk.heard(events)
        assert [each.event_id for each in heard] == [event.id for event in events]

    @in_loop
    async def test_many_at_once(self, talk: Talk) -> None:
        """Events that are told at the same time all arrive, each once, as what they are."""
        facts = [*FACTS.values()]
        events = [example(facts[number % len(facts)]) for number in range(_AT_ONCE)]
        async with talk.opened() as notifier:
            await asyncio.gather(*(talk.tell(notifier, event) for event in events))
            heard = await talk.heard(events)
        counts = Counter(each.event_id for each in heard)
        assert counts == Counter(event.id for event in events)
        types = {event.id: event.type for event in events}
        assert all(each.event_type in {"", types[each.event_id]} for each in heard)

    @in_loop
    async def test_several_are_independent(self, talk: Talk) -> None:
        """Several of one type work side by side, and closing one leaves the others be."""
        first, second = example(), example()
        async with talk.opened() as one, talk.opened() as other:
            await asyncio.gather(talk.tell(one, first), talk.tell(other, second))
            await one.close()
            third = example()
            await talk.tell(other, third)
            heard = await talk.heard([first, second, third])
        assert {each.event_id for each in heard} == {first.id, second.id, third.id}

    @in_loop
    async def test_the_loop_runs_on(self, talk: Talk) -> None:
        """Nothing that it does holds up the event loop."""
        async with loop_watched("the notifier"), talk.opened() as notifier:
            await asyncio.gather(*(talk.tell(notifier, example()) for _ in range(_AT_ONCE)))

    @in_loop
    async def test_close_may_be_repeated(self, talk: Talk) -> None:
        """It can be closed twice, also when it was never used, and opened again."""
        for told in (0, 1):
            async with talk.opened() as notifier:
                for _ in range(told):
                    await talk.tell(notifier, example())
                await notifier.close()
        event = example()
        async with talk.opened() as notifier:
            await talk.tell(notifier, event)
        assert await talk.heard([event])

    def test_name_and_summary(
        self, notifier_type: AnyNotifierType, section: dict[str, object]
    ) -> None:
        """Name and summary of the type are fit to be shown."""
        check_identity(notifier_type, section)

    def test_settings_are_checked(
        self, notifier_type: AnyNotifierType, section: dict[str, object]
    ) -> None:
        """The section is taken; one with an unknown key or a wrong sort of value is not."""
        check_settings(notifier_type.settings, section)

    def test_settings_are_explained(self, notifier_type: AnyNotifierType) -> None:
        """Each key of the settings has a docstring."""
        check_docstrings(notifier_type.settings)
