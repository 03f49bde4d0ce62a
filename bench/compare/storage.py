"""The null object store that all receivers put into: nginx, without cost of its own to them.

Four listeners, over http and TLS, that answer at once or after a while. The bodies are read and
dropped; objects are counted by bucket, which tells when a receiver has delivered everything.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from bench.compare.environments import MissingError, need_program
from bench.compare.processes import Program, free_port, running

HERE = Path(__file__).parent
MODULES = Path("/usr/lib/nginx/modules")
LUA = ("ndk_http_module.so", "ngx_http_lua_module.so")
CURE = "sudo apt-get install --yes nginx-light libnginx-mod-http-lua"

CONFIG = """
{modules}
daemon off;
worker_processes 1;
pid {place}/nginx.pid;
error_log {place}/error.log error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_buffer_size 1m;
    client_body_temp_path {place}/bodies;
    keepalive_timeout 300s;
    keepalive_requests 100000000;
    tcp_nodelay on;
    lua_shared_dict counts 1m;
{servers}
}}
"""
SERVER = """
    server {{
        listen 127.0.0.1:{port}{tls};
        set $latency_ms {latency_ms};
        location / {{ content_by_lua_file {here}/null_s3.lua; }}
        location = /-/counts {{
            content_by_lua_block {{
                local bucket, counts = ngx.var.arg_bucket, ngx.shared.counts
                ngx.say(string.format('{{"objects": %d, "requests": %d, "last": %.3f}}',
                    counts:get(bucket .. ":objects") or 0, counts:get(bucket .. ":requests") or 0,
                    counts:get(bucket .. ":last") or 0))
            }}
        }}
    }}
"""
TLS = """ ssl;
        ssl_certificate {place}/chain.pem;
        ssl_certificate_key {place}/key.pem"""


@dataclass(frozen=True)
class Scenario:
    """One way of reaching the store, and how long it takes to answer."""

    tls: bool
    latency_ms: int

    def __str__(self) -> str:
        return f"{'TLS' if self.tls else 'http'}, {self.latency_ms} ms"


@dataclass(frozen=True)
class Target:
    """Where a receiver puts its files."""

    endpoint: str
    ca: Path
    """The authority that vouches for a TLS endpoint, as a PEM file."""


@dataclass(frozen=True)
class Counts:
    """What the store answered for one bucket."""

    objects: int
    requests: int
    last: float
    """When the last object was acknowledged, in seconds since the epoch."""


@dataclass
class NullStorage:
    """The store, while it runs."""

    ports: dict[Scenario, int]
    ca: Path

    def target(self, scenario: Scenario) -> Target:
        """Name the endpoint of ``scenario``."""
        scheme = "https" if scenario.tls else "http"
        return Target(f"{scheme}://127.0.0.1:{self.ports[scenario]}", self.ca)

    def counts(self, bucket: str) -> Counts:
        """Ask what arrived in ``bucket`` so far."""
        port = self.ports[Scenario(tls=False, latency_ms=0)]
        answer = httpx.get(f"http://127.0.0.1:{port}/-/counts", params={"bucket": bucket})
        return Counts(**json.loads(answer.raise_for_status().text))

    def wait_for(self, bucket: str, objects: int, seconds: float) -> Counts:
        """Wait until ``bucket`` counts ``objects``; raise ``RuntimeError`` where it never does."""
        ends = time.monotonic() + seconds
        while True:
            counts = self.counts(bucket)
            if counts.objects == objects:
                return counts
            if counts.objects > objects or time.monotonic() > ends:
                raise RuntimeError(f"{bucket}: {counts.objects} objects put, expected {objects}")
            time.sleep(0.02)


@contextmanager
def null_storage(place: Path, latencies: tuple[int, ...]) -> Iterator[NullStorage]:
    """Run the store with files in ``place``, which holds ``chain.pem``, ``key.pem``, ``ca.pem``."""
    need_program("nginx", CURE)
    if not all((MODULES / module).exists() for module in LUA):
        raise MissingError("nginx has no Lua module", CURE)
    ports = {Scenario(tls, latency): free_port() for tls in (False, True) for latency in latencies}
    servers = "".join(
        SERVER.format(
            port=port,
            tls=TLS.format(place=place) if scenario.tls else "",
            latency_ms=scenario.latency_ms,
            here=HERE,
        )
        for scenario, port in ports.items()
    )
    modules = "\n".join(f"load_module {MODULES / module};" for module in LUA)
    config = place / "nginx.conf"
    config.write_text(CONFIG.format(modules=modules, place=place, servers=servers))
    log = place / "error.log"
    program = Program("nginx", ["nginx", "-c", str(config), "-e", str(log)], log)
    with running(program, next(iter(ports.values())), "/-/counts?bucket=none"):
        yield NullStorage(ports, place / "ca.pem")
