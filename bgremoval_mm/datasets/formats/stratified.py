"""A re-split by class that depends on the names of the images alone.

FashionStyle14's own lists do not fit its images; whoever uses another split must be able to name
it, and to get the same one on another machine, years later. So the order in which a class is dealt
out is that of a hash of each name, not of a random generator's state.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bgremoval_mm.datasets.base.class_folders import images_by_class
from bgremoval_mm.datasets.base.classification import SUBSETS
from bgremoval_mm.datasets.formats.split_lists import TOP, encode_list, label_of, nfc
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.sampling import hash_order

TEST_SHARE = 0.35
VAL_SHARE = 0.05


def stratify(paths: Iterable[str], seed: int) -> dict[str, list[str]]:
    """Deal the images of each class out: 35 % test, 5 % validation, the rest training.

    Args:
        paths: ``dataset/<class>/<file>``.
        seed: Another number gives another split.

    Returns:
        Sorted paths in NFC by subset, in the order train, val, test.

    Raises:
        ValueError: If a class has too few images to be in every subset.
    """
    by_class: dict[str, list[str]] = {}
    for path in sorted(set(map(nfc, paths))):
        by_class.setdefault(label_of(path), []).append(path)
    subsets: dict[str, list[str]] = {name: [] for name in SUBSETS}
    for label, members in by_class.items():
        members.sort(key=lambda path: hash_order(path, seed))
        tests = round(TEST_SHARE * len(members))
        vals = round(VAL_SHARE * len(members))
        parts = {
            'train': members[tests + vals :],
            'val': members[tests : tests + vals],
            'test': members[:tests],
        }
        empty = [name for name, part in parts.items() if not part]
        if empty:
            msg = (
                f'the class {label} has {len(members)} images, too few to be split 60/5/35: '
                f'{", ".join(empty)} would hold none'
            )
            raise ArgumentError(msg)
        for name, part in parts.items():
            subsets[name] += sorted(part)
    return subsets


def split_folder(root: Path, seed: int, split_dir: Path | None = None) -> Path:
    """Return the folder of the lists of a re-split."""
    return (split_dir or root / 'splits') / f'stratified_seed{seed}'


def ensure_lists(
    root: Path, classes: Sequence[str], seed: int, split_dir: Path | None = None
) -> dict[str, Path]:
    """Return the files of a re-split, which are written if they are not there yet.

    What is there is used as it is, so that a split never changes under a run. The lists appear all
    at once, and several processes may ask for them at the same time.

    Args:
        root: Folder of the dataset.
        classes: Its classes.
        seed: Which re-split.
        split_dir: Folder for re-splits in place of ``<root>/splits``.

    Returns:
        File by subset.

    Raises:
        OSError: If they cannot be written, or stand there in part only.
    """
    folder = split_folder(root, seed, split_dir)
    files = {name: folder / f'{name}.csv' for name in SUBSETS}
    if not folder.exists():
        paths = [f'{TOP}/{path}' for path in images_by_class(root / TOP, classes)]
        _write_all(folder, stratify(paths, seed))
    lost = [file.name for file in files.values() if not file.is_file()]
    if lost:
        msg = f'{folder} must hold {lost}; delete the folder, and it is made again'
        raise FileNotFoundError(msg)
    return files


def _write_all(folder: Path, subsets: Mapping[str, Sequence[str]]) -> None:
    contents = {name: encode_list(paths) for name, paths in subsets.items()}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix='.tmp-'))
    except OSError as err:
        msg = (
            f'the re-split cannot be written to {folder} ({err.strerror}). If the dataset must '
            'not be written to, name another folder by `split_dir`, --split-dir of '
            'tools/prepare_dataset.py.'
        )
        raise OSError(msg) from err
    try:
        lists = temporary / folder.name  # mkdtemp's own folder is readable by its owner only
        lists.mkdir()
        for name, content in contents.items():
            write_atomically(lists / f'{name}.csv', content)
        try:
            lists.rename(folder)
        except OSError:
            # Another process was faster, and has written the same.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
