"""`bgremoval pipeline pairs` and `review` as users run them."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import delete

from bgremoval_mm.cli.main import main
from bgremoval_mm.pipeline.corrections import corrections
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.routes import Gate, Route, Routes
from bgremoval_mm.pipeline.sources import receive_bytes
from bgremoval_mm.pipeline.tables import Measurement
from bgremoval_mm.pipeline.verdicts import accept, reject
from bgremoval_mm.pipeline.worker import Worker
from bgremoval_mm.removal import BackgroundRemover
from bgremoval_mm.removal.pairs.manifest import read_manifest


class Shop:
    """A pipeline whose masks all go to review."""

    def __init__(self, root: Path, model: Path) -> None:
        self.root = root
        self.files = PipelineFiles(root)
        self.queue = UploadQueue(f'sqlite:///{root}/pipeline.db')
        routes = [Route(name, (match,), str(model), gate=Gate(suspicion=0)) for name, match in
                  (('shoes', 'shoes/*'), ('others', '*'))]  # fmt: skip
        self.routes = Routes(routes)
        remover = BackgroundRemover(model, backend='onnxruntime', device='cpu', num_threads=1)
        self.worker = Worker(self.queue, self.files, self.routes, lambda _: remover)

    def receive(self, name: str, seed: int, kind: str = 'PNG') -> bytes:
        """Take a photo up to review."""
        content = picture_of(seed, kind)
        receive_bytes(self.queue, self.files, name, content, 'tests')
        self.worker.run(until_done=True)
        return content

    def correct(self, name: str, left: int = 6) -> None:
        """Publish a photo with a corrected mask, whose object begins at a column."""
        accept(self.queue, self.files, self.routes, name, mask_from(left))


def picture_of(seed: int, kind: str = 'PNG') -> bytes:
    """A picture of noise, encoded."""
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def mask_from(left: int) -> np.ndarray:
    """A mask with soft edges on a third of its pixels, which no training would take."""
    mask = np.zeros((24, 32), np.uint8)
    mask[4:20, left:26] = 255
    mask[2:4] = 100
    mask[18:24] = 200
    return mask


@pytest.fixture
def shop(tmp_path: Path, tiny_file: Path) -> Shop:
    """An empty one."""
    return Shop(tmp_path / 'root', tiny_file)


def test_corrections_are_pairs(shop: Shop, tmp_path: Path, capsys) -> None:
    """`bgremoval pairs check` takes them all, and keeps the versions of a photo together."""
    contents = [shop.receive('shoes/a.png', 1)]
    shop.correct('shoes/a.png', 4)
    contents.append(shop.receive('shoes/a.png', 2))  # a later version
    shop.correct('shoes/a.png', 8)
    contents.append(shop.receive('shoes/a.jpg', 3, 'JPEG'))  # of the same stem
    shop.correct('shoes/a.jpg', 10)
    contents.append(shop.receive('b', 4))  # without a suffix
    shop.correct('b', 12)
    shop.receive('copies/b.png', 4)  # the same bytes
    shop.correct('copies/b.png', 12)
    for name, seed in (('accepted.png', 5), ('rejected.png', 6), ('waiting.png', 7)):
        shop.receive(name, seed)
    accept(shop.queue, shop.files, shop.routes, 'accepted.png')
    reject(shop.queue, 'rejected.png')

    folder = tmp_path / 'pairs'
    command = ['pipeline', 'pairs', str(shop.root), str(folder)]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f'4 pairs in {folder}, 4 of them new\n')
    with (folder / 'list.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [(row['item'], row['cluster']) for row in rows] == [
        ('shoes/a.png', 'shoes'),
        ('shoes/a.png', 'shoes'),
        ('shoes/a.jpg', 'shoes'),
        ('b', 'others'),
    ]
    assert re.fullmatch(r'shoes/a\.v2-[0-9a-f]{12}\.png', rows[1]['image'])
    assert re.fullmatch(r'b\.v1-[0-9a-f]{12}\.png', rows[3]['image'])
    for row, content, left in zip(rows, contents, (4, 8, 10, 12), strict=True):
        assert (folder / 'photos' / row['image']).read_bytes() == content
        mask = np.asarray(Image.open(folder / 'masks' / row['mask']))
        np.testing.assert_array_equal(mask, np.where(mask_from(left) >= 128, 255, 0))

    check = ['pairs', 'check', str(folder / 'photos'), str(folder / 'masks'), '--number', '0']
    check += ['--workers', '1']
    assert main([*check, '--out', str(tmp_path / 'by_name')]) == 0
    assert len(read_manifest(tmp_path / 'by_name' / 'manifest.csv')) == 4
    listed = ['--list', str(folder / 'list.csv'), '--val-share', '0.5']
    assert main([*check, *listed, '--out', str(tmp_path / 'listed')]) == 0
    found = read_manifest(tmp_path / 'listed' / 'manifest.csv')
    assert [each.cluster for each in found] == ['shoes'] * 3 + ['others']
    assert len({each.split for each in found if each.item == 'shoes/a.png'}) == 1


def test_an_export_goes_on(shop: Shop, tmp_path: Path, capsys) -> None:
    """Only what is new is written; a mask that was corrected anew replaces the former one."""
    folder = tmp_path / 'pairs'
    command = ['pipeline', 'pairs', str(shop.root), str(folder)]
    assert main(command) == 0
    assert capsys.readouterr().out == f'0 pairs in {folder}, 0 of them new\n'
    assert not folder.exists()
    shop.receive('a.png', 1)
    shop.correct('a.png')
    assert main(command) == 0
    (mask,) = (folder / 'masks').iterdir()
    before = mask.stat()
    shop.receive('b.png', 2)
    shop.correct('b.png')
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f'2 pairs in {folder}, 1 of them new\n')
    assert mask.stat() == before
    shop.receive('copy-of-a.png', 1)
    shop.correct('copy-of-a.png', 16)
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f'2 pairs in {folder}, 1 of them new\n')
    assert not np.asarray(Image.open(mask))[10, 15]
    assert len(list((folder / 'photos').iterdir())) == 2


def test_a_correction_counts_whatever_became_of_its_photo(
    shop: Shop, tmp_path: Path, monkeypatch, capsys
) -> None:
    """Also if a later version came meanwhile, or no verdict was recorded by an early version."""
    keep_mask, clock = shop.files.keep_mask, iter(range(1000, 2000))
    monkeypatch.setattr(shop.queue, 'clock', lambda: float(next(clock)))
    shop.receive('first.png', 1)

    def keep_late(*given) -> None:
        keep_mask(*given)
        receive_bytes(shop.queue, shop.files, 'first.png', picture_of(2), 'tests')

    with monkeypatch.context() as patched:
        patched.setattr(shop.files, 'keep_mask', keep_late)
        shop.correct('first.png', 5)
    late = shop.queue.uploads()[0]
    assert (late.state, late.version) == ('superseded', 1)
    shop.receive('early.png', 3)
    shop.correct('early.png', 7)
    shop.receive('accepted.png', 4)
    accept(shop.queue, shop.files, shop.routes, 'accepted.png')
    early = shop.queue.newest('early.png')
    assert early is not None
    with shop.queue.engine.begin() as connection:
        connection.execute(delete(Measurement).where(Measurement.upload_id == early.id))
    shop.receive('others/copy.png', 1)
    shop.correct('others/copy.png', 6)

    found = corrections(shop.queue.engine)
    assert [(each.name, each.version, each.cluster) for each in found] == [
        ('first.png', 1, 'others'),
        ('early.png', 1, 'others'),
    ]
    copy = shop.queue.newest('others/copy.png')
    assert copy is not None
    assert found[0].sha256 == late.sha256 == copy.sha256
    assert late.changed < early.changed == found[1].judged < found[0].judged < copy.changed

    folder = tmp_path / 'pairs'
    assert main(['pipeline', 'pairs', str(shop.root), str(folder)]) == 0
    assert capsys.readouterr().out.startswith(f'2 pairs in {folder}, 2 of them new\n')
    mask = folder / 'masks' / f'first.v1-{late.sha256[:12]}.png'
    assert np.flatnonzero(np.asarray(Image.open(mask))[10])[0] == 6


def test_errors_of_an_export(shop: Shop, tmp_path: Path, capsys) -> None:
    """A folder in the pipeline's is refused; a photo that cannot be read is named."""
    assert main(['pipeline', 'pairs', str(shop.root), str(shop.root / 'photos' / 'x')]) == 1
    assert 'must lie outside the folder of the pipeline' in capsys.readouterr().err
    for seed, name in enumerate(('a.png', 'b.png')):
        shop.receive(name, seed)
        shop.correct(name)
    row = shop.queue.newest('a.png')
    assert row is not None
    (shop.root / 'photos' / row.sha256[:2] / row.sha256).unlink()
    assert main(['pipeline', 'pairs', str(shop.root), str(tmp_path / 'pairs')]) == 1
    said = capsys.readouterr()
    assert said.err == 'error: a.png: No such file or directory\n'
    assert said.out.startswith(f'1 pairs in {tmp_path / "pairs"}, 1 of them new\n')


def test_the_review_command(shop: Shop, tmp_path: Path) -> None:
    """It says where the page is, answers with its tokens only, and SIGTERM ends it with code 0."""
    shop.receive('a.png', 1)
    tokens = tmp_path / 'tokens'
    tokens.write_text('# of the tests\n0123456789abcdef\n')
    command = [sys.executable, '-m', 'bgremoval_mm.cli.main', 'pipeline', 'review', str(shop.root)]
    with subprocess.Popen(
        [*command, '--port', '0', '--tokens', str(tokens)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            found = re.search(r'1 photo waits in review: look at (http://127\.0\.0\.1:\d+);', said)
            assert found, said
            assert httpx.get(f'{found[1]}/uploads').status_code == 401
            headers = {'Authorization': 'Bearer 0123456789abcdef'}
            body = httpx.get(f'{found[1]}/uploads', headers=headers).json()
            assert [row['name'] for row in body['uploads']] == ['a.png']
            process.send_signal(signal.SIGTERM)
            _, rest = process.communicate(timeout=60)
            assert (process.returncode, rest) == (0, '')
        finally:
            process.kill()


def test_errors_of_the_review_command(shop: Shop, tmp_path: Path, capsys) -> None:
    """What is missing is named in one line."""
    root = str(shop.root)
    assert main(['pipeline', 'review', root, '--tokens', str(tmp_path / 'no')]) == 1
    assert 'No such file' in capsys.readouterr().err
    assert main(['pipeline', 'review', root, '--routes', str(tmp_path / 'no.toml')]) == 1
    assert 'no.toml: cannot be read as TOML' in capsys.readouterr().err
    assert main(['pipeline', 'review', root, '--host', 'no.such.host.invalid']) == 1
    assert 'cannot listen on no.such.host.invalid' in capsys.readouterr().err
