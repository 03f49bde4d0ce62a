"""Sources that understand or are configured wrongly; see ``source_mutants``."""

import secrets
from dataclasses import replace
from typing import ClassVar

from contract.signed_source import (
    Signed,
    SignedSettings,
)
from contract.source_mutants import Kit

from sinkwell.contract import AuthenticationError, Callback, Duration, Message, Secret
from sinkwell.contract.settings import SourceSettings

# --- what is understood -----------------------------------------------------------------------


class NamesAnotherId(Signed):
    def parse(self, message: Message) -> Callback:
        return replace(super().parse(message), provider_id=message.fields["timestamp"])


class TestNamesAnotherId(Kit):
    source = NamesAnotherId
    caught_by = "test_samples_are_understood"
    says = "sample 'the picture a1b2'"


class TakesFailuresForSuccesses(Signed):
    def parse(self, message: Message) -> Callback:
        return replace(super().parse(message), succeeded=True)


class TestTakesFailuresForSuccesses(Kit):
    source = TakesFailuresForSuccesses
    caught_by = "test_a_failure_is_no_success"
    says = "'a failure' was refused with 400"


class KnowsRepeatsByTheirSignature(Signed):
    def parse(self, message: Message) -> Callback:
        key = message.fields["signature"]
        return replace(super().parse(message), deduplication_key=key)


class TestKnowsRepeatsByTheirSignature(Kit):
    source = KnowsRepeatsByTheirSignature
    caught_by = "test_a_repeat_is_known_by_its_key"
    says = "repeats of 'the picture a1b2' have the keys"


class TakesAllForRepeats(Signed):
    def parse(self, message: Message) -> Callback:
        return replace(super().parse(message), deduplication_key=message.fields["status"])


class TestTakesAllForRepeats(Kit):
    source = TakesAllForRepeats
    caught_by = "test_different_messages_have_different_keys"
    says = "have the same deduplication key 'finished'"


class ThrowsDice(Signed):
    def parse(self, message: Message) -> Callback:
        return replace(super().parse(message), deduplication_key=secrets.token_hex())


class TestThrowsDice(Kit):
    source = ThrowsDice
    caught_by = "test_it_is_pure"
    says = "asked again, means something else"


class ChangesTheMessage(Signed):
    def parse(self, message: Message) -> Callback:
        callback = super().parse(message)
        message.fields.pop("url")
        return replace(callback, labels=callback.labels)


class TestChangesTheMessage(Kit):
    source = ChangesTheMessage
    caught_by = "test_it_is_pure"
    says = "is true no more"


class ChangesWhatItIsAskedAbout(Signed):
    def authenticate(self, message: Message) -> bool:
        message.fields.setdefault("url", "")
        return super().authenticate(message)


class TestChangesWhatItIsAskedAbout(Kit):
    source = ChangesWhatItIsAskedAbout
    caught_by = "test_it_may_be_asked_at_any_moment"
    says = "refused it"


class RefusesWhatItHasSeen(Signed):
    def __init__(self, settings: SignedSettings) -> None:
        super().__init__(settings)
        self.seen: set[str] = set()

    def authenticate(self, message: Message) -> bool:
        believed = super().authenticate(message)
        given = message.fields.get("signature", "")
        if believed and given in self.seen:
            raise AuthenticationError("this signature was seen before")
        self.seen |= {given} if believed else set()
        return believed


class TestRefusesWhatItHasSeen(Kit):
    source = RefusesWhatItHasSeen
    caught_by = "test_it_may_be_asked_at_any_moment"
    says = "refused it"


class TrustsThatAllIsThere(Signed):
    def parse(self, message: Message) -> Callback:
        callback = super().parse(replace(message, parts=message.parts[:1]))
        return replace(callback, labels={"file": message.parts[0].filename or ""})


class TestRaisesOnWhatIsMissing(Kit):
    source = TrustsThatAllIsThere
    caught_by = "test_mutated_messages_break_nothing"
    says = "raise IndexError"


class KeepsWhateverItGets(Signed):
    def parse(self, message: Message) -> Callback:
        return replace(super().parse(message), labels={"url": message.fields["url"]})


class TestKeepsWhateverItGets(Kit):
    source = KeepsWhateverItGets
    caught_by = "test_mutated_messages_break_nothing"
    says = "is no valid Unicode"


class KeepsEssays(Signed):
    def parse(self, message: Message) -> Callback:
        return replace(super().parse(message), labels={"essay": "x" * 100_000})


class TestKeepsEssays(Kit):
    source = KeepsEssays
    caught_by = "test_texts_are_fit_to_keep"
    says = "is longer than 2048"


class TellsItsSecret(Signed):
    def authenticate(self, message: Message) -> bool:
        try:
            return super().authenticate(message)
        except AuthenticationError as error:
            raise AuthenticationError(f"not signed with {self.secrets[0].reveal()}") from error


class TestTellsItsSecret(Kit):
    source = TellsItsSecret
    caught_by = "test_secrets_stay_secret"
    says = "secret 1 is in"


class TellsWhatWouldBeTrue(Signed):
    def is_same(self, given: str, expected: str) -> bool:
        if not super().is_same(given, expected):
            print(f"got {given}, expected {expected}")
            return False
        return True


class TestTellsWhatWouldBeTrue(Kit):
    source = TellsWhatWouldBeTrue
    caught_by = "test_secrets_stay_secret"
    says = "the true proof is in"


class ShowsItsSecret(Signed):
    def __repr__(self) -> str:
        return f"Signed({[secret.reveal() for secret in self.secrets]})"


class TestShowsItsSecret(Kit):
    source = ShowsItsSecret
    caught_by = "test_secrets_stay_secret"
    says = "secret 1 is in"


# --- how it is configured ---------------------------------------------------------------------


class NeedsNoSecret(SourceSettings, frozen=True, kw_only=True):
    secrets: tuple[Secret, ...] = ()
    """Each secret that callbacks may be signed with."""
    tolerance: Duration = Duration(300)
    """How old a callback may be."""


class TestNeedsNoSecret(Kit):
    changes: ClassVar = {"settings": NeedsNoSecret}
    caught_by = "test_a_secret_is_needed"
    says = "a section without secrets was taken"


class SaysNothing(SourceSettings, frozen=True, kw_only=True):
    secrets: tuple[Secret, ...]
    tolerance: Duration = Duration(300)


class TestExplainsNothing(Kit):
    changes: ClassVar = {"settings": SaysNothing}
    caught_by = "test_settings_are_explained"
    says = "has no docstring below"


class TakesTypingErrors(SignedSettings, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Unknown keys are passed over."""


class TestTakesTypingErrors(Kit):
    changes: ClassVar = {"settings": TakesTypingErrors}
    caught_by = "test_settings_are_checked"
    says = "an unknown key was taken"


class TestLetsFilesCollide(Kit):
    changes: ClassVar = {"default_key": "signed/{yyyy}/{name}.{ext}"}
    caught_by = "test_the_default_key_keeps_files_apart"
    says = "two files may get one key"


class TestIsMisnamed(Kit):
    changes: ClassVar = {"name": "Signed Callbacks"}
    caught_by = "test_name_and_summary"
    says = "is not of lower-case letters"
