"""Secrets: ``env:NAME`` and ``file:PATH`` become the values that they refer to."""

import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path

from sinkwell.contract.settings import Secret
from sinkwell.settings.places import KeyPath
from sinkwell.settings.problems import Report, key_title

_UNRESOLVED = Secret("")
_LONGEST = 64 * 1024


class References:
    """Resolves references, reports those that lead nowhere, and warns of careless ones."""

    def __init__(self, report: Report, base: Path, environ: Mapping[str, str]) -> None:
        self._report = report
        self._base = base
        self._environ = environ
        self.used: set[str] = set()
        """Names of the environment variables that were referred to."""

    def resolve(self, written: str, path: KeyPath, *, in_file: bool) -> Secret:
        """Return the secret that ``written`` stands for; a placeholder if that is in error.

        ``in_file`` tells a value that others may read, as it stands in the settings file, from
        one that came from the environment.
        """
        kind, colon, name = written.partition(":")
        if colon and kind == "env":
            return self._from_environment(name, path)
        if colon and kind == "file":
            return self._from_file(name, path)
        if in_file:
            self._report.warn(
                path,
                f"{key_title(path)} is written in the open",
                'write "env:NAME" or "file:PATH" instead',
            )
        return Secret(written)

    def _from_environment(self, name: str, path: KeyPath) -> Secret:
        # What is no name may be the secret itself, so it is not repeated.
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            return self._fail(path, "env: is not followed by the name of a variable")
        self.used.add(name)
        value = self._environ.get(name)
        if value:
            return Secret(value)
        state = "not set" if value is None else "empty"
        advice = f"set it before Sinkwell starts: export {name}=..."
        return self._fail(path, f"the environment variable {name} is {state}", advice)

    def _from_file(self, name: str, path: KeyPath) -> Secret:
        file = self._base / name
        try:
            mode = file.stat().st_mode
            if not stat.S_ISREG(mode):  # reading a pipe or a device might never end
                return self._fail(path, f"the secret file {file} is not a regular file")
            with file.open("rb") as opened:
                content = opened.read(_LONGEST + 1)
            text = content.decode().rstrip("\r\n")
        except OSError as error:
            advice = "write the secret into it, with mode 0600" if not file.exists() else ""
            return self._fail(
                path, f"the secret file {file} cannot be read: {error.strerror}", advice
            )
        except ValueError:  # also of stat, for a path with a NUL in it
            return self._fail(path, f"the secret file {file} is not UTF-8 text")
        if not text or len(content) > _LONGEST:
            state = "longer than 64 KiB" if text else "empty"
            return self._fail(path, f"the secret file {file} is {state}")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            advice = f"chmod 600 {shlex.quote(str(file))}"
            self._report.warn(path, f"the secret file {file} is open to other users", advice)
        return Secret(text)

    def _fail(self, path: KeyPath, reason: str, advice: str = "") -> Secret:
        self._report.error(path, f"{key_title(path)}: {reason}", advice)
        return _UNRESOLVED
