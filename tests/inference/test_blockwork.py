"""One function is applied to every block: in threads here, or on workers of a Dask cluster."""

import gc
import logging
import os
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from spectessera import make_cube
from spectessera._util.threads import parallel, prefetch, single_threaded
from spectessera.cube import blocks
from spectessera.inference.blockwork import Shared, Task, active_client, process_blocks

HEIGHT, WIDTH, CHANNELS = 12, 9, 5


def numbered_cube():
    """Return a cube in 20 blocks, whose value is the number of the pixel."""
    values = np.arange(HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH, 1)
    cube = make_cube(np.repeat(values, CHANNELS, axis=2), energy=(1, 5))
    return cube.chunk({"y": 3, "x": 2})


def expected_sums(cube, factor=1):
    return [float(cube.values[each.y, each.x].sum()) * factor for each in blocks(cube)]


# Workers import a function by the name of its module. These functions are sent as code, because
# workers cannot import the module of the tests.


def work_of_sums():
    def sums(shared, part, slowness=0.0):
        time.sleep(slowness)
        return float(part.values.sum()) * shared["factor"]

    return sums


def work_of_errors():
    def failing(shared, part, number):
        if number == 5:
            raise ValueError(f"block {number} is {shared}")
        return number

    return failing


def work_of_threads():
    def count(shared, part, number):
        import torch

        return torch.get_num_threads()

    return count


class Counted:
    """Counts the items that are taken from it."""

    def __init__(self, items):
        self.items, self.taken = list(items), 0

    def __iter__(self):
        for item in self.items:
            self.taken += 1
            yield item


@pytest.fixture(autouse=True)
def threads():
    """Compute in two threads, and restore the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


# --- threads -----------------------------------------------------------------------------------


def test_results_are_in_the_order_of_the_blocks():
    """The first blocks take longest."""
    cube = numbered_cube()
    tasks = [Task(each, (0.01 * (n < 3),)) for n, each in enumerate(blocks(cube))]
    found = list(process_blocks(work_of_sums(), Shared({"factor": 3}), cube, tasks))
    assert [task.block for task, _ in found] == list(blocks(cube))
    assert [answer for _, answer in found] == expected_sums(cube, 3)


def test_without_a_cube_nothing_is_read():
    tasks = [Task(each, (n,)) for n, each in enumerate(blocks(numbered_cube()))]
    found = process_blocks(lambda shared, part, n: (shared, part, n), Shared("all"), None, tasks)
    assert [answer for _, answer in found] == [("all", None, n) for n in range(len(tasks))]


def test_several_blocks_are_processed_at_a_time():
    """Each waits until another one has started: a single one would wait for ever."""
    cube, barrier = numbered_cube().isel(y=slice(0, 3)).isel(x=slice(0, 8)), threading.Barrier(2)
    tasks = [Task(each) for each in blocks(cube)]
    assert len(tasks) == 4
    found = process_blocks(lambda *_: barrier.wait(timeout=20) < 2, Shared(None), None, tasks)
    assert [answer for _, answer in found] == [True] * 4


def test_an_error_in_a_block_is_raised_here_and_no_more_blocks_are_started():
    begun = []

    def failing(shared, part, number):
        begun.append(number)
        if number == 5:
            raise ValueError("block 5 is broken")
        return number

    cube = numbered_cube()
    tasks = Counted(Task(each, (n,)) for n, each in enumerate(blocks(cube)))
    answers = process_blocks(failing, Shared(None), cube, tasks)
    assert [next(answers)[1] for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="block 5 is broken"):
        next(answers)
    assert tasks.taken <= 5 + 4
    assert len(begun) < len(tasks.items)
    assert torch.get_num_threads() == 2


def test_a_block_that_cannot_be_read_raises_its_own_error():
    import dask.array as da

    def broken(block_info=None):
        raise OSError("the disk is gone")

    values = da.map_blocks(broken, chunks=((4, 4), (5,), (6,)), dtype="f4", meta=np.empty((0,) * 3))
    cube = make_cube(values, energy=(1, 5))
    with pytest.raises(OSError, match="the disk is gone"):
        list(
            process_blocks(
                work_of_sums(), Shared({"factor": 1}), cube, [Task(each) for each in blocks(cube)]
            )
        )


def test_only_a_few_tasks_are_taken_ahead():
    tasks = Counted(Task(each) for each in blocks(numbered_cube()))
    most = 0
    for done, _ in enumerate(process_blocks(lambda *_: None, Shared(None), None, tasks), start=1):
        most = max(most, tasks.taken - done)
    assert done == 20
    assert 1 <= most <= 4  # two threads, one that waits for the disk, and the next


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_no_more_results_than_workers_are_in_memory(workers):
    items, finished, most = Counted(range(40)), [], 0
    for done, answer in enumerate(
        prefetch(lambda n: finished.append(n) or n, items, workers=workers)
    ):
        assert answer == done
        time.sleep(0.001)
        most = max(most, len(finished) - done - 1)
    assert most <= workers + 1
    assert len(finished) == items.taken == 40


def test_closing_the_iterator_stops_the_work_and_restores_the_threads():
    items = Counted(range(100))
    answers = prefetch(lambda n: n, items)
    assert next(answers) == 0
    answers.close()
    assert items.taken <= 5
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("threads_before", [1, 2])
def test_functions_run_in_one_thread_and_the_number_of_threads_is_restored(threads_before):
    torch.set_num_threads(threads_before)
    pools = [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
    tasks = [Task(each, (n,)) for n, each in enumerate(blocks(numbered_cube()))]
    found = [answer for _, answer in process_blocks(work_of_threads(), Shared(None), None, tasks)]
    assert found == [1] * 20
    assert torch.get_num_threads() == threads_before
    after = [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
    assert after == pools


def test_a_crew_does_everything_and_raises_what_went_wrong():
    done = torch.zeros(50)
    with parallel(done) as do:
        do(lambda n: done[n].fill_(n), range(50))
        with pytest.raises(ZeroDivisionError):
            do(lambda n: 1 // n, [3, 2, 1, 0])
    assert torch.equal(done, torch.arange(50.0))
    assert torch.get_num_threads() == 2


def test_alone_computes_in_one_thread():
    with single_threaded():
        assert torch.get_num_threads() == 1
        blas = [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
        assert set(blas) <= {1}


# --- a cluster ---------------------------------------------------------------------------------


def test_without_a_client_there_is_none_active():
    assert active_client() is None


def test_a_client_is_active_while_it_is_open(client):
    assert active_client() is client


def test_workers_process_the_blocks_and_results_are_in_order(client):
    cube = numbered_cube()
    tasks = [Task(each, (0.03 * (n < 3),)) for n, each in enumerate(blocks(cube))]
    found = list(process_blocks(work_of_sums(), Shared({"factor": 2}), cube, tasks))
    assert [task.block for task, _ in found] == list(blocks(cube))
    assert [answer for _, answer in found] == expected_sums(cube, 2)


def test_every_block_is_processed_by_a_worker_in_one_thread(client, cluster):
    def where(shared, part):
        import os

        import torch

        return os.getpid(), torch.get_num_threads()

    tasks = [Task(each) for each in blocks(numbered_cube())]
    found = [answer for _, answer in process_blocks(where, Shared(None), None, tasks)]
    workers = {worker.pid for worker in cluster.workers.values()}
    assert {pid for pid, _ in found} == workers
    assert os.getpid() not in workers
    assert {threads for _, threads in found} == {1}


@contextmanager
def without_memory_manager(client):
    """Every two seconds Dask may drop a copy of a value that no waiting task of a worker needs."""
    client.amm.stop()
    try:
        yield
    finally:
        client.amm.start()


def test_the_shared_value_is_one_task_and_is_sent_once_to_each_worker(client):
    """It is unpickled once on the first worker, and at most once on the other one."""
    from distributed import get_task_stream

    shared = {"factor": 2, "much": np.arange(10**6)}

    def which(shared, part):
        import os

        return os.getpid(), id(shared["much"])

    tasks = [Task(each) for each in blocks(numbered_cube())]
    with without_memory_manager(client), get_task_stream(client=client) as stream:
        found = [answer for _, answer in process_blocks(which, Shared(shared), None, tasks)]
        time.sleep(0.3)  # until the scheduler has reported all tasks
    names = [record["key"].partition("-")[0] for record in stream.data]
    assert names.count("shared") == 1
    assert names.count("which") == 20
    # One object on each worker, for any number of blocks.
    assert len(set(found)) == len({pid for pid, _ in found})


def test_only_a_few_tasks_are_sent_ahead(client):
    cube = numbered_cube().chunk({"y": 1, "x": 2})
    tasks = Counted(Task(each, (n,)) for n, each in enumerate(blocks(cube)))
    most = 0
    for done, _ in enumerate(process_blocks(work_of_threads(), Shared(None), None, tasks), start=1):
        most = max(most, tasks.taken - done)
    assert done == len(tasks.items) == 60
    assert 1 <= most <= 8  # four for each thread of the workers


def test_an_error_on_a_worker_is_raised_here_and_the_other_tasks_are_released(client):
    cube = numbered_cube()
    tasks = Counted(Task(each, (n,)) for n, each in enumerate(blocks(cube)))
    with pytest.raises(ValueError, match="block 5 is broken"):
        list(process_blocks(work_of_errors(), Shared("broken"), cube, tasks))
    assert tasks.taken <= 5 + 8
    for _ in range(50):
        gc.collect()  # the frames of the error refer to the shared value
        if not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
            break
        time.sleep(0.1)
    assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 0


def test_equal_tasks_are_computed_again_each_time(client):
    """Results of an older run are never used for a new one."""
    cube = numbered_cube().chunk({"y": 6, "x": 9})
    for factor in (2, 5, 2):
        tasks = [Task(each) for each in blocks(cube)]
        found = [
            each
            for _, each in process_blocks(work_of_sums(), Shared({"factor": factor}), cube, tasks)
        ]
        assert found == expected_sums(cube, factor)


def test_a_scheduler_without_workers_is_an_error():
    distributed = pytest.importorskip("distributed")
    tasks = [Task(each) for each in blocks(numbered_cube())]
    with (
        distributed.LocalCluster(
            n_workers=0,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as empty,
        distributed.Client(empty),
        pytest.raises(ConnectionError, match=r"tcp://\S+ has no workers; start some"),
    ):
        list(process_blocks(work_of_sums(), Shared({"factor": 1}), None, tasks))


def test_a_block_that_kills_every_worker_is_named(client, cluster):
    """Workers are restarted; a block that kills one is at fault, with no failures allowed."""
    import dask

    def deadly(shared, part, number):
        import os

        if number == 1:
            os._exit(1)
        return number

    tasks = [Task(each, (n,)) for n, each in enumerate(blocks(numbered_cube()))][:2]
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        pytest.raises(MemoryError, match="killed several workers in a row"),
    ):
        list(process_blocks(deadly, Shared(None), None, tasks))
    client.wait_for_workers(2, timeout=120)
