"""Notifiers that fail wrongly, or are configured wrongly; see ``notifier_mutants``."""

import asyncio
import urllib.error
import urllib.request
from contextlib import suppress
from typing import ClassVar

import httpx
from contract.http_notifier import (
    HttpNotifier,
    HttpSettings,
)
from contract.notifier_mutants import Kit

from sinkwell.contract import (
    Event,
    NotifierContext,
    NotifierSettings,
    RejectedError,
    Secret,
    SinkError,
    TransientError,
)

# --- what is wrong ----------------------------------------------------------------------------


class SwallowsErrors(HttpNotifier):
    async def notify(self, event: Event) -> None:
        with suppress(SinkError):
            await super().notify(event)


class TestSwallowsErrors(Kit):
    notifier = SwallowsErrors
    caught_by = "test_unreachable_is_transient"
    says = "notify said nothing"


class LetsErrorsThrough(HttpNotifier):
    async def notify(self, event: Event) -> None:
        body = self.encode(event)
        self.judge(await self.post(body, self.sign(body)))


class TestLetsErrorsThrough(Kit):
    notifier = LetsErrorsThrough
    caught_by = "test_unreachable_is_transient"
    says = "raise ConnectError"


class GivesUpForGood(HttpNotifier):
    async def notify(self, event: Event) -> None:
        try:
            await super().notify(event)
        except TransientError as error:
            raise RejectedError(str(error)) from error


class TestGivesUpForGood(Kit):
    notifier = GivesUpForGood
    caught_by = "test_unreachable_is_transient"
    says = "it raised RejectedError"


class ForgetsTheTime(HttpNotifier):
    def judge(self, answer: httpx.Response) -> None:
        answer.headers.pop("retry-after", None)
        super().judge(answer)


class TestDropsRetryAfter(Kit):
    notifier = ForgetsTheTime
    caught_by = "test_busy_keeps_retry_after"
    says = "retry_after is None"


class NeverGivesUp(HttpNotifier):
    async def notify(self, event: Event) -> None:
        try:
            await super().notify(event)
        except SinkError as error:
            raise TransientError(str(error), retry_after=7) from error


class TestTriesWhatIsRefused(Kit):
    notifier = NeverGivesUp
    caught_by = "test_a_refused_event_is_rejected"
    says = "REFUSED is RejectedError"


class TestTriesWhereItIsForbidden(Kit):
    notifier = NeverGivesUp
    caught_by = "test_forbidden_is_unusable"
    says = "FORBIDDEN is UnusableError"


class TestTriesWhereNobodyIs(Kit):
    notifier = NeverGivesUp
    caught_by = "test_gone_is_unusable"
    says = "GONE is UnusableError"


class IsOffended(HttpNotifier):
    """After one failure it says nothing any more."""

    offended = False

    async def notify(self, event: Event) -> None:
        if self.offended:
            return
        try:
            await super().notify(event)
        except SinkError:
            self.offended = True
            raise


class TestIsOffended(Kit):
    notifier = IsOffended
    caught_by = "test_busy_keeps_retry_after"
    says = "nothing arrives any more"


class BlocksTheLoop(HttpNotifier):
    async def post(self, body: bytes, signature: str) -> httpx.Response:
        headers = {"x-signature": signature}
        request = urllib.request.Request(self.settings.url, body, headers)
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: ASYNC210 - what is wrong with it
                return httpx.Response(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return httpx.Response(error.code, headers=dict(error.headers))
        except OSError as error:
            raise httpx.ConnectError("it cannot be reached") from error


class TestBlocksTheLoop(Kit):
    notifier = BlocksTheLoop
    caught_by = "test_a_hanging_call_can_be_cancelled"
    says = "held up the event loop"


class WillNotBeCancelled(HttpNotifier):
    async def notify(self, event: Event) -> None:
        with suppress(asyncio.CancelledError):
            await super().notify(event)


class TestWillNotBeCancelled(Kit):
    notifier = WillNotBeCancelled
    caught_by = "test_a_hanging_call_can_be_cancelled"
    says = "as if all was well"


class HoldsItsLock(HttpNotifier):
    def __init__(self, settings: HttpSettings, context: NotifierContext) -> None:
        super().__init__(settings, context)
        self.lock = asyncio.Lock()

    async def notify(self, event: Event) -> None:
        await self.lock.acquire()
        await super().notify(event)
        self.lock.release()


class TestHoldsItsLock(Kit):
    notifier = HoldsItsLock
    caught_by = "test_it_may_be_cancelled_at_any_moment"
    says = "gave no answer"


class KnocksFirst(HttpNotifier):
    def __init__(self, settings: HttpSettings, context: NotifierContext) -> None:
        super().__init__(settings, context)
        urllib.request.urlopen(settings.url)


class TestKnocksFirst(Kit):
    notifier = KnocksFirst
    caught_by = "test_it_may_be_opened_when_nobody_listens"
    says = "raise URLError"


class TellsItsSecret(HttpNotifier):
    def judge(self, answer: httpx.Response) -> None:
        try:
            super().judge(answer)
        except SinkError as error:
            secret = self.settings.secret.reveal()
            raise type(error)(f"{error}, signed with {secret}") from error


class TestTellsItsSecret(Kit):
    notifier = TellsItsSecret
    caught_by = "test_secrets_stay_secret"
    says = "secret 1 is in"


class LogsItsSecret(HttpNotifier):
    def sign(self, body: bytes) -> str:
        print(f"signing with {self.settings.secret.reveal()}")
        return super().sign(body)


class TestLogsItsSecret(Kit):
    notifier = LogsItsSecret
    caught_by = "test_secrets_stay_secret"
    says = "secret 1 is in"


# --- how it is configured ---------------------------------------------------------------------


class SaysNothing(NotifierSettings, frozen=True, kw_only=True):
    url: str
    secret: Secret


class TestExplainsNothing(Kit):
    changes: ClassVar = {"settings": SaysNothing}
    caught_by = "test_settings_are_explained"
    says = "has no docstring below"


class TakesTypingErrors(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Unknown keys are passed over."""


class TestTakesTypingErrors(Kit):
    changes: ClassVar = {"settings": TakesTypingErrors}
    caught_by = "test_settings_are_checked"
    says = "an unknown key was taken"


class TestSaysTooMuch(Kit):
    changes: ClassVar = {"summary": "Posts events.\nAnd more."}
    caught_by = "test_name_and_summary"
    says = "more than one line"
