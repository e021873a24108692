import assert from "node:assert/strict";
import { test } from "node:test";
import { EndedError, RefusedError, connect } from "../world/sdk.js";
import { Browser, PAGE, content, opened, page, refusal } from "../world/browser.js";

test("operations of the same moment share one request, log entries one call", async () => {
  const { browser, activity, server } = await opened();
  const done = [activity.log("opened"), activity.grade({ score: 8.5 }), activity.log("answered", { question: 3 })];
  await browser.advance();
  assert.equal(server.requests.length, 1);
  const [request] = server.requests;
  assert.equal(request.url, PAGE + "/v1/batch");
  assert.deepEqual(request.calls.map((call) => call.function), ["log", "grade"]);
  const [log, grade] = request.calls;
  assert.equal(log.id, undefined);
  assert.deepEqual(log.args.entries.map(({ event, data }) => [event, data]), [["opened", undefined], ["answered", { question: 3 }]]);
  for (const entry of log.args.entries) assert.equal(entry.at, "2026-01-05T08:00:00.000Z");
  assert.equal(request.sent, "2026-01-05T08:00:00.000Z");
  assert.equal(grade.args.at, "2026-01-05T08:00:00.000Z");
  assert.equal(request.headers["Content-Type"], "application/json");
  const [first, receipt, second] = await Promise.all(done);
  assert.deepEqual([first.id, second.id], log.args.entries.map(({ id }) => "s-" + id));
  assert.equal(receipt.submission, "s-" + grade.id);
  assert.equal(receipt.score, 8.5);
});

test("ids are UUIDv7, rise, and carry the time", async () => {
  const { browser, activity, server } = await opened();
  for (let n = 0; n < 50; n++) activity.log("tick");
  await browser.advance();
  const ids = content(server.requests[0]);
  assert.equal(new Set(ids).size, 50);
  assert.deepEqual([...ids].sort(), ids);
  for (const id of ids) assert.match(id, /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  assert.equal(parseInt(ids[0].replace("-", "").slice(0, 12), 16), browser.clock.time);
});

test("an operation is durable before its first byte is sent, without any token", async () => {
  const { browser, tab, activity, storage } = await opened();
  let stored;
  browser.network = () => ((stored = Object.keys(storage)), { out: 0, back: 0 });
  activity.grade({ score: 3, comment: "" });
  const [key] = Object.keys(storage);
  assert.match(key, /^latchkey:campus:u1:quiz-1:[\da-f-]{36}$/);
  const { function: name, args } = JSON.parse(storage.getItem(key));
  assert.deepEqual([name, args.score, args.comment], ["grade", 3, ""]);
  await browser.advance();
  assert.deepEqual(stored, [key]);
  assert.deepEqual(Object.keys(storage), []);
  assert.equal(tab.told("saved")[0].receipt.score, 3);
});

test("one request at a time; what comes meanwhile goes together in the next", async () => {
  const { browser, activity, server } = await opened();
  browser.network = () => ({ out: 0, back: 1000 });
  activity.log("a");
  await browser.advance(10);
  activity.log("b");
  activity.grade({ score: 1 });
  activity.recent({ limit: 5 });
  await browser.advance(900);
  assert.equal(server.requests.length, 1);
  await browser.advance(100);
  assert.equal(server.requests.length, 2);
  assert.deepEqual(server.requests[1].calls.map((call) => call.function), ["log", "grade", "recent"]);
});

test("what was given is sent, whatever the widget does to its objects afterwards", async () => {
  const { browser, activity, server } = await opened();
  const data = { question: 1 };
  activity.log("answered", data);
  data.question = 2;
  await browser.advance();
  assert.deepEqual(server.requests[0].calls[0].args.entries[0].data, { question: 1 });
});

test("0 is a score; absent, null and empty comments stay three things", async () => {
  const { browser, activity, server } = await opened();
  const grades = [{ score: 0 }, { score: 0, comment: null }, { score: 0, comment: "" }];
  const receipts = grades.map((grade) => activity.grade(grade));
  await browser.advance();
  assert.deepEqual((await Promise.all(receipts)).map(({ score }) => score), [0, 0, 0]);
  const args = server.requests[0].calls.map((call) => call.args);
  assert.deepEqual(args.map((arg) => arg.comment), [undefined, null, ""]);
  assert.ok(!("comment" in args[0]));
});

const failures = {
  "a lost request": "lost",
  "a redirect": () => "redirect",
  "a login page": page(200),
  "a proxy's error page": page(502),
  "nothing at all": page(200, ""),
  "another kind of object": page(200, '{"hello":1}'),
  "null": page(200, "null"),
  "an ok without results": page(200, '{"status":"ok","result":{}}'),
  "too few results": page(200, '{"status":"ok","result":{"calls":[]}}'),
  "a 401 that is not ours": page(401, "<h1>Proxy</h1>"),
  "a 404 that is not ours": page(404),
  "slow_sender": refusal(408, "slow_sender"),
  "busy": refusal(409, "busy"),
  "rate_limited": refusal(429, "rate_limited"),
  "internal": refusal(500, "internal"),
  "store_unavailable": refusal(503, "store_unavailable"),
};
for (const [name, answer] of Object.entries(failures))
  test(`${name}: sent again with the same ids, until it is answered`, async () => {
    const { browser, tab, activity, server } = await opened();
    let lost = answer === "lost" ? 2 : 0;
    browser.network = () => (lost-- > 0 ? { out: undefined } : { out: 0, back: 0 });
    if (answer !== "lost") server.instead = [answer, answer];
    const receipt = activity.grade({ score: 4 });
    activity.log("done");
    await browser.advance();
    assert.equal(activity.unsaved, 2);
    assert.equal(tab.told("saved").length, 0);
    assert.equal(browser.kept.length, 2);
    await browser.advance(5000);
    assert.equal((await receipt).score, 4);
    assert.equal(new Set(server.requests.map((request) => content(request).join())).size, 1);
    assert.equal(server.requests.length, answer === "lost" ? 1 : 3);
    assert.equal(server.stored.length, 2);
    assert.deepEqual([activity.unsaved, browser.kept.length, tab.told("ended").length], [0, 0, 0]);
  });

test("waits grow with full jitter from half a second to half a minute", async () => {
  for (const [byte, waits] of [
    [128, [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]],
    [0, [0, 0, 0, 0, 0, 0, 0, 0]],
  ]) {
    const { browser, tab, activity } = await opened();
    const { setTimeout } = tab.self;
    const waited = [];
    tab.self.setTimeout = (fn, ms) => {
      if (ms !== 20_000 && waited.length < waits.length) waited.push(ms);
      return setTimeout(fn, ms);
    };
    browser.network = () => ({ out: waited.length < waits.length ? undefined : 0, back: 0 });
    activity.log("x");
    tab.self.crypto.getRandomValues = (bytes) => bytes.fill(byte);
    await browser.advance(60_000);
    assert.deepEqual(waited, waits);
    assert.equal(activity.unsaved, 0);
  }
});

test("Retry-After is honoured, also against flush()", async () => {
  const { browser, activity, server } = await opened();
  server.instead = [refusal(429, "rate_limited", {}, { "Retry-After": "40" })];
  activity.log("x");
  await browser.advance(39_000);
  assert.equal(await activity.flush(), 1);
  assert.equal(server.requests.length, 1);
  await browser.advance(2000);
  assert.equal(server.requests.length, 2);
  assert.equal(activity.unsaved, 0);
});

test("Retry-After of a proxy's page is honoured too", async () => {
  const { browser, activity, server } = await opened();
  server.instead = [() => ({ status: 503, headers: { "Retry-After": "7" }, text: "busy" })];
  activity.log("x");
  await browser.advance(6900);
  assert.equal(server.requests.length, 1);
  await browser.advance(700);
  assert.equal(activity.unsaved, 0);
});

test("a request is given up after 20 seconds", async () => {
  const { browser, activity, server } = await opened();
  browser.network = () => ({ out: 0, back: undefined });
  activity.log("x");
  await browser.advance(19_999);
  assert.equal(server.requests.length, 1);
  browser.network = () => ({ out: 0, back: 0 });
  await browser.advance(600);
  assert.equal(server.requests.length, 2);
  assert.equal(server.stored.length, 1);
  assert.equal(activity.unsaved, 0);
});

test("flush() tries at once and tells how many are left", async () => {
  const { browser, activity } = await opened();
  browser.network = () => ({ out: undefined });
  for (let n = 0; n < 12; n++) {
    activity.log("x");
    await browser.advance(2000);
  }
  let left = activity.flush();
  await browser.advance();
  assert.equal(await left, 12);
  browser.network = () => ({ out: 0, back: 0 });
  left = activity.flush();
  await browser.advance();
  assert.equal(await left, 0);
});

test("a call that is refused for good is told, dropped, and the others count", async () => {
  const { browser, tab, activity, server } = await opened();
  const bad = activity.grade({ score: 99 });
  const good = activity.grade({ score: 9 });
  await browser.advance();
  await assert.rejects(bad, (error) =>
    error instanceof RefusedError && error.code === "score_above_max" && error.field === "score" && !error.retryable);
  assert.equal((await good).score, 9);
  const [{ id, error, function: name }] = tab.told("refused");
  assert.deepEqual([id, name, error.code], [server.requests[0].calls[0].id, "grade", "score_above_max"]);
  assert.deepEqual([activity.unsaved, browser.kept.length, server.requests.length], [0, 0, 1]);
});

test("one bad entry does not take the others of its call with it", async () => {
  const { browser, tab, activity, server } = await opened();
  const done = ["a", "b", "NOT GOOD", "c"].map((event) => activity.log(event));
  await browser.advance();
  const outcomes = await Promise.allSettled(done);
  assert.deepEqual(outcomes.map(({ status }) => status), ["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  assert.equal(server.stored.length, 3);
  assert.equal(tab.told("refused").length, 1);
  assert.equal(activity.unsaved, 0);
});

test("a batch refused as a whole is sent one by one", async () => {
  const { browser, tab, activity, server } = await opened();
  const tooLarge = ({ calls }) => (calls.length > 1 || calls[0].function === "grade" ? refusal(413, "body_too_large")() : undefined);
  server.instead = [tooLarge, tooLarge, tooLarge, tooLarge];
  activity.log("a");
  const grade = activity.grade({ score: 1 });
  activity.log("b");
  await browser.advance();
  await assert.rejects(grade, { code: "body_too_large" });
  assert.equal(server.stored.length, 2);
  assert.deepEqual([activity.unsaved, tab.told("refused").length], [0, 1]);
});

test("what was not run, or failed for now, stays and is sent again", async () => {
  const { browser, tab, activity, server } = await opened();
  const error = { code: "busy", message: "busy", retryable: true };
  server.instead = [
    () => ({
      status: 200,
      headers: {},
      text: JSON.stringify({
        status: "ok",
        result: { calls: [{ status: "failed", error }, { status: "not_run", error }] },
        key: { state: "current" },
        server_time: "2026-01-05T08:00:00Z",
        request_id: "r",
      }),
    }),
  ];
  activity.grade({ score: 1 });
  activity.grade({ score: 2 });
  await browser.advance(1);
  assert.deepEqual([activity.unsaved, browser.kept.length, tab.told("refused").length], [2, 2, 0]);
  await browser.advance(1000);
  assert.deepEqual([activity.unsaved, server.stored.length], [0, 2]);
});

test("an operation over the limit is refused at once", async () => {
  const { browser, tab, activity, server } = await opened();
  const huge = activity.log("x", { text: "é".repeat(33_800) });
  assert.equal(activity.unsaved, 0);
  await assert.rejects(huge, (error) => error instanceof RefusedError && error.code === "body_too_large");
  const circle = {};
  circle.self = circle;
  await assert.rejects(activity.log("x", circle), { code: "bad_json" });
  await browser.advance();
  assert.deepEqual([server.requests.length, browser.kept.length, tab.told("refused").length], [0, 0, 2]);
});

test("no body is over 60 KiB, 100 calls or 100 entries", async () => {
  const { browser, activity, server } = await opened();
  for (let n = 0; n < 250; n++) activity.log("x", { n });
  for (let n = 0; n < 150; n++) activity.grade({ score: 1 });
  for (let n = 0; n < 40; n++) activity.log("y", { text: "ü".repeat(2000) });
  await browser.advance();
  assert.equal(server.stored.length, 440);
  assert.equal(activity.unsaved, 0);
  for (const { body, calls } of server.requests) {
    assert.ok(Buffer.byteLength(body) <= 60 * 1024);
    assert.ok(calls.length <= 100);
    for (const { args } of calls) assert.ok((args.entries?.length ?? 0) <= 100);
  }
  assert.ok(server.requests.length <= 9, String(server.requests.length));
});

test("the largest operation fits with the longest token", async () => {
  const { browser, tab, activity, server } = await opened({ far: true }, { course: { id: "c".repeat(1200) } });
  const text = "x".repeat(60 * 1024 - 2400 - 64 - 100);
  activity.log("x", { text });
  assert.equal(activity.unsaved, 1);
  tab.hide();
  await tab.beaconsSent();
  assert.ok(tab.beacons[0].body.length <= 60 * 1024);
  assert.equal(server.stored.length, 1);
});

test("recent shares the queue, has no id, and is not counted", async () => {
  const { browser, activity, server } = await opened();
  const recent = activity.recent();
  assert.equal(activity.unsaved, 0);
  await browser.advance();
  assert.deepEqual(await recent, { items: [], next: null });
  assert.deepEqual(server.requests[0].calls, [{ function: "recent", args: {} }]);
});

test("calls without an id are told apart by their place", async () => {
  const { browser, activity, server } = await opened();
  server.instead = [
    () => {
      const outcome = (result, id) => ({ id, status: "ok", result });
      const calls = [outcome({ submission: "s" }, server.requests[0].calls[1].id),
        outcome({ accepted: 1, ids: ["e"] }), outcome({ items: [1] }), outcome({ items: [2] })];
      return { status: 200, headers: {}, text: JSON.stringify({ status: "ok", result: { calls }, server_time: "", request_id: "r" }) };
    },
  ];
  const made = [activity.grade({ score: 1 }), activity.recent(), activity.log("x"), activity.recent({ limit: 2 })];
  await browser.advance();
  assert.deepEqual(await Promise.all(made), [{ submission: "s" }, { items: [1] }, { id: "e" }, { items: [2] }]);
});

test("each change of the unsaved count is told", async () => {
  const { browser, tab, activity } = await opened();
  activity.log("a");
  activity.log("b");
  activity.grade({ score: 1 });
  await browser.advance();
  assert.deepEqual(tab.told("unsaved").map(({ count }) => count), [1, 2, 3, 1, 0]);
  assert.ok(tab.told("unsaved").every(({ durable }) => durable));
  const saved = tab.told("saved");
  assert.deepEqual(saved.map(({ function: name, ids, count }) => [name, ids.length, count]), [["log", 2, 1], ["grade", 1, 0]]);
});

test("a listener can be taken off, and one that throws harms nobody else", async () => {
  const { browser, activity } = await opened();
  const heard = [];
  const off = activity.on("unsaved", () => heard.push("off"));
  activity.on("unsaved", () => {
    throw new Error("of the widget");
  });
  activity.on("unsaved", () => heard.push("on"));
  off();
  const thrown = [];
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => thrown.push(error.message));
  activity.log("x");
  await browser.advance();
  process.removeAllListeners("uncaughtException");
  for (const listener of listeners) process.on("uncaughtException", listener);
  assert.deepEqual(heard, ["on", "on"]);
  assert.deepEqual(thrown, ["of the widget", "of the widget"]);
  assert.equal(activity.unsaved, 0);
});

test("nobody has to wait for a promise", async () => {
  const { browser, activity } = await opened();
  activity.grade({ score: 99 });
  activity.log("x", { text: "x".repeat(70_000) });
  await browser.advance();
  activity.close();
  activity.log("y");
  await browser.advance();
});

test("close() leaves what is unsaved to the next launch", async () => {
  const { browser, tab, activity } = await opened();
  browser.network = () => ({ out: undefined });
  const before = activity.grade({ score: 1 });
  await browser.advance();
  activity.close();
  activity.close();
  await assert.rejects(before, (error) => error instanceof EndedError && error.kept && error.reason === "closed");
  await assert.rejects(activity.grade({ score: 2 }), { code: "ended", kept: true });
  await assert.rejects(activity.recent(), { code: "ended", kept: false });
  assert.deepEqual(tab.told("ended"), [{ reason: "closed", count: 1 }]);
  assert.equal(browser.kept.length, 2);
  assert.equal(activity.unsaved, 2);
  browser.network = () => ({ out: 0, back: 0 });
  await browser.advance(600_000);
  assert.equal(browser.server.requests.length, 0);
});

test("a grade's sequence rises, and follows the server's clock once it is known", async () => {
  const { browser, activity, server } = await opened({ skew: 3_600_000 });
  activity.grade({ score: 1 });
  activity.grade({ score: 2 });
  await browser.advance(1000);
  activity.grade({ score: 3 });
  await browser.advance(1000);
  const sequences = server.requests.flatMap(({ calls }) => calls.map(({ args }) => args.sequence));
  assert.deepEqual([...sequences].sort(), sequences);
  assert.equal(new Set(sequences).size, 3);
  assert.ok(sequences.every(Number.isSafeInteger));
});

test("a slow clock is corrected by the launch at first, by the server later", async () => {
  const { browser, activity, server } = await opened({ skew: -86_400_000 });
  activity.grade({ score: 1 });
  await browser.advance(5000);
  activity.grade({ score: 2 });
  await browser.advance(0);
  const sequences = server.requests.flatMap(({ calls }) => calls.map(({ args }) => args.sequence));
  assert.ok(Math.abs(sequences[0] - (browser.clock.time - 5000)) < 1000);
  assert.ok(Math.abs(sequences[1] - browser.clock.time) < 1000);
  assert.equal(server.requests[0].sent, "2026-01-04T08:00:00.000Z");
});

test("the server's clock is learnt from its answers", async () => {
  const browser = new Browser();
  const token = browser.server.launch();
  await browser.advance(600_000);
  const { self } = browser.open({ skew: -600_000 });
  const activity = await connect({ self, token });
  for (let n = 0; n < 2; n++) {
    activity.grade({ score: n });
    await browser.advance();
  }
  const [slow, right] = browser.server.requests.map(({ calls }) => calls[0].args.sequence);
  assert.ok(Math.abs(slow - (browser.clock.time - 600_000)) < 10);
  assert.ok(Math.abs(right - browser.clock.time) < 10);
});

test("any success ends the growing of the waits", async () => {
  const { browser, tab, activity } = await opened();
  tab.self.crypto.getRandomValues = (bytes) => bytes.fill(128);
  browser.network = () => ({ out: undefined });
  activity.log("x");
  await browser.advance(20_000);
  browser.network = () => ({ out: 0, back: 0 });
  await browser.advance(20_000);
  assert.equal(activity.unsaved, 0);
  let tries = 0;
  browser.network = () => (tries++, { out: undefined });
  activity.log("y");
  await browser.advance(251);
  assert.equal(tries, 2);
});

test("a promise settles however long it takes", async () => {
  const { browser, activity } = await opened();
  browser.network = () => ({ out: undefined });
  const receipt = activity.grade({ score: 5 });
  await browser.advance(3_600_000);
  assert.equal(activity.unsaved, 1);
  browser.network = () => ({ out: 0, back: 0 });
  await browser.advance(31_000);
  assert.equal((await receipt).score, 5);
});
