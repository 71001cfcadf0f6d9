"""SimilarityClsHead: two paths, each with its loss, and which parameters they train."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn
from torch.nn import functional

mmpretrain = pytest.importorskip('mmpretrain')

from mmpretrain.structures import DataSample  # noqa: E402

from bgremoval_mm.models.heads.similarity_cls_head import (  # noqa: E402
    SimilarityClsHead,
    numbered,
)
from bgremoval_mm.removal.errors import ArgumentError  # noqa: E402

CATEGORIES = [0, 0, 0, 0, 1, 1, 1, 2]
ITEMS = ['a', 'a', 'b', 'b', 'c', 'c', 'd', 'e']
COMBINATIONS = {
    'oc': (),
    'oc-os': ('category',),
    'oc-is': ('item',),
    'oc-os-is': ('category', 'item'),
}


class Tiny(nn.Module):
    """A backbone of one layer, then the head."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Linear(6, 5)
        self.head = SimilarityClsHead(
            num_classes=3,
            in_channels=5,
            **{'hidden_channels': 4, 'dropout': 0.0, 'per_anchor': 'all'} | options,
        )
        self.double()

    def losses(self) -> dict[str, torch.Tensor]:
        """The losses of the same batch in each call."""
        torch.manual_seed(1)
        return self.head.loss((self.backbone(torch.randn(8, 6).double()),), samples())

    def gradients(self) -> dict[str, torch.Tensor]:
        """Those of the whole loss, by parameter."""
        self.zero_grad()
        sum(self.losses().values()).backward()
        return {name: each.grad.clone() for name, each in self.named_parameters()}


def samples() -> list[DataSample]:
    """Data samples with category and item."""
    found = []
    for category, item in zip(CATEGORIES, ITEMS, strict=True):
        sample = DataSample().set_gt_label(category)
        sample.set_field(item, 'item_id')
        found.append(sample)
    return found


def hinges(features: torch.Tensor, labels: list[Any], delta: float) -> torch.Tensor:
    """The mean over all triplets, from the definition."""
    rows = functional.normalize(features)
    found = []
    for a, p, n in product(range(len(labels)), repeat=3):
        if a != p and labels[a] == labels[p] != labels[n]:
            near, far = ((rows[a] - rows[each]).square().sum() for each in (p, n))
            found.append((delta + near - far).clamp(min=0))
    return torch.stack(found).mean()


@pytest.mark.parametrize('name', COMBINATIONS)
def test_losses_equal_their_definitions(name: str) -> None:
    """Cross-entropy of the relaxed feature, and hinges on squared distances; alpha, beta, delta."""
    model = Tiny(triplets=COMBINATIONS[name], alpha=0.7, beta=0.2, delta=0.4)
    torch.manual_seed(1)
    feature = model.backbone(torch.randn(8, 6).double())
    first, _, _, last = model.head.relaxation
    hidden = (feature @ first.weight[:, :, 0, 0].T + first.bias).clamp(min=0)
    scores = hidden @ last.weight[:, :, 0, 0].T + last.bias
    logs = scores - scores.exp().sum(dim=1, keepdim=True).log()
    expected = {'loss_oc': -0.7 * logs[range(8), CATEGORIES].mean()}
    if 'category' in COMBINATIONS[name]:
        expected['loss_os'] = 0.2 * hinges(feature, CATEGORIES, 0.4)
    if 'item' in COMBINATIONS[name]:
        expected['loss_is'] = 0.2 * hinges(feature, ITEMS, 0.4)
    found = model.losses()
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value)


def test_defaults_are_the_works() -> None:
    """Delta 0.3 and beta 0.1 are stated; alpha is 1 where 0 is printed, the sign is plus."""
    plain = Tiny(triplets='item').losses()
    stated = Tiny(triplets=('item',), alpha=1, beta=0.1, delta=0.3, triplet_sign=1).losses()
    assert plain == stated
    assert plain['loss_is'] > 0


@pytest.mark.parametrize('triplets', ['category', 'item'])
def test_which_parameters_get_which_gradients(triplets: str) -> None:
    """Relaxation module: from the categories alone. Backbone: from both, and the sum of both."""
    both = Tiny(triplets=(triplets,)).gradients()
    categories = Tiny().gradients()
    similarity = Tiny(triplets=(triplets,), alpha=0.0).gradients()
    for name, gradient in both.items():
        torch.testing.assert_close(gradient, categories[name] + similarity[name])
        if name.startswith('head.relaxation'):
            assert torch.equal(gradient, categories[name])
            assert categories[name].abs().max() > 0
            assert not similarity[name].any()
    weight = 'backbone.weight'
    assert min(each[weight].abs().max() for each in (categories, similarity)) > 0
    assert not torch.equal(both[weight], categories[weight])
    assert {name.split('.')[0] for name in both} == {'backbone', 'head'}


def test_loss_as_printed() -> None:
    """With alpha 0 categories train nothing; with the minus, a garment's photos move apart."""
    printed = dict(triplets=('item',), alpha=0.0, beta=0.1, delta=0.3, triplet_sign=-1)
    gradients = Tiny(**printed).gradients()
    corrected = Tiny(**printed | {'triplet_sign': 1}).gradients()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, -corrected[name])
        assert gradient.any() == (not name.startswith('head.relaxation'))
    for sign in (1, -1):
        model = Tiny(**printed | {'triplet_sign': sign})
        torch.manual_seed(1)
        photos = torch.randn(8, 6).double()
        before = hinges(model.backbone(photos), ITEMS, 0.3)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter -= 0.1 * model_gradient(model, name)
        after = hinges(model.backbone(photos), ITEMS, 0.3)
        assert (after < before) == (sign == 1)


def model_gradient(model: Tiny, name: str) -> torch.Tensor:
    """The gradient of one parameter."""
    with torch.enable_grad():
        return model.gradients()[name]


def test_random_triplets_and_miners() -> None:
    """One triplet an anchor by default, drawn anew; a miner chooses in place of that."""
    model = Tiny(triplets=('item',), per_anchor=1)
    found = set()
    for seed in range(6):
        feature = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)).double()
        torch.manual_seed(seed)
        found.add(float(model.head.loss((feature,), samples())['loss_is'].detach()))
    assert len(found) > 1
    miner = dict(type='TripletMarginMiner', margin=0.3, type_of_triplets='hard')
    mined = Tiny(triplets=('item',), miner=miner).losses()['loss_is']
    assert mined > Tiny(triplets=('item',)).losses()['loss_is']


def test_no_triplet_in_the_batch() -> None:
    """Photos of one item, or of as many items as photos, give 0, which can be differentiated."""
    model = Tiny(triplets=('item',))
    for items in ('aaaa', 'abcd'):
        batch = samples()[:4]
        for sample, item in zip(batch, items, strict=True):
            sample.set_field(item, 'item_id')
        feature = torch.randn(4, 5, dtype=torch.double, requires_grad=True)
        loss = model.head.loss((feature,), batch)['loss_is']
        assert float(loss) == 0
        loss.backward()


def test_prediction() -> None:
    """Probabilities of categories, and the feature at length 1; neither needs labels."""
    model = Tiny(dropout=0.5).eval()
    feature = torch.randn(8, 5).double()
    for given in (samples(), None):
        found = model.head.predict((feature,), given)
        assert len(found) == 8
        scores = torch.stack([sample.pred_score for sample in found])
        embeddings = torch.stack([sample.embedding for sample in found])
        torch.testing.assert_close(scores.sum(dim=1), torch.ones(8).double())
        torch.testing.assert_close(embeddings, functional.normalize(feature))
        assert [int(each.pred_label) for each in found] == scores.argmax(dim=1).tolist()
    assert [sample.item_id for sample in model.head.predict((feature,), samples())] == ITEMS


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(triplets=('items',)), r"`triplets` must be of 'category', 'item', but got \('items'"),
        (dict(triplets=('item', 'item')), '`triplets` must be of'),
        (dict(triplet_sign=0), '`triplet_sign` must be 1 or -1, but got 0'),
        (dict(per_anchor='some'), "`per_anchor` must be a number from 1 or 'all', but got 'some'"),
        (dict(miner=dict(type='Miner')), '`type` of a loss must be a class of pytorch-metric'),
    ],
)
def test_wrong_arguments(options: dict[str, Any], message: str) -> None:
    """What the head cannot do is refused with what it can."""
    with pytest.raises(ArgumentError, match=message):
        Tiny(**options)


def test_wrong_samples() -> None:
    """A category that is not there, and samples without items, are errors that say what to do."""
    model = Tiny(triplets=('item',))
    feature = torch.randn(8, 5).double()
    batch = samples()
    batch[2].set_gt_label(3)
    with pytest.raises(ArgumentError, match='above every category, but got 3 and the category 3'):
        model.head.loss((feature,), batch)
    batch = [DataSample(metainfo={'img_path': 'x.jpg'}).set_gt_label(0)] * 8
    with pytest.raises(ArgumentError, match=r"algorithm_keys=\('item_id', 'role'\).* x\.jpg"):
        model.head.loss((feature,), batch)
    assert numbered(samples()).tolist() == [0, 0, 1, 1, 2, 2, 3, 4]


BACKBONES = {
    'ResNet': (dict(depth=50), 2048, 25.56),
    'SEResNet': (dict(depth=50), 2048, 28.09),
    'SEResNeXt': (dict(depth=50, groups=32, width_per_group=4), 2048, 27.56),
    'DenseNet': (dict(arch='121'), 1024, 7.98),
}


@pytest.mark.parametrize('kind', BACKBONES)
@pytest.mark.usefixtures('no_initialisation')
def test_backbones(kind: str) -> None:
    """The four of the work, in a classifier: channels, and parameters with 1,000 classes."""
    options, channels, millions = BACKBONES[kind]
    config = dict(
        type='ImageClassifier',
        backbone=dict(type=kind, **options),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='SimilarityClsHead', num_classes=3, in_channels=channels, triplets=('item',)
        ),
    )
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(config)
    count = sum(each.numel() for each in model.backbone.parameters())
    assert round((count + 1000 * (channels + 1)) / 1e6, 2) == millions
    batch = samples()[:4]
    losses = model(torch.randn(4, 3, 64, 64), batch, mode='loss')
    assert set(losses) == {'loss_oc', 'loss_is'}
    model.eval()
    (found, *_) = model(torch.randn(1, 3, 64, 64), None, mode='predict')
    assert found.embedding.shape == (channels,)


TWO_PROCESSES = """
import torch
from mmpretrain.structures import DataSample
from torch.nn.parallel import DistributedDataParallel
from bgremoval_mm.models.heads.similarity_cls_head import SimilarityClsHead

torch.distributed.init_process_group('gloo')
rank = torch.distributed.get_rank()


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = torch.nn.Linear(6, 5)
        self.head = SimilarityClsHead(3, 5, triplets=('item',), dropout=0.0, per_anchor='all',
                                      alpha=0.0)

    def forward(self, feats, samples):
        return sum(self.head.loss((self.backbone(feats),), samples).values())


def batch(rank):
    samples = []
    for number in range(4):
        sample = DataSample().set_gt_label(number % 3)
        sample.set_field(f'{rank}-{number // 2}', 'item_id')
        samples.append(sample)
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(rank)), samples


parallel = DistributedDataParallel(Model())
parallel(*batch(rank)).backward()
alone = Model()
(sum(alone(*batch(each)) for each in range(2)) / 2).backward()
for ours, theirs in zip(parallel.module.parameters(), alone.parameters()):
    torch.testing.assert_close(ours.grad, theirs.grad)
torch.distributed.barrier()
torch.distributed.destroy_process_group()
print(f'equal {rank}\\n', end='', flush=True)  # in one piece
"""


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    """The gradients of two processes are the mean of theirs; alpha 0 leaves no one waiting."""
    script = tmp_path / 'two.py'
    script.write_text(TWO_PROCESSES)
    launch = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    done = run([*launch, str(script)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert sorted(line for line in done.stdout.splitlines() if 'equal' in line) == [
        'equal 0',
        'equal 1',
    ]
