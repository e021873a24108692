// Operations: ids, order, and where they outlive the page.
import { attempt, hex } from "./protocol.js";
/** @import * as Shapes from "./shapes.js" */

const MAX_BODY = 60 * 1024;
const ENVELOPE = 2400;

/** @type {Shapes.Pieces} */
export const pieces = (ops) => {
  /** @type {Shapes.Operation[][]} */
  const all = [];
  let size = MAX_BODY;
  for (const op of ops) {
    const last = all.at(-1) ?? [];
    size += op.size;
    if (size > MAX_BODY || last[99] || op.alone || last[0].alone) {
      all.push([op]);
      size = ENVELOPE + op.size;
    } else last.push(op);
  }
  return all;
};

/** @type {Shapes.PlaceOf} */
export const placeOf = ({ iss, sub, activity }) =>
  ["latchkey", iss, sub, activity, ""].map(encodeURIComponent).join(":");

/** @type {Shapes.NewOutbox} */
export const newOutbox = (self, claims) => {
  const storage = attempt(() => self.localStorage);
  const { now } = self.Date;
  const prefix = placeOf(claims);
  let offset = Math.max(0, claims.iat * 1e3 - now());
  let last = 0;
  const tick = () => (last = Math.max(last + 1, Math.floor(now() + offset)));
  const newId = () => {
    const tail = self.crypto.getRandomValues(new Uint8Array(10));
    tail[0] = 0x70 | (tail[0] & 15);
    tail[2] = 0x80 | (tail[2] & 63);
    const text = tick().toString(16).padStart(12, "0") + hex(tail);
    return text.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };
  /** @type {Shapes.Outbox["make"]} */
  const make = (name, args, id = newId()) => {
    const text = attempt(() => JSON.stringify({ function: name, args }));
    const size = new Blob([text ?? ""]).size + 64;
    const code = text ? size > 66 * 1024 && "body_too_large" : "bad_json";
    const problem = code && { code, message: "An operation is JSON of up to 66 KiB." };
    const op = { id, size, text, problem, ...JSON.parse(text ?? "{}"), function: name };
    op.reads = name === "recent" || op.args?.op === "get";
    op.done = new Promise((resolve, reject) => Object.assign(op, { resolve, reject }));
    return op;
  };
  return {
    prefix,
    tick,
    make,
    measure(serverTime, sentAt) {
      offset = Date.parse(serverTime) - (sentAt + now()) / 2 || offset;
    },
    keep(op) {
      op.stored = attempt(() => (storage?.setItem(prefix + op.id, op.text), !!storage));
    },
    drop: (op) => attempt(() => storage?.removeItem(prefix + op.id)),
    leftovers: (known) =>
      Object.keys(storage ?? {})
        .sort()
        .flatMap((key) => {
          const id = key.slice(prefix.length);
          if (!key.startsWith(prefix) || known.has(id)) return [];
          const found = attempt(() => {
            const { function: name, args } = JSON.parse(storage?.getItem(key) ?? "");
            last = Math.max(last, args.sequence || 0);
            return Object.assign(make(name, args, id), { stored: true });
          });
          return found ?? [];
        }),
  };
};
