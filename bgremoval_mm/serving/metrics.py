"""The service's metrics, as Prometheus reads them."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

__all__ = ['CONTENT_TYPE', 'Metrics']

CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """What the service counts; labels have few values, none of which a client chooses.

    Attributes:
        requests: Answered requests, by path and status.
        seconds: Duration of requests, by path.
        in_progress: Requests that are being received or worked on.
        refused: Requests that were refused, by the error's code.
        images: Cut-outs that were made, by model and output.
        stages: Duration of decoding, the network (a batch) and encoding.
        batches: Images in a run of the network, by model.
        ready: 1 once the networks are loaded.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            'bgremoval_requests', 'Answered requests', ['path', 'status'], registry=self.registry
        )
        self.seconds = Histogram(
            'bgremoval_request_seconds',
            'Duration of requests',
            ['path'],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            'bgremoval_requests_in_progress',
            'Requests that are being received or worked on',
            registry=self.registry,
        )
        self.refused = Counter(
            'bgremoval_refused', 'Requests that were refused', ['code'], registry=self.registry
        )
        self.images = Counter(
            'bgremoval_images', 'Cut-outs made', ['model', 'output'], registry=self.registry
        )
        self.stages = Histogram(
            'bgremoval_stage_seconds',
            'Duration of decoding, the network (a batch) and encoding',
            ['stage'],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batches = Histogram(
            'bgremoval_batch_images',
            'Images in a run of the network',
            ['model'],
            buckets=_IMAGES,
            registry=self.registry,
        )
        self.ready = Gauge(
            'bgremoval_ready', '1 once the networks are loaded', registry=self.registry
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self.registry)
