"""Plugins to begin with, rendered from the templates in ``skeletons/``."""

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from string import Template

KINDS = ("sink", "source", "notifier")

_TEMPLATES = Path(__file__).parent / "skeletons"
_SUFFIX = ".tmpl"
_LONGEST_NAME = 24
_DEPENDENCIES: dict[str, tuple[str, ...]] = {"sink": (), "source": (), "notifier": ("httpx>=0.28",)}


class Skeleton:
    """A plugin of a kind under a name. Raises ``ValueError`` for a name that will not do."""

    def __init__(self, kind: str, name: str) -> None:
        _check(name)
        self.distribution = f"sinkwell-{name}"
        self._kind = kind
        self._package = self.distribution.replace("-", "_")
        ours = f"sinkwell{_compatible(metadata.version('sinkwell'))}"
        self._values = {
            "kind": kind,
            "type": name,
            "name": "".join(part.capitalize() for part in name.split("-")),
            "env": name.replace("-", "_").upper(),
            "distribution": self.distribution,
            "package": self._package,
            "dependencies": ", ".join(f'"{each}"' for each in (*_DEPENDENCIES[kind], ours)),
        }

    def files(self) -> Iterator[tuple[Path, str]]:
        """Yield the path of each file within the plugin, and its text."""
        for folder in (_TEMPLATES / "common", _TEMPLATES / self._kind):
            for template in sorted(folder.rglob(f"*{_SUFFIX}")):
                inside = str(template.relative_to(folder)).removesuffix(_SUFFIX)
                path = Path(inside.replace("src/package", f"src/{self._package}"))
                yield path, Template(template.read_text()).substitute(self._values)

    def write(self, root: Path) -> None:
        """Write all files. Raises ``FileExistsError`` where the directory holds anything."""
        root.mkdir(parents=True, exist_ok=True)
        for found in root.iterdir():
            raise FileExistsError(17, "File exists", str(found))
        for path, text in self.files():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            with (root / path).open("x") as file:
                file.write(text)


def _check(name: str) -> None:
    if name.startswith("sinkwell-"):
        plain = name.removeprefix("sinkwell-")
        raise ValueError(f"{name!r}: sinkwell- is put before the name, so say only {plain!r}")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ValueError(
            f"{name!r} is no name for a plugin: it begins with a lower-case letter and goes on "
            "with lower-case letters, digits and single dashes, such as sftp or my-store"
        )
    if name in KINDS:
        raise ValueError(f"{name!r} says only what it is: name it after what it talks to")
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"{name!r} is longer than {_LONGEST_NAME} letters")


def _compatible(version: str) -> str:
    """Return which versions of Sinkwell have this contract: before 1.0, those of one minor."""
    major, minor = (int(part) for part in version.split(".")[:2])
    below = f"{major + 1}" if major else f"0.{minor + 1}"
    return f">={major}.{minor},<{below}"
