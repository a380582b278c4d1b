// --- maps --------------------------------------------------------------------------------------

function frame(name) {
  const view = Bokeh.index.find_one(page.models[name]);
  return view == null ? null : view.frame.bbox;
}

// Show the whole image of a figure, with square pixels.
function fit_figure(name) {
  const drawn = page.models[name];
  const box = frame(name);
  if (box == null || box.width < 2 || box.height < 2) return;
  const [columns, rows] = page.size[name];
  const step = Math.max(columns / box.width, rows / box.height);
  const ends = (count, length) => {
    const middle = count / 2 - 0.5;
    return [middle - step * length / 2, middle + step * length / 2];
  };
  const [left, right] = ends(columns, box.width);
  const [low, high] = ends(rows, box.height);
  const upwards = drawn.y_range.start < drawn.y_range.end;
  drawn.x_range.setv({start: left, end: right}, {sync: false});
  drawn.y_range.setv(upwards ? {start: low, end: high} : {start: high, end: low}, {sync: false});
}

const fit = () => fit_figure("map-left");

// After a change of the size of the frame: the same centre and width, square pixels.
function square() {
  const box = frame("map-left");
  if (box == null || box.width < 2) return;
  const {x_range, y_range} = page.models["map-left"];
  const half = Math.abs(x_range.end - x_range.start) / box.width * box.height / 2;
  const middle = (y_range.start + y_range.end) / 2;
  const [start, end] = y_range.start < y_range.end ? [middle - half, middle + half]
    : [middle + half, middle - half];
  y_range.setv({start, end}, {sync: false});
}

function seen() {
  const box = frame("map-left");
  if (box == null || page.about == null) return;
  const {x_range, y_range} = page.models["map-left"];
  const ratio = window.devicePixelRatio || 1;
  ask("view", {
    x0: x_range.start, x1: x_range.end, y0: y_range.start, y1: y_range.end,
    width: Math.max(1, Math.round(box.width * ratio)),
    height: Math.max(1, Math.round(box.height * ratio)),
    left: $("left").value, right: $("right").value || null, outlines: $("outlines").checked,
    photo: page.about.photo && $("photo-on").checked,
  });
}

let timer = 0;
function seen_soon() {
  clearTimeout(timer);
  timer = setTimeout(seen, 40);
}

function sides() {
  const two = $("right").value !== "";
  $("pair").classList.toggle("two", two);
  $("side-right").hidden = !two;
  seen();
  setTimeout(fit, 120);
}

const RAMP = "linear-gradient(90deg, #00224e, #123570, #3b496c, #575d6d, #707173, #8a8678, " +
  "#a59c74, #c3b369, #e1cc55, #fee838)";

function scale(side, legend) {
  const into = $(`scale-${side}`);
  into.hidden = legend == null;
  into.replaceChildren();
  if (legend == null) return;
  into.append(element("strong", legend.title));
  if (legend.kind !== "value") return;
  const ramp = element("span", "", "ramp");
  ramp.style.background = RAMP;
  into.append(element("span", number(legend.low)), ramp,
    element("span", `${number(legend.high)} ${legend.unit}`));
}

function over(event) {
  const [rows, columns] = page.about.shape;
  const [x, y] = [Math.round(event.x), Math.round(event.y)];
  if (!(x >= 0 && x < columns && y >= 0 && y < rows)) return null;
  return {x, y, left: $("left").value, right: $("right").value || null};
}

function moved(event) {
  const at = over(event);
  if (at != null) ask("hover", at);
}

function drawn(event, act = "region") {
  const {type} = event.geometry;
  const {x, y, x0, x1, y0, y1} = event.geometry;
  let corners = null;
  if (type === "poly") corners = [...x].map((each, at) => [each, y[at]]);
  if (type === "rect") corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
  if (corners == null || event.final === false || corners.length < 3) return;
  say("Reading the spectra of the region ...");
  ask(act, {corners}, "region");
}

// --- windows of channels -------------------------------------------------------------------------

function band(low, high) {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return;
  [low, high] = [Math.min(low, high), Math.max(low, high)];
  $("band-low").value = number(low);
  $("band-high").value = number(high);
  $("band-slide").value = (low + high) / 2;
  page.band = [low, high];
  ask("window", {low, high});
}

function band_typed() {
  band($("band-low").valueAsNumber, $("band-high").valueAsNumber);
}

// Move the window, with its width, along the axis.
function band_moved() {
  const {low, high, step} = page.about.axis;
  const [left, right] = page.band ?? [low, low + Math.max(step, 0.02 * (high - low))];
  const [middle, half] = [$("band-slide").valueAsNumber, (right - left) / 2];
  band(middle - half, middle + half);
}

function window_made(answer) {
  say("");
  const {low, high, words, exact, first, stop} = answer.window;
  page.models.window.setv({left: low, right: high, visible: true}, {sync: false});
  $("band-said").textContent = `Channels ${first} to ${stop - 1}: ${words}` +
    (exact ? "." : ", by whole bins of channels.");
  $("exact").hidden = exact;
  const old = [...$("left").options].find((each) => each.value === "window");
  for (const side of old == null ? ["left", "right"] : []) {
    const option = element("option", "Band");
    option.value = "window";
    $(side).append(option);
  }
  if ($("right").value !== "window") $("left").value = "window";
  seen();
}
