"""Verdicts that act: rejected results are deleted, made again, or listed."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bgremoval_mm.cli.main import main
from bgremoval_mm.removal import CutoutFolder, MaskStore, remove_tree
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.jobs.run import TreeSummary, run_job
from bgremoval_mm.removal.options import EngineOptions, Framing, JobOptions, OutputOptions
from bgremoval_mm.removal.review import apply
from bgremoval_mm.removal.review.left_out import read_left_out
from bgremoval_mm.removal.review.page import open_results
from bgremoval_mm.removal.review.ranking import rank
from tests.limits import lower_limits

NAMES = ('a.png', 'b/c.png', 'd.png')
VERDICTS = {'a.png': 'reject', 'b/c.png': 'reject', 'd.png': 'keep'}


@pytest.fixture
def images(tmp_path: Path, picture) -> Path:
    """Three photos, one in a folder."""
    for seed, name in enumerate(NAMES):
        path = tmp_path / 'images' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(16, 16, seed)).save(path)
    return tmp_path / 'images'


@pytest.fixture
def models(tiny_model) -> None:
    """Two models."""
    tiny_model('u2netp')
    tiny_model('silueta')


@pytest.fixture
def verdicts(tmp_path: Path) -> Path:
    """What the page gives."""
    file = tmp_path / 'verdicts.csv'
    lines = [f'{path},{verdict},{path}\n' for path, verdict in VERDICTS.items()]
    file.write_text('path,verdict,path_bytes\n' + ''.join(lines))
    return file


def make(images: Path, dst: Path, **options: object) -> None:
    """Do the job that is reviewed."""
    remove_tree(images, dst, 'u2netp', device='cpu', progress=False, **options)


@pytest.mark.parametrize('options', [{}, {'output': 'rgba', 'file_format': 'webp'}])
def test_delete(models, images: Path, tmp_path: Path, options: dict, capsys, verdicts) -> None:
    """The files go, the manifest says why, another time there is nothing to do; a run fills in."""
    out = tmp_path / 'out'
    make(images, out, **options)
    results = open_results(out, 'u2netp')
    files = [f'{name}.{options.get("file_format", "png")}' for name in NAMES]
    assert all(map(results.storage.exists, files))
    command = ['review', 'apply', str(verdicts), str(out), '--model', 'u2netp', '--delete']
    assert main(command) == 0
    assert capsys.readouterr().out == '2 results deleted\n'
    assert list(map(results.storage.exists, files)) == [False, False, True]
    records = results.manifest.read()
    assert {path: record.error for path, record in records.items()} == {
        'a.png': apply.REJECTED, 'b/c.png': apply.REJECTED, 'd.png': ''
    }  # fmt: skip
    assert [record.path for record in rank(records.values()).masks] == ['d.png']
    assert main(command) == 0
    assert capsys.readouterr().out == '0 results deleted\n'
    make(images, out, **options)
    assert all(map(results.storage.exists, files))


def test_cut_outs_are_made_again_in_place(models, images: Path, tmp_path: Path, verdicts) -> None:
    """By the other model, with the same colour and format; what was kept is not touched."""
    out = tmp_path / 'out'
    make(images, out, output='rgb', fill=(1, 2, 3), file_format='jpeg')
    kept = (out / 'd.png.jpg').read_bytes()
    before = CutoutFolder(out, 'rgb', 'u2netp').manifest.read()
    command = ['review', 'apply', str(verdicts), str(out), '--remake', 'silueta']
    assert main([*command, '--images', str(images)]) == 0
    after = CutoutFolder(out, 'rgb', 'u2netp').manifest.read()
    assert {path: record.model for path, record in after.items()} == {
        'a.png': 'silueta', 'b/c.png': 'silueta', 'd.png': 'u2netp'
    }  # fmt: skip
    assert all(after[name].params == before[name].params for name in NAMES)
    assert (out / 'd.png.jpg').read_bytes() == kept
    assert sorted(path.name for path in out.rglob('*.jpg')) == [
        'a.png.jpg', 'c.png.jpg', 'd.png.jpg'
    ]  # fmt: skip


@pytest.mark.parametrize(
    'options',
    [
        {'edges': 'straight'},
        {},
        {'threshold': 0.5, 'framing': Framing(crop='10%', aspect='4:5')},
    ],
)
def test_finish_of_cut_outs_is_kept(models, images: Path, tmp_path: Path, options: dict) -> None:
    """Edges, threshold and frame of the first time are those of the second."""
    out = tmp_path / 'out'
    output = OutputOptions(output='rgba', **options)
    run_job(images, out, EngineOptions('u2netp', device='cpu'), output, JobOptions(progress=False))
    results = open_results(out)
    before = results.manifest.read()
    rejected = apply.rejected_records(results, VERDICTS)
    apply.make_again(results, rejected, images, 'silueta', progress=False)
    after = results.manifest.read()
    assert after['a.png'].model == 'silueta'
    assert all(after[name].params == before[name].params for name in NAMES)


def test_masks_are_made_again_beside_the_first(
    models, images: Path, tmp_path: Path, verdicts
) -> None:
    """A store's masks are all of one model: those of the other lie in its own folder."""
    make(images, tmp_path / 'out')
    command = ['review', 'apply', str(verdicts), str(tmp_path / 'out'), '--model', 'u2netp']
    assert main([*command, '--remake', 'silueta', '--images', str(images)]) == 0
    assert set(MaskStore(tmp_path / 'out', 'silueta').manifest.read()) == {'a.png', 'b/c.png'}
    assert MaskStore(tmp_path / 'out', 'silueta').get('d.png') is None
    assert MaskStore(tmp_path / 'out', 'u2netp').get('a.png') is not None


def test_large_photos_are_made_again(
    models, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photo that `--max-pixels` or `--max-bytes` let in then is read now without being asked."""
    make(images, tmp_path / 'out')
    results = open_results(tmp_path / 'out', 'u2netp')
    rejected = apply.rejected_records(results, VERDICTS)
    lower_limits(monkeypatch)
    (summary,) = apply.make_again(results, rejected, images, 'silueta', progress=False)
    assert (summary.done, summary.failed) == (2, {})


def test_photos_that_are_not_there_are_told(
    models, images: Path, tmp_path: Path, verdicts, capsys
) -> None:
    """They count as failed: deleted since, or of another folder; their results stay."""
    make(images, tmp_path / 'out', output='rgba')
    command = ['review', 'apply', str(verdicts), str(tmp_path / 'out'), '--remake', 'silueta']
    (images / 'a.png').unlink()
    assert main([*command, '--images', str(images)]) == 1
    said = capsys.readouterr().out
    assert said.startswith('1 done')
    assert f'failed: a.png: there is no such image in {images}' in said
    after = CutoutFolder(tmp_path / 'out', 'rgba', 'u2netp').manifest.read()
    assert [(after[name].model, after[name].status) for name in ('a.png', 'b/c.png')] == [
        ('u2netp', 'ok'), ('silueta', 'ok')
    ]  # fmt: skip


@pytest.mark.parametrize('ends', ['killed', 'failed'])
def test_making_again_goes_on(
    models, images: Path, tmp_path: Path, verdicts, capsys, ends: str
) -> None:
    """The same command does what is missing, also of results that were being replaced."""
    make(images, tmp_path / 'out', output='rgba')
    command = ['review', 'apply', str(verdicts), str(tmp_path / 'out'), '--remake', 'silueta']
    command += ['--images', str(images)]
    content = (images / 'a.png').read_bytes()
    if ends == 'failed':
        (images / 'a.png').write_bytes(content[:40])
        assert main(command) == 1
    else:
        first = dict.fromkeys(('b/c.png', 'd.png'), 'reject')
        results = open_results(tmp_path / 'out')
        rejected = apply.rejected_records(results, first)
        apply.make_again(results, rejected, images, 'silueta', progress=False)
        target = CutoutFolder(tmp_path / 'out', 'rgba', 'silueta')
        target.manifest.append(target.failure('a.png', 'the run did not end'))
        target.manifest.flush()
    (images / 'a.png').write_bytes(content)
    capsys.readouterr()
    assert main(command) == 0
    said = capsys.readouterr().out
    assert said.startswith('1 done')
    assert ' 1 done before, 0 failed' in said
    after = open_results(tmp_path / 'out').manifest.read()
    assert [(after[name].model, after[name].status) for name in ('a.png', 'b/c.png')] == [
        ('silueta', 'ok')
    ] * 2


@pytest.mark.parametrize('given', [True, False])
def test_int8_is_calibrated_again(
    models, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdicts, given: bool
) -> None:
    """The other model needs photos to be quantised with: those of the job, or the ones given."""
    make(images, tmp_path / 'out', output='rgba')
    manifest = tmp_path / 'out' / 'manifest.jsonl'
    lines = manifest.read_text()
    assert lines.count('"precision":"fp32"') == 3
    manifest.write_text(lines.replace('"precision":"fp32"', '"precision":"int8"'))
    asked: list[EngineOptions] = []

    def do(src, dst, engine: EngineOptions, output, job) -> TreeSummary:
        asked.append(engine)
        return TreeSummary(dst)

    monkeypatch.setattr(apply, 'run_job', do)
    command = ['review', 'apply', str(verdicts), str(tmp_path / 'out'), '--remake', 'silueta']
    calibration = ['--calibration', 'others'] if given else []
    assert main([*command, '--images', str(images), *calibration]) == 0
    (engine,) = asked
    assert (engine.precision, engine.calibration) == ('int8', 'others' if given else str(images))


def test_list_grows_and_shrinks(models, images: Path, tmp_path: Path, verdicts, capsys) -> None:
    """Earlier entries stay; an image that is kept now leaves the list."""
    make(images, tmp_path / 'out')
    file = tmp_path / 'left_out.txt'
    file.write_text('d.png\nearlier.png\n')
    command = ['review', 'apply', str(verdicts), str(tmp_path / 'out'), '--model', 'u2netp']
    assert main([*command, '--leave-out', str(file)]) == 0
    assert capsys.readouterr().out == f'2 images entered, 3 now listed in {file}\n'
    assert read_left_out(file) == {'a.png', 'b/c.png', 'earlier.png'}


def test_verdicts_of_another_review(models, images: Path, tmp_path: Path) -> None:
    """Nothing is done where a path is unknown: the folder may be another one."""
    make(images, tmp_path / 'out')
    results = open_results(tmp_path / 'out', 'u2netp')
    with pytest.raises(ArgumentError, match=r'they name x\.png, which it has no record of'):
        apply.rejected_records(results, VERDICTS | {'x.png': 'keep'})
    many = {f'{number}.png': 'keep' for number in range(5)}
    with pytest.raises(ArgumentError, match=r'0\.png, 1\.png, 2\.png and 2 more, which'):
        apply.rejected_records(results, many)


def test_what_cannot_be_made_again(models, images: Path, tmp_path: Path) -> None:
    """By the same model; with settings that are not known; of a model without its licence."""
    make(images, tmp_path / 'out', output='rgba')
    results = open_results(tmp_path / 'out')
    rejected = apply.rejected_records(results, VERDICTS)
    with pytest.raises(ArgumentError, match='`model` must be another one than u2netp'):
        apply.make_again(results, rejected, images, 'u2netp', progress=False)
    rejected[0].params['sparkle'] = 1
    with pytest.raises(ArgumentError, match='were made with sparkle, which cannot be repeated'):
        apply.make_again(results, rejected[:1], images, 'silueta', progress=False)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], 'say what to do with the rejected results'),
        (['--remake', 'silueta'], '--remake and --images go together'),
        (['--delete', '--images', 'x'], '--remake and --images go together'),
        (['--delete', '--accept-licence'], '--accept-licence goes with --remake'),
        (['--delete', '--calibration', 'x'], '--calibration goes with --remake'),
        (['--delete', '--remake', 'silueta'], 'not allowed with argument'),
    ],
)
def test_options_that_do_not_go_together(options: list[str], message: str, capsys) -> None:
    """Each is refused before anything is read; the message names the command."""
    with pytest.raises(SystemExit) as error:
        main(['review', 'apply', 'verdicts.csv', 'out', *options])
    assert error.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith('bgremoval review apply: error: ')
    assert message in said
