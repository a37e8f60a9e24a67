"""Bring a database to the newest schema with alembic; one made before alembic is taken in as it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from studio.errors import StudioError

FOLDER = Path(__file__).parent
VERSIONS = FOLDER / "versions"
FIRST = "0001"
# Programs from before alembic read this number of a SQLite file and refuse one that is newer than they are.
USER_VERSION = 2


def newest(versions: Path = VERSIONS) -> str:
    """Return the revision that a database should have."""
    head = _scripts(versions).get_current_head()
    assert head is not None
    return head


def upgrade(connection: Connection, current: str | None, versions: Path = VERSIONS) -> None:
    """Migrate from the revision `current` (None: a new or an old file), inside the caller's transaction.

    Raises StudioError if the database comes from a newer program.
    """
    known = {script.revision for script in _scripts(versions).walk_revisions()}
    if current is None:
        user_version = _user_version(connection)
        if user_version >= USER_VERSION:
            raise _newer(f"schema {user_version}")
    elif current not in known:
        raise _newer(f"schema {current}")
    config = _config(versions)
    config.attributes["connection"] = connection
    if current is None and inspect(connection).has_table("conversations"):
        command.stamp(config, FIRST)
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA user_version = {USER_VERSION}")


def _newer(found: str) -> StudioError:
    return StudioError(
        f"The studio's database has {found}, which this program does not know. "
        "Update the program, or point STUDIO_HOME to another folder."
    )


def _user_version(connection: Connection) -> int:
    if connection.dialect.name != "sqlite":
        return 0
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def _config(versions: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(versions).replace("%", "%%"))
    return config


def _scripts(versions: Path) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(versions))
