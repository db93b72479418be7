//! What all figures have in common: their SVG is XML, everything lies inside the picture, dots are
//! where their values say, and no input makes them panic.

use super::*;
use measure::Timing;
use roxmltree::{Document, Node as Xml};

#[path = "../tests/gallery/extremes.rs"]
mod extremes;

fn number(node: Xml, name: &str) -> f64 {
    node.attribute(name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

fn each<T>(figure: &Figure, tag: &str, read: impl FnMut(Xml) -> T) -> Vec<T> {
    let document = Document::parse(figure.svg()).expect("the SVG is XML");
    document.descendants().filter(|node| node.has_tag_name(tag)).map(read).collect()
}

fn points(node: Xml) -> Vec<(f64, f64)> {
    let pairs = node.attribute("points").unwrap().split_whitespace();
    let pairs = pairs.map(|pair| pair.split_once(',').unwrap());
    pairs.map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).collect()
}

/// The x of all small circles, which are single runs.
fn dots(figure: &Figure) -> Vec<f64> {
    let circles = each(figure, "circle", |c| (number(c, "r"), number(c, "cx")));
    circles.into_iter().filter(|c| c.0 == 6.0).map(|c| c.1).collect()
}

fn corners(node: Xml) -> Vec<(f64, f64)> {
    let get = |name| number(node, name);
    let rect = |x: f64, y: f64, wide: f64, high: f64| vec![(x, y), (x + wide, y + high)];
    match node.tag_name().name() {
        "text" => {
            // In DejaVu Sans, a wide font, a letter of ordinary text is 0.55 em wide.
            let (text, size) = (text::clean(node.text().unwrap_or("")), get("font-size"));
            let wide = text::columns(&text) as f64 * size * 0.55;
            let anchor = node.attribute("text-anchor");
            let before = [(Some("end"), 1.0), (Some("middle"), 0.5)];
            let before = before.iter().find(|(name, _)| *name == anchor).map_or(0.0, |b| b.1);
            rect(get("x") - before * wide, get("y") - size / 2.0, wide, size)
        }
        "rect" | "image" => rect(get("x"), get("y"), get("width"), get("height")),
        "circle" => rect(get("cx"), get("cy"), 0.0, 0.0),
        "polyline" | "polygon" => points(node),
        _ => Vec::new(),
    }
}

/// Panics unless the figure is well-formed XML whose shapes and texts lie inside the picture.
fn check((name, figure): (String, Figure)) {
    assert!(figure.svg().len() < 350_000, "{} bytes", figure.svg().len());
    assert!(!figure.alt().is_empty() && !figure.alt().contains('\n'));
    let document = Document::parse(figure.svg()).expect("the SVG is XML");
    let size = ["width", "height"].map(|name| number(document.root_element(), name));
    for (x, y) in document.descendants().flat_map(corners) {
        let inside =
            [(x, size[0]), (y, size[1])].iter().all(|(v, end)| *v > -0.6 && *v < end + 0.6);
        assert!(inside, "{x}, {y} of {size:?} in {name}");
    }
}

#[test]
fn rows_of_any_number_and_kind_stay_inside() {
    extremes::rows().into_iter().for_each(check);
}

#[test]
fn xy_figures_of_any_values_stay_inside() {
    extremes::curves().into_iter().for_each(check);
}

#[test]
fn timelines_maps_sheets_and_diagrams_stay_inside() {
    extremes::others().into_iter().for_each(check);
}

#[test]
fn what_is_too_much_to_draw_still_counts() {
    let span = |i: i32| {
        let (lane, label, kind) = ("a".into(), "b".into(), SpanKind::Work);
        Span { lane, label, start: i.into(), end: (i + 1).into(), kind }
    };
    let long = timeline("t", &(0..1500).map(span).collect::<Vec<_>>());
    assert!(long.alt().contains("done after 1,500 s; a busy 100 %"), "{}", long.alt());
    assert!(long.table().contains("the last 500 spans not drawn"), "{}", long.table());
}

#[test]
fn every_run_is_a_dot_where_its_time_says() {
    let timings = [("a", vec![1.0, 2.0, 4.0, 3.0]), ("b", vec![3.0])];
    let timings = timings.map(|(name, runs)| Timing::of_wall(name, runs));
    let xs = dots(&bars("t", &timings).figure());
    assert!((xs[2] - xs[0] - 3.0 * (xs[1] - xs[0])).abs() <= 3.0, "{xs:?}");
    assert_eq!((xs.len(), xs[3]), (5, xs[4]), "the same time lies at the same x in each row");
    let points = [1, 2, 4].map(|n| (n, Timing::of_wall("t", vec![4.0 / n as f64; 3])));
    let mut xs = dots(&speedup("t", &points).figure());
    assert_eq!(xs.len(), 9);
    xs.dedup();
    assert_eq!(xs.len(), 3, "no dot is moved aside");
    assert!((xs[2] - xs[0] - 3.0 * (xs[1] - xs[0])).abs() <= 3.0);
}

#[test]
fn what_lies_far_beyond_is_named_and_what_cannot_be_drawn_is_counted() {
    let timing = Timing::of_wall("a", vec![1.0, 1.1, 1.0, 1.05, 30.0]);
    let figure = bars("t", &[timing]).figure();
    let heads = each(&figure, "polygon", points).into_iter().filter(|head| head.len() == 3);
    assert_eq!((dots(&figure).len(), heads.count()), (4, 1));
    assert!(figure.svg().contains("▸ 1 run beyond the axis, up to 30.0 s"));
    let odd = [f64::NAN, 1.0, f64::INFINITY, -1.0];
    let figure = bars("t", &[Timing::of_wall("a", odd.to_vec())]).figure();
    assert!(figure.svg().contains("3 runs that cannot be drawn"));
    let figure = lines("t", "x (s)", "y (s)", &[("a", odd.map(|y| (1.0, y)).to_vec())]).log_y();
    assert!(figure.figure().svg().contains("3 points that cannot be drawn"));
}

#[test]
fn steps_have_no_slopes_and_models_are_dashed() {
    let counts = [("waiting", vec![(0.0, 1.0), (1.0, 3.0), (4.0, 2.0)])];
    let chart = lines("t", "x (s)", "waiting (number)", &counts);
    let slopes = |figure: &Figure| {
        let bend = |p: &[(f64, f64)]| p[0].0 != p[1].0 && p[0].1 != p[1].1;
        let paths = each(figure, "polyline", points);
        paths.iter().filter(|path| path.windows(2).any(bend)).count()
    };
    assert_eq!(slopes(&chart.figure()), 1);
    assert_eq!(slopes(&chart.clone().steps().figure()), 0);
    let modelled = chart.clone().model("law", &[(0.0, 1.0), (9.0, 2.0)]).figure();
    assert!(modelled.svg().contains("law (model)"));
    let paths = |figure: &Figure| each(figure, "polyline", points).len();
    assert!(paths(&modelled) > paths(&chart.figure()) + 10, "many short dashes");
}

#[test]
fn limits_and_ends_are_lines_and_counts_of_workers_are_ticks() {
    let amounts =
        quantities("t", "MB", &[("a", 90.0), ("the cap", 64.0)]).limit("the cap").figure();
    assert!(amounts.svg().contains("the cap 64 MB") && amounts.alt().contains("the cap 64 MB"));
    let wait = |lane: &str, start, end| {
        let (lane, label, kind) = (lane.to_owned(), String::new(), SpanKind::Wait);
        Span { lane, label, start, end, kind }
    };
    let waits = timeline("t", &[wait("you", 0.0, 2.0), wait("you", 1.0, 3.0)]);
    let texts = |figure: &Figure| each(figure, "text", |t| text::clean(t.text().unwrap_or("")));
    let count = |figure: &Figure, word: &str| texts(figure).iter().filter(|t| *t == word).count();
    assert_eq!((count(&waits, "done after 3.00 s"), count(&waits, "you")), (1, 2));
    assert!(!waits.svg().contains("busy"));
    let points = [1, 2, 4].map(|n| (n, Timing::of_wall("t", vec![8.0 / n as f64; 3])));
    let workers = speedup("t", &points[..]).log_y().figure();
    assert!(["1", "2", "4"].iter().all(|n| count(&workers, n) == 2), "{:?}", texts(&workers));
}

#[test]
fn languages_are_told_apart_and_sorted() {
    let timings = [("Rust push", 3.0), ("NumPy", 2.0), ("Rust map", 1.0)];
    let timings = timings.map(|(name, time)| Timing::of_wall(name, vec![time]));
    let order = |rows: Rows| {
        let text = |node: Xml| (number(node, "y"), text::clean(node.text().unwrap_or("")));
        let mut texts = each(&rows.figure(), "text", text);
        texts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let names = ["Rust", "Python", "Rust push", "NumPy", "Rust map"];
        texts.retain(|text| names.contains(&text.1.as_str()));
        texts.into_iter().map(|text| text.1).collect::<Vec<_>>()
    };
    let rows = bars("t", &timings);
    assert_eq!(order(rows.clone()), ["Rust", "Rust map", "Rust push", "Python", "NumPy"]);
    assert_eq!(order(rows.clone().as_given()), ["Rust push", "NumPy", "Rust map"]);
    let alt = rows.figure().alt().to_owned();
    assert!(alt.contains("NumPy 2.00 s (1.50× faster)"), "the first is the reference");
}

#[test]
fn small_parts_stay_visible_and_images_have_their_scale() {
    let figure = stacked("t", &["read", "decode"], &[("a", vec![1e-6, 2.0])]).figure();
    let wide = |node: Xml| (node.attribute("fill") == Some("#0072B2"), number(node, "width"));
    let blue = each(&figure, "rect", wide).into_iter().filter(|rect| rect.0);
    assert!(blue.clone().count() == 2 && blue.map(|rect| rect.1).all(|wide| wide >= 4.0));
    let images = [400, 100].map(|side| ("image", image::GrayImage::new(side, 9)));
    let widths = |figure| each(&figure, "image", |image| number(image, "width"));
    let scaled = widths(contact_sheet_to_scale("t", &images));
    assert_eq!(scaled[0], 4.0 * scaled[1]);
    assert_eq!(widths(contact_sheet("t", &images))[1], scaled[0]);
}

#[test]
fn the_image_tag_carries_picture_sentence_and_table() {
    let html = quantities("a \"b\" <c>", "MB", &[("x", 1.0)]).figure().html();
    assert!(html.contains("src=\"data:image/svg+xml;base64,PHN2Zy"));
    assert!(html.contains("alt=\"Bar chart “a &quot;b&quot; &lt;c&gt;”: x 1 MB.\""));
    assert!(html.contains("<details>") && !html.contains('\n'));
}

#[test]
fn a_drawing_of_ones_own_is_a_figure_and_says_why_it_failed() {
    use plotters::prelude::*;
    let dot = Circle::new((150, 100), 6, BLUE.filled());
    let figure = drawing("A dot", (300, 200), |root| Ok(root.draw(&dot)?));
    assert!(!figure.html().contains("<details>"), "it has no numbers to open");
    assert_eq!((dots(&figure), figure.alt()), (vec![150.0], "A dot"));
    assert!(figure.html().contains("width=\"300\""));
    check(("drawing".to_owned(), figure));
    let failed = drawing("A dot", (300, 200), |_| Err("no data".into()));
    assert!(failed.svg().contains("the drawing failed: no data"));
}

#[test]
fn a_colour_belongs_to_a_language_whichever_was_measured_first() {
    let timings = ["Python for", "Rust for"].map(|name| Timing::of_wall(name, vec![1.0, 1.1]));
    let table = bars("t", &timings).figure().table().to_owned();
    assert!(table.find("Rust for") < table.find("Python for"), "{table}");
}
