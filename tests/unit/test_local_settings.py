from typing import Any

import msgspec
import pytest

from sinkwell_local.settings import LocalSettings

SECTION: dict[str, Any] = {"type": "local", "root": "/srv/captures"}


def convert(**keys: Any) -> LocalSettings:
    return msgspec.convert(SECTION | keys, LocalSettings)


def test_files_and_directories_are_private_unless_told_otherwise() -> None:
    assert convert().modes() == (0o600, 0o700)


@pytest.mark.parametrize("written", [0o640, "0640", "0o640", "640"])
def test_a_mode_is_an_octal_number_or_text(written: int | str) -> None:
    assert convert(file_mode=written).modes()[0] == 0o640


def test_directories_may_hand_down_their_group() -> None:
    assert convert(directory_mode="2750").modes()[1] == 0o2750


@pytest.mark.parametrize(
    "written", [640, 0, -1, 0o4600, 0o077, "rw-r-----", "0888", "", "-600", 0o400]
)
def test_a_mode_that_makes_no_sense_is_refused(written: int | str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r'file_mode .* octal permissions, "0640"'):
        convert(file_mode=written)


@pytest.mark.parametrize("written", [755, 0o600, 0o10700, "drwx"])
def test_a_directory_mode_that_makes_no_sense_is_refused(written: int | str) -> None:
    with pytest.raises(
        msgspec.ValidationError, match=r'directory_mode .* octal permissions, "0750"'
    ):
        convert(directory_mode=written)


def test_a_switch_is_no_mode() -> None:
    with pytest.raises(msgspec.ValidationError, match="file_mode"):
        convert(file_mode=True)


@pytest.mark.parametrize("root", ["", "a\0b"])
def test_a_root_must_name_a_directory(root: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="root must name a directory"):
        convert(root=root)


@pytest.mark.parametrize("root", ["~", "~/captures"])
def test_a_home_directory_is_not_guessed(root: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="not expanded"):
        convert(root=root)


def test_the_keys_of_every_sink_are_still_checked() -> None:
    with pytest.raises(msgspec.ValidationError, match="concurrency"):
        convert(concurrency=0)
