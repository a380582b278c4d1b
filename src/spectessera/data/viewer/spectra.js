// --- spectra -----------------------------------------------------------------------------------

// Set the range of y to what is seen of all lines.
function scale_spectrum() {
  const drawn = page.models.spectrum;
  if (drawn == null) return;
  const [left, right] = [drawn.x_range.start, drawn.x_range.end];
  const log = $("log").checked;
  // The zero peak of an X-ray detector is cut off, unless nothing else is seen.
  const zero = drawn.tags.length > 0 && right > drawn.tags[0] ? drawn.tags[0] : -Infinity;
  let [low, high, positive] = [Infinity, -Infinity, Infinity];
  const look = (xs, ys) => {
    for (let at = 0; at < ys.length; at++) {
      const value = ys[at];
      if (!(xs[at] >= left && xs[at] <= right) || xs[at] <= zero || !Number.isFinite(value)) continue;
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
