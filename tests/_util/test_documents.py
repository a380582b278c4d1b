"""Documents of people: what is wrong with one is one line that names it."""

import os
import time

import pytest

from spectessera._util.documents import parse_toml, read_json, read_toml


@pytest.mark.parametrize(("read", "text"), [(read_toml, "a = [1]"), (read_json, '{"a": [1]}')])
def test_a_document_is_read(tmp_path, read, text):
    (tmp_path / "a").write_text(text)
    assert read(tmp_path / "a") == {"a": [1]}


@pytest.mark.parametrize("read", [read_toml, read_json])
@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"a": ' + b"[" * 200_000, "nested too deeply"),
        (b"a = " + b"[" * 200_000, "."),
        (b"\xff\xfe", "is not a .* file: 'utf-8' codec"),
        (b"a = ", "is not a .* file"),
        (b"1" * 2**20 + b"1", "larger than 1 MiB"),
    ],
)
def test_what_is_wrong_with_a_document_is_one_line(tmp_path, read, raw, words):
    path = tmp_path / "a"
    path.write_bytes(raw)
    if read is read_toml and raw.startswith(b"{"):
        words = "is not a TOML file"
    with pytest.raises(ValueError, match=words) as told:
        read(path)
    assert str(path) in str(told.value)


def test_nested_toml_is_no_error_of_python(tmp_path):
    (tmp_path / "a").write_text("a = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_toml(tmp_path / "a")


def test_a_folder_is_no_document(tmp_path):
    with pytest.raises(ValueError, match="is not a file"):
        read_toml(tmp_path)


def test_pipes_and_missing_files_are_no_documents(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is a device, a pipe or a socket"):
        read_toml(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_json(tmp_path / "none")


@pytest.mark.parametrize("text", ["{} = 1", "x = {{{} = 1}}", "[{}]", "a = [{{{} = 1}}]"])
def test_a_key_of_many_dots_is_refused_at_once(tmp_path, text):
    """The parser of Python would need minutes."""
    path = tmp_path / "settings.toml"
    path.write_text(text.format(".".join(["a"] * 100_000)))
    began = time.perf_counter()
    with pytest.raises(ValueError, match=r"settings\.toml is not a TOML file: .* 64 dots"):
        read_toml(path)
    assert time.perf_counter() - began < 2


def test_many_numbers_are_no_deep_key():
    numbers = [0.5] * 200
    assert parse_toml(f"a = {numbers}") == {"a": numbers}
    assert parse_toml("") == {}
