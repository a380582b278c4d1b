"""The figures of the paper, from made-up arrays whose truth is known.

The figures of a result, of a reference and of the network are here, too. What holds for all figures
is checked for each of them by :func:`check`.
"""

import io
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import FancyBboxPatch

from spectessera.axis import Axis
from spectessera.colours import MASKED, colours, paint
from spectessera.evaluate import compare
from spectessera.plots import autoencoder as networkplots
from spectessera.plots import paper as paperplots
from spectessera.plots import reference as scoreplots
from spectessera.plots import result as plots
from spectessera.plots.drawing import save_png

CHANNELS = 300
LARGEST = 300_000  # bytes of a figure at 100 dots per inch


def hexes(n):
    """Return the palette as hexadecimal codes of matplotlib."""
    return [to_hex(each / 255) for each in colours(n)]


def chance(seed=0):
    return np.random.default_rng(seed)


def label_map(shape, k, *, empty=0):
    """Return labels (y, x), 1..k in oblique blocks; a corner is masked, ``empty`` has no pixel."""
    height, width = shape
    y, x = np.mgrid[:height, :width]
    label = ((x * k // width + 2 * (y * 3 // height)) % k + 1).astype(np.int32)
    label[label == empty] = 1 if empty != 1 else 2
    label[: max(1, height // 10), : max(1, width // 8)] = 0
    return label


def made(shape=(40, 60), k=4, *, empty=0, wcs=False, latent=3, gap=False):
    """Return a result as of segment and its cube: cluster n has one line, its own."""
    label, generator = label_map(shape, k, empty=empty), chance()
    channel = np.arange(CHANNELS)
    x = np.linspace(4750, 9350, CHANNELS) + np.where(channel >= CHANNELS // 2, 600 * gap, 0)
    center = CHANNELS * np.arange(1, k + 1)[:, None] / (k + 1)
    line = 0.05 + 0.8 * np.exp(-0.5 * ((channel - center) / 4) ** 2)  # (k, channel)
    values = 20 * line[np.maximum(label, 1) - 1] + generator.normal(0, 0.5, (*shape, CHANNELS))
    values[label == 0] = np.nan
    size = np.bincount(label.ravel(), minlength=k + 1)[1:]
    points = chance(1).normal(0, 4, (k, latent))[np.maximum(label, 1) - 1]
    points = np.where(label[..., None] > 0, points + generator.normal(0, 0.6, points.shape), np.nan)
    attributes = {"units": "angstrom", "axis_kind": "wavelength", "medium": "air"}
    image = ("y", "x"), np.where(label > 0, generator.random(shape), np.nan)
    inner, has = ("cluster", "input_channel"), (size > 0)[:, None]
    attrs = {"n_clusters": k, "unit": "counts"} | ({"wcs": "WCSAXES = 2"} if wcs else {})
    result = xr.Dataset(
        {
            "label": (("y", "x"), label),
            "confidence": image,
            "mean_spectrum": (("cluster", "channel"), 20 * line * has),
            "input_mean": (inner, line * has),
            "reconstructed_mean": (inner, (line + 0.02) * has),
            "decoded_mean": (inner, line + 0.04 * np.sin(channel / 9)),
            "size": ("cluster", size),
            "score": ("k", generator.random(9)),
            "score_error": ("k", np.full(9, 0.02)),
            "integrated_input": image,
            "integrated_decoded": image,
            "integrated_latent": image,
            "latent_cube": (("y", "x", "latent"), points),
        },
        coords={
            "cluster": np.arange(1, k + 1),
            "k": np.arange(2, 11),
            "wavelength": ("channel", x, attributes),
            "input_axis": ("input_channel", x, attributes),
        },
        attrs=attrs,
    )
    cube = xr.DataArray(
        values.astype(np.float32),
        dims=("y", "x", "channel"),
        coords={"wavelength": ("channel", x, attributes)},
        attrs={"unit": "counts"},
    )
    return result, cube


def labels_of(result):
    """Return the label map with the attributes that decide where row 0 is."""
    return result["label"].assign_attrs(result.attrs)


def reference_of(label, classes):
    """Return a reference: the labels with every seventh diagonal set to class 1.

    More classes than there are clusters: half of cluster 1 is the last one.
    """
    y, x = np.indices(label.shape)
    found = np.minimum(label, classes)
    if classes > label.max():
        found = np.where((label == 1) & (x % 2 == 0), classes, found)
    return np.where(label == 0, 0, np.where((x + y) % 7 == 0, 1, found))


def rows_of_history(epochs=12, **left_out):
    """Return rows as training makes them, with schedules; gamma starts at epoch 2."""
    rows = []
    for epoch in range(epochs):
        gamma = 0.01 * max(0, epoch - 1)
        row = {"epoch": epoch, "learning_rate": 1e-3, "beta": 0.1, "gamma": gamma}
        terms = {"total": 1.5 / (epoch + 1), "reconstruction": 1 / (epoch + 1), "discrepancy": 0.3}
        if gamma:
            terms |= {"cluster": 0.2, "silhouette": 0.6}
            row["k"] = [2, 3, 3, 3, 4 + epoch % 2]
        row |= terms | {f"validation_{name}": 1.1 * each for name, each in terms.items()}
        rows.append({name: each for name, each in row.items() if name not in left_out})
    return rows


SCENES = {
    "plain": {},
    "twelve": {"shape": (60, 150), "k": 12, "wcs": True, "gap": True},
    "two": {"k": 2, "latent": 2, "shape": (50, 40)},
    "one row": {"shape": (1, 60), "k": 3, "empty": 2, "latent": 1},
    "tall": {"shape": (150, 30), "k": 12, "empty": 5, "latent": 6},
}


def figures(scene):
    """Return all figures of a scene, by name, each not yet made."""
    result, cube = made(**SCENES[scene])
    label, k = labels_of(result), result.attrs["n_clusters"]
    classes = {"two": 3, "twelve": 11}.get(scene, k)
    reference = reference_of(label.values, classes)
    names = [f"{'a rather long name' if n % 2 else 'paint'} {n}" for n in range(1, classes + 1)]
    scores = compare(label.values, reference, names=names)
    rgb = chance(3).integers(0, 255, (classes, 3))
    image = rgb[np.maximum(reference, 1) - 1].astype(np.uint8)
    maps = xr.concat([label] * 8, "level", combine_attrs="override")
    psnr = (np.inf, 40, 35, 30, 25, 20, 15, 10)
    weighted = {"accuracy": chance().random((3, 8)), "F1": chance(1).random((3, 8))}
    latent = result["latent_cube"]
    found = {
        "clusters": lambda: plots.clusters(result),
        "integrated": lambda: plots.integrated(result),
        "scores": lambda: plots.scores(result),
        "seed_image": lambda: paperplots.seed_image(image, reference, rgb),
        "segmentation": lambda: paperplots.segmentation(result, cube),
        "means": lambda: paperplots.means(result),
        "masked_rgb": lambda: paperplots.masked_rgb(image, label, k),
        "class_masks": lambda: scoreplots.class_masks(label, reference, scores),
        "confusion": lambda: scoreplots.confusion(scores),
        "degradation": lambda: scoreplots.degradation(maps, psnr, weighted, k),
        "latent_grid": lambda: networkplots.latent_grid(latent, label, generator=chance()),
    }
    if latent.shape[2] > 2:
        found["latent_3d"] = lambda: networkplots.latent_3d(latent, label, generator=chance())
    return found


def words(axes):
    """Return the texts of the axes that a reader must be able to read."""
    texts = [axes.title, axes._left_title, *axes.texts]
    if axes.axison and axes.name != "3d":
        texts += [axes.xaxis.label, axes.yaxis.label]
    return [text for text in texts if text.get_visible() and text.get_text()]


def check(figure):
    """Assert what holds for every figure: nothing cut off, empty or overlapping, and not large."""
    written = io.BytesIO()
    figure.savefig(written, dpi=100)
    assert written.tell() < LARGEST
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 > -0.02
    assert box.y0 > -0.02
    assert box.x1 < width + 0.02
    assert box.y1 < height + 0.02
    for axes in figure.axes:
        assert axes.has_data() or axes.texts or axes.patches
    attributes = [
        (text.get_text(), text.get_window_extent()) for axes in figure.axes for text in words(axes)
    ]
    for (one, first), (other, second) in combinations(attributes, 2):
        assert not first.padded(-1).overlaps(second.padded(-1)), (one, other)


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_is_cut_off_empty_overlapping_or_large(scene):
    """Two and twelve clusters, one row, a cluster without pixels, a class without a cluster."""
    for name, make in figures(scene).items():
        figure = make()
        try:
            check(figure)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


@pytest.mark.parametrize("scene", ["plain", "twelve"])
def test_sky_images_have_y_upwards_and_scans_downwards(scene):
    for name, make in figures(scene).items():
        if name in ("seed_image", "confusion", "scores", "means", "latent_3d"):
            continue
        axes = make().axes[0]
        low, high = axes.get_ylim()
        assert (low < high) == (scene == "twelve"), name


def test_the_figures_need_neither_pyplot_nor_torch():
    script = (
        "import sys; from spectessera.plots import autoencoder, paper, reference, result, search; "
        "assert not {'torch', 'matplotlib.pyplot'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# --- plots ---------------------------------------------------------------------------------------


def test_masked_pixels_are_grey_in_every_image():
    result, _ = made()
    masked = result["label"].values == 0
    for figure in (plots.clusters(result), plots.integrated(result)):
        images = [axes.images[0] for axes in figure.axes if axes.images]
        for image in images:
            shown = image.to_rgba(image.get_array(), bytes=True)[..., :3]
            assert (shown[masked] == MASKED).all()


def test_the_history_has_a_panel_for_all_that_was_recorded_and_no_other():
    rows = rows_of_history()
    titles = [axes.get_title() for axes in plots.history(rows, best_epoch=7).axes]
    assert titles == [
        "total loss", "reconstruction", "discrepancy (MMD)", "cluster term", "silhouette",
        "k chosen in the batches", "weights of the terms", "learning rate",
    ]  # fmt: skip
    plain = [{n: v for n, v in row.items() if "total" in n or n == "epoch"} for row in rows]
    assert [axes.get_title() for axes in plots.history(plain).axes] == ["total loss"]


@pytest.mark.parametrize("epochs", [1, 2, 12])
def test_the_history_shows_the_recorded_numbers(epochs):
    rows = rows_of_history(epochs)
    figure = plots.history(rows, best_epoch=0)
    check(figure)
    training, validation, best = figure.axes[0].lines
    assert training.get_ydata().tolist() == [row["total"] for row in rows]
    assert validation.get_ydata().tolist() == [row["validation_total"] for row in rows]
    assert list(best.get_xdata()) == [0, 0]
    by_title = {axes.get_title(): axes for axes in figure.axes}
    beta, gamma = by_title["weights of the terms"].lines[:2]
    assert beta.get_ydata().tolist() == [0.1] * epochs
    assert gamma.get_ydata().tolist() == [row["gamma"] for row in rows]


def test_the_chosen_k_is_drawn_as_its_spread_over_the_batches():
    figure = plots.history(rows_of_history())
    (axes,) = [each for each in figure.axes if each.get_title().startswith("k chosen")]
    whole, half = (each.get_paths()[0].vertices for each in axes.collections)
    assert (whole[:, 1].min(), whole[:, 1].max()) == (2, 5)
    assert (half[:, 1].min(), half[:, 1].max()) == (3, 3)
    assert axes.lines[0].get_xdata().tolist() == list(range(2, 12))  # gamma was 0 before
    assert set(axes.lines[0].get_ydata()) == {3}


def test_a_loss_that_is_not_positive_has_no_logarithmic_scale():
    rows = [{"epoch": epoch, "total": 1.0 - epoch} for epoch in range(3)]
    assert plots.history(rows).axes[0].get_yscale() == "linear"


def test_a_history_without_epochs_is_an_error():
    with pytest.raises(ValueError, match="no epoch"):
        plots.history([])


# --- paperplots ----------------------------------------------------------------------------------


def test_the_seed_image_is_beside_its_colours_and_their_shares():
    label = np.array([[1, 1, 2, 0], [1, 3, 2, 2]])
    rgb = np.array([[250, 10, 20], [0, 128, 255], [90, 90, 0]])
    image = chance().integers(0, 255, (2, 4, 3)).astype(np.uint8)
    figure = paperplots.seed_image(image, label, rgb)
    check(figure)
    left, middle, right = figure.axes
    assert (left.images[0].get_array() == image).all()
    shown = np.asarray(middle.images[0].get_array())
    assert np.allclose(255 * shown[label > 0], rgb[label[label > 0] - 1])
    assert np.allclose(255 * shown[label == 0], MASKED)
    assert [bar.get_width() for bar in right.patches] == pytest.approx([300 / 7, 300 / 7, 100 / 7])
    assert [to_rgb(bar.get_facecolor()) for bar in right.patches] == [tuple(c / 255) for c in rgb]


def test_the_segmentation_shows_the_labels_and_the_means_of_clusters_with_pixels():
    result, cube = made(k=5, empty=3)
    image, strip, cells, _, made_means, input_means = paperplots.segmentation(result, cube).axes
    drawn = image.images[0]
    shown = drawn.to_rgba(drawn.get_array(), bytes=True)[..., :3]
    assert (shown == paint(result["label"].values)).all()
    for axes, name in ((made_means, "reconstructed_mean"), (input_means, "input_mean")):
        found = {to_hex(line.get_color()): line.get_ydata() for line in axes.lines}
        assert list(found) == [each for n, each in enumerate(hexes(5), start=1) if n != 3]
        assert np.allclose(found[hexes(5)[3]], result[name].sel(cluster=4))
        assert axes.get_xlabel() == "air wavelength (angstrom)"
    sizes = result["size"].values
    assert [bar.get_height() for bar in strip.patches] == sizes.tolist()
    assert [to_hex(bar.get_facecolor()) for bar in strip.patches] == hexes(5)
    assert cells.get_ylim() == (sizes.sum(), 0)


def test_the_flattened_cube_is_in_the_order_of_the_labels_and_leaves_masked_pixels_out():
    """Cluster n has its line at n / (k + 1) of the channels: bright cells go down a stair."""
    result, cube = made(k=4)
    mesh = paperplots.segmentation(result, cube).axes[2].collections[0]
    edges = mesh.get_coordinates()[:, 0, 1]
    assert edges[0] == 0
    assert edges[-1] == result["size"].values.sum()
    values = np.asarray(mesh.get_array())
    assert np.isfinite(values).all()
    bounds = np.searchsorted(edges, np.cumsum(result["size"].values))
    for rows, cluster in zip(np.split(values, bounds[:-1]), range(1, 5), strict=True):
        assert len(rows)
        peak = rows.argmax(axis=1) / values.shape[1]
        assert np.allclose(peak, cluster / 5, atol=0.02)


def test_what_is_not_finite_does_not_spoil_the_flattened_cube():
    result, cube = made(k=2)
    cube[20, 30, 5] = np.inf
    cube[21, 30, 6] = np.nan
    mesh = paperplots.segmentation(result, cube).axes[2].collections[0]
    assert np.isfinite(np.asarray(mesh.get_array())).all()


def test_a_gap_of_the_axis_is_a_gap_in_images_and_lines():
    result, cube = made(gap=True)
    axes = paperplots.segmentation(result, cube).axes
    first, second = axes[2].collections
    assert second.get_coordinates()[0, 0, 0] - first.get_coordinates()[0, -1, 0] > 500
    assert all(np.isnan(line.get_ydata()).sum() == 1 for line in axes[4].lines)


def test_the_three_means_stand_over_their_difference():
    result, _ = made(k=5, empty=2)
    figure = paperplots.means(result)
    assert len(figure.axes) == 2 * 4  # no panel for the cluster without pixels
    for upper, lower, cluster in zip(
        figure.axes[::2], figure.axes[1::2], (1, 3, 4, 5), strict=True
    ):
        one = result.sel(cluster=cluster)
        share = 100 * one["size"].item() / result["size"].values.sum()
        assert upper.get_title() == f"cluster {cluster}: {share:.1f} %"
        reconstructed, decoded = (line.get_ydata() for line in upper.lines)
        assert np.allclose(reconstructed, one["reconstructed_mean"])
        assert np.allclose(decoded, one["decoded_mean"])
        for axes, truth in (
            (upper, one["input_mean"]),
            (lower, abs(one["input_mean"] - one["decoded_mean"])),
        ):
            (area,) = axes.collections
            assert to_hex(area.get_facecolor()[0]) == hexes(5)[cluster - 1]
            assert area.get_paths()[0].vertices[:, 1].max() == pytest.approx(truth.values.max())


def test_a_masked_image_shows_the_pixels_of_one_cluster_and_greys_the_rest():
    label = label_map((12, 20), 3, empty=2)
    image = chance().integers(0, 200, (12, 20, 3)).astype(np.uint8)
    panels = paperplots.masked_rgb(image, label, 3).axes
    assert len(panels) == 3
    for cluster, axes in enumerate(panels, start=1):
        shown = np.asarray(axes.images[0].get_array())
        assert (shown[label == cluster] == image[label == cluster]).all()
        assert (shown[label != cluster] == MASKED).all()
        assert to_hex(axes.spines["left"].get_edgecolor()) == hexes(3)[cluster - 1]
    assert panels[1].get_title() == "cluster 2: no pixels"


# --- scoreplots ----------------------------------------------------------------------------------

# Clusters 2, 3 and 5 match classes 1, 2 and 3; class 4 has no cluster left, pixel 0 no label.
LABEL = np.array([[0, 2, 2, 2, 3, 3], [5, 5, 5, 3, 2, 2]])
REFERENCE = np.array([[1, 1, 1, 1, 2, 2], [3, 3, 4, 1, 1, 2]])


def kinds_of(axes):
    """Return the colours (y, x) of a map."""
    drawn = axes.images[0]
    shown = drawn.to_rgba(drawn.get_array(), bytes=True)[..., :3]
    return np.array([[to_hex(pixel / 255) for pixel in line] for line in shown])


def test_masks_errors_and_counts_of_a_class_are_those_of_its_cluster():
    scores = compare(LABEL, REFERENCE, names=["white", "red", "blue", "green"])
    figure = scoreplots.class_masks(LABEL, REFERENCE, scores)
    check(figure)
    panels = np.reshape(figure.axes, (4, 4))
    cluster, reference, errors, counts = panels[0]
    left_out, two = LABEL == 0, hexes(2)[1]
    grey, white = to_hex(MASKED / 255), "#ffffff"
    wanted = np.where(left_out, grey, np.where(LABEL == 2, two, white))
    assert (kinds_of(cluster) == wanted).all()
    wanted = np.where(left_out, grey, np.where(REFERENCE == 1, two, white))
    assert (kinds_of(reference) == wanted).all()
    found = kinds_of(errors)
    positive, negative = (to_hex(c) for c in (scoreplots.FALSE_POSITIVE, scoreplots.FALSE_NEGATIVE))
    assert (found == positive).tolist() == ((LABEL == 2) & (REFERENCE != 1)).tolist()
    missed = (LABEL != 2) & (REFERENCE == 1) & ~left_out
    assert (found == negative).tolist() == missed.tolist()
    assert [text.get_text() for text in counts.texts] == [
        "4\n36.4 %", "1\n9.1 %", "1\n9.1 %", "5\n45.5 %"
    ]  # fmt: skip
    assert [axes.get_title() for axes in panels[:, 0]] == [
        "cluster 2", "cluster 3", "cluster 5", "no cluster"
    ]  # fmt: skip
    assert panels[2, 1].get_title() == "class blue"


def test_a_class_without_a_cluster_is_missed_wholly():
    scores = compare(LABEL, REFERENCE)
    figure = scoreplots.class_masks(LABEL, REFERENCE, scores)
    cluster, _, errors, counts = np.reshape(figure.axes, (4, 4))[3]
    assert set(kinds_of(cluster).ravel()) == {to_hex(MASKED / 255), "#ffffff"}
    missed = kinds_of(errors) == to_hex(scoreplots.FALSE_NEGATIVE)
    assert missed.tolist() == (REFERENCE == 4).tolist()
    assert [text.get_text().split()[0] for text in counts.texts] == ["0", "1", "0", "10"]


def test_the_confusion_is_in_per_cent_of_all_pixels_with_a_column_for_other_clusters():
    label = np.array([[1, 1, 1, 2, 2, 3, 3, 3, 3, 4]])
    reference = np.array([[1, 1, 2, 2, 2, 2, 3, 3, 3, 1]])
    figure = scoreplots.confusion(compare(label, reference, names=["ink", "gold", "sky"]))
    check(figure)
    (axes,) = figure.axes
    found = np.reshape([text.get_text() for text in axes.texts], (3, 4))
    assert found.tolist() == [
        ["20.00", "0", "0", "10.00"],
        ["10.00", "20.00", "10.00", "0"],
        ["0", "0", "30.00", "0"],
    ]
    ticks = axes.get_xticklabels()
    assert [tick.get_text() for tick in ticks] == ["1", "2", "3", "other"]
    assert [to_hex(tick.get_color()) for tick in ticks[:3]] == hexes(3)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["ink", "gold", "sky"]
    assert "weighted accuracy 0.830, F1" in axes.get_title()


def test_noise_grows_to_the_right_and_seeds_make_a_band():
    maps = np.stack([label_map((12, 20), 3)] * 3)
    weighted = {"accuracy": np.array([[0.5, 0.9, 0.8], [0.7, 0.9, 0.6]]), "F1": [0.4, 0.8, 0.6]}
    figure = scoreplots.degradation(maps, [10, np.inf, 30], weighted, 3)
    check(figure)
    *panels, below = figure.axes
    assert [axes.get_title() for axes in panels] == ["10 dB", "no noise", "30 dB"]
    assert (kinds_of(panels[0])[maps[0] == 2] == hexes(3)[1]).all()
    assert [tick.get_text() for tick in below.get_xticklabels()] == ["no noise", "30", "10"]
    accuracy, f1 = (line.get_ydata() for line in below.lines)
    assert np.allclose(accuracy, [0.9, 0.7, 0.6])
    assert np.allclose(f1, [0.8, 0.6, 0.4])
    (band,) = below.collections  # one seed has none
    found = band.get_paths()[0].vertices
    assert found[found[:, 0] == 1][:, 1].min() == pytest.approx(0.6)
    assert found[found[:, 0] == 1][:, 1].max() == pytest.approx(0.8)


# --- networkplots --------------------------------------------------------------------------------


def bars(figure):
    """Return the heights of the bars that stand for layers."""
    (axes,) = figure.axes
    return [each.get_height() for each in axes.patches if isinstance(each, FancyBboxPatch)]


def test_the_network_has_a_bar_per_layer_and_its_width_above():
    figure = networkplots.network(
        1024, (512, 256, 32), 3, (128, 256), block="snn", output="softmax"
    )
    check(figure)
    numbers = [text.get_text() for text in figure.axes[0].texts if text.get_text().isdigit()]
    assert numbers == ["1024", "512", "256", "32", "3", "128", "256", "1024"]
    heights = bars(figure)
    assert len(heights) == 8
    assert np.argsort(np.argsort(heights))[4] == 0  # the latent is the lowest
    assert heights[0] == heights[-1] == max(heights)
    assert "SNN" in figure.get_supxlabel()
    assert "softmax" in figure.get_supxlabel()


@pytest.mark.parametrize("depth", [0, 1, 9])
@pytest.mark.parametrize("linear_path", [False, True])
def test_the_two_heads_of_a_variational_network_are_drawn_at_any_depth(depth, linear_path):
    widths = tuple(900 // (i + 2) for i in range(depth))
    figure = networkplots.network(
        900, widths, 2, widths[::-1], dropout=0.1, variational=True, latent_activation="tanh",
        linear_path=linear_path, output="sigmoid",
    )  # fmt: skip
    check(figure)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"mean", "log variance", "z"} <= set(texts)
    assert ("linear path" in texts) == linear_path
    assert len(bars(figure)) == 2 * depth + 2 + 3
    assert "Dropout(0.1)" in figure.get_supxlabel()


def test_the_latent_grid_has_maps_histograms_points_and_contours():
    result, _ = made(k=3)
    latent, label = result["latent_cube"].values, result["label"].values
    figure = networkplots.latent_grid(latent, label, generator=chance(), points=500)
    maps = [axes for axes in figure.axes if axes.images and axes.get_title()]
    assert [axes.get_title() for axes in maps] == ["latent 1", "latent 2", "latent 3"]
    for number, axes in enumerate(maps):
        shown = np.ma.filled(axes.images[0].get_array(), np.nan)
        assert np.array_equal(shown, latent[..., number], equal_nan=True)
    pairs = [axes for axes in figure.axes if axes.get_xlabel().startswith("latent")]
    assert len(pairs) == 9
    for place, axes in enumerate(pairs):
        row, column = divmod(place, 3)
        if row == column:
            assert [to_hex(each.get_facecolor()) for each in axes.patches] == hexes(3)[::-1]
        elif row > column:
            (points,) = axes.collections
            assert len(points.get_offsets()) == 500
            known = {tuple(pair) for pair in latent[label > 0][:, [column, row]]}
            assert all(tuple(pair) in known for pair in points.get_offsets().data)
            assert {to_hex(each) for each in points.get_facecolors()} == set(hexes(3))
        else:
            assert [to_hex(each.get_edgecolor()[0]) for each in axes.collections] == hexes(3)


def test_points_are_drawn_by_the_given_generator():
    result, _ = made(k=3)
    latent, label = result["latent_cube"], result["label"]

    def drawn(seed):
        figure = networkplots.latent_3d(latent, label, generator=chance(seed), points=50)
        return np.array(figure.axes[0].collections[0]._offsets3d)

    assert np.array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))
    assert drawn(1).shape == (3, 50)


def test_latents_that_do_not_vary_can_be_drawn():
    label = label_map((10, 12), 2)
    check(networkplots.latent_grid(np.zeros((10, 12, 2)), label, generator=chance()))


def test_three_axes_are_chosen_among_many_and_fewer_are_an_error():
    result, _ = made(latent=5)
    figure = networkplots.latent_3d(
        result["latent_cube"], result["label"], generator=chance(), axes=(4, 0, 2)
    )
    assert figure.axes[0].get_xlabel() == "latent 5"
    with pytest.raises(ValueError, match="has 2 axes"):
        networkplots.latent_3d(np.zeros((4, 5, 2)), np.ones((4, 5), int), generator=chance())


def test_the_weights_are_shown_layer_by_layer():
    generator = chance()
    arrays = {
        "encoder.0.weight": generator.normal(size=(512, 1024)),
        "encoder.0.bias": generator.normal(size=512),
        "mean_head.weight": np.zeros((3, 512)),
    }
    axis = Axis(np.linspace(0.5, 38.5, 1024), unit="keV")
    figure = networkplots.weights(arrays, axis)
    check(figure)
    first, encoder, head = [axes for axes in figure.axes if axes.get_title()]
    assert first.get_xlabel() == "energy (keV)"
    small = np.asarray(first.collections[0].get_array())
    assert small.mean() == pytest.approx(arrays["encoder.0.weight"].mean(), abs=2e-3)
    assert "512 x 1024" in encoder.get_title()
    assert sum(bar.get_height() for bar in encoder.patches) == 512 * 1024
    assert sum(bar.get_height() for bar in head.patches) == 3 * 512


def test_few_weights_are_shown_each_for_itself():
    values = chance().normal(size=(5, 7))
    axes = networkplots.weights({"one": values}).axes[0]
    assert np.array_equal(np.asarray(axes.collections[0].get_array()), values)
    assert not [each for each in axes.get_children() if isinstance(each, AxesImage)]


def test_arrays_without_weights_are_an_error():
    with pytest.raises(ValueError, match=r"no array of two dimensions among \['bias'\]"):
        networkplots.weights({"bias": np.zeros(3)})


def test_a_saved_figure_has_the_bytes_of_matplotlibs_own_file():
    def figure() -> Figure:
        made = Figure(figsize=(4, 3), layout="constrained")
        left, right = made.subplots(1, 2)
        drawn = left.imshow(np.arange(12).reshape(3, 4))
        made.colorbar(drawn, ax=left, label="counts")
        right.semilogy([1, 2, 3], [1, 100, 20], label="line")
        made.legend(loc="outside right center")
        return made

    expected, written = io.BytesIO(), io.BytesIO()
    figure().savefig(expected, format="png", dpi=70, metadata={"Software": None})
    save_png(figure(), written, 70, metadata={"Software": None})
    assert written.getvalue() == expected.getvalue()
