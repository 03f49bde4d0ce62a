"""Fixtures that all tests may use."""

from sftp_place import destination, disk, section, server

__all__ = ["destination", "disk", "section", "server"]  # fixtures live by being found here
