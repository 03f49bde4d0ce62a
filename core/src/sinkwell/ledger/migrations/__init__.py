"""The schema's revisions, applied by Alembic."""

NEWEST = "0004"
"""The revision that this version of Sinkwell works with."""
