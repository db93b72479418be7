//! Are the chapters well formed? `exercises` runs them.

use crate::common::{SETUP, chapters, exercise_of, name_of, read_json, tagged, text};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;

const LARGEST_FILE: u64 = 1_500_000;
/// Most of them folded away, in a chapter of two lanes.
const MOST_CODE_CELLS: usize = 70;
const LONGEST_CELL: usize = 30;
const FEWEST_EXERCISES: usize = 2;

/// What a cell that one can read is: see CONTRIBUTING for why. Exercises, checks and solutions are cells
/// of their own kind.
const FIRST_LANE: usize = 12;
const FURTHER: &str = "## Going further";
const MEDIAN_LINES: usize = 8;
const VISIBLE_LINES: usize = 16;
const WIDEST_LINE: usize = 92;

/// Without a kernel: everything that can be seen from the files.
#[test]
fn every_chapter_is_well_formed() {
    let mut faults = Vec::new();
    for path in chapters() {
        let found = faults_of(&path);
        let name = name_of(&path);
        faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn faults_of(path: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    let size = std::fs::metadata(path).unwrap().len();
    if size > LARGEST_FILE {
        faults.push(format!("{size} bytes, more than {LARGEST_FILE}"));
    }
    let chapter = read_json(path);
    faults.extend(form(&chapter));
    faults.extend(content(&chapter));
    faults.extend(exercises(&chapter));
    faults.extend(readable(&chapter));
    faults
}

/// Two lanes, cells that one can read, and Python that is Python.
fn readable(chapter: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let heading =
        |cell: &Value| text(&cell["source"]).lines().next().unwrap_or_default().to_owned();
    let further = cells(chapter).iter().position(|cell| heading(cell) == FURTHER);
    if further.is_none() {
        faults.push(format!("has no heading “{FURTHER}”"));
    }
    let of_an_exercise =
        |cell: &Value| ["exercise", "check", "solution"].iter().any(|tag| tagged(cell, tag));
    let (mut in_first_lane, mut lengths) = (0, Vec::new());
    for (number, cell) in cells(chapter).iter().enumerate() {
        let source = text(&cell["source"]);
        if cell["cell_type"] != json!("code") {
            let topic = further.is_some_and(|at| number > at)
                && (heading(cell).starts_with("## ") || heading(cell).starts_with("### "));
            if topic && cell["metadata"]["jp-MarkdownHeadingCollapsed"] != json!(true) {
                faults.push(format!("cell {number}, “{}”, is not folded", heading(cell)));
            }
            continue;
        }
        for line in source.lines().filter(|line| line.chars().count() > WIDEST_LINE) {
            let start: String = line.chars().take(40).collect();
            faults.push(format!("cell {number} is wider than {WIDEST_LINE}: {start} …"));
        }
        for program in python_programs(&source) {
            if let Some(why) = refused_by_python(program) {
                faults.push(format!("cell {number} has Python that is none: {why}"));
            }
        }
        if of_an_exercise(cell) || is_folded(cell) {
            continue;
        }
        in_first_lane += usize::from(further.is_none_or(|at| number < at));
        let lines = source.lines().count();
        lengths.push(lines);
        if lines > VISIBLE_LINES {
            faults.push(format!("cell {number} has {lines} visible lines"));
        }
    }
    if in_first_lane > FIRST_LANE {
        faults.push(format!("{in_first_lane} code cells in its first lane"));
    }
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
    if median > MEDIAN_LINES {
        faults.push(format!("half of its visible cells have {median} lines or more"));
    }
    faults
}

/// The programs that a cell hands to Python.
fn python_programs(source: &str) -> Vec<&str> {
    let calls = source.split("python(r#\"").skip(1);
    calls.filter_map(|call| Some(call.split_once("\"#")?.0)).collect()
}

/// Why Python's own parser refuses a program; `None` also where there is no Python.
fn refused_by_python(program: &str) -> Option<String> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut python = Command::new("python3");
    python.args(["-c", "import ast, sys; ast.parse(sys.stdin.read())"]);
    python.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = python.spawn().ok()?;
    child.stdin.take()?.write_all(program.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then(|| errors.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn a_chapter_that_cannot_be_read_is_found_out() {
    let markdown = |source: &str, folded: bool| {
        json!({ "cell_type": "markdown", "source": source,
                "metadata": { "jp-MarkdownHeadingCollapsed": folded } })
    };
    let code = |source: &str| json!({ "cell_type": "code", "metadata": {}, "source": source });
    let mut cells = vec![markdown("# A chapter", false)];
    cells.extend((0..13).map(|_| code(&"1;\n".repeat(9))));
    cells.extend([
        markdown(FURTHER, true),
        markdown("### Folded", true),
        markdown("### Open", false),
        code(&"1;\n".repeat(17)),
        code(&format!("// {}", "x".repeat(90))),
        code("python(r#\"\nx = (\n\"#).run()?; python(r#\"y = 1\"#).run()?"),
    ]);
    let faults = readable(&json!({ "cells": cells })).join("\n");
    for fault in [
        "“### Open”, is not folded",
        "cell 17 has 17 visible lines",
        "cell 18 is wider than 92",
        "cell 19 has Python that is none: SyntaxError",
        "13 code cells in its first lane",
        "half of its visible cells have 9 lines",
    ] {
        assert!(faults.contains(fault), "{fault} is not in\n{faults}");
    }
    assert_eq!(faults.lines().count(), 6, "{faults}");
    let none = readable(&json!({ "cells": [code("1")] }));
    assert_eq!(none, [format!("has no heading “{FURTHER}”")]);
}

/// What nbformat 4.5 and JupyterLab ask for, and the setup cell.
fn form(chapter: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if chapter["nbformat"] != json!(4) || chapter["nbformat_minor"] != json!(5) {
        faults.push("is not nbformat 4.5".to_owned());
    }
    if chapter["metadata"]["kernelspec"]["name"] != json!("rust") {
        faults.push("its kernelspec is not `rust`".to_owned());
    }
    if !chapter["metadata"]["language_info"]["mimetype"].is_string() {
        faults.push("JupyterLab would change it on opening: it has no language_info".to_owned());
    }
    if !chapter["metadata"]["workbook"]["saved_on"].is_string() {
        faults.push("has never been saved by `cargo workbook run --save`".to_owned());
    }
    let mut ids = HashSet::new();
    for (number, cell) in cells(chapter).iter().enumerate() {
        let id = cell["id"].as_str().unwrap_or_default();
        if id.is_empty() || !ids.insert(id) {
            faults.push(format!("cell {number} has no id of its own (“{id}”)"));
        }
        if !cell["metadata"]["execution"].is_null() {
            faults.push(format!("cell {number} holds the times of a run in JupyterLab"));
        }
        let outputs_fit = match cell["cell_type"].as_str() {
            Some("code") => cell["outputs"].is_array(),
            Some("markdown" | "raw") => cell["outputs"].is_null(),
            _ => false,
        };
        if !outputs_fit {
            faults.push(format!("cell {number} is not a cell of nbformat 4.5"));
        }
    }
    let first = code_cells(chapter).next().map(|cell| text(&cell["source"]));
    let first = first.unwrap_or_default();
    // Derives need serde in the cells' own crate; topics follow the prelude.
    let (topics, lines): (Vec<&str>, Vec<&str>) =
        first.trim().lines().filter(|line| !line.starts_with(":dep serde")).partition(|line| {
            line.starts_with("use helpers::") && !line.starts_with("use helpers::prelude")
        });
    let too_wide = topics.iter().any(|line| line.chars().count() > WIDEST_LINE);
    if lines.join("\n") != SETUP || too_wide {
        faults.push(format!("its first code cell is not the setup cell:\n{first}"));
    }
    faults
}

/// Cells short enough to read, and nothing of the machine that they were written on.
fn content(chapter: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let count = code_cells(chapter).count();
    if count > MOST_CODE_CELLS {
        faults.push(format!("{count} code cells, more than {MOST_CODE_CELLS}"));
    }
    for (number, cell) in cells(chapter).iter().enumerate() {
        let source = text(&cell["source"]);
        let lines = source.lines().count();
        let folded = is_folded(cell);
        let longest = if folded { 2 * LONGEST_CELL } else { LONGEST_CELL };
        if cell["cell_type"] == json!("code") && lines > longest {
            faults.push(format!("cell {number} has {lines} lines"));
        }
        let mut seen = source;
        for output in cell["outputs"].as_array().into_iter().flatten() {
            seen += &output_text(output);
        }
        for place in ["/home/", "/root/", "/work/", "/tmp/", "/Users/"] {
            if let Some(at) = seen.find(place) {
                let around: String = seen[at..].chars().take(60).collect();
                faults.push(format!("cell {number} names a place on one machine: {around}"));
            }
        }
        // Chapters are saved where everything is installed.
        if seen.contains("Not run here:") {
            faults.push(format!("cell {number} was saved where it could not run"));
        }
        if let Some(emoji) = seen.chars().find(|&c| is_emoji(c)) {
            faults.push(format!("cell {number} has an emoji: {emoji}"));
        }
    }
    faults
}

/// All text of an output, without encoded pictures, in which anything may stand by chance.
fn output_text(output: &Value) -> String {
    let mut all = text(&output["text"]) + &text(&output["evalue"]) + &text(&output["traceback"]);
    for (kind, data) in output["data"].as_object().into_iter().flatten() {
        if !kind.starts_with("image/png") && !kind.starts_with("image/jpeg") {
            all += &text(data);
        }
    }
    let mut plain = String::new();
    let mut rest = all.as_str();
    while let Some(at) = rest.find("base64,") {
        plain += &rest[..at];
        let encoded = &rest[at + "base64,".len()..];
        let end = encoded
            .find(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c))
            .unwrap_or(encoded.len());
        rest = &encoded[end..];
    }
    plain + rest
}

fn is_emoji(c: char) -> bool {
    match c {
        '✓' | '✗' => false,
        '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}' | '\u{fe0f}' | '\u{2b50}' => true,
        _ => false,
    }
}

/// Each exercise: the stub, then its check, and later a solution that is folded away.
fn exercises(chapter: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let cells: Vec<&Value> = code_cells(chapter).collect();
    let mut ids = HashSet::new();
    for (at, cell) in cells.iter().enumerate() {
        if !tagged(cell, "exercise") {
            continue;
        }
        let id = exercise_of(cell);
        if id.is_empty() || !ids.insert(id.clone()) {
            faults.push(format!("an exercise has no id of its own (“{id}”)"));
        }
        let check = cells.get(at + 1);
        if !check.is_some_and(|cell| tagged(cell, "check") && exercise_of(cell) == id) {
            faults.push(format!("exercise “{id}” is not followed by its check"));
        }
        let solution =
            cells[at..].iter().find(|cell| tagged(cell, "solution") && exercise_of(cell) == id);
        match solution {
            None => faults.push(format!("exercise “{id}” has no solution after it")),
            Some(cell) if !is_folded(cell) => {
                faults.push(format!("the solution of “{id}” is not folded away"));
            }
            Some(_) => {}
        }
    }
    for cell in &cells {
        let belongs = tagged(cell, "check") || tagged(cell, "solution");
        if belongs && !ids.contains(&exercise_of(cell)) {
            faults.push(format!(
                "a check or solution belongs to no exercise (“{}”)",
                exercise_of(cell)
            ));
        }
    }
    if ids.len() < FEWEST_EXERCISES {
        faults.push(format!("{} exercises", ids.len()));
    }
    faults
}

/// The last chapter asks for chapters by name: a file that was renamed would just be missing.
#[test]
fn the_last_chapter_asks_for_every_chapter_that_has_results() {
    let all = chapters();
    let Some(last) = all.iter().find(|path| name_of(path).starts_with("08-")) else {
        return;
    };
    let last = read_json(last);
    let asked: String = code_cells(&last).map(|cell| text(&cell["source"])).collect();
    for path in &all {
        let (name, chapter) = (name_of(path), read_json(path));
        // A claim about a comparison keeps what it compares.
        let keeps = code_cells(&chapter).any(|cell| text(&cell["source"]).contains(".claim("));
        let own = name.trim_end_matches(".ipynb");
        assert!(
            !keeps || own.starts_with("08-") || asked.contains(&format!("\"{own}\"")),
            "chapter 08 does not ask for the results of {name}"
        );
    }
}

/// Whether a reader sees a cell's source only after unfolding it.
fn is_folded(cell: &Value) -> bool {
    cell["metadata"]["jupyter"]["source_hidden"] == json!(true)
}

fn cells(chapter: &Value) -> &[Value] {
    chapter["cells"].as_array().map_or(&[], Vec::as_slice)
}

fn code_cells(chapter: &Value) -> impl Iterator<Item = &Value> {
    let code = |cell: &&Value| cell["cell_type"] == json!("code");
    cells(chapter).iter().filter(code)
}

#[test]
fn a_badly_formed_chapter_is_found_out() {
    let bad = json!({
        "nbformat": 4,
        "nbformat_minor": 4,
        "metadata": { "kernelspec": { "name": "python3" } },
        "cells": [
            { "id": "a", "cell_type": "code", "metadata": {}, "outputs": [], "source": ["let a = ", "1;"] },
            { "id": "a", "cell_type": "code", "metadata": { "tags": ["exercise"], "workbook": { "exercise": "one" } },
              "outputs": [{ "output_type": "stream", "name": "stdout", "text": ["in /home/", "me \u{1f600} Not run here: no"] }], "source": "" },
            { "id": "b", "cell_type": "code", "metadata": { "tags": ["solution"], "workbook": { "exercise": "one" } },
              "outputs": [], "source": "1;\n".repeat(31) },
            { "id": "c", "cell_type": "code", "metadata": { "tags": ["check"], "workbook": { "exercise": "two" } },
              "outputs": [{ "output_type": "display_data", "metadata": {},
                            "data": { "text/html": "<img src=\"data:image/svg+xml;base64,/tmp/AAA\">" } }],
              "source": "" },
        ],
    });
    let faults = [form(&bad), content(&bad), exercises(&bad)].concat();
    let expected = [
        "is not nbformat 4.5",
        "its kernelspec is not `rust`",
        "it has no language_info",
        "has never been saved",
        "cell 1 has no id of its own (“a”)",
        "its first code cell is not the setup cell",
        "names a place on one machine: /home/me",
        "cell 1 was saved where it could not run",
        "cell 1 has an emoji",
        "cell 2 has 31 lines",
        "exercise “one” is not followed by its check",
        "the solution of “one” is not folded away",
        "belongs to no exercise (“two”)",
        "1 exercises",
    ];
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.contains(expected), "{faults:#?}");
    }
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
}
