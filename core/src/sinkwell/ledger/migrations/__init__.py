"""The schema's revisions, applied by Alembic."""

NEWEST = "0001"
"""The revision that this version of Sinkwell works with."""
