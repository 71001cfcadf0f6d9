"""Opening the database: SQLite in a file, PostgreSQL for many workers; tables by Alembic."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError as UrlError
from sqlalchemy.exc import NoSuchModuleError, OperationalError, SQLAlchemyError

from bgremoval_mm.removal.errors import ArgumentError, BgremovalError

__all__ = ['DatabaseError', 'DatabaseWait', 'explained', 'open_database']

logger = logging.getLogger(__name__)

_WAIT = 60  # seconds for which a connection waits for another one's lock
_DRIVERS = ('sqlite', 'postgresql+psycopg')
_PAUSE = 0.5  # seconds before a database that does not answer is asked again
_AWAY = 120.0  # seconds for which a database that has gone away is waited for
_LOCK = 0x62677265  # of PostgreSQL's advisory locks, the one held while tables are made


class DatabaseError(BgremovalError):
    """The database cannot be opened, or does not answer."""


def explained(error: OperationalError) -> DatabaseError:
    """Return the error of a database that does not answer, in words for people."""
    return DatabaseError(f'the database does not answer: {_reason(error)}')


_ON_POSTGRESQL = (
    "lock_timeout = '30s'",
    'tcp_keepalives_idle = 30',
    'tcp_keepalives_interval = 10',
    'tcp_keepalives_count = 3',
)


class DatabaseWait:
    """Waits for a database that has gone away, two minutes at most.

    Args:
        stop: Ends a wait once it is set.
    """

    def __init__(self, stop: Event) -> None:
        self._stop = stop
        self._since: float | None = None

    @contextmanager
    def over_errors(self) -> Iterator[None]:
        """Wait for a moment in place of an error; what was begun is left to the next try.

        Raises:
            DatabaseError: If the database has been away for two minutes.
        """
        try:
            yield
        except OperationalError as err:
            self._since = self._since or time.monotonic()
            if time.monotonic() - self._since > _AWAY:
                raise explained(err) from err
            logger.warning('the database does not answer: waiting')
            self._stop.wait(_PAUSE)
        else:
            self._since = None


def open_database(url: str) -> Engine:
    """Open a database, and bring its tables up to date.

    Args:
        url: ``sqlite:///PATH``, or ``postgresql+psycopg://USER:PASSWORD@HOST/NAME``.

    Raises:
        ArgumentError: If it is another kind of address.
        DatabaseError: If it cannot be reached, is not one of ours, or is one of a later version.
    """
    try:
        parsed = make_url(url)
    except UrlError:
        parsed = None
    if parsed is None or parsed.drivername not in _DRIVERS:
        msg = (
            '`database` must be sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME, '
            f'but got {_shown(url)!r}'
        )
        raise ArgumentError(msg)
    shown = parsed.render_as_string(hide_password=True)
    try:
        engine = _make_engine(url)
        with engine.begin() as connection:
            _migrate(connection)
    except (DatabaseError, SQLAlchemyError, NoSuchModuleError) as err:
        msg = f'cannot open the database {shown}: {_reason(err)}'
        raise DatabaseError(msg) from err
    return engine


def _make_engine(url: str) -> Engine:
    if url.startswith('sqlite'):
        engine = create_engine(url, connect_args={'timeout': _WAIT})
        event.listen(engine, 'connect', _set_up_sqlite)
        event.listen(engine, 'begin', _begin_sqlite)
        return engine
    engine = create_engine(
        url,
        pool_pre_ping=True,
        connect_args={
            'connect_timeout': 10,
            'application_name': 'bgremoval',
            # A connection that broke without a word is noticed within a minute, not after hours.
            'keepalives_idle': 30,
            'keepalives_interval': 10,
            'keepalives_count': 3,
            'tcp_user_timeout': 60_000,
        },
    )
    event.listen(engine, 'connect', _set_up_postgresql)
    return engine


def _set_up_postgresql(connection: Any, _: Any) -> None:
    # In the same way the server gives back what a machine that is gone has locked. Who else holds
    # a lock for long, as where files hang, is not waited for without end.
    kept, connection.autocommit = connection.autocommit, True
    for setting in _ON_POSTGRESQL:
        connection.execute(f'SET {setting}')
    connection.autocommit = kept


def _set_up_sqlite(connection: Any, _: Any) -> None:
    # The driver's own transactions begin late, and so can deadlock: SQLAlchemy begins them here.
    connection.isolation_level = None
    connection.execute('PRAGMA journal_mode = WAL')
    connection.execute('PRAGMA synchronous = FULL')  # what was accepted outlives a power failure
    connection.execute('PRAGMA foreign_keys = ON')


def _begin_sqlite(connection: Connection) -> None:
    # One writer at a time, and that from the first statement: what was read is still true when
    # it is written.
    connection.exec_driver_sql('BEGIN IMMEDIATE')


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == 'postgresql':  # SQLite's transaction has the only lock anyway
        connection.execute(text('SELECT pg_advisory_xact_lock(:key)'), {'key': _LOCK})
    # Alembic would report its parts as it is imported, and every opening.
    logging.getLogger('alembic').setLevel(logging.WARNING)
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option('script_location', str(Path(__file__).with_name('migrations')))
    config.attributes['connection'] = connection
    try:
        command.upgrade(config, 'head')
    except CommandError as err:  # its tables are not among those that we know
        msg = f'a later version of bgremoval_mm has made it ({err})'
        raise DatabaseError(msg) from err


def _reason(error: Exception) -> str:
    return str(getattr(error, 'orig', None) or error).strip().splitlines()[0]


def _shown(url: str) -> str:
    """Return an address without what may be a password."""
    _, at, tail = url.rpartition('@')
    return f'...@{tail}' if at else url
