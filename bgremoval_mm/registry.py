"""What this package registers, and where: in mmengine's root registries, once they are there.

A root entry is found by its short name under every ``default_scope`` (mmpretrain, mmdet, mmseg or
none), because a lookup climbs from the codebase's registry to the root; mmcv shares its transforms
in the same way. A registry of our own with its own scope would answer to
``type='bgremoval_mm.RemoveBackground'`` only. The price is that names are global, hence the
specific names (``RembgDataset``, never ``Dataset``).

An entry is a placeholder until it is built, so that neither this module nor a registry loads
mmengine, mmcv, a codebase or torch for classes that nobody uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.utils.import_hooks import when_imported

if TYPE_CHECKING:
    from mmengine.registry import (
        DATA_SAMPLERS,
        DATASETS,
        HOOKS,
        LOOPS,
        METRICS,
        MODELS,
        OPTIM_WRAPPERS,
        TRANSFORMS,
    )

__all__ = [
    'CLASSES',
    'DATASETS',
    'DATA_SAMPLERS',
    'FORMER_NAMES',
    'HOOKS',
    'LOOPS',
    'METRICS',
    'MODELS',
    'OPTIM_WRAPPERS',
    'TRANSFORMS',
    'MissingCodebaseError',
    'RegisteredClass',
    'lazy_register',
    'load_class',
]

_ANY_EXTRA = 'cls'
_METRIC_LEARNING = 'pytorch_metric_learning'
_ROOTS = (
    *('DATASETS', 'DATA_SAMPLERS', 'HOOKS', 'LOOPS', 'METRICS', 'MODELS', 'OPTIM_WRAPPERS'),
    'TRANSFORMS',
)


class MissingCodebaseError(BgremovalError, ImportError):
    """A class needs a package that is not installed, mostly one of OpenMMLab."""


class RegisteredClass(NamedTuple):
    """Where a class is registered, where it is defined, and what it needs.

    Attributes:
        registry: Name of one of mmengine's root registries.
        name: Name of the class, under which it is registered too.
        module: Full name of its module.
        codebase: The package, mostly of OpenMMLab, without which that cannot be imported.
        extra: The extra of ours that brings the codebase.
    """

    registry: str
    name: str
    module: str
    codebase: str = 'mmengine'
    extra: str = _ANY_EXTRA


def _classes(*entries: tuple[str, ...]) -> Mapping[str, RegisteredClass]:
    """Return the entries by name; modules are given relative to this package."""
    package = __name__.rpartition('.')[0]
    return {
        name: RegisteredClass(root, name, f'{package}.{module}', *rest)
        for root, name, module, *rest in entries
    }


CLASSES = _classes(
    ('DATASETS', 'CCP', 'datasets.instances', 'mmdet', 'det'),
    ('DATASETS', 'CCPSemantic', 'datasets.semantic', 'mmseg', 'seg'),
    ('DATASETS', 'CCPSaliency', 'datasets.saliency', 'mmseg', 'seg'),
    ('DATASETS', 'CUB200', 'datasets.cub200'),
    ('DATASETS', 'Cars196', 'datasets.cars196'),
    ('DATASETS', 'Catalogue', 'datasets.catalogue'),
    ('DATASETS', 'CatalogueItems', 'datasets.catalogue_items'),
    ('DATASETS', 'Clothing10', 'datasets.clothing10'),
    ('DATASETS', 'DeepFashionCategory', 'datasets.deepfashion.category'),
    ('DATASETS', 'DeepFashionConsumerToShop', 'datasets.deepfashion.consumer_to_shop'),
    ('DATASETS', 'DeepFashionInShop', 'datasets.deepfashion.in_shop'),
    ('DATASETS', 'FashionStyle14', 'datasets.fashionstyle14'),
    ('DATASETS', 'Fashionpedia', 'datasets.instances', 'mmdet', 'det'),
    ('DATASETS', 'FashionpediaSemantic', 'datasets.semantic', 'mmseg', 'seg'),
    ('DATASETS', 'GroceryStore', 'datasets.grocery_store'),
    ('DATASETS', 'GroceryStoreItems', 'datasets.grocery_store_items'),
    ('DATASETS', 'PairsDataset', 'datasets.saliency', 'mmseg', 'seg'),
    ('DATASETS', 'PairsInstances', 'datasets.pairs_instances', 'mmseg', 'seg'),
    ('DATASETS', 'RembgConcatDataset', 'datasets.concat', 'mmcv'),
    ('DATASETS', 'RembgDataset', 'datasets.wrappers', 'mmcv'),
    ('DATASETS', 'SaliencyFolders', 'datasets.saliency', 'mmseg', 'seg'),
    ('DATASETS', 'StanfordOnlineProducts', 'datasets.stanford_online_products'),
    ('DATA_SAMPLERS', 'MPerClassBatchSampler', 'datasets.m_per_class'),
    ('HOOKS', 'AttentionScoreHook', 'engine.hooks.attention_score'),
    ('HOOKS', 'ChannelsLastHook', 'engine.hooks.channels_last'),
    ('HOOKS', 'DiffMetricsHook', 'engine.hooks.diff_metrics'),
    ('HOOKS', 'DisjointBanksHook', 'engine.hooks.disjoint_banks'),
    ('HOOKS', 'EpochSeedHook', 'engine.hooks.epoch_seed'),
    ('HOOKS', 'FreezeBatchNormHook', 'engine.hooks.freeze_bn'),
    ('HOOKS', 'FreezeModulesHook', 'engine.hooks.freeze_modules'),
    ('HOOKS', 'ResumableEarlyStoppingHook', 'engine.hooks.early_stopping'),
    ('LOOPS', 'BackgroundTestLoop', 'engine.loops.background_test', 'mmcv'),
    ('METRICS', 'ClasswiseAccuracy', 'evaluation.metrics.classwise_accuracy'),
    ('METRICS', 'PerImageAccuracy', 'evaluation.metrics.per_image'),
    ('METRICS', 'PerImageIoU', 'evaluation.metrics.per_image'),
    ('METRICS', 'ProductAccuracy', 'evaluation.metrics.product_accuracy'),
    (
        'METRICS',
        'QueryGalleryMetric',
        'evaluation.metrics.query_gallery',
        _METRIC_LEARNING,
        'metric',
    ),
    ('METRICS', 'RetrievalMetric', 'evaluation.metrics.retrieval', _METRIC_LEARNING, 'metric'),
    ('METRICS', 'SaliencyMetric', 'evaluation.metrics.saliency', 'scipy', 'seg'),
    ('MODELS', 'BASNetSegmentor', 'models.segmentors.basnet', 'mmseg', 'seg'),
    ('MODELS', 'BNInception', 'models.backbones.bn_inception'),
    ('MODELS', 'BinaryClsHead', 'models.heads.binary_head'),
    ('MODELS', 'EmbeddingHead', 'models.heads.embedding_head', _METRIC_LEARNING, 'metric'),
    ('MODELS', 'SaliencyTTAModel', 'models.segmentors.saliency_tta', 'mmseg', 'seg'),
    ('MODELS', 'SimilarityClsHead', 'models.heads.similarity_cls_head', _METRIC_LEARNING, 'metric'),
    ('MODELS', 'U2NetSegmentor', 'models.segmentors.u2net', 'mmseg', 'seg'),
    ('MODELS', 'PersonProbability', 'models.backbones.person_probability'),
    ('MODELS', 'SmallCNN', 'models.backbones.small_cnn'),
    ('OPTIM_WRAPPERS', 'BFloat16OptimWrapper', 'engine.optim_wrapper'),
    ('TRANSFORMS', 'ChangeBackground', 'datasets.transforms.change_background', 'mmcv'),
    (
        'TRANSFORMS',
        'LoadForegroundInstance',
        'datasets.transforms.load_foreground_instance',
        'mmdet',
        'det',
    ),
    ('TRANSFORMS', 'LoadForegroundMask', 'datasets.transforms.load_foreground_mask', 'mmcv'),
    ('TRANSFORMS', 'LoadSaliencyMask', 'datasets.transforms.load_saliency_mask', 'mmcv'),
    ('TRANSFORMS', 'RemoveBackground', 'datasets.transforms.remove_background', 'mmcv'),
    ('TRANSFORMS', 'ReplaceBackground', 'datasets.transforms.replace_background', 'mmcv'),
    ('TRANSFORMS', 'ScaleToFullRange', 'datasets.transforms.scale_to_full_range', 'mmcv'),
)
"""Every class that configs may name in ``type``, by its name."""

FORMER_NAMES = {'PerImageAccuracy': 'ClassEvidence', 'PerImageIoU': 'RegionEvidence'}
"""What a class was called in an earlier release, as saved configs have it."""


def load_class(name: str) -> Any:
    """Import a class of the table.

    Raises:
        MissingCodebaseError: If the package that it needs is not installed.
    """
    entry = CLASSES[name]
    for package in ('mmengine', entry.codebase):
        if not _is_installed(package):
            extras = f'[{entry.extra}]"'
            if entry.extra == _ANY_EXTRA:
                package, extras = 'OpenMMLab', f'{extras} (or det, seg, all)'
            msg = f'{name} needs {package}: pip install "bgremoval_mm{extras}'
            raise MissingCodebaseError(msg)
    return getattr(import_module(entry.module), name)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # made unimportable on purpose, as tests do
        return False


def lazy_register(classes: Iterable[RegisteredClass]) -> None:
    """Register classes by name as soon as mmengine's registries exist: now, or when they come.

    Until it is built, a registry holds a placeholder for a class, which imports it and then gives
    way to it. Registering the same class again changes nothing.

    Raises:
        KeyError: If the name is taken by another class, now or in the import of mmengine.
    """
    entries = tuple(classes)
    when_imported('mmengine.registry', lambda: _register(entries))


def _register(entries: Iterable[RegisteredClass]) -> None:
    for entry in entries:
        registry = _root(entry.registry)
        for name in filter(None, (entry.name, FORMER_NAMES.get(entry.name))):
            holder = registry.module_dict.get(name)
            if getattr(holder, '__module__', None) != entry.module:
                registry.register_module(name=name, module=_Placeholder(entry))


def _root(name: str) -> Any:
    return getattr(import_module('mmengine.registry'), name)


class _Placeholder:
    """Stands in a registry for a class that has not been imported yet, and acts like it.

    Called, it builds an instance. Its attributes are those of the class; a class that is derived
    from it is derived from the class.
    """

    def __init__(self, entry: RegisteredClass) -> None:
        self._entry = entry
        self.__name__ = self.__qualname__ = entry.name
        self.__module__ = entry.module

    def _load(self) -> Any:
        loaded = load_class(self._entry.name)
        registry = _root(self._entry.registry)
        if registry.module_dict.get(self.__name__) is self:
            registry.register_module(name=self.__name__, module=loaded, force=True)
        return loaded

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._load()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or '_entry' not in vars(self):
            raise AttributeError(name)
        return getattr(self._load(), name)

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[type]:
        return (self._load(),)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._load())

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self._load())

    def __repr__(self) -> str:
        return f'<{self.__module__}.{self.__name__}, not imported yet>'


def __getattr__(name: str) -> Any:
    """Hand out one of mmengine's root registries, which imports mmengine."""
    if name in _ROOTS:
        return _root(name)
    msg = f'module {__name__!r} has no attribute {name!r}'
    raise AttributeError(msg)
