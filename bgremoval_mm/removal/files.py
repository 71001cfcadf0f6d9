"""Files that are whole or not there: written under a temporary name, then moved."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

_HOST = socket.gethostname().replace('-', '_')[:40]
_SUFFIX = '.part'

# Only setting the mask tells what it is. Done once, here, because it is not safe with threads.
_UMASK = os.umask(0)
os.umask(_UMASK)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that no reader, and no later run, ever sees a part of it.

    Raises:
        OSError: As the file system reports it; nothing is left behind then.
    """
    prefix = f'.tmp-{_HOST}-{os.getpid()}-'
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=_SUFFIX)
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(content)
        # mkstemp makes files that only their owner can read.
        Path(temporary).chmod(0o666 & ~_UMASK)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def sweep_leftovers(folder: Path) -> None:
    """Delete the temporary files that killed processes of this machine left in a folder."""
    for path in folder.glob(f'.tmp-{_HOST}-*{_SUFFIX}'):
        pid = path.name.removeprefix(f'.tmp-{_HOST}-').partition('-')[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
