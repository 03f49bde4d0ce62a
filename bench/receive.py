"""What a callback costs: ``make bench``.

Side by side in one run, interleaved, on the same files: bare uvicorn stage by stage, Sinkwell
with no sink, Sinkwell with the local sink. CPU is user and system time of all the receiver's
threads, deliveries included, divided by callbacks. Compare ratios; absolute figures move from
run to run.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

HERE = Path(__file__).parent
SECRET = "bench-secret-0123456789"
STAGES = {
    "http": "socket and HTTP",
    "parse": "multipart",
    "hash": "sha256",
    "write": "write, no fsync",
}
RECEIVE = "receive, durable and recorded"
DELIVER = "delivery to local disk"

SETTINGS = """
[server]
port = {port}
[sources.shotbot]
type = "shotbot"
secrets = ["env:BENCH_SECRET"]
"""
LOCAL = """
[sinks.local]
type = "local"
root = "{root}"
"""


@dataclass
class Samples:
    """What the rounds of one receiver gave."""

    cpu_ms: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)


@dataclass
class Receiver:
    """A process that takes callbacks."""

    name: str
    port: int
    command: list[str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "BENCH_SECRET": SECRET},
        )
        for _ in range(600):
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=1)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self.name} did not start: {self.command}")

    def cpu_seconds(self) -> float:
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_idle(self) -> None:
        """Wait until deliveries are done: no CPU used for a while."""
        before = self.cpu_seconds()
        while True:
            time.sleep(0.5)
            now = self.cpu_seconds()
            if now - before < 0.02:
                return
            before = now

    def measure(self, count: int, clients: int, size: int, into: Samples) -> None:
        began = self.cpu_seconds()
        answer = subprocess.run(
            [
                sys.executable,
                str(HERE / "load.py"),
                str(self.port),
                str(count),
                str(clients),
                str(size),
                SECRET,
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        self.wait_idle()
        result = json.loads(answer.stdout)
        into.cpu_ms.append(1000 * (self.cpu_seconds() - began) / result["callbacks"])
        into.per_second.append(result["per_second"])
        into.p50_ms.append(result["p50_ms"])
        into.p99_ms.append(result["p99_ms"])

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)


def receivers(directory: Path, first_port: int) -> list[Receiver]:
    made = []
    for number, stage in enumerate(STAGES):
        place = directory / stage
        place.mkdir()
        port = first_port + number
        command = [sys.executable, str(HERE / "bare.py"), str(port), stage, str(place)]
        made.append(Receiver(stage, port, command))
    for name, sink in ((RECEIVE, ""), (DELIVER, LOCAL)):
        port = first_port + len(made)
        place = directory / f"sinkwell-{len(made)}"
        place.mkdir()
        config = place / "sinkwell.toml"
        config.write_text(SETTINGS.format(port=port) + sink.format(root=place / "stored"))
        command = [
            sys.executable,
            "-m",
            "sinkwell",
            "serve",
            "--quiet",
            "--config",
            str(config),
            "--data-dir",
            str(place / "data"),
        ]
        made.append(Receiver(name, port, command))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="callbacks a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=200_000, help="bytes a file")
    parser.add_argument("--port", type=int, default=18080)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="sinkwell-bench-"))
    running = receivers(directory, options.port)
    try:
        for receiver in running:
            receiver.start()
            receiver.measure(64, 8, options.size, Samples())
        for clients in options.clients:
            samples = {receiver.name: Samples() for receiver in running}
            for _ in range(options.rounds):
                for receiver in running:
                    into = samples[receiver.name]
                    receiver.measure(options.count, clients, options.size, into)
            report(clients, options.size, samples)
    finally:
        for receiver in running:
            receiver.stop()
        shutil.rmtree(directory)


def report(clients: int, size: int, samples: dict[str, Samples]) -> None:
    print(f"\n{clients} clients, files of {size:,} bytes (medians)")
    print(f"  {'':32}{'CPU ms':>8}{'share':>8}{'x bare':>8}{'per s':>8}{'p50 ms':>9}{'p99 ms':>9}")
    bare = statistics.median(samples["write"].cpu_ms)
    whole = statistics.median(samples[DELIVER].cpu_ms)
    before = 0.0
    for name, sample in samples.items():
        cpu = statistics.median(sample.cpu_ms)
        label = STAGES.get(name, name)
        print(
            f"  {'+ ' if before else '  '}{label:30}{cpu:8.2f}{(cpu - before) / whole:8.0%}"
            f"{cpu / bare:8.2f}{statistics.median(sample.per_second):8.0f}"
            f"{statistics.median(sample.p50_ms):9.1f}{statistics.median(sample.p99_ms):9.1f}"
        )
        before = cpu
    print(f"  receive + local delivery over bare parse-hash-write: {whole / bare:.2f}")


if __name__ == "__main__":
    main()
