"""``sinkwell sources``: presets, and what a callback would be understood as."""

import dataclasses
import hmac
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import rich_click as click
import structlog
from rich.markup import escape

from sinkwell.cli.common import EXIT_FAILED, EXIT_USAGE, fail, load_settings, settings_options
from sinkwell.cli.listing import lay_out
from sinkwell.contract import (
    BodyFile,
    Callback,
    FileReference,
    InlineFile,
    LinkedFile,
    Message,
    PartFile,
    RejectedError,
    Source,
    SourceContext,
)

if TYPE_CHECKING:
    from sinkwell.intake.guard import FetchRules


@click.group()
def sources() -> None:
    """List what the source type webhook knows, or try a callback without sending it."""


@sources.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def presets(as_json: bool) -> None:
    """List the providers whose settings are known: write preset = "NAME"."""
    from sinkwell.sources.webhook.presets import PRESETS

    rows = [
        {"preset": each.name, "transport": each.keys["transport"], "summary": each.summary}
        for each in PRESETS.values()
    ]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    lay_out(
        [
            ("preset", lambda row: escape(row["preset"])),
            ("transport", lambda row: escape(row["transport"])),
            ("summary", lambda row: escape(row["summary"])),
        ],
        rows,
    )


@sources.command(name="try")
@click.argument("name")
@click.option(
    "--body",
    type=click.Path(dir_okay=False, exists=True, allow_dash=True, path_type=Path),
    required=True,
    help="A file with the body of a callback, or - for standard input.",
)
@click.option("--header", "given", multiple=True, metavar="NAME:VALUE", help="As it was sent.")
@click.option("--unproven", is_flag=True, help="Ask for no proof: of a recorded callback, say.")
@settings_options
def try_callback(
    name: str,
    body: Path,
    given: Sequence[str],
    unproven: bool,
    config: Path | None,
    data_dir: Path | None,
) -> None:
    """Show as JSON what a callback to the source NAME would be understood as.

    Nothing is stored, fetched or sent. Exit code 1 when it would be refused.
    """
    from sinkwell.intake.refusals import Refusal

    source, rules = _opened(name, config, data_dir)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    headers = dict(_header(each) for each in given)
    content = sys.stdin.buffer.read() if str(body) == "-" else body.read_bytes()
    try:
        callback = _read(name, _Believing(source) if unproven else source, headers, content)
    except Refusal as refusal:
        click.echo(json.dumps({"status": refusal.status, "refused": refusal.detail}, indent=2))
        sys.exit(EXIT_FAILED)
    click.echo(json.dumps(_shown(callback, source, rules), indent=2, ensure_ascii=False))


def _opened(name: str, config: Path | None, data_dir: Path | None) -> "tuple[Source, FetchRules]":
    from sinkwell.parts import fetch_rules
    from sinkwell.runtime import installed_plugins

    registry = installed_plugins()
    settings = load_settings(registry, config, data_dir)
    section = settings.sources.get(name)
    if section is None:
        known = ", ".join(settings.sources) or "none"
        fail(f"there is no source {name!r}; configured: {known}", code=EXIT_USAGE)
    source: Source = registry.sources[section.type].type.open(section, SourceContext(name))
    return source, fetch_rules(section.fetch, source)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        fail(f"--header {text!r} has no value: write NAME:VALUE", code=EXIT_USAGE)
    return name.strip().lower(), value.strip().encode().decode("latin-1")


def _read(name: str, source: Source, headers: dict[str, str], content: bytes) -> Callback:
    """Read a callback as a running Sinkwell does, its files to nowhere."""
    from sinkwell.intake.limits import IntakeLimits
    from sinkwell.intake.reading import OpenSource, Reading
    from sinkwell.intake.spool import Spool, SpoolWriter

    with TemporaryDirectory() as directory:
        # Files are collected and never written: only the writer wants a spool.
        spool = Spool(Path(directory))
        reading = Reading(
            OpenSource(name, source),
            headers,
            IntakeLimits(),
            lambda: SpoolWriter(spool, "tried"),
            time.time(),
        )
        try:
            reading.begin()
            reading.feed(content)
            reading.end()
            return reading.understand()
        finally:
            spool.close()


class _Believing(Source):
    """A source that believes everyone."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.transport = source.transport

    def macs(self, message: Message) -> Sequence[hmac.HMAC]:
        return self._source.macs(message)

    def authenticate(self, message: Message) -> bool:
        return message.complete

    def parse(self, message: Message) -> Callback:
        return self._source.parse(message)


def _shown(callback: Callback, source: Source, rules: "FetchRules") -> dict[str, Any]:
    outcome = "notice" if callback.notice else "file" if callback.succeeded else "failure"
    return {
        "status": source.success_code,
        "outcome": outcome,
        "provider_id": callback.provider_id,
        "provider_status": callback.provider_status,
        "deduplication_key": callback.deduplication_key,
        "files": [_shown_file(file, rules) for file in callback.files],
        "labels": dict(callback.labels),
    }


def _shown_file(file: FileReference, rules: "FetchRules") -> dict[str, Any]:
    claims = {"media_type": file.media_type, "extension": file.extension}
    match file:
        case PartFile():
            return {"part": dataclasses.asdict(file.part), **claims}
        case BodyFile():
            return {"body": True, "name": file.name, **claims}
        case InlineFile():
            return {"base64": len(file.content), "name": file.name, **claims}
        case LinkedFile():
            return {
                "url": file.url,
                "refused": _refusal(file.url, rules),
                "expires_at": file.expires_at,
                "name": file.name,
                **claims,
            }


def _refusal(link: str, rules: "FetchRules") -> str | None:
    """Say why a link would not be followed, as far as its text tells."""
    from sinkwell.intake.guard import parse_url

    try:
        rules.check_url(parse_url(link))
    except RejectedError as error:
        return str(error)
    return None
