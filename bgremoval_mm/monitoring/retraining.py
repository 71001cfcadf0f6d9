"""A retraining: from corrections to a network that goes live if it is better.

Each is a folder ``retrain/NNN`` of the pipeline. Every step ends with a file that is written at
once, so that a retraining which was killed is resumed after its last step.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bgremoval_mm.analysis.model_comparison import report
from bgremoval_mm.analysis.model_comparison.compare import ModelComparison, compare_models
from bgremoval_mm.analysis.model_comparison.pairs import pairs_of_manifest
from bgremoval_mm.monitoring.corrections import HELD_BACK, corrections, join, lay_out, link
from bgremoval_mm.monitoring.training import Settings, train
from bgremoval_mm.pipeline.live import as_argument, live_name, put_live
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.options import EngineOptions
from bgremoval_mm.removal.pairs.manifest import read_manifest, relative_to_manifest, write_manifest
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.json_io import read_json_object, write_json
from bgremoval_mm.utils.text import printable

__all__ = ['Outcome', 'judge', 'retrain']

SCORE = 'IoU'


@dataclass(frozen=True)
class Outcome:
    """What came of a retraining.

    Attributes:
        folder: Where it is.
        model: File of the new network; None if there were too few corrections.
        live: Whether it went live.
        reason: Why, or why not.
    """

    folder: Path | None
    model: Path | None
    live: bool
    reason: str


def retrain(
    root: Path,
    queue: UploadQueue,
    settings: Settings,
    engine: EngineOptions | None = None,
    *,
    least: int = 20,
    licence: str | None = None,
    afresh: bool = False,
    workers: int | None = None,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Train a network with the corrections, compare it with the live one, put it live if better.

    A retraining that has begun and not ended goes on.

    Args:
        root: Folder of the pipeline.
        queue: Its uploads.
        settings: What the retraining is made of.
        engine: How networks are run for the comparison.
        least: Corrections since the last retraining without which there is none.
        licence: Of the new weights, for the card.
        afresh: Begin a new one, though one has not ended.
        workers: Number of processes that read and score; None is one a core.
        say: Takes a line for each step.

    Raises:
        ArgumentError: If the one that has not ended was begun with other settings.
        BgremovalError: If another process retrains, the training fails, or the like.
    """
    root = root.resolve()  # manifests have relative paths, which must not lead through links
    home = root / 'retrain'
    home.mkdir(exist_ok=True)
    with _alone(home) as lock:
        folders = sorted(path for path in home.iterdir() if path.name.isdigit())
        folder = folders[-1] if folders and not (folders[-1] / 'result.json').exists() else None
        if folder is None or afresh:
            since = _last_end(folders)
            found = corrections(queue.engine)
            new = sum(each.judged > since for each in found)
            if new < least:
                reason = f'{new} corrections since the last retraining, fewer than {least}'
                return Outcome(None, None, False, reason)
            folder = home / f'{int(folders[-1].name) + 1 if folders else 1:03}'
            folder.mkdir()
        if (folder / 'begun.json').exists():
            say(f'Going on with {printable(folder)}')
        else:
            now = {'settings': asdict(settings), 'live': live_name(root), 'at': queue.clock()}
            write_json(folder / 'begun.json', now)
        begun = read_json_object(folder / 'begun.json')
        _check_same(folder, begun['settings'], settings)
        _prepare(root, queue, folder, settings, begun['at'], workers, say)
        checkpoint = train(folder, settings, lock, say)
        model = _export(root, folder, checkpoint, licence, say)
        return _compare(root, folder, begun['live'], model, engine, workers, say)


def judge(comparison: ModelComparison, unselected: Collection[str]) -> tuple[bool, str]:
    """Return whether the second network goes live in the place of the first, and why.

    It must be better by its interval over all photos, and in no cluster worse by its interval.
    Corrected photos are there because the first network failed on them, so that any other one looks
    better there: hence it must not lie below the first on the other photos alone, either.

    Args:
        comparison: The live network, and the new one.
        unselected: Names of the photos that no network's failure has chosen.
    """
    name = comparison.models[1]
    found = comparison.differences()[name][SCORE]
    low, high = found.estimate.low, found.estimate.high
    interval = 'too few photos for an interval' if low is None else f'{low:+.4f} to {high:+.4f}'
    shown = f'{SCORE} {found.estimate.mean:+.4f} ({interval}) on {len(comparison.pairs)} photos'
    if found.verdict != 'better':
        return False, f'{shown}: {found.verdict}'
    worse = [
        cluster
        for cluster in comparison.clusters
        if comparison.differences(cluster)[name][SCORE].verdict == 'worse'
    ]
    if worse:
        return False, f'{shown}: better, but worse in {", ".join(worse)}'
    chosen = [i for i, pair in enumerate(comparison.pairs) if pair.name in unselected]
    if not chosen:
        return False, f'{shown}: better, but all of them were chosen by failures of the other one'
    first, second = (
        statistics.fmean(scores[i].values[SCORE] for i in chosen) for scores in comparison.scores
    )
    shown += f', {second - first:+.4f} on the {len(chosen)} of the training set alone'
    if second < first:
        return False, f'{shown}: better only on photos that failures of the other one have chosen'
    return True, f'{shown}: better, and worse in no cluster'


def _prepare(
    root: Path,
    queue: UploadQueue,
    folder: Path,
    settings: Settings,
    at: float,
    workers: int | None,
    say: Callable[[str], None],
) -> None:
    """Write the manifest of all pairs, and the held-back ones into a folder of their own."""
    manifest = folder / 'manifest.csv'
    if manifest.exists():
        return
    base = Path(settings.manifest)
    found = [each for each in corrections(queue.engine) if each.judged <= at]
    missing = lay_out(root, found, folder / 'pairs')
    joined = join(
        read_manifest(base), base.parent, found, folder / 'pairs', manifest, settings.share, workers
    )
    held = folder / 'held-back'
    rows = []
    for pair in joined.pairs:
        if pair.split != HELD_BACK:
            continue
        image, mask = (folder / path for path in (pair.image, pair.mask))
        name = pair.image_sha256
        photo = held / 'photos' / f'{name}{image.suffix.lower()}'
        link(image, photo)
        link(mask, held / 'masks-by-people' / f'{name}{mask.suffix.lower()}')
        paths = (photo, held / 'masks-by-people' / f'{name}{mask.suffix.lower()}')
        shown = [relative_to_manifest(path, held / 'manifest.csv') for path in paths]
        rows.append(replace(pair, image=shown[0], mask=shown[1]))
    if not rows:
        msg = f'no photo is held back: {printable(base)} must have pairs of the split {HELD_BACK}'
        raise ArgumentError(msg)
    write_manifest(held / 'manifest.csv', rows)
    for photo_name, reason in (missing | joined.left_out).items():
        say(f'left out: {printable(photo_name)}: {printable(reason)}')
    trained = sum(pair.split == 'train' for pair in joined.pairs)
    say(
        f'{trained} pairs to train on, {joined.corrected} of them corrections; {len(rows)} held '
        f'back, {joined.held_back} of them corrections'
    )
    write_manifest(manifest, joined.pairs)


def _export(
    root: Path, folder: Path, checkpoint: Path, licence: str | None, say: Callable[[str], None]
) -> Path:
    from bgremoval_mm.engine.model_export import export_model

    model = root / 'models' / f'retrained-{folder.name}.onnx'
    done = folder / 'exported.json'
    if not done.exists():
        model.parent.mkdir(exist_ok=True)
        manifest = folder / 'manifest.csv'
        found = export_model(checkpoint, model, licence=licence, manifest=manifest, overwrite=True)
        for note in found.notes:
            say(f'note: {printable(note)}')
        write_json(done, {'model': model.name, 'gap': found.gap})
    return model


def _compare(
    root: Path,
    folder: Path,
    live: str,
    model: Path,
    engine: EngineOptions | None,
    workers: int | None,
    say: Callable[[str], None],
) -> Outcome:
    held = folder / 'held-back'
    say(f'Comparing with {printable(live)} on the photos that were held back')
    comparison = compare_models(
        pairs_of_manifest(held / 'manifest.csv'),
        [as_argument(root, live), model],
        held / 'masks',
        engine,
        scores=[SCORE],
        speed_photos=0,
        workers=workers,
    )
    own = read_manifest(folder / 'manifest.csv')
    corrected = {pair.image_sha256 for pair in own if pair.image.startswith('pairs/')}
    names = {pair.name for pair in comparison.pairs if Path(pair.name).stem not in corrected}
    goes_live, reason = judge(comparison, names)
    now = live_name(root)
    if goes_live and now not in (live, model.name):
        goes_live, reason = False, f'{reason}; but another network has gone live meanwhile'
    write_atomically(folder / 'comparison.md', report.as_markdown(comparison).encode())
    if goes_live and now != model.name:  # else it was killed right after this
        put_live(root, str(model), reason)
    content = {'live': goes_live, 'reason': reason, 'comparison': report.as_json(comparison)}
    write_json(folder / 'result.json', content)
    return Outcome(folder, model, goes_live, reason)


def _check_same(folder: Path, begun: dict[str, Any], settings: Settings) -> None:
    now = {**asdict(settings), 'options': list(settings.options)}
    other = [name for name, value in now.items() if begun.get(name) != value]
    if other:
        name = other[0]
        msg = (
            f'{printable(folder)} has not ended, and was begun with {name} = {begun.get(name)!r}, '
            f'not {now[name]!r}: go on with that, or begin afresh'
        )
        raise ArgumentError(msg)


def _last_end(folders: Sequence[Path]) -> float:
    for folder in reversed(folders):
        if (folder / 'result.json').exists():
            return float(read_json_object(folder / 'begun.json')['at'])
    return 0.0


@contextmanager
def _alone(home: Path) -> Iterator[int]:
    """Keep other processes from retraining at the same time; give the lock's file descriptor."""
    import fcntl

    with (home / 'lock').open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            msg = f'another process is retraining in {printable(home)}, or still training'
            raise BgremovalError(msg) from err
        yield lock.fileno()
