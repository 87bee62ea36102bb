// Elements from plain calls: text is always text, never markup.

export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else if (key in element && key !== "list" && typeof value !== "string") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, properties = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(properties)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function section(title, ...children) {
  return h("section", { "aria-label": title }, h("h2", {}, title), ...children);
}

// Shape and colour together say what kind of status it is.
const SHAPES = { 0: "\u2715", 1: "\u2026", 2: "\u2713", 3: "\u2192", 4: "!", 5: "\u2715" };

export function status(request) {
  const kind = request.status ? Math.floor(request.status / 100) : 0;
  const text = request.status ? request.status + (request.substatus ? "." + request.substatus : "") : "reset";
  return h("span", { class: `status s${kind}` }, `${SHAPES[kind]} ${text}`);
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

export function duration(ms) {
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 10000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}

export function pairs(rows) {
  return h("table", { class: "pairs" }, h("tbody", {}, rows.map(([name, value]) =>
    h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "mono" }, value)))));
}

let toasts = 0;
export function toast(text) {
  let place = document.getElementById("toast");
  if (!place) document.body.append((place = h("div", { id: "toast", role: "status" })));
  place.textContent = text;
  const number = ++toasts;
  setTimeout(() => { if (number === toasts) place.textContent = ""; }, 4000);
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`);
  } catch {
    dialog(what, h("pre", {}, text));
  }
}

// A dialog that ends with the value of the button that closed it.
export function dialog(title, content, buttons = [["close", "Close"]]) {
  return new Promise((resolve) => {
    const box = h("dialog", { "aria-label": title },
      h("h2", {}, title), content,
      h("form", { method: "dialog", class: "bar" }, buttons.map(([value, words], index) =>
        h("button", { value, class: index === 0 && buttons.length > 1 ? "main" : null }, words))));
    box.addEventListener("close", () => { resolve(box.returnValue); box.remove(); });
    document.body.append(box);
    box.showModal();
  });
}
