//! What `Lock_file_blocking.Nfs` keeps in `PATH` and `PATH.nfs_lock`: who holds the lock.
//!
//! Written in the layout of either version, which every version reads; read as they read it. Facts
//! that the format has no field for travel in front, as a comment: see [`Identity`].
//!
//! ```text
//! ((host vm) (pid 18426) (message "")
//!  (start_time (2026-11-20 20:54:13.144921Z)))
//! ```
//! Source: `core_unix` v0.15 to v0.18, run; sexplib and parsexp v0.15, run; `core` v0.15, read.

mod fields;

use fields::Fields;

use super::date_time::WallTime;
use super::identity::Identity;
use super::message::stripped;
use super::parse::{Expected, ParseError, Required, check_len};
use super::sexp::{Lexeme, Parts, Reader, human, machine};
use super::write::{Out, WriteError, build};
use crate::owner::{Host, Owner, Pid, Text};
use crate::staleness::Claim;

/// The longest file that is read, and longer than any that is written; in bytes.
pub const NFS_INFO_MAX: usize = 8192;

/// The holder of an nfs lock.
///
/// ```
/// use lock_core::owner::{Host, Pid, Text};
/// use lock_core::payload::date_time::WallTime;
/// use lock_core::payload::nfs_info::NfsInfo;
///
/// let info = NfsInfo {
///     host: Host::try_from(&b"vm"[..]).unwrap(),
///     pid: Pid::new(4711).unwrap(),
///     message: Text::new(),
///     start_time: WallTime::from_us(0),
///     identity: None,
/// };
/// let claim = info.claim();
/// assert_eq!(claim.owner.to_string(), "pid 4711 on vm");
/// assert_eq!(claim.started_at_us, Some(0));
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct NfsInfo {
    /// Its host, as `uname(2)` names it.
    pub host: Host,
    /// Its process id.
    pub pid: Pid,
    /// The caller's own words; often none.
    pub message: Text,
    /// When it started by the wall clock, if that could be seen.
    pub start_time: Option<WallTime>,
    /// What only this library writes.
    pub identity: Option<Identity>,
}

impl NfsInfo {
    /// Reads a whole file.
    ///
    /// Accepts what the original accepts: fields in any order, quoted or not, comments, a missing
    /// `start_time`. Refuses what it refuses: a field missing, twice or unknown, anything after
    /// the expression, a pid of 0. Refuses beyond that what its fixed buffers cannot hold: a host
    /// name longer than 64 bytes, a message longer than 1023, a file longer than
    /// [`NFS_INFO_MAX`], 32 lists inside each other, a start time outside the years 0000 to 9999.
    ///
    /// ```
    /// use lock_core::payload::nfs_info::NfsInfo;
    ///
    /// let info = NfsInfo::parse(b"((host vm)(pid 20918)(message\"two words\"))").unwrap();
    /// assert_eq!((&info.host[..], &info.message[..]), (&b"vm"[..], &b"two words"[..]));
    /// assert_eq!(info.pid.get(), 20918);
    /// ```
    pub fn parse(file: &[u8]) -> Result<NfsInfo, ParseError> {
        check_len(file, NFS_INFO_MAX)?;
        // The original strips the file first, and only there is a vertical tab white space.
        let range = stripped(file);
        let text = file.get(..range.end).unwrap_or_default();
        let mut reader = Reader::starting_at(text, range.start);
        reader.require(Lexeme::Open, Expected::Byte(b'('))?;
        let mut fields = Fields::default();
        loop {
            match reader.advance()? {
                Lexeme::Open => fields.read(&mut reader)?,
                Lexeme::Close => break,
                _ => return Err(ParseError::new(reader.last().at(), Expected::List)),
            }
        }
        let pid = match (fields.missing(), fields.pid) {
            (None, Some(pid)) => pid,
            (missing, _) => {
                let field = missing.unwrap_or(Required::Pid);
                return Err(ParseError::new(reader.last().at(), Expected::Field(field)));
            }
        };
        reader.require(Lexeme::End, Expected::End)?;
        Ok(NfsInfo {
            host: fields.host,
            pid,
            message: fields.message,
            start_time: fields.start_time,
            identity: Identity::parse(file),
        })
    }

    /// What it says about the holder. An empty message is none.
    pub fn claim(&self) -> Claim {
        let mut claim = Claim {
            owner: Owner {
                // Not by cloning, of which a panic would remain in the program.
                host: Host::try_from(&self.host[..]).ok(),
                pid: Some(self.pid),
                message: Text::try_from(&self.message[..]).ok().filter(|text| !text.is_empty()),
                ..Owner::default()
            },
            started_at_us: self.start_time.map(WallTime::as_us),
            ..Claim::default()
        };
        if let Some(identity) = self.identity {
            identity.complete(&mut claim);
        }
        claim
    }

    /// Writes the file as `create` does: lines for people, a newline at the end.
    ///
    /// Returns how many bytes of `file` it takes; [`NFS_INFO_MAX`] are always enough, fewer may be
    /// `TooLong`.
    ///
    /// ```
    /// use lock_core::payload::nfs_info::{NFS_INFO_MAX, NfsInfo};
    ///
    /// let info = NfsInfo::parse(b"((pid 7) (host vm) (message m))").unwrap();
    /// let mut file = [0; NFS_INFO_MAX];
    /// let len = info.write_human(&mut file).unwrap();
    /// assert_eq!(&file[..len], b"((host vm) (pid 7) (message m))\n");
    /// ```
    pub fn write_human(&self, file: &mut [u8]) -> Result<usize, WriteError> {
        self.write(file, human, b"\n")
    }

    /// Writes the file as `create_v2` does: in one piece.
    ///
    /// Returns how many bytes of `file` it takes; [`NFS_INFO_MAX`] are always enough, fewer may be
    /// `TooLong`.
    ///
    /// ```
    /// use lock_core::payload::nfs_info::{NFS_INFO_MAX, NfsInfo};
    ///
    /// let info = NfsInfo::parse(b"((pid 7) (host vm) (message m))").unwrap();
    /// let mut file = [0; NFS_INFO_MAX];
    /// let len = info.write_machine(&mut file).unwrap();
    /// assert_eq!(&file[..len], b"((host vm)(pid 7)(message m))");
    /// ```
    pub fn write_machine(&self, file: &mut [u8]) -> Result<usize, WriteError> {
        self.write(file, machine, b"")
    }

    fn write(
        &self,
        file: &mut [u8],
        layout: fn(Parts<'_>, &mut Out<'_>),
        end: &[u8],
    ) -> Result<usize, WriteError> {
        let pid = build::<20>(|out| out.decimal(self.pid.get()))?;
        let shape: &[u8] = match self.start_time {
            Some(_) => b"((01)(23)(45)(6(78)))",
            None => b"((01)(23)(45))",
        };
        let start = self.start_time.unwrap_or(WallTime::MIN);
        let (date, time) = (start.date(), start.time_of_day());
        let atoms: &[&[u8]] = &[
            b"host",
            &self.host,
            b"pid",
            &pid,
            b"message",
            &self.message,
            b"start_time",
            &date,
            &time,
        ];
        let mut out = Out::new(file);
        if let Some(identity) = &self.identity {
            identity.write(&mut out);
        }
        layout(Parts { shape, atoms }, &mut out);
        out.bytes(end);
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::{BootId, HOST_MAX, StartTime};
    use crate::payload::message::MESSAGE_MAX;
    use std::string::String;
    use std::vec::Vec;

    fn info(message: &[u8], start_time: Option<WallTime>) -> NfsInfo {
        NfsInfo {
            host: Host::from_iter(*b"vm"),
            pid: Pid::new(18426).unwrap(),
            message: Text::try_from(message).unwrap(),
            start_time,
            identity: None,
        }
    }

    fn human(info: &NfsInfo) -> Vec<u8> {
        let mut file = [0; NFS_INFO_MAX];
        let len = info.write_human(&mut file).unwrap();
        file[..len].to_vec()
    }

    #[test]
    fn people_get_lines_of_77_columns() {
        let start_time = WallTime::from_us(1_795_208_053_144_921);
        let indent = " ".repeat(32);
        let lines = String::from(" \"two\\\n") + &indent + "\\nlines\"";
        for (message, printed) in [("", "\"\""), ("two\nlines", lines.as_str())] {
            let text = String::from("((host vm) (pid 18426) (message ")
                + printed
                + ")\n (start_time (2026-11-20 20:54:13.144921Z)))\n";
            assert_eq!(human(&info(message.as_bytes(), start_time)), text.as_bytes());
        }
    }

    #[test]
    fn the_comment_in_front_is_ours_alone() {
        let boot = Some(BootId([0xab; 16]));
        let identity = Identity { boot, flocked: true, ..Identity::default() };
        let info = NfsInfo { identity: Some(identity), ..info(b"m", None) };
        let text = "; lk1 boot=abababababababababababababababab flock=1\n\
                    ((host vm) (pid 18426) (message m))\n";
        assert_eq!(human(&info), text.as_bytes());
        let read = NfsInfo::parse(text.as_bytes()).unwrap();
        assert_eq!(read, info);
        let claim = read.claim();
        assert_eq!((claim.owner.boot, claim.flocked), (boot, true));
        assert_eq!(claim.owner.start, None::<StartTime>);
    }

    #[test]
    fn the_largest_holder_fits() {
        let newlines = [b'\n'; MESSAGE_MAX];
        let mut spread = [b'x'; MESSAGE_MAX];
        spread.iter_mut().skip(1).step_by(2).for_each(|byte| *byte = b'\n');
        for message in [&newlines[..], &[1; MESSAGE_MAX], &[b'"'; MESSAGE_MAX], &spread] {
            let all = Identity {
                boot: Some(BootId([1; 16])),
                nonce: Some([1; 16]),
                start: Some(StartTime(u64::MAX)),
                flocked: true,
                ..Identity::default()
            };
            let info = NfsInfo {
                host: Host::from([0xff; HOST_MAX]),
                pid: Pid::new((1 << 62) - 1).unwrap(),
                identity: Some(all),
                ..info(message, Some(WallTime::MAX))
            };
            assert_eq!(NfsInfo::parse(&human(&info)), Ok(info.clone()));
            let mut file = [0; NFS_INFO_MAX];
            let len = info.write_machine(&mut file).unwrap();
            assert_eq!(NfsInfo::parse(&file[..len]), Ok(info.clone()));
            assert_eq!(info.write_machine(&mut file[..len - 1]), Err(WriteError::TooLong));
        }
    }

    #[test]
    fn what_does_not_fit_is_not_cut() {
        let file = |host: usize, message: usize| {
            let (host, message) = ("h".repeat(host), "m".repeat(message));
            std::format!("((host {host})(message {message})(pid 1))")
        };
        assert!(NfsInfo::parse(file(HOST_MAX, MESSAGE_MAX).as_bytes()).is_ok());
        let error = NfsInfo::parse(file(HOST_MAX + 1, 1).as_bytes());
        assert_eq!(error, Err(ParseError::too_long(7, HOST_MAX)));
        let error = NfsInfo::parse(file(1, MESSAGE_MAX + 1).as_bytes());
        assert_eq!(error, Err(ParseError::too_long(18, MESSAGE_MAX)));
        let long = file(1, 1) + &" ".repeat(NFS_INFO_MAX);
        let error = NfsInfo::parse(long.as_bytes());
        assert_eq!(error, Err(ParseError::too_long(NFS_INFO_MAX, NFS_INFO_MAX)));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let with_time =
            |time: &str| String::from("((host h)(pid 1)(message m)(start_time ") + time + "))";
        for (file, at, expected) in [
            (String::new(), 0, Expected::Byte(b'(')),
            (" \n".into(), 2, Expected::Byte(b'(')),
            ("vm".into(), 0, Expected::Byte(b'(')),
            ("()".into(), 1, Expected::Field(Required::Host)),
            ("((host h))".into(), 9, Expected::Field(Required::Pid)),
            ("((host h)(pid 1))".into(), 16, Expected::Field(Required::Message)),
            ("((host h)(host h))".into(), 10, Expected::FieldOnce),
            ("((host h)(port 1))".into(), 10, Expected::FieldName),
            ("((host h) pid)".into(), 10, Expected::List),
            ("((host h)())".into(), 10, Expected::Atom),
            ("((host))".into(), 6, Expected::Atom),
            ("((host a b))".into(), 9, Expected::Byte(b')')),
            ("((host (a)))".into(), 7, Expected::Atom),
            ("((pid \"12 \"))".into(), 7, Expected::Pid),
            ("((host h)(pid 1)(message m)))".into(), 28, Expected::End),
            ("((host h)(pid 1)(message m)) x".into(), 29, Expected::End),
            ("((host h)(pid 1)(message m)".into(), 27, Expected::Byte(b')')),
            (with_time("()"), 40, Expected::Atom),
            (with_time("x"), 39, Expected::List),
            (with_time("(2026-02-30 00:00)"), 40, Expected::Date),
            (with_time("(2026-02-28 00:60)"), 51, Expected::TimeOfDay),
            (with_time("(2026-02-28 00:00 UTC)"), 57, Expected::Byte(b')')),
        ] {
            assert_eq!(
                NfsInfo::parse(file.as_bytes()),
                Err(ParseError::new(at, expected)),
                "{file}"
            );
        }
    }
}
