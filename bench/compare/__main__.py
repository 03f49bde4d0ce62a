"""Side by side with what one would write oneself: ``make bench``.

Sinkwell's S3 sink and three common ways of taking callbacks into a bucket, on this machine, in
interleaved rounds, with the same files and the same null store. Compare ratios: absolute figures
move from machine to machine and from run to run. Needs nginx; see docs/benchmarks.md.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from bench.compare.chart import chart
from bench.compare.environments import MissingError, make_certificates, need_program
from bench.compare.measure import Round, Running, measure, measure_large
from bench.compare.processes import free_port, running
from bench.compare.put_alone import IN_FLIGHT, make_files, measure_puts
from bench.compare.receivers import RECEIVERS, Receiver, Start
from bench.compare.report import publish, tables
from bench.compare.results import CROWD, SLOW_MS, Results, Setting
from bench.compare.storage import NullStorage, Scenario, null_storage
from bench.compare.verify import keeping_storage, verify

CLIENTS = (16, CROWD)
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


class Run:
    """One run, with what it needs at hand."""

    def __init__(self, options: argparse.Namespace, place: Path) -> None:
        self.options = options
        self.place = place
        self.results = Results(facts=facts(options))
        self.receivers: list[Receiver] = []

    def verify(self) -> None:
        """Keep the receivers that are here, having seen that each stores the right bytes."""
        with keeping_storage(self.place, self.options.cache) as storage:
            for receiver in RECEIVERS:
                try:
                    verify(receiver, storage, self.place, self.options.cache)
                except MissingError as missing:
                    self.results.missing[receiver.id] = str(missing)
                    say(f"{receiver.name} is left out: {missing}")
                else:
                    self.receivers.append(receiver)
                    say(f"{receiver.name} stores the right bytes, over http and TLS")

    def side_by_side(self, storage: NullStorage, scenario: Scenario) -> None:
        """Measure all receivers on one way to the store."""
        with ExitStack() as stack:
            started = [self._start(stack, one, storage, scenario) for one in self.receivers]
            for one in started:
                self._measure(one, storage, CLIENTS[-1])
            for clients in CLIENTS:
                setting = Setting(scenario, clients)
                rounds = self.results.rounds[setting] = {one.id: [] for one in self.receivers}
                for number in range(self.options.rounds):
                    turn = number % len(started)
                    for one in started[turn:] + started[:turn]:
                        rounds[one.receiver.id].append(self._measure(one, storage, clients))
                say(f"{setting}: {self.options.rounds} rounds")

    def large(self, storage: NullStorage) -> None:
        """Send one large file to each receiver alone."""
        for receiver in self.receivers:
            with ExitStack() as stack:
                one = self._start(stack, receiver, storage, Scenario(tls=False, latency_ms=0), "-1")
                self._measure(one, storage, CLIENTS[0])
                figures = measure_large(one, storage, self.options.large)
                self.results.large[receiver.id] = figures
        say("one large file each")

    def puts(self, storage: NullStorage) -> None:
        """Compare the S3 sink's put with boto3's."""
        files = self.place / "files"
        make_files(files, self.options.size)
        for tls in (False, True):
            place = self.place / f"puts-{tls}"
            place.mkdir()
            target = storage.target(Scenario(tls=tls, latency_ms=0))
            start = Start(target, "puts", free_port(), place, self.options.cache)
            for in_flight in IN_FLIGHT:
                how = f"{'TLS' if tls else 'http'}, {in_flight} in flight"
                self.results.puts[how] = [
                    measure_puts(start, files, self.options.count, in_flight)
                    for _ in range(self.options.rounds)
                ]
        say("the put alone")

    def _measure(self, one: Running, storage: NullStorage, clients: int) -> Round:
        return measure(one, storage, self.options.count, clients, self.options.size)

    def _start(
        self,
        stack: ExitStack,
        receiver: Receiver,
        storage: NullStorage,
        scenario: Scenario,
        suffix: str = "",
    ) -> Running:
        way = f"{'tls' if scenario.tls else 'http'}-{scenario.latency_ms}"
        place = self.place / f"{receiver.id}-{way}{suffix}"
        program, port = receiver.program(storage.target(scenario), place, self.options.cache)
        tree = stack.enter_context(running(program, port, "/readyz"))
        return Running(receiver, tree, port)


def say(text: str) -> None:
    """Tell how far the run is."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def facts(options: argparse.Namespace) -> dict[str, str]:
    """Tell where and how this run measures."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    disk = ["df", "--output=fstype", str(options.cache)]
    filesystem = subprocess.run(disk, check=True, capture_output=True, text=True).stdout.split()[-1]
    return {
        "command": "make bench" + (f' ARGS="{shlex.join(sys.argv[1:])}"' if sys.argv[1:] else ""),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory / 1e9:.0f} GB",
        "system": f"Linux {platform.release()}, {platform.machine()}, Python "
        f"{platform.python_version()}, data on {filesystem}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "file": f"{options.size / 1000:.0f} KB",
        "large file": f"{options.large / 1e9:g} GB",
        "callbacks a round": str(options.count),
        "rounds": str(options.rounds),
    }


def parse() -> argparse.Namespace:
    """Read the options; ``--quick`` changes the defaults of the others."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less of everything: two minutes")
    parser.add_argument("--count", type=int, help="callbacks a round (640; 128)")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (3; 1)")
    parser.add_argument("--size", type=int, default=200_000, help="bytes a file (%(default)s)")
    parser.add_argument("--large", type=int, help="bytes of the large file (10⁹; 2·10⁸)")
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "bench")
    parser.add_argument("--publish", action="store_true", help="put the results into docs/ too")
    parser.add_argument("--out", type=Path, help="where results go (the cache, results)")
    options = parser.parse_args()
    quick = options.quick
    options.count = options.count or (128 if quick else 640)
    options.rounds = options.rounds or (1 if quick else 3)
    options.large = options.large or (200_000_000 if quick else 1_000_000_000)
    options.cache = options.cache.absolute()
    options.out = options.out or options.cache / "results"
    return options


def run(options: argparse.Namespace) -> Results:
    """Do it all; everything that was started has ended when this returns or raises.

    Raises ``RuntimeError`` where a program does not do what it should, ``MissingError`` where one
    is not here without which nothing can be compared.
    """
    need_program("nginx", "sudo apt-get install --yes nginx-light libnginx-mod-http-lua")
    options.cache.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="run-", dir=options.cache))
    this = Run(options, place)
    try:
        make_certificates(options.cache, place)
        this.verify()
        with null_storage(place, (0, SLOW_MS)) as storage:
            for scenario in storage.ports:
                this.side_by_side(storage, scenario)
            this.large(storage)
            this.puts(storage)
    except RuntimeError:
        say(f"what the programs told is kept in {place}")
        raise
    except BaseException:
        shutil.rmtree(place)
        raise
    shutil.rmtree(place)
    return this.results


def main() -> None:
    options = parse()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        results = run(options)
    except MissingError as missing:
        sys.exit(f"the comparison cannot run: {missing}")
    except RuntimeError as error:
        sys.exit(f"the comparison failed: {error}")
    except KeyboardInterrupt:
        sys.exit("ended before it was done; nothing was written")
    text = tables(results)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "benchmarks.json").write_text(json.dumps(results.as_json(), indent=1) + "\n")
    (options.out / "benchmarks.svg").write_text(chart(results))
    print(f"\n{text}\n\nin {options.out}: benchmarks.json, benchmarks.svg")
    if options.publish:
        publish(DOCS, text, chart(results))
        print(f"and in {DOCS}: benchmarks.md, benchmarks.svg")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
