//! Bar charts as SVG, with a logarithmic axis: a bar for each row, ours in colour.

use core::fmt::Write;

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it stands for.
    pub name: String,
    /// How long it is.
    pub value: f64,
    /// Whether it is ours.
    pub ours: bool,
}

const LEFT: f64 = 380.0;
const WIDTH: f64 = 900.0;
const RIGHT: f64 = 90.0;
const ROW: f64 = 22.0;

/// The chart. Values below `least` have no length.
pub fn chart(title: &str, unit: &str, least: f64, bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.value).fold(least * 10.0, f64::max);
    #[allow(clippy::cast_precision_loss)]
    let height = 50.0 + ROW * bars.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"20\" y=\"24\" font-size=\"16\">{title}</text>\n"
    );
    let mut top = 40.0;
    for bar in bars {
        let share = (bar.value.max(least) / least).log10() / (most / least).log10();
        let length = share * (WIDTH - LEFT - RIGHT);
        let colour = if bar.ours { "#0b6e4f" } else { "#9aa5ad" };
        let name = bar.name.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"{:.1}\" \
             fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{:.1}\">{} {unit}</text>",
            LEFT - 8.0,
            top + 13.0,
            top + 2.0,
            ROW - 6.0,
            LEFT + length + 6.0,
            top + 13.0,
            super::figure(bar.value)
        );
        top += ROW;
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_has_its_name_and_value() {
        let bar = |name: &str, value, ours| Bar { name: name.into(), value, ours };
        let svg = chart("title", "×", 0.5, &[bar("a<b", 1.0, true), bar("c", 25.0, false)]);
        assert_eq!(svg.matches("<rect x=").count(), 2);
        assert!(svg.contains("a&lt;b") && svg.contains(">1.00 ×<") && svg.contains(">25.0 ×<"));
    }
}
