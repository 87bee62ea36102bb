// Who clients are, to be changed while the site is served.

import { get, post } from "./api.js";
import { h, section, toast } from "./dom.js";

function roles(text) {
  return text.split("\n").map((line) => line.trim()).filter(Boolean);
}

export function identity(place) {
  const now = h("p", { role: "status" }), asks = h("p", { class: "soft" }), people = h("div", { class: "bar" });
  const name = h("input", { id: "name", autocomplete: "off", spellcheck: "false", placeholder: "CONTOSO\\ada" });
  const groups = h("textarea", { id: "roles", rows: "3", spellcheck: "false" });
  let ended = false;
  const show = (found) => {
    if (ended) return;
    now.textContent = found.name === null ? "Nobody is signed in: clients are anonymous." : `Clients are ${found.name}${found.roles.length ? ` (${found.roles.join(", ")})` : ""}.`;
    asks.textContent = found.asks ? `The site asks who they are: ${found.asks}.` : "The site asks nobody who they are at its root: enable windowsAuthentication in the host configuration.";
    people.replaceChildren(...found.people.map((one) =>
      h("button", { type: "button", onclick: () => change(one.name, one.roles) }, one.name)));
    name.value = found.name ?? "";
    groups.value = found.roles.join("\n");
  };
  const change = async (who, its) => {
    try { show(await post("identity", { name: who, roles: its })); } catch (error) { toast(error.message); }
  };
  place.append(h("h1", {}, "Who asks"),
    h("p", {}, "This is fcgiemu's own page, not a real sign-in: nothing is checked. It holds for every client of the site, as --as does."),
    section("Now", now, asks, h("button", { type: "button", onclick: () => change("", []) }, "Sign out")),
    section("Be one of these", people),
    section("Be somebody else", h("form", { onsubmit: (event) => { event.preventDefault(); change(name.value, roles(groups.value)); } },
      h("p", {}, h("label", { for: "name" }, "Account"), " ", name),
      h("p", {}, h("label", { for: "roles" }, "Groups, one a line"), " ", groups),
      h("button", { class: "main" }, "Sign in"))));
  get("identity").then(show, (error) => toast(error.message));
  return () => { ended = true; };
}
