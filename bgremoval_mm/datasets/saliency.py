"""Photos with masks of their foreground: one's own pairs, published sets and CCP, in mmseg."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mmseg.datasets import BaseSegDataset

from bgremoval_mm.datasets.base.checks import check_classes, check_files, one_of
from bgremoval_mm.datasets.base.segmentation import SEGMENTATION_SUBSETS
from bgremoval_mm.datasets.prepare import ccp
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.scan import is_litter
from bgremoval_mm.removal.pairs.manifest import read_manifest
from bgremoval_mm.removal.pairs.pairing import SPLITS
from bgremoval_mm.utils.messages import first_few, what_is_at

__all__ = ['LAYOUTS', 'CCPSaliency', 'PairsDataset', 'SaliencyFolders']

#: Of published sets: folder and suffix of photos and of masks, as their archives have them. SOD is
#: published as contours; this is how evaluations pass it on.
LAYOUTS = {
    'DUTS-TR': ('DUTS-TR-Image', '.jpg', 'DUTS-TR-Mask', '.png'),
    'DUTS-TE': ('DUTS-TE-Image', '.jpg', 'DUTS-TE-Mask', '.png'),
    'ECSSD': ('images', '.jpg', 'ground_truth_mask', '.png'),
    'DUT-OMRON': ('DUT-OMRON-image', '.jpg', 'pixelwiseGT-new-PNG', '.png'),
    'HKU-IS': ('imgs', '.png', 'gt', '.png'),
    'PASCAL-S': ('datasets/imgs/pascal', '.jpg', 'datasets/masks/pascal', '.png'),
    'SOD': ('Imgs', '.jpg', 'Imgs', '.png'),
}


class _MaskDataset(BaseSegDataset):
    """Photos with masks, of the classes background (0) and foreground (1).

    A subclass gives :meth:`samples`. Pipelines load masks by ``LoadSaliencyMask``.
    """

    METAINFO: ClassVar[dict[str, Any]] = {
        'classes': ('background', 'foreground'),
        'palette': [(0, 0, 0), (255, 255, 255)],
    }

    def __init__(self, data_root: str | Path, pipeline: Sequence[Any], **options: Any) -> None:
        check_classes(
            type(self).__name__,
            options.get('metainfo'),
            self.METAINFO['classes'],
            "mmseg's BaseSegDataset",
        )
        for name in ('ann_file', 'data_prefix', 'reduce_zero_label'):
            if options.get(name):
                msg = f'`{name}` of {type(self).__name__} must be left out, but got {options[name]}'
                raise ArgumentError(msg)
        root = os.path.expanduser(data_root)  # noqa: PTH111 (mm datasets keep strings)
        super().__init__(data_root=root, pipeline=pipeline, **options)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> None:
        """Return None: other classes are refused."""

    def samples(self) -> Iterable[tuple[Path, Path, dict[str, Any]]]:
        """Return photo, mask and more keys of each sample."""
        raise NotImplementedError

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return the samples, as mmseg's BaseSegDataset gives them.

        Raises:
            FileNotFoundError: If photos or masks are missing.
        """
        found = [
            {
                'img_path': str(image),
                'seg_map_path': str(mask),
                'label_map': None,
                'reduce_zero_label': False,
                'seg_fields': [],
                **more,
            }
            for image, mask, more in self.samples()
        ]
        for key, what in (('img_path', 'photos'), ('seg_map_path', 'masks')):
            check_files((each[key] for each in found), f'{what} of {type(self).__name__}', '')
        return found


@DATASETS.register_module(force=True)
class PairsDataset(_MaskDataset):
    """One's own pairs of photo and mask, of a manifest of ``bgremoval pairs check``.

    Samples have ``cluster`` and ``item``, if the manifest has. ``SaliencyMetric`` gives scores by
    cluster if ``PackSegInputs`` keeps it: ``meta_keys=(..., 'cluster')``.

    Args:
        manifest: The CSV file.
        split: ``'train'``, ``'val'`` or ``'test'``.
        clusters: Take the photos of these clusters only.
        data_root: Folder that paths of masks of photos' backgrounds are relative to, for
            RembgDataset. Default: the folder of the manifest.
        pipeline: Transforms or their configs.
        test_mode: None: in every split but ``'train'``.
        **options: What mmseg's BaseSegDataset takes: ``indices``, ``lazy_init``...

    Raises:
        ArgumentError: If an argument is not allowed, the manifest is none, or no photo is left.
        FileNotFoundError: If files are missing.

    Examples:
        >>> dict(type='PairsDataset', manifest='pairs/manifest.csv', split='val',
        ...      pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadSaliencyMask'),
        ...                dict(type='PackSegInputs')])
    """

    def __init__(
        self,
        manifest: str | Path,
        split: str = 'train',
        clusters: Sequence[str] | None = None,
        data_root: str | Path | None = None,
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        test_mode: bool | None = None,
        **options: Any,
    ) -> None:
        self.manifest = Path(manifest).expanduser()
        self.split = one_of('split', split, SPLITS)
        self.clusters = None if clusters is None else tuple(clusters)
        super().__init__(
            data_root=self.manifest.parent if data_root is None else data_root,
            pipeline=pipeline,
            test_mode=split != 'train' if test_mode is None else test_mode,
            **options,
        )

    def samples(self) -> Iterable[tuple[Path, Path, dict[str, Any]]]:
        """Return photo, mask, and cluster and item of each pair of the split."""
        if not self.manifest.is_file():
            msg = (
                f'{self.manifest}, the manifest, is missing: `bgremoval pairs check IMAGES MASKS` '
                'writes it'
            )
            raise FileNotFoundError(msg)
        pairs = read_manifest(self.manifest)
        known = sorted({pair.cluster for pair in pairs if pair.cluster})
        for name in self.clusters or ():
            one_of('clusters', name, known)
        chosen = [
            pair
            for pair in pairs
            if pair.split == self.split and (self.clusters is None or pair.cluster in self.clusters)
        ]
        if not chosen:
            msg = f'{self.manifest} has no pair of the split {self.split!r}' + (
                '' if self.clusters is None else f' in the clusters {first_few(self.clusters)}'
            )
            raise ArgumentError(msg)
        folder = self.manifest.parent
        for pair in chosen:
            more = {name: getattr(pair, name) for name in ('cluster', 'item')}
            yield (
                _plain(folder / pair.image),
                _plain(folder / pair.mask),
                {name: value for name, value in more.items() if value},
            )


@DATASETS.register_module(force=True)
class SaliencyFolders(_MaskDataset):
    """A published set of salient object detection, in the folders of its archive.

    Args:
        data_root: Folder of the set, such as ``'data/ECSSD'``.
        layout: ``'DUTS-TR'``, ``'DUTS-TE'``, ``'ECSSD'``, ``'DUT-OMRON'``, ``'HKU-IS'``,
            ``'PASCAL-S'`` or ``'SOD'``: see `LAYOUTS`. Or, for others, a tuple: folder and suffix
            of the photos, folder and suffix of the masks.
        pipeline: Transforms or their configs.
        test_mode: None: in every layout but ``'DUTS-TR'``, which is for training.
        **options: What mmseg's BaseSegDataset takes: ``indices``, ``lazy_init``...

    Raises:
        ArgumentError: If an argument is not allowed, or there is no photo.
        FileNotFoundError: If masks are missing.

    Examples:
        >>> dict(type='SaliencyFolders', data_root='data/ECSSD', layout='ECSSD')
    """

    def __init__(
        self,
        data_root: str | Path,
        layout: str | Sequence[str],
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        test_mode: bool | None = None,
        cluster: str | None = None,
        **options: Any,
    ) -> None:
        self.cluster = cluster
        if isinstance(layout, str):
            self.layout = LAYOUTS[one_of('layout', layout, tuple(LAYOUTS))]
        elif len(layout) == 4:
            photos, photo_suffix, masks, mask_suffix = layout
            self.layout = (photos, photo_suffix, masks, mask_suffix)
        else:
            msg = (
                '`layout` must be a name or folder and suffix of photos and of masks, but got '
                f'{layout!r}'
            )
            raise ArgumentError(msg)
        super().__init__(
            data_root=data_root,
            pipeline=pipeline,
            test_mode=layout != 'DUTS-TR' if test_mode is None else test_mode,
            **options,
        )

    def samples(self) -> Iterable[tuple[Path, Path, dict[str, Any]]]:
        """Return photo and mask of each sample, in the order of the names."""
        photos, photo_suffix, masks, mask_suffix = self.layout
        folder, other = Path(self.data_root) / photos, Path(self.data_root) / masks
        found = sorted(path for path in folder.glob(f'*{photo_suffix}') if not is_litter(path.name))
        if not found:
            msg = f'{folder} must hold photos *{photo_suffix}, but {what_is_at(folder)}'
            raise ArgumentError(msg)
        for image in found:
            more = {} if self.cluster is None else {'cluster': self.cluster}
            yield image, other / f'{image.stem}{mask_suffix}', more


@DATASETS.register_module(force=True)
class CCPSaliency(_MaskDataset):
    """Clothing Co-Parsing: the 1,004 photos with pixel labels; persons and clothes are foreground.

    The masks are the ``.mat`` files of the set, whose labels above 0 are foreground; nothing needs
    to be prepared. The split is that of ``CCPSemantic``: 80 % of the photos train.

    Args:
        data_root: Folder of the set, e.g. ``'data/ccp'``.
        subset: ``'train'`` or ``'val'``.
        pipeline: Transforms or their configs.
        test_mode: None: in every subset but ``'train'``.
        **options: What mmseg's BaseSegDataset takes: ``indices``, ``lazy_init``...

    Raises:
        ArgumentError: If an argument is not allowed, or there are no annotations.
        FileNotFoundError: If photos are missing.
    """

    def __init__(
        self,
        data_root: str | Path,
        subset: str = 'train',
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        test_mode: bool | None = None,
        **options: Any,
    ) -> None:
        self.subset = one_of('subset', subset, SEGMENTATION_SUBSETS)
        super().__init__(
            data_root=data_root,
            pipeline=pipeline,
            test_mode=subset != 'train' if test_mode is None else test_mode,
            **options,
        )

    def samples(self) -> Iterable[tuple[Path, Path, dict[str, Any]]]:
        """Return photo and annotation of each sample."""
        root = Path(self.data_root)
        names = ccp.annotated(root)
        if not names:
            msg = (
                f'{root} must be the folder of Clothing Co-Parsing, but {what_is_at(root)}. To get '
                'it: `python tools/prepare_dataset.py ccp`'
            )
            raise ArgumentError(msg)
        annotations = root / 'annotations' / 'pixel-level'
        for name in ccp.split(names)[self.subset]:
            yield root / 'photos' / f'{name}.jpg', annotations / f'{name}.mat', {}


def _plain(path: Path) -> Path:
    """Return a path without ``..`` in it, which stores of masks could not be looked up by."""
    return Path(os.path.normpath(path))
