"""Paths and addresses in one form, so that two notations of one folder are known as one."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path, PurePosixPath

__all__ = ['is_same', 'is_url', 'lies_in', 'local_path', 'way_to']

# fsspec's two names of this machine's file system. Their rest is a path as it stands: not quoted.
_LOCAL = ('file://', 'local://')


def is_url(address: str | Path) -> bool:
    """Return whether an address is one for fsspec: ``scheme://...``."""
    return '://' in str(address)


def local_path(address: str | Path) -> Path | None:
    """Return the path of an address on this machine, or None for an address elsewhere."""
    text = str(address)
    for prefix in _LOCAL:
        if text.startswith(prefix):
            return Path(text.removeprefix(prefix))
    return None if is_url(text) else Path(address)


def lies_in(inner: str | Path, outer: str | Path) -> bool:
    """Return whether a file or folder lies in another or is the same, however they are written.

    Links, relative paths, ``..``, a second name of a store (``s3a``), and folders that are mounted
    twice do not hide it. Neither need exist; no store is asked.
    """
    store, forms = _normal_forms(inner)
    other, (outer_form, *_) = _normal_forms(outer)
    if store != other:
        return False
    if any(form.is_relative_to(outer_form) for form in forms):
        return True
    return not store and _is_among(forms[0], outer_form)


def is_same(one: str | Path, other: str | Path) -> bool:
    """Return whether two addresses are those of one file or folder; see `lies_in`."""
    return lies_in(one, other) and lies_in(other, one)


def way_to(inner: str | Path, outer: str | Path) -> str | None:
    """Return the path of a file or folder below another; None if it does not lie below it."""
    store, forms = _normal_forms(inner)
    other, (outer_form, *_) = _normal_forms(outer)
    if store != other:
        return None
    found = (form.relative_to(outer_form) for form in forms if form.is_relative_to(outer_form))
    return next((str(path) for path in found if path.parts), None)


def _normal_forms(address: str | Path) -> tuple[str, list[PurePosixPath]]:
    """Return the store of an address, nothing for this machine, and the paths that it may mean."""
    text = str(address)
    if is_url(text):
        text = text.rpartition('::')[2]  # what caches and archives lie in
    path = local_path(text)
    if path is not None:
        return '', [PurePosixPath(os.path.realpath(path))]
    scheme, _, rest = text.partition('://')
    host, slash, path_there = rest.lstrip('/').partition('/')
    container, at, behind = host.partition('@')
    # Azure: container@account. Elsewhere: user@host.
    host = container if scheme in ('abfs', 'abfss', 'az') or not at else behind
    literal = f'/{host}{slash}{path_there}'
    # In a file system `..` leads up; in an object store it is a name.
    return _class_of(scheme), [PurePosixPath(literal), PurePosixPath(posixpath.normpath(literal))]


def _class_of(scheme: str) -> str:
    """Return the name of the class that opens such addresses: one class, one store."""
    try:
        from fsspec.registry import known_implementations
    except ImportError:  # such an address cannot be opened then
        return scheme
    return str(known_implementations.get(scheme, {}).get('class', scheme))


def _is_among(inner: PurePosixPath, outer: PurePosixPath) -> bool:
    """Return whether a folder is one of those that a path leads through, by its number on disk."""
    for folder in (inner, *inner.parents):
        try:
            if os.path.samefile(folder, outer):  # noqa: PTH121
                return True
        except OSError:
            continue
    return False
