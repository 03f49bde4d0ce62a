"""Whoever writes a plugin finds all of the contract and of the kits in three pages."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from enum import Enum

import msgspec
import pytest
from documents import ROOT, prose

from sinkwell import contract, testing
from sinkwell.contract import hooks

PAGES = {kind: prose(ROOT / f"docs/writing-a-{kind}.md") for kind in ("sink", "source", "notifier")}
ALL = "\n".join(PAGES.values())
KITS = [testing.SinkContract, testing.SourceContract, testing.NotifierContract]


def code(text: str) -> set[str]:
    """Return every word that a page sets as code within its text."""
    return {
        word for span in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"[\w.-]+", span)
    }


def is_told(name: str, text: str = ALL) -> bool:
    words = code(text)
    return name in words or any(word.endswith(f".{name}") for word in words)


def page_of(thing: type) -> str:
    """Return the page where the parts of a class belong: each kind of plugin has its own."""
    home = f"{thing.__module__} {thing.__name__}".lower()
    kinds = [kind for kind in ("source", "notifier") if kind in home]
    if "fetch" in home or "mismatch" in home:
        kinds = ["source"]
    if "events" in home:
        kinds = ["notifier"]
    return PAGES[kinds[0]] if kinds else PAGES["sink"]


def parts(thing: type) -> Iterator[str]:
    """Yield the fields, members, methods and arguments that a plugin's author meets."""
    if issubclass(thing, Enum):
        yield from (member.name for member in thing)
        return
    if dataclasses.is_dataclass(thing):
        yield from (field.name for field in dataclasses.fields(thing))
    elif issubclass(thing, msgspec.Struct):
        yield from thing.__struct_fields__
    for name, method in inspect.getmembers(thing, inspect.isfunction):
        if not name.startswith("_") and method.__module__.startswith("sinkwell."):
            yield name
            yield from arguments(method)
    made = not (dataclasses.is_dataclass(thing) or getattr(thing, "_is_protocol", False))
    if "__init__" in vars(thing) and made:
        yield from arguments(vars(thing)["__init__"])


def arguments(function: object) -> Iterator[str]:
    for parameter in inspect.signature(function).parameters.values():  # type: ignore[arg-type]  # a function
        if parameter.name != "self":
            yield parameter.name


PUBLIC = {name: getattr(module, name) for module in (contract, testing) for name in module.__all__}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_told_of(name: str) -> None:
    assert is_told(name), f"`{name}` stands in none of docs/writing-a-*.md"


CLASSES = {
    name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing) and thing not in KITS
}


@pytest.mark.parametrize("name", CLASSES)
def test_every_part_of_a_class_is_told_on_its_page(name: str) -> None:
    page = page_of(CLASSES[name])

    assert [part for part in parts(CLASSES[name]) if not is_told(part, page)] == []


@pytest.mark.parametrize(
    "name", [name for name, thing in PUBLIC.items() if inspect.isfunction(thing)]
)
def test_every_argument_of_a_function_is_told(name: str) -> None:
    assert [each for each in arguments(PUBLIC[name]) if not is_told(each)] == []


def test_every_hook_is_told_of() -> None:
    offered = [name for name in vars(hooks) if name.startswith("sinkwell_")]

    assert len(offered) == 3
    assert [name for name in offered if not is_told(name)] == []


@pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.__name__)
def test_every_fixture_that_a_kit_asks_for_is_told_of(kit: type) -> None:
    page = page_of(kit)
    asked = [
        name
        for name, fixture in inspect.getmembers(kit)
        if "NotImplementedError" in inspect.getsource(getattr(fixture, "_fixture_function", kit))
        and hasattr(fixture, "_fixture_function")
    ]

    assert len(asked) == 3
    assert [name for name in asked if not is_told(name, page)] == []
