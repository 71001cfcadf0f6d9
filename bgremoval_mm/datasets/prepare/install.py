"""Putting a dataset in its place, in one step: from a download, a zip file or a folder."""

from __future__ import annotations

import argparse
import logging
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from bgremoval_mm.datasets.prepare.check_report import PreparationError
from bgremoval_mm.removal.io.scan import is_litter, walk
from bgremoval_mm.utils.messages import first_few, what_is_at

_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Layout:
    """What belongs to a dataset.

    Attributes:
        name: Name of the dataset.
        needed: Files and folders that must be there.
        kept: Beginnings of the names of other files that are kept, in lower case.
    """

    name: str
    needed: tuple[str, ...]
    kept: tuple[str, ...] = ('license', 'licence', 'readme')

    def wants(self, path: PurePosixPath) -> bool:
        """Tell whether a file belongs to it."""
        if any(map(is_litter, path.parts)):
            return False
        if path.parts[0] in self.needed:
            return True
        return len(path.parts) == 1 and path.name.lower().startswith(self.kept)

    def missing_in(self, names: set[str]) -> list[str]:
        """Return what is needed and not among the names."""
        return [name for name in self.needed if name not in names]


@dataclass(frozen=True)
class _Member:
    path: PurePosixPath
    size: int
    read: Callable[[], IO[bytes]]
    unreadable: str = ''


def is_there(dst: Path) -> bool:
    """Tell whether there is something in the folder of a dataset.

    Raises:
        PreparationError: If it is a file or a link to nowhere; if it is empty, and nothing can be
            moved to its place.
    """
    if dst.is_dir():
        if any(dst.iterdir()):
            return True
        # A folder is moved to this place once it is whole, which needs the place itself.
        if dst.is_symlink() or dst.is_mount() or dst.resolve() == Path.cwd():
            where = dst.resolve() / 'dataset'
            msg = (
                f'{dst} is empty, and a link, a mounted disk or the current folder: choose a '
                f'folder below it, such as {where}'
            )
            raise PreparationError(msg)
        return False
    if dst.is_symlink() or dst.exists():
        msg = f'{dst} must be a folder or not there, but is a file or a link to nowhere; remove it'
        raise PreparationError(msg)
    return False


def add_source_arguments(parser: argparse.ArgumentParser, dst: str) -> None:
    """Declare where a dataset that can be downloaded goes to, and where else it may come from."""
    parser.add_argument('--dst', type=Path, default=Path(dst), metavar='FOLDER')
    parser.add_argument(
        '--src',
        type=Path,
        metavar='FOLDER|ZIP',
        help='take a local copy: a folder, or a zip file (default: download)',
    )
    parser.add_argument('--link', action='store_true', help='link to the --src folder')


def obtain(layout: Layout, url: str, args: argparse.Namespace) -> str:
    """Get a dataset if it is not there yet, as `add_source_arguments` lets a user say.

    Returns:
        A sentence that says where it comes from.
    """
    if is_there(args.dst):
        note = f'{args.dst} was there already, so it was only checked'
        return note if args.src is None else f'{note}; to take {args.src} instead, move it away'
    if args.link:
        link(layout, args.src, args.dst)
    elif args.src is not None:
        install(layout, args.src, args.dst)
    else:
        download(layout, url, args.dst)
    return f'{args.src or url} was {"linked" if args.link else "copied"} to {args.dst}'


def obtain_any(layouts: Sequence[Layout], url: str, args: argparse.Namespace) -> str:
    """Get a dataset that comes in several layouts: :func:`obtain` with the first that fits.

    Args:
        layouts: The one at the URL, then others that a local copy may have.
        url: Where it is fetched from.
        args: As of :func:`add_source_arguments`.
    """
    first, *others = layouts
    if args.src is None or is_there(args.dst):
        return obtain(first, url, args)
    fits = _can_be_linked if args.link else can_be_copied
    return obtain(next((each for each in others if fits(each, args.src)), first), url, args)


def _can_be_linked(layout: Layout, src: Path) -> bool:
    return src.is_dir() and not layout.missing_in({path.name for path in src.iterdir()})


def can_be_copied(layout: Layout, src: Path) -> bool:
    """Tell whether a folder or a zip file holds a dataset in this layout."""
    try:
        with _members(src) as found:
            _below_top(layout, found, src)
    except PreparationError:
        return False
    return True


def install(layout: Layout, src: Path, dst: Path, progress: bool = True, shown: str = '') -> None:
    """Copy a dataset from a folder or a zip file.

    The copy is made in a temporary folder beside `dst`, and moved when it is complete. Only what
    belongs to the dataset is taken.

    Args:
        layout: What belongs to it.
        src: A folder or a zip file, that holds the dataset or one folder with it.
        dst: The folder to put it in, which is empty or not there.
        progress: Show a progress bar, if there is a terminal.
        shown: Where `src` comes from, for errors; itself if empty.

    Raises:
        PreparationError: If `src` is not the dataset, is damaged, cannot be read, or does not fit
            on the disk.
        OSError: As the file system reports it.
    """
    shown = shown or str(src)
    with _members(src) as found:
        members = _below_top(layout, found, shown)
        lost = [f'{each.path}: {each.unreadable}' for each in members if each.unreadable]
        if lost:
            msg = f'{shown} cannot be read: {first_few(lost)}'
            raise PreparationError(msg)
        with _beside(dst) as temporary:
            free = shutil.disk_usage(temporary).free
            size = sum(member.size for member in members)
            if size > free:
                msg = f'{dst} needs {size:,} bytes, but its disk has {free:,} left'
                raise PreparationError(msg)
            new = temporary / dst.name
            for member in tqdm(
                members, 'Copying', unit=' files', disable=None if progress else True
            ):
                _copy(member, new / member.path, shown)
            new.rename(dst)


def link(layout: Layout, src: Path, dst: Path) -> None:
    """Make a symbolic link to a folder that holds the dataset.

    Raises:
        PreparationError: If it is not the dataset.
    """
    if not _can_be_linked(layout, src):
        msg = f'--link needs a folder with {", ".join(layout.needed)}, but {what_is_at(src)}'
        raise PreparationError(msg)
    dst.parent.mkdir(parents=True, exist_ok=True)
    if dst.is_dir():
        dst.rmdir()  # empty, see is_there
    dst.symlink_to(src.resolve())


def download(layout: Layout, url: str, dst: Path, progress: bool = True) -> None:
    """Fetch the zip file of a dataset and install it.

    Raises:
        PreparationError: If it cannot be fetched or is not the dataset.
    """
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)
    downloader = pooch.HTTPDownloader(
        progressbar=progress, timeout=_TIMEOUT_SECONDS, chunk_size=1 << 20
    )
    with _beside(dst) as temporary:
        try:
            # No hash: the archive is packed again for each download. Its content is checked later.
            file = pooch.retrieve(url, None, 'archive.zip', temporary, downloader=downloader)
        except Exception as err:
            # pooch raises whatever requests and the file system raise.
            raise _not_fetched(layout, url, err) from err
        if not zipfile.is_zipfile(file):  # but the page of a proxy, perhaps
            raise _not_fetched(layout, url, 'what came is not a zip file')
        install(layout, Path(file), dst, progress, url)


def _not_fetched(layout: Layout, url: str, reason: object) -> PreparationError:
    return PreparationError(
        f'{layout.name} could not be fetched from {url}: {reason}\nFetch it by other means and '
        'name the zip file, or the folder that it unpacks to, by --src.'
    )


@contextmanager
def _beside(dst: Path) -> Iterator[Path]:
    """Make a temporary folder on the disk of `dst`, so that a move from there is atomic."""
    dst.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=dst.parent, prefix=f'.tmp-{dst.name}-') as folder:
        yield Path(folder)


@contextmanager
def _members(src: Path) -> Iterator[list[_Member]]:
    """List the files of a folder or a zip file."""
    if src.is_dir():
        yield list(_in_folder(src))
    elif src.is_file() and zipfile.is_zipfile(src):
        with _open_zip(src) as archive:
            yield list(_in_zip(archive, src))
    else:
        raise _no_source(src)


def _open_zip(src: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(src)
    except zipfile.BadZipFile as err:  # its end is there, its list of files is damaged
        raise _no_source(src) from err


def _no_source(src: Path) -> PreparationError:
    state = 'is not a zip file, or a damaged one' if src.exists() else 'does not exist'
    return PreparationError(f'--src must be a folder or a zip file, but {src} {state}')


def _in_folder(root: Path) -> Iterator[_Member]:
    for entry in walk(root):
        file = root / entry.path
        if entry.path == '.':
            msg = f'{root} cannot be read: {entry.unreadable}'
            raise PreparationError(msg)
        if not entry.ignored:
            size = 0 if entry.unreadable else file.stat().st_size
            path = PurePosixPath(entry.path)
            yield _Member(path, size, partial(_open, file), entry.unreadable)


def _open(file: Path) -> IO[bytes]:
    return file.open('rb')


def _in_zip(archive: zipfile.ZipFile, src: Path) -> Iterator[_Member]:
    for info in archive.infolist():
        name = _name_in_zip(info)
        path = PurePosixPath(name)
        if path.is_absolute() or '..' in path.parts or '\\' in name:
            msg = f'{src} holds the unsafe path {name!r}; nothing was unpacked'
            raise PreparationError(msg)
        if stat.S_ISLNK(info.external_attr >> 16):
            msg = f'{src} holds the link {name!r}; nothing was unpacked'
            raise PreparationError(msg)
        if not info.is_dir():
            yield _Member(path, info.file_size, partial(archive.open, info))


def _name_in_zip(info: zipfile.ZipInfo) -> str:
    """Return the name of a file: a guess where the archive does not say that it is UTF-8."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        raw = info.filename.encode('cp437')  # which zipfile took it for
    except UnicodeEncodeError:  # it has read the true name from a field of its own
        return info.filename
    for encoding in ('utf-8', 'cp932'):  # Macs do not say it; Windows in Japan
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return info.filename


def _below_top(layout: Layout, members: Sequence[_Member], src: Path | str) -> list[_Member]:
    """Return the files that belong to the dataset, with paths from its own folder on."""
    # A Mac adds a folder of its own to archives, and hidden files to folders.
    members = [member for member in members if member.path.parts[0] != '__MACOSX']
    held = {member.path.parts[0] for member in members}
    tops = {name for name in held if not is_litter(name)}
    if len(tops) == 1 and layout.missing_in(tops):
        members = [
            replace(member, path=PurePosixPath(*member.path.parts[1:]))
            for member in members
            if len(member.path.parts) > 1 and member.path.parts[0] in tops
        ]
    wanted = [member for member in members if layout.wants(member.path)]
    missing = layout.missing_in({member.path.parts[0] for member in wanted})
    if missing:
        msg = (
            f'{src} is not {layout.name}: it must hold {", ".join(layout.needed)}, or one folder '
            f'that does, but has no {", ".join(missing)}; it holds {first_few(sorted(held))}'
        )
        raise PreparationError(msg)
    return wanted


def _copy(member: _Member, target: Path, src: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with member.read() as source, target.open('xb') as file:
            shutil.copyfileobj(source, file)
    except (FileExistsError, NotADirectoryError) as err:
        msg = f'{src} holds {member.path} more than once'
        raise PreparationError(msg) from err
    except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError) as err:
        msg = f'{src} is damaged: {member.path}: {err}'
        raise PreparationError(msg) from err
