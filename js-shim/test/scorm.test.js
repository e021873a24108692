import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, test as run } from "node:test";
import { learnerOf, gradeOf, provide } from "../legacy/scorm.js";
import { Browser, opened } from "../world/browser.js";
import { settled } from "../world/clock.js";

const there = existsSync(new URL("../node_modules/scorm-again", import.meta.url));
const skip = there ? false : "needs `npm ci --ignore-scripts`";
const { Scorm12API } = there ? await import("scorm-again/scorm12/min") : {};
const { Scorm2004API } = there ? await import("scorm-again/scorm2004/min") : {};
const test = (name, fn) => run(name, { skip }, fn);

/** Lessons that were begun: scorm-again has timers of its own. */
const begun = new Set();
after(() => begun.forEach((played) => played.close()));

const GRANTED = { functions: ["log", "grade", "recent", "state"] };

/** A page with a lesson in it. `calls` are those of the standard: 1.2 has longer names for the same. */
const play = async (tab, version = "1.2", options = {}) => {
  const troubles = [];
  const self = Object.assign(new EventTarget(), tab.self, { dispatchEvent: (event) => tab.dispatchEvent(event) });
  self.addEventListener = (...of) => tab.addEventListener(...of);
  const Runtime = version === "1.2" ? Scorm12API : Scorm2004API;
  const providing = provide(tab.activity, {
    Runtime,
    version,
    learner: { name: "Lovelace, Ada" },
    trouble: (reason) => troubles.push(reason),
    self,
    ...options,
  });
  for (let turn = 0; turn < 5; turn++) await tab.browser.advance();
  const played = await providing;
  begun.add(played);
  const api = version === "1.2" ? self.API : self.API_1484_11;
  const call = (name) => (...of) => api[version === "1.2" ? `LMS${name}` : name.replace("Finish", "Terminate")](...of);
  const [begin, get, set, commit, finish, error] = ["Initialize", "GetValue", "SetValue", "Commit", "Finish", "GetLastError"].map(call);
  assert.equal(begin(""), "true");
  return { get, set, commit: () => commit(""), finish: () => finish(""), error, troubles, self, ...played };
};

const lesson = async (version, options, launch = {}) => {
  const world = await opened({}, { ...GRANTED, ...launch });
  return { ...world, ...(await play(world.tab, version, options)) };
};

/** What a function was asked for, each operation once. */
const sent = (server, name) => {
  const all = new Map();
  for (const { calls } of server.requests)
    for (const call of calls)
      if (call.function === name) {
        if (name === "log") for (const entry of call.args.entries) all.set(entry.id, entry);
        else all.set(call.id, call.args);
      }
  return [...all.values()];
};

test("a score keeps its digits, and 0 is one", () => {
  const grade = (score, completionStatus = "incomplete", successStatus = "unknown", exit = "") => gradeOf({ score, completionStatus, successStatus }, exit);
  for (const [score, is] of [
    [{ raw: 14.29, max: 100 }, [14.29, 100]],
    [{ raw: 0, max: 100 }, [0, 100]],
    [{ raw: 7, min: 0, max: 7 }, [7, 7]],
    [{ raw: 15, min: 10, max: 20 }, [5, 10]],
    [{ raw: 14.29, scaled: 0.1429 }, [0.1429, 1]],
    [{ scaled: 0 }, [0, 1]],
    [{ scaled: -0.5 }, [0, 1]],
    [{ raw: 33.3 }, [33.3, 100]],
    [{ raw: 120, scaled: 1 }, [1, 1]],
  ])
    assert.deepEqual([grade(score).score, grade(score).max], is, JSON.stringify(score));
  for (const none of [{}, undefined, { raw: "" }, { raw: NaN }, { raw: 120 }, { raw: -1 }, { scaled: 2 }, { max: 100 }, { raw: "7,5" }]) assert.equal(grade(none), undefined, JSON.stringify(none));
  const progress = (...of) => grade({ raw: 1 }, ...of).progress;
  assert.deepEqual(
    [progress("completed"), progress("incomplete", "passed"), progress("incomplete", "failed"), progress("incomplete", "failed", "suspend"), progress("unknown")],
    ["completed", "completed", "submitted", "in_progress", "in_progress"],
  );
});

test("the learner is the one that the host has named", () => {
  const token = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;
  assert.deepEqual(learnerOf(token({ sub: "u1", user: { name: "Ådá ☺" } })), { id: "u1", name: "Ådá ☺", mode: "normal" });
  assert.deepEqual(learnerOf(token({ sub: "u1", mode: "browse" })), { id: "u1", name: "u1", mode: "browse" });
  for (const bad of [undefined, "", "x", "a.b.c", "lk1_x"]) assert.equal(learnerOf(bad).id, "");
});

test("a lesson begins with what its launch and its manifest say", async () => {
  const { get, set, error } = await lesson("1.2", { lesson: { mastery: 70, launchData: "a=1", timeLimit: "00:30:00", timeLimitAction: "exit,message" } });
  for (const [name, value] of [
    ["core.student_id", "u1"],
    ["core.student_name", "Lovelace, Ada"],
    ["core.entry", "ab-initio"],
    ["core.credit", "credit"],
    ["core.lesson_mode", "normal"],
    ["core.lesson_status", "not attempted"],
    ["core.total_time", "00:00:00"],
    ["student_data.mastery_score", "70"],
    ["student_data.time_limit_action", "exit,message"],
    ["launch_data", "a=1"],
    ["suspend_data", ""],
  ])
    assert.equal(get(`cmi.${name}`), value, name);
  assert.equal(set("cmi.core.student_id", "u2"), "false");
  assert.equal(error(), "403");
  const other = await lesson("2004", { lesson: { mastery: 0.6, completion: 0.5, launchData: "a=1" } });
  for (const [name, value] of [["learner_id", "u1"], ["learner_name", "Lovelace, Ada"], ["entry", "ab-initio"], ["mode", "normal"], ["scaled_passing_score", "0.6"], ["completion_threshold", "0.5"], ["launch_data", "a=1"]])
    assert.equal(other.get(`cmi.${name}`), value, name);
});

/** A launch of the same user and activity in the same browser. */
const next = async (browser, version, options, launch) => {
  const tab = browser.open();
  await tab.load({ ...GRANTED, ...launch });
  return { tab, ...(await play(tab, version, options)) };
};

const fill = {
  "1.2": [
    ["core.lesson_location", "page 3"],
    ["suspend_data", "a=1;ü=€"],
    ["core.lesson_status", "incomplete"],
    ["core.score.raw", "14.29"],
    ["core.session_time", "00:01:30"],
    ["objectives.0.id", "o1"],
    ["objectives.0.status", "passed"],
    ["student_preference.language", "en"],
    ["core.exit", "suspend"],
  ],
  2004: [
    ["location", "page 3"],
    ["suspend_data", "a=1;ü=€"],
    ["completion_status", "incomplete"],
    ["success_status", "unknown"],
    ["score.scaled", "0.1429"],
    ["score.raw", "14.29"],
    ["progress_measure", "0.25"],
    ["session_time", "PT1M30S"],
    ["objectives.0.id", "o1"],
    ["objectives.0.success_status", "passed"],
    ["exit", "suspend"],
  ],
};

for (const version of ["1.2", "2004"])
  test(`${version}: what was said before comes back at the next launch`, async () => {
    const { browser, server, set, commit, finish, troubles } = await lesson(version);
    for (const [name, value] of fill[version]) assert.equal(set(`cmi.${name}`, value), "true", name);
    for (const [name, value] of [["id", "q1"], ["type", "choice"], [version === "1.2" ? "student_response" : "learner_response", "b"], ["result", "correct"]])
      assert.equal(set(`cmi.interactions.0.${name}`, value), "true", name);
    assert.deepEqual([commit(), finish()], ["true", "true"]);
    await browser.advance(5000);
    assert.deepEqual(troubles, []);
    const told = () => [sent(server, "log").length, sent(server, "grade").length];
    const before = told();
    assert.deepEqual(before, [2, 1]);
    const again = await next(browser, version);
    for (const [name, value] of fill[version].filter(([name]) => !/exit|session_time/.test(name))) assert.equal(again.get(`cmi.${name}`), value, name);
    const [entry, total] = version === "1.2" ? ["core.entry", "core.total_time"] : ["entry", "total_time"];
    assert.equal(again.get(`cmi.${entry}`), "resume");
    assert.equal(again.get(`cmi.${total}`), version === "1.2" ? "00:01:30" : "PT1M30S");
    assert.equal(again.get("cmi.interactions._count"), "1");
    // A session that says nothing new hands in and logs nothing.
    again.commit();
    again.finish();
    await browser.advance(5000);
    assert.deepEqual(told(), before);
  });

test("ten commits in a second are few writes, and the last of them is what stays", async () => {
  const { browser, server, set, commit } = await lesson();
  for (let n = 1; n <= 10; n++) {
    set("cmi.core.lesson_location", String(n));
    set("cmi.core.score.raw", String(n * 7.7));
    assert.equal(commit(), "true");
    await browser.advance(100);
  }
  await browser.advance(5000);
  const states = sent(server, "state").filter(({ op }) => op === "put");
  assert.ok(states.length <= 3, String(states.length));
  assert.equal(states.at(-1).value.cmi.core.lesson_location, "10");
  const grades = sent(server, "grade");
  assert.ok(grades.length <= 3);
  assert.deepEqual([grades.at(-1).score, grades.at(-1).max], [77, 100]);
});

test("the same grade three times is one submission, and 0 is a grade", async () => {
  const { browser, server, set, commit, finish } = await lesson();
  set("cmi.core.score.raw", "0");
  set("cmi.core.lesson_status", "failed");
  for (let n = 0; n < 3; n++) {
    commit();
    await browser.advance(3000);
  }
  finish();
  await browser.advance(3000);
  assert.deepEqual(sent(server, "grade").map(({ score, max, progress }) => [score, max, progress]), [[0, 100, "submitted"]]);
});

test("a score in words of the country is refused, and the one before stays", async () => {
  for (const [version, name] of [["1.2", "cmi.core.score.raw"], ["2004", "cmi.score.scaled"]]) {
    const { browser, server, set, commit, error } = await lesson(version);
    assert.equal(set(name, "0.5"), "true");
    for (const bad of ["7,5", "seven", "NaN", "1e400", "101"]) {
      assert.equal(set(name, bad), "false", bad);
      assert.notEqual(error(), "0");
    }
    commit();
    await browser.advance(3000);
    assert.deepEqual(sent(server, "grade").map(({ score }) => score), [0.5]);
  }
});

test("interactions are logged once each, and cut to what an entry holds", async () => {
  const { browser, server, set, commit } = await lesson("2004");
  const add = (n, response) => {
    for (const [name, value] of [["id", `q${n}`], ["type", "long-fill-in"], ["learner_response", response], ["result", "neutral"], ["weighting", "1"], ["latency", "PT3S"]])
      assert.equal(set(`cmi.interactions.${n}.${name}`, value), "true", name);
    commit();
  };
  add(0, "short");
  await browser.advance(3000);
  add(1, "€".repeat(3000));
  await browser.advance(3000);
  commit();
  await browser.advance(3000);
  const entries = sent(server, "log").filter(({ event }) => event === "interaction");
  assert.deepEqual(entries.map(({ data }) => [data.id, data.type, data.result, data.latency]), [["q0", "long-fill-in", "neutral", "PT3S"], ["q1", "long-fill-in", "neutral", "PT3S"]]);
  assert.equal(entries[0].data.response, "short");
  for (const { data } of entries) assert.ok(Buffer.byteLength(JSON.stringify(data)) <= 4096);
  assert.match(entries[1].data.response, /^€+$/);
});

test("a change of status is logged once", async () => {
  const { browser, server, set, commit } = await lesson();
  for (const status of ["incomplete", "incomplete", "passed", "passed"]) {
    set("cmi.core.lesson_status", status);
    commit();
    await browser.advance(3000);
  }
  assert.deepEqual(
    sent(server, "log").filter(({ event }) => event === "status").map(({ data }) => data),
    [{ completion: "incomplete", success: "unknown" }, { completion: "completed", success: "passed" }],
  );
});

test("two pages with one attempt: the one that was opened later goes on, the other is told", async () => {
  const first = await lesson();
  const { browser } = first;
  first.set("cmi.suspend_data", "first");
  first.commit();
  await browser.advance(3000);
  const second = await next(browser, "1.2");
  assert.equal(second.get("cmi.suspend_data"), "first");
  second.set("cmi.suspend_data", "second");
  second.commit();
  await browser.advance(3000);
  first.set("cmi.suspend_data", "first again");
  assert.equal(first.commit(), "true", "not known yet");
  await browser.advance(3000);
  assert.deepEqual([first.troubles, second.troubles], [["elsewhere"], []]);
  assert.equal(first.commit(), "false");
  assert.equal(first.error(), "101");
  second.set("cmi.suspend_data", "second again");
  second.commit();
  await browser.advance(3000);
  const third = await next(browser, "1.2");
  assert.equal(third.get("cmi.suspend_data"), "second again");
  assert.deepEqual(second.troubles, []);
});

test("without a network everything waits, and comes back in its order", async () => {
  const { browser, set, commit, troubles, tab } = await lesson();
  const { network } = browser;
  browser.network = () => ({});
  for (const place of ["1", "2", "3"]) {
    set("cmi.core.lesson_location", place);
    assert.equal(commit(), "true");
    await browser.advance(2000);
  }
  assert.deepEqual(troubles, []);
  tab.crash();
  browser.network = network;
  const again = await next(browser, "1.2");
  assert.equal(again.get("cmi.core.lesson_location"), "3");
  again.set("cmi.core.lesson_location", "4");
  again.commit();
  await browser.advance(60_000);
  assert.deepEqual(again.troubles, []);
  assert.equal((await next(browser, "1.2")).get("cmi.core.lesson_location"), "4");
});

test("a page that goes away sends what waits, and what the lesson says even later", async () => {
  for (const far of [false, true]) {
    const browser = new Browser();
    const tab = browser.open({ far });
    await tab.load(GRANTED);
    const { set, commit, finish } = await play(tab);
    set("cmi.core.lesson_location", "1");
    commit();
    await browser.advance(100);
    set("cmi.core.lesson_location", "2");
    commit();
    // What does not outlive its page is lost with it.
    const { network } = browser;
    browser.network = (request) => (request.beacon || request.keepalive ? network(request) : {});
    tab.hide();
    tab.dispatch("pagehide");
    // Its frame is unloaded after the page.
    set("cmi.core.lesson_location", "3");
    set("cmi.core.score.raw", "50");
    set("cmi.core.exit", "suspend");
    assert.equal(finish(), "true");
    await tab.beaconsSent();
    tab.crash();
    browser.network = network;
    await browser.advance(1000);
    assert.deepEqual(sent(browser.server, "grade").map(({ score }) => score), [50], `far: ${far}`);
    const again = await next(browser, "1.2");
    assert.deepEqual([again.get("cmi.core.lesson_location"), again.get("cmi.core.entry")], ["3", "resume"]);
  }
});

test("a lesson that neither commits nor ends its session is committed when its page goes away", async () => {
  const { browser, set, tab } = await lesson();
  set("cmi.suspend_data", "said");
  await browser.advance(5000);
  tab.hide();
  tab.dispatch("pagehide");
  await tab.beaconsSent();
  tab.crash();
  const again = await next(browser, "1.2");
  assert.deepEqual([again.get("cmi.suspend_data"), again.get("cmi.core.entry")], ["said", "resume"]);
});

test("and every ten seconds", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { browser, set, tab } = await lesson();
  set("cmi.suspend_data", "said");
  t.mock.timers.tick(10_000);
  await browser.advance(1000);
  tab.crash();
  assert.equal((await next(browser, "1.2")).get("cmi.suspend_data"), "said");
});

test("more than fits: answers leave the state before the lesson's place does", async () => {
  const { browser, server, set, commit, troubles, error } = await lesson("2004");
  set("cmi.suspend_data", "x".repeat(50_000));
  for (let n = 0; n < 5; n++) {
    set(`cmi.interactions.${n}.id`, `q${n}`);
    set(`cmi.interactions.${n}.type`, "long-fill-in");
    set(`cmi.interactions.${n}.learner_response`, "y".repeat(4000));
  }
  assert.equal(commit(), "true");
  await browser.advance(3000);
  const [state] = sent(server, "state").filter(({ op }) => op === "put");
  assert.equal(state.value.cmi.suspend_data.length, 50_000);
  assert.equal(state.value.cmi.interactions, undefined);
  assert.deepEqual(troubles, []);
  set("cmi.suspend_data", "€".repeat(30_000));
  assert.equal(commit(), "false");
  assert.equal(error(), "391");
  assert.deepEqual(troubles, ["too_large"]);
  set("cmi.suspend_data", "short again");
  assert.equal(commit(), "true");
});

test("who only looks leaves no trace", async () => {
  const { browser, server, get, set, commit, finish } = await lesson("1.2", { learner: { name: "T", mode: "browse" } }, { mode: "browse" });
  assert.deepEqual([get("cmi.core.lesson_mode"), get("cmi.core.credit")], ["browse", "no-credit"]);
  set("cmi.core.score.raw", "50");
  assert.deepEqual([commit(), finish()], ["true", "true"]);
  await browser.advance(5000);
  assert.deepEqual(["grade", "log"].flatMap((name) => sent(server, name)), []);
});

test("a key without state grades, and gives nothing back", async () => {
  const { browser, server, set, commit, troubles } = await lesson("1.2", {}, { functions: ["log", "grade", "recent"] });
  set("cmi.core.lesson_location", "2");
  set("cmi.core.score.raw", "50");
  assert.equal(commit(), "true");
  await browser.advance(5000);
  assert.deepEqual([sent(server, "grade").length, troubles], [1, []]);
  assert.equal((await next(browser, "1.2", {}, { functions: ["log", "grade", "recent"] })).get("cmi.core.lesson_location"), "");
});

test("a state of another standard, or by something else, is not taken for ours", async () => {
  const { browser, set, commit } = await lesson("1.2");
  set("cmi.suspend_data", "of 1.2");
  commit();
  await browser.advance(3000);
  const other = await next(browser, "2004");
  assert.deepEqual([other.get("cmi.suspend_data"), other.get("cmi.entry")], ["", "ab-initio"]);
});

test("lessons of one activity keep apart by the names of their states", async () => {
  const { browser, set, commit } = await lesson("1.2", { name: "scorm.1" });
  set("cmi.suspend_data", "one");
  commit();
  await browser.advance(3000);
  assert.equal((await next(browser, "1.2", { name: "scorm.2" })).get("cmi.suspend_data"), "");
  assert.equal((await next(browser, "1.2", { name: "scorm.1" })).get("cmi.suspend_data"), "one");
});

test("closed, the API is gone and what waited is handed on", async () => {
  const { browser, server, set, commit, close, self } = await lesson();
  commit();
  set("cmi.core.lesson_location", "2");
  commit();
  close();
  assert.equal(self.API, undefined);
  await browser.advance(5000);
  assert.equal(sent(server, "state").filter(({ op }) => op === "put").at(-1).value.cmi.core.lesson_location, "2");
});
