"""Where the work is done: in this process, in several of this machine, or on a cluster."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

LARGE = "Large cubes"  # panel of the help page
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS|local:N",
        help="Work on a Dask cluster (tcp://host:8786), or in N processes of this machine. "
        "The result is written as result.zarr.",
        rich_help_panel=LARGE,
    ),
]
# By default the workers of Dask give every large array back to the system at once, which costs them
# a third of their speed; not so where this is None.
_KEEP_MEMORY = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}
# Seconds to wait for a scheduler and its first worker.
PATIENCE = 10


@contextmanager
def use_scheduler(where: str | None) -> Iterator[None]:
    """Have the workers of a scheduler do the work inside; None: this process.

    Raises
    ------
    ImportError
        If the package distributed is not installed.
    ValueError
        If it is neither an address nor local:N.
    OSError
        If there is no scheduler, or it has no workers.
    """
    if where is None:
        yield
        return
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise ImportError(
            '--scheduler needs the package distributed: pip install "spectessera[distributed]"'
        ) from error
    # Messages between scheduler and workers are of no interest here, except warnings of losses.
    logging.getLogger("distributed").setLevel(logging.WARNING)
    kind, _, count = where.partition(":")
    with _local(where, count) if kind == "local" else _remote(where):
        yield


@contextmanager
def _local(where: str, count: str) -> Iterator[None]:
    """Start processes of this machine and have them do the work inside."""
    import dask
    from distributed import Client, LocalCluster

    if not count.isdecimal() or not 1 <= int(count) <= 1000:
        raise ValueError(f"--scheduler local:N is for N processes, 1 to 1000; got {where!r}")
    with _ignored_interrupts(), dask.config.set(_KEEP_MEMORY):
        cluster = LocalCluster(
            n_workers=int(count),
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        )
    # On one machine an answer comes quickly: a worker that gives none within 5 s is lost.
    patience = dask.config.set({"distributed.comm.timeouts.connect": "5s"})
    with patience, cluster, _current(Client(cluster, set_as_default=False)):
        yield


@contextmanager
def _remote(where: str) -> Iterator[None]:
    """Have the workers of the scheduler at an address do the work inside."""
    from distributed import Client

    _check_address(where)
    _check_answer(where)
    with _current(Client(where, timeout=PATIENCE, set_as_default=False)) as client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise OSError(f"the scheduler {where} has no workers; start some") from error
        yield


@contextmanager
def _ignored_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: this process is to stop, and then ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _check_address(where: str) -> None:
    """Raise unless it is an address, before a client is made, which would stay behind half-made."""
    from distributed.comm.addressing import get_address_host_port

    expected = f"--scheduler is an address such as tcp://host:8786, or local:N; got {where!r}"
    if "://" not in where:
        raise ValueError(expected)
    try:
        get_address_host_port(where)
    except (ValueError, NotImplementedError) as error:
        raise ValueError(f"{expected}: {error}") from error


def _check_answer(where: str) -> None:
    """Raise OSError unless a scheduler answers in time.

    A client has patience with each step of its connection and tries again, so that it would wait
    for minutes where something listens that never answers.
    """
    import asyncio

    from distributed.core import rpc
    from distributed.security import Security

    async def ask() -> None:
        secrets = Security().get_connection_args("client")
        async with asyncio.timeout(PATIENCE), rpc(where, connection_args=secrets) as scheduler:
            await scheduler.identity()

    try:
        asyncio.run(ask())
    except TimeoutError as error:
        raise OSError(f"no scheduler has answered at {where} within {PATIENCE} s") from error
    except Exception as error:  # whatever another program answers, which is not expected to
        reason = str(error) or type(error).__name__
        raise OSError(f"what answers at {where} is no scheduler of Dask: {reason}") from error


@contextmanager
def _current(client: Any) -> Iterator[Any]:
    """Have a client that is not the default of Dask do the work inside.

    A default client that could not connect is left behind in the settings of Dask, where the next
    computation looks for it.
    """
    with client, client.as_current():
        yield client
