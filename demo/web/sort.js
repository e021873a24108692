// Sorting: six summits, from low to high, by buttons. Each pair in the right order earns its share.
import { el, openActivity, showResult } from "./activity.js";

const summits = [
  { name: "Ben Nevis", where: "Scotland", height: 1345 },
  { name: "Etna", where: "Sicily", height: 3403 },
  { name: "Zugspitze", where: "Bavaria", height: 2962 },
  { name: "Snowdon", where: "Wales", height: 1085 },
  { name: "Mont Blanc", where: "France and Italy", height: 4806 },
  { name: "Olympus", where: "Greece", height: 2917 },
];
const pairs = (summits.length * (summits.length - 1)) / 2;

const activity = await openActivity();
const kept = activity.draft.read()?.order;
let order = summits.map((_, index) => index);
if (Array.isArray(kept) && order.every((index) => kept.includes(index)) && kept.length === order.length) order = kept;

const rightPairs = () => {
  let right = 0;
  for (let low = 0; low < order.length; low++)
    for (let high = low + 1; high < order.length; high++)
      if (summits[order[low]].height < summits[order[high]].height) right++;
  return right;
};

const said = el("p", { className: "hidden", role: "status" });
const list = el("ol", { className: "sorting" });
let started = false;

const move = (from, by) => {
  const to = from + by;
  [order[from], order[to]] = [order[to], order[from]];
  activity.draft.write({ order });
  if (!started) activity.log("moved", { summit: summits[order[to]].name });
  started = true;
  draw();
  const row = list.children[to];
  const wanted = row.querySelector(by < 0 ? ".up" : ".down");
  (wanted.disabled ? row.querySelector("button:not(:disabled)") : wanted).focus();
  said.textContent = `${summits[order[to]].name} is now number ${to + 1} of ${order.length}.`;
};

const arrow = (at, by, name) =>
  el("button", {
    type: "button",
    className: by < 0 ? "arrow up" : "arrow down",
    ariaLabel: `Move ${name} ${by < 0 ? "up" : "down"}`,
    disabled: by < 0 ? at === 0 : at === order.length - 1,
    data: { testid: "answer-option" },
    onclick: () => move(at, by),
  }, by < 0 ? "↑" : "↓");

const draw = () =>
  list.replaceChildren(
    ...order.map((index, at) => {
      const { name, where } = summits[index];
      return el(
        "li",
        {},
        el("span", {}, el("strong", {}, name), el("small", {}, where)),
        arrow(at, -1, name),
        arrow(at, 1, name),
      );
    }),
  );

const handIn = () => {
  const right = rightPairs();
  // to the thousandth, so that the score reads well in the gradebook
  const score = Math.round((right / pairs) * activity.max * 1000) / 1000;
  const best = [...summits].sort((a, b) => a.height - b.height);
  const comment = right === pairs
    ? "Every summit is in its place."
    : `${right} of ${pairs} pairs in order. It would be: ${best.map(({ name, height }) => `${name} (${height} m)`).join(", ")}.`;
  activity.log("answered", { order: order.map((index) => summits[index].name), right, pairs });
  const receipt = activity.grade({ score, max: activity.max, comment, progress: "completed" });
  activity.draft.write(null);
  showResult(activity, { score, max: activity.max, comment, receipt });
};

draw();
activity.stage.replaceChildren(
  el("p", {}, "Put the lowest summit first and the highest last."),
  list,
  said,
  el("div", { className: "actions" },
    el("button", { type: "button", className: "primary", onclick: handIn, data: { testid: "next", step: "finish" } }, "Hand in")),
);
