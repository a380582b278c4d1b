"""The script that measures a graphics processor runs, with the processor in its place."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def script(monkeypatch):
    """Return the module; the benchmarks are not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    yield __import__("benchmarks.gpu", fromlist=["main"])
    for name in [each for each in sys.modules if each.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]


def test_the_processor_agrees_with_itself(script):
    """One device, compared with itself, has the same latents, labels and silhouettes."""
    words = ["--device", "cpu", "--pixels", "300", "--channels", "32", "--epochs", "1"]
    page = "\n".join(script.main(words))
    assert page.count("adjusted Rand index 1.0000") == 3
    assert page.count("0 of 300 differ") == 2
    assert page.count("differ by 0.0e+00") == 2
    assert not (ROOT / "benchmarks" / "gpu.md").exists()


def test_without_a_device_the_script_says_what_to_do(script, monkeypatch, capsys):
    """Without CUDA it ends before any work, and names the way to try it."""
    monkeypatch.setattr(script.torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        script.main([])
    assert "--device cpu" in capsys.readouterr().err
