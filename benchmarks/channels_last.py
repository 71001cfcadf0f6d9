#!/usr/bin/env python
"""Benchmark of ChannelsLastHook's memory format: training steps of EfficientNet-Lite0 on a CPU.

The same network in both formats, one step each in turn, in one process and thread. Weights and
photos are random: what they are does not change the time.

    python benchmarks/channels_last.py
"""

from __future__ import annotations

import argparse
import statistics
import time

import timm
import torch
from torch import nn

FORMATS = {'contiguous': torch.contiguous_format, 'channels last': torch.channels_last}


def main() -> None:
    """Take steps in turn, and print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--pixels', type=int, default=96)
    parser.add_argument('--steps', type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    photos = torch.randn(args.batch_size, 3, args.pixels, args.pixels)
    labels = torch.randint(0, 10, (args.batch_size,))
    networks = {name: make_network(memory) for name, memory in FORMATS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in FORMATS}
    for number in range(args.steps + 1):
        for name, network in networks.items():
            taken = step(network, photos, labels)
            if number:  # the first one prepares
                seconds[name].append(taken)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    for name, median in medians.items():
        print(f'{name:<14} {1000 * median:6.0f} ms a step')
    ratio = medians['channels last'] / medians['contiguous']
    print(f'channels last takes {ratio:.2f} of the time')


def make_network(memory: torch.memory_format) -> nn.Module:
    """Return a network whose weights lie in memory as wanted, as the hook leaves them."""
    network: nn.Module = timm.create_model('tf_efficientnet_lite0', num_classes=10)
    # mypy's overloads of `to` leave out the memory format.
    return network.to(memory_format=memory).train()  # type: ignore[call-overload, no-any-return]


def step(network: nn.Module, photos: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the seconds of a forward and a backward pass."""
    started = time.perf_counter()
    nn.functional.cross_entropy(network(photos), labels).backward()
    network.zero_grad()
    return time.perf_counter() - started


if __name__ == '__main__':
    main()
