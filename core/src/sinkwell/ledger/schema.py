"""The tables. Times are seconds since 1970, ids are text, structured values are JSON text.

Every index is paid for by each callback, so there are only those that something on a file's way
needs. SQLite keeps most tables by their primary key alone (``WITHOUT ROWID``): one tree, not two.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

callbacks = Table(
    "callbacks",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("source", String(64), nullable=False),
    Column("deduplication_key", Text),
    Column("provider_id", Text, nullable=False),
    Column("provider_status", Text, nullable=False),
    Column("succeeded", Boolean, nullable=False),
    Column("received_at", Float(53), nullable=False),
    # sha256 over the files' digests in their order: whether a repeat brings the same bytes
    Column("content", String(64)),
    UniqueConstraint("source", "deduplication_key", name="one_callback_per_key"),
    sqlite_with_rowid=False,
)

files = Table(
    "files",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("callback_id", String(32), ForeignKey("callbacks.id"), nullable=False),
    Column("source", String(64), nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("spool_id", String(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("media_type", Text, nullable=False),
    Column("extension", Text, nullable=False),
    Column("name", Text),
    Column("labels", Text, nullable=False),
    # key templates by sink that the callback URL named in place of the routes
    Column("overrides", Text),
    Column("received_at", Float(53), nullable=False),
    # fetching: but a link is there yet; open: a delivery is not final; finished: all are, one is
    # stored; failed: none is stored, or it could not be fetched; unrouted: there are none;
    # quarantined: the spool's copy is damaged, or it is not what its sender claims
    Column("state", String(16), nullable=False),
    # when the spool may let go of it; null while deliveries are open, and for unrouted files
    Column("release_at", Float(53)),
    Column("released", Boolean, nullable=False),
    Index(
        "files_release",
        "release_at",
        sqlite_where=text("release_at IS NOT NULL AND NOT released"),
        postgresql_where=text("release_at IS NOT NULL AND NOT released"),
    ),
    sqlite_with_rowid=False,
)

# Files that callbacks point to. The address may hold a secret: lists never show it.
fetches = Table(
    "fetches",
    metadata,
    Column("file_id", String(32), ForeignKey("files.id"), primary_key=True),
    # a repeat of the callback may renew the link
    Column("callback_id", String(32), nullable=False),
    Column("source", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("expires_at", Float(53)),
    # pending, leased, fetched, failed
    Column("state", String(16), nullable=False),
    # as with deliveries
    Column("due_at", Float(53)),
    Column("epoch", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    CheckConstraint("(due_at IS NULL) = (state NOT IN ('pending', 'leased'))", name="due_or_over"),
    Index("fetches_of_callback", "callback_id"),
    Index(
        "fetches_due",
        "source",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

fetch_attempts = Table(
    "fetch_attempts",
    metadata,
    Column("file_id", String(32), ForeignKey("fetches.file_id"), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("started_at", Float(53), nullable=False),
    Column("ended_at", Float(53), nullable=False),
    # stored, transient, rejected, misbehaved, interrupted
    Column("outcome", String(16), nullable=False),
    Column("error", Text),
    Column("bytes", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("file_id", String(32), ForeignKey("files.id"), nullable=False),
    Column("sink", String(64), nullable=False),
    Column("key", Text, nullable=False),
    Column("state", String(16), nullable=False),
    # when a worker may claim it: the time of the next try while pending, the lease's end while
    # leased; null once final
    Column("due_at", Float(53)),
    # counts claims; a worker settles only under the epoch that it claimed
    Column("epoch", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("location", Text),
    Column("created_at", Float(53), nullable=False),
    Column("settled_at", Float(53)),
    CheckConstraint("(due_at IS NULL) = (state NOT IN ('pending', 'leased'))", name="due_or_final"),
    UniqueConstraint("file_id", "sink", name="one_delivery_per_sink"),
    Index(
        "deliveries_due",
        "sink",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

attempts = Table(
    "attempts",
    metadata,
    Column("delivery_id", String(32), ForeignKey("deliveries.id"), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("started_at", Float(53), nullable=False),
    Column("ended_at", Float(53), nullable=False),
    # stored, transient, rejected, unusable, misbehaved, interrupted
    Column("outcome", String(16), nullable=False),
    Column("error", Text),
    Column("bytes", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    # with SQLite's own name for it, the key is the row's number: no second tree
    Column(
        "position",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("id", String(32), nullable=False),
    Column("type", String(64), nullable=False),
    Column("at", Float(53), nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", Text, nullable=False),
)

# One row: the last position of the log. Updating it puts writers in one order, so positions have
# no gaps on any database.
event_head = Table(
    "event_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
)

# How far each notifier has been told.
cursors = Table(
    "cursors",
    metadata,
    Column("notifier", String(64), primary_key=True),
    Column("position", BigInteger, nullable=False),
)

# One event to one notifier: planned in the transaction that moves the notifier's cursor past it.
notifications = Table(
    "notifications",
    metadata,
    Column("notifier", String(64), primary_key=True),
    Column(
        "position",
        BigInteger().with_variant(Integer, "sqlite"),
        ForeignKey("events.position"),
        primary_key=True,
    ),
    Column("subject", Text, nullable=False),
    # pending, leased, sent, rejected, exhausted
    Column("state", String(16), nullable=False),
    # as that of a delivery
    Column("due_at", Float(53)),
    Column("epoch", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("created_at", Float(53), nullable=False),
    Column("settled_at", Float(53)),
    CheckConstraint(
        "(due_at IS NULL) = (state NOT IN ('pending', 'leased'))", name="notified_or_due"
    ),
    Index(
        "notifications_due",
        "notifier",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    # what an ordered notifier must be told first
    Index(
        "notifications_before",
        "notifier",
        "subject",
        "position",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

notification_attempts = Table(
    "notification_attempts",
    metadata,
    Column("notifier", String(64), primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("started_at", Float(53), nullable=False),
    Column("ended_at", Float(53), nullable=False),
    # sent, or as those of deliveries
    Column("outcome", String(16), nullable=False),
    Column("error", Text),
    ForeignKeyConstraint(
        ["notifier", "position"], ["notifications.notifier", "notifications.position"]
    ),
    sqlite_with_rowid=False,
)

# What is remembered of a notifier that does not work; without a row, all is well.
notifier_troubles = Table(
    "notifier_troubles",
    metadata,
    Column("notifier", String(64), primary_key=True),
    # when the first of the attempts failed that have all failed since
    Column("failing_since", Float(53), nullable=False),
    # once set, it is told nothing until someone enables it
    Column("disabled_at", Float(53)),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)
