"""What must hold of every type and its settings, whatever it is a type of."""
# ruff: noqa: S101 - a kit is made of assertions

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.inspect import CollectionType, CustomType, UnionType, VarTupleType, type_info

from sinkwell.contract import Secret
from sinkwell.contract.notifier import AnyNotifierType
from sinkwell.contract.settings import decode_custom
from sinkwell.contract.sink import AnySinkType
from sinkwell.contract.source import AnySourceType

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_LONGEST_SUMMARY = 120
_AROUND = 60
_UNKNOWN = "surely-no-key-of-this-type"


def check_identity(
    kind: AnySourceType | AnySinkType | AnyNotifierType, section: dict[str, object]
) -> None:
    """See that name and summary are what lists can show."""
    assert _NAME.fullmatch(kind.name), (
        f"the type's name {kind.name!r} is not of lower-case letters, digits and dashes"
    )
    assert section.get("type") == kind.name, f'the section must have type = "{kind.name}"'
    assert 0 < len(kind.summary) <= _LONGEST_SUMMARY, (
        f"the summary has {len(kind.summary)} characters, not 1 to {_LONGEST_SUMMARY}"
    )
    assert "\n" not in kind.summary, "the summary is more than one line"


def check_settings(settings: type[msgspec.Struct], section: dict[str, object]) -> None:
    """See that the section is taken, and one with an unknown key or a wrong type is not."""
    convert(settings, section)
    refused(settings, section | {_UNKNOWN: 1}, "an unknown key")
    for key in section:
        refused(settings, section | {key: {_UNKNOWN: 1}}, f"a table in place of {key}")
    assert issubclass(settings, msgspec.Struct)
    assert settings.__struct_config__.frozen, f"{settings.__name__} is not frozen"


def check_docstrings(settings: type[msgspec.Struct]) -> None:
    """See that each key of a type's own says what it means."""
    for owner in settings.__mro__:
        if owner.__module__.startswith(("sinkwell.contract.", "msgspec", "builtins")):
            continue
        documented = set(_documented(owner))
        own = set(inspect.get_annotations(owner))
        assert own <= documented, (
            f"{owner.__name__} has no docstring below {', '.join(sorted(own - documented))}: "
            "it is the help for who writes the settings"
        )


def secret_keys(settings: type[msgspec.Struct]) -> list[str]:
    """Return the keys that hold secrets."""
    fields = msgspec.structs.fields(settings)
    return [each.encode_name for each in fields if _holds_secret(type_info(each.type))]


def convert(settings: type[msgspec.Struct], section: dict[str, object]) -> Any:
    """Return the settings of a section. Raises ``msgspec.ValidationError``."""
    return msgspec.convert(section, settings, dec_hook=decode_custom)


def refused(settings: type[msgspec.Struct], section: dict[str, object], what: str) -> None:
    """See that a section is refused, by the error that the core tells people in its own words."""
    try:
        convert(settings, section)
    except msgspec.ValidationError:
        return
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        pytest.fail(f"{what} made the settings raise {type(error).__name__}, not ValueError")
    pytest.fail(f"{what} was taken")


def _documented(owner: type) -> Iterator[str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(definition, ast.ClassDef)
    for field, following in zip(definition.body, definition.body[1:], strict=False):
        text = following.value if isinstance(following, ast.Expr) else None
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Constant)
            and isinstance(text.value, str)
        ):
            yield field.target.id


def _holds_secret(described: object) -> bool:
    match described:
        case CustomType(cls=cls):
            return issubclass(cls, Secret)
        case UnionType(types=types):
            return any(map(_holds_secret, types))
        case CollectionType(item_type=item) | VarTupleType(item_type=item):
            return _holds_secret(item)
    return False


def check_absent(secrets: Mapping[str, str], said: Sequence[str]) -> None:
    """See that no secret is in anything that was said; ``secrets`` are by what they are."""
    for what, secret in secrets.items():
        for text in said:
            at = text.find(secret) if secret else -1
            around = text[max(0, at - _AROUND) : at + len(secret) + _AROUND]
            assert at < 0, f"{what} is in …{around.replace(secret, '***')}…"


def words_of(error: BaseException | None) -> list[str]:
    """Return all that an error says, and those that it came from."""
    words = []
    while error is not None:
        words += [str(error), repr(error)]
        error = error.__cause__ or error.__context__
    return words
