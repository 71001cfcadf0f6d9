"""Route: what is done with one type of product."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bgremoval_mm.pipeline.files import check_name
from bgremoval_mm.pipeline.gate import Gate
from bgremoval_mm.pipeline.live import LIVE
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.addresses import is_url
from bgremoval_mm.removal.options import OutputOptions
from bgremoval_mm.removal.zoo.catalogue import get_model

__all__ = ['DEFAULT', 'Route']


@dataclass(frozen=True)
class Route:
    """What is done with one type of product.

    Attributes:
        name: Of the route: the product type.
        match: Patterns of names, such as ``shoes/*``, of which one must fit; ``*`` also stands for
            slashes. Letter case counts.
        model: Network of the catalogue, or its file; ``live`` is the one that is live, see `live`.
        output: What is published; its `second_model` makes a mask to compare with, for the gate.
        folder: Where it is published, below the folder of published results.
        publish: Address in the place of that folder, such as ``s3://bucket/results``.
        gate: Which masks go to review.
        types: Product types, of which the photo must have one; none: every photo fits.
    """

    name: str
    match: tuple[str, ...] = ('*',)
    model: str = 'u2net'
    output: OutputOptions = field(default_factory=lambda: OutputOptions(output='rgba'))
    folder: str = ''
    gate: Gate = field(default_factory=Gate)
    types: tuple[str, ...] = ()
    publish: str = ''

    def __post_init__(self) -> None:
        if self.model != LIVE:
            get_model(self.model)
        if self.output.output not in ('rgba', 'rgb', 'mask'):
            msg = f"`output` must be 'rgba', 'rgb' or 'mask', but got {self.output.output!r}"
            raise ArgumentError(msg)
        try:
            is_absolute = Path(self.folder).is_absolute()
            check_name('' if is_absolute else self.result_name('photo.jpg'))
        except ArgumentError:
            msg = (
                '`folder` must stay below the published results, and not be one that the pipeline '
                f'uses itself, but got {self.folder!r}'
            )
            raise ArgumentError(msg) from None
        if self.publish and not is_url(self.publish):
            msg = (
                '`publish` must be an address such as s3://bucket/results, '
                f'but got {self.publish!r}'
            )
            raise ArgumentError(msg)

    @property
    def models(self) -> tuple[str, ...]:
        """Its networks: the one whose masks are used, and the second one if there is one."""
        second = self.output.second_model
        return (self.model,) if second is None else (self.model, str(second))

    def result_name(self, name: str) -> str:
        """Return where the result of a photo is published: its whole name, and the format's end.

        The photo's own ending is kept, so that a.jpg and a.png do not have one result.
        """
        ending = {'jpeg': 'jpg'}.get(self.output.file_format, self.output.file_format)
        return str(PurePosixPath(self.folder.strip('/'), f'{name}.{ending}'))


DEFAULT = Route('default')
