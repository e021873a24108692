import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser, content, opened } from "../world/browser.js";

const down = () => ({ out: undefined });
const up = () => ({ out: 0, back: 0 });

// Where the page dies, as seen from one operation on its way.
const deaths = {
  "before it is sent": async ({ tab }) => tab.crash(),
  "while it is under way": async ({ browser, tab }) => {
    browser.network = () => ({ out: 1000, back: 0 });
    await browser.advance(10);
    tab.crash();
  },
  "while its answer is under way": async ({ browser, tab }) => {
    browser.network = () => ({ out: 0, back: 1000 });
    await browser.advance(10);
    tab.crash();
  },
  "when the answer was lost": async ({ browser, tab }) => {
    browser.network = () => ({ out: 0, back: undefined });
    await browser.advance(19_000);
    tab.crash();
  },
  "waiting for the next attempt": async ({ browser, tab }) => {
    browser.network = down;
    await browser.advance(50);
    tab.crash();
  },
  "after a flush": async ({ browser, tab }) => {
    browser.network = () => ({ out: 0, back: 1000 });
    tab.hide();
    await tab.beaconsSent();
    tab.crash();
  },
};
for (const [name, die] of Object.entries(deaths))
  for (const far of [false, true])
    test(`a page that dies ${name}${far ? " (other origin)" : ""}: the next launch sends it, once`, async () => {
      const world = await opened({ far });
      const { browser, activity, server } = world;
      activity.log("answered");
      activity.grade({ score: 6 });
      const ids = browser.kept;
      await die(world);
      assert.deepEqual(browser.kept, ids);
      await browser.advance(2000);
      browser.network = up;
      const next = browser.open({ far });
      await next.load();
      await browser.advance();
      assert.deepEqual(server.stored.toSorted(), ids);
      assert.deepEqual(browser.kept, []);
      assert.deepEqual(next.told("saved").flatMap((detail) => detail.ids).sort(), ids);
      assert.equal(next.activity.unsaved, 0);
      const third = browser.open({ far });
      const before = server.requests.length;
      await third.load();
      await browser.advance();
      assert.equal(server.requests.length, before, "nothing is left for a third");
    });

test("leftovers count as unsaved, are told, and keep their order", async () => {
  const { browser, tab, activity, server } = await opened();
  browser.network = down;
  for (let n = 0; n < 5; n++) {
    activity.log("x", { n });
    await browser.advance(7);
  }
  const ids = browser.kept;
  tab.crash();
  const next = browser.open();
  await next.load();
  assert.equal(next.activity.unsaved, 5);
  browser.network = up;
  await next.activity.flush();
  assert.deepEqual(server.stored, ids);
});

test("a later grade's sequence is above that of every leftover", async () => {
  const { browser, tab, activity, server } = await opened({ skew: 3_600_000 });
  browser.network = down;
  activity.grade({ score: 1 });
  await browser.advance();
  tab.crash();
  const next = browser.open();
  await next.load();
  next.activity.grade({ score: 2 });
  browser.network = up;
  await next.activity.flush();
  const sent = server.requests.flatMap(({ calls }) => calls.map(({ args }) => args));
  const [old, late] = [sent.find(({ score }) => score === 1), sent.find(({ score }) => score === 2)];
  assert.ok(late.sequence > old.sequence);
});

test("only the same user, activity and host are drained", async () => {
  const { browser, tab, activity, server } = await opened({}, { sub: "u:1", activity: "a/b" });
  browser.network = down;
  activity.log("x");
  await browser.advance();
  tab.crash();
  browser.network = up;
  for (const launch of [{ sub: "u2", activity: "a/b" }, { sub: "u:1", activity: "a" }, { sub: "u", activity: "1:a/b" }, { iss: "other", sub: "u:1", activity: "a/b" }]) {
    await browser.open().load(launch);
    await browser.advance();
  }
  assert.deepEqual([server.stored.length, browser.kept.length], [0, 1]);
  assert.match(Object.keys(browser.storage)[0], /^latchkey:campus:u%3A1:a%2Fb:/);
  await browser.open().load({ sub: "u:1", activity: "a/b" });
  await browser.advance();
  assert.deepEqual([server.stored.length, browser.kept.length], [1, 0]);
});

test("a key that may not write leaves the leftovers to one that may", async () => {
  const { browser, tab, activity, server } = await opened();
  browser.network = down;
  activity.log("x");
  activity.grade({ score: 1 });
  await browser.advance();
  tab.crash();
  browser.network = up;
  await browser.open().load({ mode: "review" });
  await browser.advance();
  assert.deepEqual([server.requests.length, browser.kept.length], [0, 2]);
  await browser.open().load({ functions: ["log", "recent"] });
  await browser.advance();
  assert.deepEqual([server.stored.length, browser.kept.length], [1, 1]);
  await browser.open().load();
  await browser.advance();
  assert.deepEqual([server.stored.length, browser.kept.length], [2, 0]);
});

test("what somebody else put there is left alone", async () => {
  const browser = new Browser();
  const prefix = "latchkey:campus:u1:quiz-1:";
  const foreign = { [prefix + "a"]: "not JSON", [prefix + "b"]: "null", [prefix + "c"]: "{}", other: "1" };
  Object.assign(browser.storage, foreign);
  const tab = browser.open();
  await tab.load();
  await browser.advance(120_000);
  assert.deepEqual({ ...browser.storage }, foreign);
  assert.equal(browser.server.requests.length, 0);
});

test("two tabs at the same time: each is sent, and stored once", async () => {
  const { browser, tab, activity, server } = await opened();
  browser.network = down;
  activity.log("x");
  activity.grade({ score: 3 });
  await browser.advance();
  tab.crash();
  browser.network = () => ({ out: 50, back: 50 });
  const tabs = [browser.open(), browser.open(), browser.open()];
  await Promise.all(tabs.map((open) => open.load()));
  await browser.advance(1000);
  assert.equal(server.stored.length, 2);
  assert.equal(server.requests.length, 1, "with the lock, one of them drains");
  tabs[1].activity.log("own");
  tabs[2].activity.log("own");
  await browser.advance(120_000);
  assert.deepEqual([server.stored.length, browser.kept.length], [4, 0]);
  assert.equal(new Set(server.requests.filter(({ calls }) => calls.length).map(({ tab: by }) => by)).size, 3);
});

test("a tab without the lock drains later, lock or not", async () => {
  const { browser, tab, activity, server } = await opened();
  browser.network = down;
  activity.log("x");
  await browser.advance();
  tab.crash();
  browser.network = up;
  browser.locks.held.set("latchkey:campus:u1:quiz-1:", "a tab that hangs");
  const next = browser.open();
  await next.load();
  await browser.advance(1000);
  assert.equal(server.stored.length, 0);
  await browser.advance(60_000);
  assert.equal(server.stored.length, 1);
});

test("without locks, or where they are forbidden, the launch drains at once", async () => {
  for (const locks of [undefined, { request: async () => Promise.reject(new DOMException("", "SecurityError")) }]) {
    const { browser, tab, activity, server } = await opened();
    browser.network = down;
    activity.log("x");
    await browser.advance();
    tab.crash();
    browser.network = up;
    const next = browser.open();
    next.self.navigator.locks = locks;
    await next.load();
    await browser.advance();
    assert.equal(server.stored.length, 1);
  }
});

test("the lock is given back once the leftovers are answered", async () => {
  const { browser, tab, activity } = await opened();
  browser.network = down;
  activity.log("x");
  await browser.advance();
  tab.crash();
  const next = browser.open();
  await next.load();
  await browser.advance();
  assert.equal(browser.locks.held.size, 1);
  browser.network = up;
  await next.activity.flush();
  await browser.advance();
  assert.equal(browser.locks.held.size, 0);
});

test("what a tab leaves behind is drained by one that stays", async () => {
  const { browser, tab, activity, server } = await opened();
  const other = browser.open();
  await other.load();
  browser.network = down;
  activity.log("x");
  await browser.advance();
  tab.crash();
  browser.network = up;
  await browser.advance(61_000);
  assert.deepEqual([server.stored.length, browser.kept.length], [1, 0]);
});

test("a full storage: kept in memory, told, and sent all the same", async () => {
  const { browser, tab, activity, server, storage } = await opened();
  browser.network = down;
  activity.log("stored");
  storage.full = true;
  activity.log("memory");
  assert.deepEqual((await browser.advance(), tab.told("unsaved")), [{ count: 1, durable: true }, { count: 2, durable: false }]);
  assert.equal(browser.kept.length, 1);
  browser.network = up;
  await browser.advance(5000);
  assert.deepEqual([server.stored.length, activity.unsaved], [2, 0]);
  assert.deepEqual(tab.told("unsaved").at(-1), { count: 0, durable: true });
});

test("no storage, or a forbidden one: the same", async () => {
  for (const storage of [null, undefined, "forbidden"]) {
    const browser = new Browser();
    const tab = browser.open();
    Object.defineProperty(tab.self, "localStorage", {
      get() {
        if (storage) throw new DOMException("no", "SecurityError");
        return storage;
      },
    });
    const activity = await tab.load();
    const receipt = activity.grade({ score: 2 });
    await browser.advance();
    assert.equal((await receipt).score, 2);
    assert.deepEqual(tab.told("unsaved"), [{ count: 1, durable: false }, { count: 0, durable: true }]);
  }
});

test("an item that cannot be removed is sent once more, and stored once", async () => {
  const { browser, tab, activity, server, storage } = await opened();
  Object.defineProperty(storage, "removeItem", {
    configurable: true,
    value() {
      throw new DOMException("no", "SecurityError");
    },
  });
  activity.log("x");
  await browser.advance();
  assert.equal(activity.unsaved, 0);
  tab.crash();
  delete storage.removeItem;
  await browser.open().load();
  await browser.advance();
  assert.deepEqual([server.stored.length, browser.kept.length], [1, 0]);
  assert.deepEqual(content(server.requests[0]), content(server.requests[1]));
});

test("what is logged after the end is sent by the next launch", async () => {
  const { browser, tab, activity, server } = await opened();
  activity.close();
  await assert.rejects(activity.log("after"), { kept: true });
  tab.crash();
  await browser.open().load();
  await browser.advance();
  assert.equal(server.stored.length, 1);
});
