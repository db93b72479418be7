//! The kernel's own words in the output of the process that runs cells (evcxr 0.22), and ours.

/// The process has done with the cell.
pub const DONE: &str = "EVCXR_EXECUTION_COMPLETE";

/// Begins a display; a space and its MIME type follow.
pub const BEGIN: &str = "EVCXR_BEGIN_CONTENT ";

/// Ends a display.
pub const END: &str = "EVCXR_END_CONTENT";

/// An early end by `?`, and by a panic.
const FAILURES: [&str; 2] = ["EVCXR_ERROR_OCCURRED", "EVCXR_PANIC_NOTIFICATION"];

/// A variable has another type now; a question to the reader. Something follows both.
const OTHERS: [&str; 2] = ["EVCXR_VARIABLE_CHANGED_TYPE:", "EVCXR_INPUT_REQUEST"];

/// Told to the reader of a cell that ended early.
pub const FAILED: &str = "This cell ended early. What it was to define is not there, nor what it \
    had moved; all other variables are. Jupyter takes it for done, so Run All goes on.";

/// Told to the reader when the process can say nothing more.
pub const MUTE: &str = "Standard output was closed, so nothing more could be heard from the process \
    of the cells, and it was ended.";

/// Told to the reader when the process has ended.
pub const ENDED: &str = "The process of the cells has ended, and all variables with it. The next \
    cell starts a new one: Run → Run All Above Selected Cell brings the variables back. (Signal \
    11 is mostly a function that calls itself without end; signal 6 an abort; signal 9 the ■ \
    button, or too little memory.)";

/// One of the kernel's words.
#[derive(Debug, PartialEq)]
pub enum Word<'a> {
    Begin(&'a str),
    End,
    Done,
    Failed(&'a str),
    Other(&'a str),
}

/// The first word of the kernel's in a line, with the text before it.
pub fn find(line: &str) -> Option<(&str, Word<'_>)> {
    // Most lines have none.
    line.contains("EVCXR_").then_some(())?;
    let last = [END, DONE].into_iter().chain(FAILURES);
    // These take the rest of the line, so they are only words at its end.
    let whole = last.filter_map(|word| {
        let at = line.strip_suffix(word)?.len();
        let found = match word {
            END => Word::End,
            DONE => Word::Done,
            _ => Word::Failed(&line[at..]),
        };
        Some((at, found))
    });
    let begun = line.find(BEGIN).map(|at| (at, Word::Begin(line[at + BEGIN.len()..].trim())));
    let others = OTHERS.into_iter().filter_map(|word| {
        let at = line.find(word)?;
        Some((at, Word::Other(&line[at..])))
    });
    let (at, word) = whole.chain(begun).chain(others).min_by_key(|(at, _)| *at)?;
    Some((&line[..at], word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_wherever_the_line_before_them_was_left_open() {
        for (line, before, word) in [
            ("EVCXR_EXECUTION_COMPLETE", "", Word::Done),
            ("50 %EVCXR_EXECUTION_COMPLETE", "50 %", Word::Done),
            ("progressEVCXR_ERROR_OCCURRED", "progress", Word::Failed("EVCXR_ERROR_OCCURRED")),
            ("ü EVCXR_BEGIN_CONTENT text/html", "ü ", Word::Begin("text/html")),
            (
                "xEVCXR_VARIABLE_CHANGED_TYPE:kept",
                "x",
                Word::Other("EVCXR_VARIABLE_CHANGED_TYPE:kept"),
            ),
            ("EVCXR_END_CONTENT", "", Word::End),
        ] {
            assert_eq!(find(line), Some((before, word)), "{line}");
        }
    }

    #[test]
    fn what_a_reader_prints_about_the_kernel_stays_text() {
        for line in ["", "EVCXR_TMPDIR=/x", "EVCXR_END_CONTENT ends a display"] {
            assert_eq!(find(line), None, "{line}");
        }
    }
}
