// The entry: a page's launch becomes its activity.
import { newDelivery } from "./delivery.js";
import { BlockError, attempt, readToken } from "./protocol.js";
/** @import * as Shapes from "./delivery-shapes.js" */
export { BlockError, EndedError, LatchkeyError, RefusedError } from "./protocol.js";

const unusable = (code = "") =>
  new BlockError({ code, message: "Embed one data-latchkey block as the host made it." });

/** @type {Shapes.TakeBlock} */
export const takeBlock = ({ document }) => {
  const found = document?.querySelectorAll('script[type="application/json"][data-latchkey]') ?? [];
  if (found.length !== 1) throw unusable(found[0] ? "block_repeated" : "block_missing");
  found[0].remove();
  return attempt(() => JSON.parse(found[0].textContent ?? ""));
};

/** @type {Shapes.Follow} */
const follow = (sending) => {
  const { self, outbox } = sending;
  const { signal } = sending.stop;
  const beat = () => {
    sending.pingDue = sending.visible && sending.now() - sending.heardAt > 24e4;
    return sending.drain();
  };
  const resume = () => {
    beat();
    sending.flush();
  };
  const seen = () => (sending.visible ? resume() : sending.leave());
  const timer = self.setInterval(beat, 6e4);
  signal.addEventListener("abort", () => self.clearInterval(timer));
  self.document?.addEventListener("visibilitychange", seen, { signal });
  self.addEventListener?.("pagehide", () => sending.leave(), { signal });
  self.addEventListener?.("pageshow", seen, { signal });
  self.addEventListener?.("online", resume, { signal });
  const { locks } = self.navigator ?? {};
  if (!locks) beat();
  else locks.request(outbox.prefix, { ifAvailable: true }, (lock) => lock && beat()).catch(beat);
};

/** @type {Shapes.Connect} */
export const connect = async ({ self = globalThis, ...options } = {}) => {
  const { document } = self;
  if (document?.prerendering)
    await new Promise((go) => document.addEventListener("prerenderingchange", go, { once: true }));
  const block = options.token || options.parent ? options : { ...takeBlock(self), ...options };
  if (block.parent) return connect(await (await import("./framed.js")).enter(self, block));
  const held = readToken(block.token);
  const claims = held?.claims;
  const url = attempt(() => new URL(`${block.endpoint ?? self.origin}`.replace(/\/?$/, "/v1/batch")));
  if (!claims || !url) throw unusable("block_damaged");
  const sending = newDelivery({
    self,
    held,
    claims,
    renewal: block.renew,
    endpoint: url.href,
    sameOrigin: url.origin === self.origin,
    emit(name, detail) {
      for (const [event, listener] of listeners)
        if (event === name) queueMicrotask(() => listener(detail));
    },
  });
  /** @type {Set<any>} */
  const listeners = new Set();
  follow(sending);
  /** @type {Shapes.StateCall} */
  const state = (op, value, { name, ifVersion: if_version } = {}) =>
    sending.add("state", { op, name, value, if_version });
  return {
    user: claims.sub,
    activity: claims.activity,
    get unsaved() {
      return sending.writes.length;
    },
    log: (event, data) => sending.add("log", { event, data, at: sending.time() }),
    grade: (grade) =>
      sending.add("grade", { at: sending.time(), ...grade, sequence: sending.outbox.tick() }),
    recent: (query = {}) => sending.add("recent", query),
    state: {
      get: (name) => state("get", undefined, { name }),
      put: (...given) => state("put", ...given),
      patch: (...given) => state("patch", ...given),
      delete: (...given) => state("delete", undefined, ...given),
    },
    on(...entry) {
      listeners.add(entry);
      return () => listeners.delete(entry);
    },
    flush: () => sending.flush(),
    close: () => sending.end("closed"),
  };
};
