"""RayEngine: cut-outs made by the replicas of a Ray Serve deployment, on one machine or many.

The application runs in the process that was started: it receives, limits, counts and answers. What
costs time, decoding, the networks and encoding, is done by replicas, each of which has an engine as
the local service has it. Ray Serve starts them, gives each picture to one that is free, and
replaces those that die.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from prometheus_client import Gauge

from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.jobs.ray_cluster import start_ray
from bgremoval_mm.removal.remover import BackgroundRemover
from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.metrics import Metrics
from bgremoval_mm.serving.orders import Cutout, Order
from bgremoval_mm.serving.replica import Observation, Replica
from bgremoval_mm.serving.service import Service

__all__ = ['RayEngine']

logger = logging.getLogger(__name__)

_CPUS_A_REPLICA = 4
# A picture whose replica dies is given to another one, once: if it is the picture that kills them,
# it must not kill them all.
_TRIES = 2
_LOOK = 1.0  # seconds between two looks at the replicas
_STARTS = 3  # of a replica, before the service gives up at its beginning
_HEALTH = 2.0  # seconds between two questions of Ray Serve whether a replica is alive


class RayEngine(Service):
    """Makes cut-outs by replicas that Ray Serve looks after; Ray is started where none runs.

    Args:
        removers: The networks by name, the default one first.
        limits: What is accepted, by all replicas together.
        replicas: Number of replicas; 0 is one per GPU, or one every four cores.
        cpus: Cores of each; 0 shares them out.
        gpus: GPUs of each, such as 0.5; 0 shares them out if the networks run on GPUs.
        metrics: Where it is counted.
        one_run: As of `Engine`.
        name: Of the application in Ray Serve; a start under a name that is there replaces it.

    Raises:
        ArgumentError: If Ray was started here, and this machine has not what is asked for.
        ModuleNotFoundError: If Ray Serve is not installed.
    """

    def __init__(
        self,
        removers: Mapping[str, BackgroundRemover],
        limits: Limits | None = None,
        replicas: int = 0,
        cpus: int = 0,
        gpus: float = 0,
        metrics: Metrics | None = None,
        one_run: bool = False,
        name: str = '',
    ) -> None:
        super().__init__(list(removers), limits, metrics)
        _check_installed()
        self.name = name or f'bgremoval-{socket.gethostname()}-{os.getpid()}'
        self._removers = dict(removers)
        self._one_run = one_run
        self._ready: Future[None] = Future()
        self._closing = threading.Event()
        self._running = 0
        self._gauge = Gauge(
            'bgremoval_replicas', 'Replicas that run', registry=self.metrics.registry
        )
        self._thread = threading.Thread(target=self._begin, name='replicas', daemon=True)
        self._handle: Any = None
        # Replicas answer people: other programs do not go before them, as Ray has it (15).
        os.environ.setdefault('RAY_worker_niceness', '0')
        self._started_ray = start_ray()
        logging.getLogger('ray.serve').setLevel(logging.ERROR)
        try:
            self.replicas, self.cpus, self.gpus = self._share_out(replicas, cpus, gpus)
        except ArgumentError:
            self._end_ray()
            raise

    @property
    def ready(self) -> Future[None]:
        """Done once the first replicas run."""
        return self._ready

    @property
    def is_ready(self) -> bool:
        """Whether a replica runs."""
        return super().is_ready and self._running > 0

    @property
    def running(self) -> int:
        """Number of replicas that run."""
        return self._running

    def start(self) -> None:
        """Begin to start the replicas; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """End the replicas; what was accepted must have been answered."""
        from ray import serve

        self._closing.set()
        self._set_running(0)
        was_ready = self.ready.done()
        try:
            if was_ready:
                serve.delete(self.name)
                self._thread.join(10)
            elif not self._started_ray:
                serve.delete(self.name, _blocking=False)
        except Exception:
            logger.exception('the replicas could not be ended')  # the cluster has gone
        self._end_ray()

    async def _remove(self, order: Order) -> Cutout:
        from ray.exceptions import ObjectLostError, RayActorError
        from ray.serve.exceptions import RayServeException

        lost = (RayActorError, ObjectLostError, RayServeException)
        for _ in range(_TRIES):
            response = self._handle.remove.remote(order)
            made: Cutout | RequestError
            try:
                made, observations = await response
            except asyncio.CancelledError:
                response.cancel()  # the client has gone, or time is up
                raise
            except lost as err:
                logger.warning('a replica was lost with a picture: %s', type(err).__name__)
                continue
            self._observe(observations)
            if isinstance(made, RequestError):
                raise made
            return made
        title = 'The picture was lost with the process that worked on it'
        raise RequestError(503, 'replica_lost', title, headers={'Retry-After': '5'})

    def _observe(self, observations: list[Observation]) -> None:
        for kind, label, images, seconds in observations:
            if kind == 'batch':
                self.observe_batch(label, images, seconds)
            else:
                self.observe_stage(label, seconds)

    def _begin(self) -> None:
        try:
            self._handle = self._deploy()
            self._look()
        except Exception as err:  # noqa: BLE001
            # Whoever started the service reports it.
            if not self._closing.is_set():
                self.ready.set_exception(err)
            return
        self.ready.set_result(None)
        while not self._closing.wait(_LOOK):
            try:
                self._look()
            except Exception:
                self._set_running(0)
                logger.exception('Ray Serve does not tell how many replicas run')

    def _deploy(self) -> Any:
        """Start the replicas; return the handle by which they are asked."""
        from ray import serve

        batch = max(each.batch_size for each in self._removers.values())
        options: dict[str, Any] = {'num_cpus': self.cpus}
        if self.gpus:
            options['num_gpus'] = self.gpus
        deploy: Any = serve.deployment
        deployment = deploy(
            Replica,
            name='Replica',
            num_replicas=self.replicas,
            # Enough that each thread has a picture and a batch waits; the others wait here, so that
            # a replica that dies takes few along.
            max_ongoing_requests=self.cpus + 4 * batch,
            ray_actor_options=options,
            health_check_period_s=_HEALTH,
            graceful_shutdown_timeout_s=5.0,  # all is answered by then
            graceful_shutdown_wait_loop_s=0.1,
            max_constructor_retry_count=_STARTS,
        )
        serve.start(proxy_location='Disabled')
        bound = deployment.bind(self._removers, self.limits, self.cpus, self._one_run)
        logger.info(
            'Ray Serve: %d replicas of %d cores%s',
            self.replicas,
            self.cpus,
            f' and {self.gpus:g} GPUs' if self.gpus else '',
        )
        try:
            return serve.run(bound, name=self.name, route_prefix=None)
        except RuntimeError as err:
            msg = f'Ray Serve could not start the replicas: {err}; {self._reason()}'
            raise BgremovalError(msg) from err

    def _reason(self) -> str:
        from ray import serve

        found = serve.status().applications.get(self.name)
        told = [each.message for each in found.deployments.values()] if found else []
        lines = [line.strip() for text in told for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else 'it does not say why'

    def _look(self) -> None:
        from ray import serve
        from ray.serve.schema import ReplicaState  # type: ignore[attr-defined]

        found = serve.status().applications.get(self.name)
        states = [each.replica_states for each in found.deployments.values()] if found else []
        self._set_running(sum(each.get(ReplicaState.RUNNING, 0) for each in states))

    def _set_running(self, number: int) -> None:
        if self._closing.is_set():
            number = 0
        elif 0 < self._running != number:
            logger.warning('%d of %d replicas run', number, self.replicas)
        self._running = number
        self._gauge.set(number)
        self.metrics.ready.set(number > 0)

    def _share_out(self, replicas: int, cpus: int, gpus: float) -> tuple[int, int, float]:
        """Return the number of replicas, and the cores and GPUs of each."""
        import ray

        have = ray.cluster_resources()
        all_gpus, all_cpus = int(have.get('GPU', 0)), max(1, int(have.get('CPU', 1)))
        if gpus or (all_gpus and any(each.backend.uses_gpu for each in self._removers.values())):
            replicas = replicas or max(1, int(all_gpus / (gpus or 1)))
            gpus = gpus or min(1.0, all_gpus / replicas)
            cpus = cpus or max(1, min(_CPUS_A_REPLICA, all_cpus // replicas))
        else:
            replicas = replicas or max(1, all_cpus // (cpus or _CPUS_A_REPLICA))
            cpus = cpus or max(1, all_cpus // replicas)
        for what, wanted, there in (
            ('cores', replicas * cpus, all_cpus),
            ('GPUs', replicas * gpus, all_gpus),
        ):
            if wanted > there + 1e-6:
                msg = (
                    f'{replicas} `replicas` need {wanted:g} {what}, but there are {there}: '
                    'ask for fewer, or for fewer a replica'
                )
                if self._started_ray:
                    raise ArgumentError(msg)
                logger.warning('%s; waiting for the cluster to grow', msg)
        return replicas, cpus, gpus

    def _end_ray(self) -> None:
        if self._started_ray:
            import ray

            ray.shutdown()


def _check_installed() -> None:
    try:
        from ray import serve  # noqa: F401
    except ModuleNotFoundError as err:
        msg = f'serving with Ray needs {err.name}: `pip install "bgremoval_mm[serve-ray]"`'
        raise ModuleNotFoundError(msg, name=err.name) from None
