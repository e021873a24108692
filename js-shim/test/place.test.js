// A frame with a key of its own and nothing else: the page around keeps login, renewal and outbox.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockError as PlaceError } from "../latchkey.js";
import { BlockError } from "../world/sdk.js";
import { place } from "../place.js";
import { FAR, PAGE, page } from "../world/browser.js";
import { settled } from "../world/clock.js";
import { Around } from "../world/frames.js";

const down = () => ({ out: undefined });
const up = () => ({ out: 0, back: 0 });

/** A page with a frame whose code is connected. */
async function framed(launch = {}, more = {}) {
  const around = new Around();
  const frame = around.place(launch, more);
  const activity = await around.connect(frame);
  return { around, frame, activity, browser: around.browser, server: around.browser.server };
}


test("a frame logs, grades and reads with the key that the page around gives it", async () => {
  const { activity, browser, server, frame } = await framed({ sub: "u7", activity: "film-2" });
  assert.deepEqual([activity.user, activity.activity], ["u7", "film-2"]);
  activity.log("opened");
  const receipt = activity.grade({ score: 4 });
  await browser.advance();
  assert.equal((await receipt).score, 4);
  assert.equal(server.stored.length, 2);
  assert.ok(server.requests.every(({ url, tab }) => url === FAR + "/v1/batch" && tab === frame));
});

test("the frame's block may name the page around", async () => {
  const around = new Around();
  const frame = around.place();
  frame.document.embed(JSON.stringify({ parent: PAGE }));
  assert.equal((await around.connect(frame, {})).user, "u1");
});

test("the mark in the address is the page's own secret, and goes out of the way", async () => {
  const around = new Around();
  const [one, other] = [around.place(), new Around(around.browser).place()];
  assert.match(one.self.location.hash, /^#latchkey=[\da-f]{32}$/);
  assert.notEqual(one.self.location.hash, other.self.location.hash);
  await around.connect(one);
  assert.equal(one.self.location.hash, "");
  const kept = new Around();
  kept.element = kept.iframe("/frame/1#/page/3");
  place(kept.element, { self: kept.tab.self, token: kept.browser.server.launch(), endpoint: FAR });
  const frame = kept.load();
  assert.ok(await kept.connect(frame));
  assert.equal(frame.self.location.hash, "#/page/3");
});

test("a key that ends is renewed by the login of the page around, and the call is done", async () => {
  const { activity, around, browser, server, frame } = await framed();
  activity.log("before");
  await browser.advance();
  server.revoke(around.token);
  activity.log("after");
  await browser.advance();
  assert.equal(server.stored.length, 2);
  const [renewal] = server.renewals;
  assert.deepEqual([server.renewals.length, renewal.tab, renewal.credentials, renewal.headers["Latchkey-Renew"]], [1, around.tab, "same-origin", "1"]);
  assert.deepEqual(frame.told("renewed"), [{}]);
});

test("login over: the frame hears that it has ended, and what it has is kept", async () => {
  const { activity, around, browser, server, frame } = await framed();
  for (const status of [401, 403]) {
    server.insteadOfRenewal = page(status);
    server.revoke(around.token);
    activity.log("late").catch(() => {});
    await browser.advance();
    assert.deepEqual(frame.told("ended"), [{ reason: "login_over", count: 1 }]);
  }
  assert.equal(browser.kept.length, 2);
});

test("a host that cannot answer is asked again, later", async () => {
  const { activity, around, browser, server } = await framed();
  const bad = [page(500), page(200), page(200, '{"token":"x"}')];
  server.insteadOfRenewal = () => bad.shift()?.();
  server.revoke(around.token);
  activity.log("x");
  await browser.advance(120_000);
  assert.deepEqual([server.renewals.length, server.stored.length], [4, 1]);
});

test("somebody else's key is not for this frame", async () => {
  const { activity, around, browser, server, frame } = await framed();
  for (const other of [{ sub: "u2" }, { activity: "quiz-2" }, { iss: "other" }]) {
    const text = JSON.stringify({ token: server.launch(other) });
    server.insteadOfRenewal = () => ({ status: 200, headers: {}, text });
    server.revoke(around.token);
    activity.log("x").catch(() => {});
    await browser.advance();
  }
  assert.deepEqual(frame.told("ended").map(({ reason }) => reason), ["login_over"]);
  assert.deepEqual([server.stored.length, server.requests.length], [0, 1]);
});

test("without a renewal address there is no renewal", async () => {
  const { activity, around, browser, server, frame } = await framed({}, { renew: undefined });
  server.revoke(around.token);
  activity.log("x").catch(() => {});
  await browser.advance();
  assert.deepEqual(frame.told("ended").map(({ reason }) => reason), ["no_renewal"]);
  assert.equal(server.renewals.length, 0);
});

test("the page around asks its host once a minute at most, whatever the frame says", async () => {
  const around = new Around();
  const frame = around.place();
  const heard = [];
  const { port1: port, port2 } = new frame.self.MessageChannel();
  port.onmessage = ({ data }) => heard.push(data.latchkey);
  const nonce = frame.self.location.hash.slice("#latchkey=".length);
  frame.self.parent.postMessage({ latchkey: "hello", protocol: 1, nonce }, PAGE, [port2]);
  await settled();
  for (let n = 0; n < 5; n++) port.postMessage({ latchkey: "renew", token: around.token });
  for (const token of [undefined, "", 7, {}, "lk1_", "x".repeat(1e5)]) port.postMessage({ latchkey: "renew", token });
  await around.browser.advance();
  assert.equal(around.browser.server.renewals.length, 1, "those at one time share an answer");
  port.postMessage({ latchkey: "renew", token: around.token });
  await around.browser.advance(59_000);
  assert.equal(around.browser.server.renewals.length, 1);
  await around.browser.advance(1000);
  port.postMessage({ latchkey: "renew", token: around.token });
  await around.browser.advance();
  assert.equal(around.browser.server.renewals.length, 2);
  assert.deepEqual(heard.toSorted(), ["key", ...Array(7).fill("later"), ...Array(6).fill("renewed")]);
});

test("what was not saved when the tab closed is sent by the next launch, once", async () => {
  const { around, frame, activity, browser, server } = await framed();
  browser.network = down;
  activity.log("answered");
  activity.grade({ score: 6 });
  await settled();
  const ids = browser.kept;
  assert.equal(ids.length, 2);
  assert.deepEqual(frame.told("unsaved").at(-1), { count: 2, durable: true });
  around.crash(frame);
  browser.network = up;
  const next = new Around(browser);
  const again = next.place();
  await next.connect(again);
  await browser.advance();
  assert.deepEqual(server.stored, ids);
  assert.deepEqual([browser.kept, again.activity.unsaved], [[], 0]);
  assert.deepEqual(again.told("saved").flatMap(({ ids }) => ids), ids);
});

test("framed or not, it is one outbox", async () => {
  const { around, frame, activity, browser, server } = await framed();
  browser.network = down;
  activity.log("answered");
  await settled();
  around.crash(frame);
  browser.network = up;
  await browser.open().load();
  await browser.advance();
  assert.deepEqual([server.stored.length, browser.kept], [1, []]);
});

test("another user's or activity's outbox is neither shown nor touched", async () => {
  const { around, frame, activity, browser } = await framed();
  browser.network = down;
  activity.log("mine");
  await settled();
  around.crash(frame);
  for (const launch of [{ sub: "u2" }, { activity: "quiz-2" }]) {
    const next = new Around(browser);
    const other = next.place(launch);
    await next.connect(other);
    assert.equal(other.activity.unsaved, 0);
  }
  assert.equal(browser.kept.length, 1);
});

test("a frame writes its own outbox, and nothing else of the page's storage", async () => {
  const around = new Around();
  const frame = around.place();
  const { port1: port, port2 } = new frame.self.MessageChannel();
  const heard = [];
  port.onmessage = ({ data }) => heard.push(data);
  const nonce = frame.self.location.hash.slice("#latchkey=".length);
  const { storage } = around.browser;
  const prefix = "latchkey:campus:u1:quiz-1:";
  const id = "0198f3a0-0000-7000-8000-000000000000";
  storage.setItem("theme", "dark");
  storage.setItem(`${prefix.replace("u1", "u2")}${id}`, "theirs");
  frame.self.parent.postMessage({ latchkey: "hello", protocol: 1, nonce }, PAGE, [port2]);
  await settled();
  assert.deepEqual(heard[0].kept, {});
  const bad = ["theme", `${prefix.replace("u1", "u2")}${id}`, prefix, `${prefix}x`, `${prefix}${id}:x`, 7, null, undefined, {}, "__proto__"];
  for (const key of bad) {
    port.postMessage({ latchkey: "keep", key, text: "{}" });
    port.postMessage({ latchkey: "drop", key });
  }
  for (const text of [7, null, undefined, {}, "x".repeat((1 << 20) + 1)]) port.postMessage({ latchkey: "keep", key: prefix + id, text });
  for (const message of [null, 7, "keep", {}, { latchkey: "hello" }]) port.postMessage(message);
  await settled();
  assert.equal(heard.filter(({ latchkey }) => latchkey === "full").length, bad.length + 5);
  assert.deepEqual({ ...storage }, { theme: "dark", [`${prefix.replace("u1", "u2")}${id}`]: "theirs" });
  // The control, and the limit.
  port.postMessage({ latchkey: "keep", key: prefix + id, text: "x".repeat(1 << 20) });
  port.postMessage({ latchkey: "keep", key: prefix + id.replace("01", "02"), text: "x" });
  await settled();
  assert.deepEqual([storage.getItem(prefix + id).length, heard.at(-1).latchkey], [1 << 20, "full"]);
});

test("no storage around, or none left: the widget hears that it would not outlive the page", async () => {
  const forbidden = new Around(undefined, { storage: "forbidden" });
  const frame = forbidden.place();
  await forbidden.connect(frame);
  forbidden.browser.network = down;
  frame.activity.log("x");
  await settled();
  assert.deepEqual(frame.told("unsaved").at(-1), { count: 1, durable: false });

  const { browser, activity, frame: other } = await framed();
  browser.network = down;
  browser.storage.full = true;
  activity.log("told too late");
  await settled();
  activity.log("told");
  await settled();
  assert.deepEqual(other.told("unsaved").at(-1), { count: 2, durable: false });
  browser.network = up;
  browser.storage.full = false;
  await activity.flush();
  assert.deepEqual([activity.unsaved, browser.kept], [0, []]);
});

test("a hello from another window, origin, page or protocol gets nothing and is told in the console", async () => {
  const around = new Around();
  around.place();
  const nonce = around.element.src.split("latchkey=")[1];
  const right = { data: { nonce } };
  const wrong = [
    [{ ...right, source: {} }, "not placed"],
    [{ ...right, source: null }, "not placed"],
    [{ ...right, origin: "https://evil.example" }, "another origin"],
    [{ ...right, origin: PAGE }, "another origin"],
    [{ data: {} }, "was not placed"],
    [{ data: { nonce: "0".repeat(32) } }, "was not placed"],
    [{ data: { nonce, protocol: 2 } }, "another protocol"],
    [{ ...right, port: false }, "another protocol"],
  ];
  for (const [from, why] of wrong) {
    const { contentWindow } = around.element;
    const other = new Around(around.browser);
    other.place();
    around.warnings.length = 0;
    const heard = [];
    const { port1, port2 } = new (other.load().self.MessageChannel)();
    port1.onmessage = ({ data }) => heard.push(data);
    const { data, source = contentWindow, origin = "null", port = true } = from;
    around.tab.dispatch("message", { data: { latchkey: "hello", protocol: 1, ...data }, source, origin, ports: port ? [port2] : [] });
    await settled();
    assert.deepEqual(heard, [], why);
    assert.equal(around.warnings.length, 1);
    assert.ok(around.warnings[0].includes(why), around.warnings[0]);
  }
  for (const data of [null, 7, "hello", {}, { latchkey: "renew" }]) around.tab.dispatch("message", { data, ports: [] });
  assert.equal(around.warnings.length, 1, "other messages are none of its business");
});

test("a second hello, of the same page or of the next one in that frame, gets nothing", async () => {
  const { around, frame } = await framed();
  const src = around.element.src;
  assert.equal(await around.connect(frame), undefined);
  assert.match(around.warnings.at(-1), /after the first/);
  const next = around.load(src);
  assert.equal(await around.connect(next), undefined);
  assert.match(around.warnings.at(-1), /not placed/, "a frame that was left is no longer placed");
  await around.browser.advance(20_000);
  for (const tab of [frame, next]) assert.deepEqual([tab.error.name, tab.error.code], ["BlockError", "parent_silent"]);
});

test("a frame that goes elsewhere before its hello gives nobody its key", async () => {
  const around = new Around();
  around.place();
  const elsewhere = around.load("https://evil.example/");
  assert.equal(await around.connect(elsewhere), undefined);
  const hurried = new Around();
  hurried.place();
  // Its hello comes before its load is told.
  const tab = hurried.load("https://evil.example/");
  hurried.element.dispatchEvent = () => {};
  assert.equal(await hurried.connect(tab), undefined);
});

test("once it has left, the old page's channel is dead", async () => {
  const { around, activity, browser, server, frame } = await framed();
  browser.network = down;
  around.load("https://evil.example/");
  activity.log("x");
  server.revoke(around.token);
  browser.network = up;
  activity.flush();
  await browser.advance(30_000);
  assert.deepEqual([browser.kept, server.renewals], [[], []]);
  assert.equal(frame.told("ended").length, 0);
});

test("two frames of a page are not mixed up", async () => {
  const around = new Around();
  const one = around.place({ sub: "u1" });
  const element = around.element;
  const two = around.place({ sub: "u2" });
  assert.notEqual(element, around.element);
  assert.equal((await around.connect(two)).user, "u2");
  assert.equal((await around.connect(one)).user, "u1");
  assert.deepEqual(around.warnings, []);
});

test("a frame with an origin of its own is known by it", async () => {
  const around = new Around();
  for (const [sandbox, origin] of [[null, "https://play.example"], ["allow-scripts allow-same-origin", "https://play.example"], ["allow-scripts", "null"]]) {
    around.element = around.iframe("https://play.example/quiz", sandbox);
    place(around.element, { self: around.tab.self, token: around.browser.server.launch(), endpoint: FAR });
    for (const other of ["null", "https://play.example", PAGE].filter((one) => one !== origin)) {
      const nonce = around.element.src.split("latchkey=")[1];
      around.element.contentWindow = {};
      const data = { latchkey: "hello", protocol: 1, nonce };
      around.tab.dispatch("message", { data, origin: other, source: around.element.contentWindow, ports: [{}] });
      assert.match(around.warnings.at(-1), /another origin/);
    }
    const frame = around.load(undefined, origin);
    assert.equal((await around.connect(frame)).user, "u1", origin);
  }
});

test("a page that cannot place says what to do", () => {
  const around = new Around();
  const { self } = around.tab;
  const token = around.browser.server.launch();
  const fails = (element, options, code) =>
    assert.throws(() => place(element, { self, ...options }), (error) => error instanceof PlaceError && error.code === code);
  fails(around.iframe(), {}, "block_missing");
  fails(around.iframe(), { token: "x" }, "block_damaged");
  fails(around.iframe(""), { token }, "block_damaged");
  fails(around.iframe("https://"), { token }, "block_damaged");
  fails(around.iframe("javascript:alert(1)"), { token }, "block_damaged");
  fails(around.iframe(), { token, endpoint: "nowhere" }, "block_damaged");
  const element = around.iframe();
  around.tab.document.embed(JSON.stringify({ token, endpoint: FAR }));
  place(element, { self });
  assert.equal(around.tab.document.scripts.length, 0, "the block is taken out of the page");
  assert.ok(element.src.startsWith(`${PAGE}/frame/1#latchkey=`));
});

test("a frame that cannot be given a key says what to do", async () => {
  const around = new Around();
  const frame = around.place();
  for (const parent of ["*", "/", "campus.example", `${PAGE}/`, `${PAGE}/page`, "null"]) {
    await around.connect(frame, { parent });
    assert.equal(frame.error.code, "parent_damaged", parent);
  }
  frame.error = undefined;
  await around.connect(frame, { parent: "https://other.example" });
  assert.equal(frame.error, undefined);
  await around.browser.advance(20_000);
  assert.deepEqual([frame.error.name, frame.error.code], ["BlockError", "parent_silent"]);
  const alone = around.browser.open();
  alone.self.parent = alone.self;
  await around.connect(alone);
  assert.equal(alone.error.code, "parent_missing");
});

test("a key is nowhere but in the message that gives it", async () => {
  const { around, frame, activity, browser, server } = await framed();
  browser.network = down;
  activity.grade({ score: 1 });
  await browser.advance(5000);
  const places = [JSON.stringify(browser.storage), around.element.src, around.warnings.join(), JSON.stringify(frame.events), Object.keys(activity).join()];
  for (const token of [around.token, ...server.requests.map(({ token }) => token)])
    for (const text of places) assert.ok(!text.includes(token));
});
