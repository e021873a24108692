// A lesson on the SCORM wrapper of pipwerks, in either standard: pages to read, questions, a result. It remembers the page
// and the answers, and knows nothing of who plays it.
(function () {
  "use strict";

  var scorm = pipwerks.SCORM;
  var NAMES = {
    "1.2": {
      place: "cmi.core.lesson_location",
      raw: "cmi.core.score.raw",
      min: "cmi.core.score.min",
      max: "cmi.core.score.max",
      time: "cmi.core.session_time",
      exit: "cmi.core.exit",
      done: "",
      response: "student_response",
      wrong: "wrong",
      learner: "cmi.core.student_name",
    },
    2004: {
      place: "cmi.location",
      raw: "cmi.score.raw",
      min: "cmi.score.min",
      max: "cmi.score.max",
      time: "cmi.session_time",
      exit: "cmi.exit",
      done: "normal",
      response: "learner_response",
      wrong: "incorrect",
      learner: "cmi.learner_name",
    },
  };
  var lesson = window.LESSON;
  var names = NAMES[lesson.version];
  var box = document.getElementById("page");
  var began = Date.now();
  var work = { answers: {} };
  var at = 0;
  var ended = false;

  function element(name, properties, children) {
    var made = document.createElement(name);
    Object.keys(properties || {}).forEach(function (key) {
      if (key in made) made[key] = properties[key];
      else made.setAttribute(key, properties[key]);
    });
    (children || []).forEach(function (child) {
      made.append(child);
    });
    return made;
  }

  function two(number) {
    return String(Math.floor(number)).padStart(2, "0");
  }

  function sessionTime() {
    var seconds = (Date.now() - began) / 1000;
    var parts = [seconds / 3600, (seconds / 60) % 60, seconds % 60];
    if (lesson.version === "1.2") return parts.map(two).join(":");
    return "PT" + Math.floor(parts[0]) + "H" + Math.floor(parts[1]) + "M" + Math.floor(parts[2]) + "S";
  }

  function questions() {
    return lesson.pages.filter(function (page) {
      return page.question;
    });
  }

  function isDone() {
    return questions().every(function (page) {
      return work.answers[page.id];
    });
  }

  function points() {
    var right = questions().filter(function (page) {
      return work.answers[page.id] && work.answers[page.id].right;
    }).length;
    return Math.round((right / questions().length) * 10000) / 100;
  }

  function save() {
    scorm.set(names.place, String(at));
    scorm.set("cmi.suspend_data", JSON.stringify(work));
    scorm.set(names.time, sessionTime());
    scorm.save();
  }

  /** Says the result. Both standards want it in words of their own. */
  function grade() {
    var score = points();
    var passed = score >= lesson.mastery;
    scorm.set(names.raw, String(score));
    scorm.set(names.min, "0");
    scorm.set(names.max, "100");
    if (lesson.version === "1.2") {
      scorm.set("cmi.core.lesson_status", passed ? "passed" : "failed");
      return;
    }
    scorm.set("cmi.score.scaled", String(score / 100));
    scorm.set("cmi.success_status", passed ? "passed" : "failed");
    scorm.set("cmi.completion_status", "completed");
  }

  function record(page, text, right) {
    var number = Number(scorm.get("cmi.interactions._count")) || 0;
    var prefix = "cmi.interactions." + number + ".";
    scorm.set(prefix + "id", page.id);
    scorm.set(prefix + "type", page.place ? "fill-in" : "choice");
    scorm.set(prefix + names.response, text);
    scorm.set(prefix + "result", right ? "correct" : names.wrong);
    if (lesson.version === "2004") {
      var objective = "cmi.objectives." + lesson.pages.filter((other) => other.question).indexOf(page) + ".";
      scorm.set(objective + "id", page.id);
      scorm.set(objective + "success_status", right ? "passed" : "failed");
      scorm.set("cmi.progress_measure", String(Math.min(1, Object.keys(work.answers).length / questions().length)));
    }
  }

  function quit() {
    if (ended || !scorm.connection.isActive) return;
    ended = true;
    scorm.set(names.exit, isDone() ? names.done : "suspend");
    scorm.set(names.time, sessionTime());
    scorm.quit();
  }

  function answered(page, text, right, said) {
    if (!work.answers[page.id]) {
      work.answers[page.id] = { text: text, right: right };
      record(page, text, right);
      if (isDone()) grade();
      save();
    }
    verdict(page, said);
  }

  function verdict(page, said) {
    var answer = work.answers[page.id];
    if (!answer) return;
    said.className = "said " + (answer.right ? "right" : "wrong");
    said.textContent = (answer.right ? "Right. " : "Not quite. ") + page.because;
  }

  function choice(page, said) {
    var form = element("form", {}, []);
    var set = element("fieldset", { disabled: !!work.answers[page.id] }, [element("legend", { textContent: page.question })]);
    page.options.forEach(function (option, number) {
      var input = element("input", { type: "radio", name: "answer", value: String(number), required: true });
      var kept = work.answers[page.id];
      input.checked = !!kept && kept.text === String(number);
      set.append(element("label", { className: "option" }, [input, element("span", { textContent: option })]));
    });
    form.append(set);
    return finishForm(page, form, set, said, function () {
      var picked = form.elements.answer.value;
      return [picked, Number(picked) === page.right];
    });
  }

  function place(page, said) {
    var kept = ((work.answers[page.id] || {}).text || "").split(" ");
    var field = function (name, label, limit, value) {
      var input = element("input", { type: "number", name: name, min: String(-limit), max: String(limit), step: "1", required: true, value: value || "" });
      return element("label", {}, [element("span", { textContent: label }), input]);
    };
    var form = element("form", {}, []);
    var set = element("fieldset", { disabled: !!work.answers[page.id] }, [
      element("legend", { textContent: page.question }),
      element("div", { className: "pair" }, [
        field("latitude", "Latitude (south is negative)", 90, kept[0]),
        field("longitude", "Longitude (west is negative)", 180, kept[1]),
      ]),
    ]);
    form.append(set);
    return finishForm(page, form, set, said, function () {
      var given = [Number(form.elements.latitude.value), Number(form.elements.longitude.value)];
      var near = given.every(function (degrees, axis) {
        return Math.abs(degrees - page.place[axis]) <= 8;
      });
      return [given.join(" "), near];
    });
  }

  function finishForm(page, form, set, said, read) {
    if (!work.answers[page.id]) {
      form.append(element("nav", {}, [element("button", { type: "submit", className: "main check", textContent: "Check" })]));
    }
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      var result = read();
      set.disabled = true;
      form.querySelector("nav").remove();
      answered(page, result[0], result[1], said);
      draw(false);
    });
    return form;
  }

  function result() {
    var score = points();
    var name = scorm.get(names.learner).split(" ")[0];
    return [
      element("p", { textContent: "That was the last page" + (name ? ", " + name : "") + "." }),
      element("p", { className: "score", "data-testid": "result", textContent: score + " of 100" }),
      element("p", { textContent: score >= lesson.mastery ? "Passed. Well done." : "Not passed: " + lesson.mastery + " are needed. Read it again, and start anew." }),
      element("button", { type: "button", textContent: "Start anew", onclick: again }),
    ];
  }

  function again() {
    work = { answers: {} };
    if (lesson.version === "1.2") scorm.set("cmi.core.lesson_status", "incomplete");
    go(0);
  }

  function go(to) {
    at = to;
    save();
    draw(true);
  }

  function steps() {
    var page = lesson.pages[at];
    var open = page.question && !work.answers[page.id];
    var last = at === lesson.pages.length - 1;
    var buttons = [
      element("button", { type: "button", className: "back", textContent: "Back", disabled: at === 0, onclick: function () { go(at - 1); } }),
    ];
    if (!last && !open) {
      buttons.push(element("button", { type: "button", className: "main next", textContent: "Next", onclick: function () { go(at + 1); } }));
    }
    return element("nav", { "aria-label": "Pages" }, buttons);
  }

  function draw(moved) {
    var page = lesson.pages[at];
    var said = element("p", { className: "said", role: "status" });
    var heading = element("h1", { tabIndex: -1, textContent: page.title });
    var inner = element("div", { className: "bar", "aria-hidden": "true" }, [element("div", {})]);
    inner.firstChild.style.width = (100 * (at + 1)) / lesson.pages.length + "%";
    var parts = [inner, element("p", { className: "where", textContent: "Page " + (at + 1) + " of " + lesson.pages.length }), heading];
    (page.text || []).forEach(function (text) {
      parts.push(element("p", { textContent: text }));
    });
    if (page.picture) {
      var figure = element("figure", {}, []);
      figure.innerHTML = page.picture; // of this package
      figure.append(element("figcaption", { textContent: page.caption }));
      parts.push(figure);
    }
    if (page.question) parts.push((page.place ? place : choice)(page, said), said);
    if (page.result) parts = parts.concat(result());
    parts.push(steps());
    box.replaceChildren.apply(box, parts);
    box.setAttribute("data-page", String(at + 1));
    verdict(page, said);
    if (moved) heading.focus();
  }

  scorm.version = lesson.version;
  if (!scorm.init()) {
    box.replaceChildren(element("p", { textContent: "This lesson cannot reach its school. Please reload the page." }));
    return;
  }
  try {
    work = JSON.parse(scorm.get("cmi.suspend_data")) || work;
  } catch (error) {
    // nothing was kept, or not by this lesson: it begins at the beginning
  }
  at = Math.min(Number(scorm.get(names.place)) || 0, lesson.pages.length - 1);
  draw(false);
  window.addEventListener("beforeunload", quit);
  window.addEventListener("pagehide", quit);
  window.addEventListener("unload", quit);
})();
