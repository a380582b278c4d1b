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
    const far = each.residual == null ? "" : `: ${number(Math.round(1000 * each.residual) / 1000)} pixels away`;
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
