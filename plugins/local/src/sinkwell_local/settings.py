"""The section of a local sink: ``[sinks.NAME]`` with ``type = "local"``."""

from sinkwell.contract import SinkSettings


class LocalSettings(SinkSettings, frozen=True, kw_only=True):
    """What the user decides: where files go, and who else may read them."""

    root: str
    """The directory below which every file lands, absolute or relative to where Sinkwell starts.
    It is made, with ``directory_mode``, when it does not exist."""
    file_mode: int | str = 0o600
    """Permissions of stored files, whatever the umask: ``0o640`` or ``"0640"``."""
    directory_mode: int | str = 0o700
    """Permissions of directories that the sink makes, whatever the umask: ``0o750`` or
    ``"2750"``. A set-group-id bit that a directory inherits stays."""

    def __post_init__(self) -> None:
        """Refuse what no disk can do. Raises ``ValueError``."""
        super().__post_init__()
        if not self.root or "\0" in self.root:
            raise ValueError("root must name a directory")
        if self.root == "~" or self.root.startswith("~/"):
            raise ValueError(f"root {self.root!r}: '~' is not expanded here, write the whole path")
        self.modes()

    def modes(self) -> tuple[int, int]:
        """Return the permission bits of files and of directories. Raises ``ValueError``."""
        return (
            _permissions("file_mode", self.file_mode, 0o600, 0o777, "0640"),
            _permissions("directory_mode", self.directory_mode, 0o700, 0o7777, "0750"),
        )


def _permissions(setting: str, value: int | str, least: int, most: int, example: str) -> int:
    """Return the permission bits that ``value`` stands for; text is read as octal.

    The bits of ``least`` must be set, as the sink itself needs them, and none beyond ``most``.
    That also catches a decimal 640 where 0o640 was meant. Raises ``ValueError``.
    """
    try:
        bits = int(value, 8) if isinstance(value, str) else value
    except ValueError:
        bits = -1
    if bits < 0 or bits & least != least or bits & ~most:
        raise ValueError(
            f'{setting} {value!r} is not a usable mode: write octal permissions, "{example}" or '
            f"0o{int(example, 8):o}, from 0o{least:o} to 0o{most:o}, with all bits of 0o{least:o}"
        )
    return bits
