// The entry of the module: gives the WebAssembly the surface of the JavaScript SDK.
import start, { Connection } from "../glue/latchkey.js";

/** Base of all: a stable `code`, whether it is `retryable`, the `field` at fault, what is `current`. */
export class LatchkeyError extends Error {
  constructor(body) {
    super(body.message);
    Object.assign(this, { retryable: false }, body, { name: new.target.label });
  }
  // Names survive a bundler this way.
  static label = "LatchkeyError";
}

/** The operation was refused for good. */
export class RefusedError extends LatchkeyError {
  static label = "RefusedError";
}

/** The page has no usable block. */
export class BlockError extends LatchkeyError {
  static label = "BlockError";
}

/** No key any more. `kept`: the next launch sends the operation. */
export class EndedError extends LatchkeyError {
  static label = "EndedError";
  constructor(reason, kept) {
    super({ code: "ended", message: `The key has ended (${reason}): reload the page.` });
    this.reason = reason;
    this.kept = kept;
  }
}

let loading;
let loaded = false;

/** Loads the WebAssembly, once; `connect` does it too. `source`: its address, bytes or module, if not beside this file. */
export const init = (source) =>
  (loading ??= start(source && { module_or_path: source }).then(
    () => void (loaded = true),
    (cause) => {
      loading = undefined; // may be tried again
      const message = "latchkey_bg.wasm cannot be loaded: serve it beside the module, allow 'wasm-unsafe-eval'.";
      throw Object.assign(new LatchkeyError({ code: "not_loaded", message, retryable: true }), { cause });
    },
  ));

/** As `connect`, at once: only after `init`. */
export const connectNow = ({ self = globalThis, ...options } = {}) => {
  if (!loaded) throw new LatchkeyError({ code: "not_loaded", message: "Wait for init() first.", retryable: true });
  const listeners = new Set();
  const tell = (name, text) => {
    const detail = JSON.parse(text);
    if (detail.error) detail.error = new RefusedError(detail.error);
    for (const [event, listener] of listeners) if (event === name) queueMicrotask(() => listener(detail));
  };
  let connection;
  try {
    connection = Connection.open(self, options, tell);
  } catch (body) {
    throw new BlockError(JSON.parse(body));
  }
  const ask = (name, args) => {
    const answer = new Promise((done, fail) =>
      connection.call(
        name,
        args,
        (text) => done(JSON.parse(text)),
        (text) => fail(new RefusedError(JSON.parse(text))),
        (reason, kept) => fail(new EndedError(reason, kept)),
      ),
    );
    answer.catch(() => {}); // told by events too
    return answer;
  };
  const state = (op, value, { name, ifVersion: if_version } = {}) => ask("state", { op, name, value, if_version });
  const { user, activity } = connection;
  return {
    user,
    activity,
    get unsaved() {
      return connection.unsaved;
    },
    log: (event, data) => ask("log", { event, data, at: connection.time() }),
    grade: (grade) => ask("grade", { at: connection.time(), ...grade, sequence: connection.tick() }),
    recent: (query = {}) => ask("recent", query),
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
    flush: () => new Promise((done) => connection.flush(done)),
    close: () => connection.close(),
  };
};

/** What a page in a frame says in its options or its block; only then is the block read here. */
const framed = ({ document }, options) => {
  if (options.token || options.parent) return options;
  const found = document?.querySelectorAll('script[type="application/json"][data-latchkey]') ?? [];
  try {
    const block = JSON.parse(found[0].textContent);
    if (found[1] || !block.parent) return options;
    found[0].remove();
    return { ...block, ...options };
  } catch {
    return options; // none, or damaged: told by whoever takes it
  }
};

/** See the types. */
export const connect = async ({ self = globalThis, ...given } = {}) => {
  const { document } = self;
  if (document?.prerendering)
    await new Promise((go) => document.addEventListener("prerenderingchange", go, { once: true }));
  await init();
  const options = framed(self, given);
  if (!options.parent) return connectNow({ self, ...options });
  const { enter } = await import("./framed.js");
  const entered = await enter(self, options).catch((fault) => {
    throw new BlockError(fault);
  });
  return connectNow(entered);
};
