"""Semantic segmentation: Fashionpedia and CCP as datasets of mmseg, which this imports."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mmseg.datasets import BaseSegDataset

from bgremoval_mm.datasets.base.checks import check_classes, check_files, one_of
from bgremoval_mm.datasets.base.segmentation import (
    SEGMENTATION_SUBSETS,
    CheckedPipeline,
    CheckLabelMap,
    insert_after,
)
from bgremoval_mm.datasets.formats.categories import (
    CCP_CLASSES,
    FASHIONPEDIA_CLASSES,
    IGNORED,
    palette,
    prepared_folder,
)
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError


class LabelMapDataset(CheckedPipeline, BaseSegDataset):
    """Photographs with label maps that ``tools/prepare_dataset.py`` made, and lists of them.

    A subclass gives ``METAINFO``, ``HOW_TO_GET`` and :meth:`subset_files`. The tool writes a list
    when all label maps of the subset are there, so a list says that the work is complete.
    Loading raises a FileNotFoundError if the list, an image or a label map is missing; a sample
    raises a ValueError if its label map has not one channel, not the size of its image, or a value
    that is not a class.
    """

    HOW_TO_GET: ClassVar[str] = ''

    def __init__(
        self,
        data_root: str | Path,
        subset: str = 'train',
        prepared: str | Path | None = None,
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        test_mode: bool | None = None,
        metainfo: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.subset = one_of('subset', subset, SEGMENTATION_SUBSETS)
        meta = self.meta()
        check_classes(type(self).__name__, metainfo, meta['classes'], "mmseg's BaseSegDataset")
        for name in ('reduce_zero_label', 'ignore_index'):
            allowed = {'reduce_zero_label': False, 'ignore_index': IGNORED}[name]
            if options.get(name, allowed) != allowed:
                msg = (
                    f'`{name}` of {type(self).__name__} must be {allowed}, but got '
                    f'{options[name]}: its label maps hold class indices from 0, and {IGNORED} for '
                    'what is ignored'
                )
                raise ArgumentError(msg)
        root = os.path.expanduser(data_root)  # noqa: PTH111 (mm datasets keep strings)
        made = Path(prepared).expanduser() if prepared else prepared_folder(root)
        file, maps, images = self.subset_files(subset)
        own = {
            'ann_file': str((made / file).absolute()),
            'data_prefix': {'img_path': images, 'seg_map_path': str((made / maps).absolute())},
        }
        super().__init__(
            data_root=root,
            pipeline=pipeline,
            test_mode=subset != 'train' if test_mode is None else test_mode,
            metainfo={**meta, **(metainfo or {})},
            **{**own, **options},
        )

    def meta(self) -> dict[str, Any]:
        """Return classes and palette."""
        return dict(self.METAINFO)

    def subset_files(self, subset: str) -> tuple[str, str, str]:
        """Return list of names and folder of label maps below `prepared`, and folder of images."""
        raise NotImplementedError

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> None:
        """Return None: other classes are refused, so that no index ever changes."""

    def with_checks(self, transforms: list[Callable[..., Any]]) -> list[Callable[..., Any]]:
        """Put the check of label maps behind what loads them."""
        check = CheckLabelMap(tuple(self._metainfo['classes']))
        return insert_after(
            transforms, lambda each: type(each).__name__ == 'LoadAnnotations', check
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return the annotations of all images, as mmseg's BaseSegDataset gives them."""
        if self.backend_args is not None:
            return list(super().load_data_list())
        if not Path(self.ann_file).is_file():
            msg = f'{self.ann_file}, the list of the label maps, is missing. {self.HOW_TO_GET}'
            raise FileNotFoundError(msg)
        samples = list(super().load_data_list())
        name = type(self).__name__
        check_files((each['img_path'] for each in samples), f'images of {name}', self.HOW_TO_GET)
        check_files(
            (each['seg_map_path'] for each in samples), f'label maps of {name}', self.HOW_TO_GET
        )
        return samples


# `force` replaces the placeholder of bgremoval_mm.registry.
@DATASETS.register_module(force=True)
class FashionpediaSemantic(LabelMapDataset):
    """Fashionpedia, label maps: 46 classes, or 47 with the background.

    ``python tools/prepare_dataset.py fashionpedia data/fashionpedia --label-maps`` draws the label
    maps into ``data/fashionpedia-prepared``. Pixels hold the category index, 0 to 45. The
    background is 255 and ignored in loss and metric, as in the paper; with `with_background` (and
    the tool's ``--with-background``) it is class 46.

    Args:
        data_root: Folder of the dataset.
        subset: ``'train'`` or ``'val'``; images of the latter are in ``test/``.
        with_background: Make the background a class.
        prepared: Folder of the label maps. Default: ``<data_root>-prepared``.
        pipeline: Transforms or their configs.
        test_mode: None: in every subset but ``'train'``.
        metainfo: Additions to the meta information; the classes cannot be changed.
        **options: What mmseg's BaseSegDataset takes: ``indices``, ``lazy_init``, ``ann_file``...

    Raises:
        ValueError: If an argument is not allowed.
        FileNotFoundError: If files are missing.

    Examples:
        >>> dict(type='FashionpediaSemantic', data_root='data/fashionpedia', subset='val')
    """

    METAINFO: ClassVar[dict[str, Any]] = {
        'classes': FASHIONPEDIA_CLASSES,
        'palette': palette(len(FASHIONPEDIA_CLASSES)),
    }
    HOW_TO_GET = (
        'To draw the label maps: `python tools/prepare_dataset.py fashionpedia data/fashionpedia '
        '--label-maps` (with --with-background for 47 classes)'
    )

    def __init__(self, *args: Any, with_background: bool = False, **options: Any) -> None:
        self.with_background = with_background
        super().__init__(*args, **options)

    def meta(self) -> dict[str, Any]:
        """Return classes and palette, with the background if it is a class."""
        if not self.with_background:
            return self.METAINFO
        return {
            'classes': (*FASHIONPEDIA_CLASSES, 'background'),
            'palette': [*palette(len(FASHIONPEDIA_CLASSES)), (0, 0, 0)],
        }

    def subset_files(self, subset: str) -> tuple[str, str, str]:
        """Return list of names and folder of label maps below `prepared`, and folder of images."""
        top = 'label_maps_with_background' if self.with_background else 'label_maps'
        return f'{top}/{subset}.txt', f'{top}/{subset}', 'train' if subset == 'train' else 'test'


@DATASETS.register_module(force=True)
class CCPSemantic(LabelMapDataset):
    """Clothing Co-Parsing, label maps: 58 classes, background ignored.

    ``python tools/prepare_dataset.py ccp`` gets and checks it, and writes label maps and lists into
    ``<data_root>-prepared``. Pixels hold the class index, which is CCP's label less one; the
    background is 255 and ignored in loss and metric. 80 % of the photographs train.

    Args:
        data_root: Folder of the dataset, e.g. ``'data/ccp'``.
        subset: ``'train'`` or ``'val'``.
        prepared: Folder of the label maps. Default: ``<data_root>-prepared``.
        pipeline: Transforms or their configs.
        test_mode: None: in every subset but ``'train'``.
        metainfo: Additions to the meta information; the classes cannot be changed.
        **options: What mmseg's BaseSegDataset takes: ``indices``, ``lazy_init``, ``ann_file``...

    Raises:
        ValueError: If an argument is not allowed.
        FileNotFoundError: If files are missing.
    """

    METAINFO: ClassVar[dict[str, Any]] = {
        'classes': CCP_CLASSES,
        'palette': palette(len(CCP_CLASSES)),
    }
    HOW_TO_GET = 'To get and prepare it: `python tools/prepare_dataset.py ccp`'

    def subset_files(self, subset: str) -> tuple[str, str, str]:
        """Return list of names and folder of label maps below `prepared`, and folder of images."""
        return f'label_maps/{subset}.txt', 'label_maps', 'photos'
