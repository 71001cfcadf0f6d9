"""Training and testing each variant with each seed, through the project's own tools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bgremoval_mm.demo.own_folder import read_own
from bgremoval_mm.demo.sources import CLASSES
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.utils.cpu import usable_cores
from bgremoval_mm.utils.json_io import write_json

STATE = 'demo_state.json'
_VALIDATION = re.compile(r'Epoch\(val\) \[(\d+)\].*?accuracy/top1: ([\d.]+)')


class StepError(BgremovalError, RuntimeError):
    """A step of the demo failed; the message says what to look at."""


@dataclass(frozen=True)
class Trainer:
    """Trains and tests configs of the demo.

    Attributes:
        tools: Folder of train.py and test.py.
        out: Folder of the demo: ``work_dirs/seed<seed>/<config name>`` and ``logs`` are made there.
        key: Hash of all that decides a training. A work_dir of another key is emptied first.
        epochs: Length of the trainings.
        overwrite: Train again what is done.
    """

    tools: Path
    out: Path
    key: str
    epochs: int
    overwrite: bool = False

    def run_pairs(
        self,
        pair: tuple[Path, Path],
        seeds: Sequence[int],
        say: Callable[[Path, int, str], None],
    ) -> list[tuple[Path, Path]]:
        """Train and test a pair of configs with each seed, one training a core.

        Args:
            pair: The original config, and the other, whose hook needs the results of the first.
            seeds: Seeds of the trainings.
            say: Takes config, seed and progress line, in the thread of the training.

        Returns:
            What :meth:`run` returns, by seed.
        """

        def train(config: Path, seed: int, before: Future[Path] | None) -> Path:
            if before is not None:
                before.result()  # submitted earlier, and so begun before this
            return self.run(config, seed, lambda text: say(config, seed, text))

        pool = ThreadPoolExecutor(min(usable_cores(), len(seeds)))
        try:
            first = {seed: pool.submit(train, pair[0], seed, None) for seed in seeds}
            second = {seed: pool.submit(train, pair[1], seed, first[seed]) for seed in seeds}
            return [(first[seed].result(), second[seed].result()) for seed in seeds]
        finally:
            pool.shutdown(cancel_futures=True)

    def run(self, config: Path, seed: int, say: Callable[[str], None]) -> Path:
        """Train and test a config, unless that is done; resume an interrupted training.

        May be called from several threads, with other seeds.

        Args:
            config: The config file.
            seed: Seed of the training.
            say: Takes progress lines.

        Returns:
            The predictions for the test pictures, as tools/test.py writes them.

        Raises:
            StepError: A tool failed.
            FileExistsError: The work_dir exists, but the demo did not make it.
        """
        work_dir = self.out / 'work_dirs' / f'seed{seed}' / config.stem
        predictions = work_dir / 'predictions.pkl'
        last = work_dir / 'last_checkpoint'
        state = read_own(work_dir, STATE, lambda c: 'done' in c and isinstance(c['key'], str)) or {}
        if state.get('key') != self.key or self.overwrite:
            shutil.rmtree(work_dir, ignore_errors=True)
            state = {'key': self.key, 'done': False}
            write_json(work_dir / STATE, state)
        if state['done'] and predictions.is_file():
            say('trained and tested before, nothing has changed')
            return predictions
        common = ['--work-dir', str(work_dir), '--cfg-options', f'randomness.seed={seed}']
        common += [
            f'{key}={self.epochs}' for key in ('train_cfg.max_epochs', 'param_scheduler.T_max')
        ]
        resume = ['--resume'] if last.is_file() else []
        say('resuming the training' if resume else 'training')
        self._call('train', config, seed, [*resume, *common], say)
        say('testing on other products and other backgrounds')
        checkpoint = last.read_text(encoding='utf-8').strip()
        arguments = [checkpoint, '--out', str(predictions), *common]
        self._call('test', config, seed, arguments, say)
        write_json(work_dir / STATE, {'key': self.key, 'done': True})
        return predictions

    def _call(
        self,
        tool: str,
        config: Path,
        seed: int,
        arguments: list[str],
        say: Callable[[str], None],
    ) -> None:
        """Run a tool: write its output to a log, and report its validations."""
        log = self.out / 'logs' / f'{tool}_{config.stem}_seed{seed}.log'
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(self.tools / f'{tool}.py'), str(config), *arguments]
        # One thread makes the figures independent of the number of cores, and trainings that run
        # side by side do not wait for each other's threads.
        env = {'OMP_NUM_THREADS': '1', **os.environ, 'BGREMOVAL_DEMO_ROOT': str(self.out)}
        end: deque[str] = deque(maxlen=15)
        with (
            log.open('w', encoding='utf-8', buffering=1) as file,
            subprocess.Popen(
                command,
                env=env,
                text=True,
                errors='replace',
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                for line in process.stdout or ():
                    file.write(line)
                    end.append(line)
                    if found := _VALIDATION.search(line):
                        epoch, top1 = found.groups()
                        say(f'epoch {epoch}: validation top-1 {float(top1):.1f} %')
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            msg = (
                f'tools/{tool}.py ended with exit code {process.returncode}. The end of {log}:\n'
                f'{"".join(end).rstrip()}'
            )
            raise StepError(msg)


def read_predictions(path: Path, images: Path) -> dict[str, str]:
    """Read the predicted class of every test picture.

    Args:
        path: What :meth:`Trainer.run` returned.
        images: The image folder.

    Returns:
        Path below ``images``, with ``/``, to class name.
    """
    from mmengine.fileio import load

    return {
        Path(sample['img_path']).relative_to(images).as_posix(): CLASSES[int(sample['pred_label'])]
        for sample in load(path)
    }
