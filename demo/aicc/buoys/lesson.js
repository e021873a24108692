// Four marks of a fairway, by the rules of IALA region A. The lesson tells each answer as it is given, and goes on where it was.
(function () {
  "use strict";

  var CAN = '<path d="M60 100h40V44H60z" fill="#c8322b" stroke="#5b1512" stroke-width="2"/>';
  var CONE = '<path d="M54 100h52L80 40z" fill="#1f8a4c" stroke="#0c4424" stroke-width="2"/>';
  var NORTH =
    '<path d="M68 100h24V78H68z" fill="#f2c230"/><path d="M68 78h24V52H68z" fill="#1b1b1b"/>' +
    '<path d="M68 50 80 34l12 16z M68 32 80 16l12 16z" fill="#1b1b1b"/>';
  var FAIRWAY =
    '<path d="M62 100h36V48H62z" fill="#fff" stroke="#5b1512" stroke-width="2"/><path d="M62 100h9V48h-9z M80 100h9V48h-9z" fill="#c8322b"/>' +
    '<circle cx="80" cy="32" r="10" fill="#c8322b"/>';
  var QUESTIONS = [
    {
      id: "red",
      looks: "A red buoy, shaped like a can",
      shape: CAN,
      asks: "You come in from the sea, and a red can lies ahead. On which side of the boat does it pass?",
      options: ["On the left, to port", "On the right, to starboard", "On either"],
      right: 0,
      why: "In region A red is left to port by who comes in, and to starboard by who goes out.",
    },
    {
      id: "green",
      looks: "A green buoy, shaped like a cone",
      shape: CONE,
      asks: "Still coming in, you meet a green cone. On which side of the boat does it pass?",
      options: ["On the left, to port", "On the right, to starboard", "On either"],
      right: 1,
      why: "Green cones mark the starboard side of the fairway.",
    },
    {
      id: "north",
      looks: "A buoy, black above yellow, with two black cones that point up",
      shape: NORTH,
      asks: "A buoy is black above and yellow below, and its two cones point up. Where is the water deep?",
      options: ["South of it", "All around it", "North of it"],
      right: 2,
      why: "Both cones up is a north mark: pass to the north of it.",
    },
    {
      id: "fairway",
      looks: "A buoy with red and white stripes from top to bottom, and a red ball",
      shape: FAIRWAY,
      asks: "Red and white stripes from top to bottom, and one red ball. What does it mark?",
      options: ["A wreck", "Safe water, all around", "Where swimming is forbidden"],
      right: 1,
      why: "It is a safe-water mark: it often lies where a fairway begins.",
    },
  ];
  var PASSED = 3;

  var box = document.getElementById("page");
  var where = document.getElementById("where");
  var trouble = document.getElementById("trouble");
  var began = Date.now();
  var answers = [];
  var preview = false;
  var over = false;

  function element(name, properties, children) {
    var made = Object.assign(document.createElement(name), properties);
    (children || []).forEach(function (child) {
      made.append(child);
    });
    return made;
  }

  function show(children) {
    box.replaceChildren.apply(box, children);
    var first = box.querySelector("h1");
    if (first) first.focus();
  }

  function points() {
    return answers.filter(function (answer, at) {
      return answer === QUESTIONS[at].right;
    }).length;
  }

  function two(number) {
    return (number < 10 ? "0" : "") + Math.floor(number);
  }

  function time() {
    var seconds = (Date.now() - began) / 1000;
    return [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(two).join(":");
  }

  // --- what is told

  function save() {
    if (preview) return;
    var done = answers.length === QUESTIONS.length;
    var lines = ["[Core]", "Lesson_Location=" + answers.length, "Time=" + time()];
    if (done) {
      lines.push("Lesson_Status=" + (points() >= PASSED ? "passed" : "failed"));
      lines.push("Score=" + points() + "," + QUESTIONS.length + ",0");
    } else lines.push("Lesson_Status=incomplete,suspend");
    lines.push("[Core_Lesson]", "answers=" + answers.join(","));
    hacp.ask("PutParam", lines.join("\r\n") + "\r\n");
  }

  function record(question, option) {
    if (preview) return;
    var row = [question.id, "C", question.options[option], question.options[question.right], option === question.right ? "C" : "W"];
    var quoted = row.map(function (text) {
      return '"' + text.replace(/"/g, '""') + '"';
    });
    hacp.ask(
      "PutInteractions",
      '"interaction_id","type_interaction","student_response","correct_response","result"\r\n' + quoted.join(",") + "\r\n"
    );
  }

  hacp.refused = function (why) {
    trouble.textContent = "Not saved: " + why;
  };
  hacp.lost = function () {
    trouble.textContent = "The school cannot be reached. Trying again…";
  };
  hacp.done = function () {
    trouble.textContent = "";
  };

  // --- what is shown

  function picture(question) {
    var figure = element("figure");
    figure.innerHTML =
      '<svg viewBox="-160 0 480 120" role="img"><path d="M-160 0h480v100h-480z" fill="#dcecf2"/><path d="M-160 100h480v20h-480z" fill="#2f7f98"/>' + question.shape + "</svg>";
    figure.firstChild.setAttribute("aria-label", question.looks);
    return figure;
  }

  function ask() {
    var at = answers.length;
    if (at === QUESTIONS.length) return result();
    var question = QUESTIONS[at];
    var options = question.options.map(function (text, option) {
      var input = element("input", { type: "radio", name: "option", value: String(option), required: true });
      return element("label", { className: "option" }, [input, element("span", {}, [text])]);
    });
    var legend = element("legend", {}, [question.asks]);
    var said = element("p", { className: "said" });
    said.setAttribute("role", "status");
    var check = element("button", { className: "main", type: "submit", id: "check" }, ["Check"]);
    var form = element("form", {}, [element("fieldset", {}, [legend].concat(options)), said, element("nav", {}, [check])]);
    form.onsubmit = function (event) {
      event.preventDefault();
      if (answers.length !== at) return ask();
      var option = Number(new FormData(form).get("option"));
      answers.push(option);
      record(question, option);
      save();
      said.className = "said " + (option === question.right ? "right" : "wrong");
      said.textContent = (option === question.right ? "Right. " : "Not quite. ") + question.why;
      form.querySelectorAll("input").forEach(function (input) {
        input.disabled = true;
      });
      check.id = "next";
      check.textContent = answers.length === QUESTIONS.length ? "Result" : "Next";
      check.focus();
    };
    where.textContent = "Mark " + (at + 1) + " of " + QUESTIONS.length + (preview ? " · preview: nothing is recorded" : "");
    show([element("h1", { tabIndex: -1 }, ["Buoys in the fairway"]), picture(question), form]);
  }

  function result() {
    var again = element("button", { type: "button", id: "again" }, ["Start again"]);
    again.onclick = function () {
      answers = [];
      save();
      ask();
    };
    where.textContent = preview ? "Preview: nothing is recorded" : "Handed in";
    show([
      element("h1", { tabIndex: -1 }, [points() >= PASSED ? "Well steered" : "Aground"]),
      element("p", { className: "score", id: "score" }, [points() + " of " + QUESTIONS.length]),
      element("p", {}, ["You need " + PASSED + " to pass. The best result counts."]),
      element("nav", {}, [again]),
    ]);
  }

  if (!hacp.launched) {
    where.textContent = "";
    trouble.textContent = "This lesson is opened by a course: its address lacks aicc_sid or aicc_url.";
    return;
  }
  hacp.ask("GetParam", "", function (text) {
    preview = /^b|^r/i.test(hacp.value(text, "lesson_mode"));
    answers = hacp
      .value(text, "answers")
      .split(",")
      .filter(function (answer) {
        return answer !== "";
      })
      .map(Number)
      .slice(0, QUESTIONS.length);
    var name = hacp.value(text, "student_name");
    document.title = "Buoys in the fairway" + (name ? " · " + name : "");
    ask();
  });
  addEventListener("pagehide", function () {
    if (over || preview) return;
    over = true;
    hacp.leave("ExitAU");
  });
  addEventListener("pageshow", function (event) {
    if (event.persisted) location.reload();
  });
})();
