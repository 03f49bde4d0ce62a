"""``sinkwell demo``: a throw-away instance, a provider that calls it, and what became of it all."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import rich_click as click
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table
from rich.tree import Tree

from sinkwell import samples
from sinkwell.cli.common import FILES_NAME, SECRET_NAME, fail, out
from sinkwell.cli.listing import human_size
from sinkwell.cli.throwaway import (
    Instance,
    ThrowawayError,
    show_log,
    throwaway_directory,
    throwaway_instance,
)

_DELIVERED_WITHIN = 20.0
_POLL = 0.05
_STORED = "stored as "


class DemoError(Exception):
    """The demonstration did not go as it must; the text says in what."""


@dataclass(frozen=True, slots=True)
class Call:
    """A callback that the provider sends, and what is promised of it."""

    what: str
    token: str
    format: str
    body: bytes | None
    fate: str
    """How the story of it begins."""
    status: str = "OK"
    authentic: bool = True
    answer: int = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a callback was answered, and what Sinkwell's records and its disk say became of it."""

    call: Call
    answer: int
    fate: str

    @property
    def as_promised(self) -> bool:
        """Whether it had to go like this."""
        return self.answer == self.call.answer and self.fate.startswith(self.call.fate)


@click.command()
@click.option("--keep", is_flag=True, help="Keep the directory of the instance, and say where.")
def demo(*, keep: bool) -> None:
    """See it work: a throw-away instance, a few real callbacks, and what became of each.

    Exit code 0 when all of it went as promised, 1 when anything did not.
    """
    with throwaway_directory("sinkwell-demo-", keep=keep) as directory:
        try:
            with throwaway_instance(directory) as instance:
                outcomes = _play(instance, _calls())
                _show(outcomes, instance.root)
            _verify(outcomes, instance.root)
        except (DemoError, ThrowawayError, httpx.HTTPError) as error:
            show_log(directory)
            fail(str(error))
    out.print("\nNext: [bold]make run[/] starts one that stays, with a curl line to paste.")


def _calls() -> list[Call]:
    """Make up a provider's day."""
    png = samples.png("demo")
    return [
        Call("a PNG", "demo1", "png", png, _STORED),
        Call("a JPEG", "demo2", "jpg", samples.jpeg("demo"), _STORED),
        Call("a WebP", "demo3", "webp", samples.webp("demo"), _STORED),
        Call("a PDF", "demo4", "pdf", samples.pdf("demo"), _STORED),
        Call("the PNG again", "demo1", "png", png, "duplicate"),
        Call("a wrong secret", "demo5", "png", png, "refused", authentic=False, answer=403),
        Call("status=ERR", "demo6", "png", None, "recorded", status="ERR"),
    ]


def _play(instance: Instance, calls: Sequence[Call]) -> list[Outcome]:
    """Send the callbacks, wait until every file is delivered, and find out what became of each."""
    secret = (instance.data_dir / SECRET_NAME).read_text()
    answers = []
    with Progress(console=out, disable=not out.is_terminal) as progress:
        task = progress.add_task("", total=len(calls) + 1)
        for call in calls:
            progress.update(task, description=f"the provider sends {call.what}")
            answers.append(_post(instance.public, call, secret))
            progress.advance(task)
        progress.update(task, description="files are delivered")
        _wait_delivered(instance)
        progress.advance(task)
    return _outcomes(instance, calls, answers)


def _post(public: httpx.Client, call: Call, secret: str) -> httpx.Response:
    fields = {
        "callback_secret": secret if call.authentic else "a guess",
        "status": call.status,
        "token": call.token,
        "format": call.format,
    }
    parts: dict[str, tuple[str | None, str | bytes]] = {n: (None, v) for n, v in fields.items()}
    if call.body is not None:
        parts["file"] = (f"{call.token}.{call.format}", call.body)
    return public.post("/callbacks/shotbot", files=parts)


def _wait_delivered(instance: Instance) -> None:
    until = time.monotonic() + _DELIVERED_WITHIN
    while any(row["state"] in ("pending", "leased") for row in instance.rows("deliveries")):
        if time.monotonic() > until:
            raise DemoError(f"some files were not delivered within {_DELIVERED_WITHIN:g} s")
        time.sleep(_POLL)


def _outcomes(
    instance: Instance, calls: Sequence[Call], answers: Sequence[httpx.Response]
) -> list[Outcome]:
    """Read in the records what became of each callback; who was refused has none."""
    deliveries = {row["token"]: row for row in instance.rows("deliveries")}
    taken = ("callback.received", "callback.duplicate", "callback.provider_failed")
    events = [row for row in instance.rows("events") if row["type"] in taken]
    outcomes = []
    for call, answer in zip(calls, answers, strict=True):
        if answer.is_error:
            fate = f"refused: {answer.json()['detail']}"
        else:
            event = next((row for row in events if row["data"]["provider_id"] == call.token), None)
            if event is None:
                raise DemoError(f"there is no record of {call.what}, which was answered with yes")
            events.remove(event)  # the next one of this token tells of the next callback with it
            fate = _fate(event, deliveries.get(call.token, {}))
        outcomes.append(Outcome(call, answer.status_code, fate))
    return outcomes


def _fate(event: dict[str, Any], delivery: dict[str, Any]) -> str:
    match event["type"]:
        case "callback.duplicate":
            return "duplicate: answered alike, nothing delivered again"
        case "callback.provider_failed":
            return f"recorded as failed by the provider ({event['data']['provider_status']})"
        case _ if delivery.get("state") == "stored":
            return f"{_STORED}{delivery['key']}"
        case _:
            return f"not stored: {delivery.get('error')}"


def _verify(outcomes: Sequence[Outcome], root: Path) -> None:
    """Raise ``DemoError`` unless all went as promised and the files on disk are those sent."""
    for outcome in outcomes:
        if not outcome.as_promised:
            call = outcome.call
            raise DemoError(f"{call.what}: promised is the answer {call.answer}, {call.fate!r} …")
    sent = [_sha256(o.call.body) for o in outcomes if o.call.fate == _STORED and o.call.body]
    found = [_sha256(path.read_bytes()) for path in _files_in(root)]
    if sorted(sent) != sorted(found):
        raise DemoError(f"the files below {root} are not those that were sent")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _files_in(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _show(outcomes: Sequence[Outcome], root: Path) -> None:
    out.print("A provider called a throw-away instance:\n")
    table = Table(
        "sent", "answer", "what became of it", box=None, header_style="bold", pad_edge=False
    )
    for outcome in outcomes:
        colour = "green" if outcome.as_promised else "bold red"
        fate = f"[{colour}]{escape(outcome.fate)}[/]"
        table.add_row(outcome.call.what, str(outcome.answer), fate)
    out.print(table)
    out.print()
    tree = Tree(f"[bold]{FILES_NAME}/[/]")
    branches = {root: tree}
    for path in _files_in(root):
        for parent in reversed([p for p in path.parents if p.is_relative_to(root)]):
            if parent not in branches:
                branches[parent] = branches[parent.parent].add(f"{escape(parent.name)}/")
        size = human_size(path.stat().st_size)
        branches[path.parent].add(f"{escape(path.name)}  [dim]{size}[/]")
    out.print(tree)
