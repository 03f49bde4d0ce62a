"""Who is believed: the first part of the kit for sources."""
# ruff: noqa: S101 - a kit is made of assertions

from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from sinkwell.intake.refusals import Refusal
from sinkwell.testing.kit import not_shown
from sinkwell.testing.sources.base import (
    SourceKit,
    broke,
    disbelieved,
    first_secret,
    mutants,
    offered,
    proof_of,
    proof_place,
    refusal_of,
    signed,
    taken,
)
from sinkwell.testing.sources.core import NOW, Core, Doubter
from sinkwell.testing.sources.forgeries import alterations, false_proofs, rearranged
from sinkwell.testing.sources.provider import Provider, Sample
from sinkwell.testing.sources.requests import (
    Body,
    NotOffered,
    Request,
    is_form,
    pieces_of,
)

_DAY = 86_400.0
_DOUBTED = 300


class SourceProofs(SourceKit):
    """Only what the provider sent is believed."""

    def test_every_secret_is_taken(self, core: Core, provider: Provider) -> None:
        """Each configured secret is taken, so that one can take the other's place."""
        proof_place(provider)
        assert provider.secrets, "the provider names no secret"
        for sample in provider.samples():
            for number, secret in enumerate(provider.secrets, 1):
                request = provider.sign(sample.request, secret=secret, at=NOW)
                taken(core, request, f"{sample.name!r}, signed with secret {number}")

    def test_no_proof_is_refused(
        self, core: Core, provider: Provider, samples: Sequence[Sample]
    ) -> None:
        """A message without any proof is refused."""
        place = proof_place(provider)
        for sample in samples:
            request = sample.request.with_value(place, None)
            disbelieved(core, request, f"{sample.name!r} without a proof")

    def test_a_false_proof_is_refused(
        self, core: Core, provider: Provider, samples: Sequence[Sample]
    ) -> None:
        """A false proof is refused: empty, cut, changed, endless, or no text at all."""
        for sample in samples:
            place, proof = proof_of(provider, sample.request)
            for what, false in false_proofs(proof, provider.secrets):
                if false != proof:
                    request = sample.request.with_value(place, false)
                    disbelieved(core, request, f"{sample.name!r} with a false proof ({what})")

    def test_another_secret_is_refused(self, core: Core, provider: Provider) -> None:
        """A proof made with somebody else's secret, or with an empty one, is refused."""
        proof_place(provider)
        assert provider.foreign_secret not in provider.secrets
        for sample in provider.samples():
            for secret in (provider.foreign_secret, ""):
                request = provider.sign(sample.request, secret=secret, at=NOW)
                disbelieved(core, request, f"{sample.name!r}, signed with {secret!r}")

    def test_what_the_proof_covers_cannot_be_altered(
        self, core: Core, provider: Provider, samples: Sequence[Sample]
    ) -> None:
        """What the proof covers cannot be altered, added, taken out or doubled."""
        covers = offered(provider.covers)
        for sample in samples:
            for what, altered in alterations(sample.request, covers):
                if altered != sample.request:
                    refusal_of(core, altered, f"{sample.name!r} with {what}")

    def test_an_expired_proof_is_refused(self, core: Core, provider: Provider) -> None:
        """A proof that is older than the tolerance is refused, a younger one taken."""
        self._check_age(core, provider, -1)

    def test_a_proof_from_the_future_is_refused(self, core: Core, provider: Provider) -> None:
        """A proof from a future beyond the tolerance is refused, a nearer one taken."""
        self._check_age(core, provider, +1)

    def _check_age(self, core: Core, provider: Provider, direction: int) -> None:
        tolerance = offered(provider.tolerance)
        for sample in provider.samples():
            for off in (tolerance + 2, 10 * tolerance + _DAY):
                request = signed(provider, sample, at=NOW + direction * off)
                disbelieved(core, request, f"{sample.name!r}, signed {direction * off:+g} s off")
            near = direction * max(0.0, tolerance - 2)
            request = signed(provider, sample, at=NOW + near)
            taken(core, request, f"{sample.name!r}, signed {near:+g} s off")
            # The same message, when it comes late: it is the core's clock that counts.
            request = signed(provider, sample)
            late = NOW - direction * (tolerance + 2)
            disbelieved(core, request, f"{sample.name!r}, come at {late - NOW:+g} s", at=late)

    def test_a_false_proof_is_refused_early(self, core: Core, provider: Provider) -> None:
        """A false proof is refused before the file is read."""
        proof_place(provider)
        if provider.early is not None:
            not_shown(provider.early.reason)
        if not isinstance(provider.covers, NotOffered) and Body() in provider.covers:
            not_shown("the proof covers the body, so all of it must be there")
        for sample in provider.samples():
            forged = provider.sign(sample.request, secret=provider.foreign_secret, at=NOW)
            before_the_file = _before_its_file(forged)
            try:
                core.begin(forged).feed(forged.body[:before_the_file])
            except Refusal:
                continue
            assert before_the_file == len(forged.body), (
                f"{sample.name!r} with a false proof was still read when its file came"
            )

    def test_true_is_never_taken_back(
        self, core: Core, provider: Provider, samples: Sequence[Sample]
    ) -> None:
        """It says True only when nothing that may still come could change that."""
        covers = () if isinstance(provider.covers, NotOffered) else provider.covers
        for sample in samples:
            for whole in [sample.request, *rearranged(sample.request)]:
                _doubted(core, whole, f"{sample.name!r} with its pieces in another order")
            for what, altered in alterations(sample.request, covers):
                _doubted(core, altered, f"{sample.name!r} with {what}")
                for moved in rearranged(altered):
                    _doubted(core, moved, f"{sample.name!r} with {what}, in another order")
        for what, mutant, _ in mutants(provider, first_secret(provider), _DOUBTED):
            _doubted(core, mutant, what)

    def test_mutated_forgeries_are_refused(self, core: Core, provider: Provider) -> None:
        """None of 5,000 mutated forgeries is believed."""
        proof_place(provider)
        for what, forgery, chunks in mutants(provider, provider.foreign_secret, self.mutations):
            with capture_logs():
                try:
                    found = core.take(forgery, chunks=chunks)
                except Refusal:
                    continue
                except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                    broke(error, what, forgery)
            pytest.fail(f"{what} of a forgery was believed: {found.callback}\n{forgery!r:.2000}")


def _before_its_file(request: Request) -> int:
    """Return how many bytes of a body come before the first byte of its file."""
    if not is_form(request):
        return 0
    files = [each for each in pieces_of(request) if each.is_file]
    if not files:
        return len(request.body)
    head = request.body.index(files[0].head) + len(files[0].head)
    return head + len(b"\r\n\r\n")


def _doubted(core: Core, request: Request, what: str) -> None:
    """Ask at every moment, and see that no True was too early."""
    doubter = Doubter(core.source)
    step = max(1, len(request.body) // 100)
    chunks = [request.body[at : at + step] for at in range(0, len(request.body), step)]
    with capture_logs():
        try:
            core.take(request, chunks=chunks, source=doubter)
        except Refusal:
            assert not doubter.took_back, (
                f"of {what} the source said {doubter.answers} (None: it raised) as it came in; "
                "after the first True it is not asked again\n"
                f"{request!r:.2000}"
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            broke(error, what, request)
