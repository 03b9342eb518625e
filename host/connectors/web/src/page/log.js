// The messages on the page: what is known of them, and how they look.

import { markdown } from "./markdown.js";

const SVG = "http://www.w3.org/2000/svg";
const TICK = "M3 8.5l3.2 3.2L13 4.8";
const CLOCK = "M8 4.6V8l2.2 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z";
// Messages of one side that are closer together than this stand as one group.
const GROUP = 3 * 60 * 1000;
// A message that was still unsent counts as one of the history only if that is no older than this.
const SLACK = 60 * 1000;

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

function icon(path, label) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  const line = document.createElementNS(SVG, "path");
  for (const [key, value] of Object.entries({
    d: path, fill: "none", stroke: "currentColor", "stroke-width": "1.8", "stroke-linecap": "round", "stroke-linejoin": "round",
  })) line.setAttribute(key, value);
  svg.append(line);
  return svg;
}

/** An entry: `{id, from: "visitor" | "host", text, format, at, state, reason, buttons, replyTo, past}`. */
export class Log {
  #root;
  #press;
  #retry;
  #entries = [];
  #views = new Map();

  /** `press(button, entry)` is called for a button pressed, `retry(entry)` for a message to be tried again. */
  constructor(root, { press, retry }) {
    this.#root = root;
    this.#press = press;
    this.#retry = retry;
  }

  get size() { return this.#entries.length; }

  find(id) { return this.#entries.find((entry) => entry.id === id); }

  add(entry) {
    if (entry.id && this.find(entry.id)) return;
    const twin = entry.from === "host" && this.#twinOf(entry);
    if (twin) {
      Object.assign(twin, entry, { past: false, at: twin.at });
      this.#draw(twin);
    } else {
      this.#entries.push(entry);
      this.#draw(entry).classList.add("fresh");
    }
    this.#arrange();
  }

  change(id, change) {
    const entry = this.find(id);
    if (!entry) return;
    Object.assign(entry, change);
    this.#draw(entry);
    this.#arrange();
  }

  remove(entry) {
    this.#entries = this.#entries.filter((other) => other !== entry);
    this.#views.delete(entry);
    this.#arrange();
  }

  clear() {
    this.#entries = [];
    this.#views.clear();
    this.#arrange();
  }

  /** Brings what is shown and what the host remembers together, each message once. */
  merge(history) {
    const shown = this.#entries.filter((entry) => entry.state !== "failed");
    for (const turn of [...history].reverse()) {
      const at = shown.findLastIndex((entry) => entry.from === turn.from && entry.text.trim() === turn.text.trim() &&
        (entry.state !== "waiting" || turn.at >= entry.at - SLACK));
      if (at >= 0) {
        shown.splice(at, 1);
      } else {
        const entry = { ...turn, format: turn.from === "host" ? "markdown" : "plain", state: "sent", past: true };
        this.#entries.push(entry);
        this.#draw(entry);
      }
    }
    this.#arrange();
  }

  // An answer may be in the history before it is delivered: then it is the last thing said, and it is shown already.
  #twinOf(entry) {
    const from = this.#entries.findLastIndex((other) => other.from === "visitor");
    return this.#entries.slice(from + 1).find((other) => other.past && other.text.trim() === entry.text.trim());
  }

  // Puts the views in order, marks the ends of groups and the days.
  #arrange() {
    const rank = (entry) => (entry.state === "waiting" ? Infinity : entry.at);
    this.#entries.sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
    const order = [];
    this.#entries.forEach((entry, i) => {
      const view = this.#views.get(entry);
      const [before, after] = [this.#entries[i - 1], this.#entries[i + 1]];
      const together = (a, b) => a && b && a.from === b.from && Math.abs(b.at - a.at) < GROUP;
      view.classList.toggle("first", !together(before, entry));
      view.classList.toggle("last", !together(entry, after));
      const date = day.format(entry.at);
      if (!before || day.format(before.at) !== date) order.push(this.#dayMark(date));
      order.push(view);
    });
    // Only what is out of place is moved: a moved node is read aloud again.
    order.forEach((view, i) => this.#root.children[i] === view || this.#root.insertBefore(view, this.#root.children[i] ?? null));
    while (this.#root.children.length > order.length) this.#root.lastChild.remove();
  }

  #days = new Map();
  #dayMark(date) {
    if (!this.#days.has(date)) this.#days.set(date, make("div", "day", date === day.format(Date.now()) ? "Today" : date));
    return this.#days.get(date);
  }

  #draw(entry) {
    const view = this.#views.get(entry) ?? make("article");
    this.#views.set(entry, view);
    view.className = ["entry", entry.from === "visitor" ? "own" : "", entry.state ?? "", entry.deleted ? "deleted" : ""].join(" ").trim();
    const parts = [make("span", "visually-hidden", entry.from === "visitor" ? "You:" : "Answer:"), this.#bubble(entry)];
    if (entry.reaction) parts.push(make("span", "reaction", entry.reaction));
    if (entry.buttons?.length && !entry.deleted) parts.push(this.#buttons(entry));
    view.replaceChildren(...parts, this.#meta(entry));
    return view;
  }

  #bubble(entry) {
    const bubble = make("div", "bubble");
    if (entry.deleted) {
      bubble.append("This message was removed");
      return bubble;
    }
    const quoted = entry.replyTo && this.find(entry.replyTo);
    if (quoted) bubble.append(make("span", "quote", quoted.text.split("\n", 1)[0]));
    bubble.append(entry.format === "markdown" ? markdown(entry.text) : make("div", "plain-text", entry.text));
    return bubble;
  }

  #buttons(entry) {
    const rows = entry.buttons.map((row) => make("div", "", ...row.map((button) => {
      const element = make("button", "", button.label);
      element.type = "button";
      element.setAttribute("aria-pressed", String(entry.pressed === button.value));
      element.addEventListener("click", () => {
        this.change(entry.id, { pressed: button.value });
        this.#press(button, entry);
      });
      return element;
    })));
    return make("div", "buttons", ...rows);
  }

  #meta(entry) {
    const meta = make("div", "meta");
    if (entry.state === "failed") {
      const again = make("button", "", "Try again");
      again.type = "button";
      again.addEventListener("click", () => this.#retry(entry));
      const drop = make("button", "", "Discard");
      drop.type = "button";
      drop.addEventListener("click", () => this.remove(entry));
      meta.append(`Not sent: ${entry.reason}`, again, drop);
      return meta;
    }
    const stamp = make("time", "", time.format(entry.at));
    stamp.dateTime = new Date(entry.at).toISOString();
    meta.append(stamp);
    if (entry.edited) meta.append("edited");
    if (entry.from === "visitor") {
      const waiting = entry.state === "waiting";
      meta.append(make("span", waiting ? "clock" : "tick", icon(waiting ? CLOCK : TICK, waiting ? "Sending" : "Sent")));
      meta.title = waiting ? entry.reason ?? "On its way" : "Sent: the host has it on disk";
      if (waiting && entry.reason) meta.append(entry.reason);
    }
    return meta;
  }
}
