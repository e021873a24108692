// The golden messages that every client must read alike: protocol/vectors/*.json.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { connect } from "../world/sdk.js";
import { readToken, supersedes } from "../protocol.js";
import { Browser } from "../world/browser.js";

const vectors = async (name) =>
  JSON.parse(await readFile(new URL(`../../protocol/vectors/${name}.json`, import.meta.url), "utf8"));
const hex = (text) => Buffer.from(text, "base64url").toString("hex");

const tokens = await vectors("tokens");
for (const { name, token, key_id, generation, branch, issued_at } of tokens.valid)
  test(`token, read: ${name}`, () => {
    const expected = { text: token, key: hex(key_id), generation, branch, stamp: issued_at };
    assert.deepEqual(readToken(token), expected);
  });
for (const { name, token, visible_to_clients: visible } of tokens.invalid)
  test(`token, ${visible ? "refused" : "for the server to refuse"}: ${name}`, () => {
    assert.equal(readToken(token) === undefined, visible);
  });

const launches = await vectors("launches");
for (const { name, token, claims } of launches.valid)
  test(`launch, read: ${name}`, () => {
    const { key, generation, branch, stamp, claims: read } = readToken(token);
    assert.deepEqual([key, generation, branch, stamp], [hex(claims.jti), 0, "0".repeat(16), claims.iat]);
    for (const member of ["iss", "sub", "activity"]) assert.equal(read[member], claims[member]);
    assert.equal(read.mode ?? "normal", claims.mode);
    assert.deepEqual(read.functions ?? undefined, claims.functions);
  });
// A client has no secret and does not judge the header, the ages or what the claims grant: it looks at the
// shape, and at the members that it needs.
const needed = /^no (iss|sub|activity|jti|iat)$|^(sub|activity|iat) (a |null|empty)|^jti short|^claims (are|empty|null|cut)|^issuer empty/;
for (const { name, token, why } of launches.invalid)
  if ((why === "shape" && !/spare bits/.test(name)) || needed.test(name))
    test(`launch, refused: ${name}`, () => assert.equal(readToken(token)?.claims, undefined));

const results = await vectors("results");
for (const vector of results.results)
  test(`answer: ${vector.name}`, async () => {
    const seen = await answered(vector);
    assert.deepEqual(seen.operations, vector.operations);
    assert.equal(seen.adopts, vector.adopts);
    assert.equal(seen.renewals, /^renew/.test(vector.client) ? 1 : 0);
    assert.equal(seen.ended, vector.client === "ended");
    if (vector.client === "retry") {
      assert.ok(seen.again, "sent again");
      const header = vector.headers?.["retry-after"] ?? "0";
      const least = Number(header) * 1000 || Date.parse(header) - seen.now || 0;
      assert.ok(seen.waited >= least, `waited ${seen.waited} of ${least}`);
    }
  });

/** What becomes of a log entry and a grade when they are answered as the vector says. */
async function answered({ http_status: status, headers = {}, body, client }) {
  const browser = new Browser();
  const { server, clock } = browser;
  clock.time = Date.parse("2027-01-15T08:00:01Z");
  const tab = browser.open();
  const token = server.launch();
  const { key } = readToken(results.held);
  const jti = Buffer.from(key, "hex").toString("base64url");
  const [header, payload, mac] = token.split(".");
  const claims = { ...JSON.parse(Buffer.from(payload, "base64url")), jti };
  const launch = [header, Buffer.from(JSON.stringify(claims)).toString("base64url"), mac].join(".");
  const activity = await connect({ self: tab.self, token: launch, renew: "/renew" });
  const events = [];
  for (const name of ["saved", "refused", "ended"]) activity.on(name, (detail) => events.push([name, detail]));
  const plain = (text, more = {}) => ({ status: 200, headers: {}, text, ...more });
  // First the held token, by the answer to an empty flush of one entry.
  const done = (calls, more) => JSON.stringify({ status: "ok", result: { calls }, key: { state: "current" }, server_time: "2027-01-15T08:00:01Z", request_id: "r", ...more });
  server.instead.push(() => plain(done([{ status: "ok", result: { accepted: 1, ids: ["s"] } }], { token: results.held })));
  activity.log("before");
  await browser.advance();
  events.length = 0;
  // Then the two operations; a log entry's call needs no id, so its outcome has none.
  let ids;
  let answeredAt;
  server.instead.push(({ calls }) => {
    ids = [calls[0].args.entries[0].id, calls[1].id];
    answeredAt = clock.time;
    assert.equal(server.requests.at(-1).token, results.held);
    const text = body.replace(/"id"\s*:\s*"op-1"\s*,/, "").replaceAll("op-2", ids[1]);
    return status === 302 ? "redirect" : { status, headers, text };
  });
  // Whatever comes next is not answered, only seen.
  const next = [];
  server.instead.push(...Array(20).fill(({ token: held, calls }) => {
    next.push({ held, calls, at: clock.time });
    return plain("");
  }));
  const renewed = server.launch({ activity: claims.activity });
  server.insteadOfRenewal = () => plain(JSON.stringify({ status: "ok", token: renewed }));
  const settled = [activity.log("answered"), activity.grade({ score: 8.5 })];
  for (const promise of settled) promise.catch(() => {});
  await browser.advance();
  const told = (name) => events.filter(([event]) => event === name).map(([, detail]) => detail);
  const kept = Object.keys(tab.self.localStorage).map((item) => item.split(":").at(-1));
  const fate = (id) => {
    if (told("saved").some((detail) => detail.ids.includes(id))) return "done";
    if (told("refused").some((detail) => detail.id === id)) return "dropped";
    return kept.includes(id) ? "kept" : "lost";
  };
  const operations = { "op-1": fate(ids[0]), "op-2": fate(ids[1]) };
  const { length: renewals } = server.renewals;
  const ended = told("ended").length > 0;
  if (client !== "retry" && !next.length) activity.recent();
  await browser.advance(70_000);
  const first = next[0];
  const adopts = !ended && !renewals && first.held !== results.held;
  if (adopts) assert.ok(supersedes(readToken(first.held), readToken(results.held)));
  return { operations, renewals, ended, adopts, now: answeredAt, again: !!first, waited: first?.at - answeredAt };
}
