// The far end of the simulated network: the acceptance table, ids that dedupe, the four functions.
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

const LATE = 30_000;
const ROTATE_AFTER = 30_000;
const IDLE = 30 * 60_000;
const ZERO = "0".repeat(16);

const base64url = (text) => Buffer.from(text).toString("base64url");

/** CRC-32 for versions of Node whose zlib has none. */
const crc = (bytes) => {
  if (crc32) return crc32(bytes);
  let sum = -1;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
};

/** Writes a session token; its MAC is made up, since no client can check one. */
export function sessionToken({ key, generation, branch, stamp }) {
  const body = Buffer.alloc(34);
  body[0] = 1;
  body.write(key, 2, "hex");
  body.writeUInt32BE(generation, 18);
  body.write(branch, 22, "hex");
  body.writeUInt32BE(stamp, 30);
  const mac = createHash("sha256").update("secret").update(body).digest().subarray(0, 16);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc(Buffer.concat([Buffer.from("lk1_"), body, mac])));
  return "lk1_" + Buffer.concat([body, mac, sum]).toString("base64url");
}

export class Server {
  rows = new Map();
  claims = new Map();
  /** What is stored, by user, activity and id: the effect of each operation. */
  entries = new Map();
  /** Documents, by user, activity and name. */
  states = new Map();
  /** How often each stored operation arrived. */
  arrivals = new Map();
  requests = [];
  /** Refusals by the table: a conforming client must never cause one. */
  refusals = [];
  /** Answers to give in place of the real ones, first to last; a function may return undefined. */
  instead = [];
  renewals = [];
  #submissions = 0;

  constructor(clock, random) {
    this.clock = clock;
    this.random = random;
  }

  #hex(bytes) {
    return Array.from({ length: bytes }, () =>
      Math.floor(this.random() * 256).toString(16).padStart(2, "0"),
    ).join("");
  }

  /** A launch token for user `sub` in `activity`, as a host mints it. */
  launch({ sub = "u1", activity = "quiz-1", ...more } = {}) {
    const key = this.#hex(16);
    const iat = Math.floor(this.clock.time / 1000);
    const jti = Buffer.from(key, "hex").toString("base64url");
    const claims = { iss: "campus", sub, activity, jti, iat, exp: iat + 900, ...more };
    this.claims.set(key, claims);
    const header = { alg: "HS256", typ: "latchkey+jwt", kid: "campus.1" };
    return [header, claims].map((part) => base64url(JSON.stringify(part))).join(".") + ".c2ln";
  }

  #read(text) {
    if (text?.startsWith("lk1_")) {
      const raw = Buffer.from(text.slice(4), "base64url");
      return {
        key: raw.toString("hex", 2, 18),
        generation: raw.readUInt32BE(18),
        branch: raw.toString("hex", 22, 30),
        stamp: raw.readUInt32BE(30),
      };
    }
    const claims = JSON.parse(Buffer.from(text.split(".")[1], "base64url").toString());
    const key = Buffer.from(claims.jti, "base64url").toString("hex");
    return { key, generation: 0, branch: ZERO, stamp: claims.iat, claims };
  }

  /** The acceptance table. @returns {{ row?: object, name: string }} */
  #accept({ key, generation, branch, stamp, claims }) {
    const now = this.clock.time;
    let row = this.rows.get(key);
    if (!row) {
      if (!claims || now / 1000 > claims.exp) return { name: "invalid" };
      row = { hi: 0, branch: ZERO, advancedAt: now, revoked: false };
      this.rows.set(key, row);
      return { row, name: "start" };
    }
    if (row.revoked) return { row, name: "dead" };
    let name;
    if (generation > row.hi) {
      name = "confirm";
    } else if (generation === row.hi) {
      name = branch === row.branch ? "current" : "fork";
    } else if (generation === row.hi - 1) {
      const late = now - row.advancedAt <= LATE ? "late" : "stale";
      name = branch === row.previous ? late : "fork";
    } else name = "stale";
    if (name === "fork" || name === "stale") {
      row.revoked = true;
      return { row, name };
    }
    if (now - stamp * 1000 > IDLE) return { row, name: "idle" };
    if (name === "confirm")
      Object.assign(row, { hi: generation, previous: row.branch, branch, advancedAt: now });
    return { row, name };
  }

  #renewed(key, row) {
    const stamp = Math.floor(this.clock.time / 1000);
    const offer = this.clock.time - row.advancedAt >= ROTATE_AFTER;
    return offer
      ? sessionToken({ key, generation: row.hi + 1, branch: this.#hex(8), stamp })
      : sessionToken({ key, generation: row.hi, branch: row.branch, stamp });
  }

  /** Ends the key that a token belongs to, as a logout would. */
  revoke(text) {
    const { key } = this.#read(text);
    this.rows.set(key, { ...this.rows.get(key), hi: 0, branch: ZERO, revoked: true });
  }

  #error(status, code, more) {
    const error = { code, message: code, retryable: status >= 500 || status === 429, ...more };
    return this.#object(status, { status: "error", error });
  }

  #object(status, object, headers = {}) {
    const server_time = new Date(this.clock.time).toISOString();
    return { status, headers, text: JSON.stringify({ ...object, server_time, request_id: "r" }) };
  }

  /** Takes a batch. @returns what goes back: `{ status, headers, text }` */
  handle(request) {
    const { headers, body } = request;
    const { token: inBody, calls, sent } = JSON.parse(body);
    const token = headers.Authorization?.replace("Bearer ", "") ?? inBody;
    const seen = { ...request, token, calls, sent, at: this.clock.time };
    this.requests.push(seen);
    const given = this.instead.shift()?.(seen);
    if (given) return given;
    const presented = this.#read(token);
    const { row, name } = this.#accept(presented);
    seen.decision = name;
    if (name === "fork" || name === "stale") this.refusals.push(seen);
    if (name === "invalid") return this.#error(401, "key_invalid");
    if (["fork", "stale", "dead", "idle"].includes(name)) return this.#error(401, "key_renew");
    const claims = this.claims.get(presented.key);
    const result = { calls: calls.map((call) => this.#run(call, claims)) };
    const late = name === "late";
    return this.#object(200, {
      status: "ok",
      result,
      token: late ? undefined : this.#renewed(presented.key, row),
      key: { state: late ? "late" : "current", expires_at: "2026-01-06T00:00:00Z" },
    });
  }

  #run({ id, function: name, args }, claims) {
    try {
      if (claims.mode) throw { code: "key_scope" };
      if (name === "log") return { status: "ok", result: this.#log(args, claims) };
      if (name === "grade") return { id, status: "ok", ...this.#grade(id, args, claims) };
      if (name === "state") return { id, status: "ok", ...this.#state(id, args, claims) };
      return { id, status: "ok", result: { items: [], next: null } };
    } catch (error) {
      if (!error.code) throw error;
      return { id, status: "failed", error: { message: error.code, retryable: false, ...error } };
    }
  }

  #store(id, content, { sub, activity }) {
    const name = [sub, activity, id].join(" ");
    this.arrivals.set(name, (this.arrivals.get(name) ?? 0) + 1);
    const before = this.entries.get(name);
    if (!before) this.entries.set(name, { content, order: this.entries.size });
    else if (before.content !== content) throw { code: "id_reused" };
    return !before;
  }

  #log({ entries }, claims) {
    const bad = entries.findIndex(({ event }) => !/^[a-z0-9_.:-]{1,64}$/.test(event));
    if (bad >= 0) throw { code: "bad_event", field: `entries[${bad}].event` };
    for (const entry of entries) this.#store(entry.id, JSON.stringify(entry), claims);
    return { accepted: entries.length, ids: entries.map(({ id }) => "s-" + id) };
  }

  #grade(id, args, claims) {
    if (typeof args.score !== "number") throw { code: "wrong_type", field: "score" };
    if (args.score > (args.max ?? 10)) throw { code: "score_above_max", field: "score" };
    const fresh = this.#store(id, JSON.stringify(args), claims);
    if (fresh) this.#submissions += 1;
    const standing = { score: args.score, max: 10, method: "highest" };
    const { score } = args;
    const result = { submission: "s-" + id, url: "/", score, max: 10, attempt: 1, standing, attempts_left: null };
    return fresh ? { result } : { result, replayed: true };
  }

  #state(id, { op, name = "state", value, if_version }, { sub, activity, functions }) {
    if (functions && !functions.includes("state")) throw { code: "key_scope" };
    const place = [sub, activity, name].join(" ");
    const kept = this.states.get(place) ?? { version: 0, value: null };
    if (op === "get") return { result: { name, ...kept } };
    const asked = JSON.stringify([op, name, value, if_version]);
    const before = this.entries.get([sub, activity, id].join(" "));
    if (before?.result) return { result: before.result, replayed: true };
    if (if_version !== undefined && if_version !== kept.version)
      throw { code: "version_conflict", field: "if_version", current: { version: kept.version, value: kept.value } };
    this.#store(id, asked, { sub, activity });
    const at = new Date(this.clock.time).toISOString();
    const version = kept.version + 1;
    const next = { put: value, patch: { ...kept.value, ...value }, delete: null }[op];
    this.states.set(place, { version, value: next, at });
    const result = { name, version, at };
    this.entries.get([sub, activity, id].join(" ")).result = result;
    return { result };
  }

  /** Ids of what is stored, in the order of storing. */
  get stored() {
    return [...this.entries.keys()].map((name) => name.split(" ")[2]);
  }

  /** The page's renewal address. */
  renew(request) {
    this.renewals.push({ ...request, at: this.clock.time });
    const given = this.insteadOfRenewal?.(request);
    if (given) return given;
    const { key } = this.#read(JSON.parse(request.body).token);
    const { sub, activity } = this.claims.get(key);
    const row = this.rows.get(key);
    if (row) row.revoked = true;
    return { status: 200, headers: {}, text: JSON.stringify({ status: "ok", token: this.launch({ sub, activity }) }) };
  }
}
