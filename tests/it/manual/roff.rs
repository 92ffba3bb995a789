//! Manual pages: roff with the man macros.

use core::fmt::Write;

use crate::program::{Choice, Program, applets, commands, overview};
use crate::words;

/// A page that grows.
struct Page {
    text: String,
}

impl Page {
    fn new(title: &str, name: &str, summary: &str) -> Page {
        let version = env!("CARGO_PKG_VERSION");
        let mut text = String::from(
            ".\\\" Made by WRITE=1 cargo test -p lock-tests --test manual: do not edit.\n",
        );
        writeln!(text, ".TH {title} 1 \"\" \"lockbox {version}\"").unwrap();
        writeln!(text, ".SH NAME\n{name} \\- {}", escaped(summary)).unwrap();
        Page { text }
    }

    fn section(&mut self, title: &str) {
        writeln!(self.text, ".SH {title}").unwrap();
    }

    fn subsection(&mut self, title: &str) {
        writeln!(self.text, ".SS {title}").unwrap();
    }

    /// Forms of a call, one for each line, with the program's name in bold.
    fn calls(&mut self, name: &str, calls: &[String]) {
        self.text.push_str(".nf\n");
        for call in calls {
            let rest = call.strip_prefix(name).unwrap_or_else(|| panic!("{name}: {call}"));
            writeln!(self.text, "\\fB{}\\fR{}", escaped(name), escaped(rest)).unwrap();
        }
        self.text.push_str(".fi\n");
    }

    fn paragraph(&mut self, text: &str) {
        // None is wanted after a heading.
        let last = self.text.lines().last().unwrap_or_default();
        if !last.starts_with(".S") {
            self.text.push_str(".PP\n");
        }
        self.words(text);
    }

    /// A word or several, and what they mean.
    fn item(&mut self, head: &str, text: &str) {
        writeln!(self.text, ".TP\n{head}").unwrap();
        self.words(text);
    }

    fn options(&mut self, options: &[Choice]) {
        for option in options {
            let argument = option.argument.as_deref().map(bare);
            let forms = option.spellings.iter().map(|spelling| match &argument {
                Some(argument) => {
                    format!("\\fB{}\\fR \\fI{}\\fR", escaped(spelling), escaped(argument))
                }
                None => format!("\\fB{}\\fR", escaped(spelling)),
            });
            self.item(&forms.collect::<Vec<_>>().join(", "), &option.text);
        }
    }

    /// A sentence on each line, as the style of roff wants it.
    fn words(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && line.len() + word.len() > 78 || ends_sentence(&line) {
                self.line(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line);
    }

    fn line(&mut self, line: &str) {
        let text = escaped(line);
        // A line that starts like a request is none with this in front.
        let guard = if text.starts_with(['.', '\'']) { "\\&" } else { "" };
        writeln!(self.text, "{guard}{text}").unwrap();
    }
}

fn ends_sentence(line: &str) -> bool {
    line.ends_with(['.', '?', '!'])
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// An argument's name, however it is marked.
fn bare(argument: &str) -> String {
    argument.trim_matches(['<', '>']).to_uppercase()
}

/// The page of lockbox itself.
pub(crate) fn lockbox() -> String {
    let mut page = Page::new("LOCKBOX", "lockbox", "file locks of every convention");
    page.section("SYNOPSIS");
    let mut calls: Vec<String> = commands().into_iter().flat_map(|it| it.usage).collect();
    calls.push("lockbox help [COMMAND]".to_owned());
    calls.push("lockbox version".to_owned());
    calls.push("lockbox APPLET [ARG]...".to_owned());
    page.calls("lockbox", &calls);
    page.section("DESCRIPTION");
    page.paragraph(
        "Takes, shows, waits for and removes file locks by the conventions of many programs. One \
         executable without libc; under the name of an applet it is that program.",
    );
    for (name, text) in overview() {
        page.item(&format!("\\fB{}\\fR", escaped(&name)), &text);
    }
    for applet in applets() {
        let text = words::applet(applet.name).summary;
        let text = format!("{text}; see lockbox-{}(1)", applet.name);
        page.item(&format!("\\fB{}\\fR", applet.name), &text);
    }
    page.section("COMMANDS");
    for command in commands() {
        page.subsection(&format!("lockbox {}", command.name));
        for paragraph in &command.paragraphs {
            page.paragraph(paragraph);
        }
        page.options(&command.options);
    }
    page.section("KINDS");
    page.paragraph(
        "The first four are kernel locks, gone with their holder; the next four are names, found \
         stale when their holder is dead.",
    );
    for (kind, text) in words::KINDS {
        page.item(&format!("\\fB{kind}\\fR"), text);
    }
    page.section("SEE ALSO");
    let others: Vec<String> =
        applets().iter().map(|it| format!("lockbox-{}(1)", it.name)).collect();
    page.paragraph(&format!("{}, flock(2), fcntl(2)", others.join(", ")));
    page.text
}

/// The page of an applet.
pub(crate) fn applet(applet: &Program) -> String {
    let words = words::applet(applet.name);
    let name = format!("lockbox-{}", applet.name);
    let mut page = Page::new(&name.to_uppercase(), &escaped(&name), words.summary);
    page.section("SYNOPSIS");
    page.calls(applet.name, &applet.usage);
    page.section("DESCRIPTION");
    page.paragraph(&format!(
        "What lockbox does under the name {0}, and as lockbox {0}.",
        applet.name
    ));
    for paragraph in words.description {
        page.paragraph(paragraph);
    }
    page.section("OPTIONS");
    page.options(&applet.options);
    page.section("EXIT STATUS");
    for (status, meaning) in words.statuses {
        page.item(&format!("\\fB{status}\\fR"), meaning);
    }
    page.section("SEE ALSO");
    page.paragraph("lockbox(1)");
    page.text
}
