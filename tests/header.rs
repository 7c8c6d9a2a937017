//! `include/keycask.h` is what is made from `src/ffi`: the hand-written first page, then each module's constants, types and
//! functions as cbindgen writes them, under the module's title.
//!
//! `KEYCASK_BLESS=1 cargo test --test header` writes it.

use std::path::{Path, PathBuf};
use std::{env, fs};

use cbindgen::{Builder, Config, DocumentationStyle, Language, Layout, SortKey, Style};

/// The header's groups: modules of `src/ffi`, in order.
const GROUPS: [&str; 13] = [
    "status",
    "error",
    "lengths",
    "objects",
    "options",
    "call",
    "library",
    "store",
    "secrets",
    "keys",
    "master_key",
    "operations",
    "census",
];

/// What C needs besides, and no Rust item stands for.
fn macros(module: &str) -> &'static str {
    match module {
        "options" => "\n/** Every field at its default. */\n#define KC_OPTIONS_INIT { sizeof(kc_options), 0, 0, 0 }\n",
        "call" => "\n/** No flags. */\n#define KC_CALL_INIT { sizeof(kc_call), 0, NULL, 0 }\n",
        "census" => {
            "
/** Nothing found yet. */
#define KC_CHECK_REPORT_INIT { sizeof(kc_check_report), 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 }, { 0 }, { 0 } }
/** Before the first user. */
#define KC_USER_WALK_INIT { sizeof(kc_user_walk), 0, { 0 } }
/** Nothing known yet. */
#define KC_USER_INFO_INIT { sizeof(kc_user_info), 0, 0, 0, 0, { 0 } }
/** Nothing counted yet. */
#define KC_STORE_STATS_INIT { sizeof(kc_store_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
"
        }
        _ => "",
    }
}

const END: &str = "
#ifdef __cplusplus
}
#endif

#endif /* KC_KEYCASK_H */
";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn made() -> String {
    let ffi = root().join("src/ffi");
    let mut header = fs::read_to_string(ffi.join("front_page.h")).unwrap();
    for module in GROUPS {
        header += &group(&ffi.join(module).with_extension("rs"));
        header += macros(module);
    }
    header += END;
    let widest = header.lines().max_by_key(|line| line.chars().count()).unwrap();
    assert!(widest.chars().count() <= 120, "wider than 120 columns: {widest}");
    header
}

/// A module's title as a banner, and its items.
fn group(source: &Path) -> String {
    let text = fs::read_to_string(source).unwrap();
    let title = text.lines().next().and_then(|line| line.strip_prefix("//! ")).expect("a title in the first line");
    let banner = "-".repeat(112 - title.chars().count());
    let mut items = Vec::new();
    let config = Config {
        language: Language::C,
        style: Style::Both,
        no_includes: true,
        usize_is_size_t: true,
        line_length: 112,
        documentation_style: DocumentationStyle::Doxy,
        function: cbindgen::FunctionConfig {
            must_use: Some("KC_MUST_USE".into()),
            args: Layout::Auto,
            sort_by: Some(SortKey::None),
            ..Default::default()
        },
        constant: cbindgen::ConstantConfig { sort_by: Some(SortKey::None), ..Default::default() },
        export: cbindgen::ExportConfig {
            include: ["kc_store", "kc_key", "kc_status", "kc_error", "kc_options", "kc_call"].map(String::from).into(),
            ..Default::default()
        },
        ..Default::default()
    };
    Builder::new().with_src(source).with_config(config).generate().unwrap().write(&mut items);
    format!(
        "\n\n/* {title} {banner} */\n\n{}",
        tidied(&without_tags(String::from_utf8(items).unwrap().trim())).replace("KC_MUST_USE ", "KC_MUST_USE\n")
    )
}

/// Parameters by the names that C programs use: `kc_options *`, not `struct kc_options *`.
fn without_tags(items: &str) -> String {
    items
        .replace("typedef struct", "typedef STRUCT")
        .replace("struct kc_", "kc_")
        .replace("typedef STRUCT", "typedef struct")
}

/// Sets what cbindgen wrote as a person would: a comment of one line on one line; behind its constant or field, in a
/// column, where it fits.
fn tidied(items: &str) -> String {
    let lines: Vec<&str> = items.lines().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < lines.len() {
        let run = commented_run(&lines[at..]);
        if run.is_empty() {
            out += lines[at];
            out += "\n";
            at += 1;
            continue;
        }
        let width = run.iter().map(|(_, item)| item.len()).max().unwrap();
        for (comment, item) in &run {
            out += &format!("{item:width$}  /**< {comment} */\n");
        }
        at += run.len() * 4 + run.iter().filter(|(_, item)| item.starts_with('#')).count();
        at = at.min(lines.len());
        if run[0].1.starts_with('#') && at < lines.len() {
            out += "\n";
        }
    }
    out
}

/// The constants, or fields, that come next and have a comment of one line each.
fn commented_run(lines: &[&str]) -> Vec<(String, String)> {
    let mut run = Vec::new();
    let mut rest = lines;
    while let [open, text, close, item, ..] = rest {
        let is_item = item.starts_with("#define") || item.starts_with("  ") && item.ends_with(';');
        if open.trim() != "/**" || close.trim() != "*/" || !is_item {
            break;
        }
        let item = match item.rsplit_once(" -") {
            Some((name, digits)) if item.starts_with("#define") => format!("{name} (-{digits})"),
            _ => (*item).to_string(),
        };
        run.push((text.trim().trim_start_matches("* ").to_string(), item));
        rest = &rest[4..];
        if let [blank, ..] = rest
            && blank.is_empty()
        {
            rest = &rest[1..];
        }
    }
    run
}

#[test]
fn the_committed_header_is_what_the_source_makes() {
    let path = root().join("include/keycask.h");
    let made = made();
    if env::var_os("KEYCASK_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "include/keycask.h is stale: KEYCASK_BLESS=1 cargo test --test header");
}
