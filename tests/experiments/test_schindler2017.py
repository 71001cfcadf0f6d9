"""Product catalogues: experiments, numbers, claims and report, on made-up results of products."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bgremoval_mm.evaluation.metrics.per_image import write_per_image
from bgremoval_mm.experiments.base import Verdict
from bgremoval_mm.experiments.papers.schindler2017 import WORK
from bgremoval_mm.experiments.papers.schindler2017.exhibits import PARENTS, pooled_confusion
from bgremoval_mm.experiments.papers.schindler2017.experiments import EXPERIMENTS, OPEN, TABLE
from bgremoval_mm.experiments.papers.schindler2017.published import (
    BEST_IMAGE,
    BEST_PRODUCT,
    IMAGE,
    MISPRINTS,
    PRODUCT,
    ROWS,
)
from bgremoval_mm.experiments.report.folds import FoldedResult
from bgremoval_mm.experiments.report.groups import Group, Pair, group_results
from bgremoval_mm.experiments.report.page import Report, build_report, write_report
from bgremoval_mm.experiments.report.results import read_results
from bgremoval_mm.experiments.report.tables import result_table
from bgremoval_mm.experiments.runner.runs import Run, select_runs

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ('Bags', 'Pants', 'Tees')
PHOTOS = (3, 1, 2)  # of a product, by its number
PRODUCTS = 90  # a third in each fold

FINE, TOP = 'efficientnet-lite0_in1k-pre', 'efficientnet-lite0_in1k-pre_top'
Arrays = Mapping[str, np.ndarray]


def photos_of_fold(fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Product and class of each photo of a fold."""
    mine = [number for number in range(PRODUCTS) if number % 3 == fold]
    products = [number for number in mine for _ in range(PHOTOS[number // 3 % 3])]
    return np.array([f'p{n:02}' for n in products]), np.array([n // 3 % 3 for n in products])


def define(arrays: Arrays) -> dict[str, float]:
    """The metrics of a test, product by product."""
    counts = {'sum': 0, 'max': 0, 'vote': 0}
    names = sorted(set(arrays['products'].tolist()))
    for name in names:
        scores = arrays['scores'][arrays['products'] == name].astype(float)
        (label,) = set(arrays['labels'][arrays['products'] == name].tolist())
        sums = scores.sum(axis=0)
        votes = np.bincount(scores.argmax(axis=1), minlength=3)
        counts['sum'] += sums.argmax() == label
        counts['max'] += scores.max(axis=0).argmax() == label
        counts['vote'] += max(range(3), key=lambda i: (votes[i], sums[i])) == label
    image = (arrays['labels'] == arrays['predictions']).mean() * 100
    found = {f'accuracy/product/{rule}': 100 * n / len(names) for rule, n in counts.items()}
    found |= {'accuracy/image': float(image), 'accuracy/top1': float(image)}
    for number, name in enumerate(CLASSES):
        mine = arrays['labels'] == number
        found[f'accuracy/class/{name}'] = float(
            (arrays['predictions'][mine] == number).mean() * 100
        )
    return found


@pytest.fixture
def make_run(make_result: Callable[..., Path]) -> Callable[..., Arrays]:
    """A function that writes a run whose photos are right with a probability."""

    def make(run: Run, skill: float, **more: object) -> Arrays:
        assert run.fold is not None
        products, labels = photos_of_fold(run.fold)
        random = np.random.default_rng((run.fold, run.seed, int(1000 * skill)))
        # Photos of a product are alike: half of their luck is the product's.
        luck = {name: random.random() for name in products}
        right = [0.5 * (luck[name] + random.random()) < skill for name in products]
        wrong = (labels + 1 + random.integers(0, 2, len(labels))) % 3
        scores = random.dirichlet(np.ones(3), len(labels)) * 0.45
        scores[np.arange(len(labels)), np.where(right, labels, wrong)] += 0.55
        arrays = {
            'names': np.array([f'images/{name}_{i:03}.jpg' for i, name in enumerate(products)]),
            'labels': labels.astype(np.int16),
            'predictions': scores.argmax(axis=1).astype(np.int16),
            'classes': np.array(CLASSES),
            'products': products,
            'scores': scores.astype(np.float32),
        }
        folder = make_result(run, define(arrays), images=len(labels), **more)
        write_per_image(folder / 'evidence.npz', **arrays)
        return arrays

    return make


Made = dict[tuple[str, str, int, int | None], Arrays]


@pytest.fixture
def make_runs(make_run: Callable[..., Arrays]) -> Callable[..., Made]:
    """A function that writes runs of models and variants with their skills."""

    def make(
        skills: Mapping[str, Mapping[str, float]],
        item: str = OPEN,
        dataset: str = 'luma',
        seeds: int = 2,
        folds: tuple[int, ...] = (),
    ) -> Made:
        made: Made = {}
        for run in select_runs(WORK, [item], [dataset], list(skills), (), range(seeds), folds):
            skill = skills[run.experiment.model].get(run.variant)
            if skill is not None:
                key = (run.experiment.model, run.variant, run.seed, run.fold)
                made[key] = make_run(run, skill)
        return made

    return make


def group(root: Path, item: str = OPEN, dataset: str = 'luma') -> Group:
    """A group of results."""
    groups = group_results(read_results(root), WORK)
    return next(each for each in groups if (each.item, each.dataset) == (item, dataset))


def pair_of(root: Path, model: str = FINE, variant: str = 'rembg') -> Pair:
    """A variant of a network beside its original."""
    cell = group(root).cell(model)
    assert cell is not None
    return cell.pair(variant)


def test_runs() -> None:
    """Each row of the table once, in three folds and three kinds of background."""
    runs = select_runs(WORK, seeds=(0, 1))
    cells = sum(len(each.datasets) for each in EXPERIMENTS)
    assert cells == 15 + 3 + 1 + 4 * 3
    assert len(runs) == len({run.name for run in runs}) == cells * 3 * 3 * 2
    names = {run.name for run in runs}
    assert 'vgg19_in1k-pre_top_1xb32_luma-gender-rembg/fold2/seed1' in names
    assert 'mobilenet-v2_in1k-pre_top_1xb32_luma-person-bgaug/fold0/seed0' in names
    assert 'vgg-like_1xb32_luma-person/fold1/seed0' in names


def test_configs_exist() -> None:
    """Every config of the work, each of which divides its photos into folds."""
    paths = {ROOT / 'configs' / run.config for run in select_runs(WORK)}
    assert [path.name for path in sorted(paths) if not path.is_file()] == []


def test_the_work_is_complete() -> None:
    """Its items have metrics and datasets titles; numbers are of what there is."""
    assert set(WORK.metrics) == set(WORK.items) == set(WORK.exhibits)
    assert WORK.folds == (0, 1, 2)
    cells = {(e.item, e.model, dataset) for e in EXPERIMENTS for dataset in e.datasets}
    for each in WORK.published:
        (dataset,) = each.datasets
        assert (each.item, each.model, dataset) in cells
        assert each.metric in {metric.key for metric in WORK.metrics[each.item]}
    for claim in WORK.claims:
        assert claim.item in WORK.items
    assert len(WORK.published) == 18 * 3 + 1  # all rows but that of the large set


def row(number: int) -> tuple[float, float, float]:
    """The numbers of a row of the table, typed a second time."""
    (found,) = (each for each in ROWS if each.number == number)
    return found.image, found.product, found.mean


def test_table() -> None:
    """What identifies the rows, and what the work says of them."""
    assert [each.number for each in ROWS] == list(range(1, 20))
    assert row(1) == (0.706, 0.794, 0.791)
    assert row(19) == (0.762, 0.846, 0.830)
    best = {each.number: round(100 * each.product, 1) for each in ROWS}
    gaps = {
        'I-a': [(2, 9, 7.9), (3, 8, 5.9)],
        'I-b': [(9, 11, 5.6), (8, 15, 19.7), (7, 16, 22.2)],
        'I-c': [(2, 6, 5.6), (12, 13, 1.2)],
        'I-d': [(2, 4, 4.4), (2, 10, 9.3)],
        'I-e': [(17, 19, 4.1)],
    }
    for name, rows in gaps.items():
        (text,) = (claim.text for claim in WORK.claims if claim.name == name)
        for first, second, gap in rows:
            assert best[first] - best[second] == pytest.approx(gap)
            assert str(gap) in text, name


def test_misprints() -> None:
    """They follow from the rows: means, a table against its prose, products below photos."""
    means, gender, product, large = MISPRINTS
    rest = [(3 * row(number)[2] - row(number)[1]) / 2 for number in (7, 8)]
    assert [f'{each:.3f}' for each in rest] == ['0.180', '0.226']
    assert all(f'{each:.3f}' in means.text for each in rest)
    assert [each['paper: product, mean'] for each in means.rows] == ['0.343', '0.368']
    assert row(17)[1] > row(18)[1] > row(19)[1]
    assert gender.rows[0]['network'] == 'vgg19_in1k-pre_top'
    assert [n for n in range(1, 20) if row(n)[0] > row(n)[1]] == [10]
    assert product.rows[0]['row'] == '10'
    assert '234,408' in large.text


def test_values_beside_a_difference_are_of_the_same_folds(
    make_result: Callable[..., Path], tmp_path: Path
) -> None:
    """Half of a cross-validation: 85 beside 90 and -5, not beside 70, the mean of three folds."""
    chosen = (WORK, ['Open photos'], ['luma'], ['mobilenet-v2_in1k-pre'])
    for fold, score in enumerate((90.0, 60.0, 60.0)):
        (run,) = select_runs(*chosen, ['original'], [0], [fold])
        make_result(run, {'accuracy/product/sum': score}, root=tmp_path)
    (run,) = select_runs(*chosen, ['rembg'], [0], [0])
    make_result(run, {'accuracy/product/sum': 85.0}, root=tmp_path)
    groups = group_results(read_results(tmp_path), WORK)
    (group,) = (each for each in groups if each.results)
    table = result_table(group)
    rows = table[(table['network'].str.startswith('MobileNetV2')) & (table['difference'] != '—')]
    (row,) = rows.to_dict('records')
    assert (row['seeds'], row['folds']) == ('0', '0')
    assert (row['original'], row['changed'], row['difference']) == ('90.00', '85.00', '-5.00')


def test_a_seed_is_the_mean_of_its_folds(make_runs: Callable[..., Made], tmp_path: Path) -> None:
    """Means and best folds are those of the folds' metrics; intervals over seeds count seeds."""
    made = make_runs({FINE: {'original': 0.6}})
    cell = group(tmp_path / 'root').cell(FINE)
    assert cell is not None
    by_seed = {
        seed: [define(made[FINE, 'original', seed, fold]) for fold in range(3)] for seed in (0, 1)
    }
    for key in (IMAGE, PRODUCT, 'accuracy/product/vote'):
        expected = {seed: np.mean([m[key] for m in folds]) for seed, folds in by_seed.items()}
        assert cell.values(key, 'original') == pytest.approx(expected)
        mean = cell.mean(key, 'original')
        assert mean is not None
        assert mean.count == 2
    for best, key in ((BEST_IMAGE, IMAGE), (BEST_PRODUCT, PRODUCT)):
        expected = {seed: max(m[key] for m in folds) for seed, folds in by_seed.items()}
        assert cell.values(best, 'original') == pytest.approx(expected)


def test_difference_over_products(make_runs: Callable[..., Made], tmp_path: Path) -> None:
    """The paired difference, and its interval by drawing products of each fold in plain Python."""
    made = make_runs({FINE: {'original': 0.5, 'rembg': 0.6}})
    metric = WORK.metrics[OPEN][0]
    found = pair_of(tmp_path / 'root').over_images(metric)
    assert found is not None
    assert found.count == PRODUCTS
    values: list[list[float]] = []
    for fold in range(3):
        names = sorted({str(name) for name in photos_of_fold(fold)[0]})
        values.append([])
        for name in names:
            changes = []
            for seed in (0, 1):
                hits = []
                for variant in ('original', 'rembg'):
                    arrays = made[FINE, variant, seed, fold]
                    mine = arrays['products'] == name
                    predicted = arrays['scores'][mine].astype(float).sum(axis=0).argmax()
                    hits.append(float(predicted == arrays['labels'][mine][0]))
                changes.append(hits[1] - hits[0])
            values[-1].append(sum(changes) / 2)
    mean = np.mean([np.mean(each) for each in values])
    assert found.mean == pytest.approx(100 * mean)
    difference = pair_of(tmp_path / 'root').difference(PRODUCT)
    assert difference is not None
    assert found.mean == pytest.approx(difference.mean)
    random = np.random.default_rng(5)
    draws = [
        100 * np.mean([random.choice(each, len(each)).mean() for each in values])
        for _ in range(4000)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    assert (found.low, found.high) == pytest.approx((low, high), abs=1.0)
    photos = pair_of(tmp_path / 'root').over_images(WORK.metrics[OPEN][1])
    by_image = pair_of(tmp_path / 'root').difference(IMAGE)
    assert photos is not None
    assert by_image is not None
    assert photos.mean == pytest.approx(by_image.mean)
    assert photos.count == PRODUCTS


def test_only_folds_of_both_are_compared(make_runs: Callable[..., Made], tmp_path: Path) -> None:
    """While a variant lacks a fold, its original is that of the same folds."""
    made = make_runs({FINE: {'original': 0.5}})
    made |= make_runs({FINE: {'rembg': 0.7}}, folds=(0, 2))
    pair = pair_of(tmp_path / 'root')
    for seed, found in pair.differences(PRODUCT).items():
        means = [
            np.mean([define(made[FINE, variant, seed, fold])[PRODUCT] for fold in (0, 2)])
            for variant in ('original', 'rembg')
        ]
        assert found == pytest.approx(means[1] - means[0])
    estimate = pair.over_images(WORK.metrics[OPEN][0])
    assert estimate is not None
    assert estimate.count == PRODUCTS * 2 / 3
    make_runs({FINE: {'bgaug': 0.5}}, folds=(1,), seeds=1)
    assert list(pair_of(tmp_path / 'root', variant='bgaug').differences(PRODUCT)) == [0]


def test_results_that_do_not_fit(make_runs: Callable[..., Made], tmp_path: Path) -> None:
    """The same run twice, a result without its fold, a photo that two folds tested."""
    make_runs({FINE: {'original': 0.5}}, seeds=1)
    root = tmp_path / 'root'
    folder = root / f'{FINE}_1xb32_luma'
    text = (folder / 'fold1/seed0/result.json').read_text()
    (folder / 'fold1/seed0/result.json').write_text(text.replace('"fold": 1', '"fold": 0'))
    with pytest.raises(ValueError, match=r'fold0/seed0 and .*fold1/seed0 are results of the same'):
        group(root)
    (folder / 'fold1/seed0/result.json').write_text(text.replace('"fold": 1', '"other": 1'))
    with pytest.raises(ValueError, match=r'fold1/seed0 must be the result of a fold, as .*fold2'):
        group(root)
    (folder / 'fold1/seed0/result.json').write_text(text)
    (folder / 'fold1/seed0/evidence.npz').write_bytes(
        (folder / 'fold0/seed0/evidence.npz').read_bytes()
    )
    results = {r.fold: r for r in read_results(root)}
    results[1].__dict__['per_image'] = results[0].per_image
    with pytest.raises(ValueError, match='must be tested in one fold, but some are in two'):
        _ = FoldedResult({0: results[0], 1: results[1]}).per_image


def test_pooled_confusion(make_runs: Callable[..., Made], tmp_path: Path) -> None:
    """Each product counts once a seed, in the row of its class."""
    made = make_runs({FINE: {'original': 0.6}})
    expected = np.zeros((3, 3), int)
    for arrays in made.values():
        for name in set(arrays['products'].tolist()):
            mine = arrays['products'] == name
            predicted = arrays['scores'][mine].astype(float).sum(axis=0).argmax()
            expected[arrays['labels'][mine][0], predicted] += 1
    cell = group(tmp_path / 'root').cell(FINE)
    assert cell is not None
    found = pooled_confusion(list(cell.results['original'].values()))
    assert found is not None
    assert found[0] == list(CLASSES)
    assert found[1].tolist() == expected.tolist()
    assert expected.sum() == 2 * PRODUCTS


def verdict(name: str, root: Path, dataset: str = 'luma') -> Verdict:
    """The verdict on a claim."""
    claim = next(each for each in WORK.claims if each.name == name)
    assert claim.is_about(claim.item, dataset)
    return claim.judge(group(root, claim.item, dataset), {})


LADDER = {'_in1k-pre': 0.75, '_in1k-pre_top': 0.6, '': 0.4}


@pytest.mark.parametrize(
    ('skills', 'labels'),
    [
        (LADDER, ('holds', 'holds')),
        (LADDER | {'_in1k-pre': 0.3}, ('does not hold', 'holds')),
        (LADDER | {'': 0.9}, ('holds', 'does not hold')),
        (LADDER | {'_in1k-pre': 0.605}, ('undecided', 'holds')),
    ],
)
def test_claims_on_training(
    skills: dict[str, float], labels: tuple[str, str], make_runs: Callable, tmp_path: Path
) -> None:
    """Fine-tuned before top layers before from scratch, for each of three networks."""
    networks = ('inception-v3', 'vgg16', 'vgg19')
    numbers = {f'{n}{end}': {'original': skill} for n in networks for end, skill in skills.items()}
    make_runs(numbers, item=TABLE)
    assert tuple(verdict(name, tmp_path / 'root').label for name in ('I-a', 'I-b')) == labels
    figures = verdict('I-b', tmp_path / 'root').figures
    assert figures.count('(2 seeds)') == 3
    assert figures.startswith('InceptionV3, top layer only minus InceptionV3, from scratch: ')


def test_one_seed_decides_nothing(make_runs: Callable, tmp_path: Path) -> None:
    """However many products there are: another training might come out otherwise."""
    skills = {f'{n}{end}': {'original': skill} for n in ('vgg19',) for end, skill in LADDER.items()}
    make_runs(skills, item=TABLE, dataset='luma-gender', seeds=1)
    found = verdict('I-e', tmp_path / 'root', 'luma-gender')
    assert found.label == 'undecided'
    assert '(1 seed)' in found.figures
    assert verdict('I-a', tmp_path / 'root').label == 'undecided'
    assert 'not run' in verdict('I-a', tmp_path / 'root').figures


def test_a_fold_that_is_missing_decides_nothing(make_runs: Callable, tmp_path: Path) -> None:
    """Its products might come out otherwise."""
    skills = {f'vgg19{end}': {'original': skill} for end, skill in LADDER.items()}
    make_runs(skills, item=TABLE, dataset='luma-gender', folds=(0, 2))
    found = verdict('I-e', tmp_path / 'root', 'luma-gender')
    assert found.label == 'undecided'
    assert found.figures.endswith(' (2 seeds, not in all folds)')
    make_runs(skills, item=TABLE, dataset='luma-gender', folds=(1,))
    found = verdict('I-e', tmp_path / 'root', 'luma-gender')
    assert (found.label, found.figures[-9:]) == ('holds', '(2 seeds)')


def test_claims_on_augmentation_and_persons(make_runs: Callable, tmp_path: Path) -> None:
    """Photos without a person are other photos, which the claim says and leaves out."""
    inception = 'inception-v3_in1k-pre'
    skills = {
        inception: 0.7,
        f'{inception}_no-aug': 0.5,
        'custom-cnn': 0.6,
        'custom-cnn_no-aug': 0.4,
        f'{inception}_person-layer': 0.4,
        f'{inception}_no-person': 0.9,
    }
    made = make_runs({name: {'original': skill} for name, skill in skills.items()}, item=TABLE)
    root = tmp_path / 'root'
    assert verdict('I-c', root).label == 'holds'
    assert verdict('I-d', root).label == 'does not hold'  # tested on the same photos so far
    for fold, seed in product(range(3), range(2)):
        file = root / f'{inception}_no-person_1xb32_luma' / f'fold{fold}/seed{seed}/evidence.npz'
        arrays = made[f'{inception}_no-person', 'original', seed, fold]
        keep = arrays['products'] != 'p00'
        few = {k: v if k == 'classes' else v[keep] for k, v in arrays.items()}
        write_per_image(file, **few)
        result = file.parent / 'result.json'
        top1 = define(few)['accuracy/top1']
        text = re.sub(r'("accuracy/top1": )[\d.]+', rf'\g<1>{top1}', result.read_text())
        result.write_text(text)
    found = verdict('I-d', root)
    assert found.label == 'holds'
    assert found.figures.endswith('InceptionV3, fine-tuned: tested on other photos')


@pytest.fixture
def report(make_runs: Callable, tmp_path: Path) -> tuple[Path, Made, Report]:
    """The report of two networks of the table and one of the open photos."""
    made = make_runs(
        {
            'vgg16_in1k-pre': {'original': 0.6, 'rembg': 0.5},
            'vgg16_in1k-pre_top': {'original': 0.5},
        },
        item=TABLE,
    )
    made |= make_runs({FINE: {'original': 0.6, 'rembg': 0.5, 'bgaug': 0.65}})
    content = build_report(tmp_path / 'root')
    write_report(content, tmp_path / 'report')
    return tmp_path / 'report', made, content


def test_report_tables(report: tuple[Path, Made, Report]) -> None:
    """Ours in the work's layout beside its numbers; the paired table says what is drawn."""
    folder, made, _ = report
    table = pd.read_csv(folder / 'table_i_luma_layout.csv', dtype=str).set_index(
        ['network', 'variant']
    )
    assert list(table.index) == [
        ('VGG-16, fine-tuned', 'original'),
        ('VGG-16, fine-tuned', 'background removed'),
        ('VGG-16, top layers only', 'original'),
    ]
    by_seed = [
        [define(made['vgg16_in1k-pre', 'original', seed, fold]) for fold in range(3)]
        for seed in (0, 1)
    ]
    line = table.loc['VGG-16, fine-tuned', 'original']
    for column, key, rule in (
        ('photo, best fold', IMAGE, max),
        ('product, best fold', PRODUCT, max),
        ('product, mean', PRODUCT, np.mean),
        ('product by largest, mean', 'accuracy/product/max', np.mean),
    ):
        expected = np.mean([rule([each[key] for each in folds]) for folds in by_seed])
        assert line[column] == f'{expected:.2f}', column
    low, high = map(float, line['95 % over products'].split(' to '))
    assert low < float(line['product, mean']) < high
    assert (line['seeds'], line['runs'], line['row']) == ('2', '6', '3')
    paper = [name for name in table if name.startswith('paper: ')]
    assert line[paper].tolist() == ['64.6', '71.1', '69.1']
    assert set(table.loc['VGG-16, fine-tuned', 'background removed'][paper]) == {'—'}

    pairs = pd.read_csv(folder / 'table_i_luma.csv', dtype=str)
    assert '95 % over products' in pairs
    assert '95 % over images' not in pairs
    rows = pairs.set_index(['network', 'variant', 'metric'])
    line = rows.loc['VGG-16, fine-tuned', 'background removed', 'accuracy per product']
    assert (line['seeds'], line['folds']) == ('0 1', '0 1 2')
    assert line['test images'] == str(sum(len(photos_of_fold(fold)[0]) for fold in range(3)))
    assert line['paper: original'] == '69.10'
    best = rows.loc['VGG-16, fine-tuned', 'background removed', 'accuracy per product, best fold']
    assert (best['paper: original'], best['95 % over products']) == ('71.10', '—')
    provenance = pd.read_csv(folder / 'open_photos_luma_runs.csv')
    assert sorted(provenance['fold'].unique()) == [0, 1, 2]
    assert len(provenance) == 3 * 3 * 2


def test_one_product_has_no_interval(
    make_runs: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report of a single product is written, too; over products nothing is known."""
    monkeypatch.setattr(f'{__name__}.PRODUCTS', 1)
    make_runs({FINE: {'original': 0.9, 'rembg': 0.1}}, folds=(0,))
    write_report(build_report(tmp_path / 'root'), tmp_path / 'report')
    table = pd.read_csv(tmp_path / 'report/open_photos_luma_layout.csv', dtype=str)
    assert len(table) == 2
    assert '95 % over products' not in table or set(table['95 % over products']) == {'—'}


def test_report_pictures(report: tuple[Path, Made, Report], tmp_path: Path) -> None:
    """Both pages link the confusion matrices beside them; pictures of ours are replaced."""
    folder, _, content = report
    html = (folder / 'index.html').read_text(encoding='utf-8')
    markdown = (folder / 'report.md').read_text(encoding='utf-8')
    pictures = sorted(path.name for path in folder.glob('*.png'))
    assert [name for name in pictures if name.startswith('open_photos')] == [
        f'open_photos_luma_{FINE}_confusion.png',
        f'open_photos_luma_{FINE}_confusion_parents.png',
    ]
    assert len(pictures) == 2 + 2 * 2
    for name in pictures:
        assert f'<a href="{name}"><img src="{name}"' in html
        assert f'({name})' in markdown
        assert min(Image.open(folder / name).size) > 300
    assert 'EfficientNet-Lite0, fine-tuned: confusion of their parents' in html
    assert 'draws whole products' in html
    assert 'the other two would have to average 0.180 and 0.226' in html
    assert 'each the mean of its folds' in html
    assert 'n = 90 products' in html
    # The best fold is in the tables, and in no chart.
    assert 'Accuracy per product, best fold (percent). Bars' not in html

    write_report(content, folder)
    other = tmp_path / 'other'
    other.mkdir()
    (other / pictures[0]).write_bytes(b'mine')
    with pytest.raises(ValueError, match=r'\.png is there, but is no part of a report of ours'):
        write_report(content, other)
    assert [path.name for path in other.iterdir()] == [pictures[0]]


def test_parents_are_of_all_categories() -> None:
    """Those that the configs of Luma name."""
    text = (ROOT / 'configs/_base_/datasets/luma.py').read_text(encoding='utf-8')
    assert set(re.findall(r"^            '(.*)',$", text, re.MULTILINE)) == set(PARENTS)
