"""Search over settings: trials, files, resuming, refused input."""

import builtins
import csv
import json
import logging
import re
import sys
import tomllib
import warnings

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from typer.testing import CliRunner

from spectessera import Schedule, SpectralSegmenter, make_cube, read_result, write
from spectessera.cli.app import app
from spectessera.segmenter.defaults import CONFIGS
from spectessera.studies import JOURNAL, SAMPLERS, Options, Range, as_space, search_settings

FIXED = {
    "clusters": {"k_max": 4, "restarts": 2},
    "training": {"epochs": 3, "validation": 0.2, "test": 0.0},
}
GRID = FIXED | {"network": {"latent": [2, 3], "encoder": [[12], [16, 8]], "block": ["mlp", "snn"]}}
RANGES = {
    "network": {"encoder": [12], "latent": {"low": 2, "high": 6, "step": 2}},
    "clusters": FIXED["clusters"],
    "training": FIXED["training"] | {"gamma": {"low": 0.001, "high": 0.1, "log": True}},
}


@pytest.fixture(scope="module")
def cube():
    """Two stripes, 6 x 9 pixels, with their truth; one pixel has none."""
    generator = np.random.default_rng(0)
    values = generator.poisson(1, (6, 9, 30)).astype(np.uint16)
    values[:, :4, 5:8] += 30
    values[:, 4:, 20:23] += 30
    truth = np.ones((6, 9), dtype=np.int32)
    truth[:, 4:] = 2
    truth[0, 0] = 0
    return make_cube(values, energy=(1.0, 15.0)).assign_coords(reference=(("y", "x"), truth))


@pytest.fixture(scope="module")
def unbroken(cube, tmp_path_factory):
    """A whole grid."""
    return search_settings(cube, GRID, tmp_path_factory.mktemp("search") / "grid", seed=3)


def table(folder):
    """Return the rows of study.csv without what differs between two runs: the seconds."""
    with open(folder / "study.csv", encoding="utf-8", newline="") as file:
        return [
            {n: each for n, each in row.items() if n != "seconds"} for row in csv.DictReader(file)
        ]


def stop_at(monkeypatch, number, error=KeyboardInterrupt):
    """Make the training with this number, counted from 1, raise an error."""
    calls, fit = [], SpectralSegmenter.fit

    def failing(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == number:
            raise error
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(SpectralSegmenter, "fit", failing)
    return calls


def run(*arguments):
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def names(folder):
    return {path.name for path in folder.iterdir()}


# --- the space ---------------------------------------------------------------------------------


def test_a_list_is_a_choice_a_table_a_range_and_anything_else_is_fixed(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(
        """
        [preprocess]
        normalise = ["max", "none"]
        keep = [[1.0, 5.0], [8.0, 12.0]]
        [network]
        encoder = [64, 16]
        decoder = [[16, 64], "none"]
        latent = {low = 2, high = 8, step = 3}
        [training]
        gamma = [0.1, {first = 0.0, last = 0.1, start = 2, end = 4}]
        beta = {first = 0.0, last = 0.1, start = 2, end = 4}
        learning_rate = {low = 1e-4, high = 1e-2, log = true}
        """
    )
    space = as_space(path)
    schedule = {"first": 0.0, "last": 0.1, "start": 2, "end": 4}
    assert space.varied == {
        "preprocess.normalise": Options(("max", "none")),
        "network.latent": Range(2, 8, step=3, integer=True),
        "network.decoder": Options(([16, 64], "none")),
        "training.learning_rate": Range(1e-4, 1e-2, log=True),
        "training.gamma": Options((0.1, schedule)),
    }
    assert space.fixed["network"] == {"encoder": [64, 16]}
    assert space.fixed["preprocess"] == {"keep": [[1.0, 5.0], [8.0, 12.0]]}
    assert space.size() is None
    configs = space.configs({"network.decoder": "none", "training.gamma": schedule})
    assert configs["network"].decoder is None
    assert configs["network"].encoder == (64, 16)
    assert configs["training"].gamma == configs["training"].beta == Schedule(0.0, 0.1, 2, 4)


def test_a_space_in_python_is_the_same_as_one_in_a_file(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text('[training]\nseed = [0, 1]\n[preprocess]\nnormalise = ["max", "none"]\n')
    mine = {"preprocess": {"normalise": ("max", None)}, "training": {"seed": np.arange(2).tolist()}}
    assert as_space(path).to_dict() == as_space(mine).to_dict()
    gamma = {"gamma": [Schedule(0.0, 0.1, 2, 4), np.float64(0.1)]}
    assert as_space({"training": gamma}).configs({"training.gamma": 0.1})["training"].gamma == 0.1


def test_combinations_are_all_different_and_all_there():
    space = as_space(GRID)
    found = [space.combination(number) for number in range(space.size())]
    assert space.size() == 8
    assert found[0] == {"network.latent": 2, "network.encoder": [12], "network.block": "mlp"}
    assert len({json.dumps(each) for each in found}) == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[network]\nlatnt = [2, 3]", r"space.toml, \[network\]: latnt is not a setting"),
        ("[nets]\nlatent = [2, 3]", r"\[nets\] is not a table of settings"),
        ("[network]\nlatent = [2, 0]", r"\[network\]: latent must be at least 1; got 0"),
        ("[network]\nblock = ['mlp', 'cnn']", "block must be one of"),
        ("[network]\nlatent = [2, 'x']", "latent must be an integer"),
        ("[network]\nlatent = []", "latent: a list of choices needs at least one"),
        ("[network]\nlatent = [2, 3, 2]", "2 occurs twice"),
        ("[network]\nencoder = [[8], [0]]", "a width of the encoder must be at least 1"),
        ("[network]\nlatent = 3", "nothing varies"),
        ("[clusters]\nk_min = [2, 5]\nk_max = [4, 8]", "k_max must be at least k_min; got 5 to 4"),
        ("[network]\nlatent = {low = 2}", "a range has low, high"),
        ("[network]\nlatent = {low = 2, high = 3, sep = 1}", "a range has low, high"),
        ("[network]\nlatent = {low = 4, high = 3}", "needs low < high"),
        ("[network]\nlatent = {low = 2.5, high = 4}", "low must be an integer"),
        ("[network]\nblock = {low = 2, high = 4}", "only a number can have a range"),
        ("[network]\nlatent = {low = 0, high = 4}", "latent must be at least 1"),
        ("[network]\nlatent = {low = 2, high = 5, step = 2}", "do not end at 5"),
        ("[training]\ngamma = {low = 0, high = 1, log = true}", "must lie above 0"),
        ("[training]\ngamma = {low = 0.1, high = 1, log = true, step = 0.1}", "not both"),
        ("[training]\ngamma = {low = 0.1, high = 1}", "a grid has no ranges, but training.gamma"),
        ("[training]\nseed = [" + ",".join(map(str, range(400))) + "]\n[network]\nlatent = ["
         + ",".join(map(str, range(1, 400))) + "]", "this grid has 159600 combinations"),
        ("latent = [2", "is not a TOML file"),
    ],
)  # fmt: skip
def test_bad_spaces_are_refused_in_one_line_before_any_work(cube, tmp_path, text, words):
    write(cube, tmp_path / "cube.h5")
    path, out = tmp_path / "space.toml", tmp_path / "out"
    path.write_text(text)
    done = run("search", tmp_path / "cube.h5", "--space", path, "--out", out)
    assert done.exit_code == 2
    (line,) = [each for each in done.stderr.splitlines() if each.strip()]
    assert line.startswith("error: ")
    assert re.search(words, line), line
    assert not out.exists()


# --- the grid ----------------------------------------------------------------------------------


def test_a_grid_tries_exactly_all_combinations(unbroken):
    tried = sorted(json.dumps(trial.values) for trial in unbroken.trials)
    space = as_space(GRID)
    assert tried == sorted(json.dumps(space.combination(number)) for number in range(8))
    assert {trial.state for trial in unbroken.trials} == {"complete"}
    assert [trial.number for trial in unbroken.trials] == list(range(8))
    assert names(unbroken.folder) == {JOURNAL, "study.csv", "best.toml", "search.png"}
    assert list(table(unbroken.folder)[0]) == [
        "number", "state", "network.latent", "network.encoder", "network.block", "objective",
        "reconstruction", "silhouette", "k", "seed", "error",
    ]  # fmt: skip


def test_the_best_has_the_smallest_validation_loss_and_it_is_that_of_its_training(cube, unbroken):
    best = unbroken.best
    assert best.objective == min(trial.objective for trial in unbroken.trials)
    settings = unbroken.settings(best)
    segmenter = SpectralSegmenter(**unbroken.space.configs(best.values)).fit(cube)
    kept = segmenter.history_.rows[segmenter.history_.best_epoch]
    assert kept["validation_total"] == best.objective
    assert kept["validation_reconstruction"] == best.reconstruction
    assert best.k == (segmenter.n_clusters_,)
    assert best.silhouette == pytest.approx(segmenter.choices_.score.max(), rel=1e-12)
    written = tomllib.loads((unbroken.folder / "best.toml").read_text())
    assert written.pop("run")["trial"] == best.number
    assert written == settings
    assert set(settings) == set(CONFIGS)


def test_the_same_seed_gives_the_same_table_and_another_another_order(cube, unbroken, tmp_path):
    again = search_settings(cube, GRID, tmp_path / "again", seed=3, trials=4)
    assert table(again.folder) == table(unbroken.folder)[:4]
    other = search_settings(cube, GRID, tmp_path / "other", seed=4, trials=4)
    assert [each.values for each in other.trials] != [each.values for each in again.trials]


def test_an_interrupted_search_resumes_and_ends_with_the_table_of_an_uninterrupted_one(
    cube, unbroken, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        stop_at(patch, 3)
        study = search_settings(cube, GRID, tmp_path, seed=3)
    assert study.interrupted
    assert [trial.state for trial in study.trials] == ["complete", "complete", "interrupted"]
    assert table(tmp_path)[:2] == table(unbroken.folder)[:2]
    assert names(tmp_path) == names(unbroken.folder)
    calls = stop_at(monkeypatch, 0)
    study = search_settings(cube, GRID, tmp_path, seed=3)
    assert not study.interrupted
    assert len(calls) == 6
    assert table(tmp_path) == table(unbroken.folder)
    assert (tmp_path / "best.toml").read_text() == (unbroken.folder / "best.toml").read_text()
    search_settings(cube, GRID, tmp_path, seed=3)
    assert len(calls) == 6  # nothing was left to do


def test_a_search_that_was_killed_while_writing_resumes(cube, unbroken, tmp_path):
    """The last line of the journal is cut off, and the tables are not there yet."""
    lines = (unbroken.folder / JOURNAL).read_bytes().splitlines(keepends=True)
    (tmp_path / JOURNAL).write_bytes(b"".join(lines[:-2]) + lines[-2][:90])
    search_settings(cube, GRID, tmp_path, seed=3)
    assert table(tmp_path) == table(unbroken.folder)


def test_a_search_can_be_extended(cube, unbroken, tmp_path):
    for trials in (1, 3):
        search_settings(cube, GRID, tmp_path, seed=3, trials=trials)
        assert table(tmp_path) == table(unbroken.folder)[:trials]


def test_a_folder_of_another_search_is_refused_and_unchanged(cube, unbroken, tmp_path):
    folder = unbroken.folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    brighter = (cube + 1).assign_coords(cube.coords).assign_attrs(cube.attrs)
    wider = GRID | {"network": GRID["network"] | {"latent": [2, 3, 4]}}
    with pytest.raises(ValueError, match="holds a search that differs in: cubes;"):
        search_settings(brighter, GRID, folder, seed=3)
    with pytest.raises(ValueError, match="differs in: space;"):
        search_settings(cube, wider, folder, seed=3)
    with pytest.raises(ValueError, match="differs in: objective, seed;"):
        search_settings(cube, GRID, folder, seed=4, objective="ari")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (tmp_path / "study.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds study\.csv, but no search"):
        search_settings(cube, GRID, tmp_path, seed=3)
    assert names(tmp_path) == {"study.csv"}


def test_the_chunks_of_a_cube_do_not_make_it_another_one(cube, unbroken, monkeypatch):
    calls = stop_at(monkeypatch, 0)
    study = search_settings(cube.chunk({"y": 2, "x": 5}), GRID, unbroken.folder, seed=3)
    assert not calls
    assert len(study.trials) == 8


@pytest.mark.parametrize("text", ['{"op_code":4}\n', "hello\nhello\n", '{"op_code":99}\n[1]\n'])
def test_a_file_that_is_not_a_journal_is_refused(cube, tmp_path, text):
    (tmp_path / JOURNAL).write_text(text)
    with pytest.raises(ValueError, match=r"journal\.jsonl is damaged or not a journal"):
        search_settings(cube, GRID, tmp_path)
    assert (tmp_path / JOURNAL).read_text() == text


@pytest.mark.skipif(sys.platform == "win32", reason="the lock is that of POSIX")
def test_two_processes_cannot_run_one_search(cube, unbroken):
    import fcntl

    with open(unbroken.folder / JOURNAL, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError, match="another process is running the search"):
            search_settings(cube, GRID, unbroken.folder, seed=3)


# --- TPE ---------------------------------------------------------------------------------------


def test_tpe_draws_from_ranges_the_same_for_the_same_seed_interrupted_or_not(cube, tmp_path):
    """13 trials: after 10 random ones the sampler learns from those before."""
    options = {"sampler": "tpe", "trials": 13, "seed": 5}
    first = search_settings(cube, RANGES, tmp_path / "first", **options)
    for trial in first.trials:
        assert trial.values["network.latent"] in (2, 4, 6)
        assert 0.001 <= trial.values["training.gamma"] <= 0.1
    assert len({trial.values["training.gamma"] for trial in first.trials}) == 13
    steps = []

    def ctrl_c(step, *_):
        steps.append(step)
        if steps.count("search") == 12 and steps[-2:] == ["train", "train"]:
            raise KeyboardInterrupt  # the training itself catches it, and ends early

    second = search_settings(cube, RANGES, tmp_path / "second", progress=ctrl_c, **options)
    assert second.interrupted
    assert len(second.trials) == 12
    search_settings(cube, RANGES, tmp_path / "second", **options)
    assert table(tmp_path / "second") == table(tmp_path / "first")
    other = search_settings(cube, RANGES, tmp_path / "third", sampler="tpe", trials=1, seed=6)
    assert other.trials[0].values != first.trials[0].values


def test_equal_combinations_are_trained_once(cube, tmp_path, monkeypatch):
    calls = stop_at(monkeypatch, 0)
    space = FIXED | {"network": {"encoder": [12], "latent": [2, 3]}}
    study = search_settings(cube, space, tmp_path, sampler="tpe", trials=6)
    assert len(study.trials) == 6
    assert len(calls) == 2
    assert len({trial.objective for trial in study.trials}) == 2


# --- objectives and failures -------------------------------------------------------------------


@pytest.mark.parametrize("objective", ["silhouette", "ari", "f1"])
def test_a_maximised_objective_is_that_of_the_segmentation(cube, tmp_path, objective):
    space = FIXED | {"network": {"encoder": [12], "latent": [2, 3]}}
    study = search_settings(cube, space, tmp_path / "out", objective=objective)
    assert study.best.objective == max(trial.objective for trial in study.trials)
    write(cube, tmp_path / "cube.h5")
    config = tmp_path / "out" / "best.toml"
    done = run("segment", tmp_path / "cube.h5", "--fit", "--config", config, "--out",
               tmp_path / "best", "-q")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    result = read_result(tmp_path / "best" / "result.nc")
    known = cube["reference"].values > 0
    ari = adjusted_rand_score(cube["reference"].values[known], result["label"].values[known])
    expected = {"silhouette": float(result["score"].max()), "ari": ari, "f1": 1.0}[objective]
    assert study.best.objective == pytest.approx(expected, rel=1e-6)
    assert study.best.k == (result.attrs["n_clusters"],)


def test_missing_true_labels_are_reported_before_any_work(cube, tmp_path):
    bare = cube.drop_vars("reference")
    for cubes in (bare, [cube, bare], cube.assign_coords(reference=0 * cube["reference"])):
        with pytest.raises(ValueError, match="needs true labels, but cube"):
            search_settings(cubes, GRID, tmp_path / "out", objective="ari")
    with pytest.raises(TypeError, match="a cube or a sequence of cubes"):
        search_settings(np.ones((20, 5)), GRID, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_several_cubes_are_trained_on_together_and_scored_separately(cube, tmp_path):
    space = FIXED | {"network": {"encoder": [12], "latent": [2]}}
    study = search_settings([cube, cube[:, ::-1]], space, tmp_path, objective="ari")
    assert len(study.best.k) == 2
    assert table(tmp_path)[0]["k"].split() == [str(k) for k in study.best.k]


def test_a_failing_trial_is_recorded_and_the_search_continues(cube, tmp_path):
    """2e30 as learning rate: the weights overflow. A batch of 4 is too small for 2 clusters."""
    space = {
        "network": {"encoder": [12]},
        "clusters": FIXED["clusters"],
        "training": FIXED["training"] | {"batch_size": [4, 20], "learning_rate": [0.001, 2e30]},
    }
    study = search_settings(cube, space, tmp_path)
    errors = {(t.values["training.batch_size"], t.values["training.learning_rate"]): t.error
              for t in study.trials}  # fmt: skip
    assert errors[20, 0.001] == ""
    assert "too small" in errors[4, 0.001]
    assert "too small" in errors[4, 2e30]
    assert "not finite" in errors[20, 2e30]
    assert study.best.values == {"training.batch_size": 20, "training.learning_rate": 0.001}
    assert sorted(row["state"] for row in table(tmp_path)) == ["complete"] + 3 * ["failed"]


def test_if_all_trials_fail_that_is_the_error(cube, tmp_path):
    empty = cube.copy(data=np.zeros_like(cube.values))
    with pytest.raises(ValueError, match=r"all 8 trials failed, see .*study.csv; .* 0 usable"):
        search_settings(empty, GRID, tmp_path)
    assert names(tmp_path) == {JOURNAL, "study.csv"}


def test_a_fault_of_the_program_is_not_a_failed_trial(cube, tmp_path, monkeypatch):
    stop_at(monkeypatch, 2, error=AttributeError("a fault"))
    with pytest.raises(AttributeError, match="a fault"):
        search_settings(cube, GRID, tmp_path, seed=3)
    assert names(tmp_path) == {JOURNAL, "study.csv", "best.toml"}
    assert len(table(tmp_path)) == 1


def test_losses_that_are_not_comparable_are_noted(unbroken, cube, tmp_path):
    assert unbroken.notes() == []
    space = FIXED | {"training": FIXED["training"] | {"gamma": [0.0, 0.1]}}
    study = search_settings(cube, space, tmp_path, trials=1)
    (note,) = study.notes()
    assert "training.gamma" in note


# --- around it ---------------------------------------------------------------------------------


def test_without_optuna_the_error_says_how_to_install_it(cube, tmp_path, monkeypatch):
    known = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == "optuna":
            raise ImportError("no optuna")
        return known(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "spectessera\[search\]"'):
        search_settings(cube, GRID, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_of_optuna_or_of_the_process_is_changed(cube, tmp_path, capfd):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.INFO)
    filters, level = list(warnings.filters), logging.getLogger().level
    state = np.random.get_state()[1].tolist()  # noqa: NPY002 (it is the global one that is meant)
    search_settings(cube, RANGES, tmp_path, sampler="tpe", trials=2)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert warnings.filters == filters
    assert logging.getLogger().level == level
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    assert capfd.readouterr() == ("", "")


def test_the_journal_is_text_without_pickle(unbroken):
    lines = (unbroken.folder / JOURNAL).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 + 8  # the study, its identity, and the trials
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_on_the_command_line_ctrl_c_keeps_finished_trials(cube, unbroken, tmp_path, monkeypatch):
    write(cube, tmp_path / "cube.h5")
    (tmp_path / "space.toml").write_text(
        '[network]\nlatent = [2, 3]\nencoder = [[12], [16, 8]]\nblock = ["mlp", "snn"]\n'
        "[clusters]\nk_max = 4\nrestarts = 2\n"
        "[training]\nepochs = 3\nvalidation = 0.2\ntest = 0.0\n"
    )
    given = ("search", tmp_path / "cube.h5", "--space", tmp_path / "space.toml", "--seed", "3",
             "--out", tmp_path / "out")  # fmt: skip
    with monkeypatch.context() as patch:
        stop_at(patch, 3)
        done = run(*given)
    assert done.exit_code == 130
    assert "after 2 trials" in done.stderr
    done = run(*given, "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["trials"]) == 8
    assert answer["best"]["settings"] == unbroken.settings(unbroken.best)
    assert table(tmp_path / "out") == table(unbroken.folder)
    text = run(*given).stdout
    assert "8 trials, best first" in text
    assert "[16, 8]" in text  # no markup of rich
    assert "best.toml" in text


def test_progress_reports_trials_and_epochs(cube, tmp_path):
    calls = []
    search_settings(cube, GRID, tmp_path, trials=2, progress=lambda *each: calls.append(each))
    assert [each[:3] for each in calls if each[0] == "search"] == [
        ("search", 0, 2), ("search", 1, 2), ("search", 2, 2),
    ]  # fmt: skip
    assert [each[1] for each in calls if each[0] == "train"] == [1, 2, 3, 1, 2, 3]
    assert SAMPLERS == ("grid", "tpe")
