"""The tables of the studio's database as SQLAlchemy knows them; the files in `migrations/versions` make and change them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

metadata = MetaData()

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("preset", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("conversation", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("role", Text, CheckConstraint("role IN ('user', 'assistant')"), nullable=False),
    Column("content", Text, nullable=False),
    Column("job", Text, nullable=False),
    Column("created", Double, nullable=False),
    UniqueConstraint("job", "role"),
)
Index("messages_of_conversation", messages.c.conversation, messages.c.id)

# A medium is the bytes of one file: `id` is their SHA-256, `content_hash` that of what they decode to. `is_stored`: the
# file lies in the studio's media folder; else it was left where it is, and `files` says where. `look` is a hash of 64
# bits that near-copies nearly share. Sizes in pixels, `seconds` of sounds and videos. `compared` is when something that the
# studio made was compared with what was there before.
media = Table(
    "media",
    metadata,
    Column("id", Text, primary_key=True),
    Column("modality", Text, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("suffix", Text, nullable=False),
    Column("num_bytes", Integer, nullable=False),
    Column("created", Double, nullable=False),
    Column("is_stored", Boolean, nullable=False, server_default=true()),
    Column("width", Integer),
    Column("height", Integer),
    Column("seconds", Double),
    Column("look", BigInteger),
    Column("compared", Double),
)
Index("media_by_content", media.c.content_hash)
Index("media_by_age", media.c.created)

recipes = Table(
    "recipes",
    metadata,
    Column("media", Text, ForeignKey("media.id", ondelete="CASCADE"), primary_key=True),
    Column("recipe", Text, nullable=False),
    Column("created", Double, nullable=False),
)

# What the studio made and what it is the same as, or nearly so.
near_copies = Table(
    "near_copies",
    metadata,
    Column("media", Text, ForeignKey("media.id", ondelete="CASCADE"), primary_key=True),
    Column("original", Text, ForeignKey("media.id", ondelete="CASCADE"), primary_key=True),
)
Index("near_copies_of_original", near_copies.c.original)

# `worker` is who claimed a job; `meant_for` the one worker that may, where not every one may;
# `is_confined`: it may name only what whoever asked is offered.
jobs = Table(
    "jobs",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column(
        "state",
        Text,
        CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')"),
        nullable=False,
    ),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("cancel_requested", Integer, nullable=False, server_default="0"),
    Column("lease", Text),
    Column("lease_until", Double),
    Column("result", Text),
    Column("error", Text),
    Column("created", Double, nullable=False),
    Column("finished", Double),
    Column("priority", Integer, nullable=False, server_default="1"),
    Column("retries", Integer, nullable=False, server_default="0"),
    Column("worker", Text),
    Column("meant_for", Text),
    Column("is_confined", Integer, nullable=False, server_default="0"),
)
Index("jobs_by_state", jobs.c.state, jobs.c.priority, jobs.c.position)

# What holds for the whole studio; "paused" is there while no new work is begun.
settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("created", Double, nullable=False),
    sqlite_autoincrement=True,
)
Index("events_of_job", events.c.job, events.c.id)

previews = Table(
    "previews",
    metadata,
    Column("job", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("png", LargeBinary, nullable=False),
)

# Files of the person's own, left where they are; `modified_ns` and `num_bytes` tell whether one has changed.
files = Table(
    "files",
    metadata,
    Column("path", Text, primary_key=True),
    Column("media", Text, ForeignKey("media.id", ondelete="CASCADE"), nullable=False),
    Column("num_bytes", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
    Column("added", Double, nullable=False),
)
Index("files_of_media", files.c.media)

# Files that could not be read, and why: they are not tried again until they change.
refused_files = Table(
    "refused_files",
    metadata,
    Column("path", Text, primary_key=True),
    Column("num_bytes", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
)

# A small WebP of every medium: a picture itself, the waveform of a sound, a strip of a video.
thumbnails = Table(
    "thumbnails",
    metadata,
    Column("media", Text, ForeignKey("media.id", ondelete="CASCADE"), primary_key=True),
    Column("webp", LargeBinary, nullable=False),
)

# Words about a medium: kind is "caption", "tag", "name" or "prompt"; `source` is who wrote them. `words` is the text as
# full-text search reads it.
texts = Table(
    "texts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("media", Text, ForeignKey("media.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('caption', 'tag', 'name', 'prompt')"), nullable=False),
    Column("text", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("source", Text, nullable=False),
    UniqueConstraint("media", "kind", "text"),
    sqlite_autoincrement=True,
)
Index("texts_of_kind", texts.c.kind, texts.c.text)

# An encoder that media are indexed with. Of those with one name, the ready one answers; another is being filled.
encoders = Table(
    "encoders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("modalities", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("is_ready", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("name", "fingerprint"),
    sqlite_autoincrement=True,
)

# Unit vectors in float16, little-endian. Piece 0 is the whole medium, the others are windows of it, in seconds. Ids are never
# used again, which is what lets an index tell by their number and the largest whether it is up to date.
vectors = Table(
    "vectors",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("encoder", Integer, ForeignKey("encoders.id", ondelete="CASCADE"), nullable=False),
    Column("media", Text, ForeignKey("media.id", ondelete="CASCADE"), nullable=False),
    Column("piece", Integer, nullable=False),
    Column("start", Double),
    Column("stop", Double),
    Column("vector", LargeBinary, nullable=False),
    UniqueConstraint("media", "encoder", "piece"),
    sqlite_autoincrement=True,
)
Index("vectors_of_encoder", vectors.c.encoder, vectors.c.id)

collections = Table(
    "collections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created", Double, nullable=False),
)

collected = Table(
    "collected",
    metadata,
    Column("collection", Integer, ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    Column("media", Text, ForeignKey("media.id", ondelete="CASCADE"), primary_key=True),
    Column("added", Double, nullable=False),
)
Index("collected_media", collected.c.media)

stars = Table(
    "stars",
    metadata,
    Column("media", Text, ForeignKey("media.id", ondelete="CASCADE"), primary_key=True),
    Column("added", Double, nullable=False),
)
