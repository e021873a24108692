import assert from "node:assert/strict";
import { test } from "node:test";
import { EndedError, LatchkeyError, readToken, supersedes } from "../protocol.js";
import { Clock } from "../world/clock.js";
import { Server, sessionToken } from "../world/server.js";

const key = "00112233445566778899aabbccddeeff";
const branch = "0102030405060708";
const of = (more) => ({ key, generation: 3, branch, stamp: 1_800_000_000, ...more });

test("a session token says its key, generation, branch and stamp", () => {
  const text = sessionToken(of());
  assert.equal(text.length, 76);
  assert.deepEqual(readToken(text), of({ text }));
});

test("a generation of 32 bits is read unsigned", () => {
  const { generation } = readToken(sessionToken(of({ generation: 2 ** 32 - 1 })));
  assert.equal(generation, 2 ** 32 - 1);
});

test("a launch token is generation 0 of the key that its jti names", () => {
  const text = new Server(new Clock(), Math.random).launch({ sub: "Zoë 🎓" });
  const token = readToken(text);
  assert.equal(token.claims.sub, "Zoë 🎓");
  assert.equal(token.generation, 0);
  assert.equal(token.branch, "0".repeat(16));
  assert.equal(token.stamp, token.claims.iat);
  assert.equal(token.key, Buffer.from(token.claims.jti, "base64url").toString("hex"));
});

test("anything else is no token", () => {
  const good = sessionToken(of());
  const last = good.at(-1) === "A" ? "B" : "A";
  const launch = (claims) => ["e30", Buffer.from(JSON.stringify(claims)).toString("base64url"), "c2ln"].join(".");
  const jti = "A".repeat(22);
  const claims = { iss: "h", sub: "u", activity: "a", jti, iat: 1 };
  assert.ok(readToken(launch(claims)));
  const bad = [
    undefined, null, 7, {}, "", "lk1_", "ey", "a.b.c", good.slice(1), good + "A", good.slice(0, -1),
    good.slice(0, -1) + last, good.replace("lk1_", "lk2_"), good.slice(0, 20) + "+" + good.slice(21),
    " " + good, launch({ ...claims, sub: 7 }), launch({ ...claims, activity: "" }),
    launch({ ...claims, jti: "AAAA" }), launch({ ...claims, iat: "x" }), launch({}), launch(null),
    launch(claims) + ".x",
  ];
  for (const text of bad) assert.equal(readToken(text), undefined, String(text));
});

test("a token is adopted only if its generation is higher, or its stamp later on the same branch", () => {
  const held = of();
  assert.ok(supersedes(of({ generation: 4, stamp: 0, branch: "ff".repeat(8) }), held));
  assert.ok(supersedes(of({ stamp: held.stamp + 1 }), held));
  assert.ok(!supersedes(of(), held));
  assert.ok(!supersedes(of({ stamp: held.stamp - 1 }), held));
  assert.ok(!supersedes(of({ generation: 2, stamp: held.stamp + 9 }), held));
  assert.ok(!supersedes(of({ generation: 4, key: "f".repeat(32) }), held));
  // Another successor of the same generation, offered to a request at the same time.
  assert.ok(!supersedes(of({ stamp: held.stamp + 1, branch: "ff".repeat(8) }), held));
});

test("errors are of one family, and say what to do", () => {
  const error = new EndedError("login_over", true);
  assert.ok(error instanceof LatchkeyError && error instanceof Error);
  assert.deepEqual([error.name, error.code, error.kept, error.retryable], ["EndedError", "ended", true, false]);
  assert.match(error.message, /login_over.*reload/);
});
