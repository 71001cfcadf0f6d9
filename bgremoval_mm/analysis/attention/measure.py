"""A trained model of a config, and where it looks in the photos of its test dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from bgremoval_mm.analysis.attention.figures import check_same_photos
from bgremoval_mm.engine.attention import AttentionMeter, AttentionView, PhotoAttention
from bgremoval_mm.evaluation.smooth_grad import SmoothGrad
from bgremoval_mm.removal.jobs.progress import progress_bar
from bgremoval_mm.visualization.network_input import collate_function
from bgremoval_mm.visualization.predictions import Predictor

__all__ = ['AttentionRun', 'measure_runs']


class AttentionRun:
    """A trained model, measured on the test photos of its config.

    Args:
        name: For tables and pictures.
        config: Of mmpretrain.
        checkpoint: Its checkpoint: every key must fit.
        masks: What LoadForegroundMask takes; a value of None is as the config's datasets have it.
        settings: Of SmoothGrad.
        seed: Of the noise.
        device: Where the model runs.

    Raises:
        ArgumentError: See AttentionMeter and Predictor.
    """

    def __init__(
        self,
        name: str,
        config: Config,
        checkpoint: Path,
        masks: Mapping[str, Any],
        settings: SmoothGrad | None = None,
        seed: int = 0,
        device: str = 'cpu',
    ) -> None:
        self.name = name
        predictor = Predictor(config, checkpoint, 'test', device=device)
        self.meter = AttentionMeter(
            predictor.model,
            predictor.dataset,
            collate_function(config.test_dataloader.get('collate_fn')),
            masks,
            (config.get('train_dataloader') or {}).get('dataset'),
            settings,
            seed,
        )
        self.photos: list[PhotoAttention] = []

    def measure(self, chosen: Sequence[int]) -> None:
        """Measure these photos; the results are in ``photos``, in the same order."""
        self.photos = []
        with progress_bar(len(chosen), self.name, ' photos') as progress:
            for index in chosen:
                self.photos.append(self.meter.measure(index))
                progress.update()

    def view(self, photo: PhotoAttention) -> AttentionView:
        """Return what a photo's figures were computed from; it is computed again."""
        return self.meter.show(photo.index)[1]


def measure_runs(runs: Sequence[AttentionRun], photos: int | None = None) -> None:
    """Measure one or two models on the same photos.

    Args:
        runs: The models.
        photos: How many photos, evenly spaced; None: all.

    Raises:
        ArgumentError: If the test photos of two models are not the same.
        FileNotFoundError: If a mask is missing and must not be computed.
    """
    chosen = [run.meter.choose(photos) for run in runs]  # of each: its masks are looked for
    files = [
        [run.meter.path(index) for index in each] for run, each in zip(runs, chosen, strict=True)
    ]
    for other in files[1:]:
        check_same_photos(files[0], other)
    for run, each in zip(runs, chosen, strict=True):
        run.measure(each)
