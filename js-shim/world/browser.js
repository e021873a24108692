// A simulated browser: tabs that load, hide, freeze and crash, over one storage and one network.
import { connect } from "./sdk.js";
import { Clock, seeded, settled } from "./clock.js";
import { Server } from "./server.js";

export const PAGE = "https://campus.example";
export const FAR = "https://latch.example";

/** Storage as browsers have it: its items are its own keys. */
class FakeStorage {
  setItem(key, value) {
    if (this.full) throw new DOMException("full", "QuotaExceededError");
    this[key] = String(value);
  }
  getItem(key) {
    return Object.hasOwn(this, key) ? this[key] : null;
  }
  removeItem(key) {
    delete this[key];
  }
}

class FakeLocks {
  held = new Map();
  async request(name, { ifAvailable }, fn, tab) {
    if (!ifAvailable) throw new Error("a lock must never be waited for");
    if (this.held.has(name)) return fn(null);
    this.held.set(name, tab);
    try {
      return await fn({ name });
    } finally {
      if (this.held.get(name) === tab) this.held.delete(name);
    }
  }
  release(tab) {
    for (const [name, holder] of this.held) if (holder === tab) this.held.delete(name);
  }
}

/** A signal takes listeners away for good, as in browsers: of one target, Node forgets all but the last when it collects garbage. */
class Target extends EventTarget {
  addEventListener(name, fn, { signal, ...options } = {}) {
    super.addEventListener(name, fn, options);
    signal?.addEventListener("abort", () => this.removeEventListener(name, fn));
  }
}

class FakeDocument extends Target {
  visibilityState = "visible";
  prerendering = false;
  scripts = [];
  querySelectorAll(selector) {
    if (selector !== 'script[type="application/json"][data-latchkey]') throw new Error(selector);
    return [...this.scripts];
  }
  embed(text) {
    const script = { textContent: text, remove: () => this.scripts.splice(this.scripts.indexOf(script), 1) };
    this.scripts.push(script);
  }
}

export class Browser {
  constructor(seed = 1) {
    this.random = seeded(seed);
    this.clock = new Clock();
    this.server = new Server(this.clock, this.random);
    this.storage = new FakeStorage();
    Object.defineProperty(this.storage, "full", { value: false, writable: true });
    this.locks = new FakeLocks();
    this.pending = [];
    /** What the network does to a request: `{ out, back }` are delays, undefined is loss. */
    this.network = () => ({ out: 0, back: 0 });
  }

  /** Ids in storage, in the order of their making. */
  get kept() {
    return Object.keys(this.storage).sort().map((key) => key.split(":").at(-1));
  }

  advance(ms = 0) {
    return this.clock.advance(ms);
  }

  open(options = {}) {
    return new Tab(this, options);
  }
}

export class Tab extends Target {
  alive = true;
  events = [];
  beacons = [];

  constructor(browser, { far = false, storage = browser.storage, ...options }) {
    super();
    this.browser = browser;
    this.endpoint = far ? FAR : undefined;
    this.options = options;
    this.document = new FakeDocument();
    const { clock, random } = browser;
    const live = (fn) => () => this.alive && fn();
    const tab = this;
    this.self = {
      fetch: (url, init) => this.#fetch(url, init),
      Date: { now: () => clock.time + (options.skew ?? 0) },
      crypto: { getRandomValues: (bytes) => bytes.map((_, at) => (bytes[at] = Math.floor(random() * 256))) },
      setTimeout: (fn, ms) => clock.setTimeout(live(fn), ms),
      clearTimeout: clock.clear,
      setInterval: (fn, ms) => clock.setInterval(live(fn), ms),
      clearInterval: clock.clear,
      get localStorage() {
        if (storage === "forbidden") throw new DOMException("no", "SecurityError");
        return storage;
      },
      document: this.document,
      origin: PAGE,
      navigator: {
        locks: { request: (name, how, fn) => browser.locks.request(name, how, fn, tab) },
        sendBeacon: (url, body) => this.#beacon(url, body),
      },
      addEventListener: (...args) => this.addEventListener(...args),
    };
  }

  /** Loads the page: the host embeds a launch, the widget connects. */
  async load(launch = {}) {
    const { endpoint } = this;
    const token = this.browser.server.launch(launch);
    this.launched = token;
    this.document.embed(JSON.stringify({ token, endpoint, renew: this.options.renew ?? "/renew" }));
    this.activity = await connect({ self: this.self });
    for (const name of ["unsaved", "saved", "renewed", "ended", "refused"])
      this.activity.on(name, (detail) => this.events.push([name, detail]));
    await settled();
    return this.activity;
  }

  /** What was told under `name`. */
  told(name) {
    return this.events.filter(([event]) => event === name).map(([, detail]) => detail);
  }

  async #fetch(url, init) {
    const { browser } = this;
    const { server, clock } = browser;
    if (init.redirect !== "error") throw new Error("a redirect must not be followed with a token");
    const renewal = url === "/renew";
    if (!renewal && url !== (this.endpoint ?? PAGE) + "/v1/batch") throw new Error(url);
    const request = { ...init, url, tab: this };
    const { out, back, twice } = browser.network(request);
    return new Promise((resolve, reject) => {
      const fail = () => reject(new TypeError("network"));
      init.signal.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
      if (out === undefined) return back ? void clock.setTimeout(fail, back) : fail();
      if (twice !== undefined) clock.setTimeout(() => server.handle(request), twice);
      const arrive = () => {
        const reply = renewal ? server.renew(request) : server.handle(request);
        const answer = () => {
          if (!this.alive) return;
          if (reply === "redirect") return fail();
          const { status, headers, text } = reply;
          resolve({ status, headers: new Headers(headers), text: async () => text });
        };
        if (back === undefined) return; // lost: the deadline ends it
        if (back) clock.setTimeout(answer, back);
        else answer();
      };
      if (out) clock.setTimeout(arrive, out);
      else arrive();
    });
  }

  #beacon(url, body) {
    if (this.noBeacons) return false;
    const { browser } = this;
    const { out } = browser.network({ url, beacon: true, tab: this });
    const sent = body.text().then((text) => {
      const request = { url, body: text, headers: {}, type: body.type };
      this.beacons.push(request);
      if (out !== undefined) browser.clock.setTimeout(() => browser.server.handle(request), out);
    });
    browser.pending.push(sent);
    return true;
  }

  hide() {
    this.document.visibilityState = "hidden";
    this.document.dispatchEvent(new Event("visibilitychange"));
  }

  show() {
    this.document.visibilityState = "visible";
    this.document.dispatchEvent(new Event("visibilitychange"));
  }

  dispatch(name, more = {}) {
    this.dispatchEvent(Object.assign(new Event(name), more));
  }

  /** The process is gone: no timer, no answer, no lock. */
  crash() {
    this.alive = false;
    this.browser.locks.release(this);
  }

  async beaconsSent() {
    await Promise.all(this.browser.pending);
    await this.browser.advance(0);
  }
}

/** A browser with one loaded tab. */
export async function opened(options = {}, launch = {}) {
  const browser = new Browser();
  const tab = browser.open(options);
  const activity = await tab.load(launch);
  return { browser, tab, activity, server: browser.server, storage: browser.storage };
}

/** An error as the server writes it, for `server.instead`. */
export const refusal = (status, code, more = {}, headers = {}) => () => ({
  status,
  headers,
  text: JSON.stringify({
    status: "error",
    error: { code, message: code, retryable: status === 408 || status === 409 || status === 429 || status >= 500, ...more },
    server_time: "2026-01-05T08:00:00Z",
    request_id: "r",
  }),
});

/** An answer that is no result object. */
export const page = (status, text = "<html>") => () => ({ status, headers: {}, text });

/** The functions and ids of one request. */
export const content = (request) =>
  request.calls.flatMap((call) =>
    call.function === "log" ? call.args.entries.map(({ id }) => id) : [call.id ?? call.function],
  );
