"""AttentionScoreHook: a test says how much of the network's attention lies on the object."""

from __future__ import annotations

from typing import Any

from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from bgremoval_mm.engine.attention import AttentionMeter, summarise
from bgremoval_mm.evaluation.smooth_grad import SmoothGrad
from bgremoval_mm.registry import HOOKS
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['AttentionScoreHook']


# `force` replaces the placeholder of bgremoval_mm.registry.
@HOOKS.register_module(force=True)
class AttentionScoreHook(Hook):
    """Add the attention score of Kobs and Hotho to the metrics of a test.

    For each test photo, SmoothGrad saliency of the network is compared with the foreground mask:
    1 means that all attention is on the object, 0 that it is spread evenly, and a negative score
    that the network prefers the background (see ``bgremoval_mm.evaluation.attention``). After a
    test, these are among its metrics, in its log and among the differences to a baseline:

    - ``attention/score``: the mean over photos
    - ``attention/std``: the sample standard deviation over photos
    - ``attention/undefined``: photos without a score, which are left out of both: their mask
      covers everything, or the network pays no attention to anything
    - ``attention/photos``: how many photos were measured, undefined ones included

    For mmpretrain's classifiers, and for embeddings by EmbeddingHead. With several processes, each
    measures its share of the photos.

    Args:
        mask_dir: Root of a MaskStore: the DST of ``tools/remove_background.py``. None: that of the
            test dataset, else that of the training dataset in the config.
        model: Name of the model that made the masks. None: as in that dataset, else u2net.
        img_root: The SRC of ``tools/remove_background.py``. None: as in that dataset, else the
            test dataset's `data_root`.
        on_missing: What to do where there is no mask of a photo: ``'error'``, before the test
            begins, or ``'compute'``.
        photos: How many test photos, evenly spaced; None: all.
        samples: Noisy copies of each photo: so many times the network runs forward and backward.
        noise: Standard deviation of the noise, as a share of the range of the network input.
        at_once: Copies that are computed together: fewer need less memory.
        seed: Of the noise.
        **engine: What else LoadForegroundMask takes: resize, backend, device, precision...

    Raises:
        ArgumentError: If an argument is out of range; before a test, if the model gives neither
            embeddings nor classes, the data preprocessor not one image for a photo, no store is
            named anywhere, or masks do not fit.
        FileNotFoundError: Before a test, if a mask is missing, with ``on_missing='error'``.

    Examples:
        >>> custom_hooks = [dict(type='AttentionScoreHook', mask_dir='data/masks/grocery_store')]
    """

    # Before the hooks that log the metrics, and before averaged weights are put away (EMAHook).
    priority = 'HIGHEST'

    def __init__(
        self,
        mask_dir: str | None = None,
        model: str | None = None,
        img_root: str | None = None,
        on_missing: str = 'error',
        photos: int | None = None,
        samples: int = 25,
        noise: float = 0.15,
        at_once: int = 25,
        seed: int = 0,
        **engine: Any,
    ) -> None:
        if photos is not None and (not isinstance(photos, int) or photos < 1):
            msg = f'`photos` must be None or a whole number above 0, but got {photos!r}'
            raise ArgumentError(msg)
        self.masks = {
            'mask_dir': mask_dir,
            'model': model,
            'img_root': img_root,
            'on_missing': on_missing,
            **engine,
        }
        self.photos = photos
        self.settings = SmoothGrad(samples, noise, at_once)
        self.seed = seed
        self._meter: AttentionMeter | None = None
        self._chosen: list[int] = []

    def before_test(self, runner: Runner) -> None:
        """Find the photos and their masks, on all processes alike, and try the first photo."""
        loader = runner.test_dataloader
        training = (runner.cfg.get('train_dataloader') or {}).get('dataset')
        self._meter = AttentionMeter(
            runner.model,
            loader.dataset,
            loader.collate_fn,
            self.masks,
            training,
            self.settings,
            self.seed,
        )
        self._chosen = self._meter.choose(self.photos)
        for index in self._chosen[:1]:
            self._meter.check(index)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Measure, and add the figures to the metrics."""
        if metrics is None or self._meter is None:
            return
        runner.logger.info('AttentionScoreHook: measuring %d photos', len(self._chosen))
        mine = [
            (index, self._meter.measure(index).score)
            for index in self._chosen[get_rank() :: get_world_size()]
        ]
        # In the order of the photos, so that the sums do not depend on the number of processes.
        parts = all_gather_object(mine)
        scores = [score for _, score in sorted(pair for part in parts for pair in part)]
        # Whole numbers would be logged as null: mmengine keeps them as numpy's.
        figures = summarise(scores)
        metrics.update({f'attention/{name}': float(value) for name, value in figures.items()})
