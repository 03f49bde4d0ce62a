"""Settings from the environment."""

from pathlib import Path

import pytest
from settings_support import FILE, CameraSettings, DiskSettings, load_text, problems, warnings

from sinkwell.contract import Secret

TEXT = """
[sources.front-door]
type = "camera"

[sinks.my-disk]
type = "disk"
root = "r"
"""


def disk(tmp_path: Path, environ: dict[str, str]) -> DiskSettings:
    section = load_text(tmp_path, TEXT, environ).sinks["my-disk"]
    assert isinstance(section, DiskSettings)
    return section


@pytest.mark.parametrize(
    ("value", "root"), [("plain", "plain"), ("123", "123"), ("true", "true"), ('"a b"', "a b")]
)
def test_a_text_setting_takes_any_text(tmp_path: Path, value: str, root: str) -> None:
    assert disk(tmp_path, {"SINKWELL_SINKS__MY_DISK__ROOT": value}).root == root


def test_a_number_is_read_as_in_toml(tmp_path: Path) -> None:
    assert disk(tmp_path, {"SINKWELL_SINKS__MY_DISK__MODE": "0o640"}).mode == 0o640


def test_a_list_is_written_as_in_toml(tmp_path: Path) -> None:
    environ = {"SINKWELL_SOURCES__FRONT_DOOR__SECRETS": '["env:A", "b"]', "A": "a"}
    settings = load_text(tmp_path, TEXT, environ)
    camera = settings.sources["front-door"]
    assert isinstance(camera, CameraSettings)
    assert camera.secrets == (Secret("a"), Secret("b"))
    assert settings.warnings == ()


def test_a_name_with_a_dash_is_written_with_an_underscore(tmp_path: Path) -> None:
    environ = {"SINKWELL_SINKS__MY_DISK__KEY": "{id}"}
    assert list(load_text(tmp_path, TEXT, environ).sinks) == ["my-disk"]


def test_a_name_with_an_underscore_is_found_before_one_with_a_dash(tmp_path: Path) -> None:
    text = f'{TEXT}[sinks.my_disk]\ntype = "disk"\nroot = "r"'
    sinks = load_text(tmp_path, text, {"SINKWELL_SINKS__MY_DISK__KEY": "{id}"}).sinks
    assert (sinks["my-disk"].key, sinks["my_disk"].key) == (None, "{id}")


def test_a_nested_section_is_reached(tmp_path: Path) -> None:
    prefix = "SINKWELL_SOURCES__FRONT_DOOR__SHUTTER"
    environ = {f"{prefix}__ALLOW_HOSTS": '["h"]', f"{prefix}__HEADERS__ACCEPT": "1"}
    camera = load_text(tmp_path, TEXT, environ).sources["front-door"]
    assert isinstance(camera, CameraSettings)
    assert camera.shutter is not None
    assert camera.shutter.allow_hosts == ("h",)
    assert camera.shutter.headers == {"accept": "1"}


def test_a_whole_section_may_come_from_the_environment(tmp_path: Path) -> None:
    environ = {
        "SINKWELL_SINKS__NEW__TYPE": "disk",
        "SINKWELL_SINKS__NEW__ROOT": "n",
        "SINKWELL_SINKS__OTHER": '{ type = "disk", root = "o" }',
    }
    assert list(load_text(tmp_path, TEXT, environ).sinks) == ["my-disk", "new", "other"]


def test_variables_without_a_separator_are_left_alone(tmp_path: Path) -> None:
    environ = {
        "SINKWELL_ADMIN_TOKEN": "t",
        "SINKWELL_CONFIG": "c",
        "SINKWELL_PORT": "tcp://10.0.0.1:80",
        "SINKWELL_PORT_80_TCP_ADDR": "10.0.0.1",
        "SINKWELL_SERVICE_HOST": "10.0.0.1",
        "SINKWELL_SERVICE_PORT": "80",
        "OTHER__PORT": "1",
        "PATH": "/bin",
    }
    settings = load_text(tmp_path, TEXT, environ)
    assert settings.server.port == 8080
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("SINKWELL_SERVER_PORT", "SINKWELL_SERVER__PORT"),
        ("SINKWELL_DATADIR", "SINKWELL_DATA_DIR"),
        ("SINKWELL_SINKS_MY_DISK_ROOT", "SINKWELL_SINKS__MY_DISK__ROOT"),
    ],
)
def test_a_near_miss_of_a_setting_is_warned_of(tmp_path: Path, variable: str, meant: str) -> None:
    (warning,) = warnings(tmp_path, TEXT, {variable: "x"})
    assert (
        warning == f"environment variable {variable}: this sets nothing\n    did you mean {meant}?"
    )


def test_a_variable_that_a_secret_refers_to_is_no_near_miss(tmp_path: Path) -> None:
    text = '[server]\nadmin_token = "env:SINKWELL_SERVER_ADMIN_TOKEN"'
    assert warnings(tmp_path, text, {"SINKWELL_SERVER_ADMIN_TOKEN": "t"}) == []


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("SERVER__PORT", "x", "port in [server]: expected a whole number, found text"),
        ("SERVER__PORT", "70000", "[server]: port must be between 0 and 65535"),
        ("SERVER__PROT", "1", 'unknown key "prot" in [server]\n    did you mean "port"?'),
        ("SERVR__PORT", "1", 'unknown key or section "servr"\n    did you mean "server"?'),
        ("SINKS__NEW__ROOT", "r", '[sinks.new] needs the key "type"\n    sink types: disk'),
        (
            "SINKS__MY_DISK__TYPE",
            "dsk",
            'sink type "dsk" does not exist\n    did you mean "disk"?',
        ),
        (
            "SINKS__TYPE",
            "disk",
            "[sinks.type] must be a section, found other text\n    write its keys below a header",
        ),
        ("DATA_DIR", "", "data_dir is empty\n    name a directory"),
        ("SERVER__ADMIN_TOKEN", "env:NO", "admin_token in [server]: the environment variable NO"),
        ("LOG__LEVEL", "loud", "level in [log]: expected one of debug, error, info, warning"),
    ],
)
def test_an_error_of_the_environment_names_the_variable(
    tmp_path: Path, variable: str, value: str, told: str
) -> None:
    (problem,) = problems(tmp_path, TEXT, {f"SINKWELL_{variable}": value})
    assert problem.startswith(f"environment variable SINKWELL_{variable}: {told}")


def test_an_error_that_the_file_made_still_names_the_file(tmp_path: Path) -> None:
    text = "[server]\nport = -1\nhost = 'x'"
    (problem,) = problems(tmp_path, text, {"SINKWELL_SERVER__HOST": "localhost"})
    assert problem == f"{FILE}:2: [server]: port must be between 0 and 65535"


def test_an_error_inside_a_value_that_replaces_a_section_names_the_variable(
    tmp_path: Path,
) -> None:
    text = '[sources.cam]\ntype = "camera"\n[sources.cam.shutter]\nallow_hosts = ["h"]'
    variable = "SINKWELL_SOURCES__CAM__SHUTTER"
    (problem,) = problems(tmp_path, text, {variable: '{ allow_hosts = ["a", 3] }'})
    assert problem == (
        f"environment variable {variable}: "
        "allow_hosts[1] in [sources.cam.shutter]: expected text, found a whole number"
    )


def test_an_error_in_a_list_is_told_of_the_list_not_of_its_text(tmp_path: Path) -> None:
    variable = "SINKWELL_SOURCES__FRONT_DOOR__SHUTTER__ALLOW_HOSTS"
    (problem,) = problems(tmp_path, TEXT, {variable: '["a", 3]'})
    assert problem.endswith(
        "allow_hosts[1] in [sources.front-door.shutter]: expected text, found a whole number"
    )


def test_a_variable_mends_what_is_wrong_in_the_file(tmp_path: Path) -> None:
    environ = {"SINKWELL_SERVER__PORT": "1"}
    assert load_text(tmp_path, "[server]\nport = 'x'", environ).server.port == 1


def test_a_variable_cannot_reach_into_a_route(tmp_path: Path) -> None:
    text = f'{TEXT}[[routes]]\nsource = "*"\nsinks = "my-disk"'
    (problem,) = problems(tmp_path, text, {"SINKWELL_ROUTES__0__KEY": "k"})
    assert problem == (
        "environment variable SINKWELL_ROUTES__0__KEY: "
        'nothing can be set in "routes", as it is no section'
    )


@pytest.mark.parametrize("value", ["1\n[log]\nlevel = 'debug'", "1\nhost = '0.0.0.0'"])
def test_a_value_of_several_lines_sets_nothing_else(tmp_path: Path, value: str) -> None:
    (problem,) = problems(tmp_path, "", {"SINKWELL_SERVER__PORT": value})
    assert "port in [server]: expected a whole number" in problem
