// Many random lives of an activity: loss, delay, reordering, duplicates, tabs that hide, die and come back.
// SEED=n repeats one run, RUNS=n changes their number.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "../world/browser.js";

const FIRST = Number(process.env.SEED ?? 1);
const RUNS = Number(process.env.RUNS ?? (process.env.SEED ? 1 : 400));
/** The longest a request can be on its way: the deadline of a client. */
const DEADLINE = 20_000;

/** A network that is mostly good, sometimes slow, and sometimes bad in each way. */
function weather(random) {
  const delay = () => Math.floor(random() ** 3 * DEADLINE);
  return () => {
    const luck = random();
    if (luck < 0.12) return { out: undefined, back: random() < 0.5 ? 0 : delay() };
    if (luck < 0.24) return { out: delay(), back: undefined };
    if (luck < 0.34) return { out: delay(), back: delay(), twice: delay() };
    if (luck < 0.6) return { out: delay(), back: delay() };
    return { out: Math.floor(random() * 200), back: Math.floor(random() * 200) };
  };
}

/** Everything a page may go through, each with how likely it is. */
const happenings = [
  [8, async ({ tab, made, random }) => made(tab.activity.log("answered", { n: Math.floor(random() * 9) }))],
  [4, async ({ tab, made, random }) => made(tab.activity.grade({ score: Math.floor(random() * 11) }))],
  [1, async ({ tab }) => void tab.activity.recent().catch(() => {})],
  [1, async ({ tab }) => void tab.activity.flush()],
  [2, async ({ tab }) => (tab.document.visibilityState === "visible" ? tab.hide() : tab.show())],
  [1, async ({ tab }) => {
    tab.hide();
    tab.dispatch("pagehide");
  }],
  [1, async ({ tab }) => {
    tab.document.visibilityState = "visible";
    tab.dispatch("pageshow", { persisted: true });
  }],
  [1, async ({ tab }) => void tab.dispatch("online")],
  [1, async ({ tab, life }) => {
    tab.crash();
    await life.relaunch(tab);
  }],
  [1, async ({ life }) => life.tabs.length < 3 && (await life.relaunch())],
];
const total = happenings.reduce((sum, [weight]) => sum + weight, 0);

function happening(random) {
  let at = random() * total;
  return happenings.find(([weight]) => (at -= weight) < 0)[1];
}

async function life(seed) {
  const browser = new Browser(seed);
  const { random, server } = browser;
  const far = random() < 0.5;
  browser.network = weather(random);
  const operations = new Set();
  const tabs = [];
  const all = [];
  const relaunch = async (gone) => {
    if (gone) tabs.splice(tabs.indexOf(gone), 1);
    const tab = browser.open({ far });
    await tab.load();
    tabs.push(tab);
    all.push(tab);
  };
  await relaunch();
  for (let step = 0; step < 40; step++) {
    const before = new Set(browser.kept);
    const tab = tabs[Math.floor(random() * tabs.length)];
    // Whatever the widget was promised: it is in the outbox when the call returns.
    const made = () => {
      const fresh = browser.kept.filter((id) => !before.has(id));
      assert.equal(fresh.length, 1);
      operations.add(fresh[0]);
    };
    await happening(random)({ tab, made, random, life: { tabs, relaunch } });
    if (random() < 0.8) await browser.advance(Math.floor(random() ** 4 * 120_000));
    await Promise.all(browser.pending);
  }
  return { browser, server, operations, tabs, all, far };
}

async function conforms(seed) {
  const { browser, server, operations, tabs, all, far } = await life(seed);
  // The table never refuses a client that keeps the rules, and nobody has to renew for it.
  assert.deepEqual(server.refusals.map(({ decision }) => decision), []);
  const decisions = new Set(server.requests.map(({ decision }) => decision));
  const excused = ["invalid", "idle", "dead"].some((name) => decisions.has(name));
  assert.ok(excused || !server.renewals.length, "renewed without a need");
  for (const tab of all) assert.deepEqual(tab.told("ended"), []);
  for (const tab of all) assert.deepEqual(tab.told("refused"), []);
  // Nothing was forgotten: each operation is stored or in the outbox.
  const known = new Set([...server.stored, ...browser.kept]);
  for (const id of operations) assert.ok(known.has(id));
  // Whatever is left, the next launch brings it home.
  for (const tab of tabs) tab.crash();
  browser.network = () => ({ out: 0, back: 0 });
  await browser.advance(DEADLINE);
  const last = browser.open({ far });
  await last.load();
  await browser.advance(1000);
  assert.deepEqual(browser.kept, []);
  assert.equal(last.activity.unsaved, 0);
  assert.deepEqual(server.stored.toSorted(), [...operations].sort());
  assert.deepEqual(last.told("refused"), []);
  // Saved means stored, and each tab is told once.
  for (const tab of [...all, last]) {
    const told = tab.told("saved").flatMap(({ ids }) => ids);
    assert.equal(new Set(told).size, told.length);
    for (const id of told) assert.ok(operations.has(id));
  }
  return server;
}

test(`${RUNS} random lives from seed ${FIRST}: each operation has its effect once, no key is refused`, async (t) => {
  const seen = { requests: 0, operations: 0, twice: 0, decisions: new Set() };
  for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
    try {
      const server = await conforms(seed);
      seen.requests += server.requests.length;
      seen.operations += server.entries.size;
      seen.twice += [...server.arrivals.values()].filter((times) => times > 1).length;
      for (const { decision } of server.requests) seen.decisions.add(decision);
    } catch (error) {
      error.message = `SEED=${seed}: ${error.message}`;
      throw error;
    }
  }
  t.diagnostic(`${seen.requests} requests, ${seen.operations} operations, ${seen.twice} of them arrived more than once, decisions: ${[...seen.decisions].join(" ")}`);
  if (RUNS < 100) return;
  assert.ok(seen.twice > seen.operations / 10, "the network is bad enough to prove something");
  for (const name of ["start", "current", "confirm", "late"]) assert.ok(seen.decisions.has(name), name);
});
