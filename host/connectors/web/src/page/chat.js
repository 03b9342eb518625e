// The chat page: what the visitor does, what the host says, and where each is shown.

import { Link } from "./link.js";
import { Log } from "./log.js";

// The longest text the host takes, in bytes.
const MAX_TEXT = 16 * 1024;
// The host renews its typing notice every 4 s.
const TYPING = 6000;

const $ = (id) => document.getElementById(id);
const [text, send, scroller, hint] = [$("text"), $("send"), $("scroller"), $("hint")];
const hintWords = [...hint.childNodes];
let visitor = null;
let typingTimer = 0;

function newId() {
  // randomUUID is there only on localhost and over TLS.
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// --- Scrolling: stay at the end while the reader is there, and tell of news when they are not.

const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
const toEnd = () => { scroller.scrollTop = scroller.scrollHeight; };
function keepingPlace(change) {
  const stay = atEnd();
  change();
  if (stay) toEnd();
  $("empty").hidden = visitor === null || log.size > 0;
  return stay;
}
scroller.addEventListener("scroll", () => { if (atEnd()) $("newer").hidden = true; });
$("newer").addEventListener("click", toEnd);
// The field grows, a phone's keyboard opens: the end stays in sight.
let height = scroller.clientHeight;
new ResizeObserver(() => {
  if (scroller.scrollHeight - scroller.scrollTop - height < 80) toEnd();
  height = scroller.clientHeight;
}).observe(scroller);

// --- What is shown.

const log = new Log($("log"), {
  press: (button) => say("button", button.value, button.label),
  retry: (entry) => {
    log.remove(entry);
    say(entry.type, entry.value ?? entry.text, entry.text);
  },
});

function typing(shown) {
  clearTimeout(typingTimer);
  keepingPlace(() => { $("typing").hidden = !shown; });
  if (shown) typingTimer = setTimeout(() => typing(false), TYPING);
}

function introduce(name) {
  const who = $("who");
  const strong = document.createElement("b");
  strong.textContent = name;
  who.replaceChildren(name.startsWith("guest-") ? "You are " : "Signed in as ", strong);
  who.title = `The host knows you as web:${name}. Click to copy.`;
  who.setAttribute("aria-label", `You are web:${name}. Copy this id`);
  who.hidden = false;
}
$("who").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(`web:${visitor}`);
    $("who").textContent = "Copied";
    setTimeout(() => introduce(visitor), 1200);
  } catch { /* the browser forbids it: the id can still be read */ }
});

function setTitle(title) {
  $("title").textContent = title;
  document.title = title;
}

function waiting(frame, label) {
  const value = frame.text ?? frame.value;
  return { id: frame.id, from: "visitor", text: label ?? value, value, format: "plain", at: Date.now(), state: "waiting", type: frame.type };
}

// --- What the host says.

const link = new Link(`/chat/${document.documentElement.dataset.channel}/socket`, {
  state(name, words) {
    $("state").dataset.state = name;
    $("state").textContent = words;
  },
  hello(frame) {
    if (visitor !== null && visitor !== frame.visitor) log.clear();
    visitor = frame.visitor;
    introduce(visitor);
    setTitle(frame.title);
    // What was said before is not read aloud.
    $("log").setAttribute("aria-live", "off");
    keepingPlace(() => {
      for (const kept of link.restore(visitor)) log.add(waiting(kept));
      log.merge(frame.history);
    });
    requestAnimationFrame(() => $("log").setAttribute("aria-live", "polite"));
  },
  title: (frame) => setTitle(frame.title),
  accepted: ({ id, at }) => keepingPlace(() => log.change(id, { state: "sent", at, reason: null })),
  refused({ id, reason, retry_ms }) {
    if (retry_ms === null) log.change(id, { state: "failed", reason });
    else log.change(id, { reason: `${reason}; trying again` });
  },
  own: ({ id, text, at }) => show({ id, from: "visitor", text, format: "plain", at, state: "sent" }),
  message(frame) {
    typing(false);
    show({ ...frame, from: "host", replyTo: frame.reply_to, state: "sent" });
  },
  edit: ({ id, text, format }) => keepingPlace(() => log.change(id, { text, format, edited: true })),
  delete: ({ id }) => keepingPlace(() => log.change(id, { deleted: true })),
  react: ({ id, emoji }) => keepingPlace(() => log.change(id, { reaction: emoji })),
  typing: () => typing(true),
});

function show(entry) {
  if (!keepingPlace(() => log.add(entry)) && entry.from === "host") $("newer").hidden = false;
}

// --- What the visitor does.

function say(type, value, label) {
  const frame = { type, id: newId(), [type === "send" ? "text" : "value"]: value };
  log.add(waiting(frame, label));
  $("empty").hidden = true;
  toEnd();
  link.send(frame);
}

function measure() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
  const bytes = new TextEncoder().encode(text.value).length;
  const over = bytes > MAX_TEXT;
  send.disabled = over || !text.value.trim();
  hint.classList.toggle("over", over);
  hint.replaceChildren(...(over ? [`Too long by ${bytes - MAX_TEXT} bytes: send it in parts`] : hintWords));
}

text.addEventListener("input", measure);
text.addEventListener("keydown", (event) => {
  // On a phone Enter is the only way to a new line.
  const sends = event.key === "Enter" && !event.shiftKey && !event.isComposing && !matchMedia("(pointer: coarse)").matches;
  if (!sends) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  measure();
  if (send.disabled) return;
  say("send", text.value.trim());
  text.value = "";
  measure();
  text.focus();
});
measure();
