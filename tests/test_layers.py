"""The rooms of the house: who may import whom, where torch and devices live, how long is long.

docs/design/0001-rooms-and-doors.md tells why. A new module needs a line in LAYERS.
"""

import ast
import io
import tokenize
from pathlib import Path

import pytest

import spectessera

ROOT = Path(spectessera.__file__).parent

# Module -> layer. A folder stands for all modules in it. Imports go downward.
LAYERS = {
    # 0: shared words and checks, below everything
    "_check": 0, "_files": 0, "_threads": 0, "axis": 0, "palette": 0, "settings": 0,
    # 1: mathematics, pure functions
    "_embeddings": 1, "_imagesilhouette": 1, "_lloyd": 1, "_seeding": 1, "_silhouette": 1,
    "_silhouetteestimate": 1, "_stability": 1,
    "cube": 1, "evaluate": 1,
    "kmeans": 1, "lines": 1, "losses": 1, "metric": 1, "networks": 1, "peaks": 1,
    "preprocess": 1, "resampling": 1, "rules": 1, "xraylines": 1, "_xrayfamilies": 1,
    "_xrayfit": 1, "_xraystudy": 1, "_xraywords": 1,
    "emissionfit": 1, "emissionlines": 1, "linefits": 1, "opticallines": 1, "redshift": 1,
    # 2: what takes time or touches disk
    "blockwork": 2, "io": 2, "modelfile": 2, "pixelstore": 2, "reading": 2, "runstate": 2,
    "sources": 2, "synth": 2, "training": 2,
    # 3: people's verbs
    "baselines": 3, "clustering": 3, "confidence": 3, "defaults": 3, "doubts": 3,
    "emissionclass": 3, "inference": 3, "labelmaps": 3,
    "naming": 3, "notes": 3, "novelty": 3, "pigmentmatch": 3,
    "pigmentevidence": 3, "templatefit": 3,
    "mixture": 3, "passes": 3, "pretraining": 3, "remeasure": 3, "resultmaps": 3,
    "resultparts": 3, "segmenter": 3,
    # 4: what people look at
    "_reportcards": 4, "_reportfacts": 4, "_reportfigures": 4, "_reportmaps": 4,
    "_reportstills": 4, "_reporttext": 4,
    "_drawing": 4, "compression": 4, "htmlreport": 4, "networkplots": 4, "outputs": 4,
    "overview": 4, "paperplots": 4, "plots": 4, "scoreplots": 4, "searchplots": 4,
    "studies": 4, "viewer": 4,
    # 5: what people type
    "cli": 5, "cli_options": 5, "cli_reading": 5, "cli_search": 5, "cli_report": 5,
    "cli_scheduler": 5, "cli_shared": 5, "cli_studies": 5, "cli_synth": 5,
}  # fmt: skip

# Imports within a layer: all that there are. None of them is mutual.
SAME_LAYER = {
    "axis": {"_check"},
    "_embeddings": {"preprocess"},
    "rules": {"preprocess"},
    "palette": {"_check"},
    "peaks": {"lines"},
    "opticallines": {"resampling"},
    "linefits": {"opticallines", "preprocess", "resampling"},
    "redshift": {"linefits", "opticallines", "preprocess"},
    "emissionfit": {"linefits", "opticallines", "preprocess", "redshift"},
    "emissionlines": {"emissionfit", "linefits", "lines", "opticallines", "redshift"},
    "_xrayfamilies": {"peaks"},
    "_xrayfit": {"_xrayfamilies", "peaks"},
    "_xraystudy": {"_xrayfamilies", "_xrayfit", "lines"},
    "_xraywords": {"_xrayfamilies", "_xrayfit", "_xraystudy", "lines"},
    "xraylines": {"_xrayfamilies", "_xrayfit", "_xraystudy", "_xraywords", "lines", "peaks"},
    "_lloyd": {"_seeding", "_silhouette"},
    "_seeding": {"_silhouette"},
    "_stability": {"_lloyd", "_seeding", "_silhouette"},
    "_imagesilhouette": {"_silhouette"},
    "_silhouetteestimate": {"_silhouette"},
    "kmeans": {
        "_imagesilhouette", "_lloyd", "_seeding", "_silhouette", "_silhouetteestimate",
        "_stability", "metric",
    },
    "losses": {"_silhouette"},
    "_reportcards": {"_reportfacts", "_reporttext"},
    "_reporttext": {"_reportfacts"},
    "_reportfigures": {"_drawing", "_reportfacts"},
    "_reportmaps": {"_drawing", "_reportfacts", "_reportfigures"},
    "_reportstills": {"_drawing", "_reportfacts", "_reportfigures", "plots"},
    "htmlreport": {
        "_reportcards", "_reportfacts", "_reportfigures", "_reportmaps", "_reportstills",
        "_reporttext",
    },
    "io": {
        "io._parts", "io._result_store", "io._results", "io._synthetic", "io._writers", "io.envi",
        "io.fits", "io._zarr_writer", "io.hdf5", "io.numpy", "io.zarr",
    },
    "io._synthetic": {"io._beside", "io._parts", "io._writers"},
    "io._beside": {"io._parts"},
    "io._results": {"io._parts", "io.zarr"},
    "io._result_store": {"io._zarr_writer"},
    "io._wcs": {"io._parts"},
    "io._zarr_writer": {"io._beside", "io._parts", "io.zarr"},
    "io.envi": {"io._parts"},
    "io.fits": {"io._parts", "io._wcs"},
    "io.hdf5": {"io._beside", "io._parts"},
    "io.numpy": {"io._parts"},
    "io._writers": {"io._beside", "io._parts", "io._results", "io._wcs", "io._zarr_writer"},
    "io.zarr": {"io._beside", "io._parts"},
    "baselines": {"clustering", "mixture", "resultparts"},
    "mixture": {"clustering"},
    "naming": {"emissionclass", "pigmentmatch", "resultparts"},
    "doubts": {"resultparts"},
    "pigmentmatch": {"pigmentevidence", "templatefit"},
    "inference": {
        "clustering", "confidence", "passes", "remeasure", "resultmaps", "resultparts", "segmenter",
    },
    "passes": {"clustering", "confidence", "novelty", "segmenter"},
    "remeasure": {"clustering", "confidence", "passes", "resultmaps"},
    "resultmaps": {"segmenter"},
    "resultparts": {"clustering"},
    "notes": {"doubts", "naming", "novelty", "resultparts"},
    "novelty": {"clustering"},
    "segmenter": {"clustering", "defaults", "novelty"},
    "runstate": {"modelfile"},
    "synth": {
        "synth.cube", "synth.nebula", "synth.nebular_table", "synth.pages", "synth.palettes",
        "synth.pigments", "synth.rgb", "synth.scene", "synth.spectra", "synth.stream",
    },
    "synth.bpt": {"synth.nebular_lines"},
    "synth.cube": {
        "synth.nebula", "synth.nebular_table", "synth.palettes", "synth.rgb", "synth.scene",
        "synth.tiles",
    },
    "synth.files": {"synth.stream"},
    "synth.pages": {"synth.palettes"},
    "synth.scene": {"synth.counts", "synth.palettes", "synth.rgb", "synth.tiles"},
    "synth.instrument": {"synth.detector", "synth.templates"},
    "synth.modern": {"synth.pigments", "synth.xraydata"},
    "synth.pairs": {
        "synth.detector", "synth.instrument", "synth.modern", "synth.nebula",
        "synth.nebular_lines", "synth.palettes", "synth.pigments", "synth.tube",
    },
    "synth.spectra": {"synth.counts", "synth.palettes", "synth.stream"},
    "synth.nebula": {
        "synth.nebular_lines", "synth.nebular_table", "synth.nebular_zones", "synth.stream",
    },
    "synth.nebular_table": {"io._parts", "io.fits", "synth.nebular_lines"},
    "synth.nebular_zones": {"synth.nebular_lines"},
    "synth.detector": {"synth.xraydata", "synth.tube"},
    "synth.palettes": {
        "synth.detector", "synth.palettefile", "synth.pigments", "synth.templates", "synth.tube",
    },
    "synth.pigments": {
        "synth.detector", "synth.palettefile", "synth.tube", "synth.xraydata", "synth.xrf",
    },
    "synth.tube": {"synth.xraydata"},
    "synth.xrf": {"synth.xraydata", "synth.detector", "synth.tube"},
    "training": {"runstate", "sources"},
    "networkplots": {"_drawing"},
    "outputs": {"htmlreport", "plots"},
    "paperplots": {"_drawing"},
    "plots": {"_drawing"},
    "scoreplots": {"_drawing"},
    "studies.journal": {"studies.space", "studies.trials"},
    "studies.search": {"outputs", "studies.journal", "studies.space", "studies.trials"},
    "studies.trials": {"searchplots", "studies.space"},
    "studies.paperfigures": {
        "networkplots", "paperplots", "plots", "scoreplots", "studies.experiments",
    },
    "studies.reproduction": {
        "studies.experiments", "studies.noise", "studies.paperfigures", "studies.tables",
    },
    "cli": {
        "cli_options", "cli_reading", "cli_report", "cli_scheduler", "cli_search", "cli_shared",
        "cli_studies", "cli_synth",
    },
    "cli_studies": {"cli_shared"},
    "cli_reading": {"cli_options"},
    "cli_report": {"cli_shared"},
    "cli_search": {"cli_reading", "cli_shared"},
    "cli_synth": {"cli_options", "cli_shared"},
}  # fmt: skip

# The torch rooms, and the door between numpy and torch.
TORCH = {
    "_imagesilhouette", "_lloyd", "_seeding", "_silhouette", "_silhouetteestimate", "_stability",
    "_threads",
    "runstate", "kmeans", "losses", "metric", "networks",
    "segmenter", "training",
    "baselines",  # a side door: it borrows k-means for points of any method
    "clustering",  # the door for k-means itself
    "sources",  # a side door: halves of counts and simulations are made as numpy, beside training
    "mixture",  # a side door: it borrows the silhouette
    "synth.rgb",  # a side door: it borrows k-means for the colours of an image
}  # fmt: skip

# Who may name a device, and why.
DEVICES = {
    "segmenter": "the door between numpy and torch",
    "clustering": "the same door, for k-means alone",
    "runstate": "the generator of CUDA is part of the state of a run",
    "training": "fork_rng must be told which CUDA generator it has to put back",
}

LONGEST_FILE = 400
LONGEST_FUNCTION = 40

LONG_FILES = {
    "cli.py": "one function per command, most of it flags and their help",
    "training.py": "a third of it is the documentation of the settings and their checks",
    "preprocess.py": "one plain function per step, and the class that composes them in order",
    "segmenter.py": "the one door between numpy and torch: an estimator, its blocks and its file",
}
LONG_FUNCTIONS = {
    "training.train_on": "the order of one training from top to bottom",
    "cli.train": "one parameter per flag of the command line; the body is short",
    "cli.segment": "one parameter per flag of the command line",
    "cli_search.search_command": "one parameter per flag of the command line",
    "cli_synth.make_cube_file": "one parameter per flag of the command line",
    "evaluate.compare": "half of it are the fields of the answer, one line each",
    "cli_synth.make_spectra_file": "one parameter per flag of the command line",
    "studies.experiments.astro": "the settings of an experiment, one line each",
    "studies.experiments.heritage": "the settings of an experiment, one line each",
    "studies.paperfigures._of_model": "a literal list of figures",
    "baselines._assemble": "a literal list of all that a result holds",
    "inference._assemble": "a literal list of all that a result holds, one line each",
    "kmeans.choose_k": "a quarter of it are the fields of the answer, one line each",
}


def modules() -> dict[str, Path]:
    """Every module of the package by its name below it; a folder by its own name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:  # the package itself has a test of its own
            found[name] = path
    return found


MODULES = modules()


def layer(name: str) -> int:
    """Return the layer of a module, or of the folder it is in."""
    found = LAYERS.get(name, LAYERS.get(name.partition(".")[0]))
    assert found is not None, f"module {name} is in no layer: add it to LAYERS"
    return found


def imports(name: str) -> set[str]:
    """Return the modules of the package that a module imports, wherever in its text."""
    package = name.split(".") if MODULES[name].name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (node.module or "").split(".") if node.module else []
            if node.level:
                base = ["spectessera", *package[: len(package) - node.level + 1], *base]
            targets = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for target in targets:
            if target[0] != "spectessera":
                continue
            below = ".".join(target[1:])
            while below and below not in MODULES:  # a name inside a module
                below = below.rpartition(".")[0]
            if below and below != name:
                found.add(below)
    return found


def top_level(name: str) -> set[str]:
    """Return the packages that a module imports, its own left out."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
    return found


def functions(name: str) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return the functions and methods of a module by their dotted names."""
    found = {}

    def walk(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                dotted = f"{prefix}.{child.name}"
                if not isinstance(child, ast.ClassDef):
                    found[dotted] = child
                walk(child, dotted)
            else:
                walk(child, prefix)

    walk(ast.parse(MODULES[name].read_text(encoding="utf-8")), name)
    return found


def code_lines(path: Path) -> set[int]:
    """Return the numbers of the lines that are neither blank nor only a comment."""
    idle = {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENDMARKER,
    }  # fmt: skip
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type not in idle:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines


def length(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: set[int]) -> int:
    """Return the code lines of a function, its signature included and its docstring not."""
    assert function.end_lineno is not None
    own = lines & set(range(function.lineno, function.end_lineno + 1))
    if ast.get_docstring(function) is not None:
        told = function.body[0]
        assert told.end_lineno is not None
        own -= set(range(told.lineno, told.end_lineno + 1))
    return len(own)


def test_the_counter_leaves_out_docstrings_comments_and_blank_lines(tmp_path):
    path = tmp_path / "one.py"
    path.write_text('def f(\n    a,\n):\n    """Say\n    it."""\n    # why\n\n    return a  # so\n')
    (function,) = ast.parse(path.read_text()).body
    assert isinstance(function, ast.FunctionDef)
    assert length(function, code_lines(path)) == 4  # three of the signature and the return


def test_the_reader_of_imports_finds_those_that_are_known():
    """A test that finds no imports at all would pass for ever."""
    assert imports("inference") >= {"segmenter", "confidence", "cube", "_check"}
    assert imports("io") >= {"io.fits", "io.numpy", "cube", "axis"}  # absolute and relative ones
    assert imports("cli") >= {"io", "overview", "inference"}  # inside functions too
    assert "torch" in top_level("kmeans")
    assert "numpy" in top_level("io.numpy")  # the library, not our module of the same name
    assert "io.numpy" not in imports("io.fits")


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_downward(name):
    mine = layer(name)
    for other in sorted(imports(name)):
        theirs = layer(other)
        assert theirs <= mine, f"{name} (layer {mine}) imports {other} (layer {theirs})"
        if theirs == mine:
            assert other in SAME_LAYER.get(name, set()), (
                f"{name} imports {other} of its own layer {mine}: that is not in SAME_LAYER"
            )


def test_every_import_within_a_layer_still_exists_and_none_is_mutual():
    for name, others in SAME_LAYER.items():
        for other in others:
            assert other in imports(name), f"{name} no longer imports {other}: mend SAME_LAYER"
            assert name not in SAME_LAYER.get(other, set()), f"{name} and {other} import each other"


def test_the_package_itself_imports_nothing_of_its_own_when_it_runs():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:  # what is under TYPE_CHECKING never runs
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module in {"importlib", "typing"}
        assert not isinstance(node, ast.Import)


@pytest.mark.parametrize("name", MODULES)
def test_torch_stays_in_its_rooms(name):
    if name not in TORCH:
        assert "torch" not in top_level(name), f"{name} imports torch, but is no torch room"


@pytest.mark.parametrize("name", MODULES)
def test_only_the_door_names_a_device(name):
    if name in DEVICES:
        return
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        where = f"{name}, line {getattr(node, 'lineno', '?')}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert node.value.partition(":")[0] not in {"cuda", "mps", "cpu"}, where
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in {"cuda", "cpu", "mps"}, where
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "torch":
                assert node.func.attr != "device", where


def test_training_names_a_device_only_to_leave_its_generator_alone():
    """The device follows the data there; the one word is an argument of fork_rng."""
    text = MODULES["training"].read_text(encoding="utf-8")
    named = [line for line in text.splitlines() if '"cuda"' in line or '"mps"' in line]
    assert len(named) == 1
    assert "device.type" in named[0]
    assert "torch.device(" not in text
    assert "fork_rng" in text


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_short_or_argued_for(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    name = path.relative_to(ROOT).as_posix()
    assert lines <= LONGEST_FILE or name in LONG_FILES, f"{name} has {lines} lines"


@pytest.mark.parametrize("name", MODULES)
def test_a_function_is_short_or_argued_for(name):
    lines = code_lines(MODULES[name])
    for dotted, function in functions(name).items():
        count = length(function, lines)
        assert count <= LONGEST_FUNCTION or dotted in LONG_FUNCTIONS, (
            f"{dotted} has {count} code lines"
        )


def test_everything_argued_for_exists():
    known = {dotted for name in MODULES for dotted in functions(name)}
    assert set(LONG_FUNCTIONS) <= known
    assert all((ROOT / name).is_file() for name in LONG_FILES)
    assert set(DEVICES) <= set(MODULES)
    assert set(MODULES) >= TORCH
