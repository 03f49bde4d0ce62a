"""Bytes in: from the socket into the spool, once, within limits."""
