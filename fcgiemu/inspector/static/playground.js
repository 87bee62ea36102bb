// A web.config that is tried before it is saved.

import { get, post } from "./api.js";
import { dialog, h, section, toast } from "./dom.js";
import { latest } from "./requests.js";
import { elements, outcome } from "./story.js";

let draft = null, typed = null;

// Does `work` now, and once more where it was asked for meanwhile.
function latestOnly(work) {
  let busy = false, again = false;
  return async function run() {
    if (busy) { again = true; return; }
    busy = true;
    try { await work(); } catch (error) { toast(error.message); } finally {
      busy = false;
      if (again) { again = false; run(); }
    }
  };
}

const TOKENS = /(<!--[\s\S]*?(?:-->|$))|(<\/?[\w:.-]+|\/?>)|([\w:.-]+)(?==)|("[^"]*"?|'[^']*'?)/g;
const KINDS = ["x-comment", "x-tag", "x-name", "x-value"];

function coloured(text, marked) {
  const parts = [];
  let line = 1;
  const push = (piece, kind) => {
    piece.split("\n").forEach((words, index) => {
      if (index) { parts.push("\n"); line++; }
      if (!words) return;
      const found = marked.get(line);
      const squiggle = found && words.trim() ? ` squiggle ${found}` : "";
      parts.push(kind || squiggle ? h("span", { class: `${kind ?? ""}${squiggle}` }, words) : words);
    });
  };
  let at = 0;
  for (const match of text.matchAll(TOKENS)) {
    push(text.slice(at, match.index));
    push(match[0], KINDS[[1, 2, 3, 4].find((group) => match[group] !== undefined) - 1]);
    at = match.index + match[0].length;
  }
  push(text.slice(at) + "\n");
  return parts;
}

function editor(change) {
  const gutter = h("div", { class: "gutter", "aria-hidden": "true" });
  const layer = h("pre", { "aria-hidden": "true" });
  const area = h("textarea", { spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off", "aria-label": "web.config", id: "config" });
  let marked = new Map();
  const follow = () => { layer.scrollTop = gutter.scrollTop = area.scrollTop; layer.scrollLeft = area.scrollLeft; };
  const draw = () => {
    const text = area.value;
    layer.replaceChildren(...(text.length < 200000 ? coloured(text, marked) : [text]));
    gutter.replaceChildren(...Array.from({ length: text.split("\n").length }, (_, index) => {
      const found = marked.get(index + 1);
      const number = `${index + 1}\n`;
      return found === "error" ? h("b", {}, `\u2715 ${number}`) : found ? h("i", {}, `! ${number}`) : number;
    }));
    follow();
  };
  area.addEventListener("scroll", follow, { passive: true });
  area.addEventListener("input", () => { draw(); change(); });
  return {
    element: h("div", { class: "editor" }, gutter, h("div", { class: "layers" }, layer, area)),
    area, draw,
    mark(findings) {
      marked = new Map();
      for (const one of findings) if (one.line && one.severity !== "info" && marked.get(one.line) !== "error") marked.set(one.line, one.severity);
      draw();
    },
    go(line, column) {
      const lines = area.value.split("\n");
      const at = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0) + (column ?? 1) - 1;
      area.focus();
      area.setSelectionRange(at, at);
      area.scrollTop = Math.max(0, (line - 8) * 19.5);
    },
  };
}

function answers(before, after) {
  return after.map((now, index) => {
    const url = now.request.url;
    if (now.error) return h("div", { class: "answer" }, h("code", {}, url), h("p", { class: "error" }, now.error));
    const [was, is] = [outcome(before[index]), outcome(now)];
    return h("details", { class: "answer" },
      h("summary", {}, h("code", {}, url), " \u2192 ", was === is ? is : [h("span", { class: "soft" }, was), " \u21d2 ", h("strong", { class: "changed" }, is)]),
      elements(now.html));
  });
}

function shown(diff) {
  if (!diff) return h("p", {}, "Nothing differs from the file.");
  return h("pre", { class: "diff", tabindex: "0" }, diff.split("\n").map((line) =>
    h("span", { class: line.startsWith("+") ? "add" : line.startsWith("-") ? "del" : "" }, line || " ")));
}

function patternBox() {
  const field = (name, label) => h("label", { class: "wide" }, label, h("input", { name, spellcheck: "false", autocomplete: "off" }));
  const result = h("div", { role: "status" });
  const form = h("form", { onsubmit: (event) => event.preventDefault() },
    h("div", { class: "bar" }, h("label", {}, "Syntax", h("select", { name: "syntax" }, ["ECMAScript", "Wildcard", "ExactMatch"].map((name) => h("option", {}, name)))),
      h("label", {}, h("input", { name: "ignore", type: "checkbox", checked: true }), "ignoreCase")),
    field("pattern", "Pattern"), field("input", "Text to try it on"));
  const run = latestOnly(async () => {
    const { pattern, input, syntax, ignore } = form.elements;
    const found = await post("pattern", { pattern: pattern.value, input: input.value, syntax: syntax.value, ignore_case: ignore.checked });
    result.replaceChildren(...(found.error ? [h("p", { class: "error" }, found.error)]
      : !found.matches ? [h("p", { class: "no" }, "\u2717 does not match")]
      : [h("p", { class: "yes" }, "\u2713 matches ", h("code", {}, ...elements(found.html))),
        h("table", { class: "pairs" }, h("tbody", {}, found.captures.map((text, index) =>
          h("tr", {}, h("th", { scope: "row" }, `{R:${index}}`), h("td", { class: "mono" }, text)))))]));
  });
  form.addEventListener("input", run);
  return section("A single pattern", form, result);
}

export function playground(place) {
  let config = null;
  const list = h("ul", { class: "findings" });
  const results = h("div", { role: "region", "aria-label": "Answers", "aria-live": "polite" });
  const urls = h("textarea", { rows: "5", spellcheck: "false", "aria-label": "URLs, one a line", id: "urls" });
  urls.value = typed ?? (latest(8).join("\n") || "/");
  const wanted = () => urls.value.split("\n").map((line) => line.trim()).filter(Boolean).slice(0, 100);
  const answer = latestOnly(async () => {
    const found = await post("explain", { config: edit.area.value, urls: wanted() });
    const open = new Set([...results.querySelectorAll("details.answer[open] > summary > code")].map((one) => one.textContent));
    results.replaceChildren(...answers(found.before, found.after));
    for (const one of results.querySelectorAll("details.answer")) one.open = open.has(one.querySelector("code").textContent);
  });
  const check = latestOnly(async () => {
    const { findings } = await post("check", { config: edit.area.value });
    edit.mark(findings.filter((one) => one.file?.toLowerCase() === "web.config"));
    list.replaceChildren(...(findings.length ? findings.map((one) => h("li", { class: one.severity },
      one.line ? h("button", { type: "button", onclick: () => edit.go(one.line, one.column) }, `line ${one.line}`) : null,
      ` ${one.severity}: ${one.message} `, h("span", { class: "hint" }, one.hint))) : [h("li", { class: "yes" }, "\u2713 nothing found")]));
  });
  const edit = editor(() => { draft = edit.area.value; answer(); check(); });
  const save = h("button", { type: "button", class: "main", disabled: true, onclick: async () => {
    try {
      const { diff } = await post("check", { config: edit.area.value });
      if ((await dialog("Save web.config", shown(diff), [["save", "Save"], ["", "Cancel"]])) !== "save") return;
      config = await post("save", { text: edit.area.value, stamp: config.stamp });
      draft = null;
      toast("saved");
      answer();
    } catch (error) { toast(error.message); }
  } }, "Save \u2026");
  const load = async () => {
    config = await get("config");
    edit.area.value = draft ?? config.text;
    save.disabled = !config.is_writable;
    save.title = config.is_writable ? "" : "Needs fcgiemu serve --ui-write";
    note.textContent = config.is_writable ? "Nothing is written before you save." : "Nothing is written. Saving needs fcgiemu serve --ui-write; without it secrets are masked here.";
    edit.draw();
    answer();
    check();
  };
  const note = h("span", { class: "soft" });
  urls.addEventListener("input", () => { typed = urls.value; answer(); });
  place.append(h("h1", {}, "Playground"), h("div", { class: "columns" },
    h("div", {},
      section("web.config", h("div", { class: "bar" }, save,
        h("button", { type: "button", onclick: async () => { const { diff } = await post("check", { config: edit.area.value }); dialog("Differences", shown(diff)); } }, "Differences"),
        h("button", { type: "button", onclick: () => { draft = null; load().catch((error) => toast(error.message)); } }, "Reload the file"), note), edit.element, list),
      patternBox()),
    section("URLs", h("div", { class: "bar" },
      h("button", { type: "button", onclick: async () => { try { urls.value = typed = (await get("urls")).urls.join("\n"); answer(); } catch (error) { toast(error.message); } } }, "From the site"),
      h("button", { type: "button", onclick: () => { urls.value = typed = latest(30).join("\n"); answer(); } }, "From the last requests")), urls, results)));
  load().catch((error) => toast(error.message));
  return () => {};
}
