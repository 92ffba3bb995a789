//! Pictures for docs/, as SVG that shows without any script and follows the reader's choice of
//! light or dark: state diagrams from graphs that were found in the code, and what charts share.
//!
//! The same graph always gives the same bytes, so that a test can hold a picture to the code.

pub mod graph;
mod layers;
mod places;
mod svg;
pub mod text;

/// Colours and type of every picture. A picture brings its own paper: it is readable on any page.
pub const STYLE: &str = "<style>
text{fill:#1f2328;font-family:system-ui,'DejaVu Sans',sans-serif}
.paper{fill:#fff;stroke:#d8dee4}
.mono{font-family:ui-monospace,'DejaVu Sans Mono',monospace}
.quiet{fill:#59636e}
.strong{font-weight:600}
.line{fill:none;stroke:#6e7781;stroke-width:1.3}
.tip{fill:#6e7781}
.grid{stroke:#e4e8ec}
.blue{fill:#eef4fb;stroke:#5b93c9}
.green{fill:#e4f5ea;stroke:#2f8a57}
.amber{fill:#fdf3dc;stroke:#bf8a1c}
.red{fill:#fdebe9;stroke:#c9574b}
.grey{fill:#f3f4f6;stroke:#9aa4ae}
@media(prefers-color-scheme:dark){
text{fill:#dde3ea}
.paper{fill:#161b22;stroke:#30363d}
.quiet{fill:#9aa5b1}
.line{stroke:#8b949e}
.tip{fill:#8b949e}
.grid{stroke:#2a313a}
.blue{fill:#17283d;stroke:#4f87bd}
.green{fill:#15301f;stroke:#3f9d67}
.amber{fill:#352a12;stroke:#b98a2b}
.red{fill:#3a1c1b;stroke:#c4655b}
.grey{fill:#21262d;stroke:#6e7781}
}
</style>
";

/// The start of a picture of this size, on its paper, with words for those who cannot see it.
#[must_use]
pub fn open(width: f64, height: f64, words: &str) -> String {
    let words = text::escaped(words);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-size=\"13\" role=\"img\" \
         aria-label=\"{words}\">\n{STYLE}<rect class=\"paper\" x=\".5\" y=\".5\" \
         width=\"{:.0}\" height=\"{:.0}\" rx=\"8\"/>\n",
        width - 1.0,
        height - 1.0
    )
}
