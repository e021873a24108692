import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusedError } from "../world/sdk.js";
import { opened, refusal } from "../world/browser.js";

const down = () => ({});
const up = () => ({ out: 0, back: 0 });

test("a document is there at the next launch", async () => {
  const { browser, activity } = await opened();
  const written = activity.state.put({ page: 3 });
  assert.equal(activity.unsaved, 1);
  await browser.advance();
  assert.deepEqual(await written, { name: "state", version: 1, at: "2026-01-05T08:00:00.000Z" });
  activity.close();
  const next = await browser.open().load();
  const read = next.state.get();
  await browser.advance();
  assert.deepEqual(await read, { name: "state", version: 1, value: { page: 3 }, at: "2026-01-05T08:00:00.000Z" });
});

test("what is asked goes out as the server reads it", async () => {
  const { browser, activity, server } = await opened();
  activity.state.get();
  activity.state.get("page");
  activity.state.put(null);
  activity.state.put("2|0|1", { name: "hacp", ifVersion: 0 });
  activity.state.patch({ page: null }, { ifVersion: 1 });
  activity.state.delete();
  activity.state.delete({ name: "hacp", ifVersion: 1 });
  await browser.advance();
  const { calls } = server.requests[0];
  assert.deepEqual(calls.map((call) => [call.function, call.args]), [
    ["state", { op: "get" }],
    ["state", { op: "get", name: "page" }],
    ["state", { op: "put", value: null }],
    ["state", { op: "put", value: "2|0|1", name: "hacp", if_version: 0 }],
    ["state", { op: "patch", value: { page: null }, if_version: 1 }],
    ["state", { op: "delete" }],
    ["state", { op: "delete", name: "hacp", if_version: 1 }],
  ]);
  assert.deepEqual(calls.map((call) => typeof call.id), ["undefined", "undefined", ...Array(5).fill("string")]);
  assert.equal(activity.unsaved, 0);
});

test("a conflict tells what is there, and is final", async () => {
  const { browser, tab, activity, server } = await opened();
  const other = await browser.open().load();
  activity.state.put({ by: "first" });
  await browser.advance();
  const both = [activity, other].map((one, at) => one.state.put({ by: at }, { ifVersion: 1 }));
  const settled = Promise.allSettled(both);
  await browser.advance();
  const [won, lost] = (await settled).sort((a, b) => (a.status < b.status ? -1 : 1));
  assert.equal(won.value.version, 2);
  const error = lost.reason;
  assert.ok(error instanceof RefusedError);
  assert.deepEqual([error.code, error.field, error.retryable], ["version_conflict", "if_version", false]);
  assert.equal(error.current.version, 2);
  assert.equal(typeof error.current.value.by, "number");
  assert.deepEqual([activity.unsaved, other.unsaved, browser.kept.length], [0, 0, 0]);
  assert.equal(server.states.get("u1 quiz-1 state").version, 2);
  assert.equal(tab.told("saved").at(0).receipt.version, 1);
});

test("a write outlives a crash and is done once; a read is not kept", async () => {
  const { browser, tab, activity, server } = await opened();
  browser.network = down;
  activity.state.put({ page: 1 });
  activity.state.get().catch(() => {});
  await browser.advance(10);
  assert.equal(browser.kept.length, 1);
  tab.crash();
  browser.network = up;
  await browser.open().load({ functions: ["state"] });
  await browser.advance(1000);
  assert.deepEqual([browser.kept.length, server.states.get("u1 quiz-1 state").version], [0, 1]);
});

test("a key without the function leaves the write to one that has it", async () => {
  const { browser, tab, activity, server } = await opened();
  browser.network = down;
  activity.state.put(1);
  await browser.advance();
  tab.crash();
  browser.network = up;
  await browser.open().load();
  await browser.advance(1000);
  assert.deepEqual([browser.kept.length, server.states.size], [1, 0]);
  await browser.open().load({ functions: ["log", "state"] });
  await browser.advance(1000);
  assert.deepEqual([browser.kept.length, server.states.size], [0, 1]);
});

test("the largest document goes alone, and without keepalive", async () => {
  const { browser, tab, activity, server } = await opened();
  const largest = "x".repeat(65_534);
  activity.log("before");
  activity.state.put(largest);
  activity.log("after");
  await browser.advance(1000);
  assert.equal(server.states.get("u1 quiz-1 state").value, largest);
  assert.deepEqual(server.requests.map(({ calls }) => calls.map((call) => call.function)), [["log"], ["state"], ["log"]]);
  tab.hide();
  activity.state.put(largest);
  await browser.advance(1000);
  assert.deepEqual([activity.unsaved, server.requests.at(-1).keepalive], [0, false]);
});

test("a page that goes away takes its write along", async () => {
  const { browser, tab, activity, server } = await opened();
  activity.log("begun");
  await browser.advance();
  activity.state.put({ page: 9 });
  tab.hide();
  await browser.advance();
  assert.deepEqual(server.states.get("u1 quiz-1 state").value, { page: 9 });
  assert.equal(activity.unsaved, 0);
});

test("what a server refuses is told", async () => {
  const { browser, activity, server } = await opened();
  server.instead = [refusal(422, "state_too_large")];
  const put = activity.state.put(1);
  await browser.advance();
  await assert.rejects(put, { code: "state_too_large", current: undefined });
});
