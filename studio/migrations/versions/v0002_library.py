"""The library: files left where they are, thumbnails, words with full-text search, vectors, collections, stars."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# The words live in `texts`; the search index follows them by triggers, also through deletions that cascade.
SQLITE_WORDS = (
    "CREATE VIRTUAL TABLE texts_found USING fts5("
    "words, content='texts', content_rowid='id', tokenize='unicode61 remove_diacritics 2')",
    "CREATE TRIGGER texts_added AFTER INSERT ON texts BEGIN "
    "INSERT INTO texts_found (rowid, words) VALUES (new.id, new.words); END",
    "CREATE TRIGGER texts_removed AFTER DELETE ON texts BEGIN "
    "INSERT INTO texts_found (texts_found, rowid, words) VALUES ('delete', old.id, old.words); END",
    "CREATE TRIGGER texts_changed AFTER UPDATE ON texts BEGIN "
    "INSERT INTO texts_found (texts_found, rowid, words) VALUES ('delete', old.id, old.words); "
    "INSERT INTO texts_found (rowid, words) VALUES (new.id, new.words); END",
)
POSTGRESQL_WORDS = ("CREATE INDEX texts_found ON texts USING gin (to_tsvector('simple', words))",)


def _of_media(*, primary_key: bool = False) -> "sa.Column[str]":
    owner = sa.ForeignKey("media.id", ondelete="CASCADE")
    return sa.Column("media", sa.Text, owner, nullable=False, primary_key=primary_key)


def upgrade() -> None:
    op.add_column("media", sa.Column("is_stored", sa.Boolean, nullable=False, server_default=sa.true()))
    op.add_column("media", sa.Column("width", sa.Integer))
    op.add_column("media", sa.Column("height", sa.Integer))
    op.add_column("media", sa.Column("seconds", sa.Double))
    op.add_column("media", sa.Column("look", sa.BigInteger))
    op.create_index("media_by_age", "media", ["created"])
    op.create_table(
        "files",
        sa.Column("path", sa.Text, primary_key=True),
        _of_media(),
        sa.Column("num_bytes", sa.BigInteger, nullable=False),
        sa.Column("modified_ns", sa.BigInteger, nullable=False),
        sa.Column("added", sa.Double, nullable=False),
    )
    op.create_index("files_of_media", "files", ["media"])
    op.create_table(
        "refused_files",
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("num_bytes", sa.BigInteger, nullable=False),
        sa.Column("modified_ns", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table("thumbnails", _of_media(primary_key=True), sa.Column("webp", sa.LargeBinary, nullable=False))
    op.create_table(
        "texts",
        sa.Column("id", sa.Integer, primary_key=True),
        _of_media(),
        sa.Column("kind", sa.Text, sa.CheckConstraint("kind IN ('caption', 'tag', 'name', 'prompt')"), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.UniqueConstraint("media", "kind", "text"),
        sqlite_autoincrement=True,
    )
    op.create_index("texts_of_kind", "texts", ["kind", "text"])
    for statement in SQLITE_WORDS if op.get_bind().dialect.name == "sqlite" else POSTGRESQL_WORDS:
        op.execute(statement)
    op.create_table(
        "encoders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("modalities", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("is_ready", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.UniqueConstraint("name", "fingerprint"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "vectors",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("encoder", sa.Integer, sa.ForeignKey("encoders.id", ondelete="CASCADE"), nullable=False),
        _of_media(),
        sa.Column("piece", sa.Integer, nullable=False),
        sa.Column("start", sa.Double),
        sa.Column("stop", sa.Double),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("media", "encoder", "piece"),
        sqlite_autoincrement=True,
    )
    op.create_index("vectors_of_encoder", "vectors", ["encoder", "id"])
    op.create_table(
        "collections",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("created", sa.Double, nullable=False),
    )
    op.create_table(
        "collected",
        sa.Column("collection", sa.Integer, sa.ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
        _of_media(primary_key=True),
        sa.Column("added", sa.Double, nullable=False),
    )
    op.create_index("collected_media", "collected", ["media"])
    op.create_table("stars", _of_media(primary_key=True), sa.Column("added", sa.Double, nullable=False))
