"""Errors of the clients of stores, as the operating system would tell them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ['as_os_error']


@contextmanager
def as_os_error(address: str) -> Iterator[None]:
    """Raise an OSError for whatever a store's client raises, so that callers know one kind.

    Its message names the address, which stores often leave out: "Access Denied".
    """
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except (FileNotFoundError, PermissionError) as err:
        if err.filename is not None:
            raise
        is_missing = isinstance(err, FileNotFoundError)
        number = errno.ENOENT if is_missing else errno.EACCES
        # A store that only says the name again, as s3fs does, has given no reason.
        reason = str(err) if ' ' in str(err) else os.strerror(number)
        raise type(err)(number, err.strerror or reason, address) from err
    except OSError:
        raise
    except Exception as err:
        raise OSError(errno.EIO, f'{type(err).__name__}: {err}', address) from err
