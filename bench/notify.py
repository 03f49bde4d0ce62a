"""What a notification costs: one event, planned, signed, posted, settled and kept.

Side by side in one run, interleaved: bare aiohttp that posts the same bodies, and the bus of
Sinkwell on a ledger that waits for the disk. The receiver is a process of its own. CPU is user and
system time of this process; compare the ratio, as absolute figures move from run to run.

``python bench/notify.py [--count 2000] [--rounds 3]``
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop

from sinkwell.bus.bus import Bus, ConfiguredNotifier
from sinkwell.bus.decide import Terms
from sinkwell.bus.interest import Interest
from sinkwell.bus.worker import NotifierPlan
from sinkwell.clock import Clock
from sinkwell.contract import NotifierContext
from sinkwell.contract.events import Delivered, FileFinished
from sinkwell.contract.settings import STANDARD_SCHEDULE, decode_custom
from sinkwell.delivery.schedule import ListedWaits
from sinkwell.ledger.closing import Retention
from sinkwell.ledger.ledger import Ledger
from sinkwell.notifiers.webhook import WEBHOOK
from sinkwell.notifiers.webhook_settings import WebhookSettings

RECEIVER = """
import asyncio, sys, uvloop
ANSWER = b"HTTP/1.1 204 No Content\\r\\n\\r\\n"
class Hook(asyncio.Protocol):
    def connection_made(self, transport): self.transport, self.data = transport, b""
    def data_received(self, data):
        self.data += data
        while (end := self.data.find(b"\\r\\n\\r\\n")) >= 0:
            head = self.data[:end].lower()
            size = int(head.partition(b"content-length: ")[2].partition(b"\\r\\n")[0])
            if len(self.data) < end + 4 + size: return
            self.data = self.data[end + 4 + size:]
            self.transport.write(ANSWER)
async def main():
    server = await asyncio.get_running_loop().create_server(Hook, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
uvloop.run(main())
"""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CONCURRENCY = 8


def fact(number: int) -> FileFinished:
    key = f"screenshots/2026/11/25/{number:032x}.png"
    where = Delivered(sink="archive", state="stored", key=key, location=f"s3://captures/{key}")
    return FileFinished(
        file_id=f"f{number:028x}",
        source="shotbot",
        provider_id=f"{number:032x}",
        stored=1,
        failed=0,
        deliveries=(where,),
    )


async def bare(url: str, count: int) -> float:
    """Post so many bodies by aiohttp alone; return CPU ms for each."""
    body = msgspec.json.encode({"type": "file.finished", "data": fact(1)})
    waiting = iter(range(count))
    headers = {"Content-Type": "application/json"}

    async def post(session: aiohttp.ClientSession) -> None:
        for _ in waiting:
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()

    async with aiohttp.ClientSession() as session:
        began = time.process_time()
        await asyncio.gather(*(post(session) for _ in range(CONCURRENCY)))
        return 1000 * (time.process_time() - began) / count


async def told(url: str, count: int, directory: Path) -> tuple[float, float]:
    """Tell so many events; return CPU ms for each, and notifications a second."""
    clock = Clock()
    ledger = Ledger(
        directory / "ledger.sqlite3", spool_id="s", clock=clock, retention=Retention(0, 0)
    )
    section: dict[str, Any] = {"type": "webhook", "url": url, "secret": SECRET}
    section["allow_networks"] = ["127.0.0.0/8"]
    settings = msgspec.convert(section, WebhookSettings, dec_hook=decode_custom)
    plan = NotifierPlan(
        name="app",
        open=lambda: WEBHOOK.open(settings, NotifierContext("app")),
        concurrency=CONCURRENCY,
        timeout=15.0,
        terms=Terms(ListedWaits(STANDARD_SCHEDULE), 432_000.0),
    )
    notifier = ConfiguredNotifier(plan, "webhook", Interest(), recorded=True)
    await ledger.announce("s", *(fact(number) for number in range(count)))
    await ledger.move_cursor("app", 0)
    bus = Bus(ledger, ledger.outbox, [notifier], clock, retention=1e9)
    ledger.call_on_events(bus.feed.wake)
    await bus.open()
    await ledger.move_cursor("app", 0)
    cpu, wall = time.process_time(), time.perf_counter()
    running = [asyncio.create_task(run()) for _, run in bus.parts()]
    sent = 0
    while sent < count:
        await asyncio.sleep(0.1)
        counts = await ledger.outbox.count_states()
        sent = sum(number for _, state, number in counts if state == "sent")
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await bus.finish(1.0)
    await ledger.close()
    return 1000 * cpu / count, count / wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="notifications a round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    receiver = subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True)
    assert receiver.stdout is not None
    url = f"http://127.0.0.1:{receiver.stdout.readline().strip()}/"
    posts, tells, rates = [], [], []
    try:
        for _ in range(options.rounds):
            posts.append(uvloop.run(bare(url, options.count)))
            with tempfile.TemporaryDirectory(prefix="sinkwell-bench-") as directory:
                cpu, rate = uvloop.run(told(url, options.count, Path(directory)))
            tells.append(cpu)
            rates.append(rate)
    finally:
        receiver.kill()
        receiver.wait()
    post, tell = statistics.median(posts), statistics.median(tells)
    print(f"{options.count} notifications a round, {options.rounds} rounds (medians)")
    print(f"  aiohttp alone       {post:6.3f} ms CPU")
    print(f"  Sinkwell, on record {tell:6.3f} ms CPU  {statistics.median(rates):6.0f} a second")
    print(f"  ratio               {tell / post:6.2f}")


if __name__ == "__main__":
    main()
