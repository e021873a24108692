// The player: a lesson of a package in a frame, and the SCORM API that it looks for in this page.
import { followSaving } from "./activity.js";

const player = document.getElementById("player");
const box = document.getElementById("save-state");
const frame = document.getElementById("lesson");
const { sdk, around, version, runtime, launch, lesson } = player.dataset;

const say = (text) => {
  const trouble = document.getElementById("trouble");
  trouble.textContent = text;
  trouble.hidden = false;
};

const troubles = {
  elsewhere:
    "This lesson was opened once more, and goes on there. What is done here is no longer saved: close this page, or reload it to go on here.",
  too_large: "The lesson wants to keep more than there is room for. It may not find its place again.",
};

try {
  const [{ enter }, { connect }, { learnerOf, provide }, runtimes] = await Promise.all(
    [`${sdk}/framed.js`, `${sdk}/latchkey.js`, `${sdk}/legacy/scorm.js`, runtime].map((name) => import(name)),
  );
  const options = await enter(window, { parent: around });
  const learner = learnerOf(options.token);
  const activity = await connect(options);
  const preview = learner.mode !== "normal";
  if (preview) {
    box.dataset.state = "preview";
    box.textContent = "Preview: nothing is recorded";
  } else {
    box.textContent = "Saved as you go";
    followSaving(activity, box);
  }
  await provide(activity, {
    Runtime: runtimes.Scorm12API ?? runtimes.Scorm2004API,
    version,
    learner,
    lesson: JSON.parse(lesson),
    trouble(reason) {
      box.hidden = reason !== "too_large";
      say(troubles[reason] ?? `What is done here is no longer saved (${reason}). Please reload the page.`);
    },
    finished: () => (player.dataset.finished = ""),
  });
  frame.src = launch;
} catch (error) {
  say("The gradebook cannot be reached, so this lesson cannot start. Please reload the page.");
  throw error;
}
