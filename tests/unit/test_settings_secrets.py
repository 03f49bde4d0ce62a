"""Where secrets come from, what goes wrong on the way, and that none is ever shown."""

import os
from pathlib import Path

import pytest
from settings_support import FILE, CameraSettings, load_text, problems, warnings

from sinkwell.contract import Secret

TOKEN = "[server]\nadmin_token = "


def token(tmp_path: Path, reference: str, environ: dict[str, str] | None = None) -> str:
    secret = load_text(tmp_path, f'{TOKEN}"{reference}"', environ).server.admin_token
    assert secret is not None
    return secret.reveal()


def private_file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "token"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o600)
    return path


def test_env_takes_the_secret_from_a_variable(tmp_path: Path) -> None:
    assert token(tmp_path, "env:TOKEN", {"TOKEN": " s3:cret "}) == " s3:cret "


def test_file_takes_the_secret_from_a_file_beside_the_settings(tmp_path: Path) -> None:
    private_file(tmp_path, "s3cret")
    assert token(tmp_path, "file:token") == "s3cret"


def test_file_takes_an_absolute_path_too(tmp_path: Path) -> None:
    path = private_file(tmp_path, "s3cret")
    inner = tmp_path / "conf"
    inner.mkdir()
    assert token(inner, f"file:{path}") == "s3cret"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_line_end_of_a_secret_file_is_no_part_of_the_secret(
    tmp_path: Path, ending: str
) -> None:
    private_file(tmp_path, f" s3cret {ending}")
    assert token(tmp_path, "file:token") == " s3cret "


def test_several_secrets_are_resolved_one_by_one(tmp_path: Path) -> None:
    private_file(tmp_path, "b")
    text = '[sources.cam]\ntype = "camera"\nsecrets = ["env:A", "file:token"]'
    cam = load_text(tmp_path, text, {"A": "a"}).sources["cam"]
    assert isinstance(cam, CameraSettings)
    assert cam.secrets == (Secret("a"), Secret("b"))


def test_a_secret_in_a_nested_section_is_resolved(tmp_path: Path) -> None:
    text = '[sources.cam]\ntype = "camera"\n[sources.cam.shutter]\ntoken = "env:A"'
    cam = load_text(tmp_path, text, {"A": "a"}).sources["cam"]
    assert isinstance(cam, CameraSettings)
    assert cam.shutter is not None
    assert cam.shutter.token == Secret("a")


def test_a_secret_in_the_open_works_with_a_warning_that_does_not_repeat_it(tmp_path: Path) -> None:
    assert token(tmp_path, "hunter2") == "hunter2"
    (warning,) = warnings(tmp_path, f'{TOKEN}"hunter2"')
    assert warning == (
        f"{FILE}:2: admin_token in [server] is written in the open\n"
        '    write "env:NAME" or "file:PATH" instead'
    )


def test_a_secret_given_by_the_environment_itself_is_not_in_the_open(tmp_path: Path) -> None:
    environ = {"SINKWELL_SERVER__ADMIN_TOKEN": "hunter2"}
    assert warnings(tmp_path, "", environ) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_secret_file_that_others_may_open_is_warned_of(tmp_path: Path, mode: int) -> None:
    private_file(tmp_path, "s3cret").chmod(mode)
    (warning,) = warnings(tmp_path, f'{TOKEN}"file:token"')
    assert warning == (
        f"{FILE}:2: the secret file token is open to other users\n    chmod 600 token"
    )


def test_a_private_secret_file_is_no_reason_to_warn(tmp_path: Path) -> None:
    private_file(tmp_path, "s3cret")
    assert warnings(tmp_path, f'{TOKEN}"file:token"') == []


def test_an_unset_variable_is_reported(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, f'{TOKEN}"env:NOWHERE"')
    assert told == (
        f"{FILE}:2: admin_token in [server]: the environment variable NOWHERE is not set\n"
        "    set it before Sinkwell starts: export NOWHERE=..."
    )


def test_an_empty_variable_is_reported(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, f'{TOKEN}"env:EMPTY"', {"EMPTY": ""})
    assert told == (
        f"{FILE}:2: admin_token in [server]: the environment variable EMPTY is empty\n"
        "    set it before Sinkwell starts: export EMPTY=..."
    )


def test_what_cannot_be_a_variable_is_not_repeated_as_it_may_be_the_secret(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, f'{TOKEN}"env:hunter-2!"')
    assert told == (
        f"{FILE}:2: admin_token in [server]: env: is not followed by the name of a variable"
    )


def test_a_missing_secret_file_is_reported(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, f'{TOKEN}"file:no"')
    assert told == (
        f"{FILE}:2: admin_token in [server]: the secret file no cannot be read: "
        "No such file or directory\n    write the secret into it, with mode 0600"
    )


@pytest.mark.parametrize(
    ("content", "state"),
    [
        ("", "empty"),
        ("\n", "empty"),
        (b"\xff", "not UTF-8 text"),
        ("x" * 70_000, "longer than 64 KiB"),
    ],
)
def test_a_secret_file_that_holds_no_secret_is_reported(
    tmp_path: Path, content: str | bytes, state: str
) -> None:
    private_file(tmp_path, content)
    (told,) = problems(tmp_path, f'{TOKEN}"file:token"')
    assert told == f"{FILE}:2: admin_token in [server]: the secret file token is {state}"


@pytest.mark.timeout(10)
def test_a_pipe_is_no_secret_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token")
    (told,) = problems(tmp_path, f'{TOKEN}"file:token"')
    assert told == (
        f"{FILE}:2: admin_token in [server]: the secret file token is not a regular file"
    )


def test_all_secrets_that_cannot_be_had_are_reported_at_once(tmp_path: Path) -> None:
    text = '[sources.cam]\ntype = "camera"\nsecrets = ["env:A", "env:B"]'
    assert [each.partition("\n")[0] for each in problems(tmp_path, text)] == [
        f"{FILE}:3: secrets in [sources.cam]: the environment variable A is not set",
        f"{FILE}:3: secrets in [sources.cam]: the environment variable B is not set",
    ]


@pytest.mark.parametrize(
    ("value", "found"), [("12345", "a number"), ("true", "true or false"), ('""', "empty text")]
)
def test_a_secret_that_is_no_text_is_reported_without_it(
    tmp_path: Path, value: str, found: str
) -> None:
    (told,) = problems(tmp_path, f"{TOKEN}{value}")
    assert told == (
        f'{FILE}:2: admin_token in [server]: a secret is text: "env:NAME" or "file:PATH", '
        f"found {found}"
    )


@pytest.mark.parametrize(
    "line",
    [
        '[server]\nport = "hunter2"',
        '[server]\nhost = ["hunter2"]',
        '[server]\nhost = { hunter = "hunter2" }',
        '[log]\nlevel = "hunter2"',
        '[intake]\nidle_timeout = "hunter2"',
        '[intake]\nidle_timeout = "x - at `$hunter2`"',
        '[intake]\nmax_file_size = "hunter2"',
        '[ledger]\nurl = "hunter2"',
        '[sources.cam]\ntype = "camera"\nsecrets = "hunter2"',
        '[sources.cam]\ntype = "camera"\nsecrets = [["hunter2"]]',
        '[sources.cam]\ntype = "camera"\nsecrets = ["hunter2", 3]',
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path, line: str) -> None:
    told = problems(tmp_path, line)
    assert told
    assert "hunter2" not in "\n".join(told)
