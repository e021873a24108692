// Queries to a small database: each answer is judged by its result, not by how it was asked.
import { el, openActivity, points, showResult } from "./activity.js";
import { judge, schema, setup, tasks } from "./query-tasks.js";

const PATIENCE = 3_000; // an honest query to nine students needs a few milliseconds

const activity = await openActivity();
const each = activity.max / tasks.length;
const kept = activity.draft.read();
/** Of each task: the query as it stands, how often it was run, whether it is solved. */
const work = tasks.map((_, at) => ({ text: "", tries: 0, solved: false, ...kept?.work?.[at] }));
const keep = () => activity.draft.write({ work });
const total = () => work.filter(({ solved }) => solved).length * each;

/** The database, in a worker that is ended when a query does not come back. */
const engine = () => {
  let worker;
  let ready;
  let number = 0;
  const start = () => {
    worker = new Worker("/static/query-worker.js");
    ready = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => (data.ready ? resolve() : reject(new Error(data.broken)));
      worker.onerror = () => reject(new Error("The database cannot be loaded."));
    });
    ready.catch(() => {}); // told by the query that waits for it
  };
  start();
  return async (text) => {
    await ready;
    const mine = ++number;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        worker.terminate();
        start();
        resolve({ problem: "stopped: it ran for three seconds and found no end" });
      }, PATIENCE);
      worker.onmessage = ({ data }) => {
        if (data.number !== mine) return;
        clearTimeout(timer);
        resolve(data);
      };
      worker.postMessage({ number: mine, setup, text });
    });
  };
};
const ask = engine();

const cell = (value) =>
  value === null ? el("td", {}, el("span", { className: "faint" }, "NULL")) : el("td", { className: typeof value === "number" ? "right" : "" }, String(value));

const table = ({ columns, rows, count }) =>
  el(
    "div",
    { className: "scrolling", tabIndex: 0, role: "group", ariaLabel: "Result" },
    el(
      "table",
      { data: { testid: "result-table", rows: count } },
      el("caption", {}, `${count} ${count === 1 ? "row" : "rows"}${count > rows.length ? `, the first ${rows.length} of them shown` : ""}`),
      el("thead", {}, el("tr", {}, ...columns.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell)))),
    ),
  );

const records = () =>
  el(
    "details",
    { className: "records", open: matchMedia("(min-width: 46rem)").matches },
    el("summary", {}, "The tables"),
    el("ul", {}, ...schema.map(({ table: name, columns }) =>
      el("li", {}, el("code", {}, name), " ", el("span", { className: "faint" }, columns.join(", "))))),
  );

const steps = (now) =>
  el(
    "ol",
    { className: "tasks" },
    ...tasks.map((_, at) => {
      const state = work[at].solved ? "solved" : "open";
      return el("li", {}, el("button", {
        type: "button",
        className: "task",
        ariaLabel: `Task ${at + 1}, ${state}`,
        ariaCurrent: at === now ? "step" : null,
        data: { state, testid: "task", task: at + 1 },
        onclick: () => show(at),
      }, work[at].solved ? "✓" : String(at + 1)));
    }),
  );

/** What a run came to, in words and by the table. */
const outcome = (at, { result, problem }, wrong) => {
  if (problem) return [el("p", { className: "verdict-line" }, el("strong", {}, "The database says: "), el("code", {}, problem))];
  const word = wrong ? "Not yet. " : "Right. ";
  const more = wrong || `+${points(each)} ${work[at].tries === 1 ? "at the first try" : `after ${work[at].tries} tries`}`;
  return [el("p", { className: "verdict-line" }, el("strong", {}, word), more), result && table(result)];
};

const handIn = () => {
  const solved = work.filter((task) => task.solved).length;
  const score = Math.min(activity.max, Math.round(total() * 1000) / 1000);
  const open = work.flatMap((task, at) => (task.solved ? [] : [at + 1]));
  const comment = open.length
    ? `${solved} of ${tasks.length} tasks solved. Still open: ${open.join(", ")}.`
    : `All tasks solved, with ${work.reduce((sum, { tries }) => sum + tries, 0)} queries.`;
  const receipt = activity.grade({ score, max: activity.max, comment, progress: "completed" });
  // handed over: from here on the outbox keeps it
  activity.draft.write(null);
  showResult(activity, { score, max: activity.max, comment, receipt });
};

const newEditor = (at, submit) => {
  const editor = el("textarea", {
    id: "query",
    rows: 5,
    spellcheck: false,
    autocapitalize: "off",
    autocomplete: "off",
    value: work[at].text,
    placeholder: "SELECT …",
    data: { testid: "query" },
  });
  editor.setAttribute("aria-describedby", "query-keys");
  editor.addEventListener("input", () => {
    work[at].text = editor.value;
    keep();
  });
  editor.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    submit();
  });
  return editor;
};

/** The next task that is not solved, wrapped around; null if there is no other. */
const nextButton = (at) => {
  const next = tasks.map((_, step) => (at + 1 + step) % tasks.length).find((other) => other !== at && !work[other].solved);
  return next === undefined
    ? null
    : el("button", { type: "button", onclick: () => show(next), data: { testid: "next" } }, "Next task");
};

const actions = (at) =>
  el(
    "div",
    { className: "actions" },
    el("button", { type: "button", onclick: handIn, data: { testid: "hand-in" } }, "Hand in"),
    nextButton(at),
  );

/** Counts and logs a run of a task. Gives what is wrong with it, or "". */
const judged = (at, text, given, right) => {
  const wrong = given.problem ?? judge(tasks[at], given.result, right.result);
  const outcome = given.problem ? "error" : wrong ? "wrong" : "right";
  if (work.every(({ tries }) => !tries)) activity.log("started");
  // as it was asked, cut to what a log entry holds
  activity.log("queried", { task: at + 1, query: text.slice(0, 600), outcome });
  if (!work[at].solved) {
    work[at].tries += 1;
    work[at].solved = !wrong;
    if (!wrong) activity.log("solved", { task: at + 1, tries: work[at].tries });
    keep();
  }
  return wrong;
};

const show = (at, first = false) => {
  const task = tasks[at];
  const score = el("p", { className: "score", data: { testid: "score" } });
  const says = el("div", { className: "feedback", role: "status", data: { testid: "feedback" } });
  const run = el("button", { type: "submit", className: "primary", data: { testid: "run" } }, "Run");
  const heading = el("h2", { tabIndex: -1, className: "ask" }, el("span", { className: "hidden" }, `Task ${at + 1}: `), task.ask);
  const say = (verdict, ...content) => {
    says.dataset.verdict = verdict;
    says.replaceChildren(...content.filter(Boolean));
  };
  const submit = async () => {
    const text = editor.value.trim();
    if (run.disabled) return;
    if (!text) {
      say("none", "Please write a query first.");
      return editor.focus();
    }
    run.disabled = true;
    says.ariaBusy = "true";
    try {
      const [given, right] = [await ask(text), await ask(task.answer)];
      if (right.problem) throw new Error(right.problem);
      const wrong = judged(at, text, given, right);
      say(given.problem ? "wrong" : wrong ? "half" : "right", ...outcome(at, given, wrong));
      draw();
    } catch (error) {
      say("wrong", `The database cannot be used here: ${error.message}`);
    } finally {
      run.disabled = false;
      says.ariaBusy = "false";
    }
  };
  const editor = newEditor(at, submit);
  const form = el(
    "form",
    { className: "query", data: { task: at + 1 }, onsubmit: (event) => (event.preventDefault(), submit()) },
    el("div", { className: "progress" }, el("p", {}, `Task ${at + 1} of ${tasks.length}`), score),
    steps(at),
    heading,
    el("p", { className: "hint" }, task.hint),
    records(),
    el("label", { className: "query-label", htmlFor: "query" }, "Your query"),
    editor,
    el("div", { className: "query-foot" }, el("p", { className: "faint", id: "query-keys" }, "Ctrl and Enter runs it as well. Each run starts from fresh records."), run),
    says,
    actions(at),
  );
  const draw = () => {
    score.dataset.score = points(total());
    score.textContent = `${points(total())} points`;
    form.querySelector(".tasks").replaceWith(steps(at));
    form.querySelector(".actions").replaceWith(actions(at));
  };
  draw();
  activity.stage.replaceChildren(form);
  if (!first) heading.focus();
};

const open = work.findIndex(({ solved }) => !solved);
show(Math.max(0, open), true);
