// The router of the page: whatever the path is, this script shows it and asks the API about it.
const root = document.getElementById("root");
const answer = await fetch("/api" + location.pathname);
root.textContent = (await answer.json()).text;
