// What every activity shares: its connection to Latchkey, the save state, and what the class is doing.

const POLL = 10_000;
const PATIENCE = 4_000; // unsaved for longer than this is worth a word about why
const many = (count, one, more = one + "s") => `${count} ${count === 1 ? one : more}`;

/** An element: `el("p", { className: "faint" }, "text", child)`. Text is always text, never markup. */
export const el = (name, properties = {}, ...children) => {
  const { data = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(name), rest);
  Object.assign(element.dataset, data);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};

/** A score as people write it: two decimals at most, no trailing zeros. */
export const points = (score) => String(Math.round(score * 100) / 100);

/** Work under way outlives a reload, on this device and for this user and attempt only. */
const draft = (place) => {
  const key = `harbour:${place}`;
  return {
    read() {
      try {
        return JSON.parse(localStorage.getItem(key) ?? "null");
      } catch {
        return null; // storage forbidden, or not ours
      }
    },
    write(value) {
      try {
        if (value === null) localStorage.removeItem(key);
        else localStorage.setItem(key, JSON.stringify(value));
      } catch {
        // without storage a reload begins anew, and that is all
      }
    },
  };
};

/** In a sandboxed frame a link leads nowhere: what it would do is said instead. */
const framed = parent !== window;

const loginLink = () =>
  framed ? "Log in again and reload the page" : el("a", { href: `/login?next=${location.pathname}` }, "Log in again");

/** Why no key is left, and what to do about it. Operations that are kept go out with the next launch. */
const ending = ({ reason, count }, durable) => {
  const kept = count
    ? durable
      ? ` ${many(count, "unsaved entry is", "unsaved entries are")} kept on this device.`
      : ` ${many(count, "entry", "entries")} could not be kept.`
    : " Everything was saved.";
  const reload = framed ? "Reload the page" : el("a", { href: location.pathname }, "Reload the page");
  if (reason === "login_over") return ["Session ended. ", loginLink(), ".", kept];
  if (reason === "other_user") return ["Somebody else is logged in now. ", reload, ".", kept];
  return ["The connection to the gradebook has ended. ", reload, ".", kept];
};

/** Shows in `box` what is unsaved, and why. */
export const followSaving = (activity, box) => {
  let state = { count: 0, durable: true };
  let timer; // set while something is unsaved
  let late = false; // whether it has been for long
  let end;
  const show = (name, ...content) => {
    box.dataset.state = name;
    box.dataset.unsaved = state.count;
    box.replaceChildren(...content);
  };
  const waiting = () => {
    const why = navigator.onLine ? "the gradebook cannot be reached" : "you are offline";
    const where = state.durable
      ? `${many(state.count, "entry", "entries")} saved on this device only, will be sent: ${why}`
      : `${many(state.count, "entry", "entries")} unsaved, keep this page open: ${why}`;
    show("unsaved", where);
  };
  activity.on("unsaved", (now) => {
    state = now;
    if (end) show("ended", ...ending({ ...end, count: now.count }, now.durable));
    else if (!now.count) {
      clearTimeout(timer);
      timer = undefined;
      late = false;
      if (box.dataset.state === "unsaved") show("saved", "Saved");
    } else if (late) waiting();
    else {
      show("unsaved", `${now.count} unsaved…`);
      timer ??= setTimeout(() => {
        late = true;
        waiting();
      }, PATIENCE);
    }
  });
  activity.on("ended", (now) => {
    clearTimeout(timer);
    end = now;
    state = { ...state, count: now.count };
    show("ended", ...ending(now, state.durable));
  });
  activity.on("refused", ({ error }) => {
    // whoever writes by versions finds its own way out of that
    if (error.code !== "version_conflict") show("refused", `Not saved: ${error.message}`);
  });
  addEventListener("beforeunload", (event) => {
    // what outlives the page needs no question
    if (activity.unsaved && !state.durable) event.preventDefault();
  });
};

const hue = (id) => [...id].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 6, 0);

const portrait = (user) =>
  el(
    "span",
    { className: "portrait", ariaHidden: "true", data: { hue: hue(user.id) } },
    (user.name ?? user.id).split(" ").map((part) => part[0]).slice(0, 2).join(""),
  );

/** What others did, in words. Their data was written by their browsers: trust no shape of it. */
const deed = ({ kind, event, data, score, max }) => {
  if (kind === "join") return "joined";
  if (kind === "grade") return `handed in: ${points(score)}\u00a0/\u00a0${points(max)}`;
  const number = Number.isInteger(data?.question) ? ` question ${data.question}` : "";
  const deeds = {
    answered: `answered${number || " a question"}`,
    started: "started",
    moved: "is sorting",
    measured: "measured a period",
    deleted: "took a measurement out",
    queried: "tried a query",
    placed: typeof data?.town === "string" ? `placed ${data.town}` : "placed a town",
    solved: Number.isInteger(data?.task) ? `solved task ${data.task}` : "solved a task",
  };
  return Object.hasOwn(deeds, event) ? deeds[event] : String(event);
};

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const ago = (at) => {
  const seconds = Math.round((Date.parse(at) - Date.now()) / 1000);
  if (seconds > -10) return "just now";
  if (seconds > -60) return relative.format(seconds, "second");
  if (seconds > -3600) return relative.format(Math.ceil(seconds / 60), "minute");
  if (seconds > -86_400) return relative.format(Math.ceil(seconds / 3600), "hour");
  return relative.format(Math.ceil(seconds / 86_400), "day");
};

const recentItem = (item) =>
  el(
    "li",
    { data: { testid: "recent-item", id: item.id, kind: item.kind, own: item.user.own } },
    portrait(item.user),
    el(
      "p",
      {},
      el("strong", {}, item.user.name ?? item.user.id),
      item.user.own ? el("span", { className: "tag you" }, "you") : null,
      ` ${deed(item)}`,
      el("time", { dateTime: item.at, title: new Date(item.at).toLocaleString() }, ago(item.at)),
    ),
  );

/** Shows what the class is doing: now, after each save of one's own, and every ten seconds while seen. */
const followRecent = (activity, list, empty) => {
  let ended = false;
  let asking = false;
  let again = false;
  const show = ({ items }) => {
    list.ariaBusy = "false";
    empty.hidden = items.length > 0;
    list.replaceChildren(...items.map(recentItem));
  };
  const refresh = async () => {
    again = asking;
    if (asking || ended) return;
    asking = true;
    try {
      show(await activity.recent({ limit: 20 }));
    } catch {
      // the save state tells what is wrong; the list stays as it was
    } finally {
      asking = false;
      if (again) refresh();
    }
  };
  activity.on("saved", refresh);
  activity.on("ended", () => (ended = true));
  const seen = () => document.visibilityState === "visible" && refresh();
  setInterval(seen, POLL);
  document.addEventListener("visibilitychange", seen);
  refresh();
};

/**
 * Opens the page's activity. Gives its widget:
 * `connection`, the SDK's own, and `sdk`, where that lies; `root` and `stage`, the elements to fill; `preview`, whether nothing is recorded; `max`, the maximum score;
 * `counts`, which submission counts; `draft`, work under way; `log(event, data)`; and
 * `grade(grade)`, which resolves to a receipt, or to null in a preview.
 */
export const openActivity = async () => {
  const root = document.getElementById("widget");
  const stage = document.getElementById("stage");
  const { sdk, place, max, counts } = root.dataset;
  const preview = "preview" in root.dataset;
  try {
    const { connect } = await import(sdk);
    const activity = await connect();
    const list = document.getElementById("recent");
    followRecent(activity, list, document.getElementById("recent-empty"));
    if (!preview) followSaving(activity, document.getElementById("save-state"));
    return {
      connection: activity,
      sdk,
      root,
      stage,
      preview,
      counts,
      max: Number(max),
      draft: draft(place),
      // What becomes of it is shown by the save state.
      log: (event, data) => preview || activity.log(event, data).catch(() => {}),
      grade: (grade) => (preview ? Promise.resolve(null) : activity.grade(grade)),
    };
  } catch (error) {
    stage.replaceChildren(
      el("p", { className: "notice bad", role: "alert" }, "The gradebook cannot be reached, so this activity cannot start. "),
      framed
        ? el("p", {}, "Please reload the page around this activity.")
        : el("p", {}, el("a", { className: "button", href: location.pathname }, "Try again")),
    );
    throw error;
  }
};

const again = () =>
  el(
    "p",
    { className: "buttons" },
    // a page of its own is an attempt of its own
    el("a", { className: "button primary", href: location.pathname, data: { testid: "again" } }, "Try again"),
    el("a", { className: "button", href: "/course" }, "Back to the courses"),
  );

/** The end of an activity: score, comment, and the receipt as soon as there is one. */
export const showResult = ({ stage, preview, counts }, { score, max, comment, receipt }) => {
  const heading = el("h2", { tabIndex: -1 }, "Done");
  const line = el("p", { className: "receipt", role: "status", data: { testid: "receipt", state: "waiting" } });
  line.append(preview ? "Preview: this was not recorded." : "Handing in…");
  stage.replaceChildren(
    el("div", { className: "result" },
      heading,
      el("p", { className: "result-score", data: { testid: "score", score: points(score) } },
        el("strong", {}, points(score)), ` / ${points(max)}`),
      el("p", { className: "comment", data: { testid: "comment" } }, comment),
      line,
      framed ? null : again(),
    ),
  );
  heading.focus();
  receipt.then(
    (kept) => {
      if (!kept) return;
      const { submission, standing } = kept;
      Object.assign(line.dataset, { state: "saved", submission, standing: points(standing.score ?? 0) });
      line.replaceChildren(
        el("span", { className: "tick", ariaHidden: "true" }, "✓"),
        ` Saved, receipt no. ${submission}. Your standing: `,
        el("strong", {}, `${points(standing.score ?? 0)} / ${points(standing.max)}`),
        ` (${counts})`,
      );
    },
    (error) => {
      line.dataset.state = error.kept ? "kept" : "refused";
      line.textContent = error.kept
        ? "Kept on this device: it is handed in as soon as you have logged in and opened this page again."
        : `Not saved: ${error.message}`;
    },
  );
};
