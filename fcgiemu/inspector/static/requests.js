// The list of requests, the newest on top.

import { clock, duration, h, size, status, svg, toast } from "./dom.js";
import { replay } from "./replay.js";

// Rows that are made are what costs: under load the list is brought up to date less often, and
// only with the rows that stay.
const KEPT = 1000, SHOWN = 100, SHOWN_BUSY = 40, BURST = 10, CALM = 50, BUSY = 500;
const all = []; // the oldest first
let waiting = [], view = null, filter = { text: "", status: "", rule: "", handler: "", errors: false };
let selected = null, held = 0, timer = 0, isBusy = false;

// What a page has asked for within GROUP seconds stands below it, folded but for errors.
const GROUP = 10;
const pages = new Map(); // URL -> the last request for it

function joinGroup(request) {
  const parent = request.page && request.page !== request.url ? pages.get(request.page) : null;
  const root = parent && (parent.root ?? parent);
  if (root && request.time - root.time < GROUP) {
    request.root = root;
    (root.parts ??= []).push(request);
  }
  pages.set(request.url, request);
}

export function arrived(request) {
  if (all.length && request.number <= all[all.length - 1].number) return;
  all.push(request);
  joinGroup(request);
  if (all.length > KEPT) {
    const gone = all.shift();
    if (pages.get(gone.url) === gone) pages.delete(gone.url);
    for (const part of gone.parts ?? []) part.root = null;
  }
  if (!view) return;
  waiting.push(request);
  if (!timer) timer = setTimeout(flush, isBusy ? BUSY : CALM);
}

export function latest(count) {
  return [...new Set(all.slice(-200).reverse().map((request) => request.url))].slice(0, count);
}

function fits(request) {
  if (filter.errors && request.status !== null && request.status < 400) return false;
  if (filter.status && String(request.status ?? 0)[0] !== filter.status) return false;
  if (filter.rule && !request.rules.includes(filter.rule)) return false;
  if (filter.handler && (request.handler ?? request.module) !== filter.handler) return false;
  if (!filter.text) return true;
  const words = `${request.method} ${request.url} ${request.status}.${request.substatus} ${request.handled_by} ${request.rules.join(" ")}`;
  return filter.text.toLowerCase().split(/\s+/).every((part) => words.toLowerCase().includes(part));
}

const isFiltered = () => filter.errors || [filter.text, filter.status, filter.rule, filter.handler].some(Boolean);
const failed = (request) => (request.status ?? 500) >= 400;
const isFolded = (request) => Boolean(request.root) && !request.root.isOpen && !failed(request) && !isFiltered();

// The button of a page that has asked for more.
function fold(request) {
  const wrong = request.parts.filter(failed).length;
  const words = `${request.parts.length} for this page${wrong ? `, ${wrong} failed` : ""}`;
  return h("button", { type: "button", class: "fold", "aria-expanded": request.isOpen ? "true" : "false",
    onclick: (event) => { event.stopPropagation(); request.isOpen = !request.isOpen; redraw(); } }, `${request.isOpen ? "\u25be" : "\u25b8"} ${words}`);
}

// The requests in the order of the list: a page, then what it has asked for, the oldest first.
function ordered(requests) {
  if (isFiltered()) return [...requests].reverse();
  const known = new Set(requests);
  return requests.filter((one) => !known.has(one.root)).reverse()
    .flatMap((one) => [one, ...(one.parts ?? []).filter((part) => known.has(part) && !isFolded(part))]);
}

function row(request, isNew) {
  const isPart = request.root && !isFiltered();
  const made = h("tr", { class: `${isNew ? "new" : ""}${isPart ? " part" : ""}`.trim() || null, onclick: () => (location.hash = `#/requests/${request.number}`) },
    h("td", { class: "number soft" }, clock(request.time)),
    h("td", {}, request.method),
    h("td", { class: "url" }, h("a", { href: `#/requests/${request.number}` }, request.url),
      request.parts && !isFiltered() ? fold(request) : null,
      !isPart && request.page && request.page !== request.url ? h("small", { class: "soft" }, ` for ${request.page}`) : null,
      request.replay_of ? h("small", { class: "soft" }, ` replay of ${request.replay_of}`) : null),
    h("td", {}, status(request)),
    h("td", {}, request.handled_by, request.client_gone ? h("span", { class: "warning" }, " client went away") : null),
    h("td", {}, request.rules.join(", ")),
    h("td", { class: "number" }, duration(request.milliseconds)),
    h("td", { class: "number" }, size(request.bytes_sent)));
  made.dataset.number = request.number;
  return made;
}

function isPaused() {
  return window.scrollY > 160;
}

function flush() {
  timer = 0;
  if (!view) return;
  const wasBusy = isBusy;
  isBusy = waiting.length > BURST;
  const found = waiting.filter(fits);
  choices(waiting);
  waiting = [];
  if (isPaused()) {
    held += found.length;
    view.more.hidden = !held;
    view.more.textContent = `${held} new: back to the top`;
  } else {
    if (wasBusy && !isBusy) return redraw();
    const shown = isBusy ? SHOWN_BUSY : SHOWN;
    if (!isBusy && found.some((request) => request.root)) return redraw(new Set(found));
    const rows = found.filter((request) => !isFolded(request)).slice(-shown).map((request) => row(request, !isBusy)).reverse();
    for (let more = view.body.childElementCount + rows.length - shown; more > 0; more--) view.body.lastChild?.remove();
    view.body.prepend(...rows);
  }
  count();
  if (!isBusy) spark();
}

function count() {
  const matching = all.filter(fits).length;
  view.count.textContent = matching === all.length ? `${all.length} requests` : `${matching} of ${all.length} requests`;
  view.empty.hidden = all.length > 0;
}

function redraw(fresh = null) {
  held = 0;
  view.more.hidden = true;
  waiting = [];
  view.body.replaceChildren(...ordered(all.filter(fits).slice(-SHOWN)).map((request) => row(request, fresh?.has(request))));
  count();
  choose(selected);
}

function choose(number) {
  view.body.querySelector("tr.selected")?.classList.remove("selected");
  const found = view.body.querySelector(`tr[data-number="${number}"]`);
  selected = found ? number : null;
  found?.classList.add("selected");
  found?.scrollIntoView({ block: "nearest" });
}

function move(by) {
  const rows = [...view.body.rows];
  const at = rows.findIndex((one) => one.classList.contains("selected"));
  const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))];
  if (next) choose(Number(next.dataset.number));
}

// Rules and handlers that have been seen, for the two lists.
const known = { rule: new Set(), handler: new Set() };
function choices(found) {
  for (const request of found) {
    add("handler", request.handler ?? request.module);
    request.rules.forEach((rule) => add("rule", rule));
  }
}
function add(kind, name) {
  if (known[kind].has(name)) return;
  known[kind].add(name);
  view[kind].append(h("option", { value: name }, name));
}

// Requests a second (bars, errors dark) and their mean time (line), over a minute.
function spark() {
  if (isBusy && !timer && !isPaused()) {
    isBusy = false;
    redraw();
  }
  const now = Math.floor(Date.now() / 1000), seconds = Array.from({ length: 60 }, () => ({ count: 0, bad: 0, ms: 0 }));
  for (let index = all.length - 1; index >= 0; index--) {
    const at = 59 - (now - Math.floor(all[index].time));
    if (at < 0) break;
    if (at > 59) continue;
    seconds[at].count++;
    seconds[at].bad += (all[index].status ?? 500) >= 400;
    seconds[at].ms += all[index].milliseconds;
  }
  const most = Math.max(1, ...seconds.map((one) => one.count));
  const slowest = Math.max(1, ...seconds.map((one) => (one.count ? one.ms / one.count : 0)));
  const bars = seconds.flatMap((one, at) => {
    const tall = (40 * one.count) / most, bad = (40 * one.bad) / most;
    return [svg("rect", { x: at * 10, y: 42 - tall, width: 8, height: tall }),
      svg("rect", { x: at * 10 + 2, y: 42 - bad, width: 4, height: bad, class: "bad" })];
  });
  const points = seconds.map((one, at) => one.count ? `${at * 10 + 4} ${42 - (38 * one.ms) / one.count / slowest}` : null).filter(Boolean);
  const total = seconds.reduce((sum, one) => sum + one.count, 0), sum = seconds.reduce((ms, one) => ms + one.ms, 0);
  const words = total ? `${total} requests in the last minute, ${duration(sum / total)} on average` : "no request in the last minute";
  view.spark.replaceChildren(...bars, svg("path", { d: points.length > 1 ? "M" + points.join("L") : "M0 0" }));
  view.spark.setAttribute("aria-label", words);
  view.sparkWords.textContent = words;
}

function keys(event) {
  if (event.target.closest("input, select, textarea, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "Enter" && selected && !event.target.closest("a, button")) location.hash = `#/requests/${selected}`;
  else if (event.key === "/") view.text.focus();
  else if (event.key === "r" && selected) replay(all.find((one) => one.number === selected)).catch((error) => toast(error.message));
  else return;
  event.preventDefault();
}

export function requests(place) {
  const change = (name, value) => { filter[name] = value; redraw(); };
  const list = (name, label, options) => h("select", { "aria-label": label, onchange: (event) => change(name, event.target.value) },
    h("option", { value: "" }, label), options.map(([value, words]) => h("option", { value }, words)));
  view = {
    text: h("input", { type: "search", placeholder: "Filter: URL, method, status, rule \u2026", "aria-label": "Filter by text", oninput: (event) => change("text", event.target.value) }),
    status: list("status", "Any status", [["2", "2xx success"], ["3", "3xx redirect"], ["4", "4xx client error"], ["5", "5xx server error"], ["0", "reset"]]),
    rule: list("rule", "Any rule", [...known.rule].map((name) => [name, name])),
    handler: list("handler", "Any handler", [...known.handler].map((name) => [name, name])),
    errors: h("input", { type: "checkbox", id: "errors", onchange: (event) => change("errors", event.target.checked) }),
    count: h("span", { class: "soft", "aria-live": "off" }),
    more: h("button", { type: "button", class: "main", hidden: true, onclick: () => { window.scrollTo(0, 0); redraw(); } }),
    spark: svg("svg", { class: "spark", viewBox: "0 0 600 44", preserveAspectRatio: "none", role: "img" }),
    sparkWords: h("span", { class: "soft" }),
    empty: h("p", {}, "No request yet. Open the site, and each of its requests appears here."),
    body: h("tbody"),
  };
  view.text.value = filter.text;
  for (const name of ["status", "rule", "handler"]) view[name].value = filter[name];
  view.errors.checked = filter.errors;
  const heads = [["c-time", "Time"], ["c-method", "Method"], ["", "URL"], ["c-status", "Status"], ["c-answer", "Answered by"], ["c-rules", "Rules"], ["c-ms", "Took"], ["c-size", "Size"]];
  place.append(h("h1", {}, "Requests"), h("section", { "aria-label": "The last minute" }, view.spark, view.sparkWords),
    h("div", { class: "bar", role: "search" }, view.text, view.status, view.rule, view.handler, h("label", { for: "errors" }, view.errors, "only errors"), view.count),
    h("div", { class: "bar held" }, view.more), view.empty,
    h("table", { class: "list" }, h("thead", {}, h("tr", {}, heads.map(([kind, words]) =>
      h("th", { scope: "col", class: `${kind}${["Time", "Took", "Size"].includes(words) ? " number" : ""}` }, words)))), view.body));
  choices(all);
  redraw();
  spark();
  const plot = setInterval(spark, 1000);
  const top = () => { if (held && !isPaused()) redraw(); };
  document.addEventListener("keydown", keys);
  window.addEventListener("scroll", top, { passive: true });
  return () => {
    clearInterval(plot);
    document.removeEventListener("keydown", keys);
    window.removeEventListener("scroll", top);
    view = null;
    waiting = [];
  };
}
