"""What comes out of settings that are in order."""

import os
import subprocess
import sys
from pathlib import Path

from settings_support import REGISTRY, CameraSettings, DiskSettings, load_text, warnings

from sinkwell.contract import Duration, Secret, Size
from sinkwell.settings import Route, ServerSettings, Settings, load

FULL = """
data_dir = "data"

[server]
host = "0.0.0.0"
port = 9000
admin_token = "env:TOKEN"

[spool]
max_size = "10 GiB"
retention = "2h"

[sources.shots]
type = "camera"
secrets = ["env:OLD", "env:NEW"]

[sources.shots.shutter]
allow_hosts = ["cdn.example.com"]
headers = { "X-Api-Key" = "k" }

[sinks.archive]
type = "disk"
root = "/srv/archive"
timeout = "90s"

[notifiers.log]
type = "log"
events = ["file.*"]

[[routes]]
source = "shots"
sinks = ["archive"]
key = "{id}.{ext}"
"""


def load_default(text: str | None, **options: object) -> Settings:
    given = {"data_dir": None, "host": None, "port": None, "environ": {}} | options
    return load(REGISTRY, path=None, default_text=text, **given)  # type: ignore[arg-type]  # the test names what it gives


def test_a_full_file_becomes_typed_settings(tmp_path: Path) -> None:
    environ = {"TOKEN": "t", "OLD": "o", "NEW": "n"}
    settings = load_text(tmp_path, FULL, environ)
    assert settings.path == tmp_path / "sinkwell.toml"
    assert settings.server == ServerSettings(host="0.0.0.0", port=9000, admin_token=Secret("t"))
    assert settings.spool.max_size == 10 * 1024**3
    assert settings.spool.retention == Duration(7200)
    shots = settings.sources["shots"]
    assert isinstance(shots, CameraSettings)
    assert shots.secrets == (Secret("o"), Secret("n"))
    assert shots.shutter is not None
    assert shots.shutter.headers == {"X-Api-Key": "k"}
    archive = settings.sinks["archive"]
    assert isinstance(archive, DiskSettings)
    assert (archive.root, archive.timeout) == ("/srv/archive", Duration(90))
    assert settings.notifiers["log"].events == ("file.*",)
    assert settings.routes == (Route(source=("shots",), sinks=("archive",), key="{id}.{ext}"),)
    assert settings.warnings == ()


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    settings = load_text(tmp_path, "")
    assert settings == Settings(path=tmp_path / "sinkwell.toml")
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.data_dir == Path("sinkwell-data")


def test_without_a_file_the_built_in_text_is_used() -> None:
    settings = load_default('[sinks.local]\ntype = "disk"\nroot = "here"')
    assert settings.path is None
    assert list(settings.sinks) == ["local"]


def test_without_a_file_or_a_built_in_text_the_defaults_hold() -> None:
    assert load_default(None) == Settings()


def test_one_text_may_stand_for_a_list_in_a_route(tmp_path: Path) -> None:
    text = '[sinks.a]\ntype = "disk"\nroot = "r"\n[[routes]]\nsource = "*"\nsinks = "a"'
    assert load_text(tmp_path, text).routes == (Route(source=("*",), sinks=("a",)),)


def test_a_pattern_in_a_route_takes_the_sources_that_it_matches(tmp_path: Path) -> None:
    text = """
[sources.shot-one]
type = "camera"
[sinks.a]
type = "disk"
root = "r"
[[routes]]
source = ["shot-*"]
sinks = ["a"]
"""
    assert load_text(tmp_path, text).warnings == ()


def test_a_relative_data_directory_in_the_file_is_relative_to_the_file(tmp_path: Path) -> None:
    assert load_text(tmp_path, 'data_dir = "data"').data_dir == tmp_path / "data"


def test_a_relative_data_directory_from_outside_stays_relative_to_where_one_is(
    tmp_path: Path,
) -> None:
    environ = {"SINKWELL_DATA_DIR": "there"}
    assert load_text(tmp_path, 'data_dir = "data"', environ).data_dir == Path("there")
    assert load_text(tmp_path, "", environ, data_dir=Path("d")).data_dir == Path("d")


def test_command_line_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    in_file = '[server]\nport = 1\nhost = "::1"'
    environ = {"SINKWELL_SERVER__PORT": "2"}
    assert load_text(tmp_path, "").server.port == 8080
    assert load_text(tmp_path, in_file).server.port == 1
    assert load_text(tmp_path, in_file, environ).server.port == 2
    server = load_text(tmp_path, in_file, environ, port=0, host="localhost").server
    assert (server.host, server.port) == ("localhost", 0)


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_read(tmp_path: Path) -> None:
    assert load_text(tmp_path, "\ufeff[server]\r\nport = 5\r\n").server.port == 5


def test_any_rate_may_be_allowed_and_nothing_kept(tmp_path: Path) -> None:
    text = "[intake]\nmin_rate = 0\n[spool]\nreserve = 0\nretention = 0\nfailed_retention = 0"
    settings = load_text(tmp_path, text)
    assert (settings.intake.min_rate, settings.spool.reserve) == (Size(0), Size(0))


def test_a_source_that_no_route_takes_is_warned_of(tmp_path: Path) -> None:
    text = """
[sources.a]
type = "camera"
[sources.b]
type = "camera"
[sinks.x]
type = "disk"
root = "r"
[[routes]]
source = "a"
sinks = "x"
"""
    (warning,) = warnings(tmp_path, text)
    assert warning == (
        'sinkwell.toml:4: no route takes the files of source "b": they are kept, not delivered\n'
        "    name it in a route"
    )


def test_a_ledger_that_may_forget_is_warned_of(tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, '[ledger]\nsynchronous = "normal"')
    assert warning == (
        "sinkwell.toml:2: the ledger is not durable: a power cut loses callbacks that were "
        'answered\n    remove the line, or write synchronous = "full"'
    )


def test_no_secret_is_in_the_text_of_settings(tmp_path: Path) -> None:
    environ = {"TOKEN": "hunter2", "OLD": "hunter2", "NEW": "hunter2"}
    assert "hunter2" not in repr(load_text(tmp_path, FULL, environ))


def test_loading_changes_nothing_of_the_environment_and_the_working_directory(
    tmp_path: Path,
) -> None:
    before = (dict(os.environ), Path.cwd(), sorted(tmp_path.iterdir()))
    load_default("")
    assert (dict(os.environ), Path.cwd(), sorted(tmp_path.iterdir())) == before


def test_importing_settings_costs_neither_litestar_nor_sqlalchemy() -> None:
    code = (
        "import sys, sinkwell.settings; print(sorted({'litestar', 'sqlalchemy'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
