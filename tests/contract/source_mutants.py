"""Sources that break the contract, each in one way, and the test of the kit that notices.

``test_source_kit`` runs that test alone on each, and the whole kit on the sound ones.
"""

import hmac
import time
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from contract.signed_source import (
    SECTION,
    Bearer,
    BearingProvider,
    Signed,
    SignedSettings,
    SigningProvider,
    WhollySigned,
    WhollySigningProvider,
    signature,
    source_type,
)

from sinkwell.contract import Message, Secret
from sinkwell.contract.source import AnySourceType
from sinkwell.testing import Provider, SourceContract


class Kit(SourceContract):
    source: ClassVar[type[Signed]] = Signed
    changes: ClassVar[dict[str, Any]] = {}
    """What else of the type is not as it should be."""
    plays: ClassVar[type[Provider]] = SigningProvider
    caught_by: ClassVar[str] = ""
    """The test that must fail; none for the sound ones."""
    says: ClassVar[str] = ""
    """What it must fail with, as a regular expression."""

    @pytest.fixture
    def source_type(self) -> AnySourceType:
        return replace(source_type(self.source), **self.changes)

    @pytest.fixture
    def section(self) -> dict[str, object]:
        return SECTION

    @pytest.fixture
    def provider(self) -> Provider:
        return self.plays()


class TestSigned(Kit):
    pass


class TestWhollySigned(Kit):
    source = WhollySigned
    plays = WhollySigningProvider


class TestBearer(Kit):
    source = Bearer
    plays = BearingProvider


# --- who is believed --------------------------------------------------------------------------


class BelievesEverything(Signed):
    def authenticate(self, message: Message) -> bool:
        return True


class TestBelievesEverything(Kit):
    source = BelievesEverything
    caught_by = "test_no_proof_is_refused"
    says = "without a proof was believed"


class TestBelievesForgeries(Kit):
    source = BelievesEverything
    caught_by = "test_mutated_forgeries_are_refused"
    says = "of a forgery was believed"


class KnowsOneSecret(Signed):
    def __init__(self, settings: SignedSettings) -> None:
        super().__init__(settings)
        self.secrets = settings.secrets[:1]


class TestKnowsOneSecret(Kit):
    source = KnowsOneSecret
    caught_by = "test_every_secret_is_taken"
    says = "signed with secret 2 was refused with 403"


class IgnoresAlteredFields(Signed):
    """It takes the status and the format as they come, signed or not."""

    def is_same(self, given: str, expected: str) -> bool:
        return super().is_same(given, expected) or given in self.seen

    def signed_values(self, message: Message) -> list[str]:
        values = super().signed_values(message)
        others = [values[:2] + list(rest) for rest in self.usual]
        self.seen = {signature(secret.reveal(), each) for secret in self.secrets for each in others}
        return values

    usual = (("finished", "png", "https://example.com/ü"), ("failed", "", ""))


class TestIgnoresAlteredFields(Kit):
    source = IgnoresAlteredFields
    caught_by = "test_what_the_proof_covers_cannot_be_altered"
    says = r"Field\(name='url'\) given one character more was believed"


class IgnoresAge(Signed):
    def check_age(self, message: Message) -> None:
        """Old is as good as new."""


class TestIgnoresExpiry(Kit):
    source = IgnoresAge
    caught_by = "test_an_expired_proof_is_refused"
    says = "signed -302 s off was believed"


class BelievesTheFuture(Signed):
    def check_age(self, message: Message) -> None:
        timestamp = message.fields["timestamp"]
        latest = max(message.received_at, float(timestamp) if timestamp.isdecimal() else 0)
        super().check_age(replace(message, received_at=latest))


class TestBelievesTheFuture(Kit):
    source = BelievesTheFuture
    caught_by = "test_a_proof_from_the_future_is_refused"
    says = r"signed \+302 s off was believed"


class LooksAtItsOwnClock(Signed):
    def check_age(self, message: Message) -> None:
        super().check_age(replace(message, received_at=time.time()))


class TestLooksAtItsOwnClock(Kit):
    source = LooksAtItsOwnClock
    caught_by = "test_samples_are_understood"
    says = "was refused with 403: the signature is too old"


class ComparesAPrefix(Signed):
    def is_same(self, given: str, expected: str) -> bool:
        return expected.startswith(given)


class TestComparesAPrefix(Kit):
    source = ComparesAPrefix
    caught_by = "test_a_false_proof_is_refused"
    says = r"false proof \(empty\) was believed"


class StopsAtASpecialCharacter(Signed):
    def is_same(self, given: str, expected: str) -> bool:
        return hmac.compare_digest(given, expected)  # TypeError beyond ASCII


class TestRaisesOnNonAscii(Kit):
    source = StopsAtASpecialCharacter
    caught_by = "test_a_false_proof_is_refused"
    says = "raise TypeError"


class TakesAnEmptySecret(Signed):
    def __init__(self, settings: SignedSettings) -> None:
        super().__init__(settings)
        self.secrets = (*settings.secrets, Secret(""))


class TestTakesAnEmptySecret(Kit):
    source = TakesAnEmptySecret
    caught_by = "test_another_secret_is_refused"
    says = "signed with '' was believed"


class ReadsTheFileFirst(Signed):
    def can_be_told(self, message: Message) -> bool:
        return message.complete and super().can_be_told(message)


class TestReadsTheFileFirst(Kit):
    source = ReadsTheFileFirst
    caught_by = "test_a_false_proof_is_refused_early"
    says = "still read when its file came"


class SaysTrueTooEarly(WhollySigned):
    def can_be_told(self, message: Message) -> bool:
        return Signed.can_be_told(self, message)


class TestSaysTrueTooEarly(Kit):
    source = SaysTrueTooEarly
    plays = WhollySigningProvider
    caught_by = "test_true_is_never_taken_back"
    says = "after the first True it is not asked again"
