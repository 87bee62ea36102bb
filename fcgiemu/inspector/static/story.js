// What happened to a request. Its parts are made by the server, where saved pages and error pages
// get theirs: see fcgiemu/pages/templates/story.jinja.

// HTML of the API as elements: it is escaped there, and no script in it would run.
export function elements(html) {
  return [...new DOMParser().parseFromString(html, "text/html").body.childNodes];
}

export function outcome(answer) {
  const line = answer.story?.find((one) => one.role === "outcome" && one.text);
  return (line?.text ?? "").replace(/^=> /, "");
}
