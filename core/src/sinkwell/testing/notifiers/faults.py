"""What happens when nobody listens: the second part of the kit for notifiers."""
# ruff: noqa: S101 - a kit is made of assertions

import asyncio
from contextlib import suppress
from typing import NoReturn

import pytest

from sinkwell.contract import (
    Notifier,
    RejectedError,
    SinkError,
    TransientError,
    UnusableError,
)
from sinkwell.logs import secrets_in
from sinkwell.testing.kit import in_loop, not_shown
from sinkwell.testing.notifiers.base import (
    NotifierKit,
    Talk,
    example,
    loop_watched,
)
from sinkwell.testing.notifiers.receiver import NotifierFault
from sinkwell.testing.type_checks import check_absent, words_of

_CANCEL_WITHIN = 1.0
_MOMENTS = 12


class NotifierFaults(NotifierKit):
    """Each fault is told in the words that the core understands, and ends with its cause."""

    @in_loop
    async def test_unreachable_is_transient(self, talk: Talk) -> None:
        """When nobody takes the connection it raises ``TransientError``, and works afterwards."""
        await _told_after(talk, NotifierFault.UNREACHABLE, TransientError)

    @in_loop
    async def test_busy_keeps_retry_after(self, talk: Talk) -> None:
        """When it is asked to wait it raises ``TransientError`` with the time that was named."""
        with talk.fault(NotifierFault.BUSY) as named:
            pass
        error = await _told_after(talk, NotifierFault.BUSY, TransientError)
        if named is None:
            not_shown("TransientError is raised, but the receiver names no time to wait")
        assert isinstance(error, TransientError)
        assert error.retry_after == named, (
            f"the receiver asked for {named:g} s, retry_after is {error.retry_after}"
        )

    @in_loop
    async def test_a_refused_event_is_rejected(self, talk: Talk) -> None:
        """When the event is not taken, ever, it raises ``RejectedError``."""
        await _told_after(talk, NotifierFault.REFUSED, RejectedError)

    @in_loop
    async def test_forbidden_is_unusable(self, talk: Talk) -> None:
        """When its credentials are not taken it raises ``UnusableError``."""
        await _told_after(talk, NotifierFault.FORBIDDEN, UnusableError)

    @in_loop
    async def test_gone_is_unusable(self, talk: Talk) -> None:
        """When the address is no more it raises ``UnusableError``."""
        await _told_after(talk, NotifierFault.GONE, UnusableError)

    @in_loop
    async def test_a_hanging_call_can_be_cancelled(self, talk: Talk) -> None:
        """When no answer comes it can be cancelled, holds up nobody, and works afterwards."""
        event = example()
        async with talk.opened() as notifier:
            with talk.fault(NotifierFault.HANG):
                async with loop_watched("a call without an answer"):
                    call = asyncio.create_task(notifier.notify(event))
                    await asyncio.wait([call], timeout=0.2)
                    raised = await _cancelled(call)
            assert raised, "notify returned as if all was well, and nothing had arrived"
            await talk.tell(notifier, event)
            assert await talk.heard([event]), "after a call that hung, nothing arrives any more"

    @in_loop
    async def test_it_may_be_cancelled_at_any_moment(self, talk: Talk) -> None:
        """It can be cancelled at any moment, and the next event arrives all the same."""
        async with talk.opened() as notifier:
            for moment in range(_MOMENTS):
                call = asyncio.create_task(notifier.notify(example()))
                for _ in range(moment):
                    await asyncio.sleep(0)
                await _cancelled(call)
                event = example()
                await talk.tell(notifier, event)
                assert await talk.heard([event]), f"cancelled after {moment} steps it is mute"

    @in_loop
    async def test_it_may_be_opened_when_nobody_listens(self, talk: Talk) -> None:
        """It can be opened while nobody listens, or raises a ``SinkError``; closing it is fine."""
        with talk.fault(NotifierFault.UNREACHABLE):
            try:
                notifier = await talk.open()
            except SinkError:
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                _foreign(error, "opening it while nobody listens")
            with suppress(SinkError):
                await talk.tell(notifier, example())
            await notifier.close()

    @in_loop
    async def test_secrets_stay_secret(
        self,
        talk: Talk,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Secrets are not in errors, logs, ``repr`` or ``str``."""
        found = enumerate(secrets_in(talk.settings), 1)
        secrets = {f"secret {number}": secret.reveal() for number, secret in found}
        if not secrets:
            not_shown("the section has no secret")
        caplog.set_level("DEBUG")
        async with talk.opened() as notifier:
            said = [repr(notifier), str(notifier), repr(talk.settings)]
            await talk.tell(notifier, example())
            for fault in NotifierFault:
                if fault is not NotifierFault.HANG and talk.can_have(fault):
                    said += await _words(talk, notifier, fault)
        check_absent(secrets, [*said, *capfd.readouterr(), caplog.text])


async def _told_after(talk: Talk, fault: NotifierFault, expected: type[SinkError]) -> SinkError:
    """See that a fault is told, and that the event arrives once it is over; return the error."""
    event = example()
    async with talk.opened() as notifier:
        with talk.fault(fault):
            async with loop_watched(f"the fault {fault.name}"):
                error = await _raised(talk, notifier, fault)
        await talk.tell(notifier, event)
        assert await talk.heard([event]), f"after {fault.name} was over, nothing arrives any more"
    assert isinstance(error, expected), (
        f"{fault.name} is {expected.__name__}; it raised {type(error).__name__}: {error}"
    )
    assert str(error).strip(), f"{fault.name} raised a {type(error).__name__} that says nothing"
    return error


async def _raised(talk: Talk, notifier: Notifier, fault: NotifierFault) -> SinkError:
    try:
        await talk.tell(notifier, example())
    except SinkError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        _foreign(error, f"the fault {fault.name}")
    pytest.fail(f"{fault.name}, and notify said nothing: the event is lost")


async def _words(talk: Talk, notifier: Notifier, fault: NotifierFault) -> list[str]:
    """Return all that is said of a fault."""
    try:
        with talk.fault(fault):
            await talk.tell(notifier, example())
    except Exception as error:  # noqa: BLE001 - also a bug's text ends up in the log
        return words_of(error)
    return []


async def _cancelled(call: "asyncio.Task[None]") -> bool:
    """Cancel a call, see that it ends soon and well, and tell whether it raised anything."""
    call.cancel()
    await asyncio.wait([call], timeout=_CANCEL_WITHIN)
    assert call.done(), f"a call that was cancelled goes on for more than {_CANCEL_WITHIN:g} s"
    try:
        await call
    except (asyncio.CancelledError, SinkError):
        return True
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        _foreign(error, "being cancelled")
    return False


def _foreign(error: Exception, what: str) -> NoReturn:
    if isinstance(error, AssertionError):
        raise error
    pytest.fail(f"{what} made it raise {type(error).__name__}: {error}, which is no SinkError")
