// Does what must be refused, by a form and by XML, and logs what it was told.
function ask(name, said, done) {
  var answer = new LoadVars();
  said.key = _root.key;
  answer.onLoad = function (arrived) {
    if (answer.key != undefined) {
      _root.key = answer.key;
    }
    done(arrived ? answer.code : "nothing");
  };
  said.sendAndLoad(_root.endpoint + "/legacy/v1/" + name, answer, "POST");
}

var codes = new LoadVars();
var comma = new LoadVars();
comma.score = "7,5";
ask("grade", comma, function (code) {
  codes.data_comma = code;
  var nobody = new LoadVars();
  ask("nonsense", nobody, function (code) {
    codes.data_nonsense = code;
    document();
  });
});

function document() {
  var said = new XML("<grade score=\"500\"><comment>Voilà &amp; fini</comment></grade>");
  said.firstChild.attributes.key = _root.key;
  var answer = new XML();
  answer.ignoreWhite = true;
  answer.onLoad = function (arrived) {
    codes.data_xml = arrived ? answer.firstChild.attributes.code : "nothing";
    _root.key = answer.firstChild.attributes.key;
    forged();
  };
  said.sendAndLoad(_root.endpoint + "/legacy/v1/grade", answer);
}

function forged() {
  var mine = _root.key;
  _root.key = "lk1_nonsense";
  ask("grade", new LoadVars(), function (code) {
    codes.data_forged = code;
    codes.event = "told";
    _root.key = mine;
    ask("log", codes, function (code) {});
  });
}
