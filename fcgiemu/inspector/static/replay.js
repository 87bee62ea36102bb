// A request once more, as it was or edited.

import { get, post } from "./api.js";
import { dialog, h, toast } from "./dom.js";

const SAFE = ["GET", "HEAD", "OPTIONS", "TRACE"];

async function send(given) {
  const found = await post("replay", given);
  toast(found.status ? `answered ${found.status}` : "the connection was reset");
  if (found.number) location.hash = `#/requests/${found.number}`;
}

export async function replay(request) {
  if (!SAFE.includes(request.method)) {
    const sure = await dialog("Replay", h("p", {}, `${request.method} ${request.url} may change something: send it again?`), [["send", "Send it again"], ["", "Cancel"]]);
    if (sure !== "send") return;
  }
  await send({ number: request.number });
}

export async function edit(number) {
  const request = await get(`requests/${number}`);
  const method = h("input", { value: request.method, size: "8" });
  const url = h("input", { value: request.url });
  const headers = h("textarea", { rows: "8", spellcheck: "false" });
  headers.value = request.request_headers.map(([name, value]) => `${name}: ${value}`).join("\n");
  const body = h("textarea", { rows: "6", spellcheck: "false" });
  const sent = request.request_body;
  body.value = sent?.text ?? "";
  const form = h("div", {}, h("label", { class: "wide" }, "Method", method), h("label", { class: "wide" }, "URL", url),
    h("label", { class: "wide" }, "Headers (what is masked is sent as it was)", headers),
    h("label", { class: "wide" }, sent ? "Body (unchanged: sent as it was)" : "Body", body));
  if ((await dialog("Edit and replay", form, [["send", "Send"], ["", "Cancel"]])) !== "send") return;
  const given = {
    number, method: method.value.trim(), url: url.value.trim(),
    headers: headers.value.split("\n").filter((line) => line.trim()).map((line) => {
      const at = line.indexOf(":");
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  };
  if (body.value !== (sent?.text ?? "")) given.body = body.value;
  await send(given);
}
