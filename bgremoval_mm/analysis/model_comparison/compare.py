"""Masks of several models of the same photos, their scores against masks by people, and speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bgremoval_mm.analysis.model_comparison.differences import Difference, differences
from bgremoval_mm.analysis.model_comparison.pairs import ComparedPairs, PairFiles
from bgremoval_mm.analysis.model_comparison.scoring import ScoringJob, score_photo
from bgremoval_mm.evaluation.saliency import SCORES, ImageScores, mean_scores, require_library
from bgremoval_mm.removal import BackgroundRemover, MaskStore, ModelSpec, get_model, read_image
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.jobs.run import run_job
from bgremoval_mm.removal.options import EngineOptions, JobOptions, OutputOptions
from bgremoval_mm.utils.parallel import for_each
from bgremoval_mm.utils.sampling import evenly_spaced
from bgremoval_mm.utils.text import printable

__all__ = ['ALL', 'ModelComparison', 'check_models', 'check_scores', 'compare_models']

ALL = 'all'


@dataclass(frozen=True)
class ModelComparison:
    """What `compare_models` has found.

    Attributes:
        specs: The models, in the order given; the others are compared with the first.
        pairs: The photos that are scored.
        scores: Of each model, those of each photo.
        left_out: Reason by photo, of those that are not scored.
        speed: Photos a second by model; empty if it was not measured.
        stores: Where each model's masks are.
        root: Folder of the photos.
        precision: What the networks compute in.
    """

    specs: list[ModelSpec]
    pairs: list[PairFiles]
    scores: list[list[ImageScores]]
    left_out: dict[str, str]
    speed: dict[str, float]
    stores: list[MaskStore]
    root: Path
    precision: str
    _known: dict[str, dict[str, dict[str, Difference]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def models(self) -> list[str]:
        """Names of the models."""
        return [spec.name for spec in self.specs]

    @property
    def clusters(self) -> list[str]:
        """Names of the clusters; none if there are none."""
        return sorted({pair.cluster for pair in self.pairs if pair.cluster})

    def members(self, cluster: str = ALL) -> list[int]:
        """Return the indices of a cluster's photos, or of all."""
        return [index for index, pair in enumerate(self.pairs) if cluster in (ALL, pair.cluster)]

    def means(self, cluster: str = ALL) -> dict[str, dict[str, float]]:
        """Return the scores over a cluster's photos, or all, by model and score."""
        members = self.members(cluster)
        return {
            model: mean_scores([scores[index] for index in members])
            for model, scores in zip(self.models, self.scores, strict=True)
        }

    def differences(self, cluster: str = ALL) -> dict[str, dict[str, Difference]]:
        """Return each other model's differences from the first, by model and score."""
        if cluster not in self._known:
            self._known[cluster] = self._differences(self.members(cluster))
        return self._known[cluster]

    def _differences(self, members: list[int]) -> dict[str, dict[str, Difference]]:
        units = [
            f'item {self.pairs[index].item}' if self.pairs[index].item else self.pairs[index].name
            for index in members
        ]
        first, *others = [[scores[index] for index in members] for scores in self.scores]
        return {
            model: differences(first, other, units)
            for model, other in zip(self.models[1:], others, strict=True)
        }


def compare_models(
    pairs: ComparedPairs,
    models: Sequence[str | Path],
    masks: str | Path,
    engine: EngineOptions | None = None,
    *,
    scores: Sequence[str] | None = None,
    speed_photos: int = 20,
    workers: int | None = None,
    progress: bool = True,
) -> ModelComparison:
    """Score the masks of several models against masks by people, and measure the models' speed.

    Args:
        pairs: The photos and masks, of `pairs_of_folders` or `pairs_of_manifest`.
        models: Two or more: names of the catalogue, or paths of ONNX files.
        masks: Root of a mask store. It keeps the models' masks, so that a second run, or one that
            was interrupted, does not compute them again.
        engine: How the networks are run; its model is not looked at. None: as by default.
        scores: Which of ``SCORES``; None takes all.
        speed_photos: How many photos the speed is measured on; 0 does not measure it.
        workers: Number of processes that score; None is one a core.
        progress: Show progress bars, if there is a terminal.

    Raises:
        ArgumentError: If an argument is not allowed.
        BgremovalError: If no photo can be scored, or a model cannot be run.
    """
    specs, names = check_models(models), check_scores(scores)
    options = [replace(engine or EngineOptions(), model=spec).resolved for spec in specs]
    wanted = {pair.name for pair in pairs.pairs}
    job = JobOptions(accept=wanted.__contains__, progress=progress)
    left_out = dict(pairs.left_out)
    for each in options:
        summary = run_job(pairs.root, masks, each, OutputOptions(), job)
        left_out |= {name: text for name, text in summary.failed.items() if name in wanted}
    stores = [MaskStore(masks, each.spec, each.precision) for each in options]
    kept, found = _score(pairs, stores, names, left_out, workers, progress)
    photos = [pairs.root / pair.name for pair in evenly_spaced(kept, min(speed_photos, len(kept)))]
    speed = _speed(options, photos) if photos else {}
    by_model = [[each[number] for each in found] for number in range(len(specs))]
    return ModelComparison(
        specs, kept, by_model, left_out, speed, stores, pairs.root, options[0].precision
    )


def check_models(models: Sequence[str | Path]) -> list[ModelSpec]:
    """Return the models, if they can be compared.

    Raises:
        ArgumentError: If they are not two or more different ones, or one cannot be run.
    """
    specs = [get_model(model) for model in models]
    if len(specs) < 2 or len({spec.name for spec in specs}) < len(specs):
        shown = ', '.join(map(printable, models)) or 'none'
        msg = f'`models` must be two or more different ones, but got {shown}'
        raise ArgumentError(msg)
    return specs


def check_scores(scores: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the names of the scores; None is all of them.

    Raises:
        ArgumentError: If there is no such score.
        MissingPySODMetricsError: If one needs PySODMetrics and it is not installed.
    """
    names = tuple(SCORES) if scores is None else tuple(scores)
    unknown = [name for name in names if name not in SCORES]
    if unknown or not names:
        got = repr(unknown[0]) if unknown else 'none'
        msg = f'`scores` must be of {", ".join(SCORES)}, but got {got}'
        raise ArgumentError(msg)
    require_library(names)
    return names


def _score(
    pairs: ComparedPairs,
    stores: list[MaskStore],
    names: tuple[str, ...],
    left_out: dict[str, str],
    workers: int | None,
    progress: bool,
) -> tuple[list[PairFiles], list[list[ImageScores]]]:
    """Return the photos that can be scored, and for each the scores of each model."""
    jobs = [
        (pair.name, ScoringJob(pair.name, pair.mask, tuple(stores), names))
        for pair in pairs.pairs
        if pair.name not in left_out
    ]
    found, failures = for_each(score_photo, jobs, 'scores', workers, progress)
    left_out |= failures
    kept = [pair for pair in pairs.pairs if pair.name in found]
    if not kept:
        name, reason = next(iter(left_out.items()))
        msg = f'no photo can be scored, such as {printable(name)}: {reason}'
        raise BgremovalError(msg)
    return kept, [found[pair.name] for pair in kept]


def _speed(options: Sequence[EngineOptions], photos: Sequence[Path]) -> dict[str, float]:
    """Return each model's photos a second, without reading and writing: 1 / the median time.

    The models take turns at each photo, and who begins changes, so what else the machine does falls
    on all of them.
    """
    removers = [BackgroundRemover.from_options(each) for each in options]
    seconds: list[list[float]] = [[] for _ in removers]
    for number, path in enumerate([photos[0], *photos]):
        image = read_image(path).rgb
        turn = number % len(removers)
        for index in [*range(turn, len(removers)), *range(turn)]:
            started = time.perf_counter()
            removers[index].low_resolution([image])
            seconds[index].append(time.perf_counter() - started)
    # The first one loads the networks.
    return {
        each.spec.name: 1 / statistics.median(times[1:])
        for each, times in zip(options, seconds, strict=True)
    }
