// A lesson by AICC: all it knows are aicc_sid and aicc_url. It reads who plays it, and tells its place, an answer and a score.
function ask(command, data, done) {
  var said = new LoadVars();
  var answer = new LoadVars();
  said.command = command;
  said.version = "4.0";
  said.session_id = _root.aicc_sid;
  said.aicc_data = data;
  // The answer is lines, not variables.
  answer.onData = function (text) {
    done(text);
  };
  said.sendAndLoad(_root.aicc_url, answer, "POST");
}

function line(text, name) {
  var from = text.indexOf(name + "=");
  return from < 0 ? "" : text.substring(from + name.length + 1, text.indexOf("\r\n", from));
}

function begin(text) {
  var name = line(text, "Student_Name");
  var place = line(text, "Lesson_Location");
  if (place == "7") {
    finish(text);
    return;
  }
  ask("PutParam", "[Core]\r\nLesson_Location=7\r\nLesson_Status=i,s\r\n[Core_Lesson]\r\nwho=" + name + " & 100 % + é €\r\n", function (text) {
    ask("PutInteractions", "\"interaction_id\",\"result\"\r\n\"q1\",\"C\"\r\n", function (text) {});
  });
}

function finish(text) {
  ask("PutParam", "[Core]\r\nLesson_Status=passed\r\nScore=7.5,10,0\r\n[Core_Lesson]\r\n" + line(text, "who") + "\r\n", function (text) {
    ask("PutParam", "[Core]\r\nScore=11,10,0\r\n", function (text) {
      // Refused, which it tells with its last word.
      ask("PutParam", "[Core]\r\nLesson_Location=" + line(text, "error") + "\r\n", function (text) {
        ask("ExitAU", "", function (text) {});
      });
    });
  });
}

ask("GetParam", "", begin);
