use super::*;

fn read(function: &str, form: &str) -> Result<Value, (ErrorCode, String)> {
    let fields = Fields::of_form(form.as_bytes()).unwrap();
    arguments(function, &fields)
        .map(Value::Object)
        .map_err(|refusal| (refusal.code, refusal.field.unwrap_or_default().into_owned()))
}

#[test]
fn one_entry_or_several() {
    let one = read("log", "event=answered&data_question=3&data_text=a+b&id=7&stage=1").unwrap();
    let data = json!({"question": "3", "text": "a b"});
    assert_eq!(one, json!({"entries": [{"event": "answered", "data": data}]}));
    let many =
        read("log", "event0=a&id0=x&event1=b&data1={\"n\":1}&data1_m=2&at1=1795000000000&event3=d");
    let expected = json!({"entries": [
        {"event": "a", "id": "x"},
        {"event": "b", "data": {"n": 1, "m": "2"}, "at": "2026-11-18T11:06:40.000Z"},
    ]});
    assert_eq!(many.unwrap(), expected);
    assert_eq!(read("log", "event=").unwrap_err(), (ErrorCode::MissingField, "event".into()));
    let list = (0..200).map(|at| format!("event{at}=a")).collect::<Vec<_>>().join("&");
    assert_eq!(read("log", &list).unwrap()["entries"].as_array().unwrap().len(), 101);
}

#[test]
fn data_is_an_object_or_nothing() {
    for text in ["hello", "[1]", "3", "{", "{\"a\":1,\"a\":2}"] {
        let refused = read("log", &format!("event=a&data={text}")).unwrap_err();
        assert_eq!(refused, (ErrorCode::WrongType, "data".into()), "{text}");
    }
    assert_eq!(read("log", "event=a&data=").unwrap(), json!({"entries": [{"event": "a"}]}));
}

#[test]
fn a_grade_by_its_fields_alone() {
    let junk = "onLoad=%5Btype%20Function%5D&user=eve&activity=other&_quality=HIGH&";
    let full =
        "score=8.5&max=10&comment=&progress=completed&grading=pending&attempt=2&sequence=5&at=x";
    let expected = json!({
        "score": 8.5, "max": 10, "comment": "", "progress": "completed", "grading": "pending",
        "attempt": 2, "sequence": 5, "at": "x",
    });
    assert_eq!(read("grade", &format!("{junk}{full}")).unwrap(), expected);
    assert_eq!(read("grade", "score=0&max=&progress=&at=").unwrap(), json!({"score": 0}));
    assert_eq!(read("grade", "score=7,5").unwrap_err(), (ErrorCode::BadNumber, "score".into()));
    assert_eq!(read("grade", "score=1&max=NaN").unwrap_err(), (ErrorCode::BadNumber, "max".into()));
}

#[test]
fn a_page_by_its_fields_alone() {
    let asked = read("recent", "limit=5&before=&since=12&kinds=log,+grade&count=9").unwrap();
    assert_eq!(asked, json!({"limit": 5, "since": "12", "kinds": ["log", "grade"]}));
    assert_eq!(read("recent", "").unwrap(), json!({}));
    assert_eq!(read("recent", "limit=ten").unwrap_err().0, ErrorCode::BadNumber);
}

#[test]
fn a_state_as_a_text_or_by_its_members() {
    let put = read("state", "op=put&value=a+%26+b&if_version=0&name=&junk=1").unwrap();
    assert_eq!(put, json!({"op": "put", "value": "a & b", "if_version": 0}));
    let patch = read("state", "op=patch&name=place&value_town=Lyon&value_at=3").unwrap();
    assert_eq!(
        patch,
        json!({"op": "patch", "name": "place", "value": {"town": "Lyon", "at": "3"}})
    );
    assert_eq!(read("state", "op=put&value=").unwrap(), json!({"op": "put", "value": ""}));
    assert_eq!(read("state", "op=get").unwrap(), json!({"op": "get"}));
    assert_eq!(read("state", "if_version=x").unwrap_err().0, ErrorCode::BadNumber);
}
