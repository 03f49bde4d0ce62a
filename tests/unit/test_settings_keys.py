"""Which key templates are in use, what is wrong with them, and whose clock they show."""

import zoneinfo
from pathlib import Path
from types import SimpleNamespace

import pytest
from settings_support import (
    REGISTRY,
    CameraSettings,
    load_text,
    never_source,
    problems,
    warnings,
)

from sinkwell.contract import SourceType, hookimpl
from sinkwell.delivery.condition import RoutedFile
from sinkwell.naming import KeyValues
from sinkwell.plugins import discover
from sinkwell.settings.keys import make_planner

TWO_CAMERAS = '[sources.one]\ntype = "camera"\n[sources.two]\ntype = "camera"\n'
DISK = '[sinks.disk]\ntype = "disk"\nroot = "r"\n'
FIXED = 'key = "latest.png"\n'
VALUES = KeyValues(
    id="a1",
    file_id="f1",
    source="one",
    received_at=1_782_864_000.0,  # 2026-07-01 00:00 UTC
    ext="png",
    sha256="ab" * 32,
)


def keys(directory: Path, text: str) -> dict[str, str]:
    file = RoutedFile(media_type="image/png", size=1, status="done", values=VALUES)
    planned = make_planner(load_text(directory, text), REGISTRY).plan(file)
    return {each.sink: each.key for each in planned}


# ---- templates that give two files one key ---------------------------------------------------


def test_a_template_that_no_file_uses_may_be_anything(tmp_path: Path) -> None:
    route = '[[routes]]\nsource = "*"\nsinks = "disk"\nkey = "{source}/{id}"\n'
    assert warnings(tmp_path, TWO_CAMERAS + DISK + FIXED + route) == []
    assert warnings(tmp_path, DISK + FIXED) == []


def test_a_template_that_many_ways_use_is_told_of_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, TWO_CAMERAS + DISK + FIXED)) == 1


def test_it_is_told_together_with_what_else_is_wrong(tmp_path: Path) -> None:
    routes = '[[routes]]\nsource = "*"\n[[routes]]\nsource = "one"\nsinks = ["disk", "dusk"]\n'
    told = problems(tmp_path, TWO_CAMERAS + DISK + FIXED + routes)
    assert [each.partition("\n")[0] for each in told] == [
        'sinkwell.toml:8: key in [sinks.disk]: "latest.png" gives different files the same key',
        'sinkwell.toml:9: [[routes]] needs the key "sinks"',
        'sinkwell.toml:13: sinks in [[routes]]: there is no sink "dusk"',
    ]


# ---- several sources in one sink -------------------------------------------------------------


def test_a_sinks_template_without_the_source_is_warned_of(tmp_path: Path) -> None:
    assert warnings(tmp_path, TWO_CAMERAS + DISK + 'key = "{date}/{id}.{ext}"') == [
        (
            'sinkwell.toml:8: key in [sinks.disk]: the files of "one" and "two" share the sink '
            '"disk" under "{date}/{id}.{ext}", and those with equal ids one key\n'
            '    write one with {source}: "{source}/{date}/{id}.{ext}"'
        )
    ]


def test_the_source_types_own_template_is_warned_of_at_the_sink(tmp_path: Path) -> None:
    assert warnings(tmp_path, TWO_CAMERAS + DISK) == [
        (
            'sinkwell.toml:5: key in [sinks.disk] is that of source type "camera": the files of '
            '"one" and "two" share the sink "disk" under "{id}", and those with equal ids one key\n'
            '    write one with {source}: "{source}/{id}"'
        )
    ]


def test_two_routes_with_one_template_are_warned_of(tmp_path: Path) -> None:
    routes = "".join(
        f'[[routes]]\nsource = "{name}"\nsinks = "disk"\nkey = "{key}"\n'
        for name, key in (("one", "{id}.{ext}"), ("two", "{token}.{format}"))
    )
    (told,) = warnings(tmp_path, TWO_CAMERAS + DISK + routes)
    assert told.startswith('sinkwell.toml:11: key in [[routes]]: the files of "one" and "two"')


@pytest.mark.parametrize(
    "key", ["{source}/{id}", "{file_id}", "{uuid}.{ext}", "x/{sha256}", "{sha256:64}"]
)
def test_a_template_that_tells_sources_apart_is_fine(tmp_path: Path, key: str) -> None:
    assert warnings(tmp_path, f'{TWO_CAMERAS}{DISK}key = "{key}"') == []


def test_sources_that_do_not_share_a_sink_are_fine(tmp_path: Path) -> None:
    other = '[sinks.other]\ntype = "disk"\nroot = "o"\n'
    routes = "".join(
        f'[[routes]]\nsource = "{source}"\nsinks = "{sink}"\n'
        for source, sink in (("one", "disk"), ("two", "other"))
    )
    assert warnings(tmp_path, TWO_CAMERAS + DISK + other + routes) == []


# ---- the time zone ---------------------------------------------------------------------------

ONE_CAMERA = '[sources.one]\ntype = "camera"\n'
CLOCK = 'key = "{yyyy}-{mm}-{dd}T{hh}{ii}{ss}/{date}_{time}/{id}"\n'


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("", "2026-07-01T000000"),
        ('time_zone = "UTC"\n', "2026-07-01T000000"),
        ('time_zone = "Europe/Berlin"\n', "2026-07-01T020000"),
        ('time_zone = "America/New_York"\n', "2026-06-30T200000"),
        ('time_zone = "Asia/Kolkata"\n', "2026-07-01T053000"),
    ],
)
def test_keys_show_the_clock_of_the_time_zone(tmp_path: Path, zone: str, moment: str) -> None:
    date, time = moment.split("T")
    made = keys(tmp_path, zone + ONE_CAMERA + DISK + CLOCK)
    assert made == {"disk": f"{moment}/{date}_{time}/a1"}


def test_the_time_zone_holds_for_every_template(tmp_path: Path) -> None:
    other = '[sinks.other]\ntype = "disk"\nroot = "o"\nkey = "{date}/{id}"\n'
    route = '[[routes]]\nsource = "*"\nsinks = ["other"]\n'
    routed = '[[routes]]\nsource = "*"\nsinks = ["disk"]\nkey = "{mm}{dd}/{id}"\n'
    text = 'time_zone = "America/Los_Angeles"\n' + ONE_CAMERA + DISK + other + route + routed
    assert keys(tmp_path, text) == {"other": "2026-06-30/a1", "disk": "0630/a1"}


def test_the_time_zone_may_come_from_the_environment(tmp_path: Path) -> None:
    environ = {"SINKWELL_TIME_ZONE": "Asia/Tokyo"}
    assert load_text(tmp_path, "", environ).time_zone == "Asia/Tokyo"
    (told,) = problems(tmp_path, "", {"SINKWELL_TIME_ZONE": "Asia/Tokio"})
    assert told == (
        'environment variable SINKWELL_TIME_ZONE: there is no time zone "Asia/Tokio"\n'
        '    did you mean "Asia/Tokyo"?'
    )


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("utc", 'did you mean "UTC"?'),
        ("Berlin", 'did you mean "Europe/Berlin"?'),
        ("asia/tokio", 'did you mean "Asia/Tokyo"?'),
        ("", 'write a name of the tz database, such as "Europe/Berlin", or "UTC"'),
        ("/etc/passwd", 'write a name of the tz database, such as "Europe/Berlin", or "UTC"'),
    ],
)
def test_an_unknown_time_zone_is_told_with_the_nearest(
    tmp_path: Path, written: str, advice: str
) -> None:
    told = f'sinkwell.toml:2: there is no time zone "{written}"\n    {advice}'
    assert problems(tmp_path, f'\ntime_zone = "{written}"') == [told]


def test_a_source_type_with_a_broken_template_is_told_of(tmp_path: Path) -> None:
    @hookimpl
    def sinkwell_sources() -> list[object]:
        return [SourceType("camera", "", CameraSettings, never_source, default_key="{idd}")]

    plugin = SimpleNamespace(sinkwell_sources=sinkwell_sources)
    (told,) = problems(tmp_path, ONE_CAMERA, registry=discover([], {"made-up": plugin}))
    assert told.startswith("sinkwell.toml:2: type in [sources.one]: the unknown variable {idd}")


def test_without_the_systems_time_zones_those_of_the_package_are_used(tmp_path: Path) -> None:
    zoneinfo.reset_tzpath([])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        made = keys(tmp_path, f'time_zone = "Europe/Berlin"\n{ONE_CAMERA}{DISK}{CLOCK}')
    finally:
        zoneinfo.reset_tzpath()
    assert made["disk"].startswith("2026-07-01T020000")
