"""A job may be meant for one worker: what is loaded or let go is a matter of each worker's own memory."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("meant_for", sa.Text))
