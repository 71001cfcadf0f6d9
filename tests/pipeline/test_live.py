"""The live network: put live, put back, and used by workers at the next photo."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.cli.main import main
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.live import live_history, live_model, put_back, put_live
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.routes import Gate, Route, Routes
from bgremoval_mm.pipeline.sources import receive_bytes
from bgremoval_mm.pipeline.worker import Worker
from bgremoval_mm.removal import BackgroundRemover
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError


def test_put_and_put_back(tmp_path: Path, model_file: Callable[..., Path]) -> None:
    """Putting back goes one network further each time, to the first one, and is recorded."""
    root, file = tmp_path / 'root', model_file()
    assert live_model(root) == 'u2net'
    put_live(root, 'u2netp', 'smaller')
    put_live(root, str(file), 'better')
    assert live_model(root) == str(root / 'models' / file.name)
    assert (root / 'models' / file.name).read_bytes() == file.read_bytes()
    put_live(root, 'silueta', 'by mistake')
    for expected in (str(root / 'models' / file.name), 'u2netp', 'u2net'):
        put_back(root)
        assert live_model(root) == expected
    with pytest.raises(BgremovalError, match='there is none to put back'):
        put_back(root)
    history = live_history(root)
    assert [each.model for each in history] == [
        *('u2netp', file.name, 'silueta', file.name, 'u2netp', 'u2net')
    ]
    assert history[3].reason == 'put back in the place of silueta'


def test_nothing_to_put_back(tmp_path: Path) -> None:
    """In the beginning there is no former network."""
    with pytest.raises(BgremovalError, match='u2net has been live from the beginning'):
        put_back(tmp_path)


def test_what_cannot_go_live(tmp_path: Path, model_file: Callable[..., Path]) -> None:
    """An unknown name, a missing file, or another file of a name that is taken."""
    with pytest.raises(ArgumentError, match='u3net'):
        put_live(tmp_path, 'u3net', '')
    with pytest.raises(ArgumentError, match=r'gone\.onnx'):
        put_live(tmp_path, str(tmp_path / 'gone.onnx'), '')
    file = model_file()
    put_live(tmp_path, str(file), '')
    file.write_bytes(model_file(scale=2.0).read_bytes())
    with pytest.raises(ArgumentError, match='rename this one'):
        put_live(tmp_path, str(file), '')
    (tmp_path / 'models' / 'live.json').write_text('{"history": [{"x": 1}]}')
    with pytest.raises(BgremovalError, match='does not say which network is live'):
        live_model(tmp_path)


def test_workers_take_it_at_the_next_photo(tmp_path: Path, model_file: Callable[..., Path]) -> None:
    """A worker that runs uses the new network from the next photo on, and lets the old one go."""
    root = tmp_path / 'root'
    first, second = model_file(), model_file('other', scale=-1.0)
    queue, files = UploadQueue(f'sqlite:///{tmp_path}/pipeline.db'), PipelineFiles(root)

    def make(model: str) -> BackgroundRemover:
        return BackgroundRemover(model, backend='onnxruntime', device='cpu', num_threads=1)

    routes = Routes((Route('all', model='live', gate=Gate(suspicion=0)),))
    worker = Worker(queue, files, routes, make)
    for number, file in enumerate((first, second)):
        put_live(root, str(file), 'test')
        pixels = np.zeros((16, 16, 3), np.uint8)
        pixels[4:12, 4 : 12 - number] = 255
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, 'PNG')
        receive_bytes(queue, files, f'{number}.png', buffer.getvalue(), 'tests')
        worker.run(until_done=True)
    names = [each.model for each in queue.uploads()]
    assert names == [make(str(file)).spec.name for file in (first, second)]
    assert names[0] != names[1]
    assert list(worker._removers) == [live_model(root)]
    queue.close()


def test_command(tmp_path: Path, model_file: Callable[..., Path], capsys) -> None:
    """The command puts live, back, and tells the history."""
    root, file = str(tmp_path), model_file()
    assert main(['retrain', root, '--history']) == 1
    assert 'there is no pipeline' in capsys.readouterr().err
    PipelineFiles(tmp_path)
    assert main(['retrain', root, '--history']) == 0
    assert 'u2net, from the beginning' in capsys.readouterr().out
    assert main(['retrain', root, '--put', str(file)]) == 0
    assert main(['retrain', root, '--put-back']) == 0
    assert 'u2net is live: put back in the place of' in capsys.readouterr().out
    assert main(['retrain', root, '--history']) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(['retrain', root, '--put-back']) == 1
    assert main(['retrain', str(tmp_path / 'gone'), '--put', 'u2net']) == 1
    assert 'there is no pipeline' in capsys.readouterr().err
    history = json.loads((tmp_path / 'models' / 'live.json').read_text())['history']
    assert [each['before'] for each in history] == [-1, -2]
