"""The receivers that are compared: what each is, and how it is started."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.compare.environments import node_environment, python_environment
from bench.compare.processes import Program, free_port
from bench.compare.storage import Target

PINNED = Path(__file__).parent / "recipes"
SECRET = "bench-secret-0123456789"
ACCESS_KEY, SECRET_KEY = "benchaccesskey", "bench-storage-secret-0123456789"
REGION = "us-east-1"

SETTINGS = """
[server]
port = {port}
[sources.shotbot]
type = "shotbot"
secrets = ["env:BENCH_SECRET"]
[sinks.archive]
type = "s3"
provider = "aws"
endpoint = "{target.endpoint}"
region = "{region}"
bucket = "{bucket}"
addressing = "path"
concurrency = 32
access_key = "env:AWS_ACCESS_KEY_ID"
secret_key = "env:AWS_SECRET_ACCESS_KEY"
"""


@dataclass(frozen=True)
class Start:
    """One start of one receiver: where its files go, and where it may write."""

    target: Target
    bucket: str
    port: int
    place: Path
    cache: Path

    def env(self) -> dict[str, str]:
        """Return what receivers are told, and where each of them looks for credentials."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "BENCH_BUCKET": self.bucket,
            "BENCH_CA": str(self.target.ca),
            "BENCH_ENDPOINT": self.target.endpoint,
            "BENCH_PORT": str(self.port),
            "BENCH_SECRET": SECRET,
            "NODE_ENV": "production",
            "NODE_EXTRA_CA_CERTS": str(self.target.ca),
            "PYTHONPATH": str(PINNED),
        }


@dataclass(frozen=True)
class Receiver:
    """One way of taking callbacks to a bucket."""

    id: str
    name: str
    prepare: Callable[[Start], list[str]]
    """Make what it needs and return its command. Raises ``MissingError``."""

    def program(self, target: Target, place: Path, cache: Path) -> tuple[Program, int]:
        """Return the program that puts into ``target``, and the port that it will listen on.

        Raises ``MissingError`` where it cannot be installed.
        """
        place.mkdir(parents=True)
        start = Start(target, self.id, free_port(), place, cache)
        command = self.prepare(start)
        return Program(self.name, command, place / "log", start.env(), place), start.port


def _flask(start: Start) -> list[str]:
    gunicorn = python_environment(start.cache, "flask") / "gunicorn"
    options = ["--workers", "2", "--threads", "8", "--no-control-socket"]
    options += ["--bind", f"127.0.0.1:{start.port}"]
    return [str(gunicorn), *options, "flask_boto3:app"]


def _fastapi(start: Start) -> list[str]:
    uvicorn = python_environment(start.cache, "fastapi") / "uvicorn"
    return [str(uvicorn), "--port", str(start.port), "--no-access-log", "fastapi_aioboto3:app"]


def _express(start: Start) -> list[str]:
    return ["node", str(node_environment(start.cache, "express") / "index.js")]


def write_settings(start: Start) -> Path:
    """Write Sinkwell's settings.

    All are defaults but for what says where things are, and for how many puts are under way: as
    with the other receivers, it is not that number that should be measured at 100 ms of latency.
    """
    text = SETTINGS.format(port=start.port, target=start.target, region=REGION, bucket=start.bucket)
    if start.target.endpoint.startswith("https"):
        text += f'ca_bundle = "{start.target.ca}"\n'
    config = start.place / "sinkwell.toml"
    config.write_text(text)
    return config


def _sinkwell(start: Start) -> list[str]:
    config = write_settings(start)
    data = start.place / "data"
    serve = ["serve", "--quiet", "--config", str(config), "--data-dir", str(data)]
    return [sys.executable, "-m", "sinkwell", *serve]


FLASK = Receiver("flask", "Flask + boto3", _flask)
FASTAPI = Receiver("fastapi", "FastAPI + aioboto3", _fastapi)
EXPRESS = Receiver("express", "Express + multer-s3", _express)
SINKWELL = Receiver("sinkwell", "Sinkwell", _sinkwell)
RECEIVERS = (FLASK, FASTAPI, EXPRESS, SINKWELL)
