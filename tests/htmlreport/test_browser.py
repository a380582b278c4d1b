"""The report in a real browser: what is hovered is true, nothing runs that must not, it prints."""

import base64
import json
import time

import numpy as np
import pytest

from browsercases import made_browser, needs_browser
from reportcases import HOSTILE, made_naming, made_result
from spectessera.htmlreport.page import report

pytestmark = needs_browser

WCS = "\n".join(
    [
        "CTYPE1  = 'RA---TAN'",
        "CTYPE2  = 'DEC--TAN'",
        "CRPIX1  =                  1.0",
        "CRPIX2  =                  1.0",
        "CRVAL1  =                 60.0",
        "CRVAL2  =                 10.0",
        "CDELT1  =              -0.0001",
        "CDELT2  =               0.0001",
    ]
)
# The text of every tooltip that is shown: bokeh keeps them in shadow roots.
TOOLTIPS = """
const found = [];
const walk = (root) => {
  for (const each of root.querySelectorAll("*")) {
    if (each.classList.contains("bk-Tooltip") && each.checkVisibility()) {
      found.push([each.shadowRoot.textContent, each.shadowRoot.querySelectorAll("script").length]);
    }
    if (each.shadowRoot) walk(each.shadowRoot);
  }
};
walk(document);
return found;
"""
# Where a place of a figure is on the screen.
PLACE = """
const [name, x, y] = arguments;
document.getElementById(`fig-${name}`).scrollIntoView({block: "center", behavior: "instant"});
const doc = Bokeh.documents[Bokeh.documents.length - 1];
const view = Bokeh.index.find_one(doc.get_model_by_name(name));
const box = view.canvas.el.getBoundingClientRect();
const frame = view.frame;
return [box.left + frame.x_scale.compute(x), box.top + frame.y_scale.compute(y)];
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = made_browser(tmp_path_factory.mktemp("profile"), browser="ALL", performance="ALL")
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def plain(folder):
    """Return a result with names, and the report of it."""
    result = made_result()
    result["quality"].values[4, 6] = 16
    namings = [made_naming("Hg", 3.0), made_naming("Cu", 10.0), made_naming("Pb", 17.0)]
    return result, report(result, folder / "plain.html", namings=namings)


@pytest.fixture(scope="module")
def hostile(folder):
    attrs = {"source": HOSTILE, "unit": "$$\\frac{1}{2}$$ <b>", "object": HOSTILE, "wcs": WCS}
    result = made_result(attrs=attrs)
    return result, report(result, folder / "hostile.html", names=dict.fromkeys((1, 2, 3), HOSTILE))


def visit(browser, path, width=1100, height=900):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(path.as_uri())
    for _ in range(200):
        if browser.execute_script("return document.documentElement.dataset.ready"):
            break
        time.sleep(0.05)
    assert browser.execute_script("return document.documentElement.dataset.ready") == "yes"


def point(browser, name, x, y):
    """Move the mouse to a place of a figure and return the text of its tooltip."""
    from selenium.webdriver.common.action_chains import ActionChains

    left, top = browser.execute_script(PLACE, name, float(x), float(y))
    moves = ActionChains(browser, duration=0)
    for shift in (-1, 0):
        moves.w3c_actions.pointer_action.move_to_location(round(left) + shift, round(top))
    moves.perform()
    for _ in range(60):
        shown = browser.execute_script(TOOLTIPS)
        if shown:
            break
        time.sleep(0.05)
    assert shown, f"no tooltip at {x}, {y} of {name}"
    assert all(scripts == 0 for _, scripts in shown)
    return " ".join(text for text, _ in shown)


@pytest.mark.parametrize("figure", ["map-label", "map-confidence"])
def test_the_hover_of_a_map_tells_the_true_values_of_that_pixel(browser, plain, figure):
    result, path = plain
    visit(browser, path)
    names = ["", "1: Hg red", "2: Cu red", "3: Pb red"]
    for row, column in ((0, 1), (1, 9), (8, 13), (8, 0), (4, 6)):
        text = point(browser, figure, column, row)
        sure = result["confidence"].values[row, column]
        assert f"{row}, {column}" in text
        assert names[int(result["label"].values[row, column])] in text
        assert f"{np.rint(100 * sure):.0f} %" in text
        assert ("interpolated" in text) == ((row, column) == (4, 6))


def test_the_hover_of_a_masked_pixel_says_so(browser, plain):
    visit(browser, plain[1])
    text = point(browser, "map-label", 0, 0)
    assert "none (masked)" in text
    assert "masked, left out" in text


def test_the_first_row_is_at_the_top_of_a_scan_and_at_the_bottom_of_the_sky(
    browser, plain, hostile
):
    for (_, path), upwards in ((plain, False), (hostile, True)):
        visit(browser, path)
        first = browser.execute_script(PLACE, "map-label", 0, 0)[1]
        last = browser.execute_script(PLACE, "map-label", 0, 8)[1]
        assert (last < first) == upwards


def test_the_hover_tells_the_place_on_the_sky(browser, hostile):
    visit(browser, hostile[1])
    text = point(browser, "map-label", 10, 5)
    lng = 60 - 10 * 0.0001 / np.cos(np.radians(10.0005))
    assert f"{lng:.5f}°, 10.00050°" in text


def test_the_colour_on_the_screen_is_that_of_the_cluster(browser, plain):
    from spectessera.colours import MASKED, colours

    result, path = plain
    visit(browser, path)
    for row, column in ((0, 0), (0, 1), (8, 13), (4, 6)):
        left, top = browser.execute_script(PLACE, "map-label", column, row)
        clip = {"x": left, "y": top, "width": 1, "height": 1, "scale": 1}
        scroll = browser.execute_script("return [scrollX, scrollY]")
        clip["x"], clip["y"] = left + scroll[0], top + scroll[1]
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip})
        label = int(result["label"].values[row, column])
        wanted = MASKED if label == 0 else colours(label)[label - 1]
        assert first_pixel(base64.b64decode(shot["data"])) == wanted.tolist()


def first_pixel(png):
    import io

    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        return list(image.convert("RGB").getpixel((0, 0)))


def test_the_hover_of_a_spectrum_tells_its_mean(browser, plain):
    result, path = plain
    visit(browser, path)
    axis, mean = result["energy"].values, result["mean_spectrum"].values[1]
    at = int(np.argmax(mean))
    text = point(browser, "spectrum-2", axis[at], mean[at])
    assert f"{mean[at]:.4g}" in text


def test_both_maps_move_together_and_so_do_the_spectra(browser, plain):
    visit(browser, plain[1])
    same = browser.execute_script(
        """
        const doc = Bokeh.documents[Bokeh.documents.length - 1];
        const [a, b, c, d] = ["map-label", "map-confidence", "spectrum-1", "spectrum-3"].map(
          (name) => doc.get_model_by_name(name));
        return [a.x_range === b.x_range, a.y_range === b.y_range, c.x_range === d.x_range];
        """
    )
    assert same == [True, True, True]


def test_hostile_names_stay_text_and_nothing_is_alerted(browser, hostile):
    browser.get_log("browser")
    visit(browser, hostile[1])
    text = point(browser, "map-label", 3, 3)
    assert HOSTILE in text
    assert "<script>alert(1)</script>" in browser.title
    with pytest.raises(Exception, match="no such alert"):
        _ = browser.switch_to.alert.text
    assert browser.execute_script("return document.querySelectorAll('img[src=x]').length") == 0
    assert errors(browser) == []


def test_an_injected_script_is_refused_by_the_policy(browser, plain, folder):
    text = plain[1].read_text(encoding="utf-8")
    path = folder / "injected.html"
    path.write_text(text.replace("</main>", "<script>window.bad = 1</script></main>"), "utf-8")
    visit(browser, path)
    assert browser.execute_script("return window.bad === undefined")
    assert any("Content Security Policy" in each["message"] for each in browser.get_log("browser"))


def errors(browser):
    return [each for each in browser.get_log("browser") if each["level"] in ("SEVERE", "WARNING")]


def test_there_is_no_error_and_no_request_but_the_file_itself(browser, plain, hostile):
    for _, path in (plain, hostile):
        errors(browser)
        browser.get_log("performance")
        visit(browser, path)
        point(browser, "map-label", 2, 2)
        assert errors(browser) == []
        messages = [
            json.loads(each["message"])["message"] for each in browser.get_log("performance")
        ]
        sent = [each for each in messages if each["method"] == "Network.requestWillBeSent"]
        asked = {each["params"]["request"]["url"].partition(":")[0] for each in sent}
        assert asked
        assert asked <= {"file", "data", "blob"}


def test_every_cluster_is_listed_and_reached_by_its_link(browser, plain):
    visit(browser, plain[1])
    listed = browser.execute_script(
        "return [...document.querySelectorAll('ul.legend a')].map((each) => each.textContent)"
    )
    assert listed == ["1: Hg red", "2: Cu red", "3: Pb red"]
    heads = browser.execute_script(
        "return [...document.querySelectorAll('article h3')].map((each) => each.innerText)"
    )
    assert [each.partition(":")[0] for each in heads] == ["Cluster 1", "Cluster 2", "Cluster 3"]


def test_the_first_key_reaches_the_skip_link_and_it_is_seen(browser, plain):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    visit(browser, plain[1])
    ActionChains(browser).send_keys(Keys.TAB).perform()
    focus = browser.switch_to.active_element
    assert focus.text == "Skip to the content"
    assert focus.rect["x"] >= 0


@pytest.mark.parametrize("width", [400, 900, 1600])
def test_no_width_of_the_window_needs_sideways_scrolling(browser, plain, hostile, width):
    for _, path in (plain, hostile):
        visit(browser, path, width)
        time.sleep(0.3)
        size = "return [document.documentElement.scrollWidth, innerWidth]"
        needed, there = browser.execute_script(size)
        assert needed <= there == width
        wide = browser.execute_script(
            """
            const doc = Bokeh.documents[Bokeh.documents.length - 1];
            const view = Bokeh.index.find_one(doc.get_model_by_name("map-label"));
            const box = document.getElementById("fig-map-label").getBoundingClientRect();
            return [view.canvas.el.getBoundingClientRect().right, box.right, view.frame.bbox.width,
                    view.frame.bbox.height];
            """
        )
        assert wide[0] <= wide[1] + 1
        assert wide[3] / wide[2] == pytest.approx(9 / 14, rel=0.02)  # square pixels


def test_it_prints_with_figures_and_text(browser, plain):
    visit(browser, plain[1])
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    assert pdf.startswith(b"%PDF-")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") >= 2
    assert pdf.count(b"/Subtype /Image") >= 5  # two maps, three spectra: the still ones
    assert b"/Font" in pdf
    assert len(pdf) > 50_000


def test_without_scripts_the_still_figures_are_there(browser, plain):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(plain[1].as_uri())
        time.sleep(0.3)
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    shown = browser.execute_script(
        "return [...document.images].filter((each) => each.checkVisibility() && each.naturalWidth)"
        ".length"
    )
    assert shown == 2 + 3 + 1
