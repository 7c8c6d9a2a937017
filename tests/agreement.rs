//! What stands in two places says the same in both.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use common::repository;
use keycask::Status;

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|cause| panic!("{path}: {cause}"))
}

/// The header without its comments.
fn header() -> String {
    let mut rest = read("include/keycask.h");
    let mut code = String::new();
    while let Some((before, comment)) = rest.split_once("/*") {
        code += before;
        rest = comment.split_once("*/").expect("the end of a comment").1.to_string();
    }
    code + &rest
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The words that stand before an opening parenthesis in C code outside of macros.
fn called(code: &str) -> BTreeSet<String> {
    let code: String = code.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let pieces: Vec<&str> = code.split('(').collect();
    pieces[..pieces.len() - 1].iter().filter_map(|piece| words(piece).last()).map(String::from).collect()
}

/// The macros of the header, name and value.
fn macros() -> BTreeMap<String, String> {
    let code = header();
    let defined = code.lines().filter_map(|line| line.strip_prefix("#define "));
    defined
        .map(|macro_| {
            let (name, value) = macro_.split_once(' ').unwrap_or((macro_, ""));
            (name.to_string(), value.trim().trim_matches(['(', ')']).to_string())
        })
        .collect()
}

/// Every C function that `src/ffi` exports.
fn exported() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for name in common::names_in(&repository("src/ffi")).iter().filter(|name| name.ends_with(".rs")) {
        let source = read(&format!("src/ffi/{name}"));
        let marked = source.matches("#[unsafe(no_mangle)]").count();
        let functions = source.split("extern \"C\" fn ").skip(1).map(|rest| words(rest).next().unwrap().to_string());
        let before = names.len();
        names.extend(functions);
        assert_eq!(names.len() - before, marked, "{name}: as many functions as are exported");
    }
    names
}

#[test]
fn the_header_and_the_status_type_name_the_same_numbers() {
    let in_header: BTreeMap<String, String> =
        macros().into_iter().filter(|(name, _)| name.starts_with("KC_E_")).collect();
    let in_source = Status::ALL.iter().map(|status| (status.name().to_string(), status.code().to_string())).collect();
    assert_eq!(in_header, in_source);
    assert_eq!(in_header.len(), Status::ALL.len(), "a number or a name stands twice");
    let numbers: BTreeSet<i32> = Status::ALL.iter().map(|status| status.code()).collect();
    assert!(numbers.len() == Status::ALL.len() && numbers.iter().all(|number| *number < 0));
}

#[test]
fn the_errors_document_names_every_status_and_no_other() {
    let document = read("docs/errors.md");
    let named: BTreeSet<&str> = words(&document).filter(|word| word.starts_with("KC_E_")).collect();
    let known: BTreeSet<&str> = Status::ALL.iter().map(|status| status.name()).collect();
    assert_eq!(named, known);
}

#[test]
fn the_header_declares_what_the_source_exports_and_no_more() {
    let declared: BTreeSet<String> =
        called(&header()).into_iter().filter(|name| name != "__attribute__" && name != "defined").collect();
    assert_eq!(declared, exported());
    assert!(declared.contains("kc_open") && declared.contains("kc_master_key_decode"));
}

#[test]
fn every_name_of_the_header_begins_with_kc() {
    let code = header();
    let typedefs = code.split("typedef ").skip(1).map(|rest| {
        // The name stands before the first ';' outside of braces.
        let end = rest.find('}').map_or(0, |brace| if rest[..brace].contains('{') { brace } else { 0 });
        let end = if rest.find(';') < rest.find('{') { 0 } else { end };
        words(rest[end..].split(';').next().unwrap()).last().unwrap()
    });
    let tags = code.split("struct ").skip(1).map(|rest| words(rest).next().unwrap());
    let types: BTreeSet<&str> = typedefs.chain(tags).collect();
    assert_eq!(
        types,
        BTreeSet::from([
            "kc_status",
            "kc_error",
            "kc_key",
            "kc_store",
            "kc_options",
            "kc_call",
            "kc_check_report",
            "kc_user_walk",
            "kc_user_info",
            "kc_store_stats",
        ]),
        "the types that were found"
    );
    let macros = macros();
    assert!(macros.len() > 40, "{macros:?}");
    for name in macros.keys() {
        assert!(name.starts_with("KC_"), "macro {name}");
    }
    for name in called(&code) {
        assert!(name.starts_with("kc_") || name == "__attribute__", "function {name}");
    }
    for word in ["enum", "union", "extern", "static", "inline"] {
        let found = words(&code).filter(|it| *it == word).count();
        assert_eq!(found, usize::from(word == "extern"), "{word} makes names that this test does not see");
    }
}

#[test]
#[cfg(feature = "capi")]
fn every_status_has_a_text_and_any_number_too() {
    use common::c::status_text;
    let texts: BTreeSet<String> = Status::ALL
        .iter()
        .map(|status| {
            assert_eq!(status_text(status.code()), status.text().to_str().unwrap());
            status_text(status.code())
        })
        .chain([0, 1, 2].map(status_text))
        .collect();
    assert_eq!(texts.len(), Status::ALL.len() + 3, "two statuses share a text");
    for number in [3, -22, -98, -100, i32::MIN, i32::MAX] {
        assert_eq!(status_text(number), "unknown status");
    }
}

#[test]
#[cfg(feature = "capi")]
fn the_library_has_the_version_of_its_package_and_the_abi_of_its_soname() {
    use keycask::ffi::library::{kc_abi_version, kc_version};
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap().trim_matches('"');
    assert_eq!(common::c::static_text(kc_version()), version);
    assert!(read("build.rs").contains(&format!("-soname,libkeycask.so.{}\"", kc_abi_version())));
}

#[test]
fn the_changelogs_newest_version_is_the_packages() {
    let changelog = read("CHANGELOG.md");
    let newest = changelog.lines().find_map(|line| {
        let title = line.strip_prefix("## ")?.trim_start_matches(['[', 'v']);
        title.starts_with(|c: char| c.is_ascii_digit()).then(|| title.split([']', ' ']).next().unwrap())
    });
    assert_eq!(newest, Some(env!("CARGO_PKG_VERSION")));
}
