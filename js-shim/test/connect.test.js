import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockError, connect } from "../world/sdk.js";
import { Browser, opened } from "../world/browser.js";
import { settled } from "../world/clock.js";

const fails = (self, code) =>
  assert.rejects(connect({ self }), (error) => error instanceof BlockError && error.code === code && /block/.test(error.message));

test("the block is read, removed, and nothing is sent", async () => {
  const { tab, activity, server } = await opened({}, { sub: "u7", activity: "film-2" });
  assert.equal(tab.document.scripts.length, 0);
  assert.deepEqual([activity.user, activity.activity, activity.unsaved], ["u7", "film-2", 0]);
  assert.equal(server.requests.length, 0);
});

test("no block, several, damaged ones: an error that says what to do", async () => {
  const browser = new Browser();
  const tab = browser.open();
  await fails(tab.self, "block_missing");
  const token = browser.server.launch();
  for (const text of ["", "{", "null", "{}", '{"token":"x"}', '{"token":7}', JSON.stringify({ token, endpoint: "nowhere" })]) {
    tab.document.embed(text);
    await fails(tab.self, "block_damaged");
    assert.equal(tab.document.scripts.length, 0, "a damaged block is removed too");
  }
  tab.document.embed(JSON.stringify({ token }));
  tab.document.embed(JSON.stringify({ token }));
  await fails(tab.self, "block_repeated");
});

test("outside a page, without options, the block is missing", async () => {
  await assert.rejects(connect(), { name: "BlockError", code: "block_missing" });
});

test("a session token is no launch", async () => {
  const browser = new Browser();
  const token = "lk1_" + "A".repeat(72);
  await assert.rejects(connect({ self: browser.open().self, token }), { code: "block_damaged" });
});

test("options take the place of the block", async () => {
  const browser = new Browser();
  const tab = browser.open({ far: true });
  const token = browser.server.launch({ sub: "u3" });
  const activity = await connect({ self: tab.self, token, endpoint: "https://latch.example" });
  const receipt = activity.grade({ score: 1 });
  await browser.advance();
  assert.equal((await receipt).score, 1);
  assert.equal(browser.server.requests[0].url, "https://latch.example/v1/batch");
});

test("a prerendered page waits until it is shown", async () => {
  const browser = new Browser();
  const tab = browser.open();
  tab.document.prerendering = true;
  tab.document.embed(JSON.stringify({ token: browser.server.launch() }));
  let activity;
  connect({ self: tab.self }).then((given) => (activity = given));
  await settled();
  assert.equal(activity, undefined);
  assert.equal(tab.document.scripts.length, 1, "the block is not touched before");
  tab.document.prerendering = false;
  tab.document.dispatchEvent(new Event("prerenderingchange"));
  await settled();
  assert.equal(activity.user, "u1");
});

test("only what is needed of the surroundings is needed", async () => {
  const browser = new Browser();
  const { fetch, Date, crypto, setTimeout, clearTimeout, setInterval, clearInterval } = browser.open({ far: true }).self;
  const self = { fetch, Date, crypto, setTimeout, clearTimeout, setInterval, clearInterval };
  const token = browser.server.launch();
  const activity = await connect({ self, token, endpoint: "https://latch.example" });
  activity.log("opened");
  await browser.advance();
  assert.equal(browser.server.stored.length, 1);
});

test("the token is never where others could find it", async () => {
  const { browser, tab, activity, server, storage } = await opened();
  browser.network = () => ({ out: undefined });
  activity.grade({ score: 1 });
  await browser.advance(5000);
  browser.network = () => ({ out: 0, back: 0 });
  server.revoke(tab.launched);
  server.insteadOfRenewal = () => ({ status: 403, headers: {}, text: "" });
  const failed = activity.grade({ score: 2 }).catch((error) => error);
  await browser.advance(60_000);
  const error = await failed;
  const tokens = server.requests.map(({ token }) => token).concat(tab.launched);
  assert.ok(tokens.length > 1);
  const places = [
    JSON.stringify(storage), JSON.stringify(activity), String(activity), Object.keys(activity).join(),
    JSON.stringify(tab.events), String(error), error.stack, JSON.stringify(error),
    ...server.requests.map(({ url }) => url), ...server.requests.map(({ headers, body }) => headers.Authorization && body),
  ];
  for (const token of tokens) for (const place of places) assert.ok(!place.includes(token));
});

test("no code is made from text, and no markup", async () => {
  const { readFile } = await import("node:fs/promises");
  for (const name of ["latchkey", "delivery", "outbox", "protocol", "framed", "place"]) {
    const text = await readFile(new URL(`../${name}.js`, import.meta.url), "utf8");
    // one module is loaded by need, under its fixed name
    assert.doesNotMatch(text.replace('import("./framed.js")', ""), /\beval\b|new Function|innerHTML|document\.write|import\(/);
  }
});
