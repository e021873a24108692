// Sends operations until they are answered: see delivery-shapes.ts.
import { newOutbox, pieces, placeOf } from "./outbox.js";
import { EndedError, RefusedError, attempt, readToken, supersedes } from "./protocol.js";
/** @import * as Shapes from "./delivery-shapes.js" */

/** @type {Shapes.Calls} */
const calls = (piece) => {
  const logs = piece.filter((op) => op.function === "log");
  const others = piece.filter((op) => op.function !== "log").map((op) => [op]);
  return logs[0] ? [logs, ...others] : others;
};

/** @type {Shapes.WrittenCall} */
const written = (ops) => {
  const { id, function: name, args, reads } = ops[0];
  const entries = ops.map((op) => ({ id: op.id, ...op.args }));
  if (name === "log") return { function: name, args: { entries } };
  return { id: reads ? undefined : id, function: name, args };
};

/** @type {Shapes.DeliveryMethods & ThisType<Shapes.Delivery>} */
const methods = {
  get writes() {
    return [...this.queue.values()].filter((op) => !op.reads);
  },
  get visible() {
    return this.self.document?.visibilityState !== "hidden";
  },
  now() {
    return this.self.Date.now();
  },
  time() {
    return new Date(this.now()).toISOString();
  },
  count() {
    this.emit("unsaved", { count: this.writes.length, durable: this.writes.every((op) => op.stored) });
  },

  add(name, args) {
    const op = this.outbox.make(name, args);
    op.done.catch(() => {});
    this.queue.set(op.id, op);
    if (op.problem) this.refuse([op], op.problem);
    else if (!op.reads) this.outbox.keep(op);
    this.count();
    if (this.ended) op.reject(new EndedError(this.ended, op.stored));
    this.wake();
    return op.done;
  },

  drain() {
    const { functions, mode = "" } = this.claims;
    const may = /browse|review/.test(mode) ? [] : (functions ?? ["log", "grade"]);
    const found = this.outbox.leftovers(this.queue).filter((op) => may.includes(op.function));
    for (const op of found) this.queue.set(op.id, op);
    if (found[0]) this.count();
    this.wake();
    return Promise.allSettled(found.map((op) => op.done));
  },

  async flush() {
    if (this.now() >= this.notBefore) {
      this.self.clearTimeout(this.timer);
      this.timer = undefined;
      this.failures = 0;
    }
    this.back(this.queue.values());
    await this.running;
    return this.writes.length;
  },

  wake() {
    if (!this.timer && !this.ended) this.running ??= this.work();
  },

  async work() {
    await null;
    try {
      for (let on = true; on && !this.ended; ) {
        const [piece] = pieces([...this.queue.values()].filter((op) => !op.away));
        if (this.renewDue) on = await this.renew();
        else on = (piece || this.pingDue) && (await this.send(piece ?? []));
      }
    } finally {
      this.running = undefined;
    }
  },

  async send(piece) {
    const { status, after, object } = await this.call(piece, !this.visible);
    if (!object) return this.later(after);
    if (status === 401 && this.now() - this.renewedAt > 6e4) return (this.renewDue = true);
    if (status === 401 || status === 403) return this.end("refused");
    this.pingDue = false;
    if (object.status === "ok") return this.settle(piece, object.result.calls) || this.later(0);
    if (object.error.retryable) return this.later(after);
    this.refuse(piece, object.error);
    return true;
  },

  async call(piece, keepalive) {
    const { held } = this;
    const sentAt = this.now();
    const reply = await this.post(this.endpoint, this.body(piece), {
      credentials: "omit",
      keepalive: keepalive && this.sameOrigin && !(piece[0]?.size > 6e4),
      headers: { Authorization: "Bearer " + held.text },
    });
    const { object } = reply;
    const good = object?.status === "ok" ? object.result?.calls?.map : object?.error?.code;
    if (!good) return { after: reply.after };
    this.outbox.measure(object.server_time, sentAt);
    this.heardAt = this.now();
    const next = readToken(object.token);
    if (next && supersedes(next, this.held)) this.held = next;
    else if (object.key?.state === "late" && held === this.held) this.renewDue = !!this.renewal;
    return reply;
  },

  body(piece, token) {
    return JSON.stringify({ token, sent: this.time(), calls: calls(piece).map(written) });
  },

  async post(url, body, init) {
    const flight = new AbortController();
    const timer = this.self.setTimeout(() => flight.abort(), 2e4);
    try {
      const response = await this.self.fetch(url, {
        ...init,
        headers: { ...init.headers, "Content-Type": "application/json" },
        method: "POST",
        body,
        redirect: "error",
        signal: flight.signal,
      });
      const wait = response.headers.get("Retry-After") ?? "";
      const after = Math.max(0, Number(wait) * 1e3 || Date.parse(wait) - this.now() || 0);
      const text = await response.text();
      return { status: response.status, after, object: attempt(() => JSON.parse(text)) };
    } catch {
      return { after: 0 };
    } finally {
      this.self.clearTimeout(timer);
    }
  },

  settle(piece, outcomes) {
    let all = true;
    for (const ops of calls(piece)) {
      const { id } = written(ops);
      const outcome = outcomes.find((other) => other.id === id);
      if (outcome) outcome.id = "-";
      if (outcome?.status === "ok") this.saved(ops, outcome.result);
      else if (outcome?.status === "failed" && !outcome.error.retryable)
        this.refuse(ops, outcome.error);
      else all = false;
    }
    return all;
  },

  take(ops) {
    return ops.filter((op) => this.queue.delete(op.id) && (this.outbox.drop(op), true));
  },

  saved(ops, receipt) {
    this.failures = 0;
    const name = ops[0].function;
    const ids = this.take(ops).map((op) => op.id);
    ops.forEach((op, at) => op.resolve(name === "log" ? { id: receipt.ids[at] } : receipt));
    if (ops[0].reads || !ids[0]) return;
    this.emit("saved", { function: name, ids, receipt, count: this.writes.length });
    this.count();
  },

  refuse(ops, body) {
    for (const op of ops) op.alone = true;
    for (const op of ops[1] ? [] : this.take(ops)) {
      const error = new RefusedError(body);
      op.reject(error);
      this.emit("refused", { id: op.id, function: op.function, error });
      this.count();
    }
  },

  async renew() {
    if (!this.renewal) return this.end("no_renewal");
    const token = JSON.stringify({ token: this.held.text });
    const { status, after, object } = await this.post(this.renewal, token, {
      headers: { "Latchkey-Renew": "1" },
    });
    if (status === 401 || status === 403) return this.end("login_over");
    const held = readToken(object?.token);
    const claims = held?.claims;
    if (!claims) return this.later(after);
    if (placeOf(claims) !== this.outbox.prefix) return this.end("other_user");
    Object.assign(this, { held, claims, renewedAt: this.now(), renewDue: false, failures: 0 });
    this.emit("renewed", {});
    return true;
  },

  later(after) {
    const jitter = this.self.crypto.getRandomValues(new Uint8Array(1))[0] / 256;
    this.notBefore = this.now() + after;
    const wait = Math.min(after, 36e5) + jitter * Math.min(3e4, 500 * 2 ** this.failures++);
    this.timer = this.self.setTimeout(() => {
      this.timer = undefined;
      this.wake();
    }, wait);
    return false;
  },

  leave() {
    for (const piece of pieces(this.writes.filter((op) => !op.away))) {
      for (const op of piece) op.away = true;
      if (this.sameOrigin)
        this.call(piece, true).then(({ object }) => {
          if (object?.status === "ok") this.settle(piece, object.result.calls);
          this.back(piece);
        });
      else {
        const body = new Blob([this.body(piece, this.held.text)], { type: "text/plain" });
        if (!this.self.navigator?.sendBeacon?.(this.endpoint, body)) this.back(piece);
      }
    }
  },

  back(ops) {
    for (const op of ops) op.away = false;
    this.wake();
  },

  end(reason) {
    if (this.ended) return false;
    this.ended = reason;
    this.stop.abort();
    for (const op of this.queue.values()) op.reject(new EndedError(reason, op.stored));
    this.emit("ended", { reason, count: this.writes.length });
    return false;
  },
};

/** @type {Shapes.NewDelivery} */
export const newDelivery = (given) =>
  Object.assign(Object.create(methods), given, {
    outbox: newOutbox(given.self, given.claims),
    queue: new Map(),
    stop: new AbortController(),
    failures: 0,
    notBefore: 0,
    renewedAt: 0,
    heardAt: given.self.Date.now(),
  });
