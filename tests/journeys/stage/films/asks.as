// In a sandbox: a form of its own, from a page without an origin.
var said = new LoadVars();
var answer = new LoadVars();
said.key = _root.key;
said.event = "sandboxed";
said.data_text = "Genève";
said.sendAndLoad(_root.endpoint + "/legacy/v1/log", answer, "POST");
answer.onLoad = function (arrived) {
  var more = new LoadVars();
  more.key = answer.key;
  more.event = "answered";
  more.data_status = answer.status;
  more.sendAndLoad(_root.endpoint + "/legacy/v1/log", new LoadVars(), "POST");
};
