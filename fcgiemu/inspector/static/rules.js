// Rules with their hits, web.config with marks, and the processes.

import { get, post } from "./api.js";
import { clock, duration, h, section, size, toast } from "./dom.js";

const EVERY = 2000;

function ruleRow(rule) {
  return h("tr", {},
    h("th", { scope: "row" }, rule.name, h("br"), h("small", { class: "soft" }, `${rule.file}:${rule.line}`)),
    h("td", { "data-label": "hits" }, String(rule.hits)),
    h("td", { "data-label": "last hit" }, rule.last_hit ? clock(rule.last_hit) : h("span", { class: "warning" }, "! never since start")),
    h("td", {}, rule.conditions.length ? h("ul", {}, rule.conditions.map((one) =>
      h("li", {}, h("code", {}, one.input), one.negate ? " not " : " ", one.match_type === "Pattern" ? "matching " : "is ", one.match_type === "Pattern" ? h("code", {}, one.pattern) : one.match_type,
        h("span", { class: "soft" }, `  true ${one.true}, false ${one.false}`)))) : h("span", { class: "soft" }, "none")));
}

function source(file, all) {
  const marks = new Map();
  for (const rule of all.filter((one) => one.file === file.name)) {
    marks.set(rule.line, [rule.hits ? `${rule.hits} hit${rule.hits === 1 ? "" : "s"}` : "never", rule.hits > 0]);
    for (const one of rule.conditions) if (!marks.has(one.line)) marks.set(one.line, [`${one.true} / ${one.false}`, one.true + one.false > 0]);
  }
  return h("details", {}, h("summary", {}, file.name), h("div", { class: "source" }, (file.text ?? "").split("\n").map((line, index) => {
    const mark = marks.get(index + 1);
    return h("div", { class: mark ? (mark[1] ? "hit" : "never") : null }, h("span", {}, String(index + 1)), h("span", { class: "soft" }, mark?.[0] ?? ""), h("span", {}, line));
  })));
}

function workerRow(worker) {
  return h("tr", {}, h("th", { scope: "row" }, String(worker.pid)), h("td", { "data-label": "application" }, worker.application), h("td", { "data-label": "state" }, worker.state),
    h("td", { "data-label": "requests" }, String(worker.requests)), h("td", { "data-label": "age" }, worker.age === null ? "" : duration(worker.age * 1000)),
    h("td", { "data-label": "memory" }, worker.memory === null ? "" : size(worker.memory)), h("td", { class: "mono" }, worker.last_output ?? ""),
    h("td", {}, h("button", { type: "button", "aria-label": `Restart process ${worker.pid}`, onclick: async () => {
      try { await post(`workers/${worker.pid}/restart`, {}); toast(`${worker.pid} is replaced`); } catch (error) { toast(error.message); }
    } }, "Restart")));
}

function table(heads, body) {
  return h("table", { class: "list fit" }, h("thead", {}, h("tr", {}, heads.map((words) => h("th", { scope: "col" }, words)))), body);
}

export function rules(place) {
  const ruleBody = h("tbody"), workerBody = h("tbody"), files = h("div"), changes = h("ul"), nothing = h("p", { class: "soft" });
  let last = "", timer = 0, ended = false;
  const look = async () => {
    try {
      const [found, processes] = await Promise.all([get("rules"), get("workers")]);
      if (ended) return;
      ruleBody.replaceChildren(...found.rules.map(ruleRow));
      const text = JSON.stringify(found);
      if (text !== last) {
        const open = [...files.querySelectorAll("details[open] > summary")].map((one) => one.textContent);
        files.replaceChildren(...found.files.map((file) => source(file, found.rules)));
        for (const one of files.querySelectorAll("details")) one.open = open.includes(one.firstChild.textContent) || !last;
        last = text;
      }
      workerBody.replaceChildren(...processes.workers.map(workerRow));
      nothing.textContent = processes.workers.length ? "" : "No process runs: the first request that needs one starts it.";
      changes.replaceChildren(...(processes.changes.length ? processes.changes.map((one) =>
        h("li", {}, `${clock(one.time)} ${one.file}`, one.restarted ? ": workers restarted" : h("span", { class: "soft" }, ": nothing restarted"))) : [h("li", { class: "soft" }, "none since the start")]));
    } catch (error) { toast(error.message); }
    if (!ended) timer = setTimeout(look, EVERY);
  };
  place.append(h("h1", {}, "Rules and workers"),
    section("Rules", h("p", { class: "soft" }, "Rules are counted by name since the start, conditions since web.config was read last."), table(["Rule", "Hits", "Last hit", "Conditions"], ruleBody)),
    section("Where they stand", files),
    section("Worker processes", table(["Process", "Application", "State", "Requests", "Age", "Memory", "Last output", "Action"], workerBody), nothing),
    section("Changed files", changes));
  look();
  return () => { ended = true; clearTimeout(timer); };
}
