// Words shared with the server: tokens and refusals.
/** @import * as Shapes from "./shapes.js" */

/** Base of all: see {@link Shapes.ErrorBody}. */
export class LatchkeyError extends Error {
  /** @param {Shapes.ErrorBody} body */
  constructor(body) {
    super(body.message);
    this.name = new.target.name;
    this.code = body.code;
    this.retryable = !!body.retryable;
    this.field = body.field;
    this.current = body.current;
  }
}

/** The operation was refused for good. */
export class RefusedError extends LatchkeyError {}

/** The page has no usable block. */
export class BlockError extends LatchkeyError {}

/** No key any more. `kept`: the next launch sends the operation. */
export class EndedError extends LatchkeyError {
  /** @param {Shapes.EndReason} reason */
  constructor(reason, kept = false) {
    super({ code: "ended", message: `The key has ended (${reason}): reload the page.` });
    this.reason = reason;
    this.kept = kept;
  }
}

/** @type {Shapes.Attempt} */
export const attempt = (fn) => {
  try {
    return fn();
  } catch {}
};

export const hex = (bytes = new Uint8Array()) =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const decode = (text = "") =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));

const checksum = (bytes = new Uint8Array()) => {
  let crc = 0xd640074e; // CRC-32 so far, of "lk1_"
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 8; bit--; ) crc = (crc >>> 1) ^ (crc & 1 && 0xedb88320);
  }
  return ~crc >>> 0;
};

/** @type {Shapes.ReadToken} */
export const readToken = (text) =>
  attempt(() => {
    if (/^lk1_[\w-]{72}$/.test(text)) {
      const bytes = decode(text.slice(4));
      const raw = hex(bytes);
      const u32 = (at = 0) => parseInt(raw.slice(2 * at, 2 * at + 8), 16);
      if (bytes[0] !== 1 || checksum(bytes.subarray(0, 50)) !== u32(50)) return;
      const [key, branch] = [raw.slice(4, 36), raw.slice(44, 60)];
      return { text, key, generation: u32(18), branch, stamp: u32(30) };
    }
    const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(text) ?? [];
    const claims = JSON.parse(new TextDecoder().decode(decode(payload)));
    const { iss, sub, activity, jti, iat } = claims;
    const key = hex(decode(jti));
    if ([iss, sub, activity].every((id) => id && id === `${id}`) && key.length === 32 && Number.isInteger(iat))
      return { text, key, generation: 0, branch: "0".repeat(16), stamp: iat, claims };
  });

/** @type {Shapes.Supersedes} */
export const supersedes = (next, held) =>
  next.key === held.key &&
  (next.generation > held.generation ||
    (next.generation === held.generation && next.branch === held.branch && next.stamp > held.stamp));
