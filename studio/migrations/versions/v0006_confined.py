"""A job that somebody asked for who is let in from elsewhere is known as such, so that the worker holds it to what is offered."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("is_confined", sa.Integer, nullable=False, server_default="0"))
