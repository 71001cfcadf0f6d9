"""From a command line to the config of a run: the pure part of ``tools/train.py`` and ``test.py``.

What wins: the config, then the flags, then ``--cfg-options``. The stock tools of mmpretrain, mmdet
and mmseg differ from each other; where they do, the docstrings say which one is followed.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict, DictAction

from bgremoval_mm.engine.dataset_options import LOADERS, of_all_datasets
from bgremoval_mm.engine.process_group import wrap_for_cpus
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.class_names import class_name
from bgremoval_mm.utils.cpu import computes_in_bf16

__all__ = [
    'add_common_arguments',
    'build_test_config',
    'build_train_config',
    'pipeline_owners',
    'read_config',
]

_ACCELERATORS = ('cuda', 'npu', 'mlu', 'musa')  # what mmengine's AmpOptimWrapper accepts


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that both tools have."""
    parser.add_argument('--work-dir', help='folder for logs and results')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='change settings of the config, such as model.backbone.depth=18 or '
        'key="[(a,b),(c,d)]"; datasets.KEY is that of all datasets that load images; '
        'wins over the config and over every other option',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    # torch.distributed.launch gives this; torchrun sets LOCAL_RANK instead.
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0, help=argparse.SUPPRESS)


def build_train_config(args: argparse.Namespace) -> Config:
    """Build the config of a training.

    Args:
        args: ``config``, ``work_dir``, ``resume`` (None, 'auto' or a checkpoint), ``amp``,
            ``no_validate``, ``auto_scale_lr``, ``launcher`` and ``cfg_options``.

    Returns:
        The config to build a Runner from.

    Raises:
        FileNotFoundError: If the config, one of its bases or the checkpoint is missing.
        ValueError: If the config lacks what an option needs.
    """
    cfg = _start(args)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else _checkpoint(args.resume, '--resume')
    if args.amp:
        _use_amp(cfg)
    if args.auto_scale_lr:
        cfg.auto_scale_lr = ConfigDict(cfg.get('auto_scale_lr') or {}, enable=True)
    cfg = _finish(cfg, args)
    # As mmdet: mmpretrain's tool turns it on without a batch size to scale from.
    if args.auto_scale_lr and 'base_batch_size' not in cfg.auto_scale_lr:
        msg = (
            '--auto-scale-lr needs the batch size that the learning rate is meant for: '
            'auto_scale_lr = dict(base_batch_size=...) in the config, or '
            '--cfg-options auto_scale_lr.base_batch_size=...'
        )
        raise ArgumentError(msg)
    return cfg


def build_test_config(args: argparse.Namespace) -> Config:
    """Build the config of a test.

    Args:
        args: ``config``, ``checkpoint``, ``work_dir``, ``out``, ``show``, ``show_dir``,
            ``wait_time`` (seconds), ``tta``, ``launcher`` and ``cfg_options``.

    Returns:
        The config to build a Runner from.

    Raises:
        FileNotFoundError: If the config, one of its bases or the checkpoint is missing.
        ValueError: If the config lacks what an option needs, or ``out`` has another suffix than
            ``.json``, ``.pkl`` or ``.pickle``.
    """
    if args.out is not None and Path(args.out).suffix not in ('.json', '.pkl', '.pickle'):
        msg = f'--out must end in .json (metrics) or .pkl (predictions), but got {args.out}'
        raise ArgumentError(msg)
    cfg = _start(args)
    cfg.load_from = _checkpoint(args.checkpoint, 'checkpoint')
    if args.show or args.show_dir:
        _show(cfg, args)
    if args.tta:
        _use_tta(cfg)
    return _finish(cfg, args)


def read_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config as a run would use it, to look at it without running it.

    Args:
        path: The config file.
        options: ``--cfg-options``: dotted key to value.

    Raises:
        FileNotFoundError: If the config or one of its bases is missing.
        ValueError: If the options do not fit it.
    """
    cfg = _read(path)
    _merge(cfg, options)
    if cfg.get('default_scope') == 'mmpretrain':
        _fill_in_mmpretrain_loaders(cfg)
    return cfg


def _read(path: str | Path) -> Config:
    """Read the file."""
    if not Path(path).is_file():
        msg = f'config: there is no file {path}'
        raise FileNotFoundError(msg)
    return Config.fromfile(path)


def _merge(cfg: Config, options: Mapping[str, Any] | None) -> None:
    """Put ``--cfg-options`` in."""
    if options:
        try:
            cfg.merge_from_dict(of_all_datasets(cfg, options))
        except (KeyError, TypeError, IndexError) as err:
            msg = f'--cfg-options do not fit the config: {err}'
            raise ArgumentError(msg) from err


def _start(args: argparse.Namespace) -> Config:
    """Read the config and set what both tools set."""
    cfg = _read(args.config)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(args.config).stem))
    return cfg


def _finish(cfg: Config, args: argparse.Namespace) -> Config:
    """Let ``--cfg-options`` have the last word, then fill in what nobody has set."""
    _merge(cfg, args.cfg_options)
    if cfg.get('default_scope') == 'mmpretrain':
        _fill_in_mmpretrain_loaders(cfg)
    wrap_for_cpus(cfg)
    return cfg


def _fill_in_mmpretrain_loaders(cfg: Config) -> None:
    """Give loaders what mmpretrain's own tools give them, where the config is silent.

    mmpretrain's configs count on it: without ``default_collate`` a batch is a list of images.
    Unlike there, workers are only kept alive where there are any, which torch insists on.
    """
    for name in LOADERS:
        loader = cfg.get(name)
        if loader is not None:
            loader.setdefault('collate_fn', ConfigDict(type='default_collate'))
            loader.setdefault('pin_memory', True)
            loader.setdefault('persistent_workers', loader.get('num_workers', 0) > 0)


def _checkpoint(path: str, argument: str) -> str:
    """Check that a checkpoint is there, unless it is one that mmengine fetches (``https://``)."""
    if re.match(r'[\w+.-]{2,}:', path) or Path(path).exists():
        return path
    folder = Path(path).parent
    there = sorted(each.name for each in folder.glob('*.pth')) if folder.is_dir() else []
    hint = f'; {folder} has {", ".join(there)}' if there else ''
    msg = f'{argument}: there is no checkpoint {path}{hint}'
    raise FileNotFoundError(msg)


def _use_amp(cfg: Config) -> None:
    """Train with automatic mixed precision, as mmseg's tool does it."""
    wrapper = cfg.get('optim_wrapper') or ConfigDict()
    kind = wrapper.get('type', 'OptimWrapper')
    name = class_name(kind)
    if name not in ('OptimWrapper', 'AmpOptimWrapper'):
        msg = f'--amp needs optim_wrapper.type to be OptimWrapper, but the config has {name}'
        raise ArgumentError(msg)
    if _has_accelerator():
        wrapper.type = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')
    elif computes_in_bf16():
        wrapper.type = 'BFloat16OptimWrapper'
        for key in ('loss_scale', 'dtype', 'use_fsdp'):  # what AmpOptimWrapper takes beside
            wrapper.pop(key, None)
    else:
        msg = (
            f'--amp needs an accelerator ({", ".join(_ACCELERATORS)}) or a CPU that computes in '
            'bfloat16 (AVX-512 BF16 or AMX), but torch finds neither'
        )
        raise ArgumentError(msg)
    cfg.optim_wrapper = wrapper


def _has_accelerator() -> bool:
    from mmengine.device import get_device

    return get_device() in _ACCELERATORS


def _show(cfg: Config, args: argparse.Namespace) -> None:
    """Turn on the visualization hook, whose options each codebase names differently."""
    hook = (cfg.get('default_hooks') or {}).get('visualization')
    kind = class_name((hook or {}).get('type', ''))
    if hook is None or kind not in (
        'VisualizationHook',
        'DetVisualizationHook',
        'SegVisualizationHook',
    ):
        msg = (
            "--show and --show-dir need default_hooks.visualization to be mmpretrain's "
            "VisualizationHook, mmdet's DetVisualizationHook or mmseg's SegVisualizationHook, "
            f'but the config has {kind or "none"}'
        )
        raise ArgumentError(msg)
    hook.interval = 1
    hook.wait_time = args.wait_time
    if args.show:
        hook.show = True
    if kind == 'VisualizationHook':
        hook.enable = True
        hook.out_dir = args.show_dir
        return
    hook.draw = True
    if args.show_dir and kind == 'DetVisualizationHook':
        # It prepends <work_dir>/<timestamp>, which os.path.join drops before an absolute path.
        hook.test_out_dir = os.path.abspath(args.show_dir)  # noqa: PTH100
    elif args.show_dir:
        cfg.setdefault('visualizer', ConfigDict(type='SegLocalVisualizer'))
        cfg.visualizer.save_dir = args.show_dir


def _use_tta(cfg: Config) -> None:
    """Augment at test time, with the config's ``tta_model`` and ``tta_pipeline``.

    A classification config without them gets a horizontal flip, as in mmpretrain's tool. Detection
    and segmentation have no default that is right for every model (mmdet's loses the masks).
    """
    owners = list(pipeline_owners(cfg.test_dataloader.dataset))
    if not owners:
        msg = '--tta needs a pipeline in test_dataloader.dataset, but there is none'
        raise ArgumentError(msg)
    if cfg.get('default_scope') == 'mmpretrain':
        cfg.setdefault('tta_model', ConfigDict(type='AverageClsScoreTTA'))
        cfg.setdefault('tta_pipeline', _flip_pipeline(owners[0].pipeline))
    missing = [name for name in ('tta_model', 'tta_pipeline') if not cfg.get(name)]
    if missing:
        msg = f'--tta needs {" and ".join(missing)} in the config'
        raise ArgumentError(msg)
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
    for owner in owners:
        owner.pipeline = cfg.tta_pipeline


def pipeline_owners(dataset: ConfigDict) -> Iterator[ConfigDict]:
    """Yield, above each base dataset, the outermost config with a pipeline for single images."""
    # Here, since `--help` must not wait for torch.
    from bgremoval_mm.datasets.pipeline import loads_images
    from bgremoval_mm.datasets.unwrap import children_of

    inner = children_of(dataset).values()
    if dataset.get('pipeline') and (not inner or loads_images(dataset.pipeline)):
        yield dataset
        return
    for each in inner:
        if isinstance(each, dict):
            yield from pipeline_owners(each)


def _flip_pipeline(pipeline: list[Any]) -> list[Any]:
    """Return the pipeline with its last step (packing) done on the image and its mirror image."""
    flips = [ConfigDict(type='RandomFlip', prob=prob) for prob in (1.0, 0.0)]
    flip = ConfigDict(type='TestTimeAug', transforms=[flips, [deepcopy(pipeline[-1])]])
    return [*deepcopy(pipeline[:-1]), flip]
