import assert from "node:assert/strict";
import { test } from "node:test";
import { EndedError } from "../world/sdk.js";
import { readToken } from "../protocol.js";
import { opened, page, refusal } from "../world/browser.js";
import { sessionToken } from "../world/server.js";

const MINUTE = 60_000;
const renewal = (status, text = "") => () => ({ status, headers: {}, text });
const tokenOf = (server, at = -1) => readToken(server.requests.at(at).token);

test("each request carries the newest token: re-stamped, then the next generation", async () => {
  const { browser, activity, server } = await opened();
  for (let n = 0; n < 7; n++) {
    activity.log("x");
    await browser.advance(20_000);
  }
  const seen = server.requests.map(({ token }) => readToken(token));
  // The first reply is of the same second as the launch: its stamp is not later.
  const kinds = server.requests.map(({ token }) => token.slice(0, 3));
  assert.deepEqual(kinds, ["eyJ", "eyJ", "lk1", "lk1", "lk1", "lk1", "lk1"]);
  assert.deepEqual(seen.map(({ generation }) => generation), [0, 0, 0, 1, 1, 1, 2]);
  assert.deepEqual(server.requests.map(({ decision }) => decision),
    ["start", "current", "current", "confirm", "current", "current", "confirm"]);
});

test("a lost reply changes nothing", async () => {
  const { browser, activity, server } = await opened();
  activity.log("x");
  await browser.advance(40_000);
  browser.network = () => ({ out: 0, back: undefined });
  activity.log("y");
  await browser.advance(20_000);
  browser.network = () => ({ out: 0, back: 0 });
  await browser.advance(MINUTE);
  assert.equal(activity.unsaved, 0);
  assert.deepEqual(server.refusals, []);
});

test("tokens of an error reply are adopted; of another key, an older generation, or damaged ones are not", async () => {
  const { browser, activity, server } = await opened();
  activity.log("x");
  await browser.advance(1000);
  const held = tokenOf(server);
  const { key } = held;
  const branch = "ab".repeat(8);
  const offer = sessionToken({ key, generation: 1, branch, stamp: held.stamp });
  const answer = (status, token) => () => ({
    status,
    headers: {},
    text: JSON.stringify({
      status: "error", error: { code: "rate_limited", message: "", retryable: true }, token,
      key: { state: "current" }, server_time: "2026-01-05T08:00:00Z", request_id: "r",
    }),
  });
  const bad = [
    sessionToken({ key: "ff".repeat(16), generation: 9, branch, stamp: held.stamp + 9 }),
    sessionToken({ key, generation: 0, branch: "0".repeat(16), stamp: held.stamp - 9 }),
    sessionToken({ key, generation: 0, branch, stamp: held.stamp + 99 }),
    offer.slice(0, -1), "", 7, null, undefined,
  ];
  server.instead = [...bad, offer].map((token) => answer(429, token));
  activity.log("y");
  await browser.advance(5 * MINUTE);
  const used = server.requests.slice(1).map(({ token }) => token);
  assert.equal(new Set(used.slice(0, bad.length + 1)).size, 1);
  assert.equal(used[bad.length + 1], offer);
});

test("a 401 renews once and replays with the same ids", async () => {
  const { browser, tab, activity, server } = await opened();
  activity.log("x");
  await browser.advance(1000);
  server.revoke(tab.launched);
  const receipt = activity.grade({ score: 5 });
  await browser.advance();
  assert.equal((await receipt).score, 5);
  assert.equal(server.renewals.length, 1);
  const [request] = server.renewals;
  assert.equal(request.url, "/renew");
  assert.equal(request.credentials ?? "same-origin", "same-origin");
  assert.equal(request.headers["Latchkey-Renew"], "1");
  assert.equal(request.headers["Content-Type"], "application/json");
  assert.equal(request.headers.Authorization, undefined);
  assert.deepEqual(JSON.parse(request.body), { token: server.requests[1].token });
  const [, refused, replayed] = server.requests;
  assert.equal(refused.calls[0].id, replayed.calls[0].id);
  assert.notEqual(readToken(refused.token).key, readToken(replayed.token).key);
  assert.deepEqual(tab.told("renewed"), [{}]);
  assert.equal(refused.credentials, "omit");
});

test("a launch that was not used in time is renewed", async () => {
  const { browser, tab, activity, server } = await opened();
  tab.hide();
  await browser.advance(16 * MINUTE);
  activity.log("x");
  await browser.advance();
  assert.equal(server.requests[0].decision, "invalid");
  assert.equal(server.renewals.length, 1);
  assert.equal(activity.unsaved, 0);
});

test("a second 401 right after a renewal ends it: no loop", async () => {
  const { browser, tab, activity, server } = await opened();
  server.instead = Array(9).fill(refusal(401, "key_renew"));
  const grade = activity.grade({ score: 1 });
  const recent = activity.recent();
  await browser.advance(10 * MINUTE);
  assert.deepEqual([server.requests.length, server.renewals.length], [2, 1]);
  assert.deepEqual(tab.told("ended"), [{ reason: "refused", count: 1 }]);
  await assert.rejects(grade, (error) => error instanceof EndedError && error.kept && error.reason === "refused");
  await assert.rejects(recent, { kept: false });
  assert.equal(browser.kept.length, 1);
});

test("a 401 long after a renewal is renewed again", async () => {
  const { browser, tab, activity, server } = await opened();
  server.instead = [refusal(401, "key_renew")];
  activity.log("x");
  await browser.advance();
  tab.hide();
  for (let n = 1; n <= 3; n++) {
    await browser.advance(40 * MINUTE);
    activity.log("y");
    await browser.advance();
    assert.equal(activity.unsaved, 0);
    assert.equal(server.renewals.length, 1 + n);
  }
  assert.equal(tab.told("ended").length, 0);
});

test("a renewal that is refused ends it, and the operation is kept", async () => {
  for (const status of [401, 403]) {
    const { browser, tab, activity, server } = await opened();
    server.instead = [refusal(401, "key_renew")];
    server.insteadOfRenewal = renewal(status);
    const grade = activity.grade({ score: 1 });
    await browser.advance();
    await assert.rejects(grade, { name: "EndedError", code: "ended", reason: "login_over", kept: true });
    assert.deepEqual(tab.told("ended"), [{ reason: "login_over", count: 1 }]);
    await assert.rejects(activity.log("later"), { reason: "login_over", kept: true });
    assert.equal(browser.kept.length, 2);
    assert.equal(activity.unsaved, 2);
    await browser.advance(60 * MINUTE);
    assert.deepEqual([server.requests.length, server.renewals.length], [1, 1]);
  }
});

test("without storage, nothing is said to be kept", async () => {
  const { browser, activity, server } = await opened({ storage: "forbidden" });
  server.instead = [refusal(401, "key_renew")];
  server.insteadOfRenewal = renewal(403);
  const grade = activity.grade({ score: 1 });
  await browser.advance();
  await assert.rejects(grade, { code: "ended", kept: false });
});

test("a renewal that fails is tried again with back-off, once at a time", async () => {
  const { browser, tab, activity, server } = await opened();
  const answers = [renewal(503), renewal(200, "<html>login</html>"), renewal(200, '{"status":"ok"}'), () => "redirect",
    renewal(200, JSON.stringify({ status: "ok", token: "lk1_" + "A".repeat(72) })), renewal(429)];
  server.instead = [refusal(401, "key_renew")];
  server.insteadOfRenewal = () => answers.shift()?.();
  activity.log("x");
  for (let n = 0; n < 20; n++) {
    activity.log("y");
    await browser.advance(3000);
  }
  assert.equal(activity.unsaved, 0);
  assert.equal(server.renewals.length, 7);
  assert.equal(server.requests.filter(({ calls }) => calls.length).length >= 2, true);
  assert.equal(tab.told("ended").length, 0);
});

test("without a renewal address a 401 ends it", async () => {
  const { browser, activity, server } = await opened({ renew: "" });
  server.instead = [refusal(401, "key_invalid")];
  const grade = activity.grade({ score: 1 });
  await browser.advance();
  await assert.rejects(grade, { reason: "no_renewal", kept: true });
});

test("a key of another user, activity or host is not taken", async () => {
  for (const other of [{ sub: "u2" }, { activity: "quiz-2" }, { iss: "elsewhere" }]) {
    const { browser, tab, activity, server } = await opened();
    server.instead = [refusal(401, "key_renew")];
    server.insteadOfRenewal = () => renewal(200, JSON.stringify({ status: "ok", token: server.launch(other) }))();
    const grade = activity.grade({ score: 1 });
    await browser.advance();
    await assert.rejects(grade, { reason: "other_user", kept: true });
    assert.deepEqual(tab.told("ended"), [{ reason: "other_user", count: 1 }]);
    assert.equal(server.requests.length, 1);
    assert.deepEqual([activity.user, activity.activity], ["u1", "quiz-1"]);
  }
});

test("late for the newest token: renewed at once", async () => {
  const { browser, tab, activity, server } = await opened();
  activity.log("x");
  await browser.advance(31_000);
  // Somebody else holds this key too, and has confirmed its successor.
  const held = tokenOf(server);
  Object.assign(server.rows.get(held.key), { hi: 1, branch: "cd".repeat(8), previous: "0".repeat(16), advancedAt: browser.clock.time });
  activity.log("y");
  await browser.advance();
  assert.equal(server.requests[1].decision, "late");
  assert.equal(server.renewals.length, 1);
  assert.equal(activity.unsaved, 0);
  activity.log("z");
  await browser.advance();
  assert.notEqual(tokenOf(server).key, held.key);
  assert.equal(tab.told("ended").length, 0);
});

test("two requests at the same time are offered two successors: only one is taken up", async () => {
  const { browser, tab, activity, server } = await opened();
  activity.log("a");
  await browser.advance(40_000);
  const ways = [{ out: 3000, back: 4000 }, { out: 0, back: 0 }, { out: 0, back: 0 }];
  browser.network = () => ways.shift() ?? { out: 0, back: 0 };
  activity.log("slow");
  await browser.advance(10);
  activity.log("first-flush");
  tab.hide();
  await browser.advance(3500); // offered one successor by the flush, then another by the slow request
  tab.show();
  activity.log("second-flush");
  tab.hide();
  await browser.advance(10); // confirms the first of them
  tab.show();
  await browser.advance(5000); // the other arrives now
  activity.log("b");
  await browser.advance();
  assert.deepEqual(server.requests.map(({ decision }) => decision),
    ["start", "current", "current", "confirm", "current"]);
  assert.deepEqual([activity.unsaved, server.stored.length, server.refusals.length], [0, 5, 0]);
});

test("late for a token that is no longer the newest: nothing to worry about", async () => {
  const { browser, tab, activity, server } = await opened();
  activity.log("a");
  await browser.advance(40_000);
  const ways = [{ out: 5000, back: 0 }];
  browser.network = () => ways.shift() ?? { out: 0, back: 0 };
  activity.log("slow");
  await browser.advance(10);
  for (const event of ["gets-successor", "confirms-it"]) {
    activity.log(event);
    tab.hide();
    await browser.advance(10);
    tab.show();
  }
  await browser.advance(6000);
  assert.deepEqual(server.requests.map(({ decision }) => decision), ["start", "current", "confirm", "late"]);
  assert.deepEqual([activity.unsaved, server.renewals.length], [0, 0]);
});

test("late without a renewal address: what still works is used", async () => {
  const { browser, tab, activity, server } = await opened({ renew: "" });
  activity.log("x");
  await browser.advance(1000);
  const held = tokenOf(server);
  Object.assign(server.rows.get(held.key), { hi: 1, branch: "cd".repeat(8), previous: "0".repeat(16), advancedAt: browser.clock.time });
  activity.log("y");
  await browser.advance();
  assert.deepEqual([activity.unsaved, tab.told("ended").length], [0, 0]);
});

test("a key that is barred ends without a renewal, and nothing is lost", async () => {
  for (const code of ["key_scope", "key_locked"]) {
    const { browser, activity, server } = await opened();
    server.instead = [refusal(403, code)];
    const grade = activity.grade({ score: 1 });
    await browser.advance();
    await assert.rejects(grade, { code: "ended", reason: "refused", kept: true });
    assert.deepEqual([server.renewals.length, browser.kept.length], [0, 1]);
  }
});

test("a three-hour exercise saves its last answer", async () => {
  const { browser, activity, server } = await opened();
  activity.log("opened");
  await browser.advance(180 * MINUTE);
  const receipt = activity.grade({ score: 10 });
  await browser.advance();
  assert.equal((await receipt).score, 10);
  assert.deepEqual([server.renewals.length, server.refusals.length], [0, 0]);
});

test("an old page's answer that is no JSON does not renew", async () => {
  const { browser, activity, server } = await opened();
  server.instead = [page(401), page(403)];
  activity.log("x");
  await browser.advance(5000);
  assert.deepEqual([activity.unsaved, server.renewals.length], [0, 0]);
});
