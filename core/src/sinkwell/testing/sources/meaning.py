"""What is understood: the second part of the kit for sources."""
# ruff: noqa: S101 - a kit is made of assertions

from collections.abc import Sequence
from itertools import combinations

import pytest
from structlog.testing import capture_logs

from sinkwell.contract import Callback, LinkedFile
from sinkwell.intake.guard import LONGEST_URL
from sinkwell.intake.refusals import Refusal
from sinkwell.testing.kit import not_shown
from sinkwell.testing.sources.base import (
    SourceKit,
    broke,
    first_secret,
    mutants,
    proof_place,
    signed,
    taken,
)
from sinkwell.testing.sources.core import NOW, Core, Doubter, as_expected, snapshot
from sinkwell.testing.sources.forgeries import alterations
from sinkwell.testing.sources.provider import Provider, Sample
from sinkwell.testing.sources.requests import NotOffered, Request
from sinkwell.testing.type_checks import check_absent, words_of

_LATER = 2.0
_LONGEST_NAME = 64
_LONGEST_LABEL = 2048
_LONGEST_ID = 1024
_MOST_LABELS = 32


class SourceMeaning(SourceKit):
    """Messages are taken for what they say."""

    def test_samples_are_understood(self, core: Core, samples: Sequence[Sample]) -> None:
        """Each sample is understood as what it says."""
        for sample in samples:
            callback = taken(core, sample.request, repr(sample.name)).callback
            assert as_expected(callback) == sample.expected, f"sample {sample.name!r}"

    def test_a_failure_is_no_success(self, core: Core, samples: Sequence[Sample]) -> None:
        """What the provider reports as failed is taken for a failure, and brings no file."""
        failures = [each for each in samples if not each.expected.succeeded]
        if not failures:
            not_shown("the provider has no sample of a failure")
        for sample in failures:
            callback = taken(core, sample.request, repr(sample.name)).callback
            assert not callback.succeeded, f"{sample.name!r} was taken for a success"
            assert not callback.files, f"{sample.name!r} brought {callback.files}"

    def test_a_repeat_is_known_by_its_key(self, core: Core, provider: Provider) -> None:
        """A repeat, also one that is signed anew, has the same deduplication key."""
        for sample in provider.samples():
            keys = {
                taken(
                    core, signed(provider, sample, at=at), repr(sample.name), at=at
                ).callback.deduplication_key
                for at in (NOW, NOW, NOW + _LATER, NOW + 10 * 86_400)
            }
            assert len(keys) == 1, f"repeats of {sample.name!r} have the keys {keys}"

    def test_different_messages_have_different_keys(
        self, core: Core, samples: Sequence[Sample]
    ) -> None:
        """No message is taken for the repeat of another one, and every success has a key."""
        keys = {}
        for sample in samples:
            callback = taken(core, sample.request, repr(sample.name)).callback
            keys[sample.name] = callback.deduplication_key
            assert not callback.files or callback.deduplication_key, (
                f"{sample.name!r} has no deduplication key: a repeat would be stored twice"
            )
        for one, other in combinations(keys, 2):
            assert keys[one] is None or keys[one] != keys[other], (
                f"{one!r} and {other!r} have the same deduplication key {keys[one]!r}"
            )

    def test_it_is_pure(self, core: Core, samples: Sequence[Sample]) -> None:
        """The same message always means the same, whoever came before, and stays as it is."""
        for sample in samples:
            found = taken(core, sample.request, repr(sample.name))
            before = snapshot(found.message)
            for source in (core.source, core.source, core.open()):
                assert source.authenticate(found.message), f"{sample.name!r} is true no more"
                assert source.parse(found.message) == found.callback, (
                    f"{sample.name!r}, asked again, means something else"
                )
            assert found.message == before, f"the source changed the message of {sample.name!r}"

    def test_it_may_be_asked_at_any_moment(self, core: Core, samples: Sequence[Sample]) -> None:
        """It may be asked at any moment and again: it answers alike and changes nothing."""
        for sample in samples:
            body = sample.request.body
            doubter = Doubter(core.source)
            with pytest.raises(Refusal):
                core.take(
                    sample.request,
                    chunks=[body[at : at + 1] for at in range(len(body))],
                    source=doubter,
                )
            what = f"asked about {sample.name!r} as it came in, the source"
            assert None not in doubter.answers, f"{what} refused it: {doubter.answers}"
            assert doubter.answers[-1], f"{what} did not believe the whole: {doubter.answers}"
            assert not doubter.wavered, f"{what} gave two answers to one question"
            assert not doubter.changed, f"{what} changed the message"

    def test_mutated_messages_break_nothing(self, core: Core, provider: Provider) -> None:
        """None of 5,000 mutated messages raises anything but a refusal."""
        believed = 0
        for what, mutant, chunks in mutants(provider, first_secret(provider), self.mutations):
            with capture_logs():
                try:
                    found = core.take(mutant, chunks=chunks)
                except Refusal:
                    continue
                except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                    broke(error, what, mutant)
            believed += 1
            check_texts(found.callback, f"{what}, {mutant!r:.2000}")
        assert believed, "no mutated message was believed, so none was understood"

    def test_texts_are_fit_to_keep(self, core: Core, samples: Sequence[Sample]) -> None:
        """Ids, status and labels are short texts of valid Unicode; every success has an id."""
        for sample in samples:
            callback = taken(core, sample.request, repr(sample.name)).callback
            check_texts(callback, repr(sample.name))
            named = callback.provider_id or callback.notice or not callback.succeeded
            assert named, f"{sample.name!r} has no id"
            over = callback.finished_batch
            assert over is None or callback.notice, (
                f"{sample.name!r} ends a batch, and is no notice"
            )
            assert over != "", f"{sample.name!r} ends a batch without an id"

    def test_secrets_stay_secret(
        self,
        core: Core,
        provider: Provider,
        samples: Sequence[Sample],
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Neither secrets nor true proofs are in errors, logs, ``repr`` or ``str``."""
        place = proof_place(provider)
        covers = () if isinstance(provider.covers, NotOffered) else provider.covers
        secrets = {f"secret {number}": each for number, each in enumerate(provider.secrets, 1)}
        secrets["the secret that was given"] = provider.foreign_secret
        said = [repr(core.source), str(core.source), repr(core.settings)]
        caplog.set_level("DEBUG")
        for sample in samples:
            forged = provider.sign(sample.request, secret=provider.foreign_secret, at=NOW)
            cut = sample.request.with_value(place, (sample.request.value(place) or b"")[:-1])
            altered = [each for _, each in alterations(sample.request, covers)]
            for request in (sample.request, forged, cut, *altered):
                expected = provider.sign(request, secret=first_secret(provider), at=NOW)
                secrets["the true proof"] = (expected.value(place) or b"").decode("latin-1")
                said += _words(core, request)
                check_absent(secrets, said)
                said.clear()
        check_absent(secrets, [*capfd.readouterr(), caplog.text])


def check_texts(callback: Callback, what: str) -> None:
    """See that all texts of a callback can be stored and shown."""
    labels = callback.labels
    assert len(labels) <= _MOST_LABELS, f"{len(labels)} labels, at most {_MOST_LABELS}: {what}"
    limits = [(callback.provider_id, _LONGEST_ID), (callback.provider_status, _LONGEST_LABEL)]
    limits += [(callback.deduplication_key or "", _LONGEST_LABEL)]
    limits += [(name, _LONGEST_NAME) for name in labels]
    limits += [(value, _LONGEST_LABEL) for value in labels.values()]
    links = [file.url for file in callback.files if isinstance(file, LinkedFile)]
    limits += [(url, LONGEST_URL) for url in links]
    limits += [(file.media_type, _LONGEST_NAME * 2) for file in callback.files]
    limits += [(file.extension, _LONGEST_NAME) for file in callback.files]
    for text, longest in limits:
        assert isinstance(text, str), f"{text!r} is no text: {what}"
        assert len(text) <= longest, f"{text[:40]!r}… is longer than {longest}: {what}"
        try:
            text.encode()
        except UnicodeEncodeError:
            pytest.fail(f"{text!r} is no valid Unicode: {what}")


def _words(core: Core, request: Request) -> list[str]:
    """Return all that a refusal says, and the errors that it came from."""
    try:
        core.take(request)
    except Exception as error:  # noqa: BLE001 - also a bug's text ends up in the log
        return words_of(error)
    return []
