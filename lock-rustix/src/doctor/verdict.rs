//! From what the children wrote to findings and advice.

use lock_core::fault::{Fault, FaultKind};
use lock_core::kind::Kind;

use super::file_system::{FileSystem, LocalLocks, Nature};
use super::sheet::{Outcome, Sheet, Step};
use super::{Doubt, Finding, Flaw, Report};

/// What to do in a directory.
///
/// ```
/// use lock_rustix::doctor::{LIMIT_NS, examine};
///
/// let advice = examine(c"/dev/shm", LIMIT_NS).unwrap().advice();
/// println!("use {:?}: {}", advice.kind, advice.why);
/// assert!(advice.kind.is_some());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Advice {
    /// The kind to choose; `None`: none is safe here.
    pub kind: Option<Kind>,
    /// Why, as a sentence.
    pub why: &'static str,
}

/// The kinds, best first: those that fall with their holder before those that must be found dead.
const BEST_FIRST: [Kind; 8] = [
    Kind::File,
    Kind::Ofd,
    Kind::Flock,
    Kind::Lockf,
    Kind::Nfs,
    Kind::Pidfile,
    Kind::Mkdir,
    Kind::Symlink,
];

/// Notes the step at which a part hung: a kind's own test, or what comes before all kinds.
pub(super) fn hang(report: &mut Report, at: Option<Step>) {
    match at {
        Some(Step::Kind(kind)) => {
            if let Some((_, finding)) = report.findings.get_mut(usize::from(kind)) {
                *finding = Finding::Hangs;
            }
        }
        Some(Step::Surroundings | Step::Writing) => {
            for (_, finding) in &mut report.findings {
                *finding = Finding::Hangs;
            }
        }
        Some(Step::Cleaning) | None => {}
    }
}

/// Fills in what the sheet says.
pub(super) fn complete(report: &mut Report, sheet: &Sheet) {
    report.file_system = sheet.file_system.take().or_else(|| sheet.guessed.take());
    report.clock_skew_ms = sheet.clock_skew_ms.take();
    report.events = sheet.events.take();
    report.refuses_both = sheet.refuses_both.take();
    let not_made = sheet.made.take().and_then(Result::err);
    for ((kind, finding), slot) in report.findings.iter_mut().zip(&sheet.outcomes) {
        match (slot.take(), not_made) {
            (Some(outcome), _) => {
                *finding = found(*kind, outcome, report.file_system.as_ref());
            }
            (None, Some(fault)) => *finding = Finding::Unknown(Doubt::NotTested(fault)),
            (None, None) => {}
        }
    }
    for (unseen, slot) in report.unseen.iter_mut().zip(&sheet.outcomes) {
        *unseen = slot.take() == Some(Ok(false));
    }
}

/// What a self-test and the file system say together.
#[inline(never)]
fn found(kind: Kind, outcome: Outcome, file_system: Option<&FileSystem>) -> Finding {
    match outcome {
        Ok(_) => {}
        Err(Flaw::Refused(Fault { kind: FaultKind::Unsupported, errno: 0, .. })) => {
            return Finding::Unknown(Doubt::NotBuiltIn);
        }
        Err(Flaw::Refused(fault)) if is_for_want_of_room(fault) => {
            return Finding::Unknown(Doubt::NotTested(fault));
        }
        Err(flaw) => return Finding::Unsafe(flaw),
    }
    let nature = file_system.map_or(Nature::Foreign, |found| found.nature);
    let local = file_system.map_or(LocalLocks::default(), |found| found.local_locks);
    let stays_here = match kind {
        Kind::Flock => local.flock,
        Kind::Lockf | Kind::Ofd => local.record,
        // One of the two is enough to keep others out.
        Kind::File => local.flock && local.record,
        _ => false,
    };
    match nature {
        _ if stays_here => Finding::Unsafe(Flaw::LocalToHost),
        Nature::Local | Nature::Layered | Nature::Nfs => Finding::Sound,
        Nature::Network if kind.is_existence() => Finding::Sound,
        Nature::Network | Nature::Foreign => Finding::Unknown(Doubt::OtherHosts),
    }
}

/// Whether this says more about the moment or the caller than about locks.
fn is_for_want_of_room(fault: Fault) -> bool {
    matches!(
        fault.kind,
        FaultKind::NoSpace | FaultKind::Quota | FaultKind::ReadOnly | FaultKind::TooManyFiles
    )
}

impl Report {
    /// Which kind to choose here, and why.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::doctor::{Finding, LIMIT_NS, examine};
    ///
    /// let report = examine(c"/dev/shm", LIMIT_NS).unwrap();
    /// let kind = report.advice().kind.unwrap();
    /// assert_eq!(report.finding(kind), Finding::Sound);
    /// ```
    pub fn advice(&self) -> Advice {
        let sound = |kind: &Kind| self.finding(*kind) == Finding::Sound;
        let kind = BEST_FIRST.into_iter().find(sound);
        let nature = self.file_system.as_ref().map(|found| found.nature);
        let why = match (kind.map(Kind::is_existence), nature) {
            (Some(false), Some(Nature::Layered)) => {
                "a kernel lock falls with its holder; all who share it must use this mount"
            }
            (Some(false), Some(Nature::Nfs)) => {
                "the server keeps it for all its clients, and it falls with its holder"
            }
            (Some(false), _) => "a kernel lock falls with its holder, however he ends",
            (Some(true), _) => {
                "the server makes its name, which all hosts see; only the holder's own host can \
                 find him dead"
            }
            (None, _) => {
                "no kind is known to be safe; use a directory of a local file system, such as \
                 /run/lock, or between hosts a lock server"
            }
        };
        Advice { kind, why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(nature: Nature, flock: bool, record: bool) -> [Finding; 8] {
        let mut report = Report::empty();
        for (kind, finding) in &mut report.findings {
            let mut system = FileSystem::of(0);
            (system.nature, system.local_locks) = (nature, LocalLocks { flock, record });
            *finding = found(*kind, Ok(true), Some(&system));
        }
        report.findings.map(|(_, finding)| finding)
    }

    #[test]
    fn what_is_kept_on_this_machine_is_not_safe_between_machines() {
        const YES: Finding = Finding::Sound;
        const NO: Finding = Finding::Unsafe(Flaw::LocalToHost);
        const WHO_KNOWS: Finding = Finding::Unknown(Doubt::OtherHosts);
        for (nature, flock, record, [file, by_flock, lockf, ofd], existence) in [
            (Nature::Local, false, false, [YES; 4], YES),
            (Nature::Nfs, false, false, [YES; 4], YES),
            (Nature::Nfs, true, true, [NO; 4], YES),
            (Nature::Nfs, true, false, [YES, NO, YES, YES], YES),
            (Nature::Nfs, false, true, [YES, YES, NO, NO], YES),
            (Nature::Network, false, false, [WHO_KNOWS; 4], YES),
            (Nature::Network, true, true, [NO; 4], YES),
            (Nature::Foreign, false, false, [WHO_KNOWS; 4], WHO_KNOWS),
        ] {
            let [a, b, c, d, rest @ ..] = on(nature, flock, record);
            assert_eq!([a, b, c, d], [file, by_flock, lockf, ofd], "{nature:?} {flock} {record}");
            assert_eq!(rest, [existence; 4]);
        }
    }

    #[test]
    fn advice_is_the_best_that_is_sound() {
        let mut report = Report::empty();
        assert_eq!(report.advice().kind, None);
        for kind in [Kind::Symlink, Kind::Nfs, Kind::Flock, Kind::File] {
            let place = report.findings.iter_mut().find(|(of, _)| *of == kind).unwrap();
            place.1 = Finding::Sound;
            assert_eq!(report.advice().kind, Some(kind));
        }
    }

    #[test]
    fn a_hang_is_noted_where_it_was() {
        let mut report = Report::empty();
        hang(&mut report, Some(Step::Kind(2)));
        assert_eq!(report.finding(Kind::Lockf), Finding::Hangs);
        assert_eq!(report.finding(Kind::Ofd), Finding::Unknown(Doubt::AfterHang));
        hang(&mut report, Some(Step::Writing));
        assert_eq!(report.finding(Kind::Symlink), Finding::Hangs);
    }
}
