//! The timeline as SVG: what was answered, what failed, how long it took, and who led, over one axis with the faults shaded.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::figures::checkouts;
use crate::run::Run;

const WIDTH: f64 = 1_000.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 12.0;
const PANEL: f64 = 130.0;
const GAP: f64 = 34.0;
const STRIP: f64 = 26.0;

/// Kinds of errors that have a shade of their own; the rest share the last.
pub(super) const SHADES: usize = 5;

/// Seconds of one run that are drawn one by one: a point of the picture each.
const MOST_POINTS: u64 = 900;

struct Second {
    ok: u64,
    errors: BTreeMap<String, u64>,
    p50_us: u64,
    p99_us: u64,
}

struct Axis {
    /// Milliseconds of the run.
    length_ms: f64,
    /// Seconds that share a point.
    step: u64,
}

impl Axis {
    fn x(&self, ms: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (ms / self.length_ms).clamp(0.0, 1.0)
    }
}

/// Kinds of errors of checkouts, in order of their shades.
pub(super) fn kinds(run: &Run) -> Vec<String> {
    let mut of: BTreeMap<&String, u64> = BTreeMap::new();
    for (kind, count) in checkouts(run).flat_map(|sample| &sample.errors) {
        *of.entry(kind).or_default() += count;
    }
    let mut all: Vec<(&String, u64)> = of.into_iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all.into_iter().map(|(kind, _)| kind.clone()).collect()
}

/// The picture; words in it are escaped.
pub(super) fn timeline(run: &Run) -> String {
    let seconds = run.length_ms.div_ceil(1_000).max(1);
    let axis = Axis { length_ms: (seconds * 1_000) as f64, step: seconds.div_ceil(MOST_POINTS) };
    let points = points(run, &axis);
    let height = 2.0 * (PANEL + GAP) + STRIP + GAP + 16.0;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"timeline-title\">");
    let _ = write!(
        svg,
        "<title id=\"timeline-title\">Checkouts, latency and leader over {seconds} seconds; faults are shaded</title>"
    );
    for fault in &run.faults {
        let (from, to) = (axis.x(fault.from_ms as f64), axis.x(fault.to_ms.unwrap_or(run.length_ms) as f64));
        let (width, bottom) = ((to - from).max(2.0), height - 20.0);
        let _ =
            write!(svg, "<rect class=\"fault\" x=\"{from:.1}\" y=\"16\" width=\"{width:.1}\" height=\"{:.1}\"/>", bottom - 16.0);
        let _ = write!(
            svg,
            "<text class=\"fault-name\" x=\"{:.1}\" y=\"12\">{}</text>",
            from + 2.0,
            escape(&format!("{} {}", fault.name, fault.target))
        );
    }
    throughput(&mut svg, &points, &axis, &kinds(run), GAP);
    latency(&mut svg, &points, &axis, GAP * 2.0 + PANEL);
    leaders(&mut svg, run, &axis, GAP * 3.0 + PANEL * 2.0);
    ticks(&mut svg, &axis, height - 4.0);
    svg.push_str("</svg>");
    svg
}

fn points(run: &Run, axis: &Axis) -> BTreeMap<u64, Second> {
    let mut points: BTreeMap<u64, Second> = BTreeMap::new();
    let last = run.length_ms / 1_000;
    for second in (0..=last).step_by(usize::try_from(axis.step).unwrap_or(1)) {
        points.insert(second, Second { ok: 0, errors: BTreeMap::new(), p50_us: 0, p99_us: 0 });
    }
    for sample in checkouts(run) {
        let Some(point) = points.get_mut(&(sample.second / axis.step * axis.step)) else { continue };
        point.ok += sample.ok;
        point.p50_us = point.p50_us.max(sample.p50_us);
        point.p99_us = point.p99_us.max(sample.p99_us);
        sample.errors.iter().for_each(|(kind, count)| *point.errors.entry(kind.clone()).or_default() += count);
    }
    points
}

fn frame(svg: &mut String, top: f64, title: &str, most: &str) {
    let (right, bottom) = (WIDTH - RIGHT, top + PANEL);
    let _ = write!(svg, "<text class=\"panel\" x=\"{LEFT}\" y=\"{:.1}\">{title}</text>", top - 6.0);
    let _ = write!(svg, "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{bottom:.1}\" x2=\"{right}\" y2=\"{bottom:.1}\"/>");
    let _ = write!(svg, "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{top:.1}\" x2=\"{right}\" y2=\"{top:.1}\"/>");
    for (y, text) in [(top + 4.0, most), (bottom + 4.0, "0")] {
        let _ = write!(svg, "<text class=\"number\" x=\"{:.1}\" y=\"{y:.1}\">{text}</text>", LEFT - 6.0);
    }
}

/// Bars of a second each: what was answered, and on top of it what failed, by kind.
fn throughput(svg: &mut String, points: &BTreeMap<u64, Second>, axis: &Axis, kinds: &[String], top: f64) {
    let total = |point: &Second| point.ok + point.errors.values().sum::<u64>();
    let most = points.values().map(total).max().unwrap_or_default().max(1);
    frame(svg, top, "Checkouts by second: answered, and failed by kind", &format!("{}/s", most.div_ceil(axis.step)));
    let scale = PANEL / most as f64;
    for (second, point) in points {
        let (from, to) = (axis.x(*second as f64 * 1e3), axis.x((second + axis.step) as f64 * 1e3));
        let width = (to - from - 0.6).max(0.6);
        let mut y = top + PANEL;
        let mut bar = |class: &str, count: u64| {
            let height = count as f64 * scale;
            y -= height;
            if count > 0 {
                let _ = write!(
                    svg,
                    "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
                );
            }
        };
        bar("ok", point.ok);
        for (shade, kind) in kinds.iter().enumerate() {
            bar(&format!("error shade-{}", shade.min(SHADES - 1)), point.errors.get(kind).copied().unwrap_or_default());
        }
    }
}

/// Lines through the middle of each second; a second without an answer breaks them.
fn latency(svg: &mut String, points: &BTreeMap<u64, Second>, axis: &Axis, top: f64) {
    let most = points.values().map(|point| point.p99_us).max().unwrap_or_default().max(1_000);
    frame(svg, top, "Latency of checkouts: p50 and p99 by second, from when they were due", &format!("{} ms", most / 1_000));
    for (class, of) in [("p99", (|point| point.p99_us) as fn(&Second) -> u64), ("p50", |point| point.p50_us)] {
        let (mut path, mut pen_is_down) = (String::new(), false);
        for (second, point) in points {
            if point.ok == 0 {
                pen_is_down = false;
                continue;
            }
            let x = axis.x((*second as f64 + axis.step as f64 / 2.0) * 1e3);
            let y = top + PANEL - PANEL * of(point) as f64 / most as f64;
            let _ = write!(path, "{}{x:.1} {y:.1}", if pen_is_down { "L" } else { "M" });
            pen_is_down = true;
        }
        let _ = write!(svg, "<path class=\"line {class}\" d=\"{path}\"/>");
    }
}

fn leaders(svg: &mut String, run: &Run, axis: &Axis, top: f64) {
    let _ = write!(svg, "<text class=\"panel\" x=\"{LEFT}\" y=\"{:.1}\">Leader and term</text>", top - 6.0);
    let names: Vec<&String> =
        run.reigns.iter().filter_map(|reign| reign.leader.as_ref()).collect::<BTreeSet<_>>().into_iter().collect();
    for (at, reign) in run.reigns.iter().enumerate() {
        let until = run.reigns.get(at + 1).map_or(run.length_ms, |next| next.at_ms);
        let (from, to) = (axis.x(reign.at_ms as f64), axis.x(until as f64));
        let place = reign.leader.as_ref().and_then(|leader| names.iter().position(|name| *name == leader));
        let class = place.map_or("nobody".to_owned(), |place| format!("reign-{}", place % 4));
        let text = reign.leader.as_ref().map_or("nobody".to_owned(), |leader| format!("{leader}, term {}", reign.term));
        let width = (to - from).max(1.0);
        let _ =
            write!(svg, "<rect class=\"reign {class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{STRIP}\">");
        let _ = write!(svg, "<title>{}</title></rect>", escape(&text));
        // About 7 units a letter.
        if width > text.len() as f64 * 7.0 {
            let _ = write!(
                svg,
                "<text class=\"reign-name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                from + 6.0,
                top + 17.0,
                escape(&text)
            );
        }
    }
}

fn ticks(svg: &mut String, axis: &Axis, y: f64) {
    let seconds = axis.length_ms / 1e3;
    let step = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0].into_iter().find(|step| seconds / step <= 12.0).unwrap_or(1_200.0);
    let mut at = 0.0;
    while at <= seconds {
        let _ = write!(svg, "<text class=\"tick\" x=\"{:.1}\" y=\"{y:.1}\">{at} s</text>", axis.x(at * 1e3));
        at += step;
    }
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Not allowed in XML 1.0, whichever way it is written.
            control if control.is_control() && !"\t\n\r".contains(control) => escaped.push(' '),
            plain => escaped.push(plain),
        }
    }
    escaped
}
