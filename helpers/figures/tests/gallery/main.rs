//! Writes each kind of figure into a folder, to look at, and figures of extreme inputs:
//! `cargo run -p figures --example gallery -- FOLDER`.

mod extremes;

use figures::plotters::prelude::*;
use figures::*;
use image::{GrayImage, Luma};
use measure::Timing;
use std::path::Path;

type Points = Vec<(f64, f64)>;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or("gallery".to_owned());
    std::fs::create_dir_all(&folder)?;
    let usual = [rows(), curves(), others()].concat().into_iter();
    let usual = usual.map(|(name, figure)| (name.to_owned(), figure));
    let extreme = [extremes::rows(), extremes::curves(), extremes::others()].concat();
    for (name, figure) in usual.chain(extreme) {
        let file = Path::new(&folder).join(name);
        std::fs::write(file.with_extension("svg"), figure.svg())?;
        std::fs::write(file.with_extension("txt"), format!("{}\n\n{figure:?}\n", figure.alt()))?;
    }
    Ok(())
}

fn timing(name: &str, median: f64, spread: f64) -> Timing {
    let runs = [1.0, 1.0 + spread, 1.0 - spread / 2.0, 1.0 + spread / 3.0];
    Timing::of_wall(name, runs.map(|run| run * median).to_vec())
}

fn rows() -> Vec<(&'static str, Figure)> {
    let languages = [
        timing("Rust push", 0.031, 0.1),
        timing("Rust map + collect", 0.021, 0.05),
        timing("Python for", 0.63, 0.04),
        timing("NumPy square", 0.019, 0.2),
    ];
    let outlier = "all cores, while something else was running";
    let few = [timing("one core", 1.2, 0.1), Timing::of_wall(outlier, vec![0.7, 0.72, 0.69, 5.9])];
    let memory = [("whole file", 38.0), ("pandas, in chunks", 14.2), ("the cap", 30.0)];
    let ratio = |name: &str, measured: f64, mark: Option<f64>| {
        let range = (measured * 0.8, measured * 1.1);
        Ratio { name: name.to_owned(), measured: Some(measured), range, mark }
    };
    let gains =
        [ratio("05 forty threads", 30.4, Some(20.9)), ratio("03 too small a job", 0.02, None)];
    let parts = ["read", "decode", "resize"];
    let spent = [("obvious", vec![0.056, 1.9, 1.4]), ("+ grey", vec![0.001, 0.7, 0.1])];
    vec![
        ("bars", bars("What a loop costs: 10,000,000 squares", &languages).figure()),
        ("outlier", bars("Count the primes", &few).figure()),
        ("amounts", quantities("Peak memory", "MB", &memory).limit("the cap").figure()),
        ("ratios", ratios("What everything gained", "the talk", &gains).figure()),
        ("stacked", stacked("Where the time goes", &parts, &spent).figure()),
    ]
}

fn curves() -> Vec<(&'static str, Figure)> {
    let law = |p: f64| -> Points {
        let workers = (0..=6).map(|power| 2f64.powi(power));
        workers.map(|n| (n, 1.0 / (1.0 - p + p / n))).collect()
    };
    let theory = [("p = 0.5", law(0.5)), ("p = 0.9", law(0.9)), ("p = 0.99", law(0.99))];
    let waiting = |limit: f64| -> Points {
        (0..40).map(|t| (f64::from(t), f64::from(t * 7 % 23).min(limit))).collect()
    };
    let orders = [("no limit", waiting(99.0)), ("limit", waiting(4.0))];
    let workers = [1, 2, 4, 8].map(|n| (n, timing("resize", 0.1 + 1.9 / n as f64, 0.1)));
    let theory = lines("Amdahl's law", "workers (number)", "speedup (×)", &theory);
    let orders = lines("Orders that wait", "café minutes", "waiting (number)", &orders);
    let measured = speedup("With more threads", &workers).model("Amdahl, p = 0.9", &law(0.9)[..4]);
    vec![
        ("theory", theory.log_x().theory().figure()),
        ("steps", orders.steps().figure()),
        ("speedup", measured.figure()),
    ]
}

fn others() -> Vec<(&'static str, Figure)> {
    let span = |n: usize, label: &str, start: f64, end: f64, kind| {
        let (lane, label) = (format!("clerk {}", n % 4 + 1), label.to_owned());
        let (start, end) = (start + 0.4 * (n / 4) as f64, end + 0.4 * (n / 4) as f64);
        Span { lane, label, start, end, kind }
    };
    let waits = (0..8).map(|n| span(n, "01-02", 0.0, 0.31, SpanKind::Wait));
    let spans: Vec<Span> =
        waits.chain((0..8).map(|n| span(n, "parse", 0.39, 0.4, SpanKind::Work))).collect();
    let names = |names: &str| names.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let gains = [vec![1.0, 3.8, 20.0], vec![1.0, 1.9, 0.98], vec![1.0, 0.2, 0.001]];
    let (kinds, ways) = (names("pages loops tiny"), names("nothing threads async"));
    let shade = |wide: u32, high: u32| {
        GrayImage::from_fn(wide, high, |x, y| Luma([((x * 255 / wide + y * y / high) % 256) as u8]))
    };
    let sheet = [("1,200 × 900", shade(1200, 900)), ("64 × 64", shade(64, 64))];
    let nodes = [
        Node::new("your notebook", 0, 0.5).note("may go home"),
        Node::new("Redis", 1, 0.5).note("the broker").store(),
        Node::new("worker 1", 2, 0.5),
    ];
    let arrows = [
        Arrow::new("your notebook", "Redis", "task"),
        Arrow::new("Redis", "worker 1", "task"),
        Arrow::new("worker 1", "Redis", "done").dashed(),
    ];
    let own = drawing("A parabola", (480, 300), |root| {
        let mut chart = ChartBuilder::on(root);
        let mut chart = chart.margin(30).build_cartesian_2d(-1.0..1.0, 0.0..1.0)?;
        chart.configure_mesh().draw()?;
        let points = (-50..=50).map(|n| f64::from(n) / 50.0);
        chart.draw_series(LineSeries::new(points.map(|x| (x, x * x)), &BLUE))?;
        Ok(())
    });
    vec![
        ("timeline", timeline("Four threads wait at the same time", &spans)),
        ("heat-map", heat_map("Against a plain loop", "times faster (×)", &kinds, &ways, &gains)),
        ("sheet", contact_sheet("Before and after", &sheet)),
        ("sheet-to-scale", contact_sheet_to_scale("Before and after", &sheet)),
        ("diagram", diagram("A task queue: the broker remembers", &nodes, &arrows)),
        ("drawing", own),
    ]
}
