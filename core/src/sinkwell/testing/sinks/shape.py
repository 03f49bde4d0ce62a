"""The type, its settings, and what it shows of them: the last part of the kit for sinks."""
# ruff: noqa: S101 - a kit is made of assertions

import logging
from typing import Any

import msgspec
import pytest

from sinkwell.contract import Duration, Finding, Policy, Secret, SinkError, SinkSettings, Size
from sinkwell.testing.kit import in_loop, not_shown
from sinkwell.testing.sinks.base import SinkKit
from sinkwell.testing.sinks.bench import KEEP, NAME, REFUSE, Bench
from sinkwell.testing.sinks.destination import Fault
from sinkwell.testing.type_checks import (
    check_docstrings,
    check_identity,
    check_settings,
    convert,
)

_SCHEMAS: dict[type, dict[str, object]] = {
    Duration: {"type": ["number", "string"]},
    Size: {"type": ["integer", "string"]},
    Secret: {"type": "string"},
}


class SinkShape(SinkKit):
    """What users read and write of it."""

    def test_name_and_summary(self, bench: Bench, section: dict[str, object]) -> None:
        """Name and summary of the type are fit to be shown."""
        check_identity(bench.sink_type, section)

    def test_settings_are_checked(self, bench: Bench, section: dict[str, object]) -> None:
        """The section is taken; one with an unknown key or a wrong sort of value is not."""
        assert issubclass(bench.sink_type.settings, SinkSettings), "settings are no SinkSettings"
        check_settings(bench.sink_type.settings, section)

    def test_settings_are_explained(self, bench: Bench) -> None:
        """Each key of the settings has a docstring."""
        check_docstrings(bench.sink_type.settings)

    def test_settings_have_a_schema(self, bench: Bench) -> None:
        """A JSON schema can be made of each key of the settings."""
        for field in msgspec.structs.fields(bench.sink_type.settings):
            schema = msgspec.json.schema(field.type, schema_hook=_schema_of)
            assert schema, f"the schema of {field.encode_name} is empty"

    def test_defaults_are_values(self, bench: Bench, section: dict[str, object]) -> None:
        """The settings' defaults are what a user could have written."""
        kind = bench.sink_type.settings
        for field in msgspec.structs.fields(kind):
            if field.required or field.name in section:
                continue
            default = field.default
            if field.default_factory is not msgspec.NODEFAULT:
                default = field.default_factory()
            written = msgspec.to_builtins(default, enc_hook=_written)
            if written is None:
                continue  # TOML has no null: who wants it leaves the key out
            found = getattr(convert(kind, section | {field.encode_name: written}), field.name)
            assert found == default, (
                f"{field.encode_name}: its default {default!r}, written out, is read as {found!r}"
            )

    @in_loop
    async def test_its_name_is_in_errors(self, bench: Bench) -> None:
        """Errors name the sink or the key, so that people know what it is about."""
        async with bench.opened() as sink:
            await sink.put(bench.blob(b"x"), "its-key", if_present=REFUSE)
            put = sink.put(bench.blob(b"y"), "its-key", if_present=REFUSE)
            error = await bench.failure(put, "putting with refuse where the key is taken")
            text = str(error)
            assert NAME in text or "its-key" in text, f"the error names neither: {text}"

    @in_loop
    async def test_examination(self, bench: Bench) -> None:
        """The examination for `sinkwell doctor` finds something and leaves everything as it was."""
        examine = bench.sink_type.examine
        if examine is None:
            not_shown("the type has no examine")
        async with bench.opened() as sink:
            await sink.put(bench.blob(b"here"), "a/b", if_present=KEEP)
        async with bench.context() as context:
            findings = list(await examine(bench.settings, context))
        assert findings, "examine() found nothing at all"
        for each in findings:
            assert isinstance(each, Finding), f"examine() gave {each!r}, no Finding"
            assert each.what.strip(), "a finding says nothing"
        bench.hides_secrets(repr(findings), "a finding")
        await bench.holds({"a/b": b"here"})

    def test_policy(self, bench: Bench) -> None:
        """The policy for `sinkwell iam-policy` is always the same, and shows no secret."""
        policy = bench.sink_type.policy
        if policy is None:
            not_shown("the type has no policy")
        first, second = policy(bench.settings), policy(bench.settings)
        assert isinstance(first, Policy), f"policy() gave {first!r}, no Policy"
        assert first.document.strip(), "the policy says nothing"
        assert first == second, "the policy for the same settings is another one each time"
        bench.hides_secrets(repr(first), "the policy")

    def test_secrets_are_hidden(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        """No secret of the settings shows in them, the sink, its answers, its errors or the log."""
        if not bench.secrets:
            not_shown("no key of the section holds a Secret")
        with caplog.at_level(logging.INFO):
            _use(bench)
        for record in caplog.records:
            bench.hides_secrets(f"{record.getMessage()} {record.__dict__}", "the log")
        bench.hides_secrets(caplog.text, "the log")


@in_loop
async def _use(bench: Bench) -> None:
    """Do a little of everything, and look at all that can be shown."""
    _shows_none(bench, bench.settings, "the settings")
    _shows_none(bench, bench.sink_type, "the type")
    async with bench.opened() as sink:
        _shows_none(bench, sink, "the sink")
        receipt = await sink.put(bench.blob(b"x"), "key", if_present=KEEP)
        _shows_none(bench, receipt, "a receipt")
        _shows_none(bench, await sink.stat("key"), "a stat")
        _shows_none(bench, await sink.check(), "the check")
        for key in ("key", "k" * 5000):
            await bench.failure(
                sink.put(bench.blob(b"y"), key, if_present=KEEP), f"putting {len(key)} letters"
            )
        for fault in set(bench.destination.faults()) - {Fault.HANG}:
            async with bench.within(fault):
                try:
                    found: object = await sink.check()
                except SinkError as error:
                    bench.is_fit_to_show(error, "check")
                else:
                    _shows_none(bench, found, "a finding")


def _shows_none(bench: Bench, value: object, what: str) -> None:
    bench.hides_secrets(f"{value} {value!r}", what)


def _schema_of(kind: type) -> dict[str, object]:
    if kind not in _SCHEMAS:
        raise NotImplementedError(f"no section can hold a {kind.__name__}")
    return _SCHEMAS[kind]


def _written(value: Any) -> object:
    """Return how a default of one of the contract's own types is written."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Duration):
        return float(value)
    if isinstance(value, Size):
        return int(value)
    raise NotImplementedError(f"no section can hold a {type(value).__name__}")
