// Posts all that its timeline holds, by the oldest way there is, and takes the answer into the timeline.
var score = 7;
var comment = "Très bien: 100 % & more + € ñ = ß";
var user = "eve";
var activity = "another";
var junk = function () {};
var list = [1, 2, 3];
var told = false;
_root.createEmptyMovieClip("clip", 1);
_root.loadVariables(_root.endpoint + "/legacy/v1/grade", "POST");
_root.onEnterFrame = function () {
  if (told || _root.requestid == undefined) {
    return;
  }
  told = true;
  var said = new LoadVars();
  said.key = _root.key;
  said.event = "told";
  said.data_status = _root.status;
  said.data_score = _root.score;
  said.data_name = _root.standing_method;
  said.sendAndLoad(_root.endpoint + "/legacy/v1/log", new LoadVars(), "POST");
};
