"""Options: which go together, which are refused, and that none is accepted and ignored."""

from __future__ import annotations

import argparse
import errno
import io
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from bgremoval_mm.cli import one, rules, tree
from bgremoval_mm.cli.arguments import Parser, add_tree_arguments, options_of
from bgremoval_mm.cli.main import main
from bgremoval_mm.cli.result_arguments import FRAMING
from bgremoval_mm.removal import ModelSpec, TreeSummary
from bgremoval_mm.removal.options import (
    EngineOptions,
    Framing,
    JobOptions,
    OutputOptions,
    choice,
)

BUNDLES = (EngineOptions, OutputOptions, JobOptions)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a photo and a folder of one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos').mkdir()
    for name in ('photo.jpg', 'photos/a.jpg'):
        (tmp_path / name).write_bytes(b'<html>')
    return tmp_path


def shallow(*bundles: Any) -> dict[str, Any]:
    """The fields of options objects."""
    return {each.name: getattr(of, each.name) for of in bundles for each in fields(of)}


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each job is started with, instead of its being run."""
    calls: list[dict[str, Any]] = []

    def run_job(src: str, dst: str, *bundles: Any) -> TreeSummary:
        calls.append({'src': src, 'dst': dst, **shallow(*bundles)})
        return TreeSummary(Path('out'), done=1, seconds=2.0)

    monkeypatch.setattr('bgremoval_mm.removal.jobs.run.run_job', run_job)
    return calls


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says when it refuses these arguments."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    return capsys.readouterr().err


FOLDER_OPTIONS = [
    ['--batch-size', '4'],
    ['--overwrite'],
    ['--checksum'],
    ['--masks', 'masks'],
    ['--second-model', 'u2net'],
    ['--shard', '1/2'],
    ['--engine', 'ray'],
    ['--workers', '2'],
    ['--sheet'],
    ['--review', 'review'],
]


@pytest.mark.parametrize('option', FOLDER_OPTIONS, ids=lambda option: option[0])
@pytest.mark.parametrize('files', [['photo.jpg', 'cut.png'], ['photo.jpg'], []])
def test_one_image_has_no_folder_options(
    here: Path, option: list[str], files: list[str], capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One image, from a file or a pipe, refuses each option that only a folder's job can heed."""
    monkeypatch.setattr(sys, 'stdin', io.StringIO())
    said = refusal(['remove', *files, *option], capsys)
    assert f'error: {option[0]} is for folders, but SRC and DST are one image' in said


@pytest.mark.parametrize('option', [['--sheet'], ['--review', 'review'], ['--shard', '1/2']])
def test_watch_refuses_what_needs_an_end(here: Path, option: list[str], capsys) -> None:
    """A watch never ends, so that it has no sheet and no page, and it is of all images."""
    said = refusal(['remove', 'photos', 'out', '--watch', *option], capsys)
    assert f'error: {option[0]} needs a job that ends: not with --watch' in said


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['photo.jpg', 'cut.png', '--fill', '255'], '--fill goes with --output rgb only'),
        (['photos', 'out', '--fill', '255'], '--fill goes with --output rgb only'),
        (['photos', 'out', '--fill', 'white'], "from 0 to 255, but got 'white'"),
        (['photos', 'o', '--output', 'rgb', '--fill', '256'], "from 0 to 255, but got '256'"),
        (['photos', 'o', '--output', 'rgb', '--fill', '1,2'], "from 0 to 255, but got '1,2'"),
        (['photos', ''], "argument dst: must not be empty, but got ''"),
        (['', 'out'], "argument src: must not be empty, but got ''"),
        (['photos', 'out', '--masks', ''], "argument --masks: must not be empty, but got ''"),
        (['photos', 'out', '--review='], "argument --review: must not be empty, but got ''"),
        (['photos', 'out', '--calibration', 'x'], '--calibration goes with --precision int8 only'),
        (['photo.jpg', 'c.png', '--calibration', 'x'], '--calibration goes with --precision int8'),
        (['photos', 'out', '--workers', '2'], '--workers goes with --engine ray only'),
        (['photos', 'out', '--engine', 'local', '--workers', '2'], '--workers goes with --engine'),
        (['photo.jpg', 'cut.png', '--format', 'webp'], '--format webp does not go with DST, cut.p'),
        (['photo.jpg', 'cut.png', '--output', 'store'], '--output store is for folders'),
        (['photo.jpg', 'cut.jpg', '--output', 'mask'], 'JPEG blurs masks'),
        (['photos', 'out', '--format', 'jpeg'], 'JPEG has no transparency: add --output rgb'),
        (['photos', 'out', '--output', 'store', '--format', 'webp'], 'masks are PNG files, but go'),
        (['photos', 'out', '--output', 'store', '--masks', 'm'], '--masks takes masks that were'),
        (['photos', 'o', '--masks', 'm', '--second-model', 'u2netp'], 'not with --masks'),
        (
            ['photos', 'out', '--output', 'mask', '--edges', 'clean'],
            '--edges goes with --output rg',
        ),
        (
            ['photos', 'out', '--output', 'mask', '--convert-srgb'],
            '--convert-srgb goes with --outp',
        ),
        (
            ['a', 'o', '--output', 'store', '--crop', '0%'],
            '--crop goes with --output mask, rgb or ',
        ),
        (
            ['a', 'o', '--output', 'store', '--shadow'],
            '--shadow goes with --output rgb or rgba onl',
        ),
        (['photos', 'out', '--edges', 'soft'], "invalid choice: 'soft'"),
        (
            ['photos', 'out', '--threshold', '1'],
            "a share between 0 and 1, such as 0.5, but got '1'",
        ),
        (
            ['photos', 'out', '--threshold', '.5', '--matting'],
            '--threshold makes edges hard, --matt',
        ),
        (
            ['photo.jpg', 'c.png', '--threshold', '.5', '--edges', 'clean'],
            '--edges clean is for sof',
        ),
        (['photos', 'out', '--crop', '5'], "must be a margin such as '5%' or '20px', but got '5'"),
        (['photos', 'out', '--aspect', '1:0'], "a ratio from '1:20' to '20:1', but got '1:0'"),
        (['photos', 'out', '--canvas', '0x9'], "up to 16383 a side, but got '0x9'"),
        (['photos', 'out', '--align', '80%'], "'height=80%' or 'width=60%', above 0 and up to 100"),
        (['photos', 'out', '--align', 'height=80%'], '--align needs --canvas'),
        (
            ['photo.jpg', 'c.png', '--canvas', '9x9', '--align', 'width=9%', '--crop', '5%'],
            '--align places the object itself: not with --crop',
        ),
        (
            ['photos', 'o', '--canvas', '9x9', '--aspect', '1:1'],
            '--canvas has an aspect of its own',
        ),
        (['photos', 'o', '--crop', '5%', '--review', 'r'], '--review shows results over their pho'),
        (['photos', 'out', '--shard', '3/2'], "I from 1 to N, such as 3/8, but got '3/2'"),
        (['photos', 'out', '--device', 'gpu'], "auto, cpu, cuda or cuda:N, but got 'gpu'"),
        (['photos', 'out', '--threads', '0'], "a whole number, 1 or more, but got '0'"),
        (['photos', 'out', '--batch-size', '-1'], "a whole number, 1 or more, but got '-1'"),
        (['photos', 'out', '--max-pixels', '1e6'], "a whole number, 1 or more, but got '1e6'"),
        (['photos', 'photo.jpg/'], 'DST must be a folder, but photo.jpg/ is none'),
        (['photos', 'cut.png'], 'SRC is a folder, so DST must be one, but got cut.png'),
        (['photo.jpg', 'cut.tiff'], 'must end in one of .png, .webp, .jpg, .jpeg, or be a folder'),
        (['photo.jpg', 'cut.bmp'], 'If a folder of that name is meant: cut.bmp/'),
        (['photo.jpg', 'new/cut.PGN'], 'or be a folder, but got new/cut.PGN'),
        (['photo.jpg', 's3://bucket/cut.gif'], 'or be a folder, but got s3://bucket/cut.gif'),
        (['photo.jpg', 's3://bucket/cut.png'], 'or be a folder, but got s3://bucket/cut.png'),
        (['s3://bucket/a.jpg', 'cut.png'], 'images at addresses go to a folder or an address'),
        (['-', 'cut.tiff'], 'one image from standard input goes to a file'),
        (['photo.jpg', '.'], 'DST is the folder of photo.jpg'),
        (['photos/a.jpg', 'photos/../photos'], 'DST is the folder of photos/a.jpg'),
    ],
)
def test_what_does_not_go_together(here: Path, arguments, message, capsys) -> None:
    """It is refused in one line before anything is done, and nothing is made."""
    before = sorted(here.rglob('*'))
    said = refusal(['remove', *arguments], capsys)
    assert message in said
    assert said.count('\n') == 1
    assert sorted(here.rglob('*')) == before


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['models', '--accept-licence'], '--accept-licence goes with the names of models'),
        (['masks', 'photos', 'out', '--format', 'webp'], "a store's masks are PNG files"),
        (['masks', 'photos/a.jpg', 'photos'], 'DST is the folder of photos/a.jpg'),
        (['bench', 'photos', '--settings', 'cuda'], 'BACKEND:PRECISION with a backend of auto'),
        (
            ['bench', 'photos', '--settings', 'rembg', '--calibration', 'x'],
            'no setting of --settin',
        ),
        (['bench', 'photos', '--format', 'jpeg'], 'JPEG blurs masks'),
        (['bench', 'photos', '--rounds', '0'], "1 or more, but got '0'"),
        (['review', 'out', ''], "argument images: must not be empty, but got ''"),
    ],
)
def test_other_commands_refuse_too(here: Path, arguments, message, capsys) -> None:
    """The other commands have the same rules."""
    assert message in refusal(arguments, capsys)


def test_tool_has_the_same_rules(here: Path, repository: Path, capsys) -> None:
    """tools/remove_background.py is `bgremoval masks`."""
    tool: Callable[[list[str]], int] = runpy.run_path(
        str(repository / 'tools/remove_background.py')
    )['main']
    with pytest.raises(SystemExit) as left:
        tool(['photos', 'out', '--fill', '255'])
    assert left.value.code == 2
    assert '--fill goes with --output rgb only, but --output is store' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('tool', 'command'),
    [
        ('remove_background', 'masks'),
        ('download_weights', 'models'),
        ('mask_sheet', 'sheet'),
        ('doctor', 'doctor'),
    ],
)
def test_tools_are_commands(repository: Path, tool: str, command: str, capsys) -> None:
    """These tools hand their arguments to a command."""
    run: Callable[[list[str]], int] = runpy.run_path(str(repository / f'tools/{tool}.py'))['main']
    with pytest.raises(SystemExit) as left:
        run(['--help'])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f'usage: bgremoval {command} ')


@pytest.mark.parametrize('link', [None, os.link, os.symlink])
def test_photo_is_not_replaced(here: Path, link: Callable | None, capsys) -> None:
    """DST may not be SRC, by its name, by a hard link or by a symbolic one."""
    target = 'photo.jpg'
    if link is not None:
        target = 'other.jpg'
        link('photo.jpg', target)
    said = refusal(['remove', 'photo.jpg', target, '--output', 'rgb'], capsys)
    assert 'DST is SRC: the photo would be lost' in said
    assert (here / 'photo.jpg').read_bytes() == b'<html>'


def test_standard_input_is_not_replaced(here: Path) -> None:
    """The photo that a shell opened as standard input may not be DST either."""
    command = [sys.executable, '-m', 'bgremoval_mm.cli.main', 'remove', '-', 'photo.jpg']
    with Path('photo.jpg').open('rb') as photo:
        done = subprocess.run(
            [*command, '--output', 'rgb'], stdin=photo, capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert 'DST is SRC: the photo would be lost' in done.stderr


VALID = [
    (['photos', 'out'], {}),
    (['photos', 'out', '--engine', 'ray', '--workers', '0'], {'engine': 'ray', 'workers': 0}),
    (
        ['photos', 'out', '--output', 'rgb', '--fill', '255, 0,0'],
        {'output': 'rgb', 'fill': (255, 0, 0), 'edges': 'clean'},
    ),
    (
        ['photos', 'out', '--output', 'rgb', '--threshold', '0.5', '--shadow'],
        {'output': 'rgb', 'threshold': 0.5, 'shadow': True},
    ),
    (
        ['photos', 'out', '--edges', 'straight', '--matting', '--convert-srgb'],
        {'edges': 'straight', 'matting': True, 'convert_srgb': True},
    ),
    (
        ['photos', 'out', '--output', 'mask', '--crop', '5%', '--aspect', '4:5'],
        {'output': 'mask', 'framing': Framing(crop='5%', aspect='4:5')},
    ),
    (
        ['photos', 'out', '--canvas', '800x600', '--align', 'height=80%'],
        {'framing': Framing(canvas='800x600', align='height=80%')},
    ),
    (
        ['photos', 'o', '--precision', 'int8', '--calibration', 'c'],
        {'precision': 'int8', 'calibration': 'c'},
    ),
    (['photos', 'out', '--output', 'store', '--format', 'png'], {'output': 'store'}),
    (['photos', 'out', '--masks', 'm', '--overwrite'], {'mask_dir': 'm', 'overwrite': True}),
    (['photos', 'out', '--threads', '3'], {'num_threads': 3}),
    (['photos', 'results.v2'], {}),
    (['photos', 'cuts.tiff'], {}),
    (['photo.jpg', 'cut.tiff/'], {}),
    (['photo.jpg', 'photos'], {}),
    (['photo.jpg', 'results.v2'], {}),
    (['photo.jpg', '2026.11'], {}),
    (['s3://bucket/photos', 's3://bucket/out', '--checksum'], {'checksum': True}),
    (['photo.jpg', 's3://bucket/out'], {}),
]


@pytest.mark.parametrize(('arguments', 'options'), VALID, ids=str)
def test_valid_command_lines(here: Path, jobs, arguments, options, capsys) -> None:
    """They reach the job; an option that was not given has the job's own default."""
    assert main(['remove', *arguments]) == 0
    src, dst, *_ = arguments
    defaults = {'output': 'rgba', **shallow(EngineOptions(), JobOptions())}
    assert jobs == [shallow(OutputOptions()) | defaults | options | {'src': src, 'dst': dst}]
    assert '1 done (0.50 images/s), 0 done before, 0 failed' in capsys.readouterr().out


def test_every_option_has_a_rule() -> None:
    """An option that is new must be made known to one image, or be refused there."""
    parser = Parser()
    add_tree_arguments(parser, 'rgba')
    heeded_by_one = {
        'output', 'fill', 'file_format', 'model', 'backend', 'precision', 'calibration', 'device',
        'num_threads', 'accept_licence', 'max_pixels', 'max_bytes', 'debug', 'edges', 'matting',
        'threshold', 'shadow', 'convert_srgb', *FRAMING,
    }  # fmt: skip
    assert set(vars(parser.parse_args([]))) == heeded_by_one | set(rules._OF_FOLDERS)
    # An option of folders is known to be given by its not being None.
    assert {getattr(parser.parse_args([]), name) for name in rules._OF_FOLDERS} == {None}


def test_every_option_reaches_the_job() -> None:
    """An option of the command is a field of a bundle, or of the command alone; and the reverse."""
    parser = Parser()
    add_tree_arguments(parser, 'rgba')
    of_jobs = {each.name for bundle in BUNDLES for each in fields(bundle)}
    of_command = {'sheet', 'review', 'debug'}
    of_python = {'accept', 'progress'}
    assert set(FRAMING) == {each.name for each in fields(Framing)}
    of_jobs = of_jobs - {'framing'} | set(FRAMING)
    assert set(vars(parser.parse_args([]))) == of_jobs - of_python | of_command


def test_options_of_a_job() -> None:
    """What was given, 0 too; the fields' own defaults for what was not, or is not there at all."""
    args = argparse.Namespace(src='a', output='rgb', fill=9, shard=None, workers=0, sheet=True)
    assert options_of(args) == (
        EngineOptions(), OutputOptions(output='rgb', fill=9), JobOptions(workers=0)
    )  # fmt: skip


def test_threads_of_one_image(here: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """--threads reaches the network of a single image."""
    seen = []

    class Remover:
        @classmethod
        def from_options(cls, options: EngineOptions) -> None:
            seen.append(options)

    monkeypatch.setattr('bgremoval_mm.removal.remover.BackgroundRemover', Remover)
    assert main(['remove', 'photo.jpg', 'cut.png', '--threads', '3']) == 1
    assert [each.num_threads for each in seen] == [3]
    assert 'photo.jpg: not an image' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('given', 'installed', 'chosen'),
    [
        (('auto', 'fp32', 'auto'), True, 'onnxruntime'),
        (('auto', 'fp32', 'cpu'), True, 'onnxruntime'),
        (('auto', 'fp32', 'cpu'), False, 'auto'),
        (('auto', 'fp32', 'cuda'), True, 'auto'),
        (('auto', 'bf16', 'cpu'), True, 'auto'),
        (('auto', 'auto', 'cpu'), True, 'auto'),
        (('openvino', 'fp32', 'cpu'), True, 'openvino'),
    ],
)
def test_backend_of_one_image(given, installed, chosen, monkeypatch: pytest.MonkeyPatch) -> None:
    """One image does not repay OpenVINO's compiling; what somebody chose is kept."""
    monkeypatch.setattr(one, 'find_spec', lambda name: object() if installed else None)
    backend, precision, device = given
    options = EngineOptions(backend=backend, precision=precision, device=device)
    assert one.choose_backend(options) == replace(options, backend=chosen)


# The packages' own `__init__` modules are left out: what they load is no part of the command.
LIGHT = """
import sys, types
for name in ('bgremoval_mm', 'bgremoval_mm.removal'):
    package = types.ModuleType(name)
    package.__path__ = [name.replace('.', '/')]
    package.__file__ = package.__path__[0] + '/__init__.py'
    sys.modules[name] = package
from bgremoval_mm.cli.main import main
from bgremoval_mm.cli.result_arguments import FRAMING
try:
    code = main()
except SystemExit as err:
    code = err.code
heavy = {'numpy', 'PIL', 'cv2', 'tqdm', 'torch', 'mmengine', 'onnxruntime', 'openvino', 'pooch'}
print(code, sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ('arguments', 'code'),
    [
        (['--help'], 0),
        (['--version'], 0),
        *[
            ([name, '--help'], 0)
            for name in ('remove', 'masks', 'models', 'sheet', 'review', 'bench')
        ],
        (['doctor', '--help'], 0),
        (['remove', 'nowhere.jpg', 'cut.png'], 1),
        (['remove', 'nowhere', 'out'], 1),
        (['masks', 'nowhere', 'out'], 1),
        (['bench', 'nowhere'], 1),
        (['remove', 'nowhere.jpg', 'cut.png', '--batch-size', '2'], 2),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else None,
)
def test_help_and_typing_errors_load_nothing(
    repository: Path, arguments: list[str], code: int
) -> None:
    """The parser, and the answer to a wrong name, need none of the heavy packages."""
    done = subprocess.run(
        [sys.executable, '-c', LIGHT, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=repository,
    )
    assert done.stderr.splitlines()[-1] == f'{code} []'
    if code == 1:
        assert done.stderr.startswith('error: there is no nowhere')


def test_hint(here: Path, jobs, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder's job says how it could be faster, unless its precision was chosen."""
    asked = []

    def hint(spec: ModelSpec, *settings: str) -> str:
        asked.append((spec.name, *settings))
        return 'four times as fast: --precision auto'

    monkeypatch.setattr(choice, 'faster_precision_hint', hint)
    assert main(['remove', 'photos', 'out', '--model', 'u2netp', '--device', 'cpu']) == 0
    assert capsys.readouterr().err == 'four times as fast: --precision auto\n'
    assert asked == [('u2netp', 'fp32', 'auto', 'cpu')]
    assert main(['remove', 'photos', 'out', '--precision', 'fp32']) == 0
    assert main(['remove', 'photo.jpg', 'cut.png']) == 1
    assert len(asked) == 1


def test_closing_lines_of_notes_and_others() -> None:
    """Notes are listed as flags are, 20 at most; files that are no images are counted."""
    summary = TreeSummary(Path('out'), done=22, seconds=11.0, ignored=['a.txt'])
    summary.flagged = {'a\n.jpg': ('empty', 'uncertain')}
    summary.noted = {f'{index}.gif': 'animation\x1b' for index in range(22)}  # type: ignore[attr-defined]
    lines = tree.describe(summary).splitlines()
    assert lines[0].startswith('22 done (2.00 images/s), 0 done before, 0 failed; results and ')
    assert lines[1] == 'skipped 1 non-image file'
    assert lines[2] == r'  note: 0.gif: animation\x1b'
    assert lines[21:23] == [
        r'  note: 19.gif: animation\x1b',
        '  note: and 2 more, see manifest.jsonl',
    ]
    assert lines[23:] == [r'  suspicious: a\n.jpg: mask is empty, uncertain']


@pytest.mark.parametrize(
    ('summary', 'line'),
    [
        (
            TreeSummary(Path('out'), skipped=6, seconds=1.0),
            'nothing to do: 6 done before, 0 failed',
        ),
        (TreeSummary(Path('out'), failed={'a': 'b'}, seconds=1.0), '0 done, 0 done before, 1 fail'),
        (TreeSummary(Path('out'), done=1), '1 done, 0 done before, 0 failed; '),
    ],
)
def test_first_closing_line(summary: TreeSummary, line: str) -> None:
    """There is no rate where nothing was done."""
    assert tree.describe(summary).startswith(line)


def test_folder_without_images(here: Path, capsys) -> None:
    """Who named the wrong folder is told what it holds; a part without images is all right."""
    (here / 'wrong').mkdir()
    assert main(['remove', 'wrong', 'out']) == 1
    said = capsys.readouterr().err
    assert said.endswith('error: there is no image in wrong: it holds no file\n')
    for name in ('a\n.txt', 'b.pdf', 'c.md', 'd.md'):
        (here / 'wrong' / name).write_text('text')
    assert main(['masks', 'wrong', 'out']) == 1
    said = capsys.readouterr().err
    assert said.splitlines()[-1] == (
        r'error: there is no image in wrong, only 4 non-image files: '
        r'a\n.txt, b.pdf, c.md ...'
    )
    assert main(['masks', 'wrong', 'out', '--shard', '1/2']) == 0
    assert 'nothing to do: 0 done before' in capsys.readouterr().out


def test_report_that_cannot_be_written(
    tiny_model, image_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """The error behind a finished job says which report is missing."""
    tiny_model('u2netp')

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr('bgremoval_mm.removal.review.page.write_review', full)
    options = ['--model', 'u2netp', '--device', 'cpu', '--review', str(tmp_path / 'review')]
    assert main(['remove', str(image_tree), str(tmp_path / 'out'), *options]) == 1
    said = capsys.readouterr()
    assert said.out.startswith('6 done')
    assert 'error: no review: [Errno 28] No space left on device' in said.err
