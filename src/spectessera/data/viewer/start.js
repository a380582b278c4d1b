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

// --- what is done with an answer -----------------------------------------------------------------

const ANSWERS = {
  hello: about,
  changed: (answer) => {
    say(answer.words ?? "");
    ask("hello");
    ask("again");
  },
  again: (answer) => {
    pins(answer);
    if (page.said != null && answer.shares != null) region_list({...page.said, clusters: answer.shares});
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
