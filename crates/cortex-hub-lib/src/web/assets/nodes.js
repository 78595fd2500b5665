// Keeps the list of nodes as it is on the hub: an event says that something changed, and the list
// is fetched anew, at most once a second.

import { load, renew, toSignIn } from "./session.js";

const list = document.getElementById("nodes");
const live = document.getElementById("live");
const lost = document.getElementById("lost");
const asOf = document.getElementById("as-of");

let fetchedAt = new Date();
let running = false;
let again = false;

function show(isLive) {
  live.textContent = isLive ? "live" : "not live";
  live.classList.toggle("on", isLive);
  document.body.classList.toggle("stale", !isLive);
  lost.hidden = isLive;
  asOf.textContent = fetchedAt.toLocaleTimeString();
}

async function update() {
  if (running) {
    again = true;
    return;
  }
  running = true;
  try {
    const answer = await load("parts/nodes");
    if (answer) {
      list.innerHTML = await answer.text();
      fetchedAt = new Date();
    }
  } catch {
    show(false);
  }
  setTimeout(() => {
    running = false;
    if (again) {
      again = false;
      update();
    }
  }, 1000);
}

function follow() {
  const events = new EventSource("api/events");
  events.onopen = () => {
    show(true);
    update();
  };
  for (const kind of ["node.status", "reset"]) events.addEventListener(kind, update);
  events.onerror = async () => {
    show(false);
    // A dropped connection comes back by itself; a refused one does not.
    if (events.readyState !== EventSource.CLOSED) return;
    try {
      if (!(await renew())) return toSignIn();
    } catch {
      // The hub is away: the next try tells.
    }
    setTimeout(follow, 3000);
  };
}

document.getElementById("sign-out").addEventListener("click", async () => {
  try {
    await fetch("api/logout", { method: "POST" });
  } finally {
    toSignIn();
  }
});

follow();
// Spans of time grow without an event.
setInterval(update, 30000);
