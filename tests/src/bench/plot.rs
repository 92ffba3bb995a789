//! Line charts as SVG, with a logarithmic axis: small, plain, the same bytes for the same figures.

use core::fmt::Write;

/// One line of a chart.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name, written at its end.
    pub name: String,
    /// A value for each place on the horizontal axis; not a number where there is none.
    pub values: Vec<f64>,
    /// Whether it is ours: drawn thick.
    pub ours: bool,
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 520.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 230.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 50.0;

const COLOURS: [&str; 8] =
    ["#0b6e4f", "#1f6fb2", "#8a4fbf", "#c2185b", "#e07b00", "#6b6b6b", "#a08000", "#b23a1f"];

/// The chart.
pub fn chart(title: &str, unit: &str, places: &[&str], series: &[Series]) -> String {
    let values = || series.iter().flat_map(|line| &line.values).filter(|value| value.is_finite());
    let least = values().copied().fold(f64::INFINITY, f64::min).max(1e-3).log10().floor();
    let most = values().copied().fold(f64::NEG_INFINITY, f64::max).max(1e-2).log10().ceil();
    let y = |value: f64| {
        let share = (value.max(1e-3).log10() - least) / (most - least);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    };
    #[allow(clippy::cast_precision_loss)]
    let x = |place: usize| {
        LEFT + place as f64 * (WIDTH - LEFT - RIGHT) / (places.len().max(2) - 1) as f64
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{title}</text>\n"
    );
    let mut power = least;
    while power <= most {
        let at = y(10f64.powf(power));
        let label = 10f64.powf(power);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label} {unit}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0
        );
        power += 1.0;
    }
    for (place, name) in places.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
            x(place),
            HEIGHT - BOTTOM + 22.0
        );
    }
    for (line, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        svg += &polyline(line, colour, &x, &y);
    }
    svg += &names(series, &y);
    svg + "</svg>\n"
}

fn polyline(
    line: &Series,
    colour: &str,
    x: &dyn Fn(usize) -> f64,
    y: &dyn Fn(f64) -> f64,
) -> String {
    let values = line.values.iter().enumerate().filter(|(_, value)| value.is_finite());
    let points: Vec<String> =
        values.map(|(place, value)| format!("{:.1},{:.1}", x(place), y(*value))).collect();
    let width = if line.ours { 3 } else { 1 };
    format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>\n",
        points.join(" ")
    )
}

/// The names, each at the height of its line's end; those that would lie on each other are moved
/// apart.
fn names(series: &[Series], y: &dyn Fn(f64) -> f64) -> String {
    let mut ends: Vec<(f64, &str, &str)> = series
        .iter()
        .zip(COLOURS.iter().cycle())
        .filter_map(|(line, colour)| {
            let last = line.values.iter().rfind(|value| value.is_finite())?;
            Some((y(*last), line.name.as_str(), *colour))
        })
        .collect();
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut svg, mut lowest) = (String::new(), f64::NEG_INFINITY);
    for (wanted, name, colour) in ends {
        lowest = wanted.max(lowest + 15.0);
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
            WIDTH - RIGHT + 10.0,
            lowest + 4.0,
            name.replace('&', "&amp;").replace('<', "&lt;")
        );
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_its_line_and_its_name() {
        let series = [
            Series { name: "a<b".into(), values: vec![1.0, 10.0, f64::NAN], ours: true },
            Series { name: "c".into(), values: vec![1.0, 10.0, 100.0], ours: false },
        ];
        let svg = chart("title", "µs", &["2", "8", "64"], &series);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("a&lt;b") && svg.contains(">100 µs<") && svg.ends_with("</svg>\n"));
    }
}
