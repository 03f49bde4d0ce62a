"""Fixtures that all tests may use."""

from sftp_place import disk, server

__all__ = ["disk", "server"]  # fixtures live by being found here
