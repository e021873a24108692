import assert from "node:assert/strict";
import { test } from "node:test";
import { FAR, content, opened } from "../world/browser.js";

const MINUTE = 60_000;
const down = () => ({ out: undefined });
const up = () => ({ out: 0, back: 0 });

/** An activity with two operations that could not be sent yet. */
async function waiting(options) {
  const world = await opened(options);
  world.browser.network = down;
  world.activity.log("answered");
  world.activity.grade({ score: 7 });
  await world.browser.advance();
  world.tab.self.crypto.getRandomValues = (bytes) => bytes.fill(255);
  await world.browser.advance(9000);
  world.browser.network = up;
  return world;
}

test("same origin: hiding sends at once by a fetch that outlives the page, and its answer counts", async () => {
  const { browser, tab, activity, server } = await waiting();
  tab.hide();
  await browser.advance();
  const [request] = server.requests;
  assert.equal(request.keepalive, true);
  assert.ok(request.headers.Authorization.startsWith("Bearer ey"));
  assert.equal(JSON.parse(request.body).token, undefined);
  assert.deepEqual([activity.unsaved, browser.kept.length, tab.beacons.length], [0, 0, 0]);
  assert.deepEqual(tab.told("saved").map(({ function: name }) => name), ["log", "grade"]);
});

test("other origin: hiding sends a beacon without headers, which saves nothing by itself", async () => {
  const { browser, tab, activity, server } = await waiting({ far: true });
  tab.hide();
  await tab.beaconsSent();
  assert.equal(tab.beacons.length, 1);
  const [beacon] = tab.beacons;
  assert.equal(beacon.url, FAR + "/v1/batch");
  assert.equal(beacon.type, "text/plain");
  assert.equal(JSON.parse(beacon.body).token, tab.launched);
  assert.equal(server.stored.length, 2, "it has arrived");
  assert.deepEqual([activity.unsaved, browser.kept.length, tab.told("saved").length], [2, 2, 0], "and nobody knows");
  tab.show();
  await browser.advance();
  assert.deepEqual([activity.unsaved, browser.kept.length, server.stored.length], [0, 0, 2]);
  assert.deepEqual(tab.told("saved").length, 2);
});

test("flush() asks for the answer that a beacon did not bring", async () => {
  const { browser, tab, activity } = await waiting({ far: true });
  tab.hide();
  await tab.beaconsSent();
  const left = activity.flush();
  await browser.advance();
  assert.equal(await left, 0);
});

test("a beacon of a page that is gone is confirmed by the next launch", async () => {
  const { browser, tab, server } = await waiting({ far: true });
  tab.hide();
  tab.dispatch("pagehide");
  tab.crash();
  await tab.beaconsSent();
  assert.deepEqual([server.stored.length, browser.kept.length], [2, 2]);
  const next = browser.open({ far: true });
  await next.load();
  await browser.advance();
  assert.deepEqual([server.stored.length, browser.kept.length, next.told("saved").length], [2, 0, 2]);
});

test("hidden, then pagehide: each operation is flushed once", async () => {
  for (const far of [true, false]) {
    const { browser, tab, server } = await waiting({ far });
    if (!far) browser.network = () => ({ out: 0, back: 500 });
    tab.hide();
    tab.dispatch("pagehide");
    await tab.beaconsSent();
    assert.equal(server.requests.length, 1);
    assert.equal(content(server.requests[0]).length, 2);
  }
});

test("pagehide alone flushes too", async () => {
  const { tab, server } = await waiting();
  tab.dispatch("pagehide");
  await tab.beaconsSent();
  assert.equal(server.stored.length, 2);
});

test("a beacon that the browser does not take is sent the ordinary way", async () => {
  const { browser, tab, activity } = await waiting({ far: true });
  tab.noBeacons = true;
  tab.hide();
  await browser.advance(MINUTE);
  assert.equal(activity.unsaved, 0);
});

test("a browser without beacons uses fetch", async () => {
  const { browser, tab, activity } = await waiting({ far: true });
  delete tab.self.navigator.sendBeacon;
  tab.hide();
  await browser.advance(MINUTE);
  assert.equal(activity.unsaved, 0);
});

test("a request under way does not hold up the flush, and what comes twice is stored once", async () => {
  for (const far of [true, false]) {
    const { browser, tab, activity, server } = await opened({ far });
    let first = true;
    browser.network = () => (first ? ((first = false), { out: 8000, back: 0 }) : { out: 0, back: 0 });
    activity.log("a");
    await browser.advance();
    activity.grade({ score: 1 });
    tab.hide();
    await tab.beaconsSent();
    assert.equal(server.stored.length, 2, "before the first has arrived");
    await browser.advance(9000);
    tab.show();
    await browser.advance();
    assert.deepEqual([activity.unsaved, server.stored.length, server.refusals.length], [0, 2, 0]);
    assert.equal(tab.told("saved").length, 2, "each is told once");
  }
});

test("a large backlog leaves in pieces of 60 KiB", async () => {
  const { browser, tab, activity, server } = await opened();
  browser.network = down;
  for (let n = 0; n < 50; n++) activity.log("x", { text: "ö".repeat(1500) });
  await browser.advance();
  browser.network = up;
  tab.hide();
  await browser.advance();
  assert.ok(server.requests.length >= 3);
  for (const { body, keepalive } of server.requests) {
    assert.ok(keepalive);
    assert.ok(Buffer.byteLength(body) <= 60 * 1024);
  }
  assert.deepEqual([activity.unsaved, server.stored.length], [0, 50]);
});

test("a hidden page goes on, at its own origin by requests that outlive it", async () => {
  for (const far of [false, true]) {
    const { browser, tab, activity, server } = await opened({ far });
    tab.hide();
    activity.log("x");
    await browser.advance();
    assert.equal(server.requests[0].keepalive, !far);
    assert.equal(activity.unsaved, 0);
  }
});

test("an ordinary request is not kept alive", async () => {
  const { browser, activity, server } = await opened();
  activity.log("x");
  await browser.advance();
  assert.equal(server.requests[0].keepalive, false);
});

test("a flush whose answer is a 401 leaves the renewal to the page", async () => {
  const { browser, tab, activity, server } = await opened();
  activity.log("x");
  await browser.advance();
  server.revoke(tab.launched);
  browser.network = down;
  activity.log("y");
  await browser.advance();
  browser.network = up;
  tab.hide();
  await browser.advance(1000);
  assert.equal(activity.unsaved, 0);
  assert.equal(server.renewals.length, 1);
});

test("back from the cache, the unsaved is sent again", async () => {
  for (const far of [true, false]) {
    const { browser, tab, activity, server } = await waiting({ far });
    browser.network = down;
    tab.hide();
    tab.dispatch("pagehide");
    await tab.beaconsSent();
    assert.equal(activity.unsaved, 2);
    browser.network = up;
    tab.document.visibilityState = "visible";
    tab.dispatch("pageshow", { persisted: true });
    await browser.advance();
    assert.deepEqual([activity.unsaved, server.stored.length], [0, 2]);
  }
});

test("online: tried at once", async () => {
  const { browser, tab, activity } = await waiting();
  assert.equal(activity.unsaved, 2);
  tab.dispatch("online");
  await browser.advance();
  assert.equal(activity.unsaved, 0);
});

test("the key is kept alive by an empty batch every five minutes of silence", async () => {
  const { browser, server } = await opened();
  await browser.advance(31 * MINUTE);
  assert.equal(server.requests.length, 6);
  for (const { calls } of server.requests) assert.deepEqual(calls, []);
  const times = server.requests.map(({ at }) => at);
  times.slice(1).forEach((at, n) => assert.equal(at - times[n], 5 * MINUTE));
  assert.equal(server.requests[0].decision, "start", "a launch is used before it ends");
});

test("no empty batch while there is other traffic", async () => {
  const { browser, activity, server } = await opened();
  for (let n = 0; n < 10; n++) {
    activity.log("x");
    await browser.advance(2 * MINUTE);
  }
  assert.equal(server.requests.length, 10);
});

test("a hidden page is not kept alive, and catches up at once when it is seen", async () => {
  const { browser, tab, server } = await opened();
  tab.hide();
  await browser.advance(20 * MINUTE);
  assert.equal(server.requests.length, 0);
  tab.show();
  await browser.advance();
  assert.equal(server.requests.length, 2, "the launch was too old: refused, renewed, sent");
  tab.hide();
  await browser.advance(2 * MINUTE);
  tab.show();
  await browser.advance();
  assert.equal(server.requests.length, 2, "not after a short absence");
});

test("close() takes every listener and timer away", async () => {
  const { browser, tab, activity, server } = await waiting();
  activity.close();
  tab.hide();
  tab.dispatch("pagehide");
  tab.dispatch("online");
  tab.show();
  await browser.advance(60 * MINUTE);
  assert.equal(server.requests.length, 0);
  assert.equal(browser.clock.next, Infinity);
});
