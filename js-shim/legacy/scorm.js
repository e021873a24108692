// SCORM 1.2 and 2004 content on a key: `window.API` or `window.API_1484_11`, which content looks for in the pages around
// it. Its calls are answered from memory by scorm-again; what it commits goes out as state, grade and log.

const ROOM = 64 * 1024; // bytes of a state as JSON, at most
const PAUSE = 1000; // commits in less than this share one write
const ENTRY = 3600; // characters of an interaction in the log; its data may have 4096 bytes

/** Names of the same things in the two standards. */
const WORDS = {
  1.2: { api: "API", core: "core", id: "student_id", name: "student_name", mode: "lesson_mode", response: "student_response", failed: 101, full: "100" },
  2004: { api: "API_1484_11", core: "", id: "learner_id", name: "learner_name", mode: "mode", response: "learner_response", failed: 391, full: "" },
};
/** Given by the launch each time, never kept; and what would be counted twice. */
const GIVEN = ["student_id", "student_name", "learner_id", "learner_name", "credit", "lesson_mode", "mode", "entry", "exit", "session_time"];
const GIVEN_ABOVE = ["launch_data", "student_data", "comments_from_lms", "scaled_passing_score", "completion_threshold", "max_time_allowed", "time_limit_action"];

/** Without what is empty, so that a state holds only what the lesson has said; in an order that does not vary. */
const bare = (value) => {
  if (typeof value !== "object" || value === null) return value === "" ? undefined : value;
  const members = Object.entries(value).map(([name, inner]) => [name, bare(inner)]);
  const left = members.filter(([, inner]) => inner !== undefined).sort(([one], [other]) => (one < other ? -1 : 1));
  return left.length ? Object.fromEntries(left) : undefined;
};

const without = (object, names) => Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));

const bytes = (value) => new TextEncoder().encode(JSON.stringify(value)).length;

const number = (text) => (text === "" || text === undefined || text === null ? NaN : Number(text));

/** What a commit is worth: `{ score, max, progress }`, undefined without a score. 0 is a score, and no digit is lost. */
export const gradeOf = ({ score = {}, completionStatus, successStatus }, exit) => {
  const [raw, min, max, scaled] = ["raw", "min", "max", "scaled"].map((name) => number(score[name]));
  const least = Number.isFinite(min) ? min : 0;
  const ranged = Number.isFinite(raw) && max > least && raw >= least && raw <= max;
  const progress =
    completionStatus === "completed" || successStatus === "passed"
      ? "completed"
      : successStatus === "failed" && exit !== "suspend"
        ? "submitted"
        : "in_progress";
  if (ranged) return { score: raw - least, max: max - least, progress };
  if (scaled >= -1 && scaled <= 1) return { score: Math.max(0, scaled), max: 1, progress };
  if (raw >= 0 && raw <= 100) return { score: raw, max: 100, progress };
};

/** An interaction as an entry of the log. The answer may be long: it is cut. */
const entryOf = (one, words) => {
  const { id, type, result, weighting, latency, description, time, timestamp, correct_responses: right } = one;
  const correct = right && Object.values(right).map(({ pattern }) => pattern);
  const data = bare({ id, type, result, weighting, latency, time: time ?? timestamp, response: one[words.response], description }) ?? {};
  if (correct?.length) data.correct = correct;
  for (const name of ["correct", "description", "response", "id"]) {
    const over = bytes(data) - ENTRY;
    if (over <= 0) break;
    if (typeof data[name] === "string") data[name] = data[name].slice(0, Math.max(200, data[name].length - over));
    else delete data[name];
  }
  return data;
};

/** What of a commit is given back to the next launch. */
const stateOf = (version, { core }, cmi, ended) => {
  const inner = core ? { ...cmi, [core]: without(cmi[core], GIVEN) } : without(cmi, GIVEN);
  const exit = (core ? cmi[core] : cmi).exit;
  const state = { scorm: version, exit, ended, cmi: bare(without(inner, GIVEN_ABOVE)) ?? {} };
  // The log has them all: a lesson of a thousand answers keeps its place.
  if (bytes(state) > ROOM) delete state.cmi.interactions;
  return bytes(state) > ROOM ? undefined : state;
};

/** Rows of a table, first in each what the rest is checked against. */
const rows = (table = {}) =>
  Object.fromEntries(Object.entries(table).map(([at, { id = "", type, ...rest }]) => [at, type ? { id, type, ...rest } : { id, ...rest }]));

/** What the content finds when it begins. */
const beginning = (version, words, kept, { learner, lesson, mode }) => {
  const entry = !kept ? "ab-initio" : kept.exit === "suspend" || !kept.ended ? "resume" : "";
  const credit = mode === "normal" ? "credit" : "no-credit";
  const about = { [words.id]: learner.id, [words.name]: learner.name ?? learner.id, [words.mode]: mode, credit, entry };
  const { mastery, completion, launchData, timeLimit, timeLimitAction } = lesson;
  const cmi = { ...kept?.cmi, interactions: rows(kept?.cmi.interactions), objectives: rows(kept?.cmi.objectives) };
  if (words.core) {
    const limits = { mastery_score: mastery, max_time_allowed: timeLimit, time_limit_action: timeLimitAction };
    return { ...cmi, launch_data: launchData ?? "", student_data: bare(limits) ?? {}, core: { total_time: "00:00:00", ...cmi.core, ...about } };
  }
  const limits = { scaled_passing_score: mastery, completion_threshold: completion, max_time_allowed: timeLimit };
  return { ...cmi, ...bare(limits), launch_data: launchData ?? "", ...about };
};

/**
 * Takes commits and hands them on: each at once if it is the first for a while, else together with those that follow
 * within a second, or when the page goes away. What has not changed is not sent again.
 */
const newKeeper = (activity, { self, name, words, trouble, readonly }, { version = 0, value }) => {
  let next = version; // of the state, once all that is under way has arrived
  let acknowledged = version;
  let waiting; // a commit that has not been handed on
  let newest = value && JSON.stringify(bare(value));
  let graded = value?.graded ?? "";
  let status = value?.status ?? "";
  let logged = new Map(Object.entries(value?.cmi?.interactions ?? {}).map(([at, one]) => [at, JSON.stringify(bare(one))]));
  let lost = "";
  let timer;
  let quietFrom = -Infinity;

  const lose = (reason) => {
    if (lost) return;
    lost = reason;
    trouble(reason);
  };
  const put = () => {
    const ifVersion = next++;
    activity.state.put(JSON.parse(newest), { name, ifVersion }).then(
      ({ version: now }) => (acknowledged = Math.max(acknowledged, now)),
      (error) => {
        if (error.kept) return; // the next launch sends it
        if (error.code !== "version_conflict") return lose(error.code);
        // one of ours before it was refused, so nothing has changed; or somebody else has written
        if (error.current?.version !== acknowledged) return lose("elsewhere");
        next = acknowledged;
        put();
      },
    );
  };
  /** Settles by events and `trouble`: a refusal of the log or the grade is told by the activity's own. */
  const tell = (promise) => promise.catch(() => {});
  const log = (cmi) => {
    for (const [at, one] of Object.entries(cmi.interactions ?? {})) {
      const text = JSON.stringify(bare(one));
      if (logged.get(at) === text) continue;
      logged.set(at, text);
      tell(activity.log("interaction", entryOf(one, words)));
    }
  };
  const hand = () => {
    self.clearTimeout(timer);
    timer = undefined;
    if (!waiting || lost) return;
    const { state, cmi, grade, progress } = waiting;
    waiting = undefined;
    quietFrom = self.Date.now() + PAUSE;
    log(cmi);
    if (progress !== status) tell(activity.log("status", JSON.parse(progress)));
    status = progress;
    const score = grade ? JSON.stringify(grade) : graded;
    if (score !== graded) tell(activity.grade(grade));
    graded = score;
    const text = JSON.stringify(bare({ ...state, graded, status }));
    if (text === newest) return;
    newest = text;
    put();
  };
  return {
    /** Why nothing is kept any more, or "". */
    get lost() {
      return lost;
    },
    hand,
    /** @returns whether it is kept, or will be as soon as the page says so */
    take(commit, atOnce) {
      if (readonly) return true;
      if (lost) return false;
      waiting = commit;
      if (atOnce || self.Date.now() >= quietFrom) hand();
      else timer ??= self.setTimeout(hand, PAUSE);
      return !lost;
    },
  };
};

/** Commits of scorm-again, in place of requests. */
const commits = (version, words, keeper, { trouble, isLeaving, leave }) => ({
  updateSettings() {},
  processHttpRequest(_url, commit, terminates) {
    const { cmi } = commit.runtimeData;
    const { exit } = words.core ? cmi[words.core] : cmi;
    const state = stateOf(version, words, cmi, terminates);
    if (!state) trouble("too_large");
    const { completionStatus: completion, successStatus: success } = commit;
    const progress = JSON.stringify({ completion, success });
    const kept = !!state && keeper.take({ state, cmi, progress, grade: gradeOf(commit, exit) }, terminates || isLeaving());
    if (isLeaving()) leave();
    return kept ? { result: "true", errorCode: 0 } : { result: "false", errorCode: words.failed };
  },
});

/** Follows the page's life: what the lesson has said is committed and handed on before the SDK sends its last. */
const follow = (self) => {
  let leaving = false;
  let hand = () => {};
  const away = () => {
    // told by ourselves
    if (leaving) return;
    hand();
    leaving = true;
  };
  // Capturing, so that it comes before the SDK's own listeners.
  self.addEventListener("pagehide", away, { capture: true });
  self.addEventListener("pageshow", () => (leaving = false), { capture: true });
  self.addEventListener("visibilitychange", () => (self.document.visibilityState === "hidden" ? hand() : (leaving = false)), { capture: true });
  return {
    hands: (fn) => (hand = fn),
    isLeaving: () => leaving,
    // Content that ends only when its page is unloaded does so after the SDK has sent its last: once more, then.
    leave: () => self.dispatchEvent(new Event("pagehide")),
  };
};

/**
 * The state that the last launch left; none where the key may not ask for it.
 * @returns {Promise<{ version: number, value?: any } | undefined>}
 */
const lastState = async (activity, name) => {
  try {
    return await activity.state?.get(name);
  } catch (/** @type {any} */ error) {
    if (error.code === "key_scope") return undefined;
    throw error;
  }
};

/**
 * The user as the host named them in the launch token. Proves nothing: the server alone can check it.
 * @returns {Required<import("./shapes.ts").Learner>}
 */
export const learnerOf = (token = "") => {
  try {
    const payload = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    const text = new TextDecoder().decode(Uint8Array.from(atob(payload), (char) => char.charCodeAt(0)));
    const { sub: id, user, mode = "normal" } = JSON.parse(text);
    return { id, name: user?.name ?? id, mode };
  } catch {
    return { id: "", name: "", mode: "normal" };
  }
};

/**
 * Puts the API of a SCORM package into the page, on an activity's key. Resolves when the content may be loaded: it is
 * then found as `window.API` (1.2) or `window.API_1484_11` (2004) by a frame of this page.
 *
 * The activity is what `connect` gave, with `state` among its functions; without that nothing is given back.
 * @type {import("./shapes.ts").Provide}
 */
export const provide = async (activity, { Runtime, version, learner = {}, lesson = {}, name = "scorm", trouble = () => {}, finished = () => {}, self = globalThis }) => {
  const words = WORDS[version];
  const mode = learner.mode ?? "normal";
  // What an earlier launch left unsent counts as said before this one asks.
  await activity.flush();
  const found = await lastState(activity, name);
  const kept = found?.value?.scorm === version ? found.value : undefined;
  const life = follow(self);
  const readonly = mode !== "normal";
  const save = found ? activity : { ...own(activity), state: { put: async () => ({ version: 0 }) } };
  const keeper = newKeeper(save, { self, name, words, trouble, readonly }, { version: found?.version, value: kept });
  const api = new Runtime({
    lmsCommitUrl: "latchkey:", // never fetched
    httpService: commits(version, words, keeper, { ...life, trouble }),
    renderCommonCommitFields: true,
    alwaysSendTotalTime: true,
    sendFullCommit: true,
    autocommit: true,
    autocommitSeconds: 10,
    logLevel: "NONE",
  });
  const who = { id: activity.user, name: learner.name };
  api.loadFromJSON(beginning(version, words, kept, { learner: who, lesson, mode }), "cmi");
  api.on(version === "2004" ? "Terminate" : "LMSFinish", () => finished());
  life.hands(() => {
    if (api.isInitialized()) api.lmsCommit("");
    keeper.hand();
  });
  self[words.api] = api;
  return {
    api,
    close() {
      keeper.hand();
      api.clearScheduledCommit();
      delete self[words.api];
    },
  };
};

/** The two calls that are used, bound to their activity. */
const own = (activity) => ({ log: (...of) => activity.log(...of), grade: (...of) => activity.grade(...of) });
