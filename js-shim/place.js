// The page around a frame: gives the frame's code a key, and only that. The login stays here, the renewals go
// through here, and what the frame has not yet saved is kept here.
import { takeBlock } from "./latchkey.js";
import { newOutbox } from "./outbox.js";
import { BlockError, attempt, hex, readToken } from "./protocol.js";
/** @import * as Shapes from "./frame-shapes.js" */

const ROOM = 1 << 20; // characters kept for a frame at most
const DEADLINE = 2e4;
const BETWEEN = 6e4; // an honest frame does not ask for a second key sooner

const damaged = () =>
  new BlockError({ code: "block_damaged", message: "Give the frame a data-src, and the page its block as the host made it." });

/** @type {Shapes.Shelf} */
const shelf = (self, claims) => {
  const { prefix } = newOutbox(self, claims);
  const storage = attempt(() => self.localStorage);
  const own = (key = "") => key === `${key}` && key.startsWith(prefix) && /^[\da-f-]{36}$/.test(key.slice(prefix.length));
  const held = () => Object.keys(storage ?? {}).filter(own).map((key) => [key, storage?.getItem(key) ?? ""]);
  return {
    kept: () => storage && Object.fromEntries(held()),
    keep(key, text) {
      const others = held().filter(([other]) => other !== key);
      const size = others.reduce((sum, [, item]) => sum + item.length, 0);
      const fits = own(key) && text === `${text}` && size + text.length <= ROOM;
      return fits && !!attempt(() => (storage?.setItem(key, text), !!storage));
    },
    drop: (key) => own(key) && attempt(() => storage?.removeItem(key)),
  };
};

/** @type {Shapes.AskHost} */
const askHost = async ({ self, renewal = "", claims }, token) => {
  const flight = new AbortController();
  const timer = self.setTimeout(() => flight.abort(), DEADLINE);
  try {
    const response = await self.fetch(renewal, {
      method: "POST",
      credentials: "same-origin",
      redirect: "error",
      headers: { "Content-Type": "application/json", "Latchkey-Renew": "1" },
      body: JSON.stringify({ token }),
      signal: flight.signal,
    });
    if (response.status === 401 || response.status === 403) return { latchkey: "ended" };
    const { token: next } = JSON.parse(await response.text());
    const read = readToken(next)?.claims;
    if (!read) return { latchkey: "later" };
    // somebody else has logged in meanwhile: that key is not for this frame
    const same = read.iss === claims.iss && read.sub === claims.sub && read.activity === claims.activity;
    return same ? { latchkey: "renewed", token: next } : { latchkey: "ended" };
  } catch {
    return { latchkey: "later" };
  } finally {
    self.clearTimeout(timer);
  }
};

/** @type {Shapes.Serve} */
const serve = (placement, port) => {
  const { self, claims, renewal } = placement;
  const { kept, keep, drop } = shelf(self, claims);
  /** @type {Promise<any> | undefined} */
  let asking;
  let renewedAt = -Infinity;
  const renew = async (token = "") => {
    if (!renewal) return { latchkey: "ended" };
    if (!readToken(token) || self.Date.now() - renewedAt < BETWEEN) return { latchkey: "later" };
    asking ??= askHost(placement, token).finally(() => (asking = undefined));
    const said = await asking;
    if (said.latchkey === "renewed") renewedAt = self.Date.now();
    return said;
  };
  port.onmessage = async ({ data }) => {
    const { latchkey, key, text, token } = data ?? {};
    if (latchkey === "renew") port.postMessage(await renew(token));
    else if (latchkey === "drop") drop(key);
    else if (latchkey === "keep" && !keep(key, text)) port.postMessage({ latchkey: "full", key });
  };
  const { endpoint } = placement;
  port.postMessage({ latchkey: "key", token: placement.token, endpoint, renews: !!renewal, kept: kept() });
};

/** @type {Shapes.Hear} */
const hear = (self, room, { data, source, origin, ports }) => {
  if (data?.latchkey !== "hello") return;
  const placement = [...room].find(({ iframe }) => source && iframe.contentWindow === source);
  const problem = !placement
    ? "from a window that is not placed"
    : placement.port
      ? "after the first"
      : origin !== placement.origin
        ? "from another origin"
        : data.protocol !== 1 || !ports[0]
          ? "of another protocol"
          : data.nonce !== placement.nonce && "of a page that was not placed";
  if (!placement || problem) return self.console.warn(`latchkey: a hello ${problem} gets no answer`);
  // the answer goes to whoever holds the other end: the page that said hello, wherever its window goes
  placement.port = ports[0];
  serve(placement, ports[0]);
};

/** One listener for all frames of a page, so that each hello is judged once. */
const rooms = new WeakMap();
/** @type {Shapes.RoomOf} */
const roomOf = (self) => {
  const room = rooms.get(self) ?? new Set();
  if (!rooms.has(self)) self.addEventListener("message", (event) => hear(self, room, event));
  rooms.set(self, room);
  return room;
};

/** @type {Shapes.Place} */
export const place = (iframe, { self: given, ...options } = {}) => {
  /** @type {Shapes.ParentSurroundings} */
  const self = given ?? globalThis;
  const { token = "", endpoint: server, renew: renewal } = options.token ? options : { ...takeBlock(self), ...options };
  const claims = readToken(token)?.claims;
  const src = attempt(() => new URL(iframe.dataset.src || "none:", self.location.href));
  const endpoint = attempt(() => new URL(`${server ?? self.origin}`).href);
  if (!claims || !src?.host || !endpoint) throw damaged();
  const opaque = iframe.hasAttribute("sandbox") && !iframe.sandbox.contains("allow-same-origin");
  const nonce = hex(self.crypto.getRandomValues(new Uint8Array(16)));
  const origin = opaque ? "null" : src.origin;
  /** @type {Shapes.Placement} */
  const placement = { self, iframe, claims, token, endpoint, renewal, origin, nonce };
  const room = roomOf(self);
  let loads = 0;
  const remove = () => {
    room.delete(placement);
    placement.port?.close();
  };
  // the page that was placed has been left, and nobody can hold its end any more
  iframe.addEventListener("load", () => ++loads > 1 && remove());
  room.add(placement);
  src.hash += `${src.hash ? "&" : ""}latchkey=${nonce}`;
  iframe.src = src.href;
  return remove;
};
