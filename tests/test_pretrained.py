"""Initialisation weights: where they are looked for, what is said, and that every key fits."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner.checkpoint import CheckpointLoader

from bgremoval_mm.experiments.papers.liang2023.experiments import CLASSIFICATION
from bgremoval_mm.pretrained import (
    FOLDER_VARIABLE,
    HOSTS,
    PretrainedWeightsError,
    load_from_pretrained,
)

ROOT = Path(__file__).resolve().parents[1]
URL = 'https://download.openmmlab.com/mmclassification/v0/vgg/net_batch256.pth'
PRETRAINED = [each for each in CLASSIFICATION if each.pretrained]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the variable names; torch's cache is an empty one; there is no network."""
    path = tmp_path / 'weights'
    path.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(path))
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))

    def refuse(url: str, *_args: Any, **_kwargs: Any) -> None:
        msg = f'no network for {url}'
        raise OSError(msg)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', refuse)
    return path


def test_hosts_of_the_configs_are_loaded_here_and_others_by_mmengine() -> None:
    """Only the URLs that our configs name are taken over; every config's URL is among them."""
    for host in HOSTS:
        assert CheckpointLoader._get_checkpoint_loader(f'{host}x.pth') is load_from_pretrained
    for other in ('https://example.com/x.pth', 'work_dirs/x.pth', 'open-mmlab://resnet50'):
        assert CheckpointLoader._get_checkpoint_loader(other) is not load_from_pretrained


def test_folder_comes_first(folder: Path, tmp_path: Path) -> None:
    """A file in the folder wins over torch's cache; the cache is used where the folder has none."""
    cache = tmp_path / 'torch' / 'hub' / 'checkpoints'
    cache.mkdir(parents=True)
    torch.save({'w': torch.ones(1)}, cache / 'net_batch256.pth')
    assert load_from_pretrained(URL)['w'] == 1
    torch.save({'w': torch.zeros(1)}, folder / 'net_batch256.pth')
    assert load_from_pretrained(URL, 'cpu')['w'] == 0


def test_nowhere(folder: Path) -> None:
    """The message names the file, the places with what they hold, the URL and what to do."""
    (folder / 'other.pth').touch()
    with pytest.raises(PretrainedWeightsError) as caught:
        load_from_pretrained(URL)
    message = str(caught.value)
    for part in ('net_batch256.pth', f'{folder} (there: other.pth)', URL, 'no network', 'Fetch it'):
        assert part in message
    assert f'set {FOLDER_VARIABLE}' in message


def test_nowhere_without_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable the message still tells of it."""
    monkeypatch.delenv(FOLDER_VARIABLE)
    with pytest.raises(PretrainedWeightsError, match=f'set {FOLDER_VARIABLE} to that folder'):
        load_from_pretrained(URL)


def test_variable_that_names_no_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped folder is an error, not a download."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder / 'typo'))
    with pytest.raises(PretrainedWeightsError, match=r'must name a folder .* but .*typo'):
        load_from_pretrained(URL)


def test_damaged_file(folder: Path) -> None:
    """A truncated file is named, with what to do."""
    torch.save({'w': torch.ones(1000)}, folder / 'net_batch256.pth')
    whole = (folder / 'net_batch256.pth').read_bytes()
    (folder / 'net_batch256.pth').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PretrainedWeightsError, match=r'net_batch256.pth is damaged .* Delete it'):
        load_from_pretrained(URL)


def test_hash_in_the_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose content does not have the hash in its name is used with a warning."""
    path = folder / 'net-00000000.pth'
    torch.save({'w': torch.ones(1)}, path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    right = path.with_name(f'net-{found}.pth')
    right.write_bytes(path.read_bytes())
    said: list[str] = []
    log = 'bgremoval_mm.pretrained.files.print_log'
    monkeypatch.setattr(log, lambda text, *_: said.append(text))
    load_from_pretrained(f'{HOSTS[0]}{right.name}')
    assert said == []
    load_from_pretrained(f'{HOSTS[0]}{path.name}')
    assert f'begins with {found}, the name says 00000000' in said[0]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A web server on this machine with one checkpoint."""
    site = tmp_path / 'site'
    site.mkdir()
    torch.save({'w': torch.ones(1)}, site / 'net.pth')
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{httpd.server_port}'
        httpd.shutdown()


def test_download(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in no folder is downloaded into torch's cache, once, and loaded from there."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert load_from_pretrained(f'{server}/net.pth')['w'] == 1
    cached = tmp_path / 'torch' / 'hub' / 'checkpoints' / 'net.pth'
    assert [path.name for path in cached.parent.iterdir()] == ['net.pth']
    monkeypatch.setattr(torch.hub, 'download_url_to_file', lambda *_: pytest.fail('downloaded'))
    assert load_from_pretrained(f'{server}/net.pth')['w'] == 1
    monkeypatch.undo()
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    with pytest.raises(PretrainedWeightsError, match='404'):
        load_from_pretrained(f'{server}/missing.pth')
    assert [path.name for path in cached.parent.iterdir()] == ['net.pth']


TWO = """
import os, sys, time
from pathlib import Path
import torch
from bgremoval_mm.pretrained import load_from_pretrained

def download(url, target, progress):
    if sys.argv[1] == 'fails':
        raise OSError('no network')
    torch.save({'w': torch.ones(1)}, target)
torch.hub.download_url_to_file = download
torch.distributed.init_process_group('gloo')
rank = torch.distributed.get_rank()
if sys.argv[1] == 'variable' and rank == 1:
    os.environ['BGREMOVAL_MM_PRETRAINED'] = '/no/such/folder'
try:
    said = f'loaded {load_from_pretrained("https://example.com/net.pth")["w"].item()}'
except Exception as err:
    said = f'{type(err).__name__}: {err}'
Path(f'said{rank}').write_text(said)
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ('kind', 'culprit', 'why'),
    [('fails', 0, 'no network'), ('variable', 1, 'must name a folder'), ('works', None, '')],
)
def test_all_processes_learn_of_a_failure(
    tmp_path: Path, kind: str, culprit: int | None, why: str
) -> None:
    """Whichever process cannot get at the file, all of them raise; none waits for ever."""
    (tmp_path / 'two.py').write_text(TWO)
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'TORCH_HOME': str(tmp_path)}
    environment |= {'OMP_NUM_THREADS': '1'}
    environment.pop(FOLDER_VARIABLE, None)
    launch = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    subprocess.run(
        [*launch, 'two.py', kind], cwd=tmp_path, env=environment, check=True, timeout=120
    )
    said = [(tmp_path / f'said{rank}').read_text() for rank in (0, 1)]
    if culprit is None:
        assert said == ['loaded 1.0'] * 2
        return
    assert all(text.startswith('PretrainedWeightsError: ') and why in text for text in said)
    assert f'in process {culprit} of 2: ' in said[1 - culprit]
    assert 'in process' not in said[culprit]


# The published files' layout, where it differs from a network built today.
def _swin_of_2021(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The names of 2021: shifted blocks stored their mask, and the last norm was called `norm`.

    mmpretrain's class counts them as versions before 3 and before 2 of itself.
    """
    old = OrderedDict((key.replace('norm3.', 'norm.'), value) for key, value in state.items())
    for stage, side in ((0, 56), (1, 28), (2, 14)):
        windows = (side // 7) ** 2
        old[f'backbone.stages.{stage}.blocks.1.attn.attn_mask'] = torch.zeros(windows, 49, 49)
    return old


UPSTREAM: dict[str, tuple[str, Callable[[dict], dict] | None]] = {
    'resnest101': ('resnest/resnest101_32xb64_in1k.py', None),
    'swin-tiny': ('swin_transformer/swin-tiny_16xb64_in1k.py', _swin_of_2021),
    'vit-base-p16': ('vision_transformer/vit-base-p16_64xb64_in1k-384px.py', None),
}


@pytest.fixture
def upstream_state(upstream_config: Callable[[str], Config]) -> Callable[[str], dict]:
    """A function that makes a state dict of the names and shapes of an ImageNet network."""

    def make(model: str) -> dict[str, torch.Tensor]:
        family = 'vgg' if model.startswith('vgg') else 'resnet'
        config, change = UPSTREAM.get(model, (f'{family}/{model}_8xb32_in1k.py', None))
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            state = MODELS.build(upstream_config(config).model).state_dict()
        return state if change is None else change(state)

    return make


@pytest.mark.slow
@pytest.mark.parametrize('experiment', PRETRAINED, ids=lambda each: each.model)
@pytest.mark.usefixtures('no_initialisation')
def test_every_key_is_loaded_but_the_last_layer(
    experiment: Any, folder: Path, upstream_state: Callable[[str], dict]
) -> None:
    """From a file of the published name and layout, found in the folder, all of the backbone comes.

    What is in no backbone (the head) is not asked for. VGG's classifier is a part of its backbone:
    its last layer has other classes and stays as it is initialised.
    """
    pytest.importorskip('mmpretrain')
    config = Config.fromfile(ROOT / 'configs' / experiment.config('clothing10'))
    url = config.model.backbone.init_cfg.checkpoint
    assert url.startswith(HOSTS)
    state = upstream_state(experiment.model)
    mark = {key: torch.full_like(value, 0.25) if value.is_floating_point() else value
            for key, value in state.items()}  # fmt: skip
    torch.save({'state_dict': mark, 'meta': {'mmcls_version': '0.20.1'}}, folder / Path(url).name)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        backbone = MODELS.build(config.model).backbone
    for parameter in backbone.parameters():
        parameter.data.zero_()
    backbone.init_weights()
    last = {'classifier.6.weight', 'classifier.6.bias'} if experiment.family == 'vgg' else set()
    loaded = {
        name
        for name, value in [*backbone.named_parameters(), *backbone.named_buffers()]
        if value.is_floating_point() and bool((value == 0.25).all())
    }
    expected = {
        name
        for name, value in [*backbone.named_parameters(), *backbone.named_buffers()]
        if value.is_floating_point()
    }
    # A resized position embedding of a constant is the constant up to rounding.
    if 'pos_embed' in expected:
        torch.testing.assert_close(
            backbone.pos_embed, torch.full_like(backbone.pos_embed, 0.25), rtol=0, atol=1e-6
        )
        loaded.add('pos_embed')
    assert loaded == expected - last


@pytest.mark.slow
@pytest.mark.parametrize('model', ['vgg11', 'resnet50', 'swin-tiny', 'vit-base-p16'])
@pytest.mark.usefixtures('no_initialisation')
def test_mmengine_reports_no_other_key(
    model: str,
    folder: Path,
    upstream_state: Callable[[str], dict],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The log names no key as missing or unexpected, and no mismatch but VGG's last layer."""
    pytest.importorskip('mmpretrain')
    (experiment,) = [each for each in PRETRAINED if each.model == model]
    config = Config.fromfile(ROOT / 'configs' / experiment.config('fashionstyle14'))
    url = config.model.backbone.init_cfg.checkpoint
    torch.save({'state_dict': upstream_state(model)}, folder / Path(url).name)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        backbone = MODELS.build(config.model).backbone
    said: list[str] = []
    monkeypatch.setattr(
        'mmengine.runner.checkpoint.print_log', lambda text, *_, **__: said.append(str(text))
    )
    backbone.init_weights()
    text = '\n'.join(said)
    assert 'Loads checkpoint by pretrained backend' in text
    assert 'missing keys' not in text
    assert 'unexpected key' not in text
    mismatches = [line for line in text.splitlines() if 'size mismatch' in line]
    expected = ['classifier.6.weight', 'classifier.6.bias'] if model == 'vgg11' else []
    assert len(mismatches) == len(expected)
    assert all(name in line for name, line in zip(expected, mismatches, strict=True))
