// A terminal on a node. The hub keeps its screen: the WebSocket says that something was shown and
// takes what is typed, and the screen is fetched as it then is. So nothing here has to know what
// programs say to terminals, and who comes back sees what is there.

import { pasted, typed } from "./keys.js";
import { Screen } from "./screen.js";
import { load, renew, toSignIn } from "./session.js";

const query = new URLSearchParams(location.search);
const watches = query.has("watch");
const terminal = document.getElementById("terminal");
const live = document.getElementById("live");
const problem = document.getElementById("problem");
const screen = new Screen(document.getElementById("rows"), document.getElementById("cursor"));
const encoder = new TextEncoder();

let task = query.get("task");
let socket = null;
let isOver = false;
let pause = 500;
// Bytes that were shown, and those that a drawing stands for.
let shown = 0;
let drawn = null;
let last = { application_arrows: false, bracketed_paste: false };
let isFetching = false;
let isWanted = false;

function say(word, isLive) {
  live.textContent = word;
  live.classList.toggle("on", isLive);
}

function tell(text) {
  problem.textContent = text;
  problem.hidden = !text;
}

function over(word, text) {
  isOver = true;
  say(word, false);
  tell(text);
}

function size() {
  const { width, height } = screen.cell();
  const side = (space, unit) => Math.max(2, Math.min(500, Math.floor(space / unit)));
  return { cols: side(terminal.clientWidth, width), rows: side(terminal.clientHeight, height) };
}

function name() {
  document.getElementById("title").textContent = `Terminal ${task}`;
  const mode = document.getElementById("mode");
  mode.href = `terminal?task=${task}${watches ? "" : "&watch"}`;
  mode.textContent = watches ? "Type into this terminal" : "Watch only: a link that shows and does not type";
  mode.hidden = false;
  if (watches) document.getElementById("keys").firstChild.textContent = "You only watch this terminal. ";
}

// Opens a terminal on the node that the query names.
async function open() {
  const node = query.get("node");
  if (!node) return over("nothing to show", "This page needs a node or a task: open it from the list of nodes.");
  const body = JSON.stringify({ node, terminal: { ...size(), term: "xterm-256color" } });
  const headers = { "content-type": "application/json", "idempotency-key": crypto.randomUUID() };
  const post = () => fetch("api/sessions/default/dispatch", { method: "POST", headers, body });
  let answer = await post();
  if (answer.status === 401 && (await renew())) answer = await post();
  const said = await answer.json();
  if (!answer.ok) return over("not opened", [said.detail ?? said.title, said.hint].filter(Boolean).join(" "));
  task = said.id;
  // Who reloads the page comes back to this terminal, and opens no other one.
  history.replaceState(null, "", `terminal?task=${task}`);
}

async function refresh() {
  isWanted = true;
  if (isFetching) return;
  isFetching = true;
  while (isWanted) {
    isWanted = false;
    try {
      const answer = await load(`api/tasks/${task}/screen?runs=true`);
      if (!answer) return;
      last = await answer.json();
      screen.show(last);
      // What was shown a moment ago is on its way to the store.
      if (last.offset < shown) {
        await new Promise((done) => setTimeout(done, 15));
        isWanted = !isOver || isWanted;
      }
    } catch {
      // The hub is away; the socket says so, too, and fetches when it is back.
      break;
    }
  }
  isFetching = false;
}

function heard(message) {
  if (typeof message.data !== "string") {
    shown = drawn ?? shown + message.data.byteLength;
    drawn = null;
    return refresh();
  }
  const event = JSON.parse(message.data);
  if (event.type === "screen") drawn = event.offset;
  if (event.type === "exit") over("ended", `The program has ended: ${event.task.summary ?? event.task.state}.`);
  if (event.type === "problem") {
    const { detail, title, hint } = event.problem;
    over("not joined", [detail ?? title, hint].filter(Boolean).join(" "));
  }
  refresh();
}

function join() {
  const place = new URL(`api/tasks/${task}/terminal?mode=${watches ? "watch" : "type"}`, location.href);
  place.protocol = place.protocol.replace("http", "ws");
  socket = new WebSocket(place, ["cortex.v1"]);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    pause = 500;
    say(watches ? "live, watching" : "live", true);
    tell("");
    fit();
  };
  socket.onmessage = heard;
  socket.onclose = async () => {
    if (isOver) return;
    say("not live", false);
    tell("The connection to the hub is lost. The terminal goes on; trying again.");
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 2, 5000);
    try {
      // A socket that is refused does not say why; a fetch does.
      const answer = await fetch(`api/tasks/${task}`, { cache: "no-store" });
      if (answer.status === 401 && !(await renew())) return toSignIn();
      const said = await answer.json();
      if (answer.status === 404) return over("not found", [said.detail, said.hint].filter(Boolean).join(" "));
      if (said.ended_at) {
        over("ended", `The program has ended: ${said.summary ?? said.state}.`);
        return refresh();
      }
    } catch {
      // The hub is away: the next try tells.
    }
    join();
  };
}

function send(text) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(encoder.encode(text));
}

// Gives the terminal the size that there is room for.
function fit() {
  if (watches || isOver || socket?.readyState !== WebSocket.OPEN) return;
  const wanted = size();
  if (wanted.cols !== last.cols || wanted.rows !== last.rows) {
    socket.send(JSON.stringify({ type: "resize", ...wanted }));
  }
}

terminal.addEventListener("keydown", (event) => {
  if (event.key === "F6") {
    document.getElementById("mode").focus();
    return event.preventDefault();
  }
  const text = watches ? null : typed(event, last.application_arrows);
  if (text === null) return;
  event.preventDefault();
  send(text);
});
terminal.addEventListener("paste", (event) => {
  if (watches) return;
  event.preventDefault();
  send(pasted(event.clipboardData.getData("text"), last.bracketed_paste));
});
let fitting;
new ResizeObserver(() => {
  clearTimeout(fitting);
  fitting = setTimeout(fit, 150);
}).observe(terminal);

try {
  if (!task) await open();
} catch {
  over("not opened", "The hub does not answer. Reload this page to try again.");
}
if (task) {
  name();
  join();
  terminal.focus();
}
