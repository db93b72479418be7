//! Does every cell of every chapter run, and do the checks accept the solutions and nothing else?
//!
//! For each chapter with exercises, `tests/wrong/NN-name.txt` holds wrong answers that a reader
//! might well give:
//!
//! ```text
//! ## the exercise's id
//! ### wrong because it forgets the last item
//! fn answer() -> u32 { … }
//! ### wrong because …
//! ```
//!
//! The chapter is run once, in a copy in which each check is followed by every wrong answer and,
//! after each, by the check again.

use crate::common::{
    Cell, Notebook, SETUP, chapters, code, exercise_of, leave_out, name_of, read_json, root, run,
    say, stdout_of, tagged,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const FEWEST_WRONG_ANSWERS: usize = 2;

/// A wrong answer to one exercise.
#[derive(Debug, Clone, PartialEq)]
struct Wrong {
    because: String,
    code: String,
}

/// Wrong answers by the exercise's id.
type WrongAnswers = BTreeMap<String, Vec<Wrong>>;

fn parse(text: &str) -> WrongAnswers {
    let mut answers = WrongAnswers::new();
    let mut exercise = String::new();
    for line in text.lines() {
        if let Some(because) = line.strip_prefix("### ") {
            let wrong = Wrong { because: because.trim().to_owned(), code: String::new() };
            answers.entry(exercise.clone()).or_default().push(wrong);
        } else if let Some(id) = line.strip_prefix("## ") {
            exercise = id.trim().to_owned();
            answers.entry(exercise.clone()).or_default();
        } else if let Some(wrong) = answers.get_mut(&exercise).and_then(|list| list.last_mut()) {
            wrong.code += line;
            wrong.code.push('\n');
        }
    }
    answers
}

/// What a cell of the copy must print.
#[derive(Debug)]
enum Expectation {
    Rejected(String),
    Accepted(String),
}

impl Expectation {
    fn fault(&self, printed: &str) -> Option<String> {
        let (yes, no) = (printed.contains('✓'), printed.contains('✗'));
        match self {
            Expectation::Rejected(what) if yes || !no => {
                Some(format!("{what} is not rejected; it printed: {printed:?}"))
            }
            // A check may find the machine too busy to tell, and says so with a dash.
            Expectation::Accepted(what) if no || !(yes || printed.contains("– ")) => {
                Some(format!("{what} is not accepted; it printed: {printed:?}"))
            }
            _ => None,
        }
    }
}

/// The copy of a chapter's cells with the wrong answers in it, and what each cell must print.
fn with_wrong_answers(
    cells: &[Value],
    answers: &WrongAnswers,
) -> (Vec<Value>, BTreeMap<usize, Expectation>) {
    let mut copy: Vec<Value> = Vec::new();
    let mut expectations = BTreeMap::new();
    for cell in cells {
        let id = exercise_of(cell);
        let is_check = tagged(cell, "check");
        if is_check {
            let what = format!("“{id}”: the unedited stub");
            expectations.insert(copy.len(), Expectation::Rejected(what));
        }
        if tagged(cell, "solution") {
            let what = format!("“{id}”: the solution");
            expectations.insert(copy.len(), Expectation::Accepted(what));
        }
        copy.push(cell.clone());
        if !is_check {
            continue;
        }
        let mut check = cell.clone();
        // A wrong answer may well panic, on a thread of its own too.
        check["metadata"]["tags"] = json!(["allow-stderr"]);
        // What was published is demanded of the chapter's own cells only.
        check["outputs"] = json!([]);
        for wrong in answers.get(&id).into_iter().flatten() {
            let mut answer = check.clone();
            answer["source"] = json!(wrong.code);
            copy.push(answer);
            let what = format!("“{id}”: the answer that is {}", wrong.because);
            expectations.insert(copy.len(), Expectation::Rejected(what));
            copy.push(check.clone());
        }
    }
    (copy, expectations)
}

/// Runs the copy and says what is wrong with the checks.
fn faults_of(name: &str, cells: &[Value], answers: &WrongAnswers) -> Vec<String> {
    let ids: Vec<String> =
        cells.iter().filter(|cell| tagged(cell, "exercise")).map(exercise_of).collect();
    let mut faults = Vec::new();
    for id in &ids {
        let count = answers.get(id).map_or(0, Vec::len);
        if count < FEWEST_WRONG_ANSWERS {
            faults.push(format!(
                "“{id}” has {count} wrong answers in tests/wrong, fewer than {FEWEST_WRONG_ANSWERS}"
            ));
        }
    }
    for id in answers.keys().filter(|id| !ids.contains(id)) {
        faults.push(format!("tests/wrong names “{id}”, which is no exercise"));
    }
    let (copy, expectations) = with_wrong_answers(cells, answers);
    let notebook = Notebook::of_values(name, copy);
    let ran = run(&notebook, &["--save", "--timeout", "600"]);
    say(&ran.stdout);
    for line in ran.stdout.lines() {
        if let Some(left_out) = line.strip_prefix("– left out: ") {
            // The numbers are the copy's: the reason counts.
            let why = left_out.split_once(": ").map_or(left_out, |(_, why)| why);
            leave_out(&format!("cells of {name}.ipynb"), why);
        }
    }
    if ran.code != Some(0) {
        faults.push(format!("a cell failed:\n{}", ran.stdout));
        return faults;
    }
    let executed = notebook.read();
    for (at, expectation) in &expectations {
        faults.extend(expectation.fault(&stdout_of(&executed["cells"][at])));
    }
    faults
}

fn wrong_answers_for(chapter: &Path) -> PathBuf {
    let name = name_of(chapter).replace(".ipynb", ".txt");
    root().join("helpers/workbook/tests/wrong").join(name)
}

/// One test for each chapter, which can be run by its name, as `chapter_07b`.
macro_rules! tests_of_chapters {
    ($($test:ident $number:literal)*) => {
        $(
            #[test]
            fn $test() {
                every_cell_runs_and_the_checks_tell_answers_apart($number);
            }
        )*

        #[test]
        fn every_chapter_has_a_test() {
            let tested = [$($number),*];
            let names: Vec<String> = chapters().iter().map(|path| name_of(path)).collect();
            let numbers: Vec<&str> = names.iter().flat_map(|name| name.split('-').next()).collect();
            assert_eq!(numbers, tested);
        }
    };
}

tests_of_chapters! {
    chapter_00 "00"
    chapter_01 "01"
    chapter_02 "02"
    chapter_03 "03"
    chapter_04 "04"
    chapter_05 "05"
    chapter_06 "06"
    chapter_07a "07a"
    chapter_07b "07b"
    chapter_08 "08"
}

fn every_cell_runs_and_the_checks_tell_answers_apart(number: &str) {
    let prefix = format!("{number}-");
    let all = chapters();
    let chapter = all.iter().find(|path| name_of(path).starts_with(&prefix)).expect("the chapter");
    let notebook = read_json(chapter);
    let answers = parse(&fs::read_to_string(wrong_answers_for(chapter)).unwrap_or_default());
    let name = name_of(chapter);
    let cells = notebook["cells"].as_array().unwrap();
    let faults = faults_of(name.trim_end_matches(".ipynb"), cells, &answers);
    assert!(faults.is_empty(), "{name}:\n{}", faults.join("\n"));
}

#[test]
fn every_file_of_wrong_answers_belongs_to_a_chapter() {
    let known: Vec<PathBuf> = chapters().iter().map(|c| wrong_answers_for(c)).collect();
    let folder = root().join("helpers/workbook/tests/wrong");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "txt") {
            assert!(known.contains(&path), "{} has no chapter", path.display());
        }
    }
}

#[test]
fn wrong_answers_are_read_with_their_reasons() {
    let answers = parse(
        "A preface.\n## one\n### wrong because a\nfn f() {}\n\nfn g() {}\n### wrong because b\n1\n## two\n",
    );
    assert_eq!(answers.len(), 2);
    assert_eq!(answers["one"].len(), 2);
    assert_eq!(answers["one"][0].because, "wrong because a");
    assert_eq!(answers["one"][0].code, "fn f() {}\n\nfn g() {}\n");
    assert!(answers["two"].is_empty());
}

/// The test above on a chapter whose first check is good, and whose second accepts anything.
#[test]
fn a_check_that_accepts_a_wrong_answer_is_found_out() {
    let exercise = |id: &str, check: &str, right: &str| {
        [
            code(&format!("fn {id}(n: u32) -> u32 {{ todo!() }}")).tag("exercise").exercise(id),
            code(&format!("fn check_{id}() -> bool {{ {check} }}\ncheck_{id}();"))
                .tag("check")
                .exercise(id),
            code(&format!("fn {id}(n: u32) -> u32 {{ {right} }}\ncheck_{id}();"))
                .tag("solution")
                .exercise(id),
        ]
    };
    let good = exercise(
        "double",
        "check(\"double\", || match double(21) { 42 => Ok(\"yes\".into()), n => Err(format!(\"{n}\")) })",
        "2 * n",
    );
    let bad = exercise(
        "half",
        "check(\"half\", || match half(2) { 1 | 2 => Ok(\"yes\".into()), n => Err(format!(\"{n}\")) })",
        "n + 40",
    );
    let cells: Vec<Value> =
        [code(SETUP)].into_iter().chain(good).chain(bad).map(Cell::into_value).collect();
    let answers = parse(
        "## double\n### wrong because of one less\nfn double(n: u32) -> u32 { n + n - 1 }\n\
         ### wrong because it panics\nfn double(n: u32) -> u32 { panic!(\"no\") }\n\
         ## half\n### wrong because it is the same\nfn half(n: u32) -> u32 { n }\n\
         ## unknown\n",
    );
    let faults = faults_of("checks", &cells, &answers);
    let expected = [
        "“half” has 1 wrong answers",
        "names “unknown”, which is no exercise",
        "“half”: the answer that is wrong because it is the same is not rejected",
        "“half”: the solution is not accepted",
    ];
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.contains(expected), "{faults:#?}");
    }
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
}
