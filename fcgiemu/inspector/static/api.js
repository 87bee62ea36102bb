// The calls of the API; see /api/v1/openapi.json.

const token = new URLSearchParams(location.search).get("token") ?? "";
const BASE = "/api/v1/";

async function answer(response) {
  const found = await response.json();
  if (!response.ok) throw new Error(found.error ?? response.statusText);
  return found;
}

export async function get(call) {
  return answer(await fetch(BASE + call, { headers: { Authorization: `Bearer ${token}` } }));
}

export async function post(call, given) {
  return answer(await fetch(BASE + call, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify(given),
  }));
}

// The address of a file for a link, which can send no header.
export function fileAddress(call) {
  return `${BASE}${call}?token=${encodeURIComponent(token)}`;
}

// Every request from now on, and those that are kept; it comes back by itself when it is cut.
export function stream(tell, state) {
  const source = new EventSource(`${BASE}requests?stream&token=${encodeURIComponent(token)}`);
  source.onmessage = (event) => tell(JSON.parse(event.data));
  source.onopen = () => state(true);
  source.onerror = () => state(false);
}
