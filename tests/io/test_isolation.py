"""Files that are read by a process of their own: the same values, and crashes that are errors."""

import json
import os
import pickle
import struct

import dask
import h5py
import numpy as np
import pytest

from spectessera.io import _isolation, _messages, isolated, read
from spectessera.io._common import Request

VALUES = np.random.default_rng(0).poisson(3, (40, 30, 50)).astype(np.uint16)

# A process that says it is ready and reads the first question; what it does then is added.
CHILD = """
import json, os, signal, struct, sys, time

def send(body, arrays=(), raw=b""):
    header = json.dumps({"body": body, "arrays": list(arrays)}).encode()
    os.write(1, struct.pack(">Q", len(header)) + header + raw)

def receive():
    (length,) = struct.unpack(">Q", os.read(0, 8))
    return os.read(0, length)

signal.alarm(20)
send("ready")
receive()
"""
CUBE = """
parts = [["values", {"lazy": [0, "<u2", [40, 30, 50], [[20, 20], [30], [50]]]}]]
send({"answer": {"dict": parts}})
receive()
"""


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["img"] = VALUES
        file["energy"] = np.linspace(1, 10, 50)
        file["energy"].attrs["units"] = "keV"
        file["variance"] = VALUES + 1.0
        file["mask"] = VALUES[:, :, 0] > 4
    return tmp_path / "a.h5"


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Replace the process that reads by one that does what a test says."""

    def make(code):
        (tmp_path / "modules").mkdir()
        (tmp_path / "modules" / "a_child.py").write_text(CHILD + code)
        monkeypatch.syspath_prepend(tmp_path / "modules")
        monkeypatch.setattr(_isolation, "MODULE", "a_child")

    # A thread of dask that is late would start the real process for the next test.
    with dask.config.set(scheduler="synchronous"):
        yield make
    _isolation.close_all()


def test_a_cube_is_the_same_and_its_blocks_are_read_in_any_process(path):
    plain, own = read(path), read(path, isolate=True)
    assert own.identical(plain)
    lazy = read(path, isolate=True, chunks={"y": 16, "x": 16})
    assert lazy.data.chunksize == (16, 16, 50)
    assert read(path, isolate=True, chunks={"y": 16, "x": 16}).data.name == lazy.data.name
    assert len(_isolation._children) == 1
    assert pickle.loads(pickle.dumps(lazy)).compute().identical(plain)
    _isolation.close_all()
    assert not _isolation._children


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("sys.exit(3)", "was ended with status 3"),
        ("time.sleep(9)", "has given no answer within 0 s"),
        ("send({'error': ['a.h5 is broken', ['OSError']]})", r"a\.h5 is broken"),
        ("os.write(1, struct.pack('>Q', 2**40))", "a header of"),
        ("os.write(1, struct.pack('>Q', 3) + b'{]}')", "what its own process sends"),
        ("os.write(1, struct.pack('>Q', 5000) + b'[' * 5000)", "what its own process sends"),
        ("send(1, [['|O', [2]]])", "what its own process sends"),
        ("send(1, [['<f8', [10**12, 10**12]]])", "an array of float64"),
        ("send(1, [['<f8', [-1]]])", "an array of float64"),
        ("send({'answer': {'dict': [['x', 1]]}})", "what its own process sends"),
        ("send({'answer': {'lazy': [0, '|O', [1, 1, 1], [[1], [1], [1]]]}})", "what its own"),
        ("send({'answer': {'lazy': [0, '<f4', [9, 9, 9], [[1], [1], [1]]]}})", "what its own"),
    ],
)
def test_whatever_happens_to_the_process_is_one_line(path, child, monkeypatch, code, words):
    monkeypatch.setattr(_isolation, "PATIENCE", 0.4)
    child(code)
    with pytest.raises(ValueError, match=words) as told:
        read(path, isolate=True)
    assert "a.h5" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("chunks", [None, "auto"])
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGBUS)", "was ended by SIGBUS"),
        ("time.sleep(9)", "has given no answer"),
        ("send({'answer': None}, [['<u2', [1, 2, 3]]], bytes(12))", "other than a block of shape"),
        ("send({'answer': None})", "other than a block of shape"),
    ],
)
def test_what_happens_while_blocks_are_read_is_one_line_too(
    path, child, monkeypatch, chunks, code, words
):
    monkeypatch.setattr(_isolation, "PATIENCE", 0.4)
    child(CUBE + code)
    with pytest.raises(ValueError, match=words) as told:
        read(path, isolate=True, chunks=chunks).values  # noqa: B018
    assert "a.h5" in str(told.value)


def test_a_process_that_has_ended_is_started_again(path, child):
    child(CUBE + "send({'answer': None}, [['<u2', [20, 30, 50]]], bytes(60000))")
    cube = read(path, isolate=True, chunks="auto")
    for _ in range(2):
        assert not cube[:20].values.any()
        for one in _isolation._children.values():
            one.process.wait()


def test_only_some_processes_wait(path, child, monkeypatch):
    monkeypatch.setattr(_isolation, "MOST_CHILDREN", 1)
    child(CUBE + "time.sleep(9)")
    request = Request(chunks="auto", isolate=True)
    first = _isolation.isolated_cube(path, request)
    assert first.values.shape == (40, 30, 50)
    (old,) = _isolation._children.values()
    _isolation.isolated_cube(path, Request(chunks={"y": 20}, isolate=True))
    assert old.process.poll() is not None
    with pytest.raises(ValueError, match="was ended by SIGKILL"):
        old.ask({}, 1)


def test_what_is_no_file_is_said_without_a_process(tmp_path, monkeypatch):
    monkeypatch.setattr(_isolation, "_Child", None)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read(tmp_path / "none.h5", isolate=True)
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(ValueError, match="is a device, a pipe"):
        read(tmp_path / "pipe.h5", isolate=True)
    monkeypatch.setattr(_isolation.os, "name", "nt")
    with pytest.raises(ValueError, match="needs Linux or macOS"):
        _isolation.isolated_cube(tmp_path, Request())


def test_errors_about_missing_packages_and_files_keep_their_kind(path, child):
    child("send({'error': ['there is no such thing', ['ModuleNotFoundError', 'ImportError']]})")
    with pytest.raises(ImportError, match="no such thing"):
        read(path, isolate=True)


# --- the process itself, without one -----------------------------------------------------------


class Pipe:
    """What a process reads, and what it has written."""

    def __init__(self):
        self.questions, self.answers = bytearray(), bytearray()

    def ask(self, **question):
        _messages.send(self.questions.extend, {"patience": 10, **question}, [])

    def read(self, count):
        if not self.questions:
            raise EOFError
        part = bytes(self.questions[:count])
        del self.questions[:count]
        return part

    def answer(self):
        def read(count):
            part = self.answers[:count]
            del self.answers[:count]
            return part

        return _messages.receive(read, 10**9)


def test_the_process_answers_with_cube_blocks_and_errors(path):
    pipe = Pipe()
    pipe.ask(open={"chunks": "auto", "shape": None})
    pipe.ask(block=0, index=[[3, 5, 1], [0, 30, 1], [0, 50, 1]])
    pipe.ask(block=7, index=[])
    isolated.serve(path, pipe.read, pipe.answers.extend)
    assert pipe.answer() == ("ready", [])
    body, arrays = pipe.answer()
    cube = _messages.unpack(body["answer"], arrays, lambda part: part)
    assert cube["values"].shape == (40, 30, 50)
    assert cube["axis"]["unit"] == "keV"
    np.testing.assert_array_equal(pipe.answer()[1][0], VALUES[3:5])
    assert pipe.answer()[0]["error"][1][0] == "IndexError"


def test_the_memory_of_the_process_is_limited(path, monkeypatch):
    import resource

    limits = {}
    monkeypatch.setattr(resource, "setrlimit", limits.__setitem__)
    isolated.limit_memory(path)
    most = limits[resource.RLIMIT_DATA][0]
    assert isolated.BASE_BYTES < most < isolated.BASE_BYTES + 2**34
    assert limits[resource.RLIMIT_CORE] == (0, 0)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2**20, 2**20))
    isolated.limit_memory(path)
    assert limits[resource.RLIMIT_DATA] == (2**20, 2**20)


@pytest.mark.parametrize(
    "value",
    [None, True, "\udcffé", 2**80, 1.5, ["a", ("b", {"c": [1]})], np.float32(2), np.array(["ü"])],
)
def test_what_is_sent_comes_back_as_it_was(value):
    arrays, stream = [], bytearray()
    packed = _messages.pack(value, arrays, [])
    _messages.send(stream.extend, json.loads(json.dumps(packed)), arrays)

    def read(count):
        part = stream[:count]
        del stream[:count]
        return part

    back = _messages.unpack(*_messages.receive(read, 1000), lambda part: part)
    assert type(back) is type(value)
    assert str(back) == str(value)


def test_objects_are_never_sent():
    with pytest.raises(TypeError, match="cannot be sent"):
        _messages.pack(np.array([object()]), [], [])


def test_the_end_of_the_questions_is_noticed_within_one(tmp_path):
    ours, theirs = os.pipe()
    os.write(theirs, struct.pack(">Q", 100) + b"{")
    os.close(theirs)
    assert isolated.exactly(ours, 8) == struct.pack(">Q", 100)
    with pytest.raises(EOFError):
        isolated.exactly(ours, 100)
    os.close(ours)
