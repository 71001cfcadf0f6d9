"""How a copy of DeepFashion is had, which takes an agreement."""

from __future__ import annotations

from typing import ClassVar

__all__ = ['PAGE', 'UnderAgreement']

PAGE = 'https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html'


class UnderAgreement:
    """A benchmark of DeepFashion, beside a :class:`PublishedDataset`."""

    PAGE: ClassVar[str] = PAGE
    #: The folder that has it, at the place from which it is fetched.
    TITLE: ClassVar[str]
    #: What ``tools/prepare_dataset.py`` calls it.
    NAME: ClassVar[str]

    @classmethod
    def how_to_get(cls) -> str:
        """Return a sentence, without its full stop, that says how to get the benchmark."""
        return (
            'DeepFashion is for non-commercial research and given to those who sign its agreement: '
            f'see {PAGE}, fetch the folder "{cls.TITLE}" with its Anno, Eval and Img, unpack '
            'Img/img.zip where it is, and check the copy with `python tools/prepare_dataset.py '
            f'{cls.NAME} FOLDER`'
        )
