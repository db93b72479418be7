//! Figures of inputs that are hard to lay out, for the tests here and for the gallery, which the
//! tests of the crate `workbook` open in a browser. Each has a name.

// Both have figures' own names in scope: here they are the crate's, there they are imported.
use super::*;

/// Names that are hard to lay out: ordinary, long, markup, wide characters, empty.
const NAMES: [&str; 7] = [
    "iterator",
    "the long name of a variant with all of its details, take one",
    "the long name of a variant with all of its details, take two",
    "<b>&\"quoted\"</b> ]]>",
    "emoji 🚀👩‍🔬 and 日本語のテキスト",
    "ÄÖÜ µ × →",
    "",
];
const VALUES: [f64; 9] = [3.0, -4.0, 0.0, f64::NAN, f64::INFINITY, 1e-9, 1e6, 1e300, 1e-300];
/// Labels of axes have many digits, or few.
const SCALES: [f64; 8] = [1e-30, 1e-7, 1e-3, 1.0, 1e4, 1e6, 3e8, 1e30];

fn name(place: usize) -> String {
    format!("{} {place}", NAMES[place % 7])
}

fn of(place: usize) -> f64 {
    VALUES[place % 9]
}

type Named = Vec<(String, Figure)>;

fn named(kind: &str, figures: Vec<Figure>) -> Named {
    let name = |(place, figure)| (format!("extreme-{kind}-{place}"), figure);
    figures.into_iter().enumerate().map(name).collect()
}

/// Rows of any number and kind.
pub(crate) fn rows() -> Named {
    let mut all = Named::new();
    for (n, skip) in [0, 1, 2, 5, 16, 40, 300].into_iter().flat_map(|n| [(n, 1), (n, 9), (n, 3)]) {
        let names: Vec<String> = (0..n).map(name).collect();
        let value = |i: usize| of(i * skip + 5);
        let runs = |i: usize| vec![value(i), value(i) * 1.02, value(i + 1)];
        let timings = names.iter().enumerate().map(|(i, name)| Timing::of_wall(name, runs(i)));
        let timings: Vec<Timing> = timings.collect();
        let groups = bars("t", &timings).group("Python", &["emoji", "the"]).group("<&>", &["it"]);
        let amounts = names.iter().enumerate().map(|(i, name)| (name.as_str(), value(i)));
        let amounts: Vec<(&str, f64)> = amounts.collect();
        let amounts = quantities("Memory of an image", "MB", &amounts).model(&[&name(0)]).sorted();
        let ratio = |i: usize| Ratio {
            name: name(i),
            measured: Some(value(i)),
            range: (value(i) * 0.8, value(i + 1)),
            mark: i.is_multiple_of(2).then(|| value(i + 2)),
        };
        let gains = ratios("Gains", NAMES[1], &(0..n).map(ratio).collect::<Vec<_>>());
        let parts: Vec<(&String, Vec<f64>)> = names.iter().map(|name| (name, runs(n))).collect();
        let parts = stacked("Where the time goes", &[NAMES[1], "b", "c", "d"], &parts);
        let bars = bars("Resize 240 X-rays to 64 × 64", &timings);
        let figures = [bars, groups, amounts, gains, parts].map(|rows| rows.figure());
        all.extend(named(&format!("rows-{n}-{skip}"), figures.into()));
    }
    for (place, scale) in SCALES.into_iter().enumerate() {
        let amounts = [("a", 2.3 * scale), ("b", 9.7 * scale), (NAMES[1], 5.0 * scale)];
        let below = [("a", -2.3 * scale), ("b", 9.7 * scale)];
        let far = [("a", scale), ("b", 9e3 * scale)];
        let timings = amounts.map(|(name, time)| Timing::of_wall(name, vec![time, 1.1 * time]));
        let amounts = [&amounts[..], &below, &far].map(|rows| quantities("Amounts", "MB", rows));
        let figures = amounts.into_iter().chain([bars("Times", &timings)]);
        all.extend(named(&format!("scale-{place}"), figures.map(|rows| rows.figure()).collect()));
    }
    all
}

/// Lines through any points.
pub(crate) fn curves() -> Named {
    let mut all = Named::new();
    for n in [0, 1, 2, 16, 3000] {
        let series = |place: usize| (0..n).map(move |i| (of(i + place) + i as f64, of(i)));
        let every: Vec<(&str, Vec<(f64, f64)>)> =
            NAMES.iter().enumerate().map(|(i, &name)| (name, series(i).collect())).collect();
        let chart = lines(NAMES[1], "workers (number)", "speedup (×)", &every);
        let chart = chart.dots("runs", &every[3].1).model("law", &[(1.0, 2.0), (3000.0, 5.0)]);
        let timing = |i: usize| (i, Timing::of_wall("t", vec![of(i), 1.0 + i as f64]));
        let timings: Vec<(usize, Timing)> = (0..n.min(300)).map(timing).collect();
        let steps = chart.clone().log_x().steps();
        let theory = chart.clone().log_x().log_y().theory();
        let figures = [chart, steps, theory, speedup("s", &timings)].map(|lines| lines.figure());
        all.extend(named(&format!("curves-{n}"), figures.into()));
    }
    for (place, scale) in SCALES.into_iter().enumerate() {
        let curve = [2.3, 4.0, 5.1, 9.7].map(|x| (x * scale, 100.0 * scale + x));
        let narrow = lines("Narrow", "x (s)", "y (s)", &[("a", curve.to_vec())]);
        let curve = [1.0, 20.0, 5e2, 1e4].map(|x| (x * scale, x * scale));
        let wide = lines("Wide", "x (s)", "y (s)", &[("a", curve.to_vec()), (NAMES[1], vec![])]);
        let (log_x, log_y) = (wide.clone().log_x(), wide.clone().log_y());
        let figures =
            [narrow, wide, log_x.clone().log_y(), log_x, log_y].map(|lines| lines.figure());
        all.extend(named(&format!("curve-scale-{place}"), figures.into()));
    }
    all
}

/// Timelines, maps, sheets and diagrams.
pub(crate) fn others() -> Named {
    let mut all = Named::new();
    for n in [0, 1, 2, 5, 16, 100, 2000] {
        let span = |i: usize| Span {
            lane: name(i % 45),
            label: NAMES[i % 7].into(),
            start: 0.01 * (i % 97) as f64,
            end: if i % 50 == 7 { f64::NAN } else { 0.01 * (i % 97) as f64 + 0.1 },
            kind: if i.is_multiple_of(2) { SpanKind::Wait } else { SpanKind::Work },
        };
        let spans: Vec<Span> = (0..n).map(span).collect();
        let names: Vec<String> = (0..n).map(name).collect();
        let row = |i: usize| (0..n.min(80)).map(|j| of(i + j)).collect();
        let values: Vec<Vec<f64>> = (0..n.min(80)).map(row).collect();
        let node = |i: usize| Node::new(&name(i), (i % 4) as f64, (i / 4) as f64).note(NAMES[1]);
        let nodes: Vec<Node> = (0..n).map(node).collect();
        let arrow = |i: usize| Arrow::new(&name(i), &name(i * 7 % n), "a task");
        let image = |i: usize| (name(i), image::GrayImage::new(i as u32 * 37 % 900, 300));
        let images: Vec<(String, image::GrayImage)> = (0..n.min(60)).map(image).collect();
        let figures = vec![
            timeline("Who did what", &spans),
            timeline_in(NAMES[4], "minutes", 60.0, &spans),
            heat_map("t", "°C", &names, &names, &values),
            heat_map("t", "times faster (×)", &names[..n.min(4)], &[], &values),
            diagram("How it works", &nodes, &(0..n).map(arrow).collect::<Vec<_>>()),
            contact_sheet("Before and after", &images),
            contact_sheet_to_scale("Before and after", &images),
        ];
        all.extend(named(&format!("others-{n}"), figures));
    }
    all
}
