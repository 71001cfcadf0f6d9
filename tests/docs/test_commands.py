"""Commands of README and docs: all of them parse; what needs nothing special is run.

A block that cannot be run here says why in its first line, which no reader sees:

    ```bash needs=gpu,data        # needs that; its commands are parsed only
    ```bash tested=tests/x.py     # that test runs the same tool in the same way
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from markdown_it import MarkdownIt

from bgremoval_mm.cli.main import make_parser
from bgremoval_mm.datasets.clothing10 import CLASSES
from bgremoval_mm.removal import remove_tree

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]
LANGUAGES = {'', 'bash', 'sh', 'shell', 'console'}
NEEDS = {'data', 'gpu', 'machines', 'mim', 'network', 'slurm'}

_ASSIGNMENT = re.compile(r'([A-Z][A-Z0-9_]*)=(.*)', re.S)

# A network that takes a second: the config that the docs call X.
TOY = """
custom_imports = dict(imports=['bgremoval_mm'], allow_failed_imports=False)
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=18, stem_channels=8, base_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=64, topk=(1,)))
data_preprocessor = dict(num_classes=2, mean=[127.0] * 3, std=[127.0] * 3)
pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=32), dict(type='PackInputs')]
dataset = dict(type='CustomDataset', data_root='data/photos', data_prefix='train')
train_dataloader = val_dataloader = test_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False,
    dataset=dict(pipeline=pipeline, **dataset), sampler=dict(type='DefaultSampler', shuffle=False))
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.001))
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=100)
val_cfg = test_cfg = dict()
val_evaluator = test_evaluator = dict(type='Accuracy', topk=(1,))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=100))
"""
VARIANT = "_base_ = 'X.py'\ncustom_hooks = [dict(type='DiffMetricsHook', strict=True)]\n"


class Block(NamedTuple):
    """Commands of one fenced block."""

    page: Path
    line: int
    mark: str
    commands: list[list[str]]

    def __str__(self) -> str:
        return f'{self.page.name}:{self.line}'


def read_blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page, with the shell variables that the page sets filled in."""
    variables: dict[str, str] = {}
    for fence in MarkdownIt().parse(page.read_text(encoding='utf-8')):
        language, _, mark = fence.info.partition(' ')
        if fence.type == 'fence' and language in LANGUAGES:
            commands = []
            for words in read_commands(fence.content, variables):
                while words and (assigned := _ASSIGNMENT.fullmatch(words[0])):
                    variables[assigned[1]] = assigned[2]
                    words = words[1:]
                if words:
                    commands.append(words)
            assert fence.map is not None
            yield Block(page, fence.map[0] + 1, mark, commands)


def read_commands(text: str, variables: dict[str, str]) -> Iterator[list[str]]:
    """Yield the words of each command; a quotation may go over several lines."""
    command = ''
    for line in text.replace('\\\n', ' ').splitlines():
        command += re.sub(r'\$\(.*\)', 'computed', line)
        command = re.sub(r'\$(\w+)', lambda found: variables.get(found[1], found[1]), command)
        try:
            words = shlex.split(command, comments=True)
        except ValueError:  # no closing quotation yet
            continue
        command = ''
        yield words


BLOCKS = [block for page in PAGES for block in read_blocks(page)]
RUN = [block for block in BLOCKS if block.commands and not block.mark and block.page != PAGES[1]]


def test_there_are_commands() -> None:
    """The pages are read: README's two commands, and many more."""
    commands = [words for block in BLOCKS for words in block.commands]
    assert ['make', 'setup'] in commands
    assert ['make', 'demo'] in commands
    assert len(commands) > 50
    assert len(RUN) > 5


@pytest.mark.parametrize('block', [each for each in BLOCKS if each.mark], ids=str)
def test_marks_are_known(block: Block) -> None:
    """A mark says what is needed, or names a test that is there and runs the same tool."""
    kind, _, value = block.mark.partition('=')
    if kind == 'tested':
        text = (ROOT / value).read_text(encoding='utf-8')
        for words in block.commands:
            assert Path(words[0]).stem.split('_')[0] in text
    else:
        assert kind == 'needs'
        assert set(value.split(',')) <= NEEDS


@pytest.mark.parametrize('block', [each for each in BLOCKS if each.commands], ids=str)
def test_commands_parse(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tool is there and takes these arguments; configs and make's targets exist."""
    makefile = (ROOT / 'Makefile').read_text(encoding='utf-8')
    for words in block.commands:
        program, *arguments = words
        if program == 'make':
            targets = [word for word in arguments if '=' not in word]
            for target in targets:
                assert re.search(rf'^{target}:', makefile, re.M), words
            continue
        for word in words:
            if re.fullmatch(r'configs/.*\.py', word) and '/X' not in word and 'C' not in word:
                assert (ROOT / word).is_file(), words
        if program.startswith('tools/'):
            assert os.access(ROOT / program, os.X_OK), words
        if program == 'bgremoval':
            redirected = [i for i, word in enumerate(arguments) if word in '<>']
            kept = arguments[: redirected[0]] if redirected else arguments
            try:
                make_parser().parse_args(kept)
            except SystemExit as err:
                pytest.fail(f'bgremoval does not take {kept}: {err}')
        if program == 'python' and arguments[0].startswith('tools/'):
            check_arguments(ROOT / arguments[0], arguments[1:], monkeypatch)


def check_arguments(tool: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the tool read its command line, and do nothing else."""
    assert tool.is_file(), tool
    monkeypatch.setattr(sys, 'argv', [str(tool), *arguments])
    monkeypatch.syspath_prepend(str(tool.parent))
    namespace = runpy.run_path(str(tool), run_name='docs')
    command = getattr(namespace['main'], 'keywords', {}).get('command')  # of `bgremoval`
    if 'parse_args' not in namespace and command is None:
        assert not arguments, f'{tool.name} has no parse_args'
        return
    try:
        if command is None:
            namespace['parse_args']()
        else:
            make_parser().parse_args([command, *arguments])
    except SystemExit as err:
        pytest.fail(f'{tool.name} does not take {arguments}: {err}')


@pytest.fixture
def clone(photos: Path, tiny_model: Callable, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder like a clone with photos in it, whose two models are tiny."""
    here = photos.parents[1]
    tiny_model('u2net')
    tiny_model('u2netp')
    (here / 'tools').symlink_to(ROOT / 'tools')
    (here / 'configs').mkdir()
    for entry in (ROOT / 'configs').iterdir():
        (here / 'configs' / entry.name).symlink_to(entry)
    (here / 'configs' / 'X.py').write_text(TOY)
    (here / 'configs' / 'X-rembg.py').write_text(VARIANT)
    (here / 'data' / 'clothing10').mkdir()
    for subset in ('train', 'validation', 'test'):
        for number, name in enumerate(CLASSES):
            folder = here / 'data' / 'clothing10' / subset / name
            folder.mkdir(parents=True)
            source = sorted(photos.rglob('*.jpg'))[number % 4]
            (folder / f'{subset}{number}.jpg').write_bytes(source.read_bytes())
    remove_tree(here / 'data' / 'clothing10', 'data/masks/clothing10', progress=False)
    (here / 'mine.py').write_text(TOY.replace('100', '1'))
    (here / 'mine-rembg.py').write_text(VARIANT.replace('X.py', 'mine.py'))
    return here


@pytest.mark.slow
@pytest.mark.parametrize('page', sorted({block.page for block in RUN}), ids=lambda page: page.name)
def test_commands_run(page: Path, clone: Path, run_tool: Callable[..., None]) -> None:
    """What needs neither real data nor a GPU, run in the page's order; each ends well."""
    pytest.importorskip('mmpretrain')
    for block in RUN:
        if block.page != page:
            continue
        for program, script, *arguments in block.commands:
            assert program == 'python', f'{block}: mark what a test cannot run'
            try:
                run_tool(Path(script).stem, *arguments)
            except SystemExit as err:
                assert not err.code, (str(block), script, arguments)  # noqa: PT017
