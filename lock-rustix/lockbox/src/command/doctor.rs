//! `lockbox doctor`: whether locking is real in a directory, kind by kind.

use core::ffi::CStr;

use lock_core::kind::Kind;
use lock_core::owner::Pid;
use lock_rustix::doctor::{Doubt, Finding, Flaw, LIMIT_NS, Report, examine};

use super::report::{failed, fault_text};
use super::settings::Settings;
use super::wrong_usage;
use crate::json::Filling;
use crate::out::Out;
use crate::stack::Stack;
use crate::status as exit;
use crate::waiting::Patience;

/// Some kind is not safe.
const UNSAFE: u8 = 1;
/// Of some kind it could not be found out.
const UNKNOWN: u8 = 4;

pub(super) const ALLOWED: &[u8] = b"jkw";

#[inline(never)]
pub(super) fn main(stack: &Stack, at: usize) -> u8 {
    Settings::with_path(stack, at, ALLOWED, examine_and_tell)
}

fn examine_and_tell(settings: &Settings, dir: &CStr) -> u8 {
    if settings.cluster {
        return wrong_usage("kind 'dlm' locks no directory's files", b"");
    }
    let limit_ns = match settings.patience {
        Patience::For(ns) => ns,
        _ => LIMIT_NS,
    };
    let examined = examine(dir, limit_ns);
    let report = match &examined {
        Ok(report) => report,
        Err(fault) => return failed(dir, *fault),
    };
    let mut out = Out::stdout();
    if settings.json {
        print_json(&mut out, dir, report);
    } else {
        print_text(&mut out, dir, report);
    }
    let asked = settings.kind_given.then_some(settings.kind);
    worst(report, asked)
}

/// The exit status: the worst that is true of any kind, or of the one that is asked about.
fn worst(report: &Report, asked: Option<Kind>) -> u8 {
    let mut worst = None;
    for (kind, finding) in &report.findings {
        let status = match finding {
            Finding::Sound => 0,
            Finding::Unsafe(_) => UNSAFE,
            Finding::Hangs | Finding::Unknown(Doubt::AfterHang) => exit::IO_ERROR,
            Finding::Unknown(Doubt::NotTested(fault)) => exit::of(*fault),
            _ => UNKNOWN,
        };
        // What is known to be wrong says more than what is not known.
        let weight = |status| if status == UNSAFE { UNKNOWN + 1 } else { status };
        let counts = asked.is_none_or(|asked| asked == *kind);
        if counts && worst.is_none_or(|worst| weight(status) >= weight(worst)) {
            worst = Some(status);
        }
    }
    worst.unwrap_or(UNKNOWN)
}

#[inline(never)]
fn print_text(out: &mut Out, dir: &CStr, report: &Report) {
    out.fill("%: ", dir.to_bytes());
    match &report.file_system {
        Some(found) => {
            out.foreign(&found.name);
            if !found.options.is_empty() {
                out.fill(" (%)", &found.options);
            }
            out.fill(", %", found.nature.reach().as_bytes());
        }
        None => {
            out.text("the file system does not answer");
        }
    }
    if let Some(skew_ms) = report.clock_skew_ms.filter(|&ms| ms != 0) {
        out.fill_number("; its clock is % ms ", skew_ms.unsigned_abs());
        out.text(if skew_ms < 0 { "behind" } else { "ahead" });
    }
    for (kind, finding) in &report.findings {
        out.fill("\n%: ", kind.name().as_bytes()).text(finding.word());
        out.fill_some(": %", finding.reason().map(str::as_bytes));
        detail(out, *finding);
    }
    for remark in report.remarks() {
        out.fill("\nnote: %", remark.sentence().as_bytes());
    }
    if let Some(leftover) = &report.leftover {
        out.fill("\nnote: remove %/", dir.to_bytes());
        out.fill("% when it can be", leftover.as_c_str().to_bytes());
    }
    if let Some(pid) = report.stuck {
        let text = "\nnote: process % hangs in the kernel until the file system answers";
        out.fill_number(text, pid.get());
    }
    let advice = report.advice();
    out.fill("\nchoose %: ", advice.kind.map_or("none", Kind::name).as_bytes());
    out.fill("%\n", advice.why.as_bytes());
}

/// Adds what failed, with which error.
fn detail(out: &mut Out, finding: Finding) {
    if let Some(fault) = finding.fault() {
        out.text(" (");
        fault_text(out, fault);
        out.text(")");
    }
    if let Finding::Unsafe(Flaw::LinkCount(links)) = finding {
        out.fill_number(" (% for 2)", links);
    }
}

fn print_json(out: &mut Out, dir: &CStr, report: &Report) {
    let system = report.file_system.as_ref();
    let behind = if report.clock_skew_ms.is_some_and(|ms| ms < 0) { "-" } else { "" };
    Filling::new(out, r#"{"path":%,"file_system":%,"options":%,"clock_skew_ms":"#)
        .string(Some(dir.to_bytes()))
        .string(system.map(|found| &found.name[..]))
        .string(system.map(|found| &found.options[..]))
        .go_on();
    out.text(behind);
    Filling::new(out, "%").number(report.clock_skew_ms.map(i64::unsigned_abs));
    out.fill(
        r#","events":%,"kinds":["#,
        match report.events {
            Some(true) => b"true",
            Some(false) => b"false",
            None => b"null",
        },
    );
    let mut separator = "";
    for (kind, finding) in &report.findings {
        out.text(separator);
        Filling::new(out, r#"{"kind":%,"finding":%,"why":%,"errno":%}"#)
            .string(Some(kind.name().as_bytes()))
            .string(Some(finding.word().as_bytes()))
            .string(finding.reason().map(str::as_bytes))
            .number(finding.fault().map(|fault| u64::from(fault.errno)))
            .go_on();
        separator = ",";
    }
    out.text(r#"],"notes":["#);
    separator = "";
    for remark in report.remarks() {
        out.text(separator);
        Filling::new(out, "%").string(Some(remark.sentence().as_bytes()));
        separator = ",";
    }
    let advice = report.advice();
    Filling::new(out, concat!(r#"],"leftover":%,"stuck":%,"choose":%,"because":%}"#, "\n"))
        .string(report.leftover.as_ref().map(|name| name.as_c_str().to_bytes()))
        .number(report.stuck.map(Pid::get))
        .string(advice.kind.map(|kind| kind.name().as_bytes()))
        .string(Some(advice.why.as_bytes()))
        .go_on();
}
