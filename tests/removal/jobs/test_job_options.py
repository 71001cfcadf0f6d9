"""remove_tree's options: parts and unreadable files, second model, masks, formats, errors."""

from __future__ import annotations

import errno
import inspect
import os
from collections.abc import Callable
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bgremoval_mm.removal import (
    BackgroundRemover,
    Manifest,
    MaskStore,
    Record,
    TargetError,
    TreeSummary,
    WeightsError,
    remove_tree,
)
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.jobs import run as jobs_run
from bgremoval_mm.removal.jobs import tree
from bgremoval_mm.removal.options import (
    EngineOptions,
    Framing,
    JobOptions,
    OutputOptions,
    choice,
)
from bgremoval_mm.removal.outputs.results import suffix_of
from bgremoval_mm.utils.atomic import write_atomically


@pytest.fixture
def run(tiny_model: Callable) -> Callable[..., TreeSummary]:
    """remove_tree with tiny weights, on the CPU, without a progress bar."""
    tiny_model('u2netp')

    def call(src: Path, dst: Path, **options: object) -> TreeSummary:
        defaults = {'model': 'u2netp', 'backend': 'onnxruntime', 'device': 'cpu'}
        return remove_tree(src, dst, **{**defaults, 'progress': False, **options})

    return call


def results(root: Path) -> set[str]:
    """Every file below a folder but the manifest."""
    atomic = {path for path in root.rglob('*') if path.is_file() and path.suffix != '.jsonl'}
    return {path.relative_to(root).as_posix() for path in atomic}


def test_each_part_records_its_own_unreadable_files(run, image_tree: Path, tmp_path: Path) -> None:
    """What cannot be read is a failure of one part of the job, and of an asked-for part only."""
    gone = [f'gone{index}.jpg' for index in range(12)]
    for name in gone:
        (image_tree / name).symlink_to('nowhere')
    failed = [list(run(image_tree, tmp_path / 'out', shard=f'{i}/3').failed) for i in (1, 2, 3)]
    assert sorted(chain.from_iterable(failed)) == sorted(gone)
    assert all(failed)
    lines = (tmp_path / 'out/u2netp').glob('*.jsonl')
    assert sum(path.read_text().count('"error"') for path in lines) == len(gone) * 2
    summary = run(image_tree, tmp_path / 'some', accept={'gone3.jpg'}.__contains__)
    assert (summary.done, list(summary.failed)) == (0, ['gone3.jpg'])


def test_source_that_cannot_be_listed_fails_every_part(
    run, image_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part of a job says that it has seen nothing."""

    def scandir(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr('bgremoval_mm.removal.io.scan.os.scandir', scandir)
    for part in ('1/2', '2/2'):
        summary = run(image_tree, tmp_path / 'out', shard=part)
        assert summary.failed == {'.': 'the folder cannot be read: Permission denied'}


def test_special_source_and_target(run, image_tree: Path, tmp_path: Path) -> None:
    """A FIFO as SRC and a file as DST are refused before anything is opened."""
    os.mkfifo(tmp_path / 'fifo')
    (tmp_path / 'file').touch()
    with pytest.raises(ArgumentError, match=r'`src` must be a folder or an image, but .*fifo is'):
        run(tmp_path / 'fifo', tmp_path / 'out')
    with pytest.raises(TargetError, match=r'`dst` must be a folder, but .*file is a file'):
        run(image_tree, tmp_path / 'file', output='rgb')


@pytest.mark.parametrize('dst', ['dress', 'dress/1.jpg', 'local://{0}/dress'])
@pytest.mark.parametrize('output', ['store', 'rgb'])
def test_one_photo_into_its_own_folder(run, image_tree: Path, dst: str, output: str) -> None:
    """Nothing is written beside the photo, or over it."""
    before = results(image_tree)
    target = dst.format(image_tree) if '://' in dst else image_tree / dst
    with pytest.raises(TargetError, match=r'beside the image|replace the image'):
        run(image_tree / 'dress/1.jpg', target, output=output)
    assert results(image_tree) == before


def test_summary_of_a_file_address_is_a_path(run, image_tree: Path, tmp_path: Path) -> None:
    """Both names of this machine's file system are folders of it."""
    for scheme in ('file', 'local'):
        summary = run(f'{scheme}://{image_tree}', f'{scheme}://{tmp_path}/{scheme}', output='rgb')
        assert summary.folder == tmp_path / scheme
        assert summary.done == 6


def test_notes_are_in_the_summary(run, tmp_path: Path, picture: Callable) -> None:
    """An animation's note is there in the run that did it."""
    frame = Image.fromarray(picture())
    (tmp_path / 'in').mkdir()
    frame.save(tmp_path / 'in/a.gif', save_all=True, append_images=[frame.rotate(90)])
    frame.save(tmp_path / 'in/b.png')
    summary = run(tmp_path / 'in', tmp_path / 'out')
    assert list(summary.noted) == ['a.gif']
    assert 'the first of 2 frames' in summary.noted['a.gif']
    assert run(tmp_path / 'in', tmp_path / 'out').noted == {}


def test_threads_reach_both_networks(
    run, tiny_model: Callable, image_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`num_threads` is what the networks are made with, and what they share in the job."""
    tiny_model('u2net')
    asked = []
    real = BackgroundRemover.for_throughput

    def for_throughput(self: BackgroundRemover, num_threads: int = 0) -> BackgroundRemover:
        asked.append((self.spec.name, self.options.num_threads, num_threads))
        return real(self, num_threads)

    monkeypatch.setattr(BackgroundRemover, 'for_throughput', for_throughput)
    run(image_tree, tmp_path / 'out', num_threads=1, second_model='u2net')
    assert sorted(asked) == [('u2net', 1, 1), ('u2netp', 1, 1)]


@pytest.mark.parametrize(
    'options',
    [
        {'num_threads': -1},
        {'num_threads': 1.5},
        {'engine': 'spark'},
        {'shard': '0/2'},
        {'shard': (1, 2)},
        {'max_pixels': 0},
        {'max_pixels': '9'},
        {'max_bytes': -1},
        {'output': 'jpg'},
        {'file_format': 'webp'},
        {'fill': 256},
        {'workers': -1},
    ],
)
def test_wrong_arguments(run, image_tree: Path, tmp_path: Path, options: dict) -> None:
    """The error names the argument; nothing is written."""
    (name,) = options
    with pytest.raises(ArgumentError, match=f'`{name}` must be'):
        run(image_tree, tmp_path / 'out', **options)
    assert not (tmp_path / 'out').exists()


def test_second_model_is_checked_at_the_door(run, image_tree: Path, tmp_path: Path) -> None:
    """Its name and its licence, before anything is made or loaded."""
    with pytest.raises(ValueError, match=r"`second_model` must be one of .*'bria-rmb'"):
        run(image_tree, tmp_path / 'out', second_model='bria-rmb')
    with pytest.raises(WeightsError, match='weights of bria-rmbg are licensed'):
        run(image_tree, tmp_path / 'out', second_model='bria-rmbg')
    assert not (tmp_path / 'out').exists()


def test_second_model_runs_in_the_firsts_precision(
    run, tiny_model: Callable, image_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not always in fp32; and `auto` is decided once, for both."""
    tiny_model('u2net')
    made = []

    def from_options(options: EngineOptions) -> BackgroundRemover:
        made.append((options.spec.name, options.backend, options.precision))
        return BackgroundRemover(options.model, 'onnxruntime', 'cpu')

    monkeypatch.setattr(jobs_run.BackgroundRemover, 'from_options', from_options)
    monkeypatch.setattr(choice, 'computes_in_bf16', lambda: True)
    monkeypatch.setattr(choice, 'find_spec', lambda name: True)
    options = {'second_model': 'u2net', 'precision': 'auto', 'backend': 'auto'}
    run(image_tree, tmp_path / 'out', **options)
    assert made == [('u2netp', 'openvino', 'bf16'), ('u2net', 'openvino', 'bf16')]


def test_second_model_has_a_backend_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the backend is left open, it is one that has the second model."""
    engine = EngineOptions('u2net', device='cuda', precision='fp16')
    removers = jobs_run._make_removers(engine, OutputOptions(second_model='isnet-general-use'))
    assert [each.options.backend for each in removers] == ['torch', 'onnxruntime']
    with pytest.raises(ArgumentError, match="backend='torch' has u2net, u2netp, but got 'isnet"):
        jobs_run._make_removers(
            EngineOptions(backend='torch'), OutputOptions(second_model='isnet-general-use')
        )


def test_facade_has_the_options_of_the_bundles() -> None:
    """Each field is an argument of `remove_tree`, by name only, with the same default."""
    src, dst, model, *others = inspect.signature(remove_tree).parameters.values()
    assert [src.name, dst.name, model.name] == ['src', 'dst', 'model']
    assert {each.kind for each in others} == {inspect.Parameter.KEYWORD_ONLY}
    bundles = (EngineOptions, OutputOptions, JobOptions)
    expected = [(each.name, each.default) for bundle in bundles for each in fields(bundle)]
    assert sorted((each.name, repr(each.default)) for each in (model, *others)) == sorted(
        (name, repr(default)) for name, default in expected
    )


def test_options_reach_the_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each argument of `remove_tree` arrives in the field of its name."""
    given = {
        'model': 'u2netp', 'backend': 'onnxruntime', 'device': 'cpu', 'precision': 'fp16',
        'batch_size': 3, 'num_threads': 2, 'accept_licence': True, 'calibration': 'c',
        'output': 'rgb', 'fill': 7, 'file_format': 'webp', 'mask_dir': 'm', 'second_model': None,
        'edges': 'clean', 'matting': True, 'threshold': None, 'framing': Framing('5%'),
        'shadow': True, 'convert_srgb': True,
        'overwrite': True, 'checksum': True, 'max_pixels': 8, 'max_bytes': 9, 'shard': '1/2',
        'engine': 'ray', 'workers': 5, 'accept': len, 'progress': False,
    }  # fmt: skip
    called = []
    monkeypatch.setattr(tree, 'run_job', lambda *options: called.append(options))
    remove_tree('src', 'dst', **given)
    ((src, dst, *bundles),) = called
    assert (src, dst) == ('src', 'dst')
    assert {name: value for each in bundles for name, value in shallow(each).items()} == given
    called.clear()
    remove_tree('src', 'dst', second_model='u2net')
    assert called[0][3] == OutputOptions(second_model='u2net')


def shallow(options: Any) -> dict[str, Any]:
    """The fields of an options object."""
    return {each.name: getattr(options, each.name) for each in fields(options)}


@pytest.fixture
def masks(run, image_tree: Path, tmp_path: Path) -> Path:
    """A store of the images' masks, in fp32."""
    run(image_tree, tmp_path / 'masks')
    return tmp_path / 'masks'


def claim(masks: Path, count: int, **fields: object) -> None:
    """Record the first masks of a store as made otherwise."""
    store = MaskStore(masks, 'u2netp')
    for record in list(store.manifest.read().values())[:count]:
        known = {name: getattr(record, name) for name in record.__slots__}
        store.manifest.append(Record(**{**known, **fields}))


def test_masks_of_another_precision(run, image_tree: Path, masks: Path, tmp_path: Path) -> None:
    """An error names both and the option that fixes it; nothing is computed."""
    claim(masks, 6, params={'output': 'store', 'precision': 'bf16'})
    reason = r'were made in bf16, but this job computes in fp32\. Add `--precision bf16`'
    with pytest.raises(ArgumentError, match=reason):
        run(image_tree, tmp_path / 'out', output='rgb', mask_dir=masks)
    assert not (tmp_path / 'out').exists()


def test_masks_of_other_weights(run, image_tree: Path, masks: Path, tmp_path: Path) -> None:
    """The same for a model that was trained again."""
    claim(masks, 6, model_hash='md5:0')
    with pytest.raises(ArgumentError, match=r'made by other weights \(md5:0, not sha256'):
        run(image_tree, tmp_path / 'out', output='rgb', mask_dir=masks)


def test_masks_of_another_model(
    run, tiny_model: Callable, image_tree: Path, masks: Path, tmp_path: Path
) -> None:
    """The store is one, but of a model that this job does not use."""
    tiny_model('u2net')
    reason = r'has masks of u2netp, but this job is to use u2net\. Add `--model u2netp`'
    with pytest.raises(ArgumentError, match=reason):
        run(image_tree, tmp_path / 'out', output='rgb', mask_dir=masks, model='u2net')


def test_masks_of_several_precisions(
    run, image_tree: Path, masks: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Those that fit are taken; one line says how many are computed."""
    claim(masks, 2, params={'output': 'store', 'precision': 'bf16'})
    assert run(image_tree, tmp_path / 'out', output='rgb', mask_dir=masks).done == 6
    lines = [line for line in caplog.messages if 'mask_dir' in line]
    assert lines == [
        '`mask_dir`: 2 of 6 masks are not those of u2netp in fp32: these are computed again'
    ]


def test_photo_whose_mask_cannot_be_named(
    run, image_tree: Path, masks: Path, tmp_path: Path, picture: Callable
) -> None:
    """A name that is too long for a mask's file is one that the store lacks, not a full disk."""
    Image.fromarray(picture()).save(image_tree / ('x' * 251 + '.jpg'))
    summary = run(image_tree, tmp_path / 'out', output='rgb', mask_dir=masks)
    assert summary.done == 6
    assert list(summary.failed.values()) == ['the result cannot be written: File name too long']


def test_one_format_is_left_of_two(run, image_tree: Path, tmp_path: Path) -> None:
    """After a run in another format the manifest's records and the files are of that one."""
    out = tmp_path / 'out'
    run(image_tree, out, output='rgb')
    (out / 'dress/foreign.png').touch()
    photos = results(image_tree)
    assert run(image_tree, out, output='rgb', file_format='webp').done == 6
    assert results(out) == {f'{name}.webp' for name in photos} | {'dress/foreign.png'}
    assert run(image_tree, out, output='rgb', file_format='jpeg', fill=9).done == 6
    assert results(out) == {f'{name}.jpg' for name in photos} | {'dress/foreign.png'}
    records = Manifest(out).read().values()
    assert {record.path + suffix_of(record) for record in records} == {
        f'{name}.jpg' for name in photos
    }
    assert run(image_tree, out, output='rgb', file_format='jpeg', fill=9).skipped == 6


def test_earlier_format_goes_also_after_a_kill(run, image_tree: Path, tmp_path: Path) -> None:
    """What a run could not delete any more, the next one does, though it has nothing to do."""
    out = tmp_path / 'out'
    run(image_tree, out, output='rgb')
    run(image_tree, out, output='rgb', file_format='webp')
    (out / 'dress/1.jpg.png').touch()
    assert run(image_tree, out, output='rgb', file_format='webp').skipped == 6
    assert not (out / 'dress/1.jpg.png').exists()


def test_nothing_to_do_where_nothing_can_be_written(
    run, image_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a read-only disk, a finished job is one, though its folder once had another format."""
    out = tmp_path / 'out'
    run(image_tree, out, output='rgb')
    run(image_tree, out, output='rgb', file_format='webp')
    tried: list[Path] = []

    def unlink(path: Path, missing_ok: bool = False) -> None:
        tried.append(path)  # a read-only file system says so before it looks for the file
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, 'unlink', unlink)
    assert run(image_tree, out, output='rgb', file_format='webp').skipped == 6
    assert not [path for path in tried if path.suffix == '.png']
    (out / 'dress/1.jpg.png').touch()
    with pytest.raises(TargetError, match=r'cannot write to .*Read-only'):
        run(image_tree, out, output='rgb', file_format='webp')


def test_failed_image_keeps_its_earlier_result(run, image_tree: Path, tmp_path: Path) -> None:
    """A result is given up for a newer one only."""
    out = tmp_path / 'out'
    run(image_tree, out, output='rgb')
    (image_tree / 'dress/1.jpg').write_bytes(b'')
    run(image_tree, out, output='rgb', file_format='webp')
    assert {name for name in results(out) if name.endswith('.png')} == {'dress/1.jpg.png'}


def test_forged_manifest_deletes_nothing_outside(run, image_tree: Path, tmp_path: Path) -> None:
    """Only images of the source are looked up in it."""
    (tmp_path / 'precious.png').touch()
    manifest = Manifest(tmp_path / 'out')
    manifest.append(Record('../precious', 'ok', 'u2netp', 'x', {'output': 'rgb'}))
    run(image_tree, tmp_path / 'out', output='rgb', file_format='webp')
    assert (tmp_path / 'precious.png').exists()


def refuse(number: int) -> Callable:
    """Return a function that raises an OSError of that number."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), 'here')

    return refused


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_targets_own_errors(
    run, image_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A result or a record that cannot be written ends the run in words on DST."""
    reason = f'cannot write to .*out.*{os.strerror(number)}'
    with monkeypatch.context() as patch:
        patch.setattr('bgremoval_mm.removal.io.storage.write_atomically', refuse(number))
        with pytest.raises(TargetError, match=reason):
            run(image_tree, tmp_path / 'out', output='rgb')
    monkeypatch.setattr('os.open', refuse(number))
    with pytest.raises(TargetError, match=reason):
        run(image_tree, tmp_path / 'out', output='rgb')


@pytest.mark.parametrize('number', [errno.EACCES, errno.ENOSPC, errno.ENOENT, errno.ECONNREFUSED])
def test_errors_of_others_keep_their_words(
    run, image_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A file of weights that cannot be read, or Ray that cannot be reached, is no matter of DST."""
    monkeypatch.setattr(BackgroundRemover, 'infer', refuse(number))
    with pytest.raises(OSError, match=f'{os.strerror(number)}.*here') as caught:
        run(image_tree, tmp_path / 'out', output='rgb')
    assert 'out' not in str(caught.value)

    def engine(*_: object) -> Callable:
        return refuse(number)

    monkeypatch.setattr(jobs_run, '_engine', engine)
    with pytest.raises(OSError, match=os.strerror(number)):
        run(image_tree, tmp_path / 'out', output='rgb')


def test_leftovers_that_cannot_be_swept(
    run, image_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leftover that may not be deleted does not end the run."""
    from bgremoval_mm.utils import atomic

    left = tmp_path / f'out/.tmp-{atomic._HOST}-{2**22 + 1}-x.part'
    left.parent.mkdir()
    write_atomically(left, b'half')
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path == left:
            refuse(errno.EACCES)()
        real(path, missing_ok)

    monkeypatch.setattr(Path, 'unlink', unlink)
    assert run(image_tree, tmp_path / 'out', output='rgb').done == 6
