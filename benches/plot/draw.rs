//! The plot of fleet time against number of hosts, drawn from `benches/fleet.csv`.

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
/// Room for the labels: left, top, right, bottom.
const MARGIN: [f64; 4] = [56.0, 40.0, 96.0, 48.0];
const COLOURS: [&str; 5] = ["#888888", "#0b6e4f", "#6b46c1", "#c05621", "#2b6cb0"];

/// The plot's file.
pub const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/fleet.svg");
const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/fleet.csv");

/// The plot of the figures as they are now.
pub fn plot() -> String {
    let figures = std::fs::read_to_string(FIGURES).expect("the figures");
    draw(&parse(&figures))
}

/// One line of the plot: a program, and its seconds by number of hosts.
struct Line<'a> {
    name: &'a str,
    points: Vec<(f64, f64)>,
}

/// Reads `program,hosts,seconds`, a heading and comments aside.
fn parse(text: &str) -> Vec<Line<'_>> {
    let mut lines: Vec<Line> = Vec::new();
    let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    for row in rows {
        let [name, hosts, seconds] = row.split(',').collect::<Vec<_>>()[..] else {
            panic!("not a row of three: {row}");
        };
        let number = |field: &str| field.parse::<f64>().expect("a number");
        let point = (number(hosts), number(seconds));
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                name,
                points: vec![point],
            }),
        }
    }
    lines
}

/// Draws the lines; hosts on a scale of powers of two.
fn draw(lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let most_hosts = points().map(|point| point.0).fold(2.0, f64::max);
    let most = points().map(|point| point.1).fold(0.0, f64::max);
    let step = if most > 20.0 { 5.0 } else { 2.0 };
    let top = (most / step).ceil() * step;
    let [left, above, right, below] = MARGIN;
    let x = |hosts: f64| {
        left + (WIDTH - left - right) * (hosts.log2() - 1.0) / (most_hosts.log2() - 1.0)
    };
    let y = |seconds: f64| HEIGHT - below - (HEIGHT - above - below) * seconds / top;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{left}\" y=\"22\" font-size=\"14\">Seconds until every host has 8 MiB, \
         uplinks of 20 Mbit/s</text>\n"
    );
    let mut text = |x: f64, y: f64, anchor: &str, words: &str| {
        writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
        )
        .expect("a string takes everything");
    };
    let mut grid = String::new();
    for index in 0..=(top / step) as u32 {
        let seconds = f64::from(index) * step;
        text(left - 8.0, y(seconds) + 4.0, "end", &seconds.to_string());
        let (from, to, at) = (x(2.0), x(most_hosts), y(seconds));
        writeln!(
            grid,
            "<path d=\"M{from:.1} {at:.1}H{to:.1}\" stroke=\"#dddddd\"/>"
        )
        .expect("a string takes everything");
    }
    let bottom = HEIGHT - below + 20.0;
    for power in 1..=most_hosts.log2() as u32 {
        let hosts = f64::from(1 << power);
        text(x(hosts), bottom, "middle", &hosts.to_string());
    }
    let middle = x(most_hosts.sqrt() * 1.4);
    text(
        middle,
        HEIGHT - 8.0,
        "middle",
        "hosts, the origin among them",
    );
    for line in lines {
        let (hosts, seconds) = line.points[line.points.len() - 1];
        text(x(hosts) + 8.0, y(seconds) + 4.0, "start", line.name);
    }
    svg.push_str(&grid);
    assert!(lines.len() <= COLOURS.len(), "a colour for each program");
    for (line, colour) in lines.iter().zip(COLOURS) {
        let points = line.points.iter();
        let path: Vec<String> = points
            .map(|&(hosts, seconds)| format!("{:.1},{:.1}", x(hosts), y(seconds)))
            .collect();
        let path = path.join(" ");
        writeln!(
            svg,
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        )
        .expect("a string takes everything");
    }
    svg.push_str("</svg>\n");
    svg
}
