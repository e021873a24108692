// A widget as plain as can be, and a book of what it was told.
const plain = ({ name, code, message, reason, kept, field }) => ({ name, code, message, reason, kept, field });

// Some time after a page is there that nobody looks at; what it does too early is done by then.
const tell = async () => {
  for (let turn = 0; turn < 3; turn++) await fetch("/prepared");
  await fetch("/prepared", { method: "POST" });
};

export const open = async (connect) => {
  const outcomes = [];
  const events = [];
  const { body } = document;
  const show = (text, where = "state") => (document.getElementById(where).textContent = text);
  if (document.prerendering) tell();
  try {
    const activity = await connect();
    for (const name of ["unsaved", "saved", "renewed", "ended", "refused"])
      activity.on(name, (detail) => {
        const error = detail.error && plain(detail.error);
        events.push({ ...detail, error, name });
        if (error) show(`Refused: ${error.message}`, "problem");
        else if (name === "ended") show(`Ended: ${detail.reason}`);
        else if (name === "unsaved") show(detail.count ? `${detail.count} unsaved` : "Saved");
      });
    const ask = (name, args, promise) => {
      const outcome = { function: name, args, state: "pending" };
      outcomes.push(outcome);
      return promise.then(
        (result) => Object.assign(outcome, { state: "saved", result }),
        (error) => {
          const state = error.name === "RefusedError" ? "refused" : "ended";
          Object.assign(outcome, { state, result: plain(error) });
        },
      );
    };
    window.widget = {
      activity,
      log: (event, data) => ask("log", { event, data }, activity.log(event, data)),
      grade: (grade) => ask("grade", grade, activity.grade(grade)),
      settled: () => outcomes.every(({ state }) => state !== "pending"),
      book: () => structuredClone({ outcomes, events, unsaved: activity.unsaved }),
    };
    body.dataset.widget = "ready";
    if (location.search === "?eager") window.widget.log("opened");
  } catch (error) {
    show(error.message);
    body.dataset.widget = "failed";
  }
};
window.shows = 0;
window.restored = 0;
window.addEventListener("pageshow", (event) => {
  window.shows++;
  if (event.persisted) window.restored++;
});
