//! How commands go into a machine and results come out: lines on a serial port. A command is a
//! number, its length and one line; the answer is all it prints, and a mark with the number and its
//! status, or that the line was damaged.

use core::fmt::Write as _;
use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// What the machine says of a line that is not as long as it should be.
const AGAIN: &[u8] = b"@@again@@";

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit status, as a shell has it: 128 and the signal if one ended it.
    pub status: i32,
    /// What it printed, errors included.
    pub text: String,
}

/// A command in the background of a machine.
#[derive(Debug)]
pub struct Job {
    /// The number of its files in the machine's `/run/job`.
    pub number: u64,
    /// The process's id in the machine.
    pub pid: u32,
}

/// The host's end of the serial port.
#[derive(Debug)]
pub struct Channel {
    stream: UnixStream,
    received: Vec<u8>,
    number: u64,
}

impl Channel {
    /// A channel over this stream, before the machine said anything.
    pub fn new(stream: UnixStream) -> Channel {
        Channel { stream, received: Vec::new(), number: 0 }
    }

    /// Waits until the machine takes commands.
    pub fn ready(&mut self, limit: Duration) -> io::Result<()> {
        self.answer(limit).map(|_| ())
    }

    /// Runs a command, of one line or several.
    ///
    /// # Errors
    ///
    /// `TimedOut` if the answer takes longer than `limit`; the channel is then of no more use.
    /// `UnexpectedEof` if the machine ends.
    pub fn run(&mut self, command: &str, limit: Duration) -> io::Result<Output> {
        self.number += 1;
        let text = escaped(command.trim());
        let line = format!("{} {} {text}\n", self.number, text.len());
        let end = Instant::now() + limit;
        loop {
            self.stream.write_all(line.as_bytes())?;
            if let Some(output) = self.answer(end.saturating_duration_since(Instant::now()))? {
                return Ok(output);
            }
        }
    }

    /// A number that no other command has.
    pub fn next_number(&self) -> u64 {
        self.number + 1
    }

    /// What came in that was no answer yet, for a message.
    pub fn pending(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }

    /// The answer; nothing if the command came in damaged.
    fn answer(&mut self, limit: Duration) -> io::Result<Option<Output>> {
        let end = Instant::now() + limit;
        let mark = format!("@@{} ", self.number);
        loop {
            if let Some(at) = find(&self.received, AGAIN) {
                self.received.drain(..at + AGAIN.len());
                return Ok(None);
            }
            if let Some((output, length)) = parse(&self.received, mark.as_bytes()) {
                self.received.drain(..length);
                return Ok(Some(output));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                // The same, with commands unread.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                Ok(count) => self.received.extend(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A command as one line that `printf %b` turns back.
fn escaped(command: &str) -> String {
    let mut line = String::new();
    for byte in command.bytes() {
        match byte {
            b' '..=b'~' if byte != b'\\' => line.push(char::from(byte)),
            // A leading zero and up to three digits.
            _ => write!(line, "\\0{byte:03o}").expect("a string takes all"),
        }
    }
    line
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|window| window == mark)
}

/// The output before a mark that is there whole, and the length of both.
fn parse(received: &[u8], mark: &[u8]) -> Option<(Output, usize)> {
    let at = find(received, mark)?;
    let rest = &received[at + mark.len()..];
    let digits = rest.windows(2).position(|window| window == b"@@")?;
    let status = String::from_utf8_lossy(&rest[..digits]).parse().ok()?;
    let text = String::from_utf8_lossy(&received[..at]).into_owned();
    Some((Output { status, text }, at + mark.len() + digits + 2))
}

#[cfg(test)]
mod tests {
    use super::{Channel, escaped};
    use core::time::Duration;
    use std::io::{ErrorKind, Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn an_answer_ends_at_its_own_mark() {
        let (mut guest, host) = UnixStream::pair().unwrap();
        let mut channel = Channel::new(host);
        guest.write_all(b"noise@@0 0@@text with @@7 0@@ in it\n@@1 75").unwrap();
        channel.ready(Duration::from_secs(60)).unwrap();
        guest.write_all(b"@@@@2 0@@").unwrap();
        let output = channel.run("first", Duration::from_secs(60)).unwrap();
        assert_eq!((output.status, &output.text[..]), (75, "text with @@7 0@@ in it\n"));
        assert_eq!(channel.run("second", Duration::from_secs(60)).unwrap().status, 0);
        let late = channel.run("third", Duration::ZERO).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        drop(guest);
        let gone = channel.ready(Duration::from_secs(60)).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_damaged_line_is_sent_again() {
        let (mut guest, host) = UnixStream::pair().unwrap();
        let mut channel = Channel::new(host);
        guest.write_all(b"@@again@@done\n@@1 3@@").unwrap();
        let output = channel.run(" ls  -l ", Duration::from_secs(60)).unwrap();
        assert_eq!((output.status, &output.text[..]), (3, "done\n"));
        let mut sent = [0; 22];
        guest.read_exact(&mut sent).unwrap();
        assert_eq!(&sent, b"1 6 ls  -l\n1 6 ls  -l\n");
    }

    #[test]
    fn a_command_is_one_line() {
        assert_eq!(escaped("a \\ b\nc"), "a \\0134 b\\0012c");
    }
}
