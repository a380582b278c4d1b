"""Where the work is done: here, in processes of this machine, or on a cluster."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import dask
import typer

Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS|local:N",
        help="Work on a Dask cluster (tcp://host:8786), or in N processes of this machine. "
        "The result is then result.zarr.",
    ),
]
# By default the workers of Dask give every large array back to the system at once, which costs them
# a third of their speed; not so where this is None.
_KEEP_MEMORY = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}
# Seconds to wait for a scheduler and its first worker.
PATIENCE = 10


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start processes that a Ctrl-C does not reach: this one is to stop, and ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _check_address(where: str) -> None:
    """Complain of what is no address before a client is made, which would be left half-made."""
    from distributed.comm import get_address_host_port

    wanted = f"--scheduler is an address such as tcp://host:8786, or local:N; got {where!r}"
    if "://" not in where:
        raise ValueError(wanted)
    try:
        get_address_host_port(where)
    except (ValueError, NotImplementedError) as error:
        raise ValueError(f"{wanted}: {error}") from error


@contextmanager
def _current(client: Any) -> Iterator[Any]:
    """Have a client that is not the default of Dask do the work inside.

    A default client that could not connect is left behind in the settings of Dask, where whatever
    is computed next looks for it.
    """
    with client, client.as_current():
        yield client


@contextmanager
def scheduler(where: str | None) -> Iterator[None]:
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
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ImportError(
            "--scheduler needs the package distributed: pip install 'spectessera[distributed]'"
        ) from error
    # What scheduler and workers tell each other is their own affair; what they lose is not.
    logging.getLogger("distributed").setLevel(logging.WARNING)
    kind, _, count = where.partition(":")
    if kind == "local":
        if not count.isdecimal() or not 1 <= int(count) <= 1000:
            raise ValueError(f"--scheduler local:N is for N processes, 1 to 1000; got {where!r}")
        with _deaf_to_interrupts(), dask.config.set(_KEEP_MEMORY):
            cluster = LocalCluster(
                n_workers=int(count),
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.ERROR,
            )
        # On one machine nobody needs long to answer: who does not is lost.
        patience = dask.config.set({"distributed.comm.timeouts.connect": "5s"})
        with patience, cluster, _current(Client(cluster, set_as_default=False)):
            yield
        return
    _check_address(where)
    with _current(Client(where, timeout=PATIENCE, set_as_default=False)) as client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise OSError(f"the scheduler {where} has no workers; start some") from error
        yield
