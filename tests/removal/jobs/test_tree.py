"""remove_tree and its tool: trees, resuming, broken inputs, targets that fail."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from bgremoval_mm.removal import (
    BackgroundRemover,
    DeviceError,
    Manifest,
    MaskStore,
    TargetError,
    compose,
    estimate_foreground,
    masks,
    read_image,
    remove_tree,
)
from bgremoval_mm.removal.io import scan


@pytest.fixture
def run(tiny_model):
    """remove_tree with tiny weights, on the CPU, without a progress bar."""
    tiny_model('u2netp')

    def call(src: Path, dst: Path, **options):
        return remove_tree(
            src, dst, **{'model': 'u2netp', 'device': 'cpu', 'progress': False, **options}
        )

    return call


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the manifest, by its path."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob('*'))
        if p.is_file() and p.name != 'manifest.jsonl'
    }


@pytest.mark.parametrize('batch_size', [1, 4])
def test_store_mirrors_the_tree(run, image_tree: Path, tmp_path: Path, batch_size: int) -> None:
    """Each image has the mask that BackgroundRemover gives it, under its own name."""
    summary = run(image_tree, tmp_path / 'masks', batch_size=batch_size)
    assert (summary.done, summary.skipped, summary.failed) == (6, 0, {})
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    images = sorted(p.relative_to(image_tree).as_posix() for p in image_tree.rglob('*.*'))
    assert sorted(store.manifest.read()) == images  # Written by several threads, in any order.
    for image in images:
        (expected,) = BackgroundRemover('u2netp', device='cpu')(
            [read_image(image_tree / image).rgb]
        )
        np.testing.assert_array_equal(store.get(image).full_size(), expected)


@pytest.mark.parametrize('fill', [0, (10, 200, 30)])
def test_cut_outs(run, image_tree: Path, tmp_path: Path, fill) -> None:
    """mask, rgb and rgba are full-size PNG files of what they are called."""
    for kind in ('mask', 'rgb', 'rgba'):
        run(image_tree, tmp_path / kind, output=kind, fill=fill)
    (image,) = image_tree.glob('*/1.*')
    name = image.relative_to(image_tree).as_posix() + '.png'
    source = read_image(image).rgb
    mask, rgb, rgba = (np.asarray(Image.open(tmp_path / k / name)) for k in ('mask', 'rgb', 'rgba'))
    (expected,) = BackgroundRemover('u2netp', device='cpu')([source])
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(rgb, compose(source, expected, fill))
    # Not darkened by the mask, and without the old background.
    visible = expected > 0
    np.testing.assert_array_equal(rgba[..., 3], expected)
    clean = estimate_foreground(source, expected)
    np.testing.assert_array_equal(rgba[visible, :3], clean[visible])
    # What was removed cannot be restored.
    assert not rgba[~visible].any()


def test_rgba_keeps_the_images_own_transparency_and_profile(run, tmp_path: Path, picture) -> None:
    """What was transparent stays so; an embedded colour profile is passed on."""
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    alpha = np.full((16, 24), 255, np.uint8)
    alpha[:, :12] = 0
    src = tmp_path / 'src'
    src.mkdir()
    Image.fromarray(np.dstack([picture(), alpha])).save(src / 'a.png', icc_profile=profile)
    run(src, tmp_path / 'out', output='rgba')
    with Image.open(tmp_path / 'out/a.png.png') as out:
        assert out.info['icc_profile'] == profile
        assert not np.asarray(out)[:, :12, 3].any()
        assert np.asarray(out)[:, 12:, 3].any()


def test_second_run_does_nothing(run, image_tree: Path, tmp_path: Path, monkeypatch) -> None:
    """What is done and unchanged is skipped; the network is not even loaded."""
    run(image_tree, tmp_path / 'out')
    before = contents(tmp_path / 'out')
    monkeypatch.setattr(BackgroundRemover, 'infer', lambda *_: pytest.fail('ran the network'))
    summary = run(image_tree, tmp_path / 'out')
    assert (summary.done, summary.skipped) == (0, 6)
    assert contents(tmp_path / 'out') == before


def test_changes_are_done_again(run, image_tree: Path, tmp_path: Path, picture) -> None:
    """A changed or touched-and-changed source, a lost result, other parameters, --overwrite."""
    dst = tmp_path / 'out'
    run(image_tree, dst, output='rgb')
    changed, lost, touched = sorted(image_tree.rglob('*.jpg'))[:3]
    Image.fromarray(picture(20, 14, 99)).save(changed)
    name = lost.relative_to(image_tree).as_posix()
    (dst / (name + '.png')).unlink()
    os.utime(touched)
    summary = run(image_tree, dst, output='rgb')
    assert (summary.done, summary.skipped) == (2, 4)
    assert run(image_tree, dst, output='rgb', fill=9).done == 6
    assert run(image_tree, dst, output='rgb', fill=9, overwrite=True).done == 6
    assert run(image_tree, dst, output='rgb', fill=9).done == 0


def test_checksum_sees_what_times_hide(run, image_tree: Path, tmp_path: Path) -> None:
    """A source rewritten with the same size and time is found by --checksum."""
    run(image_tree, tmp_path / 'out')
    path = next(image_tree.rglob('*.png'))
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-20] ^= 1  # In the checksum of the pixels, so that the file becomes a broken one.
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run(image_tree, tmp_path / 'out').skipped == 6
    summary = run(image_tree, tmp_path / 'out', checksum=True)
    assert (summary.skipped, summary.done + len(summary.failed)) == (5, 1)


@pytest.fixture
def troubled_tree(tmp_path: Path, picture) -> tuple[Path, set[str], set[str]]:
    """A folder of every kind of trouble, the names that can be done, and those that cannot."""
    root = tmp_path / 'troubled'
    (root / 'a folder').mkdir(parents=True)
    photo = Image.fromarray(picture(40, 30))

    def put(name: str, image: Image.Image = photo, **options: object) -> None:
        image.save(root / name, **options)

    put('a.jpg')
    put('a.png')
    put('a folder/コピー ü.jpg')
    put('a folder/no suffix (5)', format='JPEG')
    put('cmyk.jpg', photo.convert('CMYK'))
    put('grey16.png', Image.fromarray(np.asarray(photo.convert('L')).astype(np.uint16) * 257))
    put('palette.png', photo.quantize(8), transparency=0)
    put('la.png', photo.convert('LA'))
    put('one.png', Image.new('RGB', (1, 1)))
    put('line.png', Image.new('RGB', (10_000, 1)))
    put('moving.gif', photo, save_all=True, append_images=[photo.rotate(90)])
    put('moving.webp', photo, save_all=True, append_images=[photo.rotate(90)])
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        put(f'exif{orientation}.jpg', photo, exif=exif)
    good = {p.relative_to(root).as_posix() for p in root.rglob('*') if p.is_file()}

    content = (root / 'a.jpg').read_bytes()
    (root / 'truncated.jpg').write_bytes(content[: len(content) // 2])
    (root / 'zero.jpg').write_bytes(b'')
    (root / 'page.jpg').write_bytes(b'<!DOCTYPE html><html></html>')
    (root / 'dangling.jpg').symlink_to(root / 'nowhere.jpg')
    put('bomb.png', Image.new('1', (20_000, 20_000)))
    bad = {p.relative_to(root).as_posix() for p in root.rglob('*') if not p.is_dir()} - good
    (root / 'notes.txt').write_text('no image')
    (root / '.DS_Store').write_bytes(b'\0')
    return root, good, bad


@pytest.mark.parametrize('output', ['store', 'rgba'])
def test_troubled_folder(run, troubled_tree, tmp_path: Path, output: str, capsys) -> None:
    """The broken are listed with their reason, in summary and manifest; the rest is done."""
    root, good, bad = troubled_tree
    summary = run(root, tmp_path / 'out', output=output, batch_size=3)
    assert set(summary.failed) == bad
    assert summary.done == len(good)
    assert sorted(summary.ignored) == ['.DS_Store', 'notes.txt']
    records = Manifest(summary.folder).read()
    assert {name for name, r in records.items() if r.status == 'ok'} == good
    assert {name: r.error for name, r in records.items() if r.status == 'error'} == summary.failed
    assert records['moving.gif'].note == 'animation: the first of 2 frames was used'
    for name in good:
        with Image.open(summary.folder / (name + '.png')) as result:
            source = read_image(root / name)
            assert result.size == (source.size if output == 'rgba' else (8, 8))
            assert records[name].size == source.size
    assert {records[f'exif{i}.jpg'].size for i in (5, 6, 7, 8)} == {(30, 40)}
    with capsys.disabled():
        print(f'\nbroken inputs ({output}): {len(good)} done, {len(bad)} refused:')
        for name, reason in sorted(summary.failed.items()):
            print(f'  {name}: {reason}')
    # Failures are tried again, successes are not.
    again = run(root, tmp_path / 'out', output=output)
    assert (again.skipped, again.done, set(again.failed)) == (len(good), 0, bad)


def test_unreadable_folder_is_reported(run, image_tree: Path, tmp_path: Path, monkeypatch) -> None:
    """A folder without permission is listed; the others are done."""
    real = os.scandir

    def scandir(path):
        if Path(path).name == 'hat':
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(scan.os, 'scandir', scandir)
    summary = run(image_tree, tmp_path / 'out')
    assert summary.failed == {'hat': 'the folder cannot be read: Permission denied'}
    assert summary.done == 3


def test_links_are_followed_but_not_in_circles(run, image_tree: Path, tmp_path: Path) -> None:
    """A linked class folder counts; a link to the folder above ends."""
    (image_tree / 'linked').symlink_to(image_tree / 'hat')
    (image_tree / 'hat' / 'loop').symlink_to(image_tree)
    summary = run(image_tree, tmp_path / 'out')
    assert summary.done == 9
    assert summary.failed == dict.fromkeys(
        ('hat/loop', 'linked/loop'), 'a link to a folder that it lies in'
    )


@pytest.mark.parametrize('inside', ['.', 'dress', 'new/deep'])
@pytest.mark.parametrize('output', ['rgb', 'store'])
def test_target_inside_source_is_refused(run, image_tree: Path, inside: str, output: str) -> None:
    """Nothing is written when results would become the next run's sources."""
    before = contents(image_tree)
    with pytest.raises(TargetError, match='inside the image folder'):
        run(image_tree, image_tree / inside, output=output)
    assert contents(image_tree) == before
    assert not (image_tree / 'new').exists()


def test_target_inside_source_is_refused_through_links(run, image_tree: Path, tmp_path) -> None:
    """A link does not hide where the target lies."""
    (tmp_path / 'link').symlink_to(image_tree / 'hat')
    with pytest.raises(TargetError, match='inside the image folder'):
        run(image_tree, tmp_path / 'link', output='mask')


@pytest.mark.parametrize('address', ['{}', 'file://{}'])
def test_result_inside_source_is_refused(run, image_tree: Path, tmp_path: Path, address) -> None:
    """In a folder of the source's own name, below a target around it; what lies apart is done."""
    name = image_tree.name
    assert run(image_tree, address.format(image_tree.parent), output='rgb').done == 6
    (image_tree / name).mkdir()
    shutil.copy(image_tree / 'dress/1.jpg', image_tree / name / 'a.jpg')
    before = contents(image_tree)
    for output in ('rgb', 'mask'):
        with pytest.raises(TargetError, match=rf'result of {name}/a\.jpg would lie inside the im'):
            run(image_tree, address.format(image_tree.parent), output=output)
    assert contents(image_tree) == before
    assert (
        run(image_tree, image_tree.parent).done == 7
    )  # a store's masks have a folder of their own


def test_missing_source_and_wrong_output(run, tmp_path: Path) -> None:
    """Both errors name what came."""
    with pytest.raises(FileNotFoundError, match=r'there is no .*nowhere'):
        run(tmp_path / 'nowhere', tmp_path / 'out')
    with pytest.raises(
        ValueError, match="`output` must be one of store, mask, rgb, rgba, but got 'jpg'"
    ):
        run(tmp_path, tmp_path / 'out', output='jpg')


def test_single_image(run, image_tree: Path, tmp_path: Path) -> None:
    """A file as source is a folder of one."""
    path = image_tree / 'dress' / '1.jpg'
    assert run(path, image_tree / 'out', output='rgb').done == 1
    assert (image_tree / 'out/1.jpg.png').is_file()


def test_name_too_long_for_its_suffix(run, tmp_path: Path, picture) -> None:
    """An image whose result cannot be named fails alone."""
    src = tmp_path / 'src'
    src.mkdir()
    Image.fromarray(picture()).save(src / ('x' * 251 + '.jpg'))
    Image.fromarray(picture()).save(src / 'a.jpg')
    summary = run(src, tmp_path / 'out')
    assert summary.done == 1
    assert list(summary.failed.values()) == ['the result cannot be written: File name too long']


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EROFS])
def test_full_disk_stops_and_goes_on(
    run, image_tree: Path, tmp_path: Path, monkeypatch, code: int
) -> None:
    """A target that takes no more ends the run with a reason; the next run goes on."""
    real, written = MaskStore.encode, []

    def encode(*args):
        written.append(1)
        if len(written) > 2:
            raise OSError(code, os.strerror(code))
        return real(*args)

    monkeypatch.setattr(MaskStore, 'encode', encode)
    with pytest.raises(TargetError, match=f'{os.strerror(code)}.*run again to go on'):
        run(image_tree, tmp_path / 'out')
    monkeypatch.setattr(MaskStore, 'encode', real)
    summary = run(image_tree, tmp_path / 'out')
    assert (summary.skipped, summary.done) == (2, 4)


def test_really_full_disk(run, tmp_path: Path, picture) -> None:
    """On a file system of 64 kB: an error that says so, no half-written file, then the rest."""
    small = tmp_path / 'small'
    small.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip('needs the right to mount a small file system')
    try:
        src = tmp_path / 'src'
        src.mkdir()
        for index in range(12):
            Image.fromarray(picture(64, 64, index)).save(src / f'{index:02}.png')
        with pytest.raises(TargetError, match='No space left on device'):
            run(src, small / 'out', output='rgb')
        names = list(contents(small / 'out'))
        assert 0 < len(names) < 12
        for name in names:
            Image.open(small / 'out' / name).load()
        subprocess.run(['mount', '-o', 'remount,size=4m', str(small)], check=True)
        summary = run(src, small / 'out', output='rgb')
        assert summary.skipped >= len(names) - 1  # The last record may not have fitted.
        assert len(contents(small / 'out')) == 12
    finally:
        subprocess.run(['umount', str(small)], check=False)


def test_missing_gpu_ends_the_run_before_anything_is_written(run, image_tree, tmp_path) -> None:
    """The error is the engine's; no manifest of failures is left behind."""
    onnxruntime = pytest.importorskip('onnxruntime')
    if 'CUDAExecutionProvider' in onnxruntime.get_available_providers():
        pytest.skip('this ONNX Runtime was built for CUDA')
    with pytest.raises(DeviceError):
        run(image_tree, tmp_path / 'out', device='cuda')
    assert not (tmp_path / 'out').exists()


def test_interrupt_keeps_what_is_done(run, image_tree: Path, tmp_path: Path, monkeypatch) -> None:
    """Ctrl-C leaves whole files, and the next run goes on."""
    real, calls = BackgroundRemover.infer, []

    def infer(self, batch):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(self, batch)

    monkeypatch.setattr(BackgroundRemover, 'infer', infer)
    with pytest.raises(KeyboardInterrupt):
        run(image_tree, tmp_path / 'out')
    monkeypatch.setattr(BackgroundRemover, 'infer', real)
    summary = run(image_tree, tmp_path / 'out')
    assert summary.skipped + summary.done == 6
    assert len(contents(tmp_path / 'out')) == 6


def test_memory_stays_bounded(run, tmp_path: Path, picture, monkeypatch) -> None:
    """However many images there are, only a handful is decoded ahead."""
    from bgremoval_mm.removal.jobs.pipeline import Job

    src = tmp_path / 'src'
    src.mkdir()
    for index in range(60):
        Image.fromarray(picture(seed=index)).save(src / f'{index}.png')
    alive, most = [0], [0]
    real_load, real_write = Job._load, Job._write

    def load(*args, **kwargs):
        alive[0] += 1
        most[0] = max(most[0], alive[0])
        return real_load(*args, **kwargs)

    def write(*args):
        alive[0] -= 1
        return real_write(*args)

    monkeypatch.setattr(Job, '_load', load)
    monkeypatch.setattr(Job, '_write', write)
    run(src, tmp_path / 'out', output='rgb')
    assert most[0] <= 16


@pytest.mark.real
@pytest.mark.slow
def test_killed_job_resumes_on_real_photos(
    u2netp: str, photos: list[Path], tmp_path: Path, repository: Path, capsys
) -> None:
    """`kill -9` in the middle: no broken file; the second run does just the rest."""
    src, dst = tmp_path / 'src', tmp_path / 'dst'
    src.mkdir()
    for path in photos:
        (src / path.name).symlink_to(path.resolve())
    (src / 'broken.jpg').write_bytes(photos[0].read_bytes()[:5000])
    command = [sys.executable, str(repository / 'tools/remove_background.py'), str(src), str(dst)]
    command += ['--model', u2netp, '--output', 'rgba', '--device', 'cpu']
    job = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(dst.glob('*.png'))) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait()
    killed = contents(dst)
    whole = {name for name in killed if not name.endswith(('.part', '.lock'))}
    assert 4 <= len(whole) < len(photos)
    for name in whole:
        Image.open(dst / name).load()

    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert 'failed: broken.jpg: cannot be decoded: image file is truncated' in done.stdout
    assert set(contents(dst)) == {p.name + '.png' for p in photos}
    fresh = tmp_path / 'fresh'
    remove_tree(src, fresh, u2netp, output='rgba', device='cpu', progress=False)
    assert contents(fresh) == contents(dst)
    with capsys.disabled():
        first_line = done.stdout.splitlines()[0]
        print(f'\nkilled after {len(whole)} of {len(photos)} photos; second run: {first_line}')


def test_tool_exit_codes(tiny_model, image_tree: Path, tmp_path: Path, capsys, repository) -> None:
    """0 when all is well, 1 when something failed, 2 where what was typed cannot be."""
    import runpy

    tiny_model('u2netp')
    main = runpy.run_path(str(repository / 'tools/remove_background.py'))['main']
    arguments = [str(image_tree), str(tmp_path / 'out'), '--model', 'u2netp', '--device', 'cpu']
    assert main(arguments) == 0
    assert main([*arguments, '--output', 'rgb', '--fill', '255,0,10']) == 0
    (image_tree / 'bad.jpg').write_bytes(b'')
    assert main(arguments) == 1
    assert 'failed: bad.jpg: the file is empty' in capsys.readouterr().out
    assert main([str(image_tree), str(image_tree), '--model', 'u2netp']) == 1
    error = capsys.readouterr().err
    assert 'error: the results would lie in' in error
    with pytest.raises(SystemExit) as ended:
        main([*arguments, '--output', 'rgb', '--fill', '1,2'])
    assert ended.value.code == 2
    assert 'argument --fill: must be one level or three' in capsys.readouterr().err


def test_resize_in_rgb_output_is_the_stores(run, image_tree: Path, tmp_path: Path) -> None:
    """A cut-out and the store's mask, composed at load, are the same pixels."""
    run(image_tree, tmp_path / 'rgb', output='rgb')
    run(image_tree, tmp_path / 'masks')
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    for name, record in store.manifest.read().items():
        image = read_image(image_tree / name).rgb
        composed = compose(image, masks.resize(store.get(name).mask, record.size))
        np.testing.assert_array_equal(
            np.asarray(Image.open(tmp_path / 'rgb' / (name + '.png'))), composed
        )


@pytest.mark.parametrize('output', ['mask', 'rgb', 'rgba'])
def test_results_from_masks_made_before(
    run, image_tree: Path, tmp_path: Path, monkeypatch, output: str
) -> None:
    """The same files without the network; it is run for what the store lacks or has of old."""
    run(image_tree, tmp_path / 'masks')
    run(image_tree, tmp_path / 'expected', output=output)
    real, ran = BackgroundRemover.infer, []
    monkeypatch.setattr(BackgroundRemover, 'infer', lambda s, b: ran.append(len(b)) or real(s, b))
    options = {'output': output, 'mask_dir': tmp_path / 'masks'}
    assert run(image_tree, tmp_path / 'out', **options).done == 6
    assert not ran
    assert contents(tmp_path / 'out') == contents(tmp_path / 'expected')

    store = MaskStore(tmp_path / 'masks', 'u2netp')
    first, second, third, *_ = store.manifest.read()
    store.path(first).unlink()
    store.path(second).write_bytes(b'torn')
    Image.new('RGB', (9, 9), 'white').save(image_tree / third)
    assert run(image_tree, tmp_path / 'again', **options, batch_size=4).done == 6
    assert sum(ran) == 3


def test_masks_that_are_not_there(run, image_tree: Path, tmp_path: Path) -> None:
    """A folder that is no store, and masks to make a store from."""
    with pytest.raises(FileNotFoundError, match='`mask_dir` must be the root of a mask store'):
        run(image_tree, tmp_path / 'out', output='rgb', mask_dir=tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='it goes neither with'):
        run(image_tree, tmp_path / 'out', mask_dir=tmp_path / 'nowhere')


def test_other_settings_at_once(run, image_tree: Path, tmp_path: Path) -> None:
    """A job refuses a folder where another one makes results of other settings, and names both."""
    before = contents(image_tree)
    store = MaskStore(tmp_path / 'out', 'u2netp')
    with store.storage.claim(store.settings):
        run(image_tree, tmp_path / 'out')  # the same settings
        with pytest.raises(
            TargetError, match=r'another process makes .*output store.*this run would make .*rgba'
        ):
            run(image_tree, tmp_path / 'out' / 'u2netp', output='rgba')
    assert len(contents(tmp_path / 'out')) == len(before)
    run(image_tree, tmp_path / 'other', output='rgba')
