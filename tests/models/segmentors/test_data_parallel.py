"""Two processes have the gradient that one has with the whole batch.

Frozen batch normalisation is compared: with statistics of its own photos, each process would
normalise by those of half a batch. Losses are means over annotated pixels, of which both halves
have equally many.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('needs_mmseg')]

# Each process takes its half; without torchrun there is one process, with the whole batch.
PROGRAM = """
import os, sys
import torch
from mmengine.dist import get_rank
from mmengine.model import MMDistributedDataParallel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from bgremoval_mm.models.segmentors.u2net import U2NetSegmentor

def gradients(norm_eval, photos, labels):
    torch.manual_seed(0)
    model = U2NetSegmentor('u2netp', norm_eval=norm_eval).double().train()
    if 'RANK' in os.environ:
        wrapped = MMDistributedDataParallel(model, broadcast_buffers=False)
        half = slice(2 * get_rank(), 2 * get_rank() + 2)
        photos, labels = photos[half], labels[half]
    else:
        wrapped = model
    samples = [SegDataSample(gt_sem_seg=PixelData(data=each[None])) for each in labels]
    losses = wrapped(photos, samples, mode='loss')
    sum(losses.values()).backward()
    return {name: each.grad for name, each in model.named_parameters()}

torch.set_num_threads(1)
if 'RANK' in os.environ:
    torch.distributed.init_process_group('gloo')
generator = torch.Generator().manual_seed(1)
photos = torch.rand(4, 3, 36, 36, dtype=torch.float64, generator=generator)
labels = (photos.mean(1) > 0.5).to(torch.uint8)
labels[1:] *= torch.rand(3, 36, 36, generator=generator) > 0.3  # halves that differ
found = {frozen: gradients(frozen, photos, labels) for frozen in (True, False)}
torch.save(found, f'{sys.argv[1]}/rank{os.environ.get("RANK", "")}.pth')
if 'RANK' in os.environ:
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
"""


@pytest.fixture(scope='module')
def needs_mmseg() -> None:
    """The segmentors need mmsegmentation."""
    pytest.importorskip('mmseg')


def run(folder: Path, *launcher: str) -> None:
    """Run the program."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    for name in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'):
        environment.pop(name, None)
    (folder / 'program.py').write_text(PROGRAM)
    command = [sys.executable, *launcher, str(folder / 'program.py'), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def distance(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    """The largest difference of a parameter's gradients, as a share of the largest gradient."""
    return max(
        ((each - second[name]).abs().max() / second[name].abs().max()).item()
        for name, each in first.items()
        # The bias before a normalisation by batch statistics has none but rounding.
        if second[name].abs().max() > 1e-9
    )


def test_two_processes_average_their_gradients(tmp_path: Path) -> None:
    """In float64 to 1e-6, through MMDistributedDataParallel; both processes get the same."""
    run(tmp_path)
    run(tmp_path, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2')
    one, first, second = (torch.load(tmp_path / f'rank{rank}.pth') for rank in ('', 0, 1))
    for frozen in (True, False):
        for name, each in first[frozen].items():
            assert torch.equal(each, second[frozen][name])
    assert len(one[True]) > 100
    assert distance(first[True], one[True]) < 1e-6
    assert max(each.abs().max().item() for each in one[True].values()) > 1e-3
    # Statistics of half a batch are others: this is what `norm_eval` or larger batches are for.
    assert distance(first[False], one[False]) > 1e-3
