"""How a copy of DeepFashion is had, and what is said where a part of it is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bgremoval_mm.utils.messages import what_is_at

__all__ = ['PAGE', 'check_file', 'how_to_get']

PAGE = 'https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html'


def how_to_get(dataset: Any) -> str:
    """Return a sentence that says how to get a benchmark.

    Args:
        dataset: Its class, with ``TITLE`` and ``NAME``.
    """
    return (
        f'DeepFashion is for non-commercial research and given to those who sign its agreement: '
        f'see {PAGE}, fetch the folder "{dataset.TITLE}" with its Anno, Eval and Img, unpack '
        f'Img/img.zip where it is, and check the copy with `python tools/prepare_dataset.py '
        f'{dataset.NAME} FOLDER`'
    )


def check_file(dataset: Any, path: Path) -> Path:
    """Return the path of a file or folder that a benchmark must have.

    Args:
        dataset: The dataset, with ``data_root``.
        path: The file, below that folder.

    Raises:
        FileNotFoundError: If it is not there.
    """
    if not path.exists():
        root = Path(dataset.data_root)
        msg = (
            f'`data_root` must be the folder of {type(dataset).__name__}, with '
            f'{path.relative_to(root)} in it, but {what_is_at(root)}. {how_to_get(type(dataset))}'
        )
        raise FileNotFoundError(msg)
    return path
