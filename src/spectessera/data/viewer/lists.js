// --- lists -------------------------------------------------------------------------------------

const title = (cluster) => cluster.name ? `${cluster.number}: ${cluster.name}` : `${cluster.number}`;

function clusters() {
  const typing = document.activeElement?.closest("#clusters .name");
  page.listing = true;  // a field that goes away is not one that was left
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
    Object.assign(name.dataset, {sent: each.name, of: [page.about.edits.numbering, each.number]});
    name.maxLength = 200;
    name.placeholder = "no name";
    name.setAttribute("aria-label", `Name of cluster ${each.number}`);
    const send = () => {
      if (page.listing || name.value === name.dataset.sent) return;
      name.dataset.sent = name.value;
      edit("rename", {cluster: each.number, name: name.value});
    };
    for (const done of ["change", "blur"]) name.addEventListener(done, send);
    row.append(box, ink, choose, name, element("span", `${each.size} pixels`, "size"));
    return row;
  }));
  if (typing != null) keep_typing(typing);
  page.listing = false;
}

// The list was made anew while a person typed a name: go on there, if it is still the same cluster.
function keep_typing(typing) {
  const {of, sent} = typing.dataset;
  const now = [...document.querySelectorAll("#clusters .name")].find((each) => each.dataset.of === of);
  if (now == null) return;
  if (typing.value !== sent) Object.assign(now, {value: typing.value});
  now.focus({preventScroll: true});
  now.setSelectionRange(typing.selectionStart, typing.selectionEnd);
}

// --- corrections -----------------------------------------------------------------------------------

function edit(act, what = {}) {
  say(act === "split" ? "Clustering these pixels again ..." : "");
  page.chosen.clear();
  ask(act, {...what, numbering: page.about.edits.numbering}, "edit");
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
  $("outlines-label").hidden = answer.clusters.length === 0;
  clusters();
  if (page.models.spectrum != null) {
    sources();
    const low = answer.axis.low, high = answer.axis.high;
    $("band-panel").hidden = !answer.cube;
    $("band-unit").textContent = answer.axis.unit;
    Object.assign($("band-slide"), {min: low, max: high, step: answer.axis.step});
    if (page.band == null) $("band-slide").value = (low + high) / 2;
    const named = answer.lines.map((each, at) => [String(at), each.name]);
    options($("line"), [["", [["", "choose"], ...named]]], "");
    $("line-label").hidden = named.length === 0;
  }
  if (!page.ready) {
    if (answer.clusters.length <= 12) answer.clusters.forEach((each) => page.shown.add(each.number));
    if (answer.axis != null) $("show-mean").checked = answer.clusters.length === 0 && answer.cube;
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
  for (const [name, {value, error, unit}] of Object.entries(at.values ?? {})) {
    if (name === "Confidence" || name === "Novelty") continue;
    const spread = value == null || error == null ? "" : ` ± ${number(Number(error.toPrecision(2)))}`;
    parts.push(`${name} ${number(value)}${spread} ${value == null ? "" : unit}`.trim());
  }
  return parts.join(" · ");
}

function region(answer) {
  const {region} = answer;
  page.region = region != null && region.read === true;
  page.drawn = region != null;
  buttons();
  $("no-region").hidden = region == null;
  if (region != null) say("");
  region_list(region);
  sources();
  scale_spectrum();
}

function region_list(region) {
  page.said = region;
  const into = $("region");
  into.replaceChildren();
  if (region == null) into.append(element("p", "Box select or lasso select, above the map.", "soft"));
  else {
    into.append(element("p", `${region.pixels} pixels` + (region.name ? `: ${region.name}` : "")));
    const list = element("ul", "", "plain");
    for (const each of region.clusters) {
      list.append(element("li", `cluster ${each.cluster}: ${each.pixels} pixels`));
    }
    into.append(list);
    if ((region.lines ?? []).length > 0) into.append(lines(region.lines));
  }
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
