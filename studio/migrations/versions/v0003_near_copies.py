"""What the studio made is compared with the library once: when that was, and what it is nearly the same as."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _of_media(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, sa.ForeignKey("media.id", ondelete="CASCADE"), primary_key=True)


def upgrade() -> None:
    op.add_column("media", sa.Column("compared", sa.Double))
    # Until now the comparison came with the thumbnail.
    op.execute("UPDATE media SET compared = created WHERE id IN (SELECT media FROM thumbnails)")
    op.create_table("near_copies", _of_media("media"), _of_media("original"))
    op.create_index("near_copies_of_original", "near_copies", ["original"])
