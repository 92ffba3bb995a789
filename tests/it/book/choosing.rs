//! docs/choosing.svg: which kind of lock to take, as a picture, from one list of questions.

use core::fmt::Write;

use lock_core::kind::Kind;

use crate::{check, is_current, read};

/// One question: if the answer is yes, take what is said; if not, go on to the next.
struct Question {
    asked: [&'static str; 2],
    /// The kinds' names, in large letters.
    take: &'static str,
    because: [&'static str; 2],
}

const QUESTIONS: [Question; 7] = [
    Question {
        asked: ["Does another program", "lock it already?"],
        take: "that program's kind",
        because: ["lockbox explain FILE tells which;", "both must ask the same way"],
    },
    Question {
        asked: ["Machines of a cluster that", "runs the DLM?"],
        take: "a DLM lock",
        because: ["falls with its node, after fencing;", "queues and modes across machines"],
    },
    Question {
        asked: ["Several machines, on a", "network file system?"],
        take: "nfs",
        because: [
            "a hard link is made or not, whatever",
            "the lock server does; file if it is good",
        ],
    },
    Question {
        asked: ["May others take over from", "a holder that stalls?"],
        take: "pidfile, with a lease",
        because: ["and what it protects must refuse", "the numbers of earlier holders"],
    },
    Question {
        asked: ["Must it outlive the process", "that takes it?"],
        take: "pidfile, mkdir, symlink, nfs",
        because: ["names, held for any process; a dead", "one's is found and taken over"],
    },
    Question {
        asked: ["Readers together,", "writers alone?"],
        take: "ofd, or flock",
        because: ["ofd converts atomically; flock is what", "scripts have; lockf for old peers"],
    },
    Question {
        asked: ["None of these:", "one holder, this machine"],
        take: "file",
        because: ["excludes both families of kernel locks,", "ends with its process, names it"],
    },
];

const WIDTH: u32 = 760;
const ROW: u32 = 92;
const TOP: u32 = 14;
const BOX_WIDTH: u32 = 270;
const BOX_HEIGHT: u32 = 62;
const LEFT: u32 = 14;
const ANSWER_LEFT: u32 = 376;
const ANSWER_WIDTH: u32 = 370;

fn picture() -> String {
    let last = QUESTIONS.len() - 1;
    let height = TOP + ROW * u32::try_from(last).unwrap() + BOX_HEIGHT + TOP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"14\" role=\"img\" \
         aria-label=\"Which kind of lock to take: the same as the list below\">\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (top, question) in (TOP..).step_by(ROW as usize).zip(&QUESTIONS) {
        let is_last = question.take == QUESTIONS[last].take;
        let middle = top + BOX_HEIGHT / 2;
        let centre = LEFT + BOX_WIDTH / 2;
        let (fill, stroke) = if is_last { ("#f4f4f4", "#888") } else { ("#eef4fb", "#1f6fb2") };
        boxed(&mut svg, (LEFT, top), BOX_WIDTH, (fill, stroke));
        text(&mut svg, centre, top + 26, "middle", question.asked[0]);
        text(&mut svg, centre, top + 46, "middle", question.asked[1]);
        let right = LEFT + BOX_WIDTH;
        arrow(&mut svg, (right, middle), (ANSWER_LEFT, middle));
        if !is_last {
            text(&mut svg, right + 12, middle - 6, "start", "yes");
            arrow(&mut svg, (centre, top + BOX_HEIGHT), (centre, top + ROW));
            text(&mut svg, centre + 8, top + BOX_HEIGHT + 19, "start", "no");
        }
        boxed(&mut svg, (ANSWER_LEFT, top), ANSWER_WIDTH, ("#eef7f2", "#0b6e4f"));
        let inside = ANSWER_LEFT + 14;
        let _ = writeln!(
            svg,
            "<text x=\"{inside}\" y=\"{}\" font-weight=\"bold\">{}</text>",
            top + 20,
            question.take
        );
        text(&mut svg, inside, top + 38, "start", question.because[0]);
        text(&mut svg, inside, top + 55, "start", question.because[1]);
    }
    svg + "</svg>\n"
}

fn boxed(svg: &mut String, (x, y): (u32, u32), width: u32, (fill, stroke): (&str, &str)) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BOX_HEIGHT}\" rx=\"8\" \
         fill=\"{fill}\" stroke=\"{stroke}\"/>"
    );
}

fn text(svg: &mut String, x: u32, y: u32, anchor: &str, words: &str) {
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>");
}

fn arrow(svg: &mut String, (x1, y1): (u32, u32), (x2, y2): (u32, u32)) {
    let _ = writeln!(
        svg,
        "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"#555\" \
         marker-end=\"url(#tip)\"/>"
    );
}

#[test]
fn the_picture_of_choices_is_current() {
    is_current("docs/choosing.svg", &picture());
}

#[test]
fn every_kind_can_be_chosen() {
    let picture = picture();
    let page = read("docs/choosing.md");
    let missing = Kind::ALL.into_iter().filter(|kind| {
        let words = |text: &str| {
            let parts = text.split(|char: char| !char.is_ascii_alphanumeric());
            parts.into_iter().any(|word| word == kind.name())
        };
        !words(&picture) || !words(&page)
    });
    check("in no choice", missing.map(|kind| kind.name().to_owned()));
}

#[test]
fn the_questions_are_on_the_page_too() {
    let page = read("docs/choosing.md").replace('`', "");
    let asked = QUESTIONS.iter().map(|question| question.asked.join(" "));
    check("asked in the picture only", asked.filter(|asked| !page.contains(asked)));
}
