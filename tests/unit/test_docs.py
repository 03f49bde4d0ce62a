"""The tables of the documentation agree with the code."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator

import jsonschema
import msgspec
import pytest
from documents import ROOT, Block, blocks, tables

from sinkwell.bus.model import NotificationState
from sinkwell.bus.schema import event_schema
from sinkwell.cli import COMMANDS
from sinkwell.contract import (
    Event,
    Fact,
    FetchSettings,
    NotifierSettings,
    SinkSettings,
    SourceSettings,
)
from sinkwell.contract.events import FACTS
from sinkwell.contract.settings import decode_custom
from sinkwell.delivery.model import State
from sinkwell.delivery.schedule import RetryPolicy
from sinkwell.naming.variables import VARIABLE_NAMES
from sinkwell.notifiers.broker import BrokerSettings
from sinkwell.notifiers.chat import ChatSettings
from sinkwell.notifiers.command import CommandSettings
from sinkwell.notifiers.webhook_settings import WebhookSettings
from sinkwell.settings.model import (
    AlertsSettings,
    EventsSettings,
    IntakeSettings,
    LedgerSettings,
    LogSettings,
    RetrySettings,
    Route,
    ServerSettings,
    Settings,
    SpoolSettings,
)
from sinkwell.sources.screenshotcenter import ScreenshotCenterSettings
from sinkwell.sources.shotbot import ShotbotSettings
from sinkwell.sources.webhook.presets import PRESETS
from sinkwell.sources.webhook.settings import AuthenticationSettings
from sinkwell.sources.webhook.settings import WebhookSettings as WebhookSourceSettings
from sinkwell_gcs.settings import GcsSettings
from sinkwell_local.settings import LocalSettings
from sinkwell_s3.presets import PRESETS as PROVIDERS
from sinkwell_s3.settings import S3Settings

SETTINGS = tables(ROOT / "docs/settings.md")
SETTINGS['type = "gcs"'] = tables(ROOT / "docs/gcs.md")["Options"]
S3 = tables(ROOT / "docs/s3.md")
SETTINGS['type = "s3"'] = S3["Options"]
KEYS = tables(ROOT / "docs/keys.md")
DELIVERY = tables(ROOT / "docs/delivery.md")
PROBLEMS = tables(ROOT / "docs/problems.md")

SECTIONS: dict[str, type[msgspec.Struct]] = {
    "[server]": ServerSettings,
    "[spool]": SpoolSettings,
    "[intake]": IntakeSettings,
    "[retry]": RetrySettings,
    "[ledger]": LedgerSettings,
    "[events]": EventsSettings,
    "[alerts]": AlertsSettings,
    "[log]": LogSettings,
    "[sources.NAME]": SourceSettings,
    "[sources.NAME.fetch]": FetchSettings,
    'type = "shotbot"': ShotbotSettings,
    'type = "screenshotcenter"': ScreenshotCenterSettings,
    'type = "webhook"': WebhookSourceSettings,
    "[sources.NAME.authentication]": AuthenticationSettings,
    "[sinks.NAME]": SinkSettings,
    'type = "local"': LocalSettings,
    'type = "gcs"': GcsSettings,
    'type = "s3"': S3Settings,
    "[notifiers.NAME]": NotifierSettings,
    'Notifiers of type = "webhook"': WebhookSettings,
    'type = "chat"': ChatSettings,
    'type = "broker"': BrokerSettings,
    'type = "command"': CommandSettings,
    "[[routes]]": Route,
}


def own_fields(kind: type[msgspec.Struct]) -> list[msgspec.structs.FieldInfo]:
    """Return the fields that a type adds to those of all sources, sinks or notifiers."""
    bases = (SourceSettings, SinkSettings, NotifierSettings)
    common = {
        name
        for base in bases
        if issubclass(kind, base) and kind is not base
        for name in base.__struct_fields__
    }
    return [field for field in msgspec.structs.fields(kind) if field.name not in common]


@pytest.mark.parametrize(("heading", "kind"), SECTIONS.items(), ids=SECTIONS)
def test_every_setting_is_documented_with_its_default(
    heading: str, kind: type[msgspec.Struct]
) -> None:
    documented = {key.strip("`"): default for key, default, _ in SETTINGS[heading]}

    assert [*documented] == [field.name for field in own_fields(kind)]
    for field in own_fields(kind):
        cell = documented[field.name]
        if field.required:
            assert cell == "required", field.name
        elif field.default is None:
            assert cell == "none", field.name
        else:
            default = field.default
            if field.default_factory is not msgspec.NODEFAULT:
                default = field.default_factory()
            written = tomllib.loads(f"value = {cell.strip('`')}")["value"]
            value = msgspec.convert(written, field.type, dec_hook=decode_custom)
            assert value == default, field.name


def test_every_section_is_documented() -> None:
    groups = {"sources": "[sources.NAME]", "sinks": "[sinks.NAME]", "routes": "[[routes]]"}
    groups |= {"notifiers": "[notifiers.NAME]"}
    of_the_loader = {"data_dir", "time_zone", "path", "warnings"}
    for name in {*Settings.__struct_fields__} - of_the_loader:
        assert groups.get(name, f"[{name}]") in SECTIONS
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    documented = {key.strip("`"): default for key, default, _ in SETTINGS["Outside of any section"]}
    assert documented == {name: f'`"{defaults[name]}"`' for name in ("data_dir", "time_zone")}


def test_every_variable_of_key_templates_is_documented() -> None:
    documented = " ".join(name for name, *_ in KEYS["Variables"])

    assert [name for name in VARIABLE_NAMES if f"{{{name}}}" not in documented] == []


def test_the_documented_schedule_is_the_default_one() -> None:
    settings = RetrySettings()
    policy = RetryPolicy(settings.attempts, settings.base, settings.cap)
    bounds: list[float] = []
    for tries, bound in (line.strip("|").split("|") for line in _schedule_lines()):
        first, _, last = tries.strip().partition(" to ")
        bounds += [float(bound.strip().removesuffix(" s"))] * (int(last or first) - int(first) + 1)

    assert bounds == [policy.bound(failed) for failed in range(1, policy.attempts)]
    assert 29 < sum(bounds) / 3600 < 30


def _schedule_lines() -> list[str]:
    text = (ROOT / "docs/delivery.md").read_text()
    return [line for line in text.splitlines() if line.startswith("| ") and line.endswith(" s |")]


def test_every_preset_is_documented_as_it_is() -> None:
    documented = [
        [cell.replace("`", "") for cell in row]
        for row in tables(ROOT / "docs/sources.md")["Presets"]
    ]
    assert documented == [
        [
            each.name,
            each.keys["transport"],
            each.keys.get("authentication", {"scheme": "yours"})["scheme"],
            ", ".join(each.hosts) or "none",
        ]
        for each in PRESETS.values()
    ]


def test_every_state_is_documented() -> None:
    assert [row[0].strip("`") for row in DELIVERY["States"]] == [*State]


def test_every_event_is_documented_in_the_words_of_its_class() -> None:
    text = (ROOT / "docs/events.md").read_text()
    told = re.findall(r"^### `([a-z_.]+)`\n\n(.+?)\n\n```json", text, re.MULTILINE | re.DOTALL)

    assert [name for name, _ in told] == [*FACTS]
    for name, words in told:
        assert words.split() == (FACTS[name].__doc__ or "").replace("``", "`").split(), name


@pytest.mark.parametrize("block", blocks(ROOT / "docs/events.md"), ids=lambda block: block.place)
def test_every_example_of_an_event_is_valid(block: Block) -> None:
    if block.language != "json":
        return
    event = json.loads(block.content)
    fact = FACTS[event["type"]]
    jsonschema.Draft202012Validator(event_schema(fact)).validate(event)
    data = msgspec.convert(event["data"], fact)
    assert msgspec.json.decode(msgspec.json.encode(data)) == event["data"]
    assert event.keys() == {field.name for field in msgspec.structs.fields(Event)}


@pytest.mark.parametrize("fact", FACTS.values(), ids=FACTS)
def test_every_schema_is_one_and_refuses_what_is_no_such_event(fact: type[Fact]) -> None:
    schema = event_schema(fact)
    jsonschema.Draft202012Validator.check_schema(schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"type": fact.TYPE}, schema)


def test_the_states_of_notifications_are_documented() -> None:
    found = tables(ROOT / "docs/notifications.md")["States"]
    assert [row[0].strip("`") for row in found] == [*NotificationState]


def test_every_command_is_in_the_readme() -> None:
    documented = {row[0].strip("`").split()[1] for row in tables(ROOT / "README.md")["Commands"]}

    assert documented == {*COMMANDS}


def test_every_problem_is_documented_with_its_status() -> None:
    documented = {
        (row[0].strip("`"), int(status))
        for rows in PROBLEMS.values()
        for row in rows
        for status in row[1].split(", ")
    }
    generic = {("bad-request", 400)}  # the slug of all other statuses

    assert documented == {*_problems_in_code()} | generic


def _problems_in_code() -> Iterator[tuple[str, int]]:
    """Yield the name and status of each problem that stands in the code as literals."""
    for path in (ROOT / "core/src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Name(id="Refusal" | "response") | ast.Attribute(attr="response"),
                    args=[status, ast.Constant(value=str(slug)), *_],
                ):
                    yield slug, _status(status)
                case ast.Dict(keys=[ast.Constant(value=int()), *_]):
                    for key, value in zip(node.keys, node.values, strict=True):
                        match key, value:
                            case (
                                ast.Constant(value=int(code)),
                                ast.Constant(value=str(slug))
                                | ast.Tuple(elts=[ast.Constant(value=str(slug)), *_]),
                            ):
                                yield slug, code


def _status(node: ast.expr) -> int:
    match node:
        case ast.Constant(value=int(status)):
            return status
        case ast.Name(id=name):  # HTTP_500_INTERNAL_SERVER_ERROR
            return int(name.split("_")[1])
    raise AssertionError(f"a problem has no plain status: {ast.dump(node)}")


def test_every_provider_of_s3_is_documented_as_it_is() -> None:
    found = {row[0].strip("`"): [cell.strip("`") for cell in row[1:]] for row in S3["Providers"]}

    assert [*found] == [*PROVIDERS]
    for name, preset in PROVIDERS.items():
        endpoint, region, addressing, checksum, create_only = found[name]
        assert endpoint == (preset.endpoint or ("found by region" if name == "aws" else "yours"))
        assert region == (preset.region or "yours")
        assert (addressing, checksum) == (preset.addressing, preset.checksum)
        header = preset.create_only.header if preset.create_only else "the sink looks first"
        assert create_only == header
