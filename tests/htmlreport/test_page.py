"""One file, complete, true to the result, and safe whatever the data are called."""

import base64
import dataclasses
import hashlib
import itertools
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from reportcases import HOSTILE, made_naming, made_result
from spectessera.naming.candidates import Candidate, Line, Naming, Peak

pytest.importorskip("bokeh", reason="a report needs bokeh")

from spectessera.htmlreport import page as page_module
from spectessera.htmlreport.detail import Detail
from spectessera.htmlreport.facts import cards
from spectessera.htmlreport.figures import Scale, without_math
from spectessera.htmlreport.maps import per_cents, sky
from spectessera.htmlreport.page import report
from spectessera.warning import ResultWarning

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """The elements of a page and its text outside of scripts and styles; tags must balance."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.source = html
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def told(self) -> dict:
        """Return what the page tells its figures."""
        return json.loads(self.scripts[0])


def write(tmp_path, result, **kwargs) -> Page:
    return Page(report(result, tmp_path / "report.html", **kwargs).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Page:
    """Return the page of a result without namings."""
    return write(tmp_path_factory.mktemp("plain"), made_result())


def array_of(told: dict, name: str) -> np.ndarray:
    """Return an array of the pixels, as the browser will decode it."""
    import gzip

    found = []

    def walk(here):
        if isinstance(here, dict):
            if here.get("name") == "ColumnDataSource":
                entries = dict(here["attributes"]["data"]["entries"])
                if name in entries and here["attributes"].get("name") == "pixels":
                    found.append(entries[name][0])
            for each in here.values():
                walk(each)
        elif isinstance(here, list):
            for each in here:
                walk(each)

    walk(told["document"])
    (one,) = found
    data = base64.b64decode(one["array"]["data"])
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return np.frombuffer(data, dtype=one["dtype"]).reshape(one["shape"])


def test_every_cluster_has_a_card_with_its_true_share_size_and_confidence(plain):
    result = made_result()
    page = plain
    ids = {attrs.get("id") for _, attrs in page.elements}
    assert {f"cluster-{each}" for each in (1, 2, 3)} <= ids
    label, confidence = result["label"].values, result["confidence"].values
    for cluster in (1, 2, 3):
        inside = label == cluster
        share = 100 * inside.sum() / (label > 0).sum()
        sure = 100 * confidence[inside].mean()
        words = f"{share:.1f}\u202f% of the pixels · {inside.sum()} pixels · mean confidence "
        assert " ".join(f"{words}{sure:.1f}\u202f%".split()) in page.text


def test_the_maps_hold_the_true_label_confidence_and_quality_of_every_pixel(plain):
    result = made_result()
    told = plain.told()
    np.testing.assert_array_equal(array_of(told, "label"), result["label"].values)
    np.testing.assert_array_equal(array_of(told, "quality"), result["quality"].values)
    sure = array_of(told, "confidence").astype(float)
    known = result["label"].values > 0
    assert np.abs(sure[known] - 100 * result["confidence"].values[known]).max() <= 0.5
    assert (sure[~known] == 255).all()
    assert told["names"] == ["none (masked)", "1", "2", "3"]


def test_more_than_255_clusters_keep_their_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "LEVELS", (Detail(2**22, 2, 400),))
    label = np.arange(1, 301, dtype=np.int32).reshape(15, 20)
    result = made_result((15, 20), k=300, channels=8, label=label)
    page = write(tmp_path, result)
    np.testing.assert_array_equal(array_of(page.told(), "label"), label)
    assert "Spectra are drawn for the 2 largest clusters." in page.text


def test_a_report_that_would_be_too_large_shows_less_and_says_so(tmp_path, monkeypatch):
    """The live maps have one pixel of each 3 x 3, from the first row and column on."""
    label = np.random.default_rng(0).integers(1, 4, (31, 47)).astype(np.int32)
    result = made_result((31, 47), label=label)
    whole = len(write(tmp_path, result).source.encode())
    levels = (Detail(2**22, 3, 400), Detail(31 * 47 * 3 // 8, 1, 400))
    monkeypatch.setattr(page_module, "LEVELS", levels)
    monkeypatch.setattr(page_module, "MOST_BYTES", whole - 1)
    page = write(tmp_path, result, overwrite=True)
    told = page.told()
    assert told["step"] == 3
    assert told["width"] == 16
    np.testing.assert_array_equal(array_of(told, "label"), label[::3, ::3])
    assert "they have one pixel of each 3 x 3; the result has all." in page.text
    assert "Spectra are drawn for the 1 largest clusters." in page.text


def test_three_maps_share_a_row(tmp_path):
    result = made_result()
    assert 'class="maps"' in write(tmp_path, result, overwrite=True).source
    result["novelty"] = result["confidence"]
    assert 'class="maps three"' in write(tmp_path, result, overwrite=True).source


def test_the_evidence_of_every_k_is_a_curve(tmp_path):
    result = made_result()
    assert "fig-score-evidence" not in write(tmp_path, result, overwrite=True).source
    result["gain"] = ("k", np.array([0.5, 0.9, 1.0, 1.1, np.nan]))
    result["gain_error"] = ("k", np.full(5, 0.1))
    page = write(tmp_path, result, overwrite=True)
    assert 'id="fig-score-evidence"' in page.source
    assert "0 is no evidence" in page.text
    assert '<td class="n">0.900 ± 0.100</td></tr>' in page.source  # in the table of values too


def test_confidence_is_rounded_to_whole_per_cents():
    given = np.array([[0.0, 0.504, 0.506, 1.0, np.nan]])
    assert per_cents(given).tolist() == [[0, 50, 51, 100, 255]]


def test_an_empty_cluster_has_a_card_and_no_neighbour(tmp_path):
    label = np.array([[1, 1, 3], [3, 0, 1]], dtype=np.int32)
    result = made_result((2, 3), label=label)
    made = cards(result, None, {})
    assert [card.size for card in made] == [3, 0, 2]
    assert [card.nearest for card in made] == [3, None, 1]
    assert made[1].confidence is None
    assert "This cluster has no pixels" in write(tmp_path, result).text


def test_names_and_evidence_are_told(tmp_path):
    namings = [made_naming("Hg", 3.0), Naming(), made_naming("Cu", 17.0)]
    page = write(tmp_path, made_result(), namings=namings, names={3: "Blue robe"})
    for words in (
        "Cluster 1: Hg red (suggested by the lines)",
        "Hg is seen by its strongest line. Not detected: Hg Lb.",
        "Hg La",
        "also S Ka",
        "the energies are multiplied by 1.003: the energy calibration seems to be wrong",
        "W-NAME-CALIBRATION",
        "7.770 ± 0.010 keV (significance 6.5)",
        "No peaks or bands were identified:",
        "Cluster 3: Blue robe",
        "Best candidates from the lines: Cu, Cu red.",
    ):
        assert words in page.text
    assert page.told()["names"] == ["none (masked)", "1: Hg red", "2", "3: Blue robe"]


def test_lines_under_a_peak_are_not_said_to_be_missing(tmp_path):
    peak = Peak(1.74, 0.01, 0.08, 20.0, 60.0)
    covered = Line("Si Kb", 1.84, None, "hidden by the peak at 1.74 keV")
    lines = (Line("Si Ka", 1.74, peak), covered, Line("Si La", 9.0, None))
    silicon = Candidate("Si", "element", 1.0, lines, "Si Ka, 60 sigma")
    naming = Naming(peaks=(peak,), candidates=(silicon,))
    page = write(tmp_path, made_result(), namings=[naming, Naming(), Naming()])
    words = "Si Ka, 60 sigma. Not detected: Si La. Si Kb is hidden by the peak at 1.74 keV."
    assert words in page.text


def test_peaks_without_a_candidate_are_said_to_have_none(tmp_path):
    unnamed = Naming(peaks=(Peak(7.77, 0.01, 0.3, 20.0, 6.5),))
    page = write(tmp_path, made_result(), namings=[Naming(), unnamed, unnamed])
    assert "No candidate explains the peaks of this spectrum." in page.text


def test_what_tells_two_clusters_apart_is_where_their_lines_are():
    result = made_result(k=2)
    (first, second) = cards(result, [made_naming("Hg", 3.0), made_naming("Cu", 17.0)], {})
    assert first.nearest == 2
    strongest = {round(each.position): each for each in first.differences[:2]}
    assert set(strongest) == {3, 17}
    assert strongest[3].effect > 0 > strongest[17].effect
    assert (strongest[3].line, strongest[17].line) == ("Hg La", "Cu La")
    assert strongest[3].here == pytest.approx(second.differences[0].there, abs=45)


def test_settings_provenance_score_warnings_and_citation_are_told(tmp_path):
    page = write(tmp_path, made_result(), warnings=["look at k = 4 too"])
    for words in (
        "9 rows \u00d7 14 columns \u00d7 120 channels",
        "panel.h5",
        "latent 3",
        "Seed 41",
        "0.0.7",
        "0.700 ± 0.010",
        "look at k = 4 too",
        "1 spectrum masked and left out (row ",
        "arXiv:2401.17695",
    ):
        assert words in page.text


def test_a_result_of_the_time_before_stability_is_reported(tmp_path):
    result = made_result().drop_vars(["stability", "stability_error", "agreement"])
    del result.attrs["criterion"], result.attrs["stable_from"]
    assert "largest silhouette" in write(tmp_path, result).text


def test_a_method_that_tells_no_confidence_is_reported(tmp_path):
    page = write(tmp_path, made_result().drop_vars("confidence"))
    assert "this result has no map of confidence" in page.text
    assert (array_of(page.told(), "confidence") == 255).all()


def test_a_result_without_scores_or_settings_is_reported(tmp_path):
    names = ["score", "score_error", "stability", "stability_error", "agreement"]
    result = made_result(attrs={"provenance": "{broken <b>"}).drop_vars(names)
    page = write(tmp_path, result)
    assert "No other number of clusters was tried." in page.text
    assert "{broken <b>" in page.text


# --- safety ------------------------------------------------------------------------------------


def test_hostile_text_stays_text_everywhere(tmp_path):
    attrs = {
        "source": HOSTILE,
        "unit": HOSTILE,
        "object": HOSTILE,
        "criterion": HOSTILE,
        "metric": HOSTILE,
        "model_choice": HOSTILE,
        "judged_by": HOSTILE,
        "provenance": json.dumps({"seed": HOSTILE, "settings": {HOSTILE: {HOSTILE: HOSTILE}}}),
    }
    peak = made_naming().peaks[0]
    line = dataclasses.replace(made_naming().candidates[0].lines[0], name=HOSTILE, note=HOSTILE)
    candidate = dataclasses.replace(
        made_naming().candidates[0], name=HOSTILE, kind=HOSTILE, evidence=HOSTILE, lines=(line,)
    )
    naming = Naming((peak,), (candidate,), (peak,), (ResultWarning(HOSTILE, HOSTILE),))
    page = write(
        tmp_path,
        made_result(attrs=attrs),
        namings=[naming] * 3,
        names={1: HOSTILE},
        warnings=[HOSTILE],
    )
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 3  # the data, the library and ours
    assert all(not name.startswith("on") for _, attrs in page.elements for name in attrs)
    assert all(
        attrs["src"].startswith("data:image/png") for t, attrs in page.elements if t == "img"
    )
    assert page.text.count("<script>alert(1)</script>") >= 12
    assert page.told()["names"][1] == f"1: {HOSTILE}"


@pytest.mark.parametrize("word", ["$\\frac$", "\ud800", "\u4e2d\u6587", "a" * 5000, ""])
def test_no_text_of_a_file_can_stop_the_report(tmp_path, word):
    """Formulas that matplotlib cannot read, half letters, letters that a font has not, none."""
    attrs = {"unit": word[:30], "criterion": word, "source": word, "object": word}
    naming = made_naming(word, 10.0)
    page = write(tmp_path, made_result(attrs=attrs), namings=[naming] * 3, names={1: word})
    assert "Cluster 3" in page.text


def test_text_of_a_canvas_holds_no_formula_and_no_field():
    text = without_math(HOSTILE + "\n\\[x\\] \\(y\\)")
    for mark in ("$$", "\\[", "\\(", "\n"):
        assert mark not in text


def test_the_policy_lets_only_our_scripts_run_and_nothing_load(plain):
    page = plain
    (policy,) = [a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert "http" not in policy
    scripts = policy.partition("script-src")[2].partition(";")[0]
    assert "unsafe-inline" not in scripts
    for script in page.scripts[1:]:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in scripts


def test_nothing_is_loaded_from_elsewhere(plain):
    page = plain
    for tag, attrs in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert tag == "img" or "src" not in attrs
    outside = {a["href"] for t, a in page.elements if t == "a" and not a["href"].startswith("#")}
    assert outside == {"https://arxiv.org/abs/2401.17695"}


def test_a_512_by_512_map_of_1024_channels_and_12_clusters_is_below_10_mb(tmp_path):
    generator = np.random.default_rng(0)
    shape = (512, 512)
    label = generator.integers(1, 13, shape).astype(np.int32)  # noise: nothing to compress
    confidence = generator.uniform(0.2, 1, shape).astype(np.float32)
    result = made_result(shape, 12, 1024, label=label, confidence=confidence)
    path = report(result, tmp_path / "big.html", namings=[made_naming()] * 12)
    assert path.stat().st_size < 10e6


def test_the_same_result_gives_the_same_bytes(tmp_path):
    namings = [made_naming()] * 3
    files = [tmp_path / f"{each}.html" for each in range(2)]
    for path in files:
        report(made_result(), path, namings=namings)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_another_process_gives_the_same_bytes(tmp_path):
    here = report(made_result(), tmp_path / "here.html").read_bytes()
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from reportcases import made_result\nfrom spectessera.htmlreport import report\n"
        f"report(made_result(), {str(tmp_path / 'there.html')!r})\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONHASHSEED": "7"})
    assert (tmp_path / "there.html").read_bytes() == here


# --- reading without a mouse or a screen -------------------------------------------------------


def test_the_page_is_marked_up_for_keyboard_and_screen_reader(tmp_path):
    page = write(tmp_path, made_result(), namings=[made_naming()] * 3)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("h1") == tags.count("main") == tags.count("nav") == 1
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for t, a in page.elements if t == "a" and a["href"].startswith("#")}
    assert {"main", "cluster-1", "map", "cite"} <= targets <= set(ids)
    assert all(attrs.get("scope") in ("col", "row") for t, attrs in page.elements if t == "th")
    assert all(attrs.get("alt") for t, attrs in page.elements if t == "img")
    plots = [a for t, a in page.elements if t == "div" and a.get("class") == "plot"]
    assert len(plots) == 2 + 2 + 3
    assert all(attrs.get("aria-label") for attrs in plots)
    assert {a["id"] for a in plots} == set(page.told()["roots"].values())
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))


# --- errors ------------------------------------------------------------------------------------


def test_a_file_that_is_there_is_kept_unless_told(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="exists already"):
        report(made_result(), path)
    assert path.read_text() == "mine"
    report(made_result(), path, overwrite=True)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_that_is_missing_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        report(made_result(), tmp_path / "none" / "report.html")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        report(made_result(), tmp_path)


def test_arguments_that_do_not_fit_are_told(tmp_path):
    path = tmp_path / "report.html"
    with pytest.raises(ValueError, match="2 entries but the result has 3 clusters"):
        report(made_result(), path, namings=[Naming()] * 2)
    with pytest.raises(ValueError, match="name for cluster 4; the clusters are 1 to 3"):
        report(made_result(), path, names={4: "x"})
    with pytest.raises(TypeError, match="list of sentences"):
        report(made_result(), path, warnings="one sentence")
    with pytest.raises(ValueError, match="has no quality"):
        report(made_result().drop_vars("quality"), path)
    with pytest.raises(TypeError, match=r"xarray\.Dataset; got ndarray"):
        report(np.zeros((2, 2)), path)
    assert not path.exists()


def test_without_bokeh_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bokeh", None)
    with pytest.raises(ImportError, match=r'pip install "spectessera\[report\]"'):
        report(made_result(), tmp_path / "report.html")


# --- the parts ---------------------------------------------------------------------------------


def test_a_spectrum_of_peaks_on_little_is_drawn_on_a_logarithmic_scale():
    mean = np.full(100, 0.01)
    mean[50] = 10.0
    scale = Scale(mean, np.sqrt(mean), ["Hg La"])
    assert scale.log
    assert 0 < scale.low < 10 < scale.names < scale.high
    flat = Scale(np.linspace(-1, 5, 100), np.ones(100), [])
    assert not flat.log
    assert flat.low < -2
    assert flat.high > 6


@pytest.mark.parametrize("values", [np.zeros(5), np.full(5, np.nan), np.full(5, 3.0)])
def test_a_spectrum_of_nothing_has_limits_too(values):
    scale = Scale(values, np.zeros(5), [])
    assert np.isfinite([scale.low, scale.high, scale.names]).all()
    assert scale.low < scale.high


def test_a_spectrum_of_one_channel_and_one_cluster_is_reported(tmp_path):
    page = write(tmp_path, made_result((1, 5), k=1, channels=1))
    assert "Cluster 1" in page.text


def test_places_on_the_sky_are_those_of_the_wcs(tmp_path):
    wcs = "\n".join(
        [
            "WCSAXES =                    2",
            "CTYPE1  = 'RA---TAN'",
            "CTYPE2  = 'DEC--TAN'",
            "CUNIT1  = 'deg'",
            "CUNIT2  = 'deg'",
            "CRPIX1  =                  1.0",
            "CRPIX2  =                  1.0",
            "CRVAL1  =              0.00005",
            "CRVAL2  =                 10.0",
            "CDELT1  =              -0.0001",
            "CDELT2  =               0.0001",
        ]
    )
    found = sky(made_result(attrs={"wcs": wcs}))
    assert found is not None
    assert found["words"] == "RA, DEC"
    assert found["origin"] == pytest.approx((0.00005, 10.0))
    assert np.abs(found["lng"]).max() < 0.002  # no jump at the meridian
    assert found["lat"][5, 0] == pytest.approx(0.0005, rel=1e-4)
    page = write(tmp_path, made_result(attrs={"wcs": wcs}))
    assert "first row is at the bottom" in page.text
    assert sky(made_result(attrs={"wcs": "no header"})) is None
    assert sky(made_result()) is None
