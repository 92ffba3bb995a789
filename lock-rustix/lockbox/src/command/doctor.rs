//! `lockbox doctor`: whether locking is real in a directory, kind by kind.

use core::ffi::CStr;

use lock_core::kind::Kind;
use lock_rustix::doctor::{Doubt, Finding, Flaw, LIMIT_NS, Report, examine};

use super::report::{failed, fault_text};
use super::settings::Settings;
use super::wrong_usage;
use crate::json;
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
    let (settings, dir) = match Settings::read(stack, at, ALLOWED, false) {
        Ok((settings, dir, _)) => (settings, dir),
        Err(status) => return status,
    };
    if settings.cluster {
        return wrong_usage("kind 'dlm' locks no directory's files", b"");
    }
    let limit_ns = match settings.patience {
        Patience::For(ns) => ns,
        _ => LIMIT_NS,
    };
    let report = match examine(dir, limit_ns) {
        Ok(report) => report,
        Err(fault) => return failed(dir, fault),
    };
    let mut out = Out::stdout();
    if settings.json {
        print_json(&mut out, dir, &report);
    } else {
        print_text(&mut out, dir, &report);
    }
    let asked = settings.kind_given.then_some(settings.kind);
    worst(&report, asked)
}

/// The exit status: the worst that is true of any kind, or of the one that is asked about.
fn worst(report: &Report, asked: Option<Kind>) -> u8 {
    let statuses =
        report.findings.iter().filter(|(kind, _)| asked.is_none_or(|asked| asked == *kind)).map(
            |(_, finding)| match finding {
                Finding::Sound => 0,
                Finding::Unsafe(_) => UNSAFE,
                Finding::Hangs | Finding::Unknown(Doubt::AfterHang) => exit::IO_ERROR,
                Finding::Unknown(Doubt::NotTested(fault)) => exit::of(*fault),
                _ => UNKNOWN,
            },
        );
    // What is known to be wrong says more than what is not known.
    let weight = |status: &u8| if *status == UNSAFE { UNKNOWN + 1 } else { *status };
    statuses.max_by_key(weight).unwrap_or(UNKNOWN)
}

fn print_text(out: &mut Out, dir: &CStr, report: &Report) {
    out.foreign(dir.to_bytes()).text(": ");
    match &report.file_system {
        Some(found) => {
            out.foreign(&found.name);
            if !found.options.is_empty() {
                out.text(" (").foreign(&found.options).text(")");
            }
            out.text(", ").text(found.nature.reach());
        }
        None => {
            out.text("the file system does not answer");
        }
    }
    if let Some(skew_ms) = report.clock_skew_ms.filter(|&ms| ms != 0) {
        out.text("; its clock is ").number(skew_ms.unsigned_abs());
        out.text(if skew_ms < 0 { " ms behind" } else { " ms ahead" });
    }
    out.text("\n");
    for (kind, finding) in &report.findings {
        out.text(kind.name()).text(": ").text(finding.word());
        if let Some(reason) = finding.reason() {
            out.text(": ").text(reason);
        }
        detail(out, *finding);
        out.text("\n");
    }
    for remark in report.remarks() {
        out.text("note: ").text(remark.sentence()).text("\n");
    }
    if let Some(leftover) = &report.leftover {
        out.text("note: remove ").foreign(dir.to_bytes()).text("/");
        out.foreign(leftover.as_c_str().to_bytes()).text(" when it can be\n");
    }
    if let Some(pid) = report.stuck {
        out.text("note: process ").number(pid.get());
        out.text(" hangs in the kernel until the file system answers\n");
    }
    let advice = report.advice();
    out.text("choose ").text(advice.kind.map_or("none", Kind::name)).text(": ");
    out.text(advice.why).text("\n");
}

/// Adds what failed, with which error.
fn detail(out: &mut Out, finding: Finding) {
    if let Some(fault) = finding.fault() {
        out.text(" (");
        fault_text(out, fault);
        out.text(")");
    }
    if let Finding::Unsafe(Flaw::LinkCount(links)) = finding {
        out.text(" (").number(links).text(" for 2)");
    }
}

fn print_json(out: &mut Out, dir: &CStr, report: &Report) {
    let system = report.file_system.as_ref();
    out.text("{\"path\":");
    json::string(out, dir.to_bytes());
    out.text(",\"file_system\":");
    json::maybe(out, system.map(|found| &found.name[..]));
    out.text(",\"options\":");
    json::maybe(out, system.map(|found| &found.options[..]));
    out.text(",\"clock_skew_ms\":");
    if report.clock_skew_ms.is_some_and(|ms| ms < 0) {
        out.text("-");
    }
    json::number(out, report.clock_skew_ms.map(i64::unsigned_abs));
    out.text(",\"events\":").text(match report.events {
        Some(true) => "true",
        Some(false) => "false",
        None => "null",
    });
    out.text(",\"kinds\":[");
    let mut separator = "";
    for (kind, finding) in &report.findings {
        out.text(separator).text("{\"kind\":\"").text(kind.name());
        out.text("\",\"finding\":\"").text(finding.word()).text("\",\"why\":");
        json::maybe(out, finding.reason().map(str::as_bytes));
        out.text(",\"errno\":");
        let errno = finding.fault().map(|fault| u64::from(fault.errno));
        json::number(out, errno);
        out.text("}");
        separator = ",";
    }
    out.text("],\"notes\":[");
    separator = "";
    for remark in report.remarks() {
        out.text(separator);
        json::string(out, remark.sentence().as_bytes());
        separator = ",";
    }
    let advice = report.advice();
    out.text("],\"leftover\":");
    json::maybe(out, report.leftover.as_ref().map(|name| name.as_c_str().to_bytes()));
    out.text(",\"stuck\":");
    json::number(out, report.stuck.map(lock_core::owner::Pid::get));
    out.text(",\"choose\":");
    json::maybe(out, advice.kind.map(|kind| kind.name().as_bytes()));
    out.text(",\"because\":");
    json::string(out, advice.why.as_bytes());
    out.text("}\n");
}
