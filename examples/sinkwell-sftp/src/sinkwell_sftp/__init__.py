"""The sink type ``sftp`` for Sinkwell: files on any server that speaks SFTP."""

from importlib import import_module

from sinkwell.contract import Capability, KeyLimits, Sink, SinkContext, SinkType, hookimpl
from sinkwell_sftp.settings import SftpSettings


async def open_sftp(settings: SftpSettings, context: SinkContext) -> Sink:
    """Open a sink. Raises ``UnusableError`` where that cannot work now."""
    # Half a second, mostly of cryptography: only who has such a sink shall wait for it.
    await context.run_blocking(import_module, "sinkwell_sftp.sink")
    from sinkwell_sftp.sink import open_sink

    return await open_sink(settings, context)


SFTP = SinkType(
    name="sftp",
    summary="A directory on an SFTP server; each file appears complete, under its name, or not.",
    settings=SftpSettings,
    open=open_sftp,
    capabilities=frozenset({Capability.READ, Capability.DELETE}),
    # Linux takes paths of 4,095 bytes; half of that is left to ``root``.
    key_limits=KeyLimits(key=2048, segment=255),
)


@hookimpl
def sinkwell_sinks() -> list[SinkType[SftpSettings]]:
    """Return the one type of this plugin."""
    return [SFTP]
