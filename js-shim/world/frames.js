// A page with a frame in it: two tabs' worth of surroundings, and messages between their windows.
import "../framed.js"; // loaded already when a frame asks for it
import { connect } from "./sdk.js";
import { place } from "../place.js";
import { Browser, FAR, PAGE } from "./browser.js";
import { settled } from "./clock.js";

/** One end of a channel. What a page that is gone would have heard is lost. */
class Port {
  onmessage = null;
  closed = false;
  postMessage(message) {
    const data = structuredClone(message);
    const { other } = this;
    queueMicrotask(() => {
      if (!this.closed && !other.closed && other.owner?.alive !== false) other.onmessage?.({ data });
    });
  }
  close() {
    this.closed = true;
  }
}

const channelOf = (owner) =>
  class {
    constructor() {
      [this.port1, this.port2] = [new Port(), new Port()];
      [this.port1.other, this.port2.other] = [this.port2, this.port1];
      this.port1.owner = owner;
    }
  };

/** A window with a page and one frame. */
export class Around {
  warnings = [];

  constructor(browser = new Browser(), options = {}) {
    this.browser = browser;
    this.tab = browser.open(options);
    Object.assign(this.tab.self, {
      console: { warn: (text) => this.warnings.push(text) },
      location: { href: `${PAGE}/activity/1` },
    });
  }

  /** An `iframe` element. */
  iframe(src = "/frame/1", sandbox = "allow-scripts") {
    const element = new EventTarget();
    return Object.assign(element, {
      dataset: src === undefined ? {} : { src },
      src: "",
      contentWindow: null,
      hasAttribute: (name) => name === "sandbox" && sandbox !== null,
      sandbox: { contains: (token) => (sandbox ?? "").split(" ").includes(token) },
    });
  }

  /** Places a frame with a fresh launch, as the page's script does. */
  place(launch = {}, more = {}) {
    const { server } = this.browser;
    this.token = server.launch({ origins: ["null"], ...launch });
    this.element = this.iframe();
    this.remove = place(this.element, { self: this.tab.self, token: this.token, endpoint: FAR, renew: "/renew", ...more });
    return this.load();
  }

  /** Loads what the element's `src` names, or another page in its place. */
  load(url = this.element.src, origin = "null") {
    const tab = this.browser.open({ far: true, storage: "forbidden" });
    const around = this;
    const address = new URL(url);
    const window = {};
    this.element.contentWindow = window;
    Object.assign(tab.self, {
      origin,
      navigator: { ...tab.self.navigator, locks: undefined },
      MessageChannel: channelOf(tab),
      location: { hash: address.hash },
      history: { state: null, replaceState: (_state, _unused, to) => (tab.self.location.hash = to === "#" ? "" : to) },
      parent: {
        postMessage(message, target, [port]) {
          if (target !== PAGE) return; // as browsers do: another origin is not reached
          port.owner = around.tab;
          const data = structuredClone(message);
          queueMicrotask(() => around.tab.dispatch("message", { data, origin, source: window, ports: [port] }));
        },
      },
    });
    this.element.dispatchEvent(new Event("load"));
    return tab;
  }

  /** Connects the code of a frame. */
  async connect(tab, options = { parent: PAGE }) {
    tab.activity = undefined;
    const connecting = connect({ self: tab.self, ...options });
    connecting.then((activity) => {
      tab.activity = activity;
      for (const name of ["unsaved", "saved", "renewed", "ended", "refused"])
        activity.on(name, (detail) => tab.events.push([name, detail]));
    }, (error) => (tab.error = error));
    await settled();
    await settled();
    return tab.activity;
  }

  /** The page, and with it the frame, is gone. */
  crash(frame) {
    frame.crash();
    this.tab.crash();
  }
}
