"""Instance segmentation: Fashionpedia and CCP as datasets of mmdet, which this imports."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mmdet.datasets import CocoDataset
from mmdet.datasets.api_wrappers import COCO
from mmengine.logging import print_log

from bgremoval_mm.datasets.base.checks import check_classes, check_files, one_of
from bgremoval_mm.datasets.base.segmentation import (
    SEGMENTATION_SUBSETS,
    CheckedPipeline,
    CheckImageSize,
    insert_after,
    nested,
)
from bgremoval_mm.datasets.formats.categories import (
    CCP_CLASSES,
    FASHIONPEDIA_CLASSES,
    palette,
    prepared_folder,
)
from bgremoval_mm.datasets.formats.coco import check_coco, read_coco
from bgremoval_mm.datasets.pipeline import is_image_loader
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError

CROWD_POLICIES = ('ignore', 'instance')


class InstanceDataset(CheckedPipeline, CocoDataset):
    """A COCO dataset that knows its classes and files, and looks at them before training.

    A subclass gives ``METAINFO``, ``HOW_TO_GET`` and :meth:`subset_files`.

    Loading raises a FileNotFoundError if the annotation file or an image is missing, and a
    ValueError if the file is of another kind, has other categories, an id twice or outside the
    table, or a mask that is not of its image's size. It logs how many annotations are polygons,
    run-length codes and crowds.
    """

    HOW_TO_GET: ClassVar[str] = ''

    def __init__(
        self,
        data_root: str | Path,
        subset: str = 'train',
        ann_file: str = '',
        data_prefix: Mapping[str, str] | None = None,
        crowd_policy: str = 'ignore',
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        test_mode: bool | None = None,
        metainfo: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.subset = one_of('subset', subset, SEGMENTATION_SUBSETS)
        self.crowd_policy = one_of('crowd_policy', crowd_policy, CROWD_POLICIES)
        name = type(self).__name__
        check_classes(name, metainfo, self.METAINFO['classes'], "mmdet's CocoDataset")
        root = os.path.expanduser(data_root)  # noqa: PTH111 (mm datasets keep strings)
        own_file, own_images = self.subset_files(root, subset)
        super().__init__(
            data_root=root,
            ann_file=str(ann_file or own_file),
            data_prefix=dict(data_prefix or {'img': own_images}),
            pipeline=pipeline,
            test_mode=subset != 'train' if test_mode is None else test_mode,
            metainfo=metainfo,
            **options,
        )

    @staticmethod
    def subset_files(root: str, subset: str) -> tuple[str, str]:
        """Return a subset's annotation file and folder of images: absolute, or below the root."""
        raise NotImplementedError

    def with_checks(self, transforms: list[Callable[..., Any]]) -> list[Callable[..., Any]]:
        """Require bitmap masks, and check that images have the size of their annotations."""
        for each in nested(transforms):
            if getattr(each, 'with_mask', False) and not getattr(each, 'poly2mask', True):
                msg = (
                    f'`poly2mask` of {type(each).__name__} must be True for '
                    f'{type(self).__name__}, but got False: mmdet would silently ignore every mask '
                    'that is a run-length code'
                )
                raise ArgumentError(msg)
        return insert_after(transforms, is_image_loader, CheckImageSize())

    def COCOAPI(self, path: str) -> COCO:  # noqa: N802 (mmdet's name for what reads the file)
        """Read and check the annotation file. mmdet reads it by calling this."""
        content = read_coco(Path(path))
        tally = check_coco(content, self.METAINFO['classes'], self.ann_file)
        print_log(
            f'{type(self).__name__} {self.subset}: {tally}; crowd_policy={self.crowd_policy!r}',
            'current',
            logging.INFO,
        )
        coco = COCO()
        coco.dataset = content
        with contextlib.redirect_stdout(io.StringIO()):  # 'creating index...'
            coco.createIndex()
        # mmdet's names of the indices, which it sets before there are any.
        coco.img_ann_map, coco.cat_img_map = coco.imgToAnns, coco.catToImgs
        return coco

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return the annotations of all images, as mmdet's CocoDataset gives them."""
        remote = self.backend_args is not None
        if not remote and not Path(self.ann_file).is_file():
            msg = f'{self.ann_file} is missing. {self.HOW_TO_GET}'
            raise FileNotFoundError(msg)
        samples = list(super().load_data_list())
        if not remote:
            check_files(
                (sample['img_path'] for sample in samples),
                f'images of {type(self).__name__}',
                self.HOW_TO_GET,
            )
        return samples

    def parse_data_info(self, raw_data_info: dict[str, Any]) -> dict[str, Any]:
        """Return the annotation of one image, crowds according to the policy."""
        annotations = []
        for each in raw_data_info['raw_ann_info']:
            if not each['segmentation']:
                # mmdet ignores an instance whose polygon cannot be drawn, but fails without any.
                each = {**each, 'segmentation': [[]]}
            if self.crowd_policy == 'instance':
                each = {**each, 'iscrowd': 0}
            annotations.append(each)
        sample = {**raw_data_info, 'raw_ann_info': annotations}
        return dict(super().parse_data_info(sample))


# `force` replaces the placeholder of bgremoval_mm.registry.
@DATASETS.register_module(force=True)
class Fashionpedia(InstanceDataset):
    """Fashionpedia, instances: 45,623 photographs for training and 1,158 for validation.

    Reads ``<data_root>/annotations/instances_attributes_{train,val}2020.json``, and images from
    ``train/`` and, for validation, ``test/``. ``python tools/prepare_dataset.py fashionpedia
    data/fashionpedia`` checks a copy. 46 categories, the last 19 parts of garments; attributes are
    left out.

    Args:
        data_root: Folder of the dataset.
        subset: ``'train'`` or ``'val'``.
        ann_file: Annotation file in place of the subset's, e.g. one with fewer images.
        data_prefix: ``dict(img=...)`` in place of the subset's folder.
        crowd_policy: What a crowd is in training: ``'ignore'`` (neither garment nor background), or
            an ``'instance'`` as others are. CocoMetric reads its own annotation file, in which
            crowds stay crowds.
        pipeline: Transforms or their configs. ``LoadAnnotations`` must have ``poly2mask=True``.
        test_mode: None: in every subset but ``'train'``.
        metainfo: Additions to the meta information; the classes cannot be changed.
        **options: What mmdet's CocoDataset takes: ``filter_cfg``, ``indices``, ``lazy_init``...

    Raises:
        ValueError: If an argument is not allowed, or as the annotations are loaded.
        FileNotFoundError: If files are missing.

    Examples:
        >>> dict(type='Fashionpedia', data_root='data/fashionpedia', subset='val', pipeline=[...])
    """

    METAINFO: ClassVar[dict[str, Any]] = {
        'classes': FASHIONPEDIA_CLASSES,
        'palette': palette(len(FASHIONPEDIA_CLASSES)),
    }
    HOW_TO_GET = (
        'To see what a copy lacks: `python tools/prepare_dataset.py fashionpedia data/fashionpedia`'
    )

    @staticmethod
    def subset_files(root: str, subset: str) -> tuple[str, str]:
        """Return the annotation file and the folder of images, relative to the root."""
        # The photographs of validation and test are in one archive.
        return (
            f'annotations/instances_attributes_{subset}2020.json',
            'train/' if subset == 'train' else 'test/',
        )


@DATASETS.register_module(force=True)
class CCP(InstanceDataset):
    """Clothing Co-Parsing, instances: for each photograph, all pixels of a label are one.

    ``python tools/prepare_dataset.py ccp`` gets and checks it, and writes
    ``<data_root>-prepared/annotations/instances_{train,val}.json``, which this class reads;
    photographs come from ``<data_root>/photos``. 58 categories, garments and body; 80 % of the
    photographs train.

    Args:
        data_root: Folder of the dataset, e.g. ``'data/ccp'``.
        subset: ``'train'`` or ``'val'``.
        ann_file: Annotation file in place of the subset's, e.g. of another ``--out``.
        data_prefix: ``dict(img=...)`` in place of ``photos/``.
        crowd_policy: Without effect here: CCP has no crowds.
        pipeline: Transforms or their configs. ``LoadAnnotations`` must have ``poly2mask=True``.
        test_mode: None: in every subset but ``'train'``.
        metainfo: Additions to the meta information; the classes cannot be changed.
        **options: What mmdet's CocoDataset takes: ``filter_cfg``, ``indices``, ``lazy_init``...

    Raises:
        ValueError: If an argument is not allowed, or as the annotations are loaded.
        FileNotFoundError: If files are missing.
    """

    METAINFO: ClassVar[dict[str, Any]] = {
        'classes': CCP_CLASSES,
        'palette': palette(len(CCP_CLASSES)),
    }
    HOW_TO_GET = 'To get and prepare it: `python tools/prepare_dataset.py ccp`'

    @staticmethod
    def subset_files(root: str, subset: str) -> tuple[str, str]:
        """Return the annotation file beside the root, and the folder of images in it."""
        file = prepared_folder(root) / 'annotations' / f'instances_{subset}.json'
        return str(file.absolute()), 'photos/'
