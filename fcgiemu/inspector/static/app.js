// Which view is shown, by the part of the address behind #.

import { stream } from "./api.js";
import { identity } from "./identity.js";
import { playground } from "./playground.js";
import { compare, request } from "./request.js";
import { arrived, requests } from "./requests.js";
import { rules } from "./rules.js";

const main = document.getElementById("main"), help = document.getElementById("help");
const VIEWS = [
  [/^#\/requests\/(\d+)$/, request, "Request", "#/requests"],
  [/^#\/compare\/(\d+)\/(\d+)$/, compare, "Two requests", "#/requests"],
  [/^#\/playground$/, playground, "Playground", "#/playground"],
  [/^#\/rules$/, rules, "Rules and workers", "#/rules"],
  [/^#\/identity$/, identity, "Who asks", "#/identity"],
  [/^/, requests, "Requests", "#/requests"],
];
let leave = () => {};

function show() {
  leave();
  main.replaceChildren();
  const [pattern, view, title, current] = VIEWS.find(([one]) => one.test(location.hash));
  document.title = `${title} \u2013 fcgiemu`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  window.scrollTo(0, 0);
  leave = view(main, ...(pattern.exec(location.hash) ?? []).slice(1));
}

window.addEventListener("hashchange", () => { show(); main.focus({ preventScroll: true }); });
document.getElementById("help-button").addEventListener("click", () => help.showModal());
document.addEventListener("keydown", (event) => {
  if (event.key === "?" && !event.target.closest("input, select, textarea, dialog")) help.showModal();
});
const connection = document.getElementById("connection");
stream(arrived, (isOpen) => {
  connection.textContent = isOpen ? "\u25cf live" : "\u25cb not connected";
  connection.className = isOpen ? "" : "lost";
});
show();
