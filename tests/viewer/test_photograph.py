"""A photograph is aligned by points, warped and read; what is not possible is said."""

import json

import numpy as np
import pytest
from PIL import Image
from skimage.transform import AffineTransform, ProjectiveTransform
from skimage.transform import warp as skimage_warp

from spectessera.viewer.images import read_image
from spectessera.viewer.photograph import align, warp
from spectessera.viewer.points import PointPairs, read_points, write_points

AFFINE = np.array([[0.11, 0.02, -3.0], [-0.03, 0.09, 5.0], [0.0, 0.0, 1.0]])
VIEW = np.array([[0.11, 0.02, -3.0], [-0.03, 0.09, 5.0], [1e-4, 3e-4, 1.0]])
POINTS = np.array([[10.0, 20], [900, 40], [850, 700], [30, 650], [400, 300], [600, 150]])


def moved(matrix, points):
    """Return where a matrix brings points, by another program."""
    return ProjectiveTransform(matrix)(points)


# --- alignment -------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "least"), [("affine", 3), ("projective", 4)])
@pytest.mark.parametrize("more", [0, 2])
def test_a_known_alignment_is_found_again(kind, least, more):
    truth = AFFINE if kind == "affine" else VIEW
    points = POINTS[: least + more]
    found = align(points, moved(truth, points), kind)
    elsewhere = np.array([[0.0, 0], [500, 500], [950, 720]])
    np.testing.assert_allclose(found.to_map(elsewhere), moved(truth, elsewhere), atol=1e-8)
    np.testing.assert_allclose(found.to_image(moved(truth, elsewhere)), elsewhere, atol=1e-6)
    assert found.rms < 1e-9
    assert (found.left_out is None) is (more == 0)
    assert ("so few always fit" in found.sentence()) is (more == 0)
    assert ("residual" in found.sentence()) is (more > 0)  # rounding errors are none


def estimated(points, partners):
    """Return the fit of scikit-image, which had no ``from_estimate`` before 0.26."""
    if hasattr(AffineTransform, "from_estimate"):
        return AffineTransform.from_estimate(points, partners)
    fit = AffineTransform()
    assert fit.estimate(points, partners)
    return fit


def test_residuals_are_distances_in_the_map_and_least():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1000, (20, 2))
    partners = moved(AFFINE, points) + rng.normal(0, 0.5, (20, 2))
    found = align(points, partners)
    other = estimated(points, partners)
    np.testing.assert_allclose(found.matrix, other.params, rtol=0.01)
    assert found.rms <= np.sqrt(np.mean(other.residuals(points, partners) ** 2))
    apart = np.linalg.norm(found.to_map(points) - partners, axis=1)
    np.testing.assert_allclose(found.residuals, apart)
    assert found.rms == pytest.approx(0.5 * np.sqrt(2 * 17 / 20), rel=0.2)
    assert (found.left_out > found.residuals).all()
    view = align(points, partners, "projective")  # has two more numbers to fit
    assert view.rms <= found.rms
    without = align(np.delete(points, 3, 0), np.delete(partners, 3, 0))
    want = np.linalg.norm(without.to_map(points[3]) - partners[3])
    assert found.left_out[3] == pytest.approx(want)


def test_one_wrong_pair_stands_out():
    partners = moved(AFFINE, POINTS)
    partners[4] += 30
    found = align(POINTS, partners)
    assert found.left_out.argmax() == 4
    assert found.left_out[4] > 30


LINE = np.array([[0.0, 0], [10, 10], [20, 20], [30, 30.001]])


@pytest.mark.parametrize(
    ("image", "partners", "kind", "match"),
    [
        (POINTS[:2], POINTS[:2], "affine", "at least 3 pairs"),
        (POINTS[:3], POINTS[:3], "projective", "at least 4 pairs"),
        (POINTS[:4], POINTS[:3], "affine", "partner"),
        (LINE, POINTS[:4], "affine", "in the image lie on a line"),
        (POINTS[:4], LINE, "affine", "in the map lie on a line"),
        (POINTS[[0, 0, 0, 1]], POINTS[:4], "affine", "different points"),
        (POINTS[:4], np.zeros((4, 2)), "affine", "different points"),
        (
            [[0, 0], [1, 1], [2, 2], [0, 2]], [[0, 0], [1, 1], [2, 2], [0, 2]], "projective",
            "three of the four",
        ),
        (
            [[0, 0], [1, 1], [2, 2], [0, 2]], [[0, 0], [1, 0], [1, 1], [0, 1]], "projective",
            "inverted|no plane",
        ),
        (POINTS[:4], POINTS[[1, 0, 2, 3]], "projective", "another order"),
        (np.full((3, 2), np.nan), POINTS[:3], "affine", "finite"),
        (POINTS[:3] * 1j, POINTS[:3], "affine", "real numbers"),
        (np.ones((3, 3)), POINTS[:3], "affine", "one x and one y"),
        (np.ones(6), POINTS[:3], "affine", "axes"),
        (POINTS[:3], POINTS[:3], "spline", "kind"),
    ],
)  # fmt: skip
def test_points_that_give_no_alignment_are_refused(image, partners, kind, match):
    with pytest.raises((ValueError, TypeError), match=match):
        align(image, partners, kind)


# --- warping ---------------------------------------------------------------------------------


def photo(height=120, width=160):
    """Return a smooth picture whose red rises along x and whose green rises along y."""
    image = np.zeros((height, width, 4), np.uint8)
    image[..., 0] = (np.arange(width) * 255 // (width - 1))[None]
    image[..., 1] = (np.arange(height) * 255 // (height - 1))[:, None]
    image[..., 3] = 255
    return image


@pytest.mark.parametrize("kind", ["affine", "projective"])
def test_warping_is_that_of_another_program(kind):
    truth = np.array([[0.9, 0.1, 3], [-0.1, 0.8, 12], [0, 0, 1.0]])
    if kind == "projective":
        truth[2, :2] = 1e-3, 2e-3
    corners = np.array([[0.0, 0], [160, 0], [160, 120], [0, 120]])
    found = align(corners, moved(truth, corners), kind)
    got = warp(photo(), found, (90, 110))
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # there, centres are whole numbers
    inverse = np.linalg.inv(half) @ np.linalg.inv(found.matrix) @ half
    want = 255 * skimage_warp(photo(), ProjectiveTransform(inverse), output_shape=(90, 110))
    inside = (got[..., 3] == 255) & (want[..., 3] > 254.5)
    assert inside.mean() > 0.5
    assert np.abs(got[inside].astype(float) - want[inside]).max() < 3
    assert (got[want[..., 3] < 1, 3] == 0).all()


def test_a_part_is_seen_at_any_resolution():
    found = align([[0, 0], [160, 0], [0, 120]], [[0, 0], [16, 0], [0, 12]])
    part = warp(photo(), found, (60, 80), part=(3, 9, 8, 16))
    np.testing.assert_allclose(part[..., 0].mean(), 255 * 0.75, atol=2)
    np.testing.assert_allclose(part[..., 1].mean(), 255 * 0.5, atol=2)
    assert part.shape == (60, 80, 4)


def test_many_pixels_under_one_are_averaged():
    """Every tenth column is white: a grey of 10 %, not stripes."""
    image = np.zeros((400, 400, 4), np.uint8)
    image[:, ::10, :3], image[..., 3] = 255, 255
    found = align([[0, 0], [400, 0], [0, 400]], [[0, 0], [20, 0], [0, 20]])
    got = warp(image, found, (20, 20))[1:-1, 1:-1, 0]
    np.testing.assert_allclose(got, 25.5, atol=4)


def test_nothing_is_seen_beyond_the_horizon():
    """Below its row 50, this picture shows the sky: the matrix would put that upside down."""
    truth = np.array([[1.0, 0, -150], [0, 1, -150], [0, -0.02, 1]])
    corners = np.array([[0.0, 0], [100, 0], [100, 30], [0, 30]])
    found = align(corners, moved(truth, corners), "projective")
    sky = moved(truth, np.array([[50.0, 90.0]]))
    np.testing.assert_allclose(found.to_map([[50.0, 90.0]]), sky)
    assert (sky > 0).all()
    assert (warp(photo(100, 100), found, (200, 200))[..., 3] == 0).all()
    seen = warp(photo(100, 100), found, (200, 200), part=(-350, -100, -400, 0))
    assert (seen[..., 3] > 0).any()


@pytest.mark.parametrize(
    ("image", "shape", "part"),
    [
        (np.ones((3, 3)), (3, 3), None),
        (photo().astype(float), (3, 3), None),
        (photo(), (0, 3), None),
        (photo(), (3, 3), (2, 2, 0, 3)),
    ],
)
def test_what_cannot_be_warped_is_refused(image, shape, part):
    found = align(POINTS[:3], POINTS[:3])
    with pytest.raises(ValueError, match=r"uint8|nothing is seen"):
        warp(image, found, shape, part)


# --- images ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
def test_pictures_of_every_mode_are_read(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.fromarray(photo(6, 8)).convert(mode).save(path)
    image = read_image(path)
    assert (image.shape, image.dtype) == ((6, 8, 4), np.uint8)
    assert (image[..., 3] == 255).all()


def test_opacity_is_kept(tmp_path):
    image = photo(4, 5)
    image[0, 0, 3] = 77
    Image.fromarray(image).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)


def test_a_picture_that_was_taken_on_its_side_is_turned(tmp_path):
    picture, exif = Image.fromarray(photo(4, 6)[..., :3]), Image.Exif()
    exif[0x0112] = 6  # turn right
    picture.save(tmp_path / "a.png", exif=exif)
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image[..., :3], np.rot90(photo(4, 6)[..., :3], -1))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_more_than_8_bits_are_stretched(tmp_path, dtype):
    values = np.linspace(1000, 1800, 10_000).reshape(100, 100).astype(dtype)
    if dtype is np.float32:
        values[0, 0] = np.nan
    Image.fromarray(values).save(tmp_path / "a.tif")
    image = read_image(tmp_path / "a.tif")
    assert (image[1, 0, 0], image[99, 99, 0]) == (1, 255)
    assert image[50, 0, 0] == pytest.approx(128, abs=2)
    assert image[0, 0, 3] == (0 if dtype is np.float32 else 255)


def test_an_even_picture_of_many_bits_is_black(tmp_path):
    Image.fromarray(np.full((3, 3), 40_000, np.uint16)).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png")[..., :3] == 0).all()


def bomb(path):
    """Write the beginning of a picture that claims to be of 60,000 x 60,000 pixels."""
    Image.new("L", (1, 1)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)


def test_files_that_are_no_pictures_are_refused(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    Image.fromarray(photo()).save(tmp_path / "short.png")
    whole = (tmp_path / "short.png").read_bytes()
    (tmp_path / "short.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "page.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    bomb(tmp_path / "bomb.png")
    for name, match in [
        ("text.png", "no picture"), ("short.png", "damaged"), ("page.eps", "no picture"),
        ("bomb.png", "100 million"), ("", "folder"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=match):
            read_image(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.png")


# --- files of points -------------------------------------------------------------------------

PAIRS = PointPairs(POINTS[:3], moved(AFFINE, POINTS[:3]))


@pytest.mark.parametrize("suffix", ["csv", "json", "toml"])
def test_points_are_read_as_they_were_written(tmp_path, suffix):
    path = tmp_path / f"points.{suffix}"
    write_points(path, PAIRS)
    found = read_points(path)
    np.testing.assert_array_equal(found.image, PAIRS.image)
    np.testing.assert_array_equal(found.map, PAIRS.map)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "1,2,3,4\n5,6,7,8\n"),
        ("a.csv", "\ufeff# by hand\nmap_x;map_y;image_x;image_y;who\n3;4;1;2;me\n\n7;8;5;6;me\n"),
        ("a.txt", "1\t2\t3\t4\r\n5\t6\t7\t8\r\n"),
        ("a.json", "[[1, 2, 3, 4], [5, 6, 7, 8]]"),
        ("a.json", '{"points": [{"image_x":1,"image_y":2,"map_x":3,"map_y":4}, [5,6,7,8]]}'),
        ("a.toml", "points = [[1, 2, 3, 4], [5, 6, 7, 8]]"),
    ],
)
def test_points_of_any_form_are_read(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = read_points(tmp_path / name)
    assert found.image.tolist() == [[1, 2], [5, 6]]
    assert found.map.tolist() == [[3, 4], [7, 8]]


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.csv", "image_x,image_y,map_x\n1,2,3\n", "map_y is missing"),
        ("a.csv", "1,2,3,4\n5,6,seven,8\n", "pair 2 .* map_x is 'seven'"),
        ("a.csv", "image_x,image_y,map_x,map_y\n1,2,3\n", "pair 1 .* map_y is ''"),
        ("a.csv", "1,2,3,nan\n", "no finite number"),
        ("a.json", "[[1, 2, 3]]", "pair 1 needs"),
        ("a.json", '[[1, 2, 3, true]]', "map_y is True"),
        ("a.json", "{}", "must be a list"),
        ("a.json", "[" * 10**5, "cannot be read"),
        ("a.json", "[[1, 2, 3, 1e999]]", "no finite number"),
        ("a.toml", "point = 1", "no list named points"),
        ("a.toml", "points = 1 1", "cannot be read"),
        ("a.xls", "1,2,3,4", "are read from"),
        ("a.csv", "1,2,3,4\n" * 10_001, "more than 10000 pairs"),
        ("a.csv", "1" * (10**6 + 1), "no file of points"),
    ],
)  # fmt: skip
def test_broken_files_of_points_say_what_is_wrong(tmp_path, name, text, match):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=match) as caught:
        read_points(tmp_path / name)
    assert name in str(caught.value)


def test_no_points_are_no_error_of_the_file(tmp_path):
    for name, text in [("a.csv", ""), ("a.json", "[]"), ("a.toml", "points = []")]:
        (tmp_path / name).write_text(text)
        assert read_points(tmp_path / name).image.shape == (0, 2)
    with pytest.raises(FileNotFoundError):
        read_points(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="are written to"):
        write_points(tmp_path / "a.xls", PAIRS)
    write_points(tmp_path / "b.json", PAIRS)
    assert len(json.loads((tmp_path / "b.json").read_text())["points"]) == 3
