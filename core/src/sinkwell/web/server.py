"""Serving: uvicorn with the hardened protocol, on TCP and on the control socket."""

import asyncio
import socket
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn
from litestar.types import ASGIApp

from sinkwell.control import control_address
from sinkwell.web.access import through_control_socket
from sinkwell.web.protocol import ProtocolLimits, hardened

_BACKLOG = 2048
_KEEP_ALIVE = 20
_START_POLL = 0.01
_AFTER_INTAKE = 5.0
"""Intake ends a body that rests, and says so. The protocol's own deadline comes later: it is for
bodies that nobody reads."""


class _Server(uvicorn.Server):
    """uvicorn, leaving signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """Bind a listening socket. Raises ``OSError``; port 0 takes any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def bind_control(data_dir: Path) -> socket.socket:
    """Bind the control socket in the data directory: the owner of the lock may replace it."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with control_address(data_dir) as address:
        Path(address).unlink(missing_ok=True)
        sock.bind(address)
        Path(address).chmod(0o600)
    sock.listen(_BACKLOG)
    return sock


@asynccontextmanager
async def serving(
    app: ASGIApp, public: socket.socket, control: socket.socket, *, body_idle: float, grace: float
) -> AsyncIterator[None]:
    """Serve until the block ends; then take no more, and give requests ``grace`` seconds."""
    servers = [
        (_server(app, body_idle, grace), public),
        (_server(through_control_socket(app), body_idle, grace), control),
    ]
    tasks = [asyncio.create_task(server.serve(sockets=[sock])) for server, sock in servers]
    try:
        while not all(server.started for server, _ in servers):
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(_START_POLL)
        yield
    finally:
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


def _server(app: ASGIApp, body_idle: float, grace: float) -> _Server:
    limits = ProtocolLimits(body_idle=body_idle + _AFTER_INTAKE)
    return _Server(
        uvicorn.Config(
            app,
            http=hardened(limits),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=int(grace),
        )
    )
