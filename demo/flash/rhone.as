// Down the Rhône: six towns are put where they lie along the river. An ordinary ActionScript 2 movie: it logs each
// move, keeps the work under way, reads what the class did last, and hands in a grade.
//
// It is spoken to in one of two ways, by its FlashVars. With `key` and `endpoint` it posts forms itself and goes on with the
// key of each answer. Without, the page around holds the key: calls go out by fscommand, answers come to onLatchkey.

stop();
Stage.scaleMode = "showAll";

var towns = ["Brig", "Sion", "Genève", "Lyon", "Avignon", "Arles"];
// Where each place lies on the map, from the glacier to the sea.
var places = [[505, 118], [424, 150], [300, 128], [158, 176], [178, 316], [146, 388]];
// The order in which the towns wait, so that it tells nothing.
var waiting = [3, 5, 0, 4, 2, 1];
var INK = 0x1c2a30;
var FAINT = 0x54646b;
var ACCENT = 0x0b5d66;
var MAX = 6;

// --- calls: one at a time, in order; what gets lost on the way is sent again under the same id

var direct = _root.key != undefined && _root.key != "";
var queue = [];
var busy = false;
var count = 0;
var born = new Date();
var run = born.getTime() + "-" + Math.floor(Math.random() * 1000000);
var answers = {};
/** Whether the page has answered once: its script may come later than the movie. */
var met = false;

function ask(name, values, done) {
  count = count + 1;
  queue.push({ name: name, values: values, done: done, id: run + "-" + count });
  next();
}

function next() {
  if (busy || queue.length == 0) {
    return;
  }
  busy = true;
  var asked = queue[0];
  var said = new LoadVars();
  for (var name in asked.values) {
    said[name] = asked.values[name];
  }
  said.id = asked.id;
  if (direct) {
    post(asked, said);
  } else {
    answers[asked.id] = asked;
    say(asked, said.toString());
  }
}

/** What is said to a page that does not listen yet is lost: it is said again until there is an answer. */
function say(asked, words) {
  fscommand("latchkey." + asked.name, words);
  if (met) {
    return;
  }
  var timer = setInterval(function () {
    clearInterval(timer);
    if (!met) {
      say(asked, words);
    }
  }, 1500);
}

function post(asked, said) {
  var answer = new LoadVars();
  said.key = _root.key;
  answer.onLoad = function (arrived) {
    if (answer.key != undefined) {
      _root.key = answer.key;
    }
    settle(asked, answer, arrived && answer.status != undefined);
  };
  said.sendAndLoad(_root.endpoint + "/legacy/v1/" + asked.name, answer, "POST");
}

function heard(id, text) {
  var asked = answers[id];
  if (asked == undefined) {
    return;
  }
  met = true;
  delete answers[id];
  var answer = new LoadVars();
  answer.decode(text);
  settle(asked, answer, true);
}

function settle(asked, answer, arrived) {
  busy = false;
  if (!arrived || answer.retryable == "true") {
    tell("Not reached: trying again…");
    later(3000);
    return;
  }
  queue.shift();
  asked.done(answer);
  next();
}

function later(pause) {
  busy = true;
  var timer = setInterval(function () {
    clearInterval(timer);
    busy = false;
    next();
  }, pause);
}

flash.external.ExternalInterface.addCallback("onLatchkey", null, heard);

// --- the picture

function text(parent, name, depth, x, y, width, height, size, colour, bold, align) {
  parent.createTextField(name, depth, x, y, width, height);
  var field = parent[name];
  field.selectable = false;
  field.multiline = true;
  field.wordWrap = true;
  var format = new TextFormat("_sans", size, colour, bold);
  format.align = align == undefined ? "left" : align;
  field.setNewTextFormat(format);
  return field;
}

function area(clip, corners, colour, width, line) {
  clip.lineStyle(width, line, width == 0 ? 0 : 100);
  clip.beginFill(colour, 100);
  clip.moveTo(corners[0][0], corners[0][1]);
  for (var at = 1; at <= corners.length; at = at + 1) {
    var corner = corners[at % corners.length];
    clip.lineTo(corner[0], corner[1]);
  }
  clip.endFill();
}

function box(clip, x, y, width, height, colour, line) {
  area(clip, [[x, y], [x + width, y], [x + width, y + height], [x, y + height]], colour, 2, line);
}

function disc(clip, x, y, radius, colour, line) {
  var bend = radius * 0.4142;
  var edge = radius * 0.7071;
  clip.lineStyle(3, line, 100);
  clip.beginFill(colour, 100);
  clip.moveTo(x + radius, y);
  clip.curveTo(x + radius, y + bend, x + edge, y + edge);
  clip.curveTo(x + bend, y + radius, x, y + radius);
  clip.curveTo(x - bend, y + radius, x - edge, y + edge);
  clip.curveTo(x - radius, y + bend, x - radius, y);
  clip.curveTo(x - radius, y - bend, x - edge, y - edge);
  clip.curveTo(x - bend, y - radius, x, y - radius);
  clip.curveTo(x + bend, y - radius, x + edge, y - edge);
  clip.curveTo(x + radius, y - bend, x + radius, y);
  clip.endFill();
}

_root.createEmptyMovieClip("map", 1);
box(map, 0, 0, 560, 520, 0xfffdf8, 0xfffdf8);
box(map, 12, 64, 536, 376, 0xe9efdf, 0xddd6c6);
// the Alps, and snow
area(map, [[330, 92], [372, 66], [410, 94], [462, 66], [504, 94], [520, 84], [532, 92], [420, 112]], 0x9db8b8, 0, 0);
area(map, [[449, 74], [462, 66], [476, 74], [462, 84]], 0xffffff, 0, 0);
// the sea
map.beginFill(0x3b8b99, 100);
map.moveTo(14, 438);
map.lineTo(14, 424);
map.curveTo(190, 398, 400, 432);
map.lineTo(414, 438);
map.endFill();
// the river and its lake
map.lineStyle(9, 0x3b8b99, 100);
map.moveTo(536, 96);
map.curveTo(500, 124, 424, 150);
map.curveTo(390, 128, 360, 118);
map.curveTo(330, 112, 300, 128);
map.curveTo(250, 160, 230, 196);
map.curveTo(200, 196, 158, 176);
map.curveTo(150, 250, 178, 316);
map.curveTo(172, 356, 146, 388);
map.lineTo(140, 420);
map.lineStyle(22, 0x3b8b99, 100);
map.moveTo(372, 118);
map.curveTo(340, 106, 312, 124);

var title = text(_root, "title", 2, 14, 8, 532, 30, 22, INK, true);
title.text = "Down the Rhône";
var hint = text(_root, "hint", 3, 14, 36, 532, 24, 14, FAINT, false);
hint.text = "Drag each town to its place, or choose by Up and Down and place by 1 to 6.";
var glacier = text(_root, "glacier", 4, 478, 68, 70, 20, 12, INK, false);
glacier.text = "glacier";
var sea = text(_root, "sea", 5, 204, 416, 160, 20, 12, 0xffffff, true);
sea.text = "Mediterranean Sea";
var said = text(_root, "said", 6, 14, 446, 376, 44, 16, INK, true);
var lately = text(_root, "lately", 7, 14, 490, 532, 26, 13, FAINT, false);

for (var at = 0; at < places.length; at = at + 1) {
  disc(map, places[at][0], places[at][1], 17, 0xffffff, ACCENT);
  var digit = text(_root, "digit" + at, 10 + at, places[at][0] - 12, places[at][1] - 13, 24, 26, 17, ACCENT, true, "center");
  digit.text = String(at + 1);
}

// --- the towns

/** Of each town: its place, or -1 while it waits. */
var where = [-1, -1, -1, -1, -1, -1];
var chosen = waiting[0];
var done = false;
var labels = [];

function label(town) {
  var clip = _root.createEmptyMovieClip("town" + town, 40 + town);
  clip.createEmptyMovieClip("card", 1);
  var name = text(clip, "name", 2, 0, 3, 96, 26, 17, INK, true, "center");
  name.text = towns[town];
  clip.onPress = function () {
    if (done) {
      return;
    }
    choose(town);
    clip.swapDepths(60);
    clip.startDrag(false, 0, 50, 464, 490);
  };
  clip.onRelease = clip.onReleaseOutside = function () {
    clip.stopDrag();
    if (!done) {
      put(town, nearest(clip._x + 48, clip._y + 15));
    }
  };
  labels[town] = clip;
}

function nearest(x, y) {
  var best = -1;
  var least = 62 * 62;
  for (var place = 0; place < places.length; place = place + 1) {
    var dx = places[place][0] - x;
    var dy = places[place][1] - y;
    if (dx * dx + dy * dy < least) {
      least = dx * dx + dy * dy;
      best = place;
    }
  }
  return best;
}

function lay(town) {
  var clip = labels[town];
  var place = where[town];
  if (place < 0) {
    for (var turn = 0; turn < waiting.length; turn = turn + 1) {
      if (waiting[turn] == town) {
        clip._x = 319 + 118 * (turn % 2);
        clip._y = 246 + 44 * Math.floor(turn / 2);
      }
    }
  } else {
    clip._x = Math.min(450, Math.max(14, places[place][0] - 48));
    clip._y = places[place][1] + 20;
  }
  clip.card.clear();
  box(clip.card, 0, 0, 96, 32, town == chosen && !done ? 0xe3f0ef : 0xfffdf8, town == chosen && !done ? ACCENT : 0xbdb6a6);
}

function layAll() {
  for (var town = 0; town < towns.length; town = town + 1) {
    lay(town);
  }
}

function choose(town) {
  chosen = town;
  layAll();
}

function put(town, place) {
  if (place >= 0) {
    // Whoever was there waits again.
    for (var other = 0; other < towns.length; other = other + 1) {
      if (where[other] == place) {
        where[other] = -1;
      }
    }
  }
  var moved = where[town] != place;
  where[town] = place;
  layAll();
  if (moved) {
    ask("log", { event: "placed", data_town: towns[town], data_place: String(place + 1) }, written);
    ask("state", { op: "put", name: "rhone", value: where.join(",") }, written);
  }
  ready();
}

function placed() {
  var number = 0;
  for (var town = 0; town < towns.length; town = town + 1) {
    if (where[town] >= 0) {
      number = number + 1;
    }
  }
  return number;
}

function ready() {
  button._visible = placed() == towns.length && !done;
  if (!done) {
    tell(placed() + " of " + towns.length + " towns placed.");
  }
}

// --- what is told

function tell(words) {
  said.text = words;
}

function refused(answer) {
  if (answer.code == "key_scope") {
    tell("Preview: nothing is recorded.");
  } else if (answer.code == "key_renew" || answer.code == "key_invalid" || answer.code == "ended") {
    tell("This page has grown old. Reload it to go on.");
  } else {
    tell("Not saved: " + answer.message);
  }
}

function written(answer) {
  if (answer.status != "ok") {
    refused(answer);
  }
}

function deed(answer, at) {
  var who = answer["user" + at + "_name"] == undefined ? answer["user" + at + "_id"] : answer["user" + at + "_name"];
  if (answer["kind" + at] == "grade") {
    return who + " " + answer["score" + at] + "/" + answer["max" + at];
  }
  return who + " placed " + answer["data" + at + "_town"];
}

function showLately(answer) {
  if (answer.status != "ok") {
    return;
  }
  var deeds = [];
  for (var at = 0; at < Number(answer.count) && at < 2; at = at + 1) {
    if (answer["kind" + at] != "join") {
      deeds.push(deed(answer, at));
    }
  }
  lately.text = deeds.length == 0 ? "" : "In class lately: " + deeds.join("; ");
}

function look() {
  ask("recent", { limit: 2, kinds: "log,grade" }, showLately);
}

// --- the end

function handIn() {
  if (done || placed() < towns.length) {
    return;
  }
  done = true;
  button._visible = false;
  var right = 0;
  var wrong = [];
  for (var town = 0; town < towns.length; town = town + 1) {
    if (where[town] == town) {
      right = right + 1;
    } else {
      wrong.push(towns[town] + " is place " + (town + 1));
    }
  }
  layAll();
  var comment = right == towns.length ? "Every town is in its place, from Brig to Arles: 100 %." : right + " of " + towns.length + " towns & " + wrong.length + " to look up: " + wrong.join(", ") + ".";
  tell(right + " of " + MAX + ". Handing in…");
  ask("grade", { score: right, max: MAX, comment: comment, progress: "completed" }, function (answer) {
    if (answer.status != "ok") {
      refused(answer);
      return;
    }
    tell(answer.score + " of " + answer.max + ". Saved, receipt no. " + answer.submission + ". Your standing: " + answer.standing_score + ".");
    look();
  });
  ask("state", { op: "delete", name: "rhone" }, written);
}

_root.createEmptyMovieClip("button", 30);
box(button, 0, 0, 144, 40, ACCENT, ACCENT);
button._x = 402;
button._y = 446;
var caption = text(button, "caption", 1, 0, 6, 144, 28, 18, 0xffffff, true, "center");
caption.text = "Hand in";
button.onRelease = handIn;

var keys = {};
keys.onKeyDown = function () {
  var digit = Key.getAscii() - 49;
  var by = Key.isDown(Key.DOWN) ? 1 : Key.isDown(Key.UP) ? -1 : 0;
  if (done) {
    return;
  }
  if (by != 0) {
    for (var turn = 0; turn < waiting.length; turn = turn + 1) {
      if (waiting[turn] == chosen) {
        choose(waiting[(turn + by + waiting.length) % waiting.length]);
        return;
      }
    }
  }
  if (digit >= 0 && digit < places.length) {
    put(chosen, digit);
  }
  if (Key.isDown(Key.ENTER)) {
    handIn();
  }
};
Key.addListener(keys);

for (var town = 0; town < towns.length; town = town + 1) {
  label(town);
}
layAll();
button._visible = false;
tell("One moment…");

ask("state", { op: "get", name: "rhone" }, function (answer) {
  if (answer.status == "ok" && answer.value != undefined) {
    var kept = answer.value.split(",");
    if (kept.length == towns.length) {
      for (var town = 0; town < towns.length; town = town + 1) {
        where[town] = Number(kept[town]);
      }
    }
    layAll();
  }
  ready();
  if (answer.status != "ok" && answer.code != "unknown_function" && answer.code != "function_off") {
    refused(answer);
  }
});
look();
