// The socket, and what still has to go through it. One message is on its way at a time and is sent again, under the
// same id, until the host says that it has it on disk: so order is kept and nothing is lost or doubled.

const BACKOFF = [500, 1000, 2000, 4000, 8000, 15000];
// A host that says nothing for so long, with a message of ours in its hands, is not there any more.
const SILENCE = 20000;
// Close codes of the host's own.
const DISOWNED = 4401;
const ABSENT = 4404;
const CROWDED = 4429;

/** Talks to the host. `on` has a function for each type of frame, and `state(name, words)`. */
export class Link {
  #address;
  #on;
  #socket = null;
  #ready = false;
  #failures = 0;
  #timer = 0;
  #watchdog = 0;
  #pause = 0;
  #flying = null;
  #queue = [];
  #store = null;

  constructor(address, on) {
    this.#address = address;
    this.#on = on;
    addEventListener("online", () => this.#now());
    addEventListener("offline", () => this.#socket?.close());
    document.addEventListener("visibilitychange", () => document.hidden || this.#now());
    this.#connect();
  }

  /** Sends `frame`, now or when it can be. */
  send(frame) {
    this.#queue.push(frame);
    this.#save();
    this.#pump();
  }

  /** The frames an earlier visit to this page left unsent. They are sent now. */
  restore(visitor) {
    const store = `switchhook:${this.#address}:${visitor}`;
    if (this.#store === store) return [];
    // What somebody else typed is not said in this visitor's name.
    if (this.#store) this.#queue = [];
    this.#store = store;
    let kept = [];
    try { kept = JSON.parse(sessionStorage.getItem(store)) ?? []; } catch { /* nothing was kept, or nothing legible */ }
    const known = new Set(this.#queue.map((frame) => frame.id));
    kept = kept.filter((frame) => !known.has(frame.id));
    this.#queue.unshift(...kept);
    return kept;
  }

  #save() {
    if (!this.#store) return;
    try { sessionStorage.setItem(this.#store, JSON.stringify(this.#queue)); } catch { /* storage is full or forbidden */ }
  }

  #now() {
    if (this.#socket) return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  #connect() {
    if (this.#socket) return;
    this.#on.state("connecting", this.#failures ? "Reconnecting…" : "Connecting…");
    const socket = new WebSocket(this.#address);
    this.#socket = socket;
    socket.onmessage = (event) => this.#socket === socket && this.#receive(JSON.parse(event.data));
    socket.onclose = (event) => this.#socket === socket && this.#closed(event.code, event.reason);
  }

  #closed(code, reason) {
    clearTimeout(this.#watchdog);
    clearTimeout(this.#pause);
    this.#socket = null;
    this.#ready = false;
    this.#pause = 0;
    this.#flying = null;
    let wait = BACKOFF[Math.min(this.#failures++, BACKOFF.length - 1)];
    if (code === ABSENT || code === CROWDED) {
      wait = Math.max(wait, 5000);
      this.#on.state("closed", code === ABSENT ? "This chat is not open now" : reason);
    } else if (code === DISOWNED) {
      this.#on.state("connecting", "Your link is no longer valid: connecting as a guest");
    } else {
      this.#on.state("connecting", navigator.onLine ? "Reconnecting…" : "You are offline");
    }
    this.#timer = setTimeout(() => this.#connect(), wait * (0.75 + Math.random() / 2));
  }

  #receive(frame) {
    if (frame.type === "hello") {
      this.#failures = 0;
      this.#ready = true;
      this.#on.state("connected", "Connected");
    }
    this.#on[frame.type]?.(frame);
    if (frame.type === "accepted") this.#settle(frame.id);
    if (frame.type === "refused") this.#refused(frame);
    if (frame.type === "hello") {
      this.#save();
      this.#pump();
    }
  }

  #settle(id) {
    clearTimeout(this.#watchdog);
    this.#flying = null;
    this.#queue = this.#queue.filter((frame) => frame.id !== id);
    this.#save();
    this.#pump();
  }

  #refused({ id, retry_ms }) {
    if (retry_ms === null) return this.#settle(id ?? this.#flying);
    clearTimeout(this.#watchdog);
    this.#flying = null;
    this.#pause = setTimeout(() => { this.#pause = 0; this.#pump(); }, retry_ms);
  }

  #pump() {
    const next = this.#queue[0];
    if (!next || !this.#ready || this.#pause || this.#flying) return;
    this.#flying = next.id;
    this.#socket.send(JSON.stringify(next));
    this.#watchdog = setTimeout(() => this.#giveUp(), SILENCE);
  }

  #giveUp() {
    const socket = this.#socket;
    if (!socket) return;
    socket.close();
    this.#closed(1006, "");
  }
}
