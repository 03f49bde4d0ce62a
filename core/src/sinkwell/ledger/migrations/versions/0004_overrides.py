"""What a callback URL named in place of the routes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; files from before have lost theirs with the spool, or have none."""
    op.add_column("files", sa.Column("overrides", sa.Text(), nullable=True))
