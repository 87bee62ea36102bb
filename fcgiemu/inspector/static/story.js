// What happened to a request, as parts that every view uses.

import { h } from "./dom.js";

// The events of an explanation, one object for each rule that was evaluated.
export function evaluated(events = []) {
  const found = [];
  let rule = null;
  for (const event of events) {
    if (event.name === "RULE_EVALUATION_START") {
      rule = { name: event.RuleName, file: event.File, line: event.Line, input: event.RequestURL, steps: [], applied: false, error: null };
      found.push(rule);
    } else if (event.name === "RULE_EVALUATION_END" && rule) {
      rule.applied = event.Succeeded;
      rule.error = event.Error ?? null;
      rule.stops = event.StopProcessing;
      rule = null;
    } else if (rule) rule.steps.push(event);
  }
  return found;
}

// A text with what was matched in it, and the groups in that.
export function highlighted(text, captures) {
  if (!captures || !captures.length || !captures[0]) return [text];
  const begin = text.indexOf(captures[0]);
  if (begin < 0) return [text];
  const inner = [];
  let rest = captures[0];
  captures.slice(1).forEach((capture, index) => {
    const at = capture ? rest.indexOf(capture) : -1;
    if (at < 0) return;
    inner.push(rest.slice(0, at), h("mark", { class: "c", title: `group ${index + 1}` }, capture));
    rest = rest.slice(at + capture.length);
  });
  return [text.slice(0, begin), h("mark", {}, ...inner, rest), text.slice(begin + captures[0].length)];
}

function groups(captures, letter) {
  if (!captures || captures.length < 2) return null;
  return h("span", { class: "soft" }, captures.map((text, index) => ` {${letter}:${index}}='${text}'`).join(""));
}

function step(event) {
  const good = (yes) => (yes ? "yes" : "no");
  switch (event.name) {
    case "PATTERN_MATCH":
      if (event.Pattern === null) return h("p", { class: "yes" }, "no pattern: every URL matches");
      return h("p", { class: good(event.Matched) }, event.Matched ? "\u2713 " : "\u2717 ", "URL ",
        h("code", {}, "'", ...highlighted(event.Input, event.Negate ? null : event.Captures), "'"),
        event.Matched === event.Negate ? " does not match " : " matches ", h("code", {}, event.Pattern),
        event.Negate ? " (negated)" : "", groups(event.Captures, "R"));
    case "CONDITION_EVALUATION": {
      const what = event.MatchType === "Pattern" ? ["matching ", h("code", {}, event.Pattern)]
        : [event.MatchType === "IsFile" ? "is a file" : "is a directory"];
      return h("p", { class: good(event.Succeeded) }, event.Succeeded ? "\u2713 " : "\u2717 ", "condition ", h("code", {}, event.Input), " = ",
        h("code", {}, "'", ...highlighted(event.ExpandedInput, event.Negate ? null : event.Captures), "'"),
        event.Negate ? " not " : " ", ...what, event.Negate ? null : groups(event.Captures, "C"));
    }
    case "REWRITE_ACTION":
      return h("p", { class: "action" }, "rewrites to ", h("code", {}, event.RewriteURL + (event.QueryString ? "?" + event.QueryString : "")));
    case "REDIRECT_ACTION":
      return h("p", { class: "action" }, `redirects (${event.StatusCode}) to `, h("code", {}, event.RedirectURL));
    case "CUSTOM_RESPONSE_ACTION":
      return h("p", { class: "action" }, `answers ${event.StatusCode}.${event.SubStatusCode} ${event.StatusReason}`);
    case "ABORT_REQUEST_ACTION":
      return h("p", { class: "action" }, "aborts the request");
    case "SET_SERVER_VARIABLE":
      return h("p", { class: "action" }, "sets ", h("code", {}, event.Name), " to ", h("code", {}, `'${event.Value}'`));
    default:
      return null;
  }
}

// The lines of a rule in its file.
function lines(files, rule) {
  const text = files?.get(rule.file);
  if (!text) return null;
  const all = text.split("\n");
  let end = rule.line - 1;
  while (end < all.length - 1 && end < rule.line + 60 && !all[end].includes("</rule>")) end++;
  let shown = all.slice(rule.line - 1, end + 1);
  if (shown.length === 1 && shown[0].length > 2000) shown = [shown[0].slice(0, 2000) + " \u2026"];
  return h("details", { open: rule.applied }, h("summary", {}, `${rule.file}:${rule.line}`), h("pre", {}, shown.join("\n")));
}

export function rules(answer, files) {
  const found = evaluated(answer.events);
  if (!found.length) return [h("p", { class: "soft" }, "No rule was evaluated.")];
  return found.map((rule) =>
    h("article", { class: `judged${rule.applied ? " applied" : ""}${rule.error ? " failed" : ""}` },
      h("h3", {}, rule.applied ? "\u2713 " : "\u2717 ", rule.name, h("span", { class: "soft" },
        rule.applied ? (rule.stops ? " applied, stops processing" : " applied") : rule.error ? " failed" : " does not apply")),
      lines(files, rule) ?? h("p", { class: "soft" }, `${rule.file}:${rule.line}`),
      ...rule.steps.map(step), rule.error ? h("p", { class: "error" }, rule.error) : null));
}

export function lineList(answer) {
  return h("ol", { class: "story" }, answer.story.filter((line) => line.text).map((line) =>
    h("li", { class: `${line.role} d${Math.min(line.depth, 3)}` }, line.text)));
}

export function outcome(answer) {
  const line = answer.story?.find((one) => one.role === "outcome" && one.text);
  return (line?.text ?? "").replace(/^=> /, "");
}

// Why, in one or two lines: what follows the outcome.
export function reasons(answer) {
  const at = answer.story.findIndex((one) => one.role === "outcome" && one.text);
  return answer.story.slice(at + 1).filter((line) => line.text)
    .map((line) => h("p", { class: line.role }, line.text));
}

// What led there, in a few words: the rules that applied, and the file that was looked for.
export function why(answer) {
  const parts = evaluated(answer.events).filter((rule) => rule.applied || rule.error).map((rule) => {
    const act = rule.steps.find((event) => event.name === "REWRITE_ACTION" || event.name === "REDIRECT_ACTION");
    const where = act ? [act.name === "REWRITE_ACTION" ? " rewrites to " : " redirects to ", h("code", {}, act.RewriteURL ?? act.RedirectURL)] : rule.error ? " fails" : " applies";
    return ["Rule ", h("strong", {}, rule.name), ` (${rule.file}:${rule.line})`, where];
  });
  const file = answer.story.filter((line) => /: (not found|found, .*)$/.test(line.text)).pop();
  if (file) parts.push(["File ", h("code", {}, file.text)]);
  return parts.length ? h("ul", { class: "why" }, parts.map((part) => h("li", {}, part))) : null;
}

export function pipeline(answer) {
  if (!answer.pipeline?.length) return h("p", { class: "soft" }, "http.sys answered: no module saw the request.");
  return h("ol", { class: "pipeline" }, answer.pipeline.map((one) =>
    h("li", { class: `${one.modules.length ? "acted" : ""}${one.answered ? " answered" : ""}` }, one.notification,
      h("small", {}, one.modules.length ? one.modules.join(", ") + (one.answered ? " \u2190 answers" : "") : "\u00a0"))));
}
