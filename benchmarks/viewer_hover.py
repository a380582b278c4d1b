"""The viewer on a map of 2048 x 2048 pixels: the mouse moves 20 times a second over it.

    python -m benchmarks.viewer_hover FOLDER [--side 2048] [--moves 200]

Writes a cube as Zarr into FOLDER (unless it is there) and a result of it, opens both in headless
Chromium, and moves the mouse by events of the browser, as a hand would. Of each answer the time
from the request to what the page shows is taken by the page itself; of each view, after a zoom.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np

from .viewer import browser, pair, wait

TITLE = "The viewer under the mouse"
CHANNELS, CLUSTERS, CHUNK = 64, 6, 64
PER_SECOND = 20
PLACE = """
const view = Bokeh.index.find_one(page.models["map-left"]);
const box = view.canvas.el.getBoundingClientRect(), {x_scale, y_scale} = view.frame;
const [rows, columns] = page.about.shape;
const [left, top] = [x_scale.compute(0), y_scale.compute(0)];
return [box.left + left, box.top + top, x_scale.compute(columns - 1) - left,
        y_scale.compute(rows - 1) - top];
"""


def make_store(path: Path, side: int) -> None:
    """Write counts along an energy axis, uint16."""
    import zarr

    rng, label = np.random.default_rng(0), labels(side)
    shape, chunks = (side, side, CHANNELS), (CHUNK, CHUNK, CHANNELS)
    group = zarr.open_group(path, mode="w")
    cube = group.create_array("cube", shape=shape, chunks=chunks, dtype="u2",
                              dimension_names=("y", "x", "channel"))  # fmt: skip
    means = rng.gamma(0.6, 8.0, (CLUSTERS + 1, CHANNELS))
    for first in range(0, side, CHUNK):
        cube[first : first + CHUNK] = rng.poisson(means[label[first : first + CHUNK]])
    energy = group.create_array("energy", data=np.linspace(1.0, 20.0, CHANNELS),
                                dimension_names=("channel",))  # fmt: skip
    energy.attrs["units"] = "keV"


def labels(side: int) -> np.ndarray:
    """Return a label map with smooth borders and single pixels of another cluster."""
    y, x = np.mgrid[:side, :side] / side
    label = 1 + ((np.sin(7 * x + 3 * y) + np.cos(9 * y * x + x)) * 1.49 + 3).astype(int)
    rng = np.random.default_rng(1)
    rare = rng.random((side, side)) < 0.01
    return np.where(rare, rng.integers(1, CLUSTERS + 1, (side, side)), label).clip(1, CLUSTERS)


def result_of(side: int):
    """Return a result with the labels, made by hand."""
    import xarray as xr

    label = labels(side).astype(np.int32)
    confidence = np.random.default_rng(2).random((side, side), dtype=np.float32)
    number = np.arange(1, CLUSTERS + 1)
    return xr.Dataset(
        {
            "label": (("y", "x"), label),
            "confidence": (("y", "x"), confidence),
            "size": (("cluster",), np.bincount(label.ravel(), minlength=CLUSTERS + 1)[1:]),
        },
        coords={"cluster": number},
        attrs={"n_clusters": CLUSTERS, "source": "by hand"},
    )


def mouse(driver, x: float, y: float) -> None:
    """Move the mouse."""
    what = {"type": "mouseMoved", "x": x, "y": y, "pointerType": "mouse"}
    driver.execute_cdp_cmd("Input.dispatchMouseEvent", what)


def walk(driver, moves: int) -> float:
    """Move the mouse over the map, 20 times a second; return how many moves a second were made."""
    left, top, width, height = driver.execute_script(PLACE)
    places = np.random.default_rng(3).random((moves, 2)) * [width, height] + [left, top]
    start = time.monotonic()
    for count, (x, y) in enumerate(places):
        mouse(driver, float(x), float(y))
        time.sleep(max(0.0, start + (count + 1) / PER_SECOND - time.monotonic()))
    return moves / (time.monotonic() - start)


def zooms(driver, times: int) -> list[float]:
    """Zoom in and out; return the milliseconds until the page has the new view."""
    spent = []
    for step in range(times):
        driver.execute_script(
            "const {x_range, y_range} = page.models['map-left'];"
            "for (const r of [x_range, y_range]) {"
            "  const middle = (r.start + r.end) / 2, half = (r.end - r.start) / 2 * arguments[0];"
            "  r.setv({start: middle - half, end: middle + half}, {sync: false});"
            "}"
            "page.zoomed = performance.now(); seen();", 0.7 if step < times / 2 else 1 / 0.7,
        )  # fmt: skip
        idle(driver)
        spent.append(driver.execute_script("return lanes.get('view').took ?? 0"))
        time.sleep(0.1)
    return spent


def idle(driver) -> None:
    """Wait until the page waits for no answer."""
    wait(driver, "[...lanes.values()].every((each) => each.waiting === 0)")


def main(folder: Path, side: int = 2048, moves: int = 200) -> list[str]:
    """Measure, and return the lines of the section."""
    import spectessera as spt

    store = folder / f"hover-{side}.zarr"
    if not store.exists():
        make_store(store, side)
    load = os.getloadavg()[0]
    viewer = spt.view(result_of(side), spt.read(store, chunks="auto"), browser=False)
    driver = browser()
    try:
        driver.get(viewer.address)
        wait(driver, "document.documentElement.dataset.ready === 'yes'")
        idle(driver)
        driver.execute_script("page.answered = []; page.most = 0")
        speed = walk(driver, moves)
        idle(driver)
        answered, most = driver.execute_script("return [page.answered, page.most]")
        views = zooms(driver, 20)
    finally:
        driver.quit()
        viewer.close()
    hover = [float(each) for each in np.percentile(answered, (50, 95))]
    view = [float(each) for each in np.percentile(views, (50, 95))]
    in_time = 100 * np.mean(np.array(answered) <= 100)
    return [
        f"A map of {side} x {side} pixels, {CHANNELS} channels (Zarr), in headless Chromium; "
        f"{os.cpu_count()} processors with a load of {load:.1f} at the start; pairs are median / "
        "95 %.",
        "",
        f"{moves} moves of the mouse, {speed:.1f} a second, over the whole map: {len(answered)} "
        f"answered, {in_time:.1f} % of them within 100 ms, {pair(hover)} ms; at most {most} "
        f"request on the way at a time. A new view after a zoom: {pair(view)} ms.",
    ]


if __name__ == "__main__":
    from ._timing import measured

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--moves", type=int, default=200)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    lines = main(arguments.folder, arguments.side, arguments.moves)
    page = Path(__file__).parent / "viewer_hover.md"
    page.write_text("\n".join(measured(TITLE, lines)) + "\n", encoding="utf-8")
    print(page.read_text(encoding="utf-8"))
