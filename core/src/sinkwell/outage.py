"""The one error that says the ledger cannot be written just now."""


class LedgerUnavailableError(Exception):
    """Nothing was written, and the reason may pass: a full disk, a database that is away."""
