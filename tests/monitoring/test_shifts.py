"""Changes of the mean IoU: a real one is found once, noise never."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bgremoval_mm.monitoring.shifts import LOOKBACKS, Rule, Series, _t_test, find_shifts, week_of
from bgremoval_mm.removal.errors import ArgumentError
from tests.monitoring.conftest import CLUSTERS, REVIEWED

MONTHS = 100
WEEKS = 435  # of 100 months
A_WEEK = 46  # verdicts in a cluster: 200 a month


def simulate(
    weeks: int, seed: int, drop: float = 0.0, since: int = 0, a_week: float = A_WEEK
) -> dict[tuple[str, str], Series]:
    """Verdicts of weeks in five clusters; those of `shoes` are lower from a week on."""
    rng = np.random.default_rng(seed)
    made = {}
    for cluster in CLUSTERS:
        at = np.repeat(np.arange(weeks), rng.poisson(a_week, weeks))
        ious = rng.choice(REVIEWED, at.size)
        if cluster == 'shoes' and drop:
            ious = np.where(at >= since, np.clip(ious - drop, 0, 1), ious)
        made[cluster, 'u2net'] = Series(at, ious)
    return made


def test_the_data_are_as_spread_as_real_ones() -> None:
    """The values that are drawn have the mean and deviation of the reviewed masks of CCP."""
    assert REVIEWED.mean() == pytest.approx(0.926, abs=0.001)
    assert REVIEWED.std(ddof=1) == pytest.approx(0.095, abs=0.001)


@pytest.mark.parametrize('a_month', [200, 40])
def test_noise_raises_no_alarm(a_month: int) -> None:
    """In 100 months of 5 clusters with so many verdicts each, nothing is found."""
    series = simulate(WEEKS, seed=0, a_week=a_month * MONTHS / WEEKS)
    number = sum(each.weeks.size for each in series.values())
    assert number == pytest.approx(5 * MONTHS * a_month, rel=0.03)
    assert find_shifts(series, WEEKS) == []


@pytest.mark.parametrize('seed', range(5))
def test_a_drop_of_three_points_is_found_once(seed: int) -> None:
    """The one alarm names the cluster, dates the drop, and comes within four months."""
    (found,) = find_shifts(simulate(200, seed, drop=0.03, since=100), 200)
    assert (found.cluster, found.model, found.is_drop) == ('shoes', 'u2net', True)
    assert 100 <= found.period < 117
    assert abs(found.since - 100) <= 8
    assert found.before - found.after == pytest.approx(0.03, abs=0.015)


def test_a_ruin_is_found_in_the_first_week() -> None:
    """A model that fails at once, by 30 points, is not waited for."""
    (found,) = find_shifts(simulate(120, 0, drop=0.3, since=100), 120)
    assert (found.period, found.since) == (100, 100)


def test_each_drop_and_rise_is_found_once() -> None:
    """Down, up and down again are three changes, of which two are alarms."""
    series = simulate(240, 3)
    weeks, ious = series['shoes', 'u2net'].weeks, series['shoes', 'u2net'].ious
    low = ((weeks >= 60) & (weeks < 120)) | (weeks >= 180)
    series['shoes', 'u2net'] = Series(weeks, np.where(low, ious - 0.15, ious))
    found = find_shifts(series, 240)
    assert [(each.cluster, each.since, each.is_drop) for each in found] == [
        ('shoes', 60, True),
        ('shoes', 120, False),
        ('shoes', 180, True),
    ]


def test_a_drop_is_not_taken_for_an_older_rise() -> None:
    """A rise that is too small to be told, but surer, as more verdicts are about it."""
    rng = np.random.default_rng(0)
    parts = ((0.900, 20, 1000), (0.908, 20, 1000), (0.880, 4, 40))
    weeks, ious, week = [], [], 0
    for mean, number, a_week in parts:
        weeks.append(np.repeat(np.arange(week, week + number), a_week))
        ious.append(rng.normal(mean, 0.02, number * a_week))
        week += number
    series = {('shoes', 'u2net'): Series(np.concatenate(weeks), np.concatenate(ious))}
    (found,) = find_shifts(series, week)
    assert found.is_drop
    assert (found.period, found.since) == (40, 40)
    assert found.before - found.after == pytest.approx(0.904 - 0.880, abs=0.005)


def test_looking_every_week_finds_what_one_look_finds() -> None:
    """Who has remembered the last changes is told of new ones only."""
    series = simulate(140, 1, drop=0.1, since=100)
    at_once = find_shifts(series, 140)
    assert len(at_once) == 1
    known: dict[tuple[str, str], int] = {}
    one_by_one = []
    for week in range(90, 141):
        until = {
            key: Series(each.weeks[each.weeks < week], each.ious[each.weeks < week])
            for key, each in series.items()
        }
        for found in find_shifts(until, week, known=known):
            known[found.cluster, found.model] = found.period
            one_by_one.append(found)
    assert [(each.period, each.since) for each in one_by_one] == [
        (each.period, each.since) for each in at_once
    ]


def test_the_week_under_way_is_not_looked_at() -> None:
    """A half week would be another test each time."""
    series = simulate(101, 0, drop=0.3, since=100)
    assert find_shifts(series, 100) == []
    assert len(find_shifts(series, 101)) == 1


def test_models_are_not_compared_with_each_other() -> None:
    """A new model's masks begin a series of their own."""
    series = simulate(100, 0)
    old = series.pop(('shoes', 'u2net'))
    series['shoes', 'new'] = Series(old.weeks + 100, old.ious - 0.1)
    series['shoes', 'u2net'] = old
    assert find_shifts(series, 200) == []


def test_small_changes_are_not_told() -> None:
    """However sure, a change below `smallest` is no alarm."""
    series = simulate(160, 0, drop=0.03, since=80)
    assert find_shifts(series, 160, Rule(smallest=0.1)) == []
    assert len(find_shifts(series, 160)) == 1


def test_the_level_is_shared_by_all_tests() -> None:
    """Level times tests a year is the rate of false alarms that is allowed."""
    assert Rule(0.3).level(5) * 5 * len(LOOKBACKS) * 52 == pytest.approx(0.3)


def test_t_test_is_the_more_careful_of_two() -> None:
    """The statistic is the smaller one of scipy's, equal variances assumed or not."""
    rng = np.random.default_rng(0)
    pairs = [
        (rng.normal(0, 1, 40), rng.normal(1, 3, 90)),
        (rng.normal(0, 3, 400), rng.normal(1, 1, 35)),
    ]
    sums = [[[x.size, x.sum(), (x**2).sum()] for x in pair] for pair in pairs]
    before, after = np.moveaxis(np.array(sums), (1, 2), (0, 1))
    gaps, p_values = _t_test(before, after)
    for number, (x, y) in enumerate(pairs):
        least = min(abs(stats.ttest_ind(x, y, equal_var=e).statistic) for e in (True, False))
        expected = stats.t.sf(least, min(x.size, y.size) - 1)
        assert gaps[number] == pytest.approx(y.mean() - x.mean())
        assert p_values[number] == pytest.approx(expected)


def test_accepted_masks_alone() -> None:
    """Series without any spread are told apart neither from themselves nor by chance."""
    weeks = np.repeat(np.arange(60), 40)
    assert find_shifts({('a', 'm'): Series(weeks, np.ones(weeks.size))}, 60) == []
    assert find_shifts({('a', 'm'): Series(weeks[:0], np.ones(0))}, 60) == []


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'false_alarms': 0}, '`false_alarms` must be above 0 and at most 12, but got 0'),
        ({'smallest': 1.5}, '`smallest` must be above 0 and at most 1, but got 1.5'),
        ({'least': 3}, '`least` must be at least 5, but got 3'),
    ],
)
def test_wrong_rules(values: dict[str, float], message: str) -> None:
    """The message names what is allowed."""
    with pytest.raises(ArgumentError, match=message):
        Rule(**values)  # type: ignore[arg-type]


def test_weeks() -> None:
    """Weeks are counted from the epoch."""
    assert [week_of(0), week_of(604799.9), week_of(604800)] == [0, 0, 1]
