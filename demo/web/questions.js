// The questions of the quiz. A client-side quiz carries its own answers: that is why the gradebook labels
// its grades "reported by the client".

export const questions = [
  {
    kind: "one",
    text: "Which river flows through Vienna, Budapest and Belgrade?",
    options: ["Rhine", "Danube", "Elbe", "Vistula"],
    right: [1],
    why: "The Danube passes four capitals, more than any other river: Vienna, Bratislava, Budapest and Belgrade.",
  },
  {
    kind: "many",
    text: "Which of these rivers flow into the North Sea?",
    hint: "There may be more than one.",
    options: ["Rhine", "Rhône", "Elbe", "Oder", "Thames"],
    right: [0, 2, 4],
    why: "The Rhône flows into the Mediterranean and the Oder into the Baltic; the other three reach the North Sea.",
  },
  {
    kind: "number",
    text: "How high is Mont Blanc, to within a hundred metres?",
    unit: "metres",
    right: 4806,
    within: 100,
    why: "Its summit is about 4,806 metres above the sea; the cap of ice makes it a little more or less each year.",
  },
  {
    kind: "one",
    text: "Which mountains stand between France and Spain?",
    options: ["Apennines", "Carpathians", "Pyrenees", "Vosges"],
    right: [2],
    why: "The Pyrenees run for about 430 kilometres from the Bay of Biscay to the Mediterranean.",
  },
  {
    kind: "one",
    text: "Which is the longest river in Europe?",
    options: ["Volga", "Danube", "Dnieper", "Ural"],
    right: [0],
    why: "The Volga is some 3,530 kilometres long and flows into the Caspian Sea. The Danube comes second.",
  },
];

/** The share that was right, 0 to 1. Of several options, each wrong choice takes one right choice back. */
export const judge = (question, answer) => {
  if (question.kind === "number") return Math.abs(answer - question.right) <= question.within ? 1 : 0;
  const hits = answer.filter((option) => question.right.includes(option)).length;
  return Math.max(0, (2 * hits - answer.length) / question.right.length);
};
