// AICC's talk with whoever launched the lesson. All it knows are two words in its own address.
(function () {
  "use strict";

  var address = new URLSearchParams(location.search);
  var sid = address.get("aicc_sid");
  var url = address.get("aicc_url");
  var waiting = []; // commands in their order, the first of them under way
  var timer;

  function form(command, data) {
    var fields = new URLSearchParams();
    fields.set("command", command);
    fields.set("version", "4.0");
    fields.set("session_id", sid);
    fields.set("aicc_data", data);
    return fields;
  }

  function next() {
    var asked = waiting[0];
    var request = new XMLHttpRequest();
    request.open("POST", url, true);
    request.onload = function () {
      var error = /^error\s*=\s*(\d+)/im.exec(request.responseText);
      if (!error) return again();
      waiting.shift();
      if (error[1] !== "0") window.hacp.refused(value(request.responseText, "error_text"));
      else {
        window.hacp.done();
        if (asked.then) asked.then(request.responseText);
      }
      if (waiting.length) next();
    };
    request.onerror = again;
    request.send(form(asked.command, asked.data));
  }

  // Nobody answered: the same once more, which is done once.
  function again() {
    window.hacp.lost();
    timer = setTimeout(next, 3000);
  }

  function value(text, name) {
    var line = new RegExp("^" + name + "[ \\t]*=[ \\t]*(.*?)\\r?$", "im").exec(text);
    return line ? line[1] : "";
  }

  window.hacp = {
    launched: Boolean(sid && url),
    value: value,
    /** Asks; `then` hears the answer if it is a good one. */
    ask: function (command, data, then) {
      waiting.push({ command: command, data: data, then: then });
      if (waiting.length === 1) next();
    },
    /** As the page goes: what still waits, and a last word. */
    leave: function (command) {
      clearTimeout(timer);
      waiting.concat({ command: command, data: "" }).forEach(function (asked) {
        if (asked.command !== "GetParam") navigator.sendBeacon(url, form(asked.command, asked.data));
      });
      waiting = [];
    },
    refused: function () {},
    lost: function () {},
    done: function () {},
  };
})();
