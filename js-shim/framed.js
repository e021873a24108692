// A page in a frame, without a login and perhaps without an origin: its launch, its renewals and its storage
// come from the page around it, over a channel that only the two of them hold.
import { BlockError, attempt } from "./protocol.js";
/** @import * as Shapes from "./frame-shapes.js" */

// stands in the place of a renewal address; never fetched
const RENEWAL = "latchkey:parent";
const PATIENCE = 2e4;
const ROOM = 1 << 20; // what a parent keeps at most, in characters

const unplaced = (code = "") =>
  new BlockError({ code, message: "Name the exact origin of the page around; that page places the frame once." });

/** @type {Shapes.StorageOver} */
const storageOver = (tell, kept) => {
  const sizes = () => Object.values(storage).reduce((sum, text) => sum + text.length, 0);
  let full = false;
  const methods = {
    getItem: (key = "") => storage[key] ?? null,
    setItem(key = "", text = "") {
      if (full || sizes() + text.length > ROOM) throw new Error("full");
      storage[key] = text;
      tell({ latchkey: "keep", key, text });
    },
    removeItem(key = "") {
      full = false;
      delete storage[key];
      tell({ latchkey: "drop", key });
    },
    /** The parent could not keep an item. */
    refused(key = "") {
      full = true;
      delete storage[key];
    },
  };
  /** @type {any} */
  const storage = Object.assign(Object.create(methods), kept);
  return storage;
};

/** @type {Shapes.RenewalOver} */
const renewalOver = (tell) => {
  /** @type {(said: any) => void} */
  let answer = () => {};
  return {
    hear: (said) => answer(said),
    fetch: ({ body, signal }) =>
      new Promise((resolve, reject) => {
        signal?.addEventListener("abort", () => reject(new Error("no answer")));
        answer = ({ latchkey, token }) => {
          const status = latchkey === "renewed" ? 200 : latchkey === "ended" ? 401 : 503;
          resolve({ status, headers: new Headers(), text: async () => JSON.stringify({ token }) });
        };
        tell({ latchkey: "renew", token: JSON.parse(`${body}`).token });
      }),
  };
};

/** @type {Shapes.Surround} */
const surround = (self, port, kept) => {
  const tell = (said = {}) => port.postMessage(said);
  const storage = kept && storageOver(tell, kept);
  const renewal = renewalOver(tell);
  port.onmessage = ({ data }) => {
    if (data?.latchkey === "full") storage?.refused(data.key);
    else renewal.hear(data);
  };
  const { document, Date, crypto, origin, navigator } = self;
  return {
    ...{ document, Date, crypto, origin },
    localStorage: storage,
    fetch: (url, init) => (url === RENEWAL ? renewal.fetch(init) : self.fetch(url, init)),
    setTimeout: (fn, ms) => self.setTimeout(fn, ms),
    clearTimeout: (timer) => self.clearTimeout(timer),
    setInterval: (fn, ms) => self.setInterval(fn, ms),
    clearInterval: (timer) => self.clearInterval(timer),
    addEventListener: (...of) => self.addEventListener?.(...of),
    navigator: { sendBeacon: (url, body) => !!navigator?.sendBeacon?.(url, body) },
  };
};

/** @type {Shapes.TakeNonce} */
const takeNonce = ({ location, history }) => {
  const [mark, nonce] = /[#&]latchkey=([\w-]+)$/.exec(location.hash) ?? [""];
  // out of the way of the page's own use of the fragment
  if (nonce) attempt(() => history.replaceState(history.state, "", location.hash.slice(0, -mark.length) || "#"));
  return nonce;
};

/** @type {Shapes.Enter} */
export const enter = (self, { parent = "", ...given }) =>
  new Promise((resolve, reject) => {
    const exact = attempt(() => new URL(parent).origin);
    if (!exact || exact !== parent) return reject(unplaced("parent_damaged"));
    if (self.parent === self) return reject(unplaced("parent_missing"));
    const { port1: port, port2 } = new self.MessageChannel();
    const timer = self.setTimeout(() => {
      port.close();
      reject(unplaced("parent_silent"));
    }, PATIENCE);
    /** @param {{ data: any }} event */
    const first = ({ data }) => {
      if (data?.latchkey !== "key") return;
      self.clearTimeout(timer);
      const { token, endpoint, renews, kept } = data;
      const renew = renews ? RENEWAL : undefined;
      resolve({ token, endpoint, renew, ...given, self: surround(self, port, kept) });
    };
    port.onmessage = first;
    self.parent.postMessage({ latchkey: "hello", protocol: 1, nonce: takeNonce(self) }, exact, [port2]);
  });
