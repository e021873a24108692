use super::*;
use serde_json::json;

fn form(text: &str) -> Fields {
    Fields::of_form(text.as_bytes()).unwrap()
}

fn xml(text: &str) -> Result<Fields, ErrorCode> {
    Fields::of_xml(text.as_bytes()).map_err(|refusal| refusal.code)
}

fn code<T: std::fmt::Debug>(outcome: Result<T, Refusal>) -> (ErrorCode, String) {
    let refusal = outcome.unwrap_err();
    (refusal.code, refusal.field.unwrap_or_default().into_owned())
}

#[test]
fn however_a_player_writes_it() {
    // ActionScript 2 writes `+`, ActionScript 3 `%20`; both escape more than they must.
    for body in
        ["a%5Fb=well+done%2E", "a_b=well%20done.", "x&a_b=well+done.&y=", "&a%5fb=well done%2e&"]
    {
        assert_eq!(form(body).text("a_b").unwrap().as_deref(), Some("well done."), "{body}");
    }
    let all = form("c=Caf%C3%A9+%26+50%25+%2B+%E2%82%AC+a%3Db=c");
    assert_eq!(all.text("c").unwrap().as_deref(), Some("Café & 50% + € a=b=c"));
    assert_eq!(form("").text("c").unwrap(), None);
    assert_eq!(form("c").text("c").unwrap().as_deref(), Some(""));
    assert_eq!(form("c=").filled("c").unwrap(), None);
    // No escape at all: taken as it stands, as browsers do.
    assert_eq!(form("c=100%&d=%zz").text("c").unwrap().as_deref(), Some("100%"));
    assert_eq!(form("d=%zz").text("d").unwrap().as_deref(), Some("%zz"));
}

#[test]
fn a_field_has_one_value() {
    assert_eq!(form("a=1&a=1").text("a").unwrap().as_deref(), Some("1"));
    assert_eq!(code(form("a=1&b=3&a=2").text("a")), (ErrorCode::BadForm, "a".into()));
    assert_eq!(form("a=1&b=3&a=2").all("a").unwrap(), ["1", "2"]);
}

#[test]
fn what_is_not_utf8_is_refused_where_it_is_asked_for() {
    let latin = form("comment=caf%E9&score=5&caf%E9=1");
    assert_eq!(code(latin.text("comment")), (ErrorCode::BadForm, "comment".into()));
    assert_eq!(latin.text("score").unwrap().as_deref(), Some("5"));
    assert_eq!(Fields::of_form(b"\xff\xfe=\xff&a=1").unwrap().text("a").unwrap().unwrap(), "1");
}

#[test]
fn so_many_fields_and_no_more() {
    let fields = |n: usize| "junk=%5Btype%20Function%5D&".repeat(n);
    assert!(Fields::of_form(fields(MAX_FIELDS).as_bytes()).is_ok());
    let over = Fields::of_form(fields(MAX_FIELDS + 1).as_bytes());
    assert_eq!(code(over).0, ErrorCode::BadForm);
}

#[test]
fn numbers_as_json_writes_them() {
    for (text, number) in [
        ("0", json!(0)),
        ("8.5", json!(8.5)),
        ("14.29", json!(14.29)),
        ("-1", json!(-1)),
        ("1e-7", json!(1e-7)),
        ("1e%2B21", json!(1e21)),
        ("+7.5+", json!(7.5)),
        ("7.5%0D%0A", json!(7.5)),
    ] {
        assert_eq!(form(&format!("n={text}")).number("n").unwrap(), Some(number), "{text}");
    }
    for text in [
        "7%2C5",
        "7,5",
        "NaN",
        "Infinity",
        "-Infinity",
        "undefined",
        "null",
        "true",
        "1e999",
        "0x10",
        "1 000",
        "%2B5",
        ".5",
        "5.",
        "07",
        "8.5/10",
        "%D9%A5",
        "\"7\"",
        "[7]",
        "55%25",
        "7.5.1",
        "--1",
        "%20",
    ] {
        let refused = code(form(&format!("n={text}")).number("n"));
        assert_eq!(refused, (ErrorCode::BadNumber, "n".into()), "{text}");
    }
    assert_eq!(form("n=").number("n").unwrap(), None);
}

#[test]
fn members_under_a_prefix() {
    let fields = form("data_question=3&data%5Fanswer=a+b&data=x&data_=y&dataset=z&other_q=1");
    assert_eq!(json!(fields.under("data_").unwrap()), json!({"question": "3", "answer": "a b"}));
    assert_eq!(code(form("data_q=1&data_q=2").under("data_")).0, ErrorCode::BadForm);
}

#[test]
fn xml_by_attributes_and_by_children() {
    let document = "\u{20}<?xml version=\"1.0\"?><!-- c --><grade key=\"k\" score='8.5'>\n <comment>Caf\u{e9} &amp; \
                    &#8364; <![CDATA[<b>]]></comment><note/>\n</grade>\n";
    let fields = xml(document.trim_start()).unwrap();
    assert_eq!(fields.text("key").unwrap().as_deref(), Some("k"));
    assert_eq!(fields.number("score").unwrap(), Some(json!(8.5)));
    assert_eq!(fields.text("comment").unwrap().as_deref(), Some("Café & € <b>"));
    assert_eq!(fields.text("note").unwrap().as_deref(), Some(""));
    let list = xml(
        "<log><e event=\"a\" data_q=\"1\"/><e event=\"b\" id=\"x\"><deep a=\"1\">t</deep></e></log>",
    );
    let list = list.unwrap();
    for (name, value) in [("event0", "a"), ("data0_q", "1"), ("event1", "b"), ("id1", "x")] {
        assert_eq!(list.text(name).unwrap().as_deref(), Some(value), "{name}");
    }
}

#[test]
fn broken_and_hostile_xml() {
    let deep = format!("{}{}", "<a>".repeat(20_000), "</a>".repeat(20_000));
    assert!(xml(&deep).is_ok(), "what is deeper than a child is skipped");
    let many = format!("<a>{}</a>", "<b c=\"1\"/>".repeat(MAX_FIELDS + 1));
    let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxx\"><!ENTITY y \"&x;&x;&x;\">]><a b=\"1\">&y;</a>";
    let outside = "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>";
    for text in [
        "<",
        "<a",
        "<a>",
        "<a></b>",
        "</a>",
        "<a/><b/>",
        "<a b=1/>",
        "<a b=\"1\" b=\"2\"/>",
        "<a/>text",
        "<a><b>&unknown;</b></a>",
        "<a b=\"&unknown;\"/>",
        "<a><b>&#0;</b></a>",
        "<a><b>&#x110000;</b></a>",
        "<>",
        "< a/>",
        "<![CDATA[x]]>",
        "<?xml",
        "<!--",
        &many,
        bomb,
        outside,
    ] {
        assert_eq!(xml(text).map(|fields| fields.0.len()), Err(ErrorCode::BadForm), "{text:.60}");
    }
    assert!(Fields::of_xml(b"<a b=\"caf\xe9\"/>").is_err());
}
