// The quiz: one question at a time, an answer at once, each answer logged as it is given.
import { el, openActivity, points, showResult } from "./activity.js";
import { judge, questions } from "./questions.js";

const activity = await openActivity();
const each = activity.max / questions.length;
/** Answers given, in the order of the questions: `{ answer, share }`. */
const answers = activity.draft.read()?.answers?.slice(0, questions.length) ?? [];

const total = () => answers.reduce((sum, { share }) => sum + share * each, 0);

const steps = (at) =>
  el(
    "ol",
    { className: "steps", ariaHidden: "true" },
    ...questions.map((_, step) => {
      const share = answers[step]?.share;
      const state = share === undefined ? (step === at ? "now" : "next") : share === 1 ? "right" : share ? "half" : "wrong";
      return el("li", { data: { state } });
    }),
  );

const option = (question, text, index) =>
  el(
    "label",
    { className: "option" },
    el("input", {
      type: question.kind === "one" ? "radio" : "checkbox",
      name: "answer",
      value: String(index),
      data: { testid: "answer-option" },
    }),
    el("span", {}, text),
    el("span", { className: "verdict" }),
  );

const numberField = ({ unit }) =>
  el(
    "label",
    { className: "number-field" },
    el("span", { className: "hidden" }, "Your answer"),
    el("input", {
      type: "number",
      name: "answer",
      inputMode: "numeric",
      step: "any",
      autocomplete: "off",
      data: { testid: "answer-option" },
    }),
    el("span", {}, unit),
  );

/** What was chosen; undefined if nothing was. */
const chosen = (form, question) => {
  if (question.kind === "number") {
    const { valueAsNumber } = form.elements.answer;
    return Number.isFinite(valueAsNumber) ? valueAsNumber : undefined;
  }
  const picked = [...form.querySelectorAll("input:checked")].map((input) => Number(input.value));
  return picked.length ? picked : undefined;
};

/** Marks options by word and sign as well as by colour. */
const mark = (form, question, answer) => {
  for (const label of form.querySelectorAll(".option")) {
    const index = Number(label.firstChild.value);
    const right = question.right.includes(index);
    const picked = answer.includes(index);
    if (right) label.dataset.verdict = picked ? "right" : "missed";
    else if (picked) label.dataset.verdict = "wrong";
    const missed = question.kind === "one" ? "✓ this one" : "✓ this one too";
    const words = { right: "✓ right", missed, wrong: "✗ not this one" };
    label.querySelector(".verdict").textContent = words[label.dataset.verdict] ?? "";
  }
};

const feedback = (question, share) => {
  const word = share === 1 ? "Right." : share ? "Partly right." : "Not this time.";
  return [el("strong", {}, word), ` ${question.why} `, el("span", { className: "gain" }, `+${points(share * each)}`)];
};

const finish = () => {
  const score = Math.min(activity.max, Math.round(total() * 1000) / 1000);
  const right = answers.filter(({ share }) => share === 1).length;
  const weak = answers.flatMap(({ share }, at) => (share < 1 ? [at + 1] : []));
  const comment = weak.length
    ? `${right} of ${questions.length} questions right. Worth another look: question${weak.length > 1 ? "s" : ""} ${weak.join(", ")}.`
    : "All of it right. Well done!";
  const receipt = activity.grade({ score, max: activity.max, comment, progress: "completed" });
  // handed over: from here on the outbox keeps it
  activity.draft.write(null);
  showResult(activity, { score, max: activity.max, comment, receipt });
};

const ask = (at) => {
  const question = questions[at];
  const last = at === questions.length - 1;
  const says = el("div", { className: "feedback", role: "status", data: { testid: "feedback" } });
  const next = el("button", { type: "button", className: "primary", data: { testid: "next", step: "check" } }, "Check answer");
  const score = el("p", { className: "score", data: { testid: "score", score: points(total()) } }, `${points(total())} points`);
  const legend = el("legend", { tabIndex: -1 }, el("span", { className: "hidden" }, `Question ${at + 1}: `), question.text);
  const fields = question.kind === "number"
    ? [numberField(question)]
    : question.options.map((text, index) => option(question, text, index));
  const form = el(
    "form",
    { className: "question", noValidate: true, data: { question: at + 1 } },
    el("div", { className: "progress" }, el("p", {}, `Question ${at + 1} of ${questions.length}`), score),
    steps(at),
    el("fieldset", {}, legend, question.hint ? el("p", { className: "hint" }, question.hint) : null, ...fields),
    says,
    el("div", { className: "actions" }, next),
  );
  const check = () => {
    const answer = chosen(form, question);
    if (answer === undefined) {
      says.dataset.verdict = "none";
      says.textContent = question.kind === "number" ? "Please type a number." : "Please choose an answer first.";
      (form.elements.answer[0] ?? form.elements.answer).focus();
      return;
    }
    const share = judge(question, answer);
    if (at === 0) activity.log("started");
    answers[at] = { answer, share };
    activity.draft.write({ answers });
    activity.log("answered", { question: at + 1, answer, correct: share === 1, share });
    reveal(answer, share);
    next.focus();
  };
  const reveal = (answer, share) => {
    form.querySelector("fieldset").disabled = true;
    if (question.kind !== "number") mark(form, question, answer);
    says.dataset.verdict = share === 1 ? "right" : share ? "half" : "wrong";
    says.replaceChildren(...feedback(question, share));
    score.dataset.score = points(total());
    score.textContent = `${points(total())} points`;
    form.querySelector(".steps").replaceWith(steps(at));
    next.dataset.step = last ? "finish" : "next";
    next.textContent = last ? "See the result" : "Next question";
  };
  const go = () => {
    if (next.dataset.step === "check") check();
    else if (last) finish();
    else ask(at + 1);
  };
  next.addEventListener("click", go);
  // not by submitting: a sandboxed frame may not, and hears of no attempt
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target === next) return;
    event.preventDefault();
    go();
  });
  activity.stage.replaceChildren(form);
  if (at || answers.length) legend.focus();
};

// All answered but not handed in: the last question is shown again, to be checked and handed in.
if (answers.length === questions.length) answers.pop();
ask(answers.length);
