// One request, or two of them side by side.

import { fileAddress, get } from "./api.js";
import { clock, copy, duration, h, pairs, section, size, status, toast } from "./dom.js";
import { edit, replay } from "./replay.js";
import { elements } from "./story.js";

const PARTS = [["deciding", "deciding and answering"], ["queue", "waiting for a process"], ["application", "application"], ["sending", "sending"]];

function timing(request) {
  const times = { ...request.timing };
  if (times.application === null && times.sending !== null) times.deciding = Math.max(0, times.total - times.sending);
  const known = PARTS.filter(([name]) => times[name] !== null && times[name] !== undefined);
  const bar = h("div", { class: "timing", "aria-hidden": "true" }, known.map(([name]) => {
    const part = h("span", { class: `t-${name}` });
    part.style.flexGrow = Math.max(1000 * times[name], 1); // a sum below 1 would leave a gap
    return part;
  }));
  return [known.length ? bar : null, h("p", {}, known.map(([name, words]) =>
    [h("span", { class: `key t-${name}` }), `${words} ${duration(times[name])}, `]), `in all ${duration(request.timing.total)}`)];
}

// Secrets are folded and masked; their values come only when they are asked for.
function headers(request, which) {
  const secret = ([name]) => /^(cookie|set-cookie|authorization|proxy-authorization)$/i.test(name);
  const rows = request[which], folded = rows.filter(secret);
  const table = h("div", {}, pairs(folded));
  const show = h("button", { type: "button", onclick: async () => {
    try {
      const found = await get(`requests/${request.number}/headers`);
      table.replaceChildren(pairs(found[which].filter(secret)));
      show.remove();
    } catch (error) { toast(error.message); }
  } }, "Show the values");
  return [pairs(rows.filter((pair) => !secret(pair))),
    folded.length ? h("details", {}, h("summary", {}, `${folded.map(([name]) => name).join(", ")} (values are masked)`), table, show) : null];
}

function form(text) {
  return pairs([...new URLSearchParams(text)]);
}

function body(found) {
  if (!found) return h("p", { class: "soft" }, "none");
  const what = `${size(found.bytes)}${found.content_type ? ", " + found.content_type : ""}`;
  const parts = [h("p", { class: "soft" }, what + (found.is_complete ? "" : ", only the beginning is kept"))];
  if (found.text !== undefined) {
    if (/x-www-form-urlencoded/.test(found.content_type)) parts.push(form(found.text));
    parts.push(h("pre", { tabindex: "0", "aria-label": "Body" }, found.text));
  } else if (/^image\/(png|jpeg|gif|webp|avif|bmp|x-icon|vnd.microsoft.icon)/.test(found.content_type) && found.is_complete) {
    parts.push(h("img", { class: "body", alt: "The image that was sent", src: `data:${found.content_type.split(";")[0]};base64,${found.base64}` }));
  } else {
    parts.push(h("p", {}, "This is not text."));
  }
  return parts;
}

async function one(place, number) {
  const [request, answer] = await Promise.all([get(`requests/${number}`), get(`explain?request=${number}`)]);
  const copies = { ...request.copies, ...answer.copies };
  const seen = Object.entries(answer.outcome.environ ?? answer.variables ?? {});
  place.append(...[
    h("h1", {}, request.method, " ", request.url),
    h("p", {}, status(request), " ", request.handled_by, ` at ${clock(request.time)}`, request.replay_of ? [" replay of ", h("a", { href: `#/requests/${request.replay_of}` }, request.replay_of)] : null,
      request.remark ? h("span", { class: "warning" }, ` ${request.remark}`) : null),
    h("div", { class: "bar" },
      h("button", { type: "button", onclick: () => replay(request).catch((error) => toast(error.message)) }, "Replay"),
      h("button", { type: "button", onclick: () => edit(request.number).catch((error) => toast(error.message)) }, "Edit and replay"),
      copies.curl ? h("button", { type: "button", onclick: () => copy(copies.curl, "curl command") }, "Copy as curl") : null,
      copies.expect ? h("button", { type: "button", onclick: () => copy(copies.expect, "line of expectations") }, "Copy as .expect") : null,
      copies.pytest ? h("button", { type: "button", onclick: () => copy(copies.pytest, "pytest test") }, "Copy as pytest") : null,
      answer.pipeline?.length ? h("a", { href: fileAddress(`requests/${number}/freb`), download: true }, "Save as FREB file") : null,
      h("form", { class: "bar", onsubmit: (event) => { event.preventDefault(); location.hash = `#/compare/${number}/${event.target.elements.other.value}`; } },
        h("label", {}, "Compare with number", h("input", { name: "other", type: "number", min: "1", value: Math.max(1, number - 1).toString(), required: true })), h("button", {}, "Compare"))),
    answer.is_as_it_was === false ? h("p", { class: "warning" }, "Files have changed since: what follows is what would happen now.") : null,
    ...elements(answer.html),
    section("Time", timing(request)),
    h("div", { class: "columns" },
      section("Request headers, as the client sent them", headers(request, "request_headers")),
      section("Response headers, as they left", headers(request, "response_headers")),
      section("Request body", body(request.request_body)),
      section("Response body", body(request.response_body))),
    section("What the handler sees", h("p", { class: "soft" }, `URL ${request.path}${request.query ? "?" + request.query : ""}`),
      h("details", {}, h("summary", {}, `${seen.length} variables`), pairs(seen))),
    section("Output of the application", h("p", { class: "soft" }, request.process ? `process ${request.process}` : "no process had this request"),
      request.output.length ? h("pre", { tabindex: "0", "aria-label": "Output" }, request.output.join("\n")) : null),
  ].filter(Boolean));
  return request;
}

function wrong(place, error) {
  place.append(h("p", { class: "error" }, error.message), h("p", {}, h("a", { href: "#/requests" }, "Back to the list")));
}

export function request(place, number) {
  let shown = null;
  one(place, Number(number)).then((found) => (shown = found), (error) => wrong(place, error));
  const keys = (event) => {
    if (event.target.closest("input, select, textarea, dialog") || event.ctrlKey || event.metaKey) return;
    if (event.key === "r" && shown) replay(shown).catch((error) => toast(error.message));
    else if (event.key === "Escape") location.hash = "#/requests";
  };
  document.addEventListener("keydown", keys);
  return () => document.removeEventListener("keydown", keys);
}

export function compare(place, first, second) {
  place.append(h("div", { class: "columns" }, [first, second].map((number) => {
    const side = h("div", { role: "region", "aria-label": `Request ${number}` });
    // within a side sections are no landmarks: each would stand there twice
    one(side, Number(number)).then(() => side.querySelectorAll("section").forEach((part) => part.removeAttribute("aria-label")),
      (error) => wrong(side, error));
    return side;
  })));
  return () => {};
}
