"""Open weights: the configs have the listed settings, and the claims are judged on them alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from mmengine.config import Config

from bgremoval_mm.experiments.papers.liang2023 import WORK
from bgremoval_mm.experiments.papers.liang2023.open_claims import OPEN_CLAIMS, open_exhibits
from bgremoval_mm.experiments.papers.liang2023.open_weights import (
    OPEN,
    OPEN_WEIGHTS,
    OpenWeights,
)
from bgremoval_mm.experiments.report.groups import Group, group_results
from bgremoval_mm.experiments.report.page import build_report
from bgremoval_mm.experiments.report.results import read_results
from bgremoval_mm.experiments.runner.runs import Workspace, select_runs

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
TUNED, SCRATCH = 'efficientnet-lite0_in1k-pre', 'efficientnet-lite0'
# Images of 60 that are right, by network and variant, of each seed.
Right = Mapping[tuple[str, str], Sequence[int]]


@pytest.fixture
def group_of(make_classification: Callable[..., Path], tmp_path: Path) -> Callable[[Right], Group]:
    """A function that writes runs and reads them as a group."""

    def make(right: Right) -> Group:
        for (model, variant), counts in right.items():
            for seed, count in enumerate(counts):
                (run,) = select_runs(WORK, [OPEN], ['clothing10'], [model], [variant], [seed])
                make_classification(run, count)
        (group,) = [
            each
            for each in group_results(read_results(tmp_path / 'root'), WORK)
            if each.item == OPEN
        ]
        return group

    return make


def verdicts(group: Group) -> dict[str, tuple[str, str]]:
    """Return label and figures of each claim."""
    found = {claim.name: claim.judge(group, {}) for claim in OPEN_CLAIMS}
    return {name: (verdict.label, verdict.figures) for name, verdict in found.items()}


@pytest.mark.parametrize('experiment', OPEN_WEIGHTS, ids=lambda e: e.model)
def test_config_has_the_listed_settings(experiment: OpenWeights) -> None:
    """Epochs, learning rate, pixels, start and what is trained are those that the list says."""
    pytest.importorskip('mmpretrain')
    config = Config.fromfile(CONFIGS / experiment.config('clothing10'))
    assert config.train_cfg.max_epochs == config.param_scheduler[-1].end == experiment.epochs
    warm_up, cosine = config.param_scheduler
    assert (warm_up.end, cosine.begin, cosine.T_max) == (1, 1, experiment.epochs - 1)
    optimiser = config.optim_wrapper.optimizer
    assert (optimiser.type, optimiser.lr) == ('AdamW', experiment.lr)
    assert config.train_dataloader.batch_size == 32
    assert config.data_preprocessor.mean == config.data_preprocessor.std == [127.5] * 3
    backbone = config.model.backbone
    name = experiment.from_scratch.replace('-', '_')
    assert backbone.model_name == f'tf_{name}'
    starts = backbone.get('init_cfg')
    assert (starts is not None) == ('in1k-pre' in experiment.model)
    assert starts is None or f'/{experiment.from_scratch}-' in starts.checkpoint
    frozen = config.default_hooks.get('freeze')
    assert (frozen is not None) == experiment.model.endswith('_top')
    assert frozen is None or frozen.modules == ['backbone']


def test_reduced_options_fit_every_variant(tmp_path: Path) -> None:
    """One list for all networks: 8 epochs from ImageNet weights, 30 from scratch; steps are kept.

    The numbers are typed by hand: 96 of 108 pixels; with a tenth of the photos ten times the
    epochs, validated as often.
    """
    pytest.importorskip('mmpretrain')
    from bgremoval_mm.experiments.runner.options import run_config

    def lines(name: str) -> list[str]:
        text = (CONFIGS / 'reduced' / f'efficientnet-lite_clothing10_{name}.txt').read_text()
        return [line for line in text.splitlines() if not line.startswith('#')]

    whole = Workspace(tmp_path, CONFIGS, tuple(lines('96px')))
    tenth = Workspace(tmp_path, CONFIGS, (*lines('96px'), *lines('every-10')))
    seen = set()
    for run in select_runs(WORK, [OPEN]):
        epochs = 30 if run.experiment.model == run.experiment.from_scratch else 8
        for workspace, times in ((whole, 1), (tenth, 10)):
            config = run_config(run, workspace)
            assert config.train_cfg.max_epochs == config.param_scheduler[1].end == epochs * times
            assert config.param_scheduler[1].T_max == (epochs - 1) * times
            assert config.param_scheduler[0].end == config.param_scheduler[1].begin == times
            assert config.train_cfg.val_interval == times
            pipelines = [
                config[f'{part}_dataloader'].dataset.pipeline for part in ('train', 'test')
            ]
            assert [step.get('scale') for step in pipelines[0]][1] == 96
            assert [step.get('scale') for step in pipelines[1]][1] == 108
            assert pipelines[1][2].crop_size == 96
            seen.add((run.variant, times))
    assert len(seen) == 14


def test_claims_hold(group_of: Callable[[Right], Group]) -> None:
    """Worse on removed photos, better than from scratch; what was not run says nothing."""
    group = group_of(
        {
            (TUNED, 'original'): (54, 55, 54),
            (TUNED, 'rembg'): (48, 48, 47),
            (SCRATCH, 'original'): (40, 42, 39),
        }
    )
    found = verdicts(group)
    # By hand: differences of 6, 7 and 7 of 60 images; mean 20/3 of 60 = 11.11 points.
    assert found['O-a'][0] == 'holds'
    assert 'EfficientNet-Lite0, fine-tuned -11.11' in found['O-a'][1]
    assert found['O-b'][0] == 'holds'
    # 14, 13 and 15 of 60.
    assert 'fine-tuned +23.33' in found['O-b'][1]
    # Three classes can decide no sign test.
    assert found['O-d'][0] == 'undecided'


def test_claims_do_not_hold(group_of: Callable[[Right], Group]) -> None:
    """Better on removed photos and worse than from scratch."""
    group = group_of(
        {
            (TUNED, 'original'): (20, 21),
            (TUNED, 'rembg'): (50, 52),
            (SCRATCH, 'original'): (50, 52),
        }
    )
    assert verdicts(group)['O-a'][0] == verdicts(group)['O-b'][0] == 'does not hold'


def test_claims_need_runs(group_of: Callable[[Right], Group]) -> None:
    """The last layer alone is not fine-tuned, and without runs from scratch none is beaten."""
    group = group_of(
        {
            (f'{TUNED}_top', 'original'): (50, 51),
            (f'{TUNED}_top', 'rembg'): (40, 41),
            ('efficientnet-lite2_in1k-pre', 'original'): (50, 51),
        }
    )
    found = verdicts(group)
    assert {label for label, _ in found.values()} == {'undecided'}
    assert found['O-a'][1] == ''
    assert found['O-b'][1] == 'EfficientNet-Lite2, fine-tuned not run'
    assert open_exhibits(group) == ()


def test_what_is_given_back(group_of: Callable[[Right], Group]) -> None:
    """Shares of the loss, by hand, over seeds that all three have; none where nothing is lost."""
    group = group_of(
        {
            (TUNED, 'original'): (54, 54, 55, 60),
            (TUNED, 'rembg'): (48, 47, 50, 10),
            (TUNED, 'rembg-mean'): (51, 50, 53),
            (TUNED, 'rembg-blur'): (54, 54, 55),
            (SCRATCH, 'original'): (40, 41),
            (SCRATCH, 'rembg'): (41, 40),
            (SCRATCH, 'rembg-hard'): (41, 40),
        }
    )
    (exhibit,) = open_exhibits(group)
    rows = {(row['network'], row['variant']): row for row in exhibit.rows}
    assert len(rows) == 3
    mean = rows['EfficientNet-Lite0, fine-tuned', 'background in the mean colour']
    # Lost: 6 of 60 = 10 points; given back: 3 of 60.
    assert mean['removed minus original'].startswith('-10.00')
    assert mean['variant minus original'].startswith('-5.00')
    assert mean['given back'].startswith('+5.00')
    assert (mean['share of the loss'], mean['seeds']) == ('50%', '0 1 2')
    blur = rows['EfficientNet-Lite0, fine-tuned', 'background blurred']
    assert (blur['share of the loss'], blur['seeds']) == ('100%', '0 1 2')
    hard = rows['EfficientNet-Lite0, from scratch', 'background removed, hard edges']
    assert hard['share of the loss'] == '—'


def test_report_shows_them(group_of: Callable[[Right], Group], tmp_path: Path) -> None:
    """The section has the table, the claims and the work's title of the dataset."""
    group_of({(TUNED, name): (50, 51) for name in ('original', 'rembg', 'rembg-sure')})
    content = build_report(tmp_path / 'root', 'liang2023')
    section = next(each for each in content.sections if each.title.startswith(OPEN))
    assert section.title == 'Open weights, Clothing10'
    assert not section.is_own
    assert [exhibit.name for exhibit, _ in section.exhibits] == ['given_back']
    assert {claim.name for claim, _ in section.claims} == {'O-a', 'O-b', 'O-d'}
