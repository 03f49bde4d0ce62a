"""What the three kits share."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, NoReturn, ParamSpec

import pytest

from sinkwell.pytest_plugin import NOT_SHOWN

P = ParamSpec("P")


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a plain test of an async one, with an event loop of its own.

    So the kits need no other pytest plugin, and hypothesis can call what they are made of.
    """

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def not_shown(reason: str) -> NoReturn:
    """End a test whose promise cannot be put to the test, and say what would let it be.

    The summary lists it as *not shown*: neither held nor broken.
    """
    pytest.skip(f"{NOT_SHOWN}{reason}")
