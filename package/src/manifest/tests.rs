use super::*;

const NAMES: &str = r#"xmlns="http://www.imsproject.org/xsd/imscp_rootv1p1p2" xmlns:adlcp="http://www.adlnet.org/xsd/adlcp_rootv1p2""#;
const NAMES_2004: &str = r#"xmlns="http://www.imsglobal.org/xsd/imscp_v1p1" xmlns:adlcp="http://www.adlnet.org/xsd/adlcp_v1p3" xmlns:imsss="http://www.imsglobal.org/xsd/imsss""#;

fn there(_: &str) -> bool {
    true
}

fn with(names: &str, metadata: &str, items: &str, resources: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
        <manifest identifier="m" {names}>{metadata}
          <organizations default="o"><organization identifier="x"/>
            <organization identifier="o"><title> Tides and
             the moon </title>{items}</organization></organizations>
          <resources>{resources}</resources></manifest>"#
    )
}

const ITEM: &str = r#"<item identifier="i" identifierref="r"><title>Tides</title></item>"#;
const RESOURCE: &str =
    r#"<resource identifier="r" type="webcontent" adlcp:scormtype="sco" href="index.html"/>"#;

fn said(manifest: &str) -> String {
    parse(manifest.as_bytes(), 500, there)
        .map_or_else(|error| error.to_string(), |read| format!("{read:?}"))
}

#[test]
fn scorm_1_2_with_all_that_it_may_say() {
    let item = r#"<item identifier="i" identifierref="r" parameters="?lang=en">
        <title>Tides</title><adlcp:masteryscore>70</adlcp:masteryscore><adlcp:maxtimeallowed>00:30:00</adlcp:maxtimeallowed>
        <adlcp:timelimitaction>exit,message</adlcp:timelimitaction><adlcp:datafromlms> a=1 </adlcp:datafromlms></item>"#;
    let metadata =
        "<metadata><schema>ADL SCORM</schema><schemaversion>1.2</schemaversion></metadata>";
    let read = parse(with(NAMES, metadata, item, RESOURCE).as_bytes(), 500, there).unwrap();
    let lesson = Lesson {
        id: "i".into(),
        title: "Tides".into(),
        href: "index.html?lang=en".into(),
        mastery: Some(70.0),
        completion: None,
        launch_data: Some("a=1".into()),
        time_limit: Some("00:30:00".into()),
        time_limit_action: Some("exit,message".into()),
    };
    let title = "Tides and the moon".to_owned();
    assert_eq!(read, Manifest { version: Version::Scorm12, title, lessons: vec![lesson] });
}

#[test]
fn scorm_2004_with_all_that_it_may_say() {
    let item = r#"<item identifier="u"><title>Unit</title>
      <item identifier="i" identifierref="r"><title>Tides</title><adlcp:dataFromLMS>a=1</adlcp:dataFromLMS>
        <adlcp:completionThreshold completedByMeasure="true" minProgressMeasure="0.5"/>
        <imsss:sequencing><imsss:limitConditions attemptAbsoluteDurationLimit="PT30M"/>
        <imsss:objectives><imsss:primaryObjective objectiveID="p" satisfiedByMeasure="true">
          <imsss:minNormalizedMeasure>0.6</imsss:minNormalizedMeasure></imsss:primaryObjective></imsss:objectives></imsss:sequencing>
      </item></item>"#;
    let metadata = "<metadata><schema>ADL SCORM</schema><schemaversion>2004 4th Edition</schemaversion></metadata>";
    let read = parse(with(NAMES_2004, metadata, item, RESOURCE).as_bytes(), 500, there).unwrap();
    assert_eq!((read.version, read.lessons.len()), (Version::Scorm2004, 1));
    let lesson = &read.lessons[0];
    assert_eq!((lesson.mastery, lesson.completion), (Some(0.6), Some(0.5)));
    assert_eq!(lesson.launch_data.as_deref(), Some("a=1"));
}

#[test]
fn the_version_is_known_without_metadata() {
    let read =
        |names| parse(with(names, "", ITEM, RESOURCE).as_bytes(), 500, there).unwrap().version;
    assert_eq!((read(NAMES), read(NAMES_2004)), (Version::Scorm12, Version::Scorm2004));
}

#[test]
fn bases_lead_to_the_file() {
    let resource = r#"<resource identifier="r" xml:base="one/" href="./a%20b.html"/>"#;
    let manifest = with(NAMES, "", ITEM, resource);
    let manifest = manifest.replace("<resources>", r#"<resources xml:base="content/">"#);
    let read = parse(manifest.as_bytes(), 500, |path| path == "content/one/a b.html").unwrap();
    assert_eq!(read.lessons[0].href, "content/one/a%20b.html");
}

#[test]
fn several_lessons_in_their_order_without_hidden_ones() {
    let items: String = ["", r#" isvisible="false""#, ""]
        .iter()
        .enumerate()
        .map(|(n, more)| {
            format!(r#"<item identifier="i{n}" identifierref="r"{more}><title>{n}</title></item>"#)
        })
        .collect();
    let read = parse(with(NAMES, "", &items, RESOURCE).as_bytes(), 500, there).unwrap();
    assert_eq!(
        read.lessons.iter().map(|lesson| lesson.id.as_str()).collect::<Vec<_>>(),
        ["i0", "i2"]
    );
}

#[test]
fn utf_16_is_read_and_other_encodings_are_not() {
    let text = with(NAMES, "", ITEM, RESOURCE)
        .replace("UTF-8", "UTF-16")
        .replace("Tides", "Gezeiten: äöü");
    let little: Vec<u8> =
        [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> =
        [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    for bytes in [little, big] {
        assert_eq!(parse(&bytes, 500, there).unwrap().lessons[0].title, "Gezeiten: äöü");
    }
    let latin: Vec<u8> =
        text.chars().map(|sign| u8::try_from(u32::from(sign)).unwrap_or(b'?')).collect();
    assert!(matches!(parse(&latin, 500, there), Err(PackageError::BadManifest(_))));
}

#[test]
fn manifests_that_are_none() {
    let item_elsewhere = ITEM.replace("\"r\"", "\"other\"");
    let hrefless = r#"<resource identifier="r"/>"#;
    let common = "<metadata><schema>IMS Common Cartridge</schema><schemaversion>1.1.0</schemaversion></metadata>";
    let entity = with(NAMES, "", ITEM, RESOURCE).replace(
        "<manifest ",
        "<!DOCTYPE manifest [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]>\n<manifest ",
    );
    let deep = "<item>".repeat(40) + &"</item>".repeat(40);
    for (manifest, why) in [
        ("", "cannot be read"),
        ("<manifest", "cannot be read"),
        ("not xml", "cannot be read"),
        ("<lesson/>", "but \"lesson\""),
        ("<manifest/>", "no lesson"),
        (&entity, "cannot be read"),
        (&with(NAMES, common, ITEM, RESOURCE), "Common Cartridge"),
        (&with(NAMES, "", "", RESOURCE), "no lesson"),
        (&with(NAMES, "", ITEM, hrefless), "no lesson"),
        (&with(NAMES, "", &item_elsewhere, RESOURCE), "no such file"),
        (&with(NAMES, "", &deep, RESOURCE), "too deep"),
        (&with(NAMES, "", &ITEM.repeat(502), RESOURCE), "more than 500"),
        (
            &with(NAMES, "", ITEM, &RESOURCE.replace("index.html", "../x.html")),
            "is not in the package",
        ),
        (
            &with(NAMES, "", ITEM, &RESOURCE.replace("index.html", "https://evil.example/")),
            "is not in the package",
        ),
    ] {
        assert!(said(manifest).contains(why), "{why}: {}", said(manifest));
    }
    let gone = parse(with(NAMES, "", ITEM, RESOURCE).as_bytes(), 500, |_| false);
    assert!(matches!(gone, Err(PackageError::Missing(_))));
}

#[test]
fn numbers_that_are_none_are_left_out() {
    for (score, read) in [
        ("70", Some(70.0)),
        ("0", Some(0.0)),
        ("101", None),
        ("-1", None),
        ("7,5", None),
        ("NaN", None),
        ("", None),
    ] {
        let item = format!(
            r#"<item identifier="i" identifierref="r"><adlcp:masteryscore>{score}</adlcp:masteryscore></item>"#
        );
        let lesson = parse(with(NAMES, "", &item, RESOURCE).as_bytes(), 500, there)
            .unwrap()
            .lessons
            .remove(0);
        assert_eq!((lesson.mastery, lesson.title.as_str()), (read, "i"), "{score}");
    }
}

/// Neither the parser nor what follows it may run out of stack.
#[test]
fn a_hundred_thousand_elements_in_one_another() {
    let manifest =
        format!("<manifest>{}{}</manifest>", "<a>".repeat(90_000), "</a>".repeat(90_000));
    let read =
        std::thread::Builder::new().stack_size(512 << 10).spawn(move || said(&manifest)).unwrap();
    assert!(!read.join().unwrap().is_empty());
}
