"""Each kind of error, word for word as the user reads it."""

from pathlib import Path

import pytest
from settings_support import FILE, PLUGIN, REGISTRY, load_text, problems

from sinkwell.plugins import PluginProblem, Registry, discover
from sinkwell.settings import SettingsError, load

CASES = """\
[snks.a]
type = "disk"
-----
sinkwell.toml:1: unknown key or section "snks"
    did you mean "sinks"?
=====


zzz = 1
-----
sinkwell.toml:3: unknown key or section "zzz"
    valid ones: alerts, data_dir, events, intake, ledger, log, notifiers, retry, routes, server, sinks, sources, spool, time_zone
=====
[server]

prot = 80
-----
sinkwell.toml:3: unknown key "prot" in [server]
    did you mean "port"?
=====
[sinks.disk]
type = "disk"
root = "r"
xyz = 1
-----
sinkwell.toml:4: unknown key "xyz" in [sinks.disk]
    valid keys: concurrency, if_present, key, mode, root, timeout, type
=====
[sources.cam]
type = "camera"
shutter = { alow_hosts = ["x"] }
-----
sinkwell.toml:3: unknown key "alow_hosts" in [sources.cam.shutter]
    did you mean "allow_hosts"?
=====
[sources.cam]
type = "camera"
[sources.cam.shutter]
# note
alow_hosts = ["x"]
-----
sinkwell.toml:5: unknown key "alow_hosts" in [sources.cam.shutter]
    did you mean "allow_hosts"?
=====

[sinks.disk]
type = "disk"
-----
sinkwell.toml:2: [sinks.disk] needs the key "root"
=====
[sinks.disk]
root = "r"
-----
sinkwell.toml:1: [sinks.disk] needs the key "type"
    sink types: disk
=====
[sinks.disk]
type = "disk"
root = "r"
[[routes]]
source = "*"
-----
sinkwell.toml:4: [[routes]] needs the key "sinks"
=====
[server]
port = "80"
-----
sinkwell.toml:2: port in [server]: expected a whole number, found text
=====
[server]
port = true
-----
sinkwell.toml:2: port in [server]: expected a whole number, found true or false
=====
[server]
port = 1979-05-27
-----
sinkwell.toml:2: port in [server]: expected a whole number, found a date
=====
data_dir = 3
-----
sinkwell.toml:1: data_dir: expected text, found a whole number
=====
[sinks.disk]
type = "disk"
root = "r"
key = ["k"]
-----
sinkwell.toml:4: key in [sinks.disk]: expected text, found a list
=====
[sources.cam]
type = "camera"
shutter = { allow_hosts = ["a", 3] }
-----
sinkwell.toml:3: allow_hosts[1] in [sources.cam.shutter]: expected text, found a whole number
=====
[sources.cam]
type = "camera"
shutter = { headers = { x = 1 } }
-----
sinkwell.toml:3: headers[...] in [sources.cam.shutter]: expected text, found a whole number
=====
[sources.cam]
type = "camera"
shutter = 3
-----
sinkwell.toml:3: [sources.cam.shutter] must be a section, found a number
    write its keys below a header [sources.cam.shutter]
=====
[sinks.disk]
type = "disk"
root = "r"
[[routes]]
source = "*"
sinks = 3
-----
sinkwell.toml:6: sinks in [[routes]]: expected a list, found a whole number
=====
[sinks.disk]
type = "disk"
root = "r"
timeout = "soon"
-----
sinkwell.toml:4: timeout in [sinks.disk]: expected a time such as 30, "30s", "15m", "2h" or "7d", found other text
=====
[intake]
idle_timeout = -3
-----
sinkwell.toml:2: idle_timeout in [intake]: expected a time such as 30, "30s", "15m", "2h" or "7d", found a negative number
=====
[spool]
reserve = "much"
-----
sinkwell.toml:2: reserve in [spool]: expected a size such as 1048576, "200 KB" or "1 MiB", found other text
=====
[spool]
reserve = inf
-----
sinkwell.toml:2: reserve in [spool]: expected a size such as 1048576, "200 KB" or "1 MiB", found a number
=====
[sinks.disk]
type = "disk"
root = "r"
if_present = "replac"
-----
sinkwell.toml:4: if_present in [sinks.disk]: expected one of keep-if-same, replace, refuse
    did you mean "replace"?
=====
[log]
level = "loud"
-----
sinkwell.toml:2: level in [log]: expected one of debug, error, info, warning
=====
server = 3
-----
sinkwell.toml:1: [server] must be a section, found a number
    write its keys below a header [server]
=====
[[sinks]]
type = "disk"
-----
sinkwell.toml:1: [sinks] must be a section, found a list
    write its keys below a header [sinks]
=====
[sinks]
type = "disk"
-----
sinkwell.toml:2: [sinks] holds named sections only, and "type" is none
    write a header such as [sinks.main] above it
=====
[sinks.disk]
type = "disk"
root = "r"
[routes]
source = "*"
-----
sinkwell.toml:4: routes are sections, not a value
    write [[routes]]
=====

routes = ["x"]
-----
sinkwell.toml:2: [[routes]] must be a section, found other text
    write its keys below a header [[routes]]
=====
[sinks.Disk]
type = "disk"
root = "r"
-----
sinkwell.toml:1: the name in [sinks.Disk] cannot be used
    1 to 63 lower-case letters, digits, - and _, first a letter or digit
=====
[server]
port = 65536
-----
sinkwell.toml:2: [server]: port must be between 0 and 65535
=====
[spool]
max_size = 0
-----
sinkwell.toml:2: [spool]: max_size must be more than 0
=====
[intake]
max_parts = 0
-----
sinkwell.toml:2: [intake]: max_parts must be more than 0
=====
[retry]
attempts = 0
-----
sinkwell.toml:2: [retry]: attempts must be more than 0
=====
[retry]
cap = "1m"
base = "1h"
-----
sinkwell.toml:3: [retry]: base must not be more than cap
=====
[retry]
cap = 0
-----
sinkwell.toml:1: [retry]: base must not be more than cap
=====
[sinks.disk]
type = "disk"
root = "r"
concurrency = 0
-----
sinkwell.toml:4: [sinks.disk]: concurrency must be at least 1
=====
[sinks.disk]
type = "disk"
root = "/"
-----
sinkwell.toml:3: [sinks.disk]: root must not be the whole disk
=====
[sinks.disk]
type = "disk"
root = "bug"
-----
sinkwell.toml:1: [sinks.disk]: its settings class raised KeyError
    report this to the authors of settings_support
=====
data_dir = ""
-----
sinkwell.toml:1: data_dir is empty
    name a directory
=====
[ledger]
url = "postgresql://me:hunter2@db/sinkwell"
-----
sinkwell.toml:2: [ledger]: url cannot be set yet: the ledger is SQLite, in the data directory
=====
[server]
port = 1
host = "0.0.0.0"
-----
sinkwell.toml:3: host in [server] can be reached from other machines, and there is no admin_token
    set [server] admin_token = "env:SINKWELL_ADMIN_TOKEN", or bind to 127.0.0.1
=====
[sinks.a]
type = "dsk"
-----
sinkwell.toml:2: sink type "dsk" does not exist
    did you mean "disk"?
=====
[sources.a]
type = "xyz"
-----
sinkwell.toml:2: source type "xyz" does not exist
    source types: camera
=====
[sinks.a]
type = "s3"
-----
sinkwell.toml:2: sink type "s3" is not installed
    pip install sinkwell-s3
=====
[sinks.a]
type = "gcs"
-----
sinkwell.toml:2: sink type "gcs" is not installed
    pip install sinkwell-gcs
=====
[sinks.a]
type = 3
-----
sinkwell.toml:2: type in [sinks.a]: expected text, found a whole number
=====
[sources.cam]
type = "camera"
[sinks.disk]
type = "disk"
root = "r"
[[routes]]
source = "cma"
sinks = ["disk"]
-----
sinkwell.toml:7: source in [[routes]]: there is no source "cma"
    did you mean "cam"?
=====
[sources.cam]
type = "camera"
[sinks.disk]
type = "disk"
root = "r"
[[routes]]
source = "x*"
sinks = ["disk"]
-----
sinkwell.toml:7: source in [[routes]]: there is no source "x*"
    sources: cam
=====
[sources.cam]
type = "camera"
[[routes]]
source = "*"
sinks = [
  "disk",
]
-----
sinkwell.toml:5: sinks in [[routes]]: there is no sink "disk"
    there are no sinks
=====
[notifiers.n]
type = "log"
events = ["file.finishd"]
-----
sinkwell.toml:3: events in [notifiers.n]: there is no event type "file.finishd"
    did you mean "file.finished"?
=====
[sinks.disk]
type = "disk"
root = "r"
key = "{id"
-----
sinkwell.toml:4: key in [sinks.disk]: a "{" that is never closed in its segment at character 1 of the key template '{id': write {name}
=====
[sources.cam]
type = "camera"
[sinks.disk]
type = "disk"
root = "r"
[[routes]]
source = "*"
sinks = "disk"
key = "{"
-----
sinkwell.toml:9: key in [[routes]]: a "{" that is never closed in its segment at character 1 of the key template '{': write {name}
=====
time_zone = "Europe/Berlim"
-----
sinkwell.toml:1: there is no time zone "Europe/Berlim"
    did you mean "Europe/Berlin"?
=====
time_zone = "Europe/Brlin"

[sinks.disk]
type = "disk"
root = "r"
-----
sinkwell.toml:1: there is no time zone "Europe/Brlin"
    did you mean "Europe/Berlin"?
=====
time_zone = "../../etc/passwd"
-----
sinkwell.toml:1: there is no time zone "../../etc/passwd"
    write a name of the tz database, such as "Europe/Berlin", or "UTC"
=====
time_zone = 1
-----
sinkwell.toml:1: time_zone: expected text, found a whole number
=====
[sources.cam]
type = "camera"
[sinks.disk]
type = "disk"
root = "r"
key = "{domain}/{date}.{ext}"
-----
sinkwell.toml:6: key in [sinks.disk]: "{domain}/{date}.{ext}" gives different files the same key
    write one with {id}, {file_id}, {sha256} or {uuid}
=====
[sources.cam]
type = "camera"
[sinks.disk]
type = "disk"
root = "r"
[[routes]]
source = "*"
sinks = "disk"
key = "latest.png"
-----
sinkwell.toml:9: key in [[routes]]: "latest.png" gives different files the same key
    write one with {id}, {file_id}, {sha256} or {uuid}
"""  # noqa: E501  # messages stand here as they are printed


PAIRS = [case.split("\n-----\n") for case in CASES.removesuffix("\n").split("\n=====\n")]


@pytest.mark.parametrize(
    ("text", "told"), PAIRS, ids=[told.partition("\n")[0] for _, told in PAIRS]
)
def test_the_error_names_the_place_and_the_cure(tmp_path: Path, text: str, told: str) -> None:
    assert problems(tmp_path, text) == [told]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "\n[server]\nhost = localhost",
            f"{FILE}:3: this is not valid TOML: invalid value\n    text is written in quotes",
        ),
        (
            "[sinks.a]\n[sinks.a]\n",
            f"{FILE}:2: this is not valid TOML: cannot declare [sinks.a] twice",
        ),
        (
            "a = 1\na = 2\n",
            f"{FILE}:2: this is not valid TOML: cannot overwrite a value\n    the same key",
        ),
        (
            "\n\nx = [1,\n",
            f"{FILE}:3: this is not valid TOML: invalid value\n    text is written in",
        ),
        ("x = 'a\n", f"{FILE}:1: this is not valid TOML: "),
        (f"x = {'1' * 5000}", f"{FILE}:1: this is not valid TOML: "),
    ],
)
def test_broken_toml_is_reported_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(told)


@pytest.mark.parametrize(
    "line",
    [
        "token = hunter2",
        'token = "hunter2',
        'token = "hunter2\\q"',
        'token = "hunter2" hunter2',
        "token = '''hunter2",
        "hunter2",
        'token = ["hunter2", hunter2]',
        'token = "hunter2\x01"',
    ],
)
def test_broken_toml_is_not_repeated_in_the_error(tmp_path: Path, line: str) -> None:
    (problem,) = problems(tmp_path, f"[server]\n{line}\n")
    assert "hunter" not in problem


def test_text_that_is_not_utf_8_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"[server]\n# caf\xe9\n")
    assert load_error(tmp_path / FILE) == (
        f"the settings have a problem:\n{tmp_path}/{FILE}:2: this is not UTF-8 text\n"
        "    save the file as UTF-8"
    )


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    assert load_error(tmp_path / "no.toml") == (
        f"the settings have a problem:\n{tmp_path}/no.toml: there is no such file\n"
        "    create it, or name another one with --config"
    )


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    assert load_error(tmp_path) == (
        f"the settings have a problem:\n{tmp_path}: cannot be read: Is a directory"
    )


def test_all_problems_are_reported_at_once_and_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """
[sinks.disk]
type = "disk"
mode = "x"

[server]
port = "x"
hots = "x"

[[routes]]
source = "nobody"
sinks = "dsk"
"""
    told = problems(tmp_path, text, {"SINKWELL_SERVER__HTTP": "x"})
    assert [each.partition("\n")[0] for each in told] == [
        f'{FILE}:2: [sinks.disk] needs the key "root"',
        f"{FILE}:4: mode in [sinks.disk]: expected a whole number, found text",
        f"{FILE}:7: port in [server]: expected a whole number, found text",
        f'{FILE}:8: unknown key "hots" in [server]',
        f'{FILE}:11: source in [[routes]]: there is no source "nobody"',
        f'{FILE}:12: sinks in [[routes]]: there is no sink "dsk"',
        'environment variable SINKWELL_SERVER__HTTP: unknown key "http" in [server]',
    ]


def test_the_whole_error_reads_well_on_a_terminal(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load_text(tmp_path, '[server]\nprot = 1\nport = "x"')
    assert str(raised.value) == (
        "2 problems in the settings:\n"
        f'{tmp_path}/{FILE}:2: unknown key "prot" in [server]\n'
        '    did you mean "port"?\n'
        f"{tmp_path}/{FILE}:3: port in [server]: expected a whole number, found text"
    )


def test_a_problem_of_the_built_in_text_is_said_to_be_there() -> None:
    with pytest.raises(SettingsError) as raised:
        load(
            REGISTRY,
            path=None,
            default_text="[server]\nport = -1",
            data_dir=None,
            host=None,
            port=None,
            environ={},
        )
    assert str(raised.value).endswith(
        "\nbuilt-in default: [server]: port must be between 0 and 65535"
    )


def test_a_problem_of_the_command_line_names_the_option(tmp_path: Path) -> None:
    assert problems(tmp_path, "[server]\nport = 80", port=-1) == [
        "option --port: [server]: port must be between 0 and 65535"
    ]
    (told,) = problems(tmp_path, '[server]\nhost = "127.0.0.1"', host="192.0.2.1")
    assert told.startswith("option --host: host in [server] can be reached from other machines")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_a_loopback_host_needs_no_token(tmp_path: Path, host: str) -> None:
    assert load_text(tmp_path, "", host=host).server.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "localhost.example.com"])
def test_any_other_host_needs_a_token(tmp_path: Path, host: str) -> None:
    assert len(problems(tmp_path, "", host=host)) == 1
    token = {"SINKWELL_SERVER__ADMIN_TOKEN": "t"}
    assert load_text(tmp_path, "", token, host=host).server.host == host


def test_a_type_that_two_plugins_claim_is_explained(tmp_path: Path) -> None:
    registry = discover([], {"one": PLUGIN, "two": PLUGIN})
    owner = registry.problems[0].distribution
    (told,) = problems(tmp_path, '[sinks.a]\ntype = "disk"', registry=registry)
    assert told == (
        f'{FILE}:2: sink type "disk" is claimed twice by {owner}\n'
        f"    report this to the authors of {owner}"
    )


def test_a_type_whose_plugin_is_broken_is_explained(tmp_path: Path) -> None:
    what, advice = (
        "cannot be imported: ModuleNotFoundError: No module named 'boto3'",
        "reinstall it",
    )
    problem = PluginProblem("s3", "sinkwell-s3 1.0", what, advice)
    registry = Registry({}, {}, {}, (problem,))
    (told,) = problems(tmp_path, '[sinks.a]\ntype = "s3"', registry=registry)
    assert told == (
        f'{FILE}:2: sink type "s3" is not available: its plugin, of sinkwell-s3 1.0, {what}\n'
        f"    {advice}"
    )


def load_error(path: Path) -> str:
    with pytest.raises(SettingsError) as raised:
        load(
            REGISTRY,
            path=path,
            default_text=None,
            data_dir=None,
            host=None,
            port=None,
            environ={},
        )
    return str(raised.value)
