//! The real code behind a cell's call, shown in the notebook.

use platform::paths;
use std::fs;
use std::path::{Path, PathBuf};

/// Prints a function, a type or a constant of one of our crates as it stands in its file, with the
/// file, the line and its documentation. Colours are those of a terminal, which a notebook shows
/// whether it is trusted or not.
///
/// `name` is looked for in the whole crate; the first one is shown. What is not found is told with
/// the folder in which it was looked for.
///
/// ```
/// helpers::source::source("platform", "on_fresh_thread");
/// ```
pub fn source(package: &str, name: &str) {
    let folder = paths::root().join("helpers");
    // The façade's own files lie in the folder of all crates.
    let crate_folder = if package == "helpers" { folder } else { folder.join(package) };
    println!("{}", shown(&crate_folder, name));
}

fn shown(crate_folder: &Path, name: &str) -> String {
    let folder = crate_folder.join("src");
    for file in files(&folder) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Some((line, code)) = item(&text, name) {
            let place = paths::shown(&file);
            return format!("\u{1b}[1m{place}, line {line}\u{1b}[0m\n{}", coloured(&code));
        }
    }
    let folder = paths::shown(&folder);
    format!("– there is no {name} in {folder}; its files are the place to look")
}

/// All Rust files, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && !path.ends_with("tests.rs")
        {
            found.push(path);
        }
    }
    found
}

/// An item of this name with the comments above it, without the indentation of what it stands in;
/// and the number of its first line.
fn item(text: &str, name: &str) -> Option<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let declares = |line: &&str| {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let kinds = ["fn", "struct", "enum", "trait", "const", "static", "type"];
        let mut pairs = words.windows(2);
        !line.trim_start().starts_with("//")
            && pairs.any(|pair| kinds.contains(&pair[0]) && pair[1] == name)
    };
    let at = lines.iter().position(declares)?;
    let indent = lines[at].len() - lines[at].trim_start().len();
    let above = |line: &&&str| {
        let line = line.trim_start();
        line.starts_with("///") || line.starts_with("#[")
    };
    let start = at - lines[..at].iter().rev().take_while(above).count();
    // rustfmt puts an item's end at the indentation of its beginning.
    let ends = |line: &&str| {
        let own = line.len() - line.trim_start().len() == indent;
        own && (line.trim_end().ends_with('}') || line.trim_end().ends_with(';'))
    };
    let end = at + lines[at..].iter().position(ends)?;
    let cut = |line: &&str| line.get(indent..).unwrap_or("").to_owned();
    let code: Vec<String> = lines[start..=end].iter().map(cut).collect();
    Some((start + 1, code.join("\n")))
}

/// Comments grey, texts green, words of the language blue.
fn coloured(code: &str) -> String {
    const WORDS: [&str; 32] = [
        "as", "async", "await", "break", "const", "continue", "dyn", "else", "enum", "false", "fn",
        "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref",
        "return", "self", "static", "struct", "trait", "true", "use", "where", "while",
    ];
    let mut out = String::new();
    for line in code.lines() {
        let comment = line.find("//").filter(|at| line[..*at].matches('"').count() % 2 == 0);
        let (mut rest, comment) = line.split_at(comment.unwrap_or(line.len()));
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let end = match first {
                '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
                _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                _ => first.len_utf8(),
            };
            let (part, after) = rest.split_at(end);
            rest = after;
            match first {
                '"' => out += &format!("\u{1b}[32m{part}\u{1b}[0m"),
                _ if WORDS.contains(&part) => out += &format!("\u{1b}[34m{part}\u{1b}[0m"),
                _ => out += part,
            }
        }
        if !comment.is_empty() {
            out += &format!("\u{1b}[90m{comment}\u{1b}[0m");
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "use std::fs;\n\nimpl Wait {\n    /// Half of it.\n    #[inline]\n    pub const fn half(self) -> u64 {\n        self.0 / 2 // rounded \"down\"\n    }\n}\n\nconst LIMIT: u64 =\n    4;\nfn halves() {}\n";

    #[test]
    fn an_item_is_found_with_its_documentation_and_line() {
        let (line, code) = item(TEXT, "half").unwrap();
        assert_eq!(line, 4);
        assert_eq!(
            code,
            "/// Half of it.\n#[inline]\npub const fn half(self) -> u64 {\n    self.0 / 2 // rounded \"down\"\n}"
        );
        assert_eq!(item(TEXT, "halves").unwrap().1, "fn halves() {}");
        assert!(item(TEXT, "Half").is_none());
    }

    #[test]
    fn colours_change_nothing_but_the_look() {
        let plain = |text: &str| {
            let mut parts = text.split('\u{1b}');
            let first = parts.next().unwrap().to_owned();
            first + &parts.map(|part| part.split_once('m').unwrap().1).collect::<String>()
        };
        let coloured = coloured(TEXT);
        assert_eq!(plain(&coloured), TEXT);
        assert!(coloured.contains("\u{1b}[34mpub\u{1b}[0m"));
        assert!(coloured.contains("\u{1b}[90m// rounded \"down\"\u{1b}[0m"));
    }

    #[test]
    fn what_is_shown_is_the_real_file() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("platform");
        let found = shown(&folder, "on_fresh_thread");
        assert!(found.contains("platform/src/threads.rs, line 3"), "{found}");
        assert!(shown(&folder, "no_such_name").starts_with("– there is no no_such_name in"));
    }
}
