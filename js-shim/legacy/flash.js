// Flash movies on a key that the page holds. What a movie says by `fscommand` or ExternalInterface becomes a call of the
// SDK, and the answer goes back by the movie's callback `onLatchkey`. Words are those of forms: docs/legacy.md.

const REPEAT = 3e4; // the same said again within this many ms is what a looping movie says again
const LISTS = ["items", "ids"];
const PLAYER = /^ruffle-(player|object|embed)/;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i;

/** A refusal in the server's words, made here. */
const fault = (code, message, field) => Object.assign(new Error(message), { code, field, retryable: false });

// --- what is said: variables, or an object of them

const read = (said) =>
  new Map(said && typeof said === "object" ? Object.entries(said).map(([name, value]) => [name, `${value}`]) : new URLSearchParams(`${said ?? ""}`));

const filled = (said, name) => said.get(name) || undefined;

const number = (said, name) => {
  const text = filled(said, name)?.trim();
  if (text === undefined) return;
  if (!NUMBER.test(text) || !Number.isFinite(Number(text)))
    throw fault("bad_number", "Write a number with digits and a point, as in 7.5.", name);
  return Number(text);
};

const under = (said, prefix) => {
  const members = [...said].filter(([name]) => name.startsWith(prefix) && name !== prefix);
  return members.length ? Object.fromEntries(members.map(([name, text]) => [name.slice(prefix.length), text])) : undefined;
};

const data = (said, name) => {
  const text = filled(said, name);
  /** @type {any} */
  let members = {};
  try {
    members = text ? JSON.parse(text) : {};
  } catch {
    members = null;
  }
  if (members === null || typeof members !== "object" || Array.isArray(members))
    throw fault("wrong_type", "Write an object in JSON, or each member in a field of its own.", name);
  members = { ...members, ...under(said, `${name}_`) };
  return Object.keys(members).length ? members : undefined;
};

// --- what is called

const bare = (members) => Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

const log = async (activity, said) => {
  const entries = [];
  if (filled(said, "event")) entries.push(["event", "data"]);
  else for (let at = 0; said.has(`event${at}`); at++) entries.push([`event${at}`, `data${at}`]);
  if (!entries.length) throw fault("missing_field", "An entry has an event.", "event");
  const read = entries.map(([event, name]) => [said.get(event), data(said, name)]);
  const stored = await Promise.all(read.map(([event, members]) => activity.log(event, members)));
  return { accepted: stored.length, ids: stored.map(({ id }) => id) };
};

const grade = (activity, said) => {
  const score = number(said, "score");
  if (score === undefined) throw fault("missing_field", "A grade has a score.", "score");
  const [max, attempt] = [number(said, "max"), number(said, "attempt")];
  const [progress, grading] = [filled(said, "progress"), filled(said, "grading")];
  return activity.grade(bare({ score, max, comment: said.get("comment"), progress, grading, attempt }));
};

const recent = (activity, said) => {
  const kinds = filled(said, "kinds")?.split(",").map((kind) => kind.trim());
  const [before, since] = [filled(said, "before"), filled(said, "since")];
  return activity.recent(bare({ limit: number(said, "limit"), before, since, kinds }));
};

const state = (activity, said) => {
  const [name, ifVersion] = [filled(said, "name"), number(said, "if_version")];
  const [op, options] = [said.get("op") ?? "get", bare({ name, ifVersion })];
  const value = under(said, "value_") ?? said.get("value");
  if (!activity.state) throw fault("unknown_function", "This SDK has no state.");
  if (op === "get") return activity.state.get(name);
  if (op === "delete") return activity.state.delete(options);
  if (op !== "put" && op !== "patch") throw fault("wrong_type", "Say get, put, patch or delete.", "op");
  if (value === undefined) throw fault("missing_field", "Say what to keep.", "value");
  return activity.state[op](value, options);
};

const hello = ({ user, activity, unsaved }) => ({ user, activity, unsaved });

const FUNCTIONS = { hello, log, grade, recent, state };

// --- what is answered

const text = (value) => (typeof value === "object" ? JSON.stringify(value) : `${value}`);

/** Name before the number of an item, name behind it, text. What is nested deeper is JSON. */
const flat = (name, value) => {
  if (value === null || value === undefined) return [];
  if (typeof value !== "object" || Array.isArray(value)) return [[name, "", text(value)]];
  const members = Object.entries(value).filter(([, inner]) => inner !== null && inner !== undefined);
  return members.map(([member, inner]) => [name, `_${member}`, text(inner)]);
};

const listed = (list, items) =>
  items.flatMap((item, at) => {
    const parts = typeof item === "object" ? Object.entries(item) : [[list.slice(0, -1), item]];
    return parts.flatMap(([name, value]) => flat(name, value)).map(([head, tail, text]) => [`${head}${at}${tail}`, text]);
  });

/** Every byte but letters and digits, since players differ in what they take for an escape. */
const escaped = (text) =>
  encodeURIComponent(`${text}`.replace(/\p{Surrogate}/gu, "\ufffd")).replace(
    /[-_.!~*'()]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/** Variables as the server writes them to a movie of its own: `count=1&event0=…`. */
export const variables = (said) => {
  const pairs = Object.entries(said).flatMap(([name, value]) =>
    LISTS.includes(name) && Array.isArray(value)
      ? [["count", value.length], ...listed(name, value)]
      : flat(name, value).map(([head, tail, text]) => [head + tail, text]),
  );
  return pairs.map(([name, text]) => `${escaped(name)}=${escaped(text)}`).join("&");
};

const refusal = ({ code = "internal", message, field, retryable = false, kept, current }) =>
  variables({ status: "error", code, message, field, retryable, kept, current });

/**
 * Calls the SDK for a movie: `ask("grade", "score=5&max=10")` resolves to the answer in variables, and never rejects.
 * What was said just before is not done again.
 * @type {(activity: Parameters<import("./shapes.ts").Bridge>[0], now?: () => number) => import("./shapes.ts").Listener}
 */
export const listener = (activity, now = () => Date.now()) => {
  const last = new Map();
  const done = async (name, said) => {
    if (!Object.hasOwn(FUNCTIONS, name)) throw fault("unknown_function", "There is no function of this name.");
    return FUNCTIONS[name](await activity, said);
  };
  return (name, words) => {
    const said = read(words);
    said.delete("id");
    const same = JSON.stringify([...said].sort());
    const before = last.get(name);
    if (before?.same === same && now() - before.at <= REPEAT) {
      before.at = now();
      return before.answer;
    }
    const outcome = done(name, said);
    const answer = outcome.then((result) => variables({ status: "ok", ...result }), refusal);
    if (name !== "log" && name !== "grade") return answer;
    last.set(name, { same, answer, at: now() });
    // What was refused may be tried again.
    outcome.catch(() => last.get(name)?.answer === answer && last.delete(name));
    return answer;
  };
};

/**
 * Lets every movie of the page, now and later, use the page's activity (or the promise of one).
 * A movie says `fscommand("latchkey.grade", "id=7&score=5&max=10")`, or with `'unsafe-eval'` in the page's policy
 * `ExternalInterface.call("Latchkey.grade", "id=7&score=5&max=10")`, and is told `onLatchkey("7", "status=ok&…")`.
 * Gives a function that ends it.
 * @type {import("./shapes.ts").Bridge}
 */
export const bridge = (activity, { self = globalThis } = {}) => {
  const { document } = self;
  const players = new Set();
  const known = new WeakSet();
  let over = false;
  const ask = listener(activity, () => self.Date.now());
  const tell = (player, id, answer) => {
    if (over || typeof player.onLatchkey !== "function") return;
    // A movie that fails at its answer harms no other.
    try {
      player.onLatchkey(id, answer);
    } catch (error) {
      self.console?.error(error);
    }
  };
  const idOf = (words) => read(words).get("id") ?? "";
  const adopt = (element) => {
    if (over || known.has(element)) return;
    const player = element.ruffle?.(1) ?? element;
    if (!player.addFSCommandHandler) {
      self.customElements?.whenDefined(element.localName).then(() => element.ruffle && adopt(element));
      return;
    }
    known.add(element);
    players.add(element);
    player.addFSCommandHandler((command, words) => {
      const [, name] = /^latchkey\.(\w+)$/i.exec(command) ?? [];
      if (name && !over) ask(name.toLowerCase(), words).then((answer) => tell(element, idOf(words), answer));
    });
  };
  const look = (node) => {
    if (PLAYER.test(node.localName ?? "")) adopt(node);
    for (const inner of node.getElementsByTagName?.("*") ?? []) if (PLAYER.test(inner.localName)) adopt(inner);
  };
  const leave = (node) => players.delete(node);
  const watch = new self.MutationObserver((changes) => {
    for (const { addedNodes, removedNodes } of changes) {
      removedNodes.forEach(leave);
      addedNodes.forEach((node) => {
        look(node);
        if (known.has(node)) players.add(node);
      });
    }
  });
  watch.observe(document, { childList: true, subtree: true });
  look(document);
  // ExternalInterface does not say which movie calls: each hears the answer, and knows its own by the id.
  const called = (name) => (words) => {
    ask(name, words).then((answer) => players.forEach((player) => tell(player, idOf(words), answer)));
    return "asked";
  };
  const names = Object.fromEntries(Object.keys(FUNCTIONS).map((name) => [name, called(name)]));
  self.Latchkey ??= names;
  return () => {
    over = true;
    watch.disconnect();
    if (self.Latchkey === names) delete self.Latchkey;
  };
};
