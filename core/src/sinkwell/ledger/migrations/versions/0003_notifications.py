"""Notifications: one event to one notifier."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of notifications."""
    op.create_table(
        "notifications",
        sa.Column("notifier", sa.String(length=64), nullable=False),
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at", sa.Float(precision=53), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("settled_at", sa.Float(precision=53), nullable=True),
        sa.CheckConstraint(
            "(due_at IS NULL) = (state NOT IN ('pending', 'leased'))", name="notified_or_due"
        ),
        sa.ForeignKeyConstraint(
            ["position"],
            ["events.position"],
        ),
        sa.PrimaryKeyConstraint("notifier", "position"),
        sqlite_with_rowid=False,
    )
    for name, columns in (
        ("notifications_due", ["notifier", "due_at"]),
        ("notifications_before", ["notifier", "subject", "position"]),
    ):
        op.create_index(
            name,
            "notifications",
            columns,
            unique=False,
            sqlite_where=sa.text("due_at IS NOT NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL"),
        )
    op.create_table(
        "notification_attempts",
        sa.Column("notifier", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Float(precision=53), nullable=False),
        sa.Column("ended_at", sa.Float(precision=53), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["notifier", "position"],
            ["notifications.notifier", "notifications.position"],
        ),
        sa.PrimaryKeyConstraint("notifier", "position", "epoch"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notifier_troubles",
        sa.Column("notifier", sa.String(length=64), nullable=False),
        sa.Column("failing_since", sa.Float(precision=53), nullable=False),
        sa.Column("disabled_at", sa.Float(precision=53), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("notifier"),
        sqlite_with_rowid=False,
    )
