"""A training that is killed or damaged from outside: resumed bit for bit, or refused in words.

Other tests stop a training with an exception, which it can clean up after; SIGKILL gives it none.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from spectessera.kmeans import Clusters
from spectessera.network import modelfile
from spectessera.network.autoencoder import Autoencoder
from spectessera.network.checkpoint import Checkpoint
from spectessera.network.schedule import Schedule
from spectessera.network.settings import Training
from spectessera.network.shape import Network
from spectessera.network.training import train

EPOCHS = 8


def trained(path=None, *, epochs=EPOCHS, progress=None):
    """Return a small model with everything that is random or has a memory, and its history."""
    generator = torch.Generator().manual_seed(0)
    spectra = torch.randn(400, 24, generator=generator)
    spectra[:150, 3:6] += 4.0
    spectra[250:, 12:18] += 3.0
    network = Network(latent=2, encoder=(32,), block="snn", variational=True, dropout=0.1)
    training = Training(
        epochs=epochs,
        batch_size=80,
        learning_rate=0.2,
        beta=Schedule(0.0, 0.5, 1, 3),
        gamma=Schedule(0.1, 0.3, 0, 2),
        denoise=0.1,
        plateau=1,
    )
    model = Autoencoder(network, 24, "identity", generator=generator)
    checkpoint = None if path is None else Checkpoint(path, seconds=0)
    history = train(
        model, spectra, Clusters(2, 4), training, checkpoint=checkpoint, progress=progress
    )
    return model, history


# --- SIGKILL -----------------------------------------------------------------------------------


def child(folder, epoch, share):
    """Train in a process of its own; after an epoch, or with a share in its writing, wait."""
    folder, epoch, share = Path(folder), int(epoch), float(share)

    def write_part(tensors, metadata):
        content = save(tensors, metadata)
        if len(json.loads(metadata[modelfile.KEY])["rows"]) > epoch:
            with modelfile.atomic(folder / "state.safetensors") as temporary:
                temporary.write_bytes(content[: int(share * len(content))])
                print("writing", flush=True)  # noqa: T201 (the parent waits for it)
                signal.pause()
        return content

    def progress(done, total, row):
        if done == epoch + 1:
            signal.pause()  # the signal comes late: do not run away from it
        print(done, flush=True)  # noqa: T201

    if share:
        modelfile.save = write_part
    print("begins", flush=True)  # noqa: T201
    model, history = trained(folder / "state.safetensors", progress=progress)
    modelfile.save = save
    weights = {name: each.numpy() for name, each in model.state_dict().items()}
    told = {"rows": history.rows, "best": history.best_epoch, "test": history.test}
    modelfile.write_model(folder / "model.safetensors", weights, told)


def start(folder, epoch=-2, share=0.0):
    folder.mkdir(exist_ok=True)
    code = "import sys; from test_resume_after_kill import child; child(*sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder), str(epoch), str(share)],
        cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def kill(process, sign, delay=0.0):
    """Kill a running process with SIGKILL, some time after it printed a sign."""
    with process:
        seen = any(line.strip() == sign for line in process.stdout)
        time.sleep(delay)
        process.kill()
    assert seen
    assert process.returncode == -signal.SIGKILL  # it was running


def content_of(path):
    tensors, told = modelfile.read_model(path)
    return {name: (each.dtype, each.shape, each.tobytes()) for name, each in tensors.items()}, told


def test_a_training_killed_four_times_ends_with_the_weights_of_an_undisturbed_one(tmp_path):
    """Twice at random moments of an epoch, twice with half a checkpoint on disk; bit for bit."""
    undisturbed = start(tmp_path / "undisturbed")
    folder, generator = tmp_path / "killed", np.random.default_rng(0)
    kill(start(folder, 0, 0.5), "writing")  # before there is any checkpoint
    kill(start(folder, 2), "2", generator.uniform(0, 0.05))
    kill(start(folder, 4, generator.uniform(0.1, 0.9)), "writing")
    kill(start(folder, 6), "6", generator.uniform(0, 0.05))
    for process in (start(folder), undisturbed):
        process.communicate()
        assert process.returncode == 0
    assert {path.name for path in folder.iterdir()} == {"state.safetensors", "model.safetensors"}
    weights, told = content_of(folder / "model.safetensors")
    expected, expected_told = content_of(tmp_path / "undisturbed" / "model.safetensors")
    assert weights == expected
    assert told == expected_told
    rates = [row["learning_rate"] for row in told["rows"]]
    assert len(rates) == EPOCHS
    assert rates[-1] < rates[0]  # the plateau had something to remember


def test_what_killed_writings_left_is_removed_and_nothing_else(tmp_path):
    path = tmp_path / "state[1].safetensors"  # brackets mean something to a glob
    others = [
        ".0123abcd-state1.safetensors", ".0123abcd-model.safetensors", ".mine-state[1].safetensors",
        "0123abcd-state[1].safetensors", ".0123abcd-state[1].safetensors.old",
    ]  # fmt: skip
    for name in (".0123abcd-state[1].safetensors", ".89ef4567-state[1].safetensors", *others):
        (tmp_path / name).write_bytes(b"half")
    trained(path, epochs=1)
    assert {each.name for each in tmp_path.iterdir()} == {path.name, *others}


# --- damage ------------------------------------------------------------------------------------


def test_a_damaged_checkpoint_is_an_error_and_the_file_is_not_changed(tmp_path):
    """Cut short anywhere, zeros where a full disk wrote none, and one bit of one weight."""
    path = tmp_path / "state.safetensors"
    _, expected = trained(path, epochs=2)
    whole = path.read_bytes()
    begin = 8 + int.from_bytes(whole[:8], "little")  # of the numbers, after the header
    flipped = bytearray(whole)
    flipped[begin + 200] ^= 1
    damaged = {
        "cannot be read": [
            b"", whole[:5], whole[: begin // 2], whole[:begin], whole[:-1], whole + b"\0",
            bytes(len(whole)), b"not a checkpoint at all",
        ],
        "is damaged": [whole[:begin] + bytes(len(whole) - begin), bytes(flipped)],
    }  # fmt: skip
    for words, contents in damaged.items():
        for content in contents:
            path.write_bytes(content)
            with pytest.raises(ValueError, match=words) as error:
                trained(path, epochs=2)
            assert "state.safetensors" in str(error.value)
            assert "remove it" in str(error.value)
            assert path.read_bytes() == content
            assert len(list(tmp_path.iterdir())) == 1
    path.write_bytes(whole)
    assert trained(path, epochs=2)[1].rows == expected.rows


# --- Ctrl-C ------------------------------------------------------------------------------------


def test_ctrl_c_on_the_command_line_keeps_checkpoint_and_model_and_the_same_command_goes_on(
    tmp_path, monkeypatch
):
    """Status 130, the best weights in --out, the checkpoint removed only when all is done."""
    # Imported here: a process that is killed above loads this file, and shall be quick about it.
    from typer.testing import CliRunner

    from spectessera import load, make_cube, write
    from spectessera.cli import app, console

    values = np.random.default_rng(0).poisson(1, (6, 9, 30)).astype(np.uint16)
    values[:, :4, 5:8] += 30
    scan, state = tmp_path / "scan.h5", tmp_path / "state.safetensors"
    write(make_cube(values, energy=(1.0, 15.0)), scan)
    arguments = ["train", str(scan), "--epochs", "40", "--encoder", "16,8"]
    arguments += ["--k-max", "3", "--overwrite", "--quiet"]
    kept = [*arguments, "--checkpoint", str(state), "--out", str(tmp_path / "kept.safetensors")]
    # The command line as it is, but with a checkpoint after every epoch, not every ten seconds;
    # and should the signal come late, the 30th epoch waits for it.
    code = (
        "import time; from functools import partial\n"
        "from spectessera.cli import app, console\n"
        "from spectessera.network import checkpoint\n"
        "checkpoint.Checkpoint = partial(checkpoint.Checkpoint, seconds=0)\n"
        "console.Bar.epoch = lambda self, done, *rest: time.sleep(60 * (done == 30))\n"
        "app.main()"
    )
    with subprocess.Popen([sys.executable, "-c", code, *kept], stderr=subprocess.PIPE) as process:
        while not state.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        stderr = process.communicate()[1].decode()
    assert process.returncode == 130, stderr
    assert "Ctrl-C" in stderr
    assert "Traceback" not in stderr
    assert sorted(os.listdir(tmp_path)) == ["kept.safetensors", "scan.h5", "state.safetensors"]
    stopped = load(tmp_path / "kept.safetensors").history_
    done = len(modelfile.read_model(state)[1]["rows"])
    assert stopped.interrupted
    assert 0 < done < 40
    assert 0 <= len(stopped.rows) - done <= 1  # one more if the writing itself was interrupted

    begun = []
    monkeypatch.setattr(console.Bar, "epoch", lambda self, epoch, *rest: begun.append(epoch))
    assert CliRunner().invoke(app.app, kept).exit_code == 0
    assert begun[0] == done + 1
    assert not state.exists()
    plain = [*arguments, "--out", str(tmp_path / "plain.safetensors")]
    assert CliRunner().invoke(app.app, plain).exit_code == 0
    weights, _ = content_of(tmp_path / "kept.safetensors")
    assert weights == content_of(tmp_path / "plain.safetensors")[0]


def test_two_trainings_do_not_share_a_checkpoint(tmp_path):
    path = tmp_path / "state.safetensors"

    def second(*_):
        with pytest.raises(BlockingIOError, match=r"is writing the checkpoint .*/state"):
            trained(path)

    trained(path, epochs=1, progress=second)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
