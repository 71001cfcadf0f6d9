"""Build or copy the dataset that a wrapper wraps, and hand pipelines to where they belong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

from bgremoval_mm.datasets.pipeline import loads_images, transforms_of
from bgremoval_mm.datasets.scopes import accepts, scope_of
from bgremoval_mm.datasets.unwrap import (
    ArgumentTypeError,
    base_datasets,
    children_of,
    copy_down_to_bases,
    own_pipeline,
    type_name,
)
from bgremoval_mm.registry import DATASETS, TRANSFORMS

__all__ = [
    'Pipeline',
    'attribute_of',
    'build_or_copy',
    'composed',
    'full_init',
    'set_pipelines',
    'set_test_mode',
]

Pipeline: TypeAlias = Compose | Sequence[dict[str, Any] | Callable[..., Any]]


def build_or_copy(
    dataset: Any, pipeline: Pipeline | None, lazy_init: bool, test_mode: bool | None
) -> Any:
    """Return the dataset of a config, or a copy of a dataset, whose pipelines can be changed.

    Args:
        dataset: A dataset or its config; neither is changed.
        pipeline: Pipeline in place of its own, see ``set_pipelines``.
        lazy_init: Put off loading the annotations; of a config only.
        test_mode: Put into or out of test mode; None: as it is.

    Raises:
        ArgumentTypeError: If it is no dataset, or something in it is none.
        ArgumentError: If its class is not found.
    """
    if isinstance(dataset, dict):
        config = copy_down_to_bases(dataset)
        if pipeline is not None:
            set_pipelines(config, pipeline, lambda _: pipeline)
        with DefaultScope.overwrite_default_scope(scope_of(config)):
            if lazy_init:
                _init_lazily(config)
            if test_mode is not None:
                _set_test_mode_in(config, test_mode)
            built = DATASETS.build(config)
    elif hasattr(type(dataset), '__getitem__') and hasattr(dataset, '__dict__'):
        built = dataset
    else:
        msg = (
            '`dataset` must be a config or a dataset of mmengine, or a wrapper of such datasets, '
            f'but got {type(dataset).__name__}'
        )
        raise ArgumentTypeError(msg)
    base_datasets(built)  # checks that all of it is known
    # A config, too, may hold datasets that are built already.
    changeable = copy_down_to_bases(built)
    if built is dataset:
        if pipeline is not None:
            new = composed(pipeline)
            set_pipelines(changeable, pipeline, lambda _: new)
        if test_mode is not None:
            set_test_mode(changeable, test_mode)
    return changeable


def composed(pipeline: Pipeline) -> Any:
    """Return a pipeline as an object that applies its transforms; one that does stays itself."""
    return Compose(pipeline) if isinstance(pipeline, Sequence) else pipeline


def set_pipelines(dataset: Any, pipeline: Any, new: Callable[[Any], Any]) -> None:
    """Set a pipeline where it belongs inside wrappers, in a dataset or in its config.

    That is at the base datasets. A wrapper with a pipeline for mixed samples, as
    MultiImageMixDataset is, takes one that has no image loader.

    Args:
        dataset: The dataset or config, which is changed.
        pipeline: The pipeline, or its config.
        new: What to set, given the base dataset.
    """
    targets = _targets(dataset, loads_images(pipeline))
    # All are made before one is set, so that an error leaves the dataset as it was.
    changes = [(each, pipeline if own_pipeline(each) else new(each)) for each in targets]
    for target, value in changes:
        if isinstance(target, dict):
            target['pipeline'] = value
        elif own_pipeline(target):
            _set_mixed(target, value)
        else:
            target.pipeline = value


def _targets(dataset: Any, loads: bool) -> list[Any]:
    inner = children_of(dataset)
    ours = isinstance(dataset, dict) and type_name(dataset).startswith('Rembg')
    if not inner or ours or (own_pipeline(dataset) and not loads):
        return [dataset]
    return [target for each in inner.values() for target in _targets(each, loads)]


def _set_mixed(wrapper: Any, pipeline: Any) -> None:
    """Set the pipeline for mixed samples, with the names that its transforms are skipped by."""
    settings = transforms_of(pipeline)
    built = [TRANSFORMS.build(each) if isinstance(each, dict) else each for each in settings]
    wrapper.pipeline = built if isinstance(wrapper.pipeline, list) else Compose(built)
    if hasattr(wrapper, 'pipeline_types'):
        wrapper.pipeline_types = [
            each['type'] if isinstance(each, dict) else type(each).__name__ for each in settings
        ]


def _init_lazily(config: Any) -> None:
    """Put off loading the annotations, in a wrapper's config and in those that it wraps."""
    if isinstance(config, dict):
        inner = children_of(config)
        # KFoldDataset has no such argument: the config of what it wraps decides.
        if not inner or accepts(config, 'lazy_init'):
            config['lazy_init'] = True
        for each in inner.values():
            _init_lazily(each)


def _set_test_mode_in(config: Any, test_mode: bool) -> None:
    """Set the mode in the outermost configs that have one, or in built datasets among them."""
    if not isinstance(config, dict):
        set_test_mode(config, test_mode)
        return
    inner = children_of(config)
    if not inner or accepts(config, 'test_mode'):
        config['test_mode'] = test_mode
    else:
        for each in inner.values():
            _set_test_mode_in(each, test_mode)


def set_test_mode(dataset: Any, test_mode: bool) -> None:
    """Set the mode of a dataset, or of the base datasets inside a wrapper that has none."""
    own = hasattr(dataset, 'test_mode')
    for each in [dataset] if own else base_datasets(dataset):
        each.test_mode = test_mode


def full_init(dataset: Any) -> None:
    """Load the annotations, inside torch's wrappers as well, which know nothing of that."""
    if hasattr(dataset, 'full_init'):
        dataset.full_init()
    else:
        for each in children_of(dataset).values():
            full_init(each)


def attribute_of(dataset: Any, name: str, *default: Any) -> Any:
    """Return an attribute of a dataset, or of the first one inside a wrapper without it."""
    owner = dataset if hasattr(dataset, name) else base_datasets(dataset)[0]
    return getattr(owner, name, *default)
