// The page of the viewer. It asks the server, one request of a kind at a time, and shows answers.
// All texts that come from files are set as text, never as HTML.
"use strict";

const $ = (id) => document.getElementById(id);
const page = {about: null, models: {}, ready: false, shown: new Set(), chosen: new Set(),
  region: false, drawn: false};

// --- asking ----------------------------------------------------------------------------------
// Of a kind (a lane), the next request is sent only after the answer to the last one; of those that
// come meanwhile only the newest is kept. Corrections wait in one lane, all of them.
const lanes = new Map();
let count = 0;
page.most = 0;  // the most requests of one lane that were on the way at a time
page.answered = [];  // milliseconds that the last answers took

function ask(act, what = {}, lane = act) {
  const at = lanes.get(lane) ?? {waiting: 0, next: []};
  lanes.set(lane, at);
  if (at.waiting > 0) {
    if (lane !== "edit") at.next = [];
    at.next.push([act, what]);
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
      at.took = performance.now() - at.since;
      if (lane === "hover") page.answered.push(at.took);
      if (lane === "edit" && answer.error != null) at.next = [];  // they were meant to follow it
      const next = at.next.shift();
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
