// The page of the viewer. It asks the server, one request of a kind at a time, and shows answers.
// All texts that come from files are set as text, never as HTML.
"use strict";

const $ = (id) => document.getElementById(id);
const page = {about: null, models: {}, ready: false, shown: new Set(), chosen: new Set(),
  region: false, drawn: false};

// --- asking ----------------------------------------------------------------------------------
// Of a kind (a lane), the next request is sent only after the answer to the last one; of those that
// come meanwhile only the newest is kept.
const lanes = new Map();
let count = 0;
page.most = 0;  // the most requests of one lane that were on the way at a time
page.answered = [];  // milliseconds that the last answers took

function ask(act, what = {}, lane = act) {
  const at = lanes.get(lane) ?? {waiting: 0, next: null};
  lanes.set(lane, at);
  if (at.waiting > 0) {
    at.next = [act, what];
    return;
  }
  at.waiting += 1;
  page.most = Math.max(page.most, at.waiting);
  at.n = ++count;
  at.since = performance.now();
  page.models.ask.data = {text: [JSON.stringify({...what, act, n: at.n})]};
}

function answered() {
  const answer = JSON.parse(page.models.answer.data.text[0]);
  for (const [lane, at] of lanes) {
    if (at.waiting > 0 && at.n === answer.n) {
      at.waiting -= 1;
      if (lane === "hover") page.answered.push(performance.now() - at.since);
      const next = at.next;
      at.next = null;
      if (next != null) ask(next[0], next[1], lane);
    }
  }
  if (answer.error != null) say(answer.error, true);
  else (ANSWERS[answer.act] ?? (() => {}))(answer);
}

function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").classList.toggle("error", wrong);
}

// --- small parts -------------------------------------------------------------------------------

function element(tag, text = "", name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function options(select, groups, chosen) {
  select.replaceChildren();
  for (const [title, items] of groups) {
    const into = title === "" ? select : document.createElement("optgroup");
    if (into !== select) into.label = title;
    for (const [value, text] of items) {
      const option = element("option", text);
      option.value = value;
      into.append(option);
    }
    if (into !== select) select.append(into);
  }
  if ([...select.options].some((each) => each.value === chosen)) select.value = chosen;
}

function chip(colour) {
  const made = element("span", "", "chip");
  made.style.background = colour;
  return made;
}

function number(value) {
  if (value == null) return "none";
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5)));
}

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

// --- spectra -----------------------------------------------------------------------------------

// Set the range of y to what is seen of all lines.
function scale_spectrum() {
  const drawn = page.models.spectrum;
  if (drawn == null) return;
  const [left, right] = [drawn.x_range.start, drawn.x_range.end];
  const log = $("log").checked;
  let [low, high, positive] = [Infinity, -Infinity, Infinity];
  const look = (xs, ys) => {
    for (let at = 0; at < ys.length; at++) {
      const value = ys[at];
      if (!(xs[at] >= left && xs[at] <= right) || !Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
      if (value > 0 && value < positive) positive = value;
    }
  };
  const data = (name) => page.models[name].data;
  for (const name of ["curves", "pin-curves"]) {
    const {xs, ys} = data(name);
    for (let at = 0; at < ys.length; at++) look(xs[at], ys[at]);
  }
  for (const name of ["hover-curve", "region-curve"]) look(data(name).x, data(name).y);
  if (!(high > -Infinity)) return;
  const room = data("marks").x.length > 0 ? 0.25 : 0.06;
  let start, end;
  if (log) {
    if (!(positive < Infinity)) return;
    start = Math.max(positive, high * 1e-5) / 1.2;
    end = high * (high / start) ** room;
  } else {
    const span = high - low || Math.abs(high) || 1;
    [start, end] = [low - 0.04 * span, high + room * span];
  }
  drawn.y_range.setv({start, end}, {sync: false});
}

function curves() {
  const difference = $("first").value && $("second").value
    ? [$("first").value, $("second").value] : null;
  ask("curves", {
    clusters: [...page.shown], mean: $("show-mean").checked, maximum: $("show-maximum").checked,
    difference,
  });
}

function sources() {
  const items = [["mean", "mean of all"], ["maximum", "maximum"]];
  if (page.region) items.push(["region", "region"]);
  (page.pins ?? []).forEach((each, at) => items.push([`pin-${at}`, `row ${each.y}, column ${each.x}`]));
  const own = page.about.clusters.map((each) => [`cluster-${each.number}`, title(each)]);
  const groups = [["", page.about.cube ? items : items.slice(2)], ["Clusters", own]];
  for (const [id, nothing] of [["first", "none"], ["second", "none"]]) {
    options($(id), [["", [["", nothing]]], ...groups], $(id).value);
  }
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

// --- lists -------------------------------------------------------------------------------------

const title = (cluster) => cluster.name ? `${cluster.number}: ${cluster.name}` : `${cluster.number}`;

function clusters() {
  $("clusters-panel").hidden = page.about.clusters.length === 0;
  $("clusters").replaceChildren(...page.about.clusters.map((each) => {
    const row = element("li");
    const box = element("input");
    box.type = "checkbox";
    box.checked = page.shown.has(each.number);
    box.title = "Show its mean spectrum";
    box.setAttribute("aria-label", `Show the mean spectrum of cluster ${title(each)}`);
    box.addEventListener("change", () => {
      page.shown[box.checked ? "add" : "delete"](each.number);
      curves();
    });
    const ink = element("input");
    ink.type = "color";
    ink.value = each.colour;
    ink.setAttribute("aria-label", `Colour of cluster ${each.number}`);
    ink.addEventListener("change", () => edit("recolour", {cluster: each.number, colour: ink.value}));
    const choose = element("button", String(each.number), "number");
    choose.type = "button";
    choose.setAttribute("aria-pressed", String(page.chosen.has(each.number)));
    choose.title = "Choose, to merge or split";
    choose.addEventListener("click", () => {
      page.chosen[page.chosen.has(each.number) ? "delete" : "add"](each.number);
      choose.setAttribute("aria-pressed", String(page.chosen.has(each.number)));
      buttons();
    });
    const name = element("input", "", each.given ? "name given" : "name");
    name.value = each.name;
    name.maxLength = 200;
    name.placeholder = "no name";
    name.setAttribute("aria-label", `Name of cluster ${each.number}`);
    name.addEventListener("change", () => edit("rename", {cluster: each.number, name: name.value}));
    row.append(box, ink, choose, name, element("span", `${each.size} pixels`, "size"));
    return row;
  }));
}

// --- corrections -----------------------------------------------------------------------------------

function edit(act, what = {}) {
  say(act === "split" ? "Clustering these pixels again ..." : "");
  page.chosen.clear();
  ask(act, what);
}

function buttons() {
  const {edits} = page.about;
  $("merge").disabled = page.chosen.size < 2;
  $("split").disabled = page.chosen.size !== 1 || !page.about.cube;
  $("mask").disabled = !page.drawn;
  $("undo").disabled = !edits.undo;
  $("redo").disabled = !edits.redo;
}

function about(answer) {
  page.about = answer;
  page.size = {"map-left": [...answer.shape].reverse(), photo: answer.photo_size};
  page.shown = new Set([...page.shown].filter((n) => answer.clusters.some((each) => each.number === n)));
  $("edit-said").textContent = answer.edits.words ||
    "Choose clusters by their numbers to merge or split them.";
  buttons();
  const groups = new Map();
  for (const each of answer.layers) {
    groups.set(each.group, [...(groups.get(each.group) ?? []), [each.key, each.title]]);
  }
  if (page.band != null) groups.set("Band", [["window", "Band"]]);
  options($("left"), [...groups], $("left").value);
  options($("right"), [["", [["", "nothing"]]], ...groups], $("right").value);
  clusters();
  if (page.models.spectrum != null) {
    sources();
    const low = answer.axis.low, high = answer.axis.high;
    $("band-panel").hidden = !answer.cube;
    $("band-unit").textContent = answer.axis.unit;
    Object.assign($("band-slide"), {min: low, max: high, step: answer.axis.step});
    const named = answer.lines.map((each, at) => [String(at), each.name]);
    options($("line"), [["", [["", "choose"], ...named]]], "");
    $("line-label").hidden = named.length === 0;
  }
  if (!page.ready) {
    if (answer.clusters.length <= 12) answer.clusters.forEach((each) => page.shown.add(each.number));
    $("show-mean").checked = answer.clusters.length === 0 && answer.cube;
    clusters();
    fit();
    photo_start();
    page.ready = true;
    document.documentElement.dataset.ready = "yes";
    say(answer.cube ? answer.slow : "Spectra of pixels need the cube: start with --cube FILE.");
  }
  if (page.models.spectrum != null) curves();
  seen();
}

function pins(answer) {
  page.pins = answer.pins;
  $("unpin").hidden = answer.pins.length === 0;
  $("pins").replaceChildren(...answer.pins.map((each) => {
    const row = element("li");
    row.append(chip(each.colour), element("span", words(each)));
    return row;
  }));
  sources();
  scale_spectrum();
}

function words(at) {
  const parts = [`row ${at.y}, column ${at.x}`];
  if (at.cluster != null) parts.push(`cluster ${at.cluster}`);
  if (at.confidence != null) parts.push(`confidence ${Math.round(100 * at.confidence)} %`);
  if (at.novelty != null) parts.push(`novelty ${Math.round(100 * at.novelty)} %`);
  for (const [name, value] of Object.entries(at.values ?? {})) {
    if (name !== "Confidence" && name !== "Novelty") parts.push(`${name} ${number(value)}`);
  }
  return parts.join(" · ");
}

function region(answer) {
  const {region} = answer;
  page.region = region != null && region.read === true;
  page.drawn = region != null;
  buttons();
  $("no-region").hidden = region == null;
  const into = $("region");
  into.replaceChildren();
  if (region == null) into.append(element("p", "Box select or lasso select, above the map.", "soft"));
  else {
    say("");
    into.append(element("p", `${region.pixels} pixels` + (region.name ? `: ${region.name}` : "")));
    const list = element("ul", "", "plain");
    for (const each of region.clusters) {
      list.append(element("li", `cluster ${each.cluster}: ${each.pixels} pixels`));
    }
    into.append(list);
    if ((region.lines ?? []).length > 0) into.append(lines(region.lines));
  }
  sources();
  scale_spectrum();
}

function lines(rows) {
  const table = element("table");
  const head = element("tr");
  head.append(element("th", "line"), element("th", "at"), element("th", "significance"));
  table.append(head, ...rows.slice(0, 20).map((each) => {
    const row = element("tr");
    row.append(element("td", each.line), element("td", number(each.position), "n"),
      element("td", number(Math.round(10 * each.significance) / 10), "n"));
    return row;
  }));
  return table;
}

// --- latents -----------------------------------------------------------------------------------

function latents() {
  say("Computing latents ...");
  ask("latents", {first: Number($("scatter-first").value), second: Number($("scatter-second").value)});
}

function latents_shown(answer) {
  say("");
  const dims = [...Array(answer.dims).keys()].map((each) => [String(each), `latent ${each + 1}`]);
  options($("scatter-first"), [["", dims]], $("scatter-first").value);
  options($("scatter-second"), [["", dims]], $("scatter-second").value || String(Math.min(1, answer.dims - 1)));
  $("scatter-said").textContent = `${answer.points} pixels; the lasso shows them on the map.`;
}

// Show the pixel of the point under the mouse as if it was pointed at on the map.
function scatter_moved(event) {
  const box = frame("scatter");
  const {x_range, y_range} = page.models.scatter;
  const {x, y, row, column} = page.models["scatter-points"].data;
  const [wide, high] = [box.width / (x_range.end - x_range.start), box.height / (y_range.end - y_range.start)];
  let [best, far] = [-1, 64];
  for (let at = 0; at < row.length; at++) {
    const away = ((x[at] - event.x) * wide) ** 2 + ((y[at] - event.y) * high) ** 2;
    if (away < far) [best, far] = [at, away];
  }
  if (best >= 0) ask("hover", over({x: column[best], y: row[best]}));
}

// --- the photograph ------------------------------------------------------------------------------

function opacity() {
  const shown = page.about.photo && $("photo-on").checked && page.aligned;
  const alpha = shown ? $("opacity").valueAsNumber : 1;
  for (const side of ["left", "right"]) {
    const {glyph} = page.models[`map-${side}`].renderers.find((each) => each.name === "map-image");
    glyph.setv({global_alpha: {value: alpha}}, {sync: false});
  }
}

function photo_clicked(event) {
  page.photo_at = [event.x, event.y];
  $("photo-said").textContent = "Now click the same place in the map.";
}

function photo_shown(answer) {
  page.aligned = answer.pairs.length > 0 && answer.pairs.every((each) => each.residual != null);
  $("photo-fit").textContent = answer.sentence;
  $("kind").value = answer.kind;
  $("photo-said").textContent = "Click a place in the photograph, then the same place in the map.";
  $("pairs").replaceChildren(...answer.pairs.map((each, place) => {
    const row = element("li");
    const far = each.residual == null ? "" : `: ${number(each.residual)} pixels away`;
    const gone = element("button", "Remove");
    gone.type = "button";
    gone.addEventListener("click", () => ask("unpair", {place}));
    const [x, y] = each.map.map((value) => Number(value.toFixed(1)));
    row.append(element("strong", String(place + 1)), element("span", `column ${x}, row ${y}${far}`), gone);
    return row;
  }));
  opacity();
  seen();
}

function tapped(event) {
  if (page.photo_at != null) {
    const [image_x, image_y] = page.photo_at;
    page.photo_at = null;
    ask("pair", {image_x, image_y, map_x: event.x, map_y: event.y});
    return;
  }
  const at = over(event);
  if (at != null) ask("pin", at);
}

function photo_start() {
  if (page.models.photo == null) return;
  page.models.photo.on_event("tap", photo_clicked);
  $("photo-on").addEventListener("change", () => { opacity(); seen(); });
  $("opacity").addEventListener("input", opacity);
  $("kind").addEventListener("change", () => ask("kind", {kind: $("kind").value}));
  $("photo-panel").addEventListener("toggle", () => {
    if ($("photo-panel").open) setTimeout(() => fit_figure("photo"), 100);
  });
  ask("photo");
}

const ANSWERS = {
  hello: about,
  changed: (answer) => {
    say(answer.words ?? "");
    ask("hello");
  },
  saved: (answer) => say(answer.words, answer.wrong === true),
  view: (answer) => ["left", "right"].forEach((side) => scale(side, answer.legends[side])),
  hover: (answer) => {
    $("pixel").textContent = words(answer.pixel);
    page.hovered = answer.pixel;
    scale_spectrum();
  },
  pin: pins,
  unpin: pins,
  region,
  "no-region": region,
  latents: latents_shown,
  choose: region,
  photo: photo_shown,
  pair: photo_shown,
  unpair: photo_shown,
  kind: photo_shown,
  window: window_made,
  "exact-window": window_made,
  curves: scale_spectrum,
  scale: scale_spectrum,
};

// --- light and dark ------------------------------------------------------------------------------

function colour_figures() {
  const style = getComputedStyle(document.documentElement);
  const own = (name) => style.getPropertyValue(`--${name}`).trim();
  for (const name of ["map-left", "map-right", "spectrum", "scatter", "photo"]) {
    const drawn = page.models[name];
    if (drawn == null) continue;
    const quiet = {sync: false};
    drawn.setv({background_fill_color: own("paper"), border_fill_color: own("paper")}, quiet);
    for (const axis of [...drawn.below, ...drawn.left, ...drawn.center]) {
      if ("axis_line_color" in axis.properties) {
        axis.setv({axis_line_color: own("soft"), major_tick_line_color: own("soft"),
          axis_label_text_color: own("ink"), major_label_text_color: own("ink")}, quiet);
      } else if ("grid_line_color" in axis.properties && (name === "spectrum" || name === "scatter")) {
        axis.setv({grid_line_color: own("rule")}, quiet);
      }
    }
    for (const each of drawn.renderers) {
      if (each.name === "hover-line") each.glyph.setv({line_color: own("ink")}, quiet);
      if (each.name === "line-names") each.glyph.setv({text_color: own("ink")}, quiet);
    }
  }
}

// --- the start -----------------------------------------------------------------------------------

function start() {
  const doc = Bokeh.documents[0];
  for (const name of ["ask", "answer", "map-left", "map-right", "spectrum", "scatter", "photo", "window",
    "curves", "pin-curves", "hover-curve", "region-curve", "marks", "band", "scatter-points"]) {
    page.models[name] = doc.get_model_by_name(name);
  }
  const {answer, spectrum} = page.models;
  answer.connect(answer.properties.data.change, answered);
  for (const name of ["map-left", "map-right"]) {
    const map = page.models[name];
    map.on_event("mousemove", moved);
    map.on_event("mouseleave", () => ask("leave", {}, "hover"));
    map.on_event("tap", tapped);
    map.on_event("selectiongeometry", (event) => drawn(event));
  }
  const {x_range, y_range} = page.models["map-left"];
  for (const range of [x_range, y_range]) {
    range.connect(range.change, seen_soon);
  }
  if (spectrum != null) spectrum.x_range.connect(spectrum.x_range.change, scale_spectrum);
  for (const id of ["left", "outlines"]) $(id).addEventListener("change", seen);
  $("right").addEventListener("change", sides);
  $("fit").addEventListener("click", fit);
  $("unpin").addEventListener("click", () => ask("unpin"));
  $("no-region").addEventListener("click", () => ask("no-region"));
  for (const id of ["show-mean", "show-maximum", "first", "second"]) {
    $(id)?.addEventListener("change", curves);
  }
  for (const id of ["band-low", "band-high"]) $(id).addEventListener("change", band_typed);
  $("band-slide").addEventListener("input", band_moved);
  $("exact").addEventListener("click", () => {
    say("Reading these channels ...");
    ask("exact-window", {low: page.band[0], high: page.band[1]});
  });
  $("line").addEventListener("change", () => {
    const line = page.about.lines[Number($("line").value)];
    if ($("line").value !== "" && line != null) band(line.low, line.high);
  });
  spectrum?.on_event("selectiongeometry", ({geometry, final}) => {
    if (page.about.cube && final !== false && geometry.type === "rect") band(geometry.x0, geometry.x1);
  });
  $("scatter-panel")?.addEventListener("toggle", () => {
    if ($("scatter-panel").open && $("scatter-first").value === "") {
      options($("scatter-first"), [["", [["0", "latent 1"]]]], "0");
      options($("scatter-second"), [["", [["0", "latent 1"], ["1", "latent 2"]]]], "1");
      latents();
    }
  });
  for (const id of ["scatter-first", "scatter-second"]) $(id)?.addEventListener("change", latents);
  page.models.scatter?.on_event("mousemove", scatter_moved);
  page.models.scatter?.on_event("selectiongeometry", (event) => drawn(event, "choose"));
  $("merge").addEventListener("click", () => edit("merge", {clusters: [...page.chosen]}));
  $("split").addEventListener("click", () => {
    const k = $("parts").value === "" ? null : $("parts").valueAsNumber;
    edit("split", {cluster: [...page.chosen][0], k});
  });
  for (const act of ["mask", "undo", "redo"]) $(act).addEventListener("click", () => edit(act));
  $("log")?.addEventListener("change", () => ask("scale", {log: $("log").checked}));
  new ResizeObserver(() => setTimeout(() => { square(); seen_soon(); }, 50)).observe($("pair"));
  colour_figures();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", colour_figures);
  ask("hello");
}

(function wait() {
  const doc = window.Bokeh?.documents?.[0];
  const left = doc?.get_model_by_name?.("map-left");
  if (left != null && Bokeh.index.find_one(left)?.frame?.bbox?.width > 2) start();
  else setTimeout(wait, 30);
})();
