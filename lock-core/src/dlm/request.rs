//! What a program writes to a lockspace's device, or to the control device: `struct
//! dlm_write_request` and a name.
//!
//! A request is one `write(2)`. It returns the id of a new lock, the minor number of a new
//! lockspace's device, or 0; how a lock operation ended comes later, as an
//! [`Answer`](super::answer::Answer). Source: Linux 6.1, `fs/dlm/user.c`.

use super::flags::{LockFlags, LockspaceFlags, ReleaseFlags};
use super::layout::{Layout, LayoutError, Reader, Writer};
use super::mode::Mode;
use super::name::{LockId, LockspaceName, NAME_MAX, ResourceName, Token, VALUE_LEN, ValueBlock};
use super::version::Version;

/// The longest request, in bytes; a longer write is refused with `EINVAL`.
pub const REQUEST_MAX: usize = 120 + NAME_MAX;

/// In the place of the address of a completion routine. The kernel refuses 0, and repeats it.
pub(super) const COMPLETION: u32 = 1;
/// In the place of the address of a blocking routine; with 0 there are no blocking answers.
pub(super) const BLOCKING: u32 = 2;

/// One request.
///
/// ```
/// use lock_core::dlm::flags::ReleaseFlags;
/// use lock_core::dlm::request::{Request, RequestBytes};
/// use lock_core::dlm::version::Version;
/// use lock_core::dlm::{Layout, LayoutError};
///
/// let leave = Request::Remove { flags: ReleaseFlags::empty(), minor: 57 };
/// let bytes: RequestBytes = leave.encode(Layout::NATIVE, Version::OURS);
/// assert_eq!(Request::decode(bytes.as_bytes(), Layout::NATIVE), Ok((leave, Version::OURS)));
/// assert_eq!(Request::decode(b"", Layout::NATIVE), Err(LayoutError::TooShort));
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Request {
    /// To a lockspace: a new lock, a conversion, the adoption of an orphan.
    Lock(LockRequest),
    /// To a lockspace: the end of a lock, or of what it waits for.
    Unlock(UnlockRequest),
    /// To a lockspace: end a conversion as if the kernel had found it in a deadlock.
    Deadlock {
        /// The lock that converts.
        id: LockId,
        /// None has a meaning so far.
        flags: LockFlags,
    },
    /// To a lockspace: end orphans.
    Purge {
        /// The node whose orphans; 0: this one.
        node: u32,
        /// The process that left them; 0: any. The writer's own number ends the locks of its open
        /// device instead, without an answer about any of them.
        pid: u32,
    },
    /// To the control device: make a lockspace, or count one more user of it.
    Create {
        /// How.
        flags: LockspaceFlags,
        /// Its name.
        name: LockspaceName,
    },
    /// To the control device: count one user less, and leave the lockspace with the last.
    Remove {
        /// How.
        flags: ReleaseFlags,
        /// The minor number of its device.
        minor: u32,
    },
}

/// See [`Request::Lock`].
///
/// ```
/// use lock_core::dlm::flags::LockFlags;
/// use lock_core::dlm::mode::Mode;
/// use lock_core::dlm::name::{ResourceName, Token};
/// use lock_core::dlm::request::{LockRequest, Request};
/// use lock_core::dlm::{Layout, version::Version};
///
/// let request = Request::Lock(LockRequest {
///     mode: Mode::EX,
///     flags: LockFlags::NOQUEUE,
///     id: None,
///     token: Token::new(7).unwrap(),
///     blocking: true,
///     transaction: 0,
///     value: [0; 32],
///     name: ResourceName::new(b"disk1").unwrap(),
/// });
/// let bytes = request.encode(Layout::Bits64, Version::OURS);
/// assert_eq!(bytes.as_bytes().len(), Layout::Bits64.request_len() + b"disk1".len());
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct LockRequest {
    /// The mode that is wanted.
    pub mode: Mode,
    /// How; with [`CONVERT`](LockFlags::CONVERT) the lock `id` is converted.
    pub flags: LockFlags,
    /// The lock to convert.
    pub id: Option<LockId>,
    /// What the answers shall carry.
    pub token: Token,
    /// Whether to be told when this lock blocks another.
    pub blocking: bool,
    /// The transaction that the lock belongs to, for the search for deadlocks.
    pub transaction: u64,
    /// The value to write, if the operation writes one.
    pub value: ValueBlock,
    /// The resource.
    pub name: ResourceName,
}

/// See [`Request::Unlock`].
///
/// ```
/// use lock_core::dlm::flags::LockFlags;
/// use lock_core::dlm::name::{LockId, Token};
/// use lock_core::dlm::request::{Request, UnlockRequest};
/// use lock_core::dlm::{Layout, version::Version};
///
/// let (id, token) = (LockId::new(1).unwrap(), Token::new(7).unwrap());
/// let (flags, value) = (LockFlags::CANCEL, [0; 32]);
/// let cancel = Request::Unlock(UnlockRequest { id, flags, token, value });
/// let bytes = cancel.encode(Layout::Bits32, Version::OURS);
/// assert_eq!(bytes.as_bytes().len(), Layout::Bits32.request_len());
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct UnlockRequest {
    /// The lock.
    pub id: LockId,
    /// How; with [`CANCEL`](LockFlags::CANCEL) only what it waits for ends.
    pub flags: LockFlags,
    /// What the last answer shall carry: it replaces the lock's own.
    pub token: Token,
    /// The value to write, if the mode allows it.
    pub value: ValueBlock,
}

/// The bytes of a request.
///
/// ```
/// use lock_core::dlm::request::{REQUEST_MAX, Request};
/// use lock_core::dlm::{Layout, version::Version};
///
/// let purge = Request::Purge { node: 0, pid: 4711 };
/// let bytes = purge.encode(Layout::Bits64, Version::OURS);
/// assert!(bytes.as_bytes().len() <= REQUEST_MAX);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestBytes {
    bytes: [u8; REQUEST_MAX],
    len: usize,
}

impl RequestBytes {
    /// What to write, all at once.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl Request {
    /// The bytes to write.
    ///
    /// ```
    /// use lock_core::dlm::Layout;
    /// use lock_core::dlm::flags::LockspaceFlags;
    /// use lock_core::dlm::name::LockspaceName;
    /// use lock_core::dlm::request::Request;
    /// use lock_core::dlm::version::Version;
    ///
    /// let name = LockspaceName::new(b"test").unwrap();
    /// let request = Request::Create { flags: LockspaceFlags::NEWEXCL, name };
    /// let bytes = request.encode(Layout::Bits64, Version::OURS);
    /// assert_eq!(bytes.as_bytes()[24..29], *b"test\0");
    /// let decoded = Request::decode(bytes.as_bytes(), Layout::Bits64);
    /// assert_eq!(decoded, Ok((request, Version::OURS)));
    /// ```
    pub fn encode(&self, layout: Layout, version: Version) -> RequestBytes {
        let mut out = Writer::new();
        out.bytes(&version.encode());
        out.u8(self.command());
        out.u8(u8::from(layout == Layout::Bits64));
        out.bytes(&[0; 2]);
        // The kernel of 64 bits takes a name's length from the request's in the small layout, so
        // every request is longer than its structure by its name, wherever that stands.
        let mut len = layout.request_len();
        match self {
            Request::Lock(lock) => {
                lock_fields(&mut out, layout, lock);
                len = len.saturating_add(lock.name.as_bytes().len());
            }
            Request::Unlock(unlock) => unlock_fields(&mut out, layout, unlock),
            Request::Deadlock { id, flags } => {
                out.bytes(&[0; 4]);
                out.u32(flags.bits());
                out.u32(id.get());
            }
            Request::Purge { node, pid } => {
                out.u32(*node);
                out.u32(*pid);
            }
            Request::Create { flags, name } => {
                out.u32(flags.bits());
                out.u32(0);
                out.bytes(name.as_bytes());
                len = len.saturating_add(name.as_bytes().len());
            }
            Request::Remove { flags, minor } => {
                out.u32(flags.bits());
                out.u32(*minor);
            }
        }
        out.pad_to(len);
        let (bytes, len) = out.finish();
        RequestBytes { bytes, len }
    }

    /// Reads what a program wrote, as the kernel would.
    ///
    /// Errors: too short or too long, numbers without a meaning, and tokens that are not laid out
    /// as [`encode`](Request::encode) does.
    pub fn decode(bytes: &[u8], layout: Layout) -> Result<(Request, Version), LayoutError> {
        if bytes.len() < layout.request_len() {
            return Err(LayoutError::TooShort);
        }
        if bytes.len() > REQUEST_MAX {
            return Err(LayoutError::TooLong);
        }
        let mut fields = Reader(bytes);
        let version = Version::decode(fields.array()?);
        let [command, is_64_bit, _, _] = fields.array()?;
        if (is_64_bit != 0) != (layout == Layout::Bits64) {
            return Err(LayoutError::Foreign);
        }
        let request = match command {
            1 => Request::Lock(read_lock(fields, layout)?),
            2 => Request::Unlock(read_unlock(fields, layout)?),
            4 => {
                let flags = LockspaceFlags::from_bits_retain(fields.u32()?);
                let _minor = fields.u32()?;
                let end = fields.0.iter().position(|byte| *byte == 0);
                let name = fields.0.get(..end.unwrap_or(fields.0.len())).unwrap_or(&[]);
                let name = LockspaceName::new(name).map_err(|_| LayoutError::Name)?;
                Request::Create { flags, name }
            }
            5 => {
                let flags = ReleaseFlags::from_bits_retain(fields.u32()?);
                Request::Remove { flags, minor: fields.u32()? }
            }
            6 => Request::Purge { node: fields.u32()?, pid: fields.u32()? },
            7 => {
                let _mode = fields.u32()?;
                let flags = LockFlags::from_bits_retain(fields.u32()?);
                Request::Deadlock { id: lock_id(fields.u32()?)?, flags }
            }
            unknown => return Err(LayoutError::Command(unknown)),
        };
        Ok((request, version))
    }

    /// The kernel's number for the command.
    const fn command(&self) -> u8 {
        match self {
            Request::Lock(_) => 1,
            Request::Unlock(_) => 2,
            Request::Create { .. } => 4,
            Request::Remove { .. } => 5,
            Request::Purge { .. } => 6,
            Request::Deadlock { .. } => 7,
        }
    }
}

/// `struct dlm_lock_params`, as a program fills it for a lock.
fn lock_fields(out: &mut Writer<REQUEST_MAX>, layout: Layout, lock: &LockRequest) {
    let name = lock.name.as_bytes();
    out.u8(lock.mode.to_raw());
    out.u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.bytes(&[0; 2]);
    out.u32(lock.flags.bits());
    out.u32(lock.id.map_or(0, LockId::get));
    // The parent, which no kernel has used.
    out.u32(0);
    out.u64(lock.transaction);
    // The time limit, which kernels ignore.
    out.u64(0);
    addresses(out, layout, lock.token, lock.blocking);
    out.bytes(&lock.value);
    out.bytes(name);
}

/// The same for an unlock.
fn unlock_fields(out: &mut Writer<REQUEST_MAX>, layout: Layout, unlock: &UnlockRequest) {
    out.bytes(&[0; 4]);
    out.u32(unlock.flags.bits());
    out.u32(unlock.id.get());
    out.u32(0);
    out.u64(0);
    out.u64(0);
    addresses(out, layout, unlock.token, false);
    out.bytes(&unlock.value);
}

/// What the kernel repeats in its answers.
fn addresses(out: &mut Writer<REQUEST_MAX>, layout: Layout, token: Token, blocking: bool) {
    out.address(layout, token.get());
    out.address(layout, COMPLETION);
    out.address(layout, if blocking { token.get() } else { 0 });
    out.address(layout, if blocking { BLOCKING } else { 0 });
    out.address(layout, token.get());
}

fn read_lock(mut fields: Reader<'_>, layout: Layout) -> Result<LockRequest, LayoutError> {
    let [mode, name_len, _, _] = fields.array()?;
    let flags = LockFlags::from_bits_retain(fields.u32()?);
    let id = LockId::new(fields.u32()?);
    let _parent = fields.u32()?;
    let transaction = fields.u64()?;
    let _time_limit = fields.u64()?;
    let (token, blocking) = read_addresses(&mut fields, layout)?;
    let value: [u8; VALUE_LEN] = fields.array()?;
    let name = fields.0.get(..usize::from(name_len)).ok_or(LayoutError::TooShort)?;
    let name = ResourceName::new(name).map_err(|_| LayoutError::TooLong)?;
    let mode = Mode::from_raw(mode).ok_or(LayoutError::Mode(mode))?;
    Ok(LockRequest { mode, flags, id, token, blocking, transaction, value, name })
}

fn read_unlock(mut fields: Reader<'_>, layout: Layout) -> Result<UnlockRequest, LayoutError> {
    let _mode_and_name = fields.u32()?;
    let flags = LockFlags::from_bits_retain(fields.u32()?);
    let id = lock_id(fields.u32()?)?;
    let _parent_transaction_and_time: [u8; 20] = fields.array()?;
    let (token, _) = read_addresses(&mut fields, layout)?;
    Ok(UnlockRequest { id, flags, token, value: fields.array()? })
}

fn read_addresses(fields: &mut Reader<'_>, layout: Layout) -> Result<(Token, bool), LayoutError> {
    let mut address = || fields.address(layout);
    let (parameter, routine) = (address()?, address()?);
    let (blocking_parameter, blocking_routine) = (address()?, address()?);
    let lksb = address()?;
    let blocking = match (blocking_routine, blocking_parameter) {
        (0, 0) => Some(false),
        (routine, _) if routine == u64::from(BLOCKING) => {
            Some(true).filter(|_| blocking_parameter == lksb)
        }
        _ => None,
    };
    let token = u32::try_from(lksb).ok().and_then(Token::new);
    let ours = parameter == lksb && routine == u64::from(COMPLETION);
    token.zip(blocking).filter(|_| ours).ok_or(LayoutError::Foreign)
}

fn lock_id(raw: u32) -> Result<LockId, LayoutError> {
    LockId::new(raw).ok_or(LayoutError::Foreign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn lock() -> LockRequest {
        LockRequest {
            mode: Mode::PW,
            flags: LockFlags::CONVERT | LockFlags::VALBLK,
            id: LockId::new(0x11),
            token: Token::new(0x22).unwrap(),
            blocking: true,
            transaction: 0x33,
            value: [0x44; VALUE_LEN],
            name: ResourceName::new(b"ab\0c").unwrap(),
        }
    }

    fn all() -> Vec<Request> {
        let id = LockId::new(7).unwrap();
        let name = LockspaceName::new(&[b'n'; NAME_MAX]).unwrap();
        let lock = lock();
        let (token, value) = (lock.token, lock.value);
        let long = ResourceName::new(&[b'r'; NAME_MAX]).unwrap();
        Vec::from([
            Request::Lock(LockRequest { id: None, blocking: false, name: long, ..lock.clone() }),
            Request::Lock(lock),
            Request::Unlock(UnlockRequest { id, flags: LockFlags::CANCEL, token, value }),
            Request::Deadlock { id, flags: LockFlags::empty() },
            Request::Purge { node: 3, pid: 4711 },
            Request::Create { flags: LockspaceFlags::NEWEXCL, name },
            Request::Remove { flags: ReleaseFlags::FORCEFREE, minor: 121 },
        ])
    }

    /// Where the fields of a lock request are, from the kernel's headers by `offsetof`.
    #[test]
    fn fields_are_where_the_kernel_reads_them() {
        for (layout, addresses, step, value_at, name_at) in
            [(Layout::Bits64, 48, 8, 88, 120), (Layout::Bits32, 48, 4, 68, 100)]
        {
            let encoded =
                Request::Lock(lock()).encode(layout, Version { major: 6, minor: 0, patch: 2 });
            let bytes = encoded.as_bytes();
            let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
            assert_eq!([word(0), word(4), word(8)], [6, 0, 2]);
            assert_eq!([bytes[12], bytes[13]], [1, u8::from(layout == Layout::Bits64)]);
            assert_eq!([bytes[16], bytes[17]], [4, 4]);
            assert_eq!([word(20), word(24), word(28), word(32)], [12, 0x11, 0, 0x33]);
            let at = |place: usize| word(addresses + place * step);
            assert_eq!([at(0), at(1), at(2), at(3), at(4)], [0x22, 1, 0x22, 2, 0x22]);
            assert_eq!(bytes[value_at..value_at + VALUE_LEN], [0x44; VALUE_LEN]);
            assert_eq!(bytes[name_at..name_at + 4], *b"ab\0c");
            assert_eq!(bytes.len(), layout.request_len() + 4);
        }
    }

    #[test]
    fn every_request_comes_back_in_both_layouts() {
        for layout in [Layout::Bits32, Layout::Bits64] {
            for request in all() {
                let bytes = request.encode(layout, Version::OURS);
                assert!((layout.request_len()..=REQUEST_MAX).contains(&bytes.as_bytes().len()));
                let decoded = Request::decode(bytes.as_bytes(), layout);
                assert_eq!(decoded, Ok((request, Version::OURS)));
            }
        }
    }

    #[test]
    fn what_the_kernel_would_refuse_is_refused() {
        let good = Request::Lock(lock()).encode(Layout::Bits64, Version::OURS);
        let good = good.as_bytes();
        let changed = |at: usize, byte: u8| {
            let mut bytes = Vec::from(good);
            bytes[at] = byte;
            Request::decode(&bytes, Layout::Bits64).unwrap_err()
        };
        assert_eq!(changed(12, 9), LayoutError::Command(9));
        assert_eq!(changed(16, 6), LayoutError::Mode(6));
        assert_eq!(changed(17, 65), LayoutError::TooShort);
        // No completion routine, another's token, the other layout.
        for at in [56, 80, 13] {
            assert_eq!(changed(at, 0), LayoutError::Foreign);
        }
        assert_eq!(Request::decode(&good[..119], Layout::Bits64), Err(LayoutError::TooShort));
        assert_eq!(Request::decode(&[0; 185], Layout::Bits64), Err(LayoutError::TooLong));
    }
}
