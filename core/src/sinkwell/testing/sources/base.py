"""What the tests of the kit for sources have in common."""
# ruff: noqa: S101 - a kit is made of assertions

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from sinkwell.contract.source import AnySourceType
from sinkwell.intake.refusals import Refusal
from sinkwell.testing.kit import not_shown
from sinkwell.testing.sources.core import NOW, Core, Taken
from sinkwell.testing.sources.mutations import in_chunks, mutated, restructured
from sinkwell.testing.sources.provider import Provider, Sample
from sinkwell.testing.sources.requests import Field, Header, NotOffered, Request

T = TypeVar("T")

FORBIDDEN = 403
_TWO = 2
_UNSIGNED = 0.4


class SourceKit:
    """The fixtures that a source's author gives, and what follows from them."""

    kit = "source"
    mutations = 5_000
    """How many changed messages, and how many forged ones, are sent."""

    @pytest.fixture
    def source_type(self) -> AnySourceType:
        """Return the type that is put to the test."""
        raise NotImplementedError("give a fixture source_type that returns your SourceType")

    @pytest.fixture
    def section(self) -> dict[str, object]:
        """Return a section of the settings."""
        raise NotImplementedError("give a fixture section: the settings as users write them")

    @pytest.fixture
    def provider(self) -> Provider:
        """Return somebody who plays the provider."""
        raise NotImplementedError("give a fixture provider that returns your Provider")

    @pytest.fixture
    def core(
        self, source_type: AnySourceType, section: dict[str, object], tmp_path: Path
    ) -> Iterator[Core]:
        """Open the source, as the core does."""
        core = Core(source_type, section, tmp_path / "spool")
        yield core
        core.close()

    @pytest.fixture
    def samples(self, provider: Provider) -> Sequence[Sample]:
        """Return the provider's samples, signed with its first secret now."""
        samples = provider.samples()
        ids = [each.expected.provider_id for each in samples if each.expected.files]
        assert len(set(ids)) >= _TWO, (
            "the provider needs at least two samples that bring a file, with ids of their own"
        )
        return [Sample(each.name, signed(provider, each), each.expected) for each in samples]


def signed(provider: Provider, sample: Sample, *, at: float = NOW) -> Request:
    """Return a sample's request with a proof of the first secret."""
    return provider.sign(sample.request, secret=first_secret(provider), at=at)


def first_secret(provider: Provider) -> str:
    """Return the secret that samples are signed with, empty for who has none."""
    return provider.secrets[0] if provider.secrets else ""


def offered(value: T | NotOffered) -> T:
    """Return what the provider's author gave; what is not offered is not shown."""
    if isinstance(value, NotOffered):
        not_shown(value.reason)
    return value


def proof_place(provider: Provider) -> Field | Header:
    """Return where proofs stand. Ends the test as *not shown* where there are none."""
    if isinstance(provider.proof, NotOffered):
        not_shown(provider.proof.reason)
    return provider.proof


def proof_of(provider: Provider, request: Request) -> tuple[Field | Header, bytes]:
    """Return where the proof of a request stands, and the proof."""
    place = proof_place(provider)
    proof = request.value(place)
    assert proof, f"sign() of the provider put no proof at {place}"
    return place, proof


def taken(core: Core, request: Request, what: str, *, at: float = NOW) -> Taken:
    """See that a request is believed and understood."""
    try:
        return core.take(request, at=at)
    except Refusal as refusal:
        pytest.fail(f"{what} was refused with {refusal.status}: {refusal}")


def refusal_of(core: Core, request: Request, what: str, *, at: float = NOW) -> Refusal:
    """See that a request is refused, in one of the ways there are."""
    try:
        found = core.take(request, at=at)
    except Refusal as refusal:
        return refusal
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test is for
        broke(error, what, request)
    pytest.fail(f"{what} was believed, and taken for {found.callback}")


def disbelieved(core: Core, request: Request, what: str, *, at: float = NOW) -> None:
    """See that a request is refused for want of a true proof."""
    refusal = refusal_of(core, request, what, at=at)
    assert refusal.status == FORBIDDEN, (
        f"{what} was refused with {refusal.status} ({refusal}), not for its proof"
    )


def broke(error: Exception, what: str, request: Request) -> NoReturn:
    """Fail: something else was raised than an error of the contract."""
    if isinstance(error, AssertionError):
        raise error
    pytest.fail(
        f"{what} made the source raise {type(error).__name__}: {error}, "
        f"which is no SourceError\n{request!r:.2000}"
    )


def mutants(
    provider: Provider, secret: str, number: int
) -> Iterator[tuple[str, Request, list[bytes]]]:
    """Yield changed samples, changed before or after they were signed, cut into chunks."""
    samples = provider.samples()
    for seed in range(number):
        rng = random.Random(seed)  # noqa: S311 - it repeats, that is all it is for
        request = rng.choice(samples).request
        if rng.random() < _UNSIGNED:
            request = provider.sign(restructured(rng, request), secret=secret, at=NOW)
        else:
            request = mutated(rng, provider.sign(request, secret=secret, at=NOW))
        yield f"mutation {seed}", request, list(in_chunks(rng, request.body))
