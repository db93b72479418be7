//! What a cluster answers: a table, a report of its processes, or that it is not there.

use super::Why;
use figures::display::{escape, show};
use measure::Timing;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;

/// More rows than this are not shown; all of them are there.
const MOST_ROWS: usize = 20;

/// The table that a query gave.
#[derive(Clone)]
pub struct Answer {
    /// Or what a reader is told, where there is no cluster.
    table: Result<Table, Why>,
}

#[derive(Clone, Deserialize)]
pub(super) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    seconds: Vec<f64>,
}

impl Answer {
    pub(super) fn new(table: Table) -> Self {
        Answer { table: Ok(table) }
    }

    pub(super) fn absent(why: Why) -> Self {
        Answer { table: Err(why) }
    }

    pub(super) fn forget_first_run(&mut self) {
        if let Ok(table) = &mut self.table
            && table.seconds.len() > 1
        {
            table.seconds.remove(0);
        }
    }

    /// Whether there is a table; `false` where the cluster's programs are not built. Printed with
    /// `{:?}`, the answer then says what mends it.
    pub fn is_there(&self) -> bool {
        self.table.is_ok()
    }

    /// The rows as tuples, such as `answer.rows::<(String, f64)>()`; none where there is no table.
    ///
    /// # Panics
    ///
    /// If the columns are of other types, or more or fewer.
    pub fn rows<T: DeserializeOwned>(&self) -> Vec<T> {
        let rows = self.table.iter().flat_map(|table| &table.rows);
        let read = |row: &Vec<Value>| {
            let row = Value::Array(row.clone());
            T::deserialize(&row)
                .unwrap_or_else(|error| panic!("the row {row} does not fit: {error}"))
        };
        rows.map(read).collect()
    }

    /// A column of bytes, such as images, in the order of the rows.
    ///
    /// # Panics
    ///
    /// If there is no such column, or it does not hold bytes.
    pub fn bytes(&self, column: &str) -> Vec<Vec<u8>> {
        let Ok(table) = &self.table else {
            return Vec::new();
        };
        let place = table.columns.iter().position(|name| name == column);
        let place =
            place.unwrap_or_else(|| panic!("there is no column {column} in {:?}", table.columns));
        let read = |row: &Vec<Value>| {
            row[place]
                .as_str()
                .and_then(from_hex)
                .unwrap_or_else(|| panic!("{column} does not hold bytes"))
        };
        table.rows.iter().map(read).collect()
    }

    /// The times of the query's runs, for a [`Comparison`](measure::Comparison): from its
    /// text to the last row of its result, as the client saw it. `None` where there is no table.
    pub fn timing(&self, name: &str) -> Option<Timing> {
        let wall = self.table.as_ref().ok()?.seconds.clone();
        Some(Timing::of_wall(name, wall))
    }

    /// Shows the table as the result of the cell; the kernel calls this.
    pub fn evcxr_display(&self) {
        match &self.table {
            Err(why) => show(&format!("<p>{}</p>", escape(why)), why),
            Ok(table) => {
                let mut html = String::from("<table><thead><tr>");
                for name in &table.columns {
                    html += &format!("<th>{}</th>", escape(name));
                }
                html += "</tr></thead><tbody>";
                for row in table.shown() {
                    html += "<tr>";
                    for cell in row {
                        html += &format!("<td>{}</td>", escape(&cell));
                    }
                    html += "</tr>";
                }
                html += &format!("</tbody></table><p>{}</p>", escape(&table.size()));
                show(&html, &format!("{self:?}"));
            }
        }
    }
}

impl Table {
    /// The cells that a reader sees.
    fn shown(&self) -> impl Iterator<Item = Vec<String>> {
        let rows = self.rows.iter().take(MOST_ROWS);
        rows.map(|row| row.iter().map(text).collect())
    }

    fn size(&self) -> String {
        match self.rows.len() {
            1 => "1 row".to_owned(),
            many if many > MOST_ROWS => format!("{many} rows, the first {MOST_ROWS} shown"),
            many => format!("{many} rows"),
        }
    }
}

/// The table as aligned plain text.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.table {
            Err(why) => f.write_str(why),
            Ok(table) => {
                let mut lines = vec![table.columns.clone()];
                lines.extend(table.shown());
                f.write_str(&aligned(&lines))?;
                f.write_str(&table.size())
            }
        }
    }
}

/// The processes of a cluster.
#[derive(Clone, Default, Deserialize)]
pub struct Report {
    members: Vec<Member>,
    /// What a reader is told where there is no cluster.
    #[serde(skip)]
    absent: Why,
}

#[derive(Clone, Deserialize)]
struct Member {
    name: String,
    pid: u32,
    state: State,
}

/// What a process does.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Running,
    /// Nothing more; holds how it ended, in words.
    #[serde(untagged)]
    Ended(String),
}

impl Report {
    pub(super) fn absent(why: Why) -> Self {
        Report { members: Vec::new(), absent: why }
    }

    /// The names of all processes; none where the cluster's programs are not built.
    pub fn names(&self) -> Vec<String> {
        let members = self.members.iter();
        members.map(|member| member.name.clone()).collect()
    }

    /// The process number, if there is a process of that name and it runs.
    pub fn pid(&self, name: &str) -> Option<u32> {
        let found = self.members.iter().find(|member| member.name == name)?;
        (found.state == State::Running).then_some(found.pid)
    }
}

/// Name, process number and state, one process a line.
impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.members.is_empty() {
            return f.write_str(&self.absent);
        }
        let mut lines = vec![["process", "number", "state"].map(str::to_owned).to_vec()];
        for member in &self.members {
            let state = match &member.state {
                State::Running => "running",
                State::Ended(how) => how,
            };
            lines.push([&member.name, &member.pid.to_string(), state].map(str::to_owned).to_vec());
        }
        f.write_str(aligned(&lines).trim_end())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What Celery, Dask or PySpark have done.
#[derive(Clone, Default, PartialEq, Deserialize)]
pub struct Done {
    /// From handing in the work to its last result, as the engine's own client saw it.
    pub seconds: f64,
    /// How many results there are: images, stations, tasks.
    pub items: usize,
    /// The X-rays of which no result came.
    pub lost: Vec<PathBuf>,
    /// The same for the same results, whichever engine they are from and in whatever order.
    pub digest: String,
    /// What a reader is told where the engine is not there.
    #[serde(skip)]
    absent: Why,
}

impl Done {
    pub(super) fn absent(absent: Why) -> Self {
        Done { absent, ..Done::default() }
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Done { absent, .. } if !absent.is_empty() => f.write_str(absent),
            Done { seconds, items, lost, digest, .. } => {
                write!(f, "{items} in {seconds:.2} s, {} lost; digest {digest}", lost.len())
            }
        }
    }
}

/// How far the tasks in Redis are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct TaskCounts {
    /// Not yet given to a worker.
    pub waiting: usize,
    /// Given to a worker that has not answered.
    pub running: usize,
    /// Done.
    pub done: usize,
    /// Given up.
    pub failed: usize,
}

impl fmt::Display for TaskCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TaskCounts { waiting, running, done, failed } = self;
        write!(f, "{waiting} waiting, {running} running, {done} done, {failed} failed")
    }
}

fn text(cell: &Value) -> String {
    const LONGEST: usize = 60;
    let text = match cell {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.4}", number.as_f64().unwrap_or_default())
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned()
        }
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn aligned(lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |line: &Vec<String>| {
        let cells = line.iter().enumerate();
        let padded = cells.map(|(column, cell)| format!("{cell:<0$}", width(column)));
        let cells: Vec<String> = padded.collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let byte = |[high, low]: &[u32; 2]| (high * 16 + low) as u8;
    rest.is_empty().then(|| pairs.iter().map(byte).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(json: Value) -> Answer {
        Answer::new(serde_json::from_value(json).unwrap())
    }

    #[test]
    fn rows_become_tuples_and_bytes_become_bytes() {
        let answer = answer(serde_json::json!({
            "columns": ["name", "mean", "image"],
            "rows": [["a", 1.5, "00ff"], ["b", 2.0, ""]],
            "seconds": [0.5],
        }));
        let rows: Vec<(String, f64, String)> = answer.rows();
        assert_eq!(rows[0].1, 1.5);
        assert_eq!(answer.bytes("image"), [vec![0, 255], vec![]]);
        assert_eq!(answer.timing("x").unwrap().median(), 0.5);
        assert_eq!(format!("{answer:?}"), "name  mean  image\na     1.5   00ff\nb     2\n2 rows");
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn rows_of_another_type_say_so() {
        let answer =
            answer(serde_json::json!({ "columns": ["n"], "rows": [["a"]], "seconds": [] }));
        answer.rows::<(f64,)>();
    }

    #[test]
    fn a_process_runs_or_has_ended_somehow() {
        let report: Report = serde_json::from_value(serde_json::json!({ "members": [
            { "name": "executor-1", "pid": 7, "state": "running" },
            { "name": "redis", "pid": 8, "state": "ended by signal 9" },
        ]}))
        .unwrap();
        assert_eq!((report.pid("executor-1"), report.pid("redis")), (Some(7), None));
        assert_eq!(
            report.to_string(),
            "process     number  state\nexecutor-1  7       running\nredis       8       ended by signal 9"
        );
    }

    #[test]
    fn the_warm_up_run_is_forgotten_and_a_single_one_is_not() {
        let mut answer =
            answer(serde_json::json!({ "columns": [], "rows": [], "seconds": [9.0, 1.0] }));
        for _ in 0..2 {
            answer.forget_first_run();
            assert_eq!(answer.timing("x").unwrap().wall, [1.0]);
        }
    }
}
