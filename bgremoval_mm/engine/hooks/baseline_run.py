"""Where the baseline of a run lies, such as that of ``X-rembg``, and how to make it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from bgremoval_mm.engine.hooks.baseline import Baseline, BaselineTest, load_baseline
from bgremoval_mm.engine.hooks.conditions import Conditions, unlike
from bgremoval_mm.engine.pairs import baseline_name
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable

__all__ = ['BaselineRun']

# What must be alike in two tests. Who names a baseline may have moved its images or changed its
# pipeline on purpose; what is found by its name is taken to be the same test.
_ALWAYS_ALIKE = ('tta', 'images', 'replaced', 'attention')
_ALIKE_IF_FOUND = (*_ALWAYS_ALIKE, 'datasets', 'pipeline')


class BaselineRun:
    """The run that another one is compared with.

    Args:
        baseline: 'auto', a path or numbers, as ``DiffMetricsHook`` takes it.
        config: The run's config file, None if it has none.
        work_dir: The run's work_dir.
    """

    def __init__(
        self,
        baseline: str | Mapping[str, float],
        config: str | Path | None,
        work_dir: str | Path,
    ) -> None:
        self.baseline = baseline
        self.work_dir = Path(work_dir)
        folder = baseline_name(self.work_dir.name)
        stem = baseline_name(Path(config).stem) if config else None
        # Beside this work_dir under either name, else where the tools write by default.
        folders = [self.work_dir.with_name(name) for name in (folder, stem) if name]
        folders += [Path('work_dirs') / stem] if stem else []
        self.folders = list({path.resolve(): path for path in folders}.values())
        self.config = Path(config).with_name(f'{stem}.py') if config and stem else None

    @property
    def exists(self) -> bool:
        """Whether there is a baseline at all: none for a run that is itself a baseline."""
        return self.baseline != 'auto' or bool(self.folders)

    def load(self) -> Baseline | None:
        """Read the baseline as it is now; None if there is none (yet).

        Raises:
            ValueError: If a given file cannot be a baseline.
        """
        found: Baseline | None = None
        for source in self.folders if self.baseline == 'auto' else [self.baseline]:
            try:
                candidate = load_baseline(source)
            except FileNotFoundError:
                continue
            if not candidate.is_empty:
                return candidate
            found = found or candidate
        return found

    def test_like(self, baseline: Baseline, mine: Conditions) -> tuple[BaselineTest | None, str]:
        """Return the test of the baseline to compare a test with, or why there is none.

        Args:
            baseline: The values of this run.
            mine: What the test of this run is made with.
        """
        where = printable(_short(baseline.source))
        if not baseline.tests:
            what = 'its test gave no metric' if baseline.empty_test else 'it has no test results'
            return None, f'of {where}, {what}'
        alike = _ALIKE_IF_FOUND if self.baseline == 'auto' else _ALWAYS_ALIKE
        test, differences = baseline.test_like(mine, alike)
        return test, '' if test else f'of {where}, {"; ".join(differences)}'

    def problem(
        self,
        part: str,
        metrics: Sequence[str] | None = None,
        conditions: Conditions | None = None,
    ) -> str | None:
        """Say what is missing for comparing a part of the run, and the command that makes it.

        Args:
            part: 'train' or 'test'.
            metrics: The metrics asked for, None for all.
            conditions: What the test of this run is made with; None is not known.

        Returns:
            The message, None if nothing is missing.

        Raises:
            ValueError: If the baseline is this run itself, or a file that cannot be one.
        """
        if not self.exists:
            return None
        given = Path(self.baseline).resolve() if isinstance(self.baseline, str) else None
        if given == self.work_dir.resolve():
            msg = f'`baseline` {printable(self.baseline)} is the work_dir of this run itself'
            raise ArgumentError(msg)
        baseline = self.load()
        if baseline is None:
            return f'{self._not_found()}\n{self._how_to_train()}'
        mine = conditions or Conditions()
        test, why = self.test_like(baseline, mine) if part == 'test' else (None, '')
        if why:
            return (
                f'DiffMetricsHook: the test is not compared: {why}.\n'
                f'{self._how_to_test(baseline, mine)}'
            )
        if part == 'train' and not (baseline.best or baseline.last):
            source = printable(_short(baseline.source))
            where = f'DiffMetricsHook found no validations in {source}'
            if baseline.stepless:
                return (
                    f'{where}: they carry no epoch or iteration. Set '
                    'LoggerHook(log_metric_by_epoch=False) in both configs.'
                )
            return (
                f'{where}: not trained yet, without LocalVisBackend, or they gave no metric.\n'
                f'{self._how_to_train()}'
            )
        known = test.metrics if test else {**baseline.last, **baseline.best}
        missing = [metric for metric in metrics or () if metric not in known]
        if missing:
            where = f'{printable(baseline.source)} has no {part} value of {missing}'
            return f'DiffMetricsHook: {where}; it has {sorted(known)}.'
        return None

    def _not_found(self) -> str:
        looked = f'no baseline at {printable(self.baseline)}'
        if self.baseline == 'auto':
            folders = ', '.join(printable(_short(path)) for path in self.folders)
            looked = f'no run of the baseline (looked for {folders})'
        return f'DiffMetricsHook found {looked}; no difference is logged while it is missing.'

    def _how_to_train(self) -> str:
        if self.config is None:
            return 'Train the same config on the original images, or give `baseline` its work_dir.'
        default = Path('work_dirs', self.config.stem).resolve()
        target = Path(self.baseline) if isinstance(self.baseline, str) else self.folders[0]
        target = self.folders[0] if self.baseline == 'auto' else target
        option = '' if target.resolve() == default else f' --work-dir {_quoted(target)}'
        return f'Make it with: python tools/train.py {self._config_argument()}{option}'

    def _how_to_test(self, baseline: Baseline, mine: Conditions) -> str:
        run = Path(baseline.source)
        tta = bool(mine.tta)
        option = ' --tta' if tta else ''
        if self.config is None or not run.is_dir():
            of = ' of a test with TTA that says so ("tta": true)' if tta else ''
            return f'Give `baseline` a work_dir with such a test, or a JSON file{of}.'
        pointer = run / 'last_checkpoint'
        last = Path(pointer.read_text(encoding='utf-8')).name if pointer.is_file() else 'LAST.pth'
        return (
            f'Test it with: python tools/test.py {self._config_argument()} {_quoted(run / last)} '
            f'--work-dir {_quoted(run)}{option}{_same_photos(baseline, mine)}'
        )

    def _config_argument(self) -> str:
        if self.config is None or not self.config.is_file():
            return '<config of the baseline>'
        return _quoted(self.config)


def _same_photos(baseline: Baseline, mine: Conditions) -> str:
    """Describe what a command without the options of this run would miss."""
    differing = {name for test in baseline.tests[:1] for name in unlike(test.conditions, mine)}
    if differing <= {'tta'}:
        return ''
    return (
        ', with the test set and pipeline of this run: by the same --cfg-options, or in the config'
    )


def _quoted(path: str | Path) -> str:
    """Return a short path as a shell takes it."""
    return printable(shlex.quote(_short(path)))


def _short(path: str | Path) -> str:
    """Return a path relative to the current folder where it lies inside it."""
    path = Path(path).absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
