// Movies in a page: what they say by fscommand, and what they hear by their callback.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bridge, listener, variables } from "../legacy/flash.js";
import { opened } from "../world/browser.js";
import { settled } from "../world/clock.js";

/** A page with elements, as far as the bridge looks at one. */
class Page {
  elements = [];
  defined = new Map();

  constructor(clock) {
    const page = this;
    this.self = {
      Date: { now: () => clock?.time ?? 0 },
      document: { getElementsByTagName: () => this.elements },
      customElements: { whenDefined: (name) => new Promise((go) => this.defined.set(name, go)) },
      MutationObserver: class {
        constructor(hear) {
          page.hear = hear;
        }
        observe() {}
        disconnect() {
          page.hear = () => {};
        }
      },
    };
  }

  add(...nodes) {
    this.elements.push(...nodes);
    this.hear?.([{ addedNodes: nodes, removedNodes: [] }]);
  }

  remove(node) {
    this.hear?.([{ addedNodes: [], removedNodes: [node] }]);
  }
}

/** A player as Ruffle makes them. */
const player = (localName = "ruffle-object") => {
  const handlers = [];
  const heard = [];
  const element = {
    localName,
    heard,
    onLatchkey: (id, answer) => heard.push([id, Object.fromEntries(new URLSearchParams(answer))]),
    ruffle: () => ({ addFSCommandHandler: (handler) => handlers.push(handler) }),
    fscommand: (command, args) => handlers.map((handler) => handler(command, args)).length,
  };
  return element;
};

/** A page with a movie in it, and the activity of the page. */
async function film(launch = {}) {
  const world = await opened({}, launch);
  const page = new Page(world.browser.clock);
  const movie = player();
  page.add(movie);
  const off = bridge(world.activity, { self: page.self });
  const answer = async (count = 1) => {
    await world.browser.advance();
    await settled();
    assert.equal(movie.heard.length, count);
    return movie.heard.at(-1);
  };
  return { ...world, page, movie, off, answer };
}

test("a movie logs, grades and reads, and is told by its callback", async () => {
  const { movie, answer, server } = await film({ sub: "u7", activity: "film-2" });
  movie.fscommand("latchkey.log", "id=1&event=answered&data%5Fquestion=3&data_text=a+b%20c");
  const [id, logged] = await answer();
  assert.deepEqual([id, logged.status, logged.accepted, logged.count], ["1", "ok", "1", "1"]);
  const [entry] = server.requests[0].calls[0].args.entries;
  assert.deepEqual([entry.event, entry.data], ["answered", { question: "3", text: "a b c" }]);
  movie.fscommand("latchkey.grade", "id=7&score=8.5&max=10&comment=Caf%C3%A9+%26+50%25+%2B+%E2%82%AC&progress=completed");
  const [, graded] = await answer(2);
  assert.deepEqual([graded.status, graded.score], ["ok", "8.5"]);
  const { args } = server.requests[1].calls[0];
  assert.deepEqual([args.score, args.max, args.comment, args.progress], [8.5, 10, "Café & 50% + €", "completed"]);
  movie.fscommand("latchkey.recent", "limit=5&kinds=log,+grade&before=");
  assert.equal((await answer(3))[1].status, "ok");
  assert.deepEqual(server.requests[2].calls[0].args, { limit: 5, kinds: ["log", "grade"] });
  movie.fscommand("latchkey.hello", "id=x");
  assert.deepEqual(await answer(4), ["x", { status: "ok", user: "u7", activity: "film-2", unsaved: "0" }]);
});

test("several entries at once", async () => {
  const { movie, answer, server } = await film();
  movie.fscommand("latchkey.log", 'event0=a&event1=b&data1={"n":1}&event3=d');
  const [, told] = await answer();
  assert.deepEqual([told.accepted, told.count], ["2", "2"]);
  assert.deepEqual(server.requests[0].calls[0].args.entries.map(({ event, data }) => [event, data]), [["a", undefined], ["b", { n: 1 }]]);
});

test("a score is a number, and 0 is one", async () => {
  const { movie, answer, server } = await film();
  let told = 0;
  for (const score of ["7,5", "NaN", "Infinity", "undefined", "1e999", "0x10", "٥", "5.", ".5", "8/10", " "]) {
    movie.fscommand("latchkey.grade", `score=${encodeURIComponent(score)}`);
    const [, { status, code, field, retryable }] = await answer(++told);
    assert.deepEqual([status, code, field, retryable], ["error", "bad_number", "score", "false"], score);
  }
  movie.fscommand("latchkey.grade", "");
  assert.equal((await answer(++told))[1].code, "missing_field");
  assert.equal(server.requests.length, 0);
  movie.fscommand("latchkey.grade", "score=0");
  assert.equal((await answer(++told))[1].status, "ok");
  assert.equal(server.requests[0].calls[0].args.score, 0);
});

test("what cannot be is refused by name", async () => {
  const { movie, answer } = await film();
  let told = 0;
  for (const [name, words, code] of [
    ["log", "", "missing_field"],
    ["log", "event=a&data=hello", "wrong_type"],
    ["log", "event=a&data=[1]", "wrong_type"],
    ["nonsense", "", "unknown_function"],
    ["constructor", "", "unknown_function"],
  ]) {
    movie.fscommand(`latchkey.${name}`, words);
    assert.equal((await answer(++told))[1].code, code, `${name} ${words}`);
  }
  movie.fscommand("fullscreen", "true");
  movie.fscommand("latchkey", "");
  movie.fscommand("other.grade", "score=5");
  await answer(told);
});

test("a refusal of the server is told in its words", async () => {
  const { movie, answer } = await film();
  movie.fscommand("latchkey.grade", "id=3&score=500");
  const [id, { status, code, field, retryable }] = await answer();
  assert.deepEqual([id, status, code, field, retryable], ["3", "error", "score_above_max", "score", "false"]);
});

test("after the end a movie is told that its grade is kept", async () => {
  const { movie, answer, activity } = await film();
  activity.close();
  movie.fscommand("latchkey.grade", "score=5");
  const [, { code, kept }] = await answer();
  assert.deepEqual([code, kept], ["ended", "true"]);
});

test("a movie that loops hands in once, and is answered each time", async () => {
  const { movie, answer, browser, server } = await film();
  for (let turn = 1; turn <= 20; turn++) {
    movie.fscommand("latchkey.grade", `max=10&score=5.5&id=${turn}`);
    assert.equal((await answer(turn))[0], `${turn}`);
    await browser.advance(5_000);
  }
  assert.equal(server.stored.length, 1);
  movie.fscommand("latchkey.grade", "score=6");
  movie.fscommand("latchkey.grade", "score=5.5&max=10");
  await answer(22);
  assert.equal(server.stored.length, 3, "another score lies between");
  await browser.advance(31_000);
  movie.fscommand("latchkey.grade", "score=5.5&max=10");
  await answer(23);
  assert.equal(server.stored.length, 4, "earned again");
});

test("what was refused may be said again at once", async () => {
  const { movie, answer, server } = await film();
  for (const turn of [1, 2]) {
    movie.fscommand("latchkey.grade", "score=500");
    assert.equal((await answer(turn))[1].code, "score_above_max");
    assert.equal(server.requests.length, turn);
  }
});

test("players of every kind, now and later, each once", async () => {
  const { page, movie, answer, browser } = await film();
  const [embed, made] = [player("ruffle-embed"), player("ruffle-player-1")];
  page.add(embed);
  page.add({ localName: "div", getElementsByTagName: () => [made, { localName: "p" }] });
  page.add(movie);
  for (const element of [embed, made, movie]) element.fscommand("latchkey.hello", "");
  await answer();
  assert.deepEqual([embed.heard.length, made.heard.length], [1, 1]);
  // Seen before its kind is defined.
  const early = player("ruffle-early");
  early.localName = "ruffle-player-2";
  const ruffle = early.ruffle;
  delete early.ruffle;
  page.add(early);
  early.ruffle = ruffle;
  page.defined.get("ruffle-player-2")();
  await settled();
  early.fscommand("latchkey.hello", "");
  await browser.advance();
  assert.equal(early.heard.length, 1);
});

test("by ExternalInterface every movie hears the answer, by its id", async () => {
  const { page, movie, answer, server } = await film();
  assert.equal(page.self.Latchkey.grade({ id: 7, score: 5.5, max: 10, comment: "é" }), "asked");
  const [id, { status, score }] = await answer();
  assert.deepEqual([id, status, score], ["7", "ok", "5.5"]);
  assert.equal(server.requests[0].calls[0].args.comment, "é");
  page.self.Latchkey.log("id=8&event=a");
  assert.equal((await answer(2))[0], "8");
  page.remove(movie);
  page.self.Latchkey.hello("");
  await answer(2);
});

test("ended, nothing is heard and nothing is left", async () => {
  const { page, movie, off, answer, server } = await film();
  off();
  assert.equal(page.self.Latchkey, undefined);
  movie.fscommand("latchkey.grade", "score=5");
  page.add(player());
  await answer(0);
  assert.equal(server.requests.length, 0);
});

test("a movie that fails at its answer harms no other", async () => {
  const { page, movie, answer } = await film();
  const other = player();
  other.onLatchkey = () => {
    throw new Error("in the movie");
  };
  page.add(other, { localName: "ruffle-player", ruffle: () => ({ addFSCommandHandler: () => {} }) });
  page.self.Latchkey.hello("id=1");
  await answer();
  assert.equal(movie.heard.length, 1);
});

test("a page without a key tells each movie so", async () => {
  const ask = listener(Promise.reject(Object.assign(new Error("Embed one block."), { code: "block_missing" })));
  const told = new URLSearchParams(await ask("grade", "score=5"));
  assert.deepEqual([told.get("status"), told.get("code")], ["error", "block_missing"]);
});

test("state, with what keeps it", async () => {
  const calls = [];
  const keep = (op) => async (...given) => {
    calls.push([op, ...given]);
    return { name: "state", version: calls.length, value: op === "get" ? { town: "Lyon" } : undefined };
  };
  const state = { get: keep("get"), put: keep("put"), patch: keep("patch"), delete: keep("delete") };
  const ask = listener({ state });
  const told = async (words) => Object.fromEntries(new URLSearchParams(await ask("state", words)));
  assert.deepEqual(await told(""), { status: "ok", name: "state", version: "1", value_town: "Lyon" });
  for (let turn = 0; turn < 2; turn++) await told("op=put&value=a+%26+b&if_version=1");
  await told("op=patch&value_town=Arles&value_at=3&name=place");
  await told("op=delete&name=place");
  assert.deepEqual(calls.slice(1), [
    ["put", "a & b", { ifVersion: 1 }],
    ["put", "a & b", { ifVersion: 1 }],
    ["patch", { town: "Arles", at: "3" }, { name: "place" }],
    ["delete", { name: "place" }],
  ]);
  assert.equal((await told("op=burn")).code, "wrong_type");
  assert.equal((await told("op=put")).code, "missing_field");
  state.put = () => Promise.reject(Object.assign(new Error("Changed."), { code: "version_conflict", current: { version: 4, value: "x" } }));
  assert.deepEqual(await told("op=put&value=1"), {
    status: "error", code: "version_conflict", message: "Changed.", retryable: "false", current_version: "4", current_value: "x",
  });
});

test("answers as players read them", () => {
  const said = variables({ a: "Café & 50% + €_.-~*'()!\n\ud800", b: null, c: { d: 1, e: [2], f: undefined }, g: true });
  assert.match(said, /^[A-Za-z0-9%=&]+$/);
  assert.deepEqual(Object.fromEntries(new URLSearchParams(said)), {
    a: "Café & 50% + €_.-~*'()!\n\ufffd", c_d: "1", c_e: "[2]", g: "true",
  });
  const list = variables({ items: [{ event: "a", data: { q: 1 } }, { event: "b", user: { id: "u" } }], next: null });
  assert.equal(list, "count=2&event0=a&data0%5Fq=1&event1=b&user1%5Fid=u");
  assert.equal(variables({ ids: ["12"] }), "count=1&id0=12");
});
