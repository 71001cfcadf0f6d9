"""The losses of saliency maps, against slow computations by their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bgremoval_mm.models.losses.saliency import cross_entropy, soft_iou_loss, ssim, ssim_loss


def maps(*rows: list[float]) -> torch.Tensor:
    """Maps of one row of pixels each."""
    return torch.tensor(rows, dtype=torch.float64)[:, None, None]


def slow_ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Structural similarity of two maps, window by window, with zeros around the maps."""
    reach = 5
    offsets = np.arange(-reach, reach + 1)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    padded = [np.pad(each, reach) for each in (first, second)]
    found = np.empty_like(first)
    for row, column in np.ndindex(first.shape):
        x, y = (each[row : row + 11, column : column + 11] for each in padded)
        mean_x, mean_y = (window * x).sum(), (window * y).sum()
        variance_x = (window * (x - mean_x) ** 2).sum()
        variance_y = (window * (y - mean_y) ** 2).sum()
        covariance = (window * (x - mean_x) * (y - mean_y)).sum()
        found[row, column] = ((2 * mean_x * mean_y + 0.0001) * (2 * covariance + 0.0009)) / (
            (mean_x**2 + mean_y**2 + 0.0001) * (variance_x + variance_y + 0.0009)
        )
    return found


def test_structural_similarity_is_that_of_the_paper() -> None:
    """At each pixel of two maps, one smaller than the window, and 1 of a map with itself."""
    rng = np.random.default_rng(0)
    for shape in ((7, 9), (16, 13)):
        first, second = rng.random((2, *shape))
        tensors = [torch.from_numpy(each)[None, None] for each in (first, second)]
        np.testing.assert_allclose(ssim(*tensors)[0, 0], slow_ssim(first, second), atol=1e-12)
        torch.testing.assert_close(ssim(tensors[0], tensors[0]), torch.ones_like(tensors[0]))


def test_structural_loss_counts_what_is_known() -> None:
    """It is the mean over the known pixels, of maps that are 0 elsewhere; without any it is 0."""
    rng = np.random.default_rng(1)
    first, second = rng.random((2, 8, 10))
    known = np.ones((8, 10), bool)
    known[:, :4] = False
    expected = 1 - slow_ssim(first * known, second * known)[known].mean()
    tensors = [torch.from_numpy(each)[None, None] for each in (first, second, known)]
    assert ssim_loss(*tensors).item() == pytest.approx(expected, abs=1e-12)
    assert ssim_loss(*tensors[:2], torch.zeros_like(tensors[2])).item() == 0


def test_overlap_loss() -> None:
    """The mean of the maps' losses, by hand; what is ignored has no part."""
    probability = maps([0.5, 0.5, 1.0, 0.0], [1.0, 0.0, 0.0, 0.3])
    truth = maps([1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0])
    known = torch.ones_like(truth, dtype=torch.bool)
    known[1, ..., 3] = False
    # (0.5 + 1) / (1 + 0.5 + 1), and all of what is known.
    assert soft_iou_loss(probability, truth, known).item() == pytest.approx((0.4 + 0) / 2)


def test_overlap_loss_of_nothing() -> None:
    """Without foreground in both, or anything known, it is 0, and so are its gradients."""
    probability = torch.zeros(2, 1, 3, 3, requires_grad=True)
    known = torch.ones(2, 1, 3, 3, dtype=torch.bool)
    known[1] = False
    loss = soft_iou_loss(probability, torch.zeros(2, 1, 3, 3), known)
    assert loss.item() == 0
    loss.backward()
    assert torch.isfinite(probability.grad).all()


def test_cross_entropy() -> None:
    """The mean over the known pixels, finite where a network is very sure, 0 of nothing."""
    logits = maps([math.log(3), -math.log(3), 300.0, -500.0])
    truth = maps([1.0, 1.0, 0.0, 1.0])
    known = torch.tensor([True, True, False, False]).view(1, 1, 1, 4)
    expected = -(math.log(0.75) + math.log(0.25)) / 2
    assert cross_entropy(logits, truth, known).item() == pytest.approx(expected)
    everything = torch.ones_like(known)
    assert cross_entropy(logits, truth, everything).item() == pytest.approx(
        (2 * expected + 300 + 500) / 4
    )
    assert cross_entropy(logits, truth, ~everything).item() == 0
