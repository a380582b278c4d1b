"""The command line, used rightly and wrongly."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib

import numpy as np
import pytest
from astropy.wcs import WCS

from commands import one_line, run, two_stripes
from spectessera import make_cube, read, read_result, write
from spectessera.cli.options import CONFIGS, DEFAULTS, documented, parse
from spectessera.io.describe import describe_cube
from spectessera.synth import cube_from_rgb, miniature

FAST = ("--epochs", "4", "--k-max", "4", "--encoder", "16,8", "--restarts", "2", "--quiet")


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A file of two stripes, 6 x 9 pixels."""
    path = tmp_path_factory.mktemp("cli") / "scan.h5"
    write(two_stripes(), path)
    return path


@pytest.fixture(scope="module")
def segmented(scan, tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "deep" / "result"
    run("segment", scan, "--fit", "--out", out, *FAST, check=0)
    return out


def test_info_tells_shape_axis_and_state(scan):
    told = json.loads(run("info", scan, "--json", check=0).stdout)
    assert told["pixels"] == "6 x 9 (y, x)"
    assert told["axis"] == "energy (keV)"
    assert told["axis_range"] == [1.0, 15.0]
    assert told["spectra"] == "all good"
    assert "energy (keV)" in run("info", scan, check=0).stdout


def test_info_tells_how_large_a_pixel_is(tmp_path):
    """In a length, or on the sky; nothing where it is not known."""
    cube = two_stripes()
    assert "pixel_size" not in describe_cube(cube)
    places = {"y": ("y", -0.5 * np.arange(6), {"units": "mm"})}
    places |= {"x": ("x", 3 + 0.25 * np.arange(9), {"units": "mm"})}
    write(cube.assign_coords(places), tmp_path / "scan.nc")
    assert "0.5 x 0.25 mm (y, x)" in run("info", tmp_path / "scan.nc", check=0).stdout
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [-2e-4, 1e-4]
    cube.attrs["wcs"] = wcs.to_header().tostring(sep="\n")
    assert describe_cube(cube)["pixel_size"] == "0.36 x 0.72 arcsec (y, x)"


def test_segment_fit_leaves_every_file(segmented):
    names = {path.name for path in segmented.iterdir()}
    assert names == {
        "result.nc", "labels.png", "clusters.png", "integrated.png", "scores.png", "history.png",
        "summary.json", "settings.toml", "model.safetensors", "manifest.json",
        "clusters.csv",
    }  # fmt: skip
    result = read_result(segmented / "result.nc")
    summary = json.loads((segmented / "summary.json").read_text())
    assert summary["n_clusters"] == result.attrs["n_clusters"]
    assert sum(each["size"] for each in summary["clusters"]) == 54
    settings = tomllib.loads((segmented / "settings.toml").read_text())
    assert settings["network"]["encoder"] == [16, 8]
    assert settings["training"]["epochs"] == 4


def test_a_trained_model_gives_the_labels_of_the_run_that_made_it(scan, segmented, tmp_path):
    model = segmented / "model.safetensors"
    run("segment", scan, "--model", model, "--out", tmp_path / "again", "-q", check=0)
    first, second = (read_result(each / "result.nc") for each in (segmented, tmp_path / "again"))
    assert np.array_equal(first["label"], second["label"])


def test_a_cube_is_encoded_to_latents_and_decoded_again(scan, segmented, tmp_path):
    model = segmented / "model.safetensors"
    latent, again = tmp_path / "latent.nc", tmp_path / "again.h5"
    told = json.loads(
        run("encode", scan, "--model", model, "--out", latent, "--json", check=0).stdout
    )
    assert told["channels"] == 30
    assert told["latent"] == 10
    assert told["ratio"] == (30 * 2) / (10 * 4)  # uint16 against float32
    run("decode", latent, "--model", model, "--out", again, "-q", check=0)
    roots = np.sqrt(read(scan).values)
    inputs = roots / np.linalg.norm(roots, axis=2, keepdims=True)
    missed = np.sqrt(np.mean((read(again).values - inputs) ** 2) / np.mean(inputs**2))
    assert told["relative_error"] == pytest.approx(missed, rel=1e-3)
    assert "10 channels" in one_line(
        run("decode", scan, "--model", model, "--out", tmp_path / "no.nc")
    )


def test_settings_come_from_a_file_and_flags_go_before(scan, segmented, tmp_path):
    out = tmp_path / "out"
    config = segmented / "settings.toml"
    run("segment", scan, "--fit", "--config", config, "--latent", "2", "--out", out, "-q", check=0)
    old, new = (tomllib.loads((each / "settings.toml").read_text()) for each in (segmented, out))
    assert new["network"] == old["network"] | {"latent": 2}
    assert new["training"] == old["training"]
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[network]\nlatnt = 3\n")
    line = one_line(run("segment", scan, "--fit", "--config", wrong, "--out", tmp_path / "x"))
    assert "latnt" in line
    wrong.write_text("[nets]\n")
    assert "[nets]" in one_line(
        run("segment", scan, "--fit", "--config", wrong, "--out", tmp_path / "x")
    )


def test_train_takes_several_files_and_tells_json(scan, tmp_path):
    out = tmp_path / "model.safetensors"
    told = json.loads(run("train", scan, scan, "--out", out, *FAST, "--json", check=0).stdout)
    assert told["epochs"] == 4
    assert out.stat().st_size > 1000
    assert "exists" in one_line(run("train", scan, "--out", out, *FAST))


def test_results_are_not_overwritten_unless_told(scan, segmented):
    model = segmented / "model.safetensors"
    again = ("segment", scan, "--model", model, "--out", segmented, "-q")
    assert "--overwrite" in one_line(run(*again))
    (segmented / "mine.txt").write_text("keep me")
    run(*again, "--overwrite", check=0)
    assert (segmented / "mine.txt").read_text() == "keep me"
    (segmented / "mine.txt").unlink()


def test_wrong_files_give_one_line(scan, tmp_path):
    flat = tmp_path / "flat.npy"
    np.save(flat, np.ones((4, 5)))
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    assert "nowhere.h5" in one_line(run("info", tmp_path / "nowhere.h5"))
    assert "3" in one_line(run("info", flat))
    assert "holds no table of numbers" in one_line(run("info", text))
    assert "nokey" in one_line(run("info", scan, "--key", "nokey"))
    assert "folder" in one_line(run("info", tmp_path))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.ones((1, 1, 8)), "1 usable spectrum"),
        (np.full((4, 5, 8), np.nan), "0 usable spectra"),
        (np.zeros((4, 5, 8)), "0 usable spectra"),
    ],
)
def test_cubes_without_anything_to_cluster_give_one_line_and_no_output(tmp_path, values, words):
    np.save(tmp_path / "cube.npy", values)
    out = tmp_path / "out"
    line = one_line(run("segment", tmp_path / "cube.npy", "--fit", "--out", out, *FAST))
    assert words in line
    assert not out.exists()


@pytest.mark.parametrize("values", [np.random.default_rng(0).random((4, 5, 1)), None])
def test_one_channel_and_huge_values_are_segmented(tmp_path, values):
    if values is None:
        values = 1e30 * np.random.default_rng(0).random((4, 5, 6))
    np.save(tmp_path / "cube.npy", values)
    run("segment", tmp_path / "cube.npy", "--fit", "--out", tmp_path / "out", *FAST, check=0)


def test_wrong_arguments_give_one_line(scan, tmp_path):
    out = tmp_path / "out"
    start = ("segment", scan, "--out", out)
    assert "--model" in one_line(run(*start, "--fit", "--model", scan))
    assert "--latent" in one_line(run(*start, "--fit", "--latent", "many"))
    assert "latent" in one_line(run(*start, "--fit", "--latent", "0"))
    assert "--k-max" in one_line(run(*start, "--fit", "--k-min", "5", "--k-max", "3"))
    assert "rebinned" in one_line(run(*start, "--fit", "--rebin-to", "1000"))
    assert "--energy" in one_line(run(*start, "--fit", "--energy", "1"))
    assert "safetensors" in one_line(run(*start, "--model", scan))
    assert not out.exists()
    assert run("segment", scan).exit_code == 2
    assert run("nothing").exit_code == 2


def test_settings_of_a_trained_model_cannot_be_changed(scan, segmented, tmp_path):
    model = segmented / "model.safetensors"
    done = run("segment", scan, "--model", model, "--out", tmp_path / "x", "--latent", "5")
    assert "--latent" in one_line(done)


def test_a_place_that_cannot_be_written_is_told_before_the_work(scan, tmp_path):
    (tmp_path / "file").write_text("")
    line = one_line(run("segment", scan, "--fit", "--out", tmp_path / "file" / "out", *FAST))
    assert "is a file" in line
    line = one_line(run("train", scan, "--out", tmp_path / "no" / "m.safetensors", *FAST))
    assert "does not exist" in line


def test_ctrl_c_in_training_keeps_the_model_and_nothing_half(scan, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "spectessera.cli", "segment", str(scan), "--fit"]
    command += ["--out", str(out), "--epochs", "100000", "--patience", "100000", "--encoder", "8"]
    begun = tmp_path / "state.safetensors"
    command += ["--checkpoint", str(begun)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"COLUMNS": "200"},
    ) as process:  # fmt: skip
        try:
            while not begun.exists() and process.poll() is None:  # the training goes on once it is
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=60)
        finally:
            process.kill()  # if Ctrl-C did not end it
    assert process.returncode == 130, stderr
    assert "Ctrl-C" in stderr
    assert "Traceback" not in stderr
    assert {path.name for path in out.iterdir()} == {"model.safetensors", "manifest.json"}
    run("segment", scan, "--model", out / "model.safetensors", "--out", out, "-q", check=0)


def test_every_setting_has_a_flag_with_help():
    for kind in CONFIGS.values():
        entries = documented(kind)
        for name in kind.__dataclass_fields__:
            assert all(entries[name]), name
    text = run("train", "--help-all", env={"COLUMNS": "200"}, check=0).stdout
    for name in ("--learning-rate", "--k-max", "--rebin-to", "--latent-activation"):
        assert name in text
    words = " ".join(text.split())
    assert "Probability of dropping a hidden unit in training, in [0, 1). (default: 0)" in words
    assert "--loss [squared|variance|poisson|multinomial]" in words
    assert f"(default: {DEFAULTS['network'].latent})" in words


def test_flags_are_read_in_the_type_of_their_field():
    assert parse("normalise", "none", str | None) is None
    assert parse("encoder", "512,256", tuple[int, ...] | None) == (512, 256)
    assert parse("linear_path", "yes", bool) is True
    with pytest.raises(ValueError, match="--linear-path takes yes or no"):
        parse("linear_path", "maybe", bool)


def test_the_example_in_the_module_help_names_all_commands():
    text = run("--help", check=0).stdout
    assert all(word in text for word in ("info", "train", "segment"))
    assert run("--version", check=0).stdout.startswith("spectessera ")


def test_the_checkpoint_must_not_be_the_model_which_would_be_removed_with_it(scan, tmp_path):
    model = tmp_path / "model.safetensors"
    done = run("train", scan, "--out", model, "--checkpoint", model, *FAST)
    assert "give it another name" in one_line(done)
    done = run("segment", scan, "--fit", "--out", tmp_path, "--checkpoint", model, *FAST)
    assert "give it another name" in one_line(done)
    assert list(tmp_path.iterdir()) == []


# --- report ------------------------------------------------------------------------------------


def test_a_report_is_written_with_the_segmentation_and_again_with_names(scan, tmp_path):
    out = tmp_path / "out"
    run("segment", scan, "--fit", "--report", "--out", out, *FAST, check=0)
    first = (out / "report.html").read_text(encoding="utf-8")
    assert "the blue" not in first
    words = one_line(run("report", out))
    assert "--overwrite" in words
    hostile = "2=<script>alert(1)</script>"
    run("report", out, "--name", "1=the blue", "--name", hostile, "--overwrite", check=0)
    again = (out / "report.html").read_text(encoding="utf-8")
    assert "the blue" in again
    assert "<script>alert(1)" not in again
    run("segment", scan, "--fit", "--out", out, "--overwrite", *FAST, check=0)
    assert not (out / "report.html").exists()  # it would tell of other results


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--name", "azurite"], "as in 3=azurite"),
        (["--name", "99=azurite"], "99"),
        (["--anode", "Xx"], "anode"),
        (["--out", "no/such/folder/report.html"], "no"),
    ],
)
def test_what_a_report_cannot_be_made_of_is_told(segmented, flags, words, tmp_path):
    out = [] if "--out" in flags else ["--out", tmp_path / "r.html"]
    assert words in one_line(run("report", segmented, *flags, *out))
    assert not (tmp_path / "r.html").exists()


def test_a_report_never_replaces_the_result(segmented):
    result = segmented / "result.nc"
    before = result.read_bytes()
    assert "is the input itself" in one_line(
        run("report", segmented, "--out", result, "--overwrite")
    )
    assert result.read_bytes() == before
    assert "is a folder" in one_line(run("report", segmented, "--out", segmented))


def test_a_name_that_is_no_text_and_the_anode_are_kept(scan, tmp_path):
    odd = tmp_path / os.fsdecode(b"bad\xff.h5")
    odd.write_bytes(scan.read_bytes())
    out = tmp_path / "out"
    run("segment", odd, "--fit", "--report", "--anode", "Rh", "--out", out, *FAST, check=0)
    assert read_result(out / "result.nc").attrs["anode"] == "Rh"
    assert json.loads((out / "summary.json").read_text())["anode"] == "Rh"


def test_a_report_of_no_result_is_one_clear_line(scan, tmp_path):
    one_line(run("report", tmp_path))
    one_line(run("report", tmp_path / "nothing.nc"))
    one_line(run("report", scan))


def test_an_unknown_anode_is_told_before_any_work(scan, tmp_path):
    words = run("segment", scan, "--fit", "--anode", "Xx", "--out", tmp_path / "out", *FAST)
    assert "anode" in one_line(words)
    assert not (tmp_path / "out").exists()


def test_the_summary_tells_lines_and_candidates(segmented):
    summary = json.loads((segmented / "summary.json").read_text())
    for cluster in summary["clusters"]:
        assert {"name", "lines", "candidates", "unexplained", "confidence"} <= set(cluster)
        for line in cluster["lines"]:
            assert line["significance"] >= 5
    assert "seed_agreement" in summary


def test_without_a_model_one_is_chosen_and_told(tmp_path):
    """This scan is of pigments as maxrf was trained on; the axis of the other one is unknown."""
    scan, _ = cube_from_rgb(miniature(seed=0, shape=(32, 40)), "choirbook", counts=400, seed=0)
    values = scan.values.reshape(32, 40, 256, 4).sum(axis=3)
    energy = scan["energy"].values.reshape(256, 4).mean(axis=1)
    write(make_cube(values, energy=energy), tmp_path / "a.h5")
    write(make_cube(values[:16, :20]), tmp_path / "b.h5")
    done = run("segment", tmp_path / "a.h5", "--report", "--out", tmp_path / "a", check=0)
    assert "model maxrf: it predicts the spectra as well" in done.stderr
    assert json.loads((tmp_path / "a" / "summary.json").read_text())["model"] == "maxrf"
    assert not (tmp_path / "a" / "model.safetensors").exists()
    inputs = json.loads((tmp_path / "a" / "manifest.json").read_text())["inputs"]
    assert set(inputs) == {"cube", "model"}
    assert inputs["model"]["path"].endswith("maxrf.safetensors")
    assert len(inputs["model"]["sha256"]) == 64
    assert "Model chosen" in (tmp_path / "a" / "report.html").read_text()
    assert run("rerun", tmp_path / "a").exit_code == 0
    done = run("segment", tmp_path / "b.h5", "--model", "auto", "--out", tmp_path / "b", check=0)
    assert "model trained on this cube: no shipped model reads its axis" in done.stderr
    assert (tmp_path / "b" / "model.safetensors").exists()
    same = make_cube(np.full((9, 14, 64), 7, np.uint16), energy=(0.5, 20.0))
    write(same, tmp_path / "c.h5")
    done = run("segment", tmp_path / "c.h5", "--quiet", "--out", tmp_path / "c")
    assert "all 126 spectra are the same, so there is nothing to learn" in one_line(done)
    assert "--latent" in one_line(run("segment", tmp_path / "b.h5", "--latent", "2", "--out", "c"))
    assert "not both" in one_line(run("segment", "b.h5", "--model", "auto", "--fit", "--out", "c"))
