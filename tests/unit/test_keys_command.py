"""``sinkwell keys try``, and the table of inputs and results in the documentation."""

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner, Result
from documents import ROOT, tables

from sinkwell.cli import main
from sinkwell.naming.variables import VARIABLE_NAMES

ROWS = tables(ROOT / "docs/keys.md")["What becomes of a value"]


def keys_try(template: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["keys", "try", template, *options])


def key(template: str, *given: str, options: tuple[str, ...] = ()) -> str:
    result = keys_try(template, *(word for each in given for word in ("--set", each)), *options)
    assert result.exit_code == 0, result.output
    return result.stdout


def refusal(template: str, *options: str) -> str:
    result = keys_try(template, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    return " ".join(result.stderr.split())


@pytest.mark.parametrize(("template", "given", "expected", "_why"), ROWS)
def test_the_table_of_the_documentation_is_true(
    template: str, given: str, expected: str, _why: str
) -> None:
    texts = [
        re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), each)
        for each in re.findall(r"`([^`]+)`", given)
    ]

    assert key(template.strip("`"), *texts) == f"{expected.strip('`')}\n"


def test_the_table_has_many_rows() -> None:
    assert len(ROWS) > 40


def test_standard_output_is_the_key_and_nothing_else() -> None:
    result = keys_try("{tag}/{name}.{ext}", "--set", "tag=", "--set", "name=a b")

    assert re.fullmatch(r"none/a_b-[a-z2-7]{16}\.png\n", result.stdout)
    lines = [" ".join(line.split()) for line in result.stderr.splitlines()]
    assert lines[:2] == [
        "bytes longest segment segments",
        "every key 29 of 900 24 of 120 2 of 32",
    ]
    assert [line for line in lines if re.fullmatch("local 29 of .* 24.* 2 fits", line)]
    assert lines[-3:] == [
        "stand-in {tag} '' became none: it is missing",
        f"changed {{name}} 'a b' became {result.stdout.split('/')[1][:-5]}: it has ' '",
        (
            'warning: "{tag}/{name}.{ext}" gives different files the same key: '
            "write one with {id}, {file_id}, {sha256} or {uuid}"
        ),
    ]


def test_a_good_template_of_safe_values_has_nothing_to_tell_but_limits() -> None:
    told = keys_try("{source}/{id}.{ext}").stderr

    assert "changed" not in told
    assert "warning" not in told


@pytest.mark.parametrize("name", [name for name in VARIABLE_NAMES if name != "uuid"])
def test_every_variable_can_be_set(name: str) -> None:
    odd = {"yyyy": "2031", "date": "2031-10-09", "time": "111009", "sha256": "ab" * 32}
    text = odd.get(name, "11")

    assert key(f"{{{name}}}", f"{name}={text}") == f"{text}\n"


def test_labels_of_any_name_and_the_address_can_be_set() -> None:
    assert key("{label.a.b}/{label.c}", "label.a.b=x=y", "label.c=z").endswith("/z\n")
    assert key("{domain}", "url=https://example.org/x?y=z") == "example.org\n"


def test_the_last_value_of_a_variable_counts() -> None:
    assert key("{id}", "id=a", "token=b") == "b\n"


def test_the_uuid_follows_from_the_file_id() -> None:
    assert key("{uuid}", "file_id=a") != key("{uuid}", "file_id=b")
    assert "it is made of file_id" in refusal("{id}", "--set", "uuid=1")


def test_the_clock_is_set_as_a_whole_or_in_parts_and_shown_in_the_time_zone() -> None:
    template = "{date}T{time}"
    at = ("--at", "2026-06-30T23:30:00Z")

    assert key(template) == "2026-01-02T030405\n"
    assert key(template, options=at) == "2026-06-30T233000\n"
    assert key(template, options=(*at, "--time-zone", "Europe/Berlin")) == "2026-07-01T013000\n"
    assert key(template, "mm=02", "dd=28", options=at) == "2026-02-28T233000\n"
    assert key(template, "time=010203", options=("--time-zone", "Asia/Tokyo")) == (
        "2026-01-02T010203\n"
    )
    local = ("--at", "2026-06-30 08:00", "--time-zone", "America/New_York")
    assert key(template, options=local) == "2026-06-30T080000\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--set", "nmae=x"], "error: --set: there is no variable 'nmae': did you mean name?"),
        (["--set", "lable.x=y"], "did you mean label.x?"),
        (["--set", "label=y"], "did you mean label.NAME?"),
        (["--set", "zzzz=y"], "there are id, token, file_id"),
        (["--set", "id"], "error: --set 'id' has no value: write NAME=VALUE"),
        (["--set", "mm=13"], "error: --set: '13' is no mm: write one such as 01"),
        (["--set", "date=2026-02-30"], "is no date: write one such as 2026-01-02"),
        (["--set", "mm=02", "--set", "dd=30"], "error: day is out of range for month"),
        (["--at", "noon"], "error: --at: 'noon' is no time: write one such as 2026"),
        (["--at", "9999-12-31T23:59:59Z", "--time-zone", "Asia/Tokyo"], "error: "),
        (["--time-zone", "Europe/Berlim"], 'did you mean "Europe/Berlin"?'),
    ],
)
def test_what_is_wrong_with_a_call_is_told_with_its_cure(options: list[str], told: str) -> None:
    assert told in refusal("{id}", *options)


def test_what_is_wrong_with_a_template_is_told_with_its_cure() -> None:
    assert refusal("a/{idd}") == (
        "error: the unknown variable {idd} at character 3 of the key template 'a/{idd}': "
        "did you mean {id}?"
    )


def test_json_tells_everything_in_one_object() -> None:
    result = keys_try("{tag}/{id}", "--json", "--set", "id=\udcff", "--set", "tag=")
    told: dict[str, Any] = json.loads(result.stdout)

    (local,) = [sink for sink in told["sinks"] if sink["type"] == "local"]
    assert local["fits"] is True
    assert local["key_limit"] >= 900
    assert told["key"] == f"none/{told['changes'][1]['used']}"
    assert (told["bytes"], told["segments"], told["longest_segment"]) == (23, 2, 18)
    assert (told["can_collide"], told["tells_sources_apart"]) == (False, False)
    assert [change["variable"] for change in told["changes"]] == ["tag", "id"]
    assert [change["stand_in"] for change in told["changes"]] == [True, False]
    assert told["changes"][1]["given"] == "\udcff"
    assert result.stderr == ""


def test_hostile_values_do_no_harm_to_the_terminal() -> None:
    told = keys_try("{id}", "--set", "id=\x1b[31m[red]\u202e\udcff" + "x" * 1000).stderr

    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "[red]" in told
    assert len(told) < 1000
