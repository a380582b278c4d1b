"""The viewer in a real browser: what is shown is what the file has, and names stay text."""

import base64
import io
import time

import numpy as np
import pytest

import spectessera as spt
from browsercases import made_browser, needs_browser
from reportcases import HOSTILE
from viewercases import SHAPE, made_case, made_folder

pytestmark = needs_browser

# Where a place of a figure is on the screen.
PLACE = """
const [name, x, y] = arguments;
const view = Bokeh.index.find_one(page.models[name]);
view.canvas.el.scrollIntoView({block: "center", behavior: "instant"});
const box = view.canvas.el.getBoundingClientRect();
return [box.left + view.frame.x_scale.compute(x), box.top + view.frame.y_scale.compute(y)];
"""


class Screen:
    """A browser that shows the page of a viewer."""

    def __init__(self, driver):
        self.driver = driver

    def run(self, script, *values):
        return self.driver.execute_script(script, *values)

    def wait(self, condition, what="", seconds=8):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if found := self.run(f"return {condition}"):
                return found
            time.sleep(0.01)
        raise AssertionError(f"{what or condition} did not happen; {self.text('status')!r}")

    def idle(self):
        self.wait("[...lanes.values()].every((each) => each.waiting === 0)")

    def visit(self, address, width=1280, height=900):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(address)
        self.wait("document.documentElement.dataset.ready", "the start of the page", 20)
        self.idle()

    def text(self, name):
        return self.run("return document.getElementById(arguments[0]).textContent", name)

    def choose(self, name, value):
        self.run(
            "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
            "e.dispatchEvent(new Event('change'))", name, value,
        )  # fmt: skip
        self.idle()

    def point(self, x, y, name="map-left", *, click=False):
        from selenium.webdriver.common.action_chains import ActionChains

        left, top = self.run(PLACE, name, float(x), float(y))
        moves = ActionChains(self.driver, duration=0)
        pointer = moves.w3c_actions.pointer_action
        pointer.move_to_location(round(left) - 1, round(top))
        pointer.move_to_location(round(left), round(top))
        if click:
            pointer.click()
        moves.perform()

    def hover(self, x, y):
        condition = f"page.hovered && page.hovered.x === {x} && page.hovered.y === {y}"
        self.run("page.hovered = null")
        # The map may move between the question where a pixel is and the pointer's move there: as a
        # hand does, the pointer moves more than once in the time that the answer has.
        for seconds in (2, 2, 4):
            self.point(x, y)
            try:
                self.wait(condition, f"the answer for column {x}, row {y}", seconds)
            except AssertionError:
                if seconds == 4:
                    raise
            else:
                break

    def curve(self, name):
        return np.array(self.run("return [...page.models[arguments[0]].data.y]", name))

    def drag(self, places, tool):
        """Draw with a tool through places (x, y) of the left map."""
        from selenium.webdriver.common.action_chains import ActionChains

        self.run(
            "const tools = page.models['map-left'].toolbar.tools;"
            "tools.find((each) => each.type === arguments[0]).active = true", tool,
        )  # fmt: skip
        spots = [[round(each) for each in self.run(PLACE, "map-left", *map(float, at))]
                 for at in places]  # fmt: skip
        moves = ActionChains(self.driver, duration=0)
        pointer = moves.w3c_actions.pointer_action
        pointer.move_to_location(*spots[0])
        pointer.pointer_down()
        for spot in spots[1:]:
            pointer.move_to_location(*spot)
        pointer.pointer_up()
        moves.perform()

    def pixel(self, x, y):
        """Return the colour at a place of the left map."""
        from PIL import Image

        left, top = self.run(PLACE, "map-left", float(x), float(y))
        scroll = self.run("return [scrollX, scrollY]")
        clip = {"x": left + scroll[0], "y": top + scroll[1], "width": 1, "height": 1, "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip})
        with Image.open(io.BytesIO(base64.b64decode(shot["data"]))) as image:
            return list(image.convert("RGB").getpixel((0, 0)))

    def errors(self):
        log = self.driver.get_log("browser")
        return [each for each in log if each["level"] in ("SEVERE", "WARNING")]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    driver = made_browser(tmp_path_factory.mktemp("profile"), browser="ALL")
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made_folder(tmp_path_factory.mktemp("viewer"))


@pytest.fixture(scope="module")
def case(folder):
    """Return the result and the cube, as they are in the files."""
    return spt.read_result(folder), made_case()[1]


@pytest.fixture(scope="module")
def viewer(folder):
    beside = folder.parent
    viewer = spt.view(
        folder, browser=False, photo=beside / "photo.png", points=beside / "points.csv"
    )
    yield viewer
    viewer.close()


@pytest.fixture(scope="module")
def screen(driver, viewer):
    screen = Screen(driver)
    screen.visit(viewer.address)
    return screen


def test_the_hover_tells_the_pixel_and_shows_its_own_spectrum(screen, case):
    result, cube = case
    for y, x in ((3, 2), (5, 12), (11, 19)):
        screen.hover(x, y)
        text = screen.text("pixel")
        assert f"row {y}, column {x}" in text
        assert f"cluster {int(result['label'].values[y, x])}" in text
        assert f"confidence {100 * result['confidence'].values[y, x]:.0f} %" in text
        assert np.array_equal(screen.curve("hover-curve"), cube.values[y, x])
    screen.hover(0, 0)
    assert "none (masked)" in screen.text("pixel")


def test_one_request_of_the_hover_is_on_the_way_at_most(screen):
    screen.run("page.most = 0; page.answered.length = 0")
    for step in range(30):
        screen.run(f"moved({{x: {step % 20}, y: {step % 12}}})")
    screen.run("for (let i = 0; i < 20; i++) moved({x: i, y: 3})")
    screen.idle()
    screen.wait("page.hovered.x === 19 && page.hovered.y === 3", "the last place")
    assert screen.run("return page.most") == 1
    assert screen.run("return page.answered.length") < 50  # those between were left out


def test_a_click_keeps_the_spectrum_until_the_next_one(screen, case):
    for place in ((4, 6), (17, 9)):
        screen.point(*place, click=True)
        screen.wait(f"(page.pins ?? []).some((each) => each.x === {place[0]})")
        time.sleep(0.35)  # two clicks at once are a double one
    kept = screen.run("return page.models['pin-curves'].data.ys.map((each) => [...each])")
    assert np.array_equal(kept, case[1].values[[6, 9], [4, 17]])
    assert "row 9, column 17" in screen.text("pins")
    screen.point(4, 6, click=True)
    screen.wait("page.pins.length === 1")
    screen.run("ask('unpin')")
    screen.wait("page.pins.length === 0")


@pytest.mark.parametrize(
    ("tool", "places", "rows", "columns"),
    [
        ("BoxSelectTool", [(1.6, 1.6), (8.4, 5.4)], slice(2, 6), slice(2, 9)),
        (
            "LassoSelectTool",
            [(9.6, 1.6), (15.4, 1.6), (15.4, 8.4), (9.6, 8.4), (9.6, 2.0)],
            slice(2, 9),
            slice(10, 16),
        ),
    ],
)
def test_the_mean_and_spread_of_a_region_are_those_of_numpy(
    screen, case, tool, places, rows, columns
):
    result, cube = case
    screen.drag(places, tool)
    inside = cube.values[rows, columns].reshape(-1, cube.sizes["channel"]).astype(float)
    screen.wait(f"document.getElementById('region').textContent.includes('{len(inside)} pixels')")
    screen.idle()
    mean, std = inside.mean(axis=0), inside.std(axis=0)
    assert np.allclose(screen.curve("region-curve"), mean, rtol=1e-6, atol=0)
    low, high = (
        np.array(screen.run("return [...page.models.band.data[arguments[0]]]", name))
        for name in ("low", "high")
    )
    assert np.allclose(high - low, 2 * std)
    assert np.allclose((high + low) / 2, mean)
    for label in np.unique(result["label"].values[rows, columns]):
        assert f"cluster {label}" in screen.text("region")


def test_the_colours_on_the_screen_are_those_of_the_clusters(screen, case):
    from spectessera.colours import MASKED, colours

    screen.run("ask('no-region')")
    screen.run("fit()")
    screen.choose("left", "label")
    time.sleep(0.1)
    for y, x in ((10, 2), (10, 9), (10, 18), (0, 0)):
        label = int(case[0]["label"].values[y, x])
        wanted = MASKED if label == 0 else colours(label)[label - 1]
        assert screen.pixel(x, y) == wanted.tolist()


def test_hostile_names_stay_text_and_there_is_no_error(screen):
    assert HOSTILE.split("@")[0].strip() in screen.run(
        "return document.querySelector('h1').textContent"
    )
    assert screen.run("return document.querySelectorAll('img, h1 *').length") == 0
    assert "<script>alert(1)</script>" in screen.driver.title
    with pytest.raises(Exception, match="no such alert"):
        _ = screen.driver.switch_to.alert.text
    assert screen.errors() == []


def test_a_notebook_shows_the_page_in_a_frame(viewer):
    shown = viewer._repr_html_()
    assert shown.startswith(f'<iframe src="{viewer.address}"')
    assert HOSTILE[:8] not in shown


def test_a_request_that_is_none_is_refused(screen, caplog):
    for text in ("no json", "[]", '{"act": "hello"}', '{"act": "open", "n": 1, "path": "/etc"}'):
        screen.run("page.models.ask.data = {text: [arguments[0]]}", text)
    screen.run("ask('hover', {x: 1e300, y: -1})")
    screen.wait("document.getElementById('status').textContent.includes('is a number from')")
    assert sum("was refused" in each.message for each in caplog.records) == 4
    screen.run("say('')")
    assert screen.errors() == []


SQUARE = """(() => {
  const box = frame("map-left"), {x_range, y_range} = page.models["map-left"];
  const wide = box.width / (x_range.end - x_range.start);
  return innerWidth === %d && Math.abs(wide * (y_range.end - y_range.start)) / box.height;
})()"""


def test_no_width_of_the_window_needs_sideways_scrolling(screen):
    for width in (1920, 800, 1280):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        screen.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        screen.wait(f"Math.abs({SQUARE % width} - 1) < 0.02", "square pixels")
        screen.wait(f"document.documentElement.scrollWidth <= {width}", "no sideways scrolling")


def image(screen):
    """Return the colour numbers of the left map, (y, x), and the row and column of the first."""
    return screen.run(
        "const d = page.models['map-left'].renderers.find((r) => r.name === 'map-image')"
        ".data_source.data;"
        "return [[...d.image[0]], d.image[0].shape ?? null, d.x[0], d.y[0]]"
    )


def test_the_map_of_a_window_is_the_sum_of_its_channels(screen, case):
    from spectessera.viewer.drawing import colour_numbers
    from spectessera.viewer.layers import limits_of

    screen.run("band(2.0, 4.0)")
    screen.wait("document.getElementById('left').value === 'window'")
    screen.idle()
    axis = case[1]["energy"].values
    inside = (axis >= 2.0) & (axis <= 4.0)
    wanted = case[1].values[..., inside].sum(axis=2)
    values, shape, x, y = image(screen)
    assert (x, y) == (-0.5, -0.5)
    assert shape == list(SHAPE)
    numbers = colour_numbers(wanted, *limits_of(wanted))
    assert np.array_equal(values, numbers.ravel())
    screen.hover(3, 3)
    assert (
        f"Band: {axis[inside][0]:.5g} to {axis[inside][-1]:.5g} keV {wanted[3, 3]:g}"
        in screen.text("pixel")
    )
    screen.choose("left", "label")


def test_mean_maximum_and_differences_are_those_of_numpy(screen, case):
    result, cube = case
    screen.run("document.getElementById('show-maximum').checked = true")
    screen.choose("first", "cluster-2")
    screen.choose("second", "mean")
    names, drawn = screen.run(
        "const d = page.models.curves.data; return [d.name, d.ys.map((each) => [...each])]"
    )
    mean = cube.values.reshape(-1, cube.sizes["channel"]).astype(float).mean(axis=0)
    clusters = result["mean_spectrum"].values
    assert np.allclose(drawn[:3], clusters)
    assert np.array_equal(drawn[3], cube.values.max(axis=(0, 1)))
    assert np.allclose(drawn[4], clusters[1] - mean, atol=1e-6)
    assert names[4].endswith("minus mean of all")
    screen.run("document.getElementById('log').checked = true")
    screen.choose("log", "on")
    screen.wait("page.models.spectrum.y_range.start > 0")
    screen.run("document.getElementById('log').checked = false")
    screen.choose("log", "on")


def test_spectra_are_scaled_to_what_is_outside_of_the_zero_peak(screen):
    """As if it ended at 10 keV; unless nothing else is seen."""
    tops = []
    for script in ("[]", "[10]", "[10], 9"):
        tags, _, right = script.partition(", ")
        tops.append(
            screen.run(
                "const d = page.models.spectrum, old = d.x_range.end; d.tags = JSON.parse("
                "arguments[0]); d.x_range.setv({end: arguments[1] ?? old}, {sync: false});"
                "scale_spectrum(); const top = d.y_range.end; d.tags = []; "
                "d.x_range.setv({end: old}, {sync: false}); scale_spectrum(); return top",
                tags, float(right) if right else None,
            )
        )  # fmt: skip
    all_curves = "page.models.curves.data.{}.map((each) => [...each])"
    x, y = (np.concatenate(screen.run("return " + all_curves.format(n))) for n in ("xs", "ys"))
    highest = [y.max(), y[x > 10].max(), y[x <= 9].max()]
    assert highest[1] < highest[0]
    assert tops == pytest.approx([1.06 * each for each in highest], rel=0.05)


def test_two_maps_side_by_side_show_the_same_part(screen):
    screen.choose("right", "confidence")
    screen.wait("page.models['map-right'].visible && frame('map-right').width > 50")
    screen.idle()
    assert screen.run("return page.models['map-left'].x_range === page.models['map-right'].x_range")
    assert "Confidence" in screen.text("scale-right")
    screen.choose("right", "")


def test_the_lasso_around_latents_is_a_region_of_the_map_and_back(screen, case):
    result, cube = case
    screen.run("document.getElementById('scatter-panel').open = true")
    screen.wait("page.models['scatter-points'].data.row.length > 0")
    screen.idle()
    points = screen.run(
        "const d = page.models['scatter-points'].data;"
        "return [d.x, d.y, d.row, d.column].map((each) => [...each])"
    )
    x, y, row, column = (np.array(each) for each in points)
    assert len(row) == SHAPE[0] * SHAPE[1] - 1  # all but the masked one
    latent = result["latent_cube"].values[row, column]
    assert np.array_equal(np.stack([x, y], axis=1).astype(np.float32), latent[:, :2])
    lasso = "{geometry: {type: 'poly', x: [1.9, 2.5, 2.2], y: [-2.1, -2.1, 0]}}"
    screen.run(f"drawn({lasso}, 'choose')")
    label = result["label"].values
    screen.wait(f"document.getElementById('region').innerText.includes('{(label == 2).sum()} pix')")
    screen.idle()
    mean = cube.values[label == 2].mean(axis=0)
    assert np.allclose(screen.curve("region-curve"), mean, rtol=1e-6)
    alpha = np.array(screen.run("return [...page.models['scatter-points'].data.alpha]"))
    assert np.array_equal(alpha > 0.5, label[row, column] == 2)
    screen.run("ask('no-region')")
    screen.run("document.getElementById('scatter-panel').open = false")


def kept(screen, folder, count):
    """Wait until so many acts are in the folder; return the result that it has then."""
    from spectessera.edits import read_edits

    until, path = time.monotonic() + 8, folder / "edits.toml"
    while len(read_edits(path) if path.exists() else ()) != count and time.monotonic() < until:
        time.sleep(0.02)
    return spt.read_result(folder)


def test_corrections_change_map_and_files_and_undo_restores_the_bits(screen, case, viewer, folder):
    from PIL import Image

    from spectessera.colours import paint
    from spectessera.edits import Mask, Merge, Rename, Runs, apply_edits
    from spectessera.result import cluster_names

    result = case[0]
    screen.choose("left", "label")
    screen.run("edit('rename', {cluster: 2, name: arguments[0]})", HOSTILE)
    screen.wait("page.about.clusters[1].given")
    screen.idle()
    named = "return document.querySelectorAll('#clusters .name')[1].value"
    assert screen.run(named) == cluster_names(viewer.result)[2]
    assert screen.run("return document.querySelectorAll('#clusters script, img').length") == 0
    for number in (0, 2):
        screen.run(f"document.querySelectorAll('#clusters .number')[{number}].click()")
    screen.run("document.getElementById('merge').click()")
    screen.wait("page.about.clusters.length === 2")
    screen.idle()
    merged = apply_edits(result, [Rename(2, HOSTILE), Merge((1, 3))])
    assert viewer.result.identical(merged)
    assert np.array_equal(image(screen)[0], merged["label"].values.ravel())
    screen.hover(18, 10)
    assert "cluster 1" in screen.text("pixel")
    screen.run("ask('latents', {first: 0, second: 1})")
    screen.idle()
    screen.run("ask('choose', {corners: [[1.9, -2.1], [2.5, -2.1], [2.2, 0]]}, 'region')")
    screen.wait("page.drawn")
    screen.run("document.getElementById('mask').click()")
    screen.wait("page.about.clusters[1].size === 0")
    screen.idle()
    act = Mask(Runs.of(merged["label"].values == 2))
    assert viewer.result.identical(apply_edits(merged, [act]))
    assert kept(screen, folder, 3).identical(viewer.result.drop_vars("latent_cube"))
    with Image.open(folder / "labels.png") as labels:
        side = labels.width // SHAPE[1]
        seen = np.array(labels)[side // 2 :: side, side // 2 :: side]
    assert np.array_equal(seen, paint(viewer.result["label"].values))
    for _ in range(3):
        screen.run("document.getElementById('undo').click()")
        screen.idle()
    screen.wait("!page.about.edits.undo")
    screen.idle()
    assert viewer.result.identical(result)
    assert np.array_equal(image(screen)[0], result["label"].values.ravel())
    assert kept(screen, folder, 0).identical(result)
    screen.run("document.getElementById('redo').click()")
    screen.wait("page.about.clusters[1].given")
    screen.run("document.getElementById('undo').click()")
    screen.wait("!page.about.clusters[1].given")
    screen.run("ask('no-region')")
    screen.idle()
    assert screen.errors() == []


def test_names_that_are_typed_one_after_the_other_are_all_kept(screen, viewer):
    before = viewer.result
    names = ("robe", "sky", "gold")
    for number, name in enumerate(names):  # faster than the answers
        screen.run(f"edit('rename', {{cluster: {number + 1}, name: '{name}'}})")
    field = "document.querySelectorAll('#clusters .name')[1]"
    screen.run(f"{field}.focus(); {field}.value = 'ultra'")
    screen.wait("page.about.clusters[2].given")
    screen.idle()
    assert [each.name for each in viewer.state.clusters] == list(names)
    assert screen.run(f"return document.activeElement === {field} && {field}.value") == "ultra"
    screen.run(f"{field}.blur()")
    screen.wait("page.about.clusters[1].name === 'ultra'")
    for _ in (*names, "ultra"):
        screen.run("edit('undo')")
    screen.wait("!page.about.edits.undo")
    screen.idle()
    assert viewer.result.identical(before)


def test_a_photograph_lies_under_the_map_where_its_points_say(screen, folder):
    from spectessera.viewer.points import read_points

    screen.run("document.getElementById('photo-panel').open = true")
    for x, y in ((2, 1), (18, 2), (3, 10), (17, 11)):
        # The centre of a pixel of the map, and the same place in the photograph.
        screen.run(f"photo_clicked({{x: {6 * (x + 0.5)}, y: {6 * (y + 0.5)}}})")
        screen.run(f"tapped({{x: {x}, y: {y}}})")
        screen.wait("page.photo_at === null")
        screen.idle()
    assert "affine by 4 pairs: residual" in screen.text("photo-fit")
    pairs = read_points(folder.parent / "points.csv")
    assert np.allclose(pairs.image, 6 * pairs.map)
    screen.run("document.getElementById('opacity').value = 0; opacity(); fit()")
    screen.idle()
    time.sleep(0.1)
    for y, x in ((6, 5), (3, 15), (9, 9)):
        seen = screen.pixel(x, y)
        assert np.abs(np.array(seen) - [20 * y, 12 * x, 255 - 20 * y]).max() <= 2
    screen.choose("kind", "projective")
    assert "projective by 4 pairs" in screen.text("photo-fit")
    screen.run("document.querySelector('#pairs button').click()")
    screen.wait("document.querySelectorAll('#pairs li').length === 3")
    assert "1 more pair" in screen.text("photo-fit")
    assert screen.errors() == []
