// Has no key: says all to its page, hears the answers by its callback, and logs what it heard.
var codes = new LoadVars();

function heard(id, text) {
  var answer = new LoadVars();
  answer.decode(text);
  codes["data_" + id] = answer.status == "ok" ? "ok" : answer.code;
  if (id == "hello") {
    codes.data_user = answer.user;
    codes.event = "told";
    fscommand("latchkey.log", codes.toString());
  }
}

flash.external.ExternalInterface.addCallback("onLatchkey", null, heard);

function ask(name, id, said) {
  said.id = id;
  fscommand("latchkey." + name, said.toString());
}

var comma = new LoadVars();
comma.score = "7,5";
ask("grade", "comma", comma);
var much = new LoadVars();
much.score = 500;
ask("grade", "much", much);
var good = new LoadVars();
good.score = 8.5;
good.comment = "Très bien: 100 % & more + € ñ = ß";
ask("grade", "good", good);
ask("grade", "again", good);
var place = new LoadVars();
place.op = "put";
place.value = "here & there";
ask("state", "put", place);
var last = 0;
_root.onEnterFrame = function () {
  if (codes.data_comma != undefined && codes.data_much != undefined && codes.data_good != undefined && codes.data_again != undefined && codes.data_put != undefined && last == 0) {
    last = 1;
    ask("hello", "hello", new LoadVars());
  }
};
