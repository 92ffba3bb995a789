//! An open lockspace: what is written to its device, and what is read from it.

use core::ffi::CStr;

use lock_core::dlm::Layout;
use lock_core::dlm::answer::{ANSWER_MAX, Answer};
use lock_core::dlm::flags::LockFlags;
use lock_core::dlm::mode::Mode;
use lock_core::dlm::name::{LockId, LockspaceName, ResourceName, Token, VALUE_LEN};
use lock_core::dlm::request::{LockRequest, Request};
use lock_core::dlm::version::Version;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, CWD, Mode as Permissions, fchmod, minor, statat};
use rustix::io::Errno;

use super::device::{Device, at_place};
use super::fault::{DlmFault, Reason, Step};
use crate::descriptor::lend;

const PREFIX: &[u8] = b"dlm_";

/// The open device of a lockspace that this node has joined. All locks that were asked for through
/// it are its own: when it is closed by all who have it, they end, except for persistent ones.
///
/// ```no_run
/// use lock_core::dlm::name::LockspaceName;
/// use lock_rustix::dlm::lockspace::Lockspace;
///
/// let name = LockspaceName::new(b"cluster1").unwrap();
/// let lockspace = Lockspace::open(&name).unwrap();
/// assert_eq!(lockspace.version().major, 6);
/// ```
#[derive(Debug)]
pub struct Lockspace(Device);

impl Lockspace {
    /// Opens `dlm_NAME`.
    ///
    /// Fails with [`NoLockspace`](Reason::NoLockspace) if this node has not joined it, with
    /// [`Denied`](Reason::Denied), or with [`Version`](Reason::Version).
    ///
    /// ```
    /// use lock_core::dlm::name::LockspaceName;
    /// use lock_rustix::dlm::{fault::Reason, lockspace::Lockspace};
    ///
    /// let name = LockspaceName::new(b"never joined").unwrap();
    /// assert_eq!(Lockspace::open(&name).unwrap_err().reason, Reason::NoLockspace);
    /// ```
    pub fn open(name: &LockspaceName) -> Result<Lockspace, DlmFault> {
        Device::open(Step::OpenLockspace, PREFIX, name.as_bytes()).map(Lockspace)
    }

    /// What the kernel speaks.
    ///
    /// ```no_run
    /// use lock_core::dlm::{name::LockspaceName, version::Version};
    /// use lock_rustix::dlm::lockspace::Lockspace;
    ///
    /// // Needs the kernel's DLM.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// assert!(lockspace.version().understands(Version::OURS));
    /// ```
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// Lets these users open the device from now on. The kernel makes it for root alone. Fails with
    /// [`Denied`](Reason::Denied) for those who do not own it.
    ///
    /// ```no_run
    /// use lock_core::dlm::name::LockspaceName;
    /// use lock_rustix::dlm::lockspace::Lockspace;
    /// use lock_rustix::rustix::fs::Mode;
    ///
    /// // Needs the kernel's DLM, and root.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// lockspace.set_permissions(Mode::from_raw_mode(0o660)).unwrap();
    /// ```
    pub fn set_permissions(&self, permissions: Permissions) -> Result<(), DlmFault> {
        fchmod(&self.0.fd, permissions)
            .map_err(|errno| DlmFault::from_errno(Step::Permissions, errno))
    }

    /// Writes one request: the id of a new lock, or none. How an operation on a lock ended comes
    /// later, as an [`Answer`]. Can block for as long as the lockspace stands still.
    ///
    /// Errors: the system's error number, for [`Lock::handle_written`](lock_core::dlm::lock::Lock)
    /// or [`DlmFault::from_number`].
    ///
    /// ```no_run
    /// use lock_core::dlm::{name::LockspaceName, request::Request};
    /// use lock_rustix::dlm::fault::{DlmFault, Step};
    /// use lock_rustix::dlm::lockspace::Lockspace;
    ///
    /// // Needs the kernel's DLM.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// if let Err(number) = lockspace.write(&Request::Purge { node: 0, pid: 0 }) {
    ///     eprintln!("{}", DlmFault::from_number(Step::Purge, number));
    /// }
    /// ```
    pub fn write(&self, request: &Request) -> Result<Option<LockId>, u16> {
        self.0
            .write(request)
            .map(LockId::new)
            .map_err(|errno| u16::try_from(errno.raw_os_error()).unwrap_or_default())
    }

    /// Makes a lock that outlived its open device, on this node, one of this device. There is no
    /// answer besides.
    ///
    /// Fails with [`NoLock`](Reason::NoLock) if there is no orphan of this name on this node, and
    /// with [`OtherMode`](Reason::OtherMode) if it has another mode.
    ///
    /// ```no_run
    /// use lock_core::dlm::mode::Mode;
    /// use lock_core::dlm::name::{LockspaceName, ResourceName, Token};
    /// use lock_rustix::dlm::{fault::Reason, lockspace::Lockspace};
    ///
    /// // Needs the kernel's DLM.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// let (disk, token) = (ResourceName::new(b"disk1").unwrap(), Token::new(1).unwrap());
    /// match lockspace.adopt(&disk, Mode::EX, token, false) {
    ///     Ok(id) => println!("ours now, as {id:?}"),
    ///     Err(fault) => assert_eq!(fault.reason, Reason::NoLock),
    /// }
    /// ```
    pub fn adopt(
        &self,
        name: &ResourceName,
        mode: Mode,
        token: Token,
        blocking: bool,
    ) -> Result<LockId, DlmFault> {
        let request = Request::Lock(LockRequest {
            mode,
            // An orphan that is adopted stays persistent only if it is said again.
            flags: LockFlags::ORPHAN | LockFlags::PERSISTENT,
            id: None,
            token,
            blocking,
            transaction: 0,
            value: [0; VALUE_LEN],
            name: *name,
        });
        let id = self.0.write(&request).map_err(|errno| self.0.fault(Step::Adopt, errno))?;
        LockId::new(id).ok_or(DlmFault::without_errno(Step::Adopt, Reason::NoLock))
    }

    /// Ends orphans that this process (0: any process) left on this node (0: this one). With the
    /// caller's own number it is something else: all locks of this open device end, without an
    /// answer about any of them.
    ///
    /// ```no_run
    /// use lock_core::dlm::name::LockspaceName;
    /// use lock_rustix::dlm::lockspace::Lockspace;
    ///
    /// // Needs the kernel's DLM. What process 4711 of this node left behind when it died:
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// lockspace.purge(0, 4711).unwrap();
    /// ```
    pub fn purge(&self, node: u32, pid: u32) -> Result<(), DlmFault> {
        let purge = Request::Purge { node, pid };
        self.0.write(&purge).map(drop).map_err(|errno| self.0.fault(Step::Purge, errno))
    }

    /// The next answer, if there is one already. Does not wait.
    ///
    /// Fails with [`Answer`](Reason::Answer) for one that is not understood; the next read gets the
    /// next.
    ///
    /// ```no_run
    /// use lock_core::dlm::name::LockspaceName;
    /// use lock_rustix::dlm::lockspace::Lockspace;
    ///
    /// // Needs the kernel's DLM.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// assert_eq!(lockspace.read(), Ok(None), "nothing was asked for");
    /// ```
    pub fn read(&self) -> Result<Option<Answer>, DlmFault> {
        let mut bytes = [0; ANSWER_MAX];
        loop {
            return match rustix::io::read(lend(&self.0.fd), &mut bytes) {
                Ok(len) => Answer::decode(bytes.get(..len).unwrap_or_default(), Layout::NATIVE)
                    .map(Some)
                    .map_err(|error| DlmFault::without_errno(Step::Read, Reason::Answer(error))),
                Err(Errno::AGAIN) => Ok(None),
                Err(Errno::INTR) => continue,
                Err(errno) => Err(self.0.fault(Step::Read, errno)),
            };
        }
    }

    /// Waits for an answer, or until the other file can be read, for at most so long, in
    /// nanoseconds; without a limit if there is none. Says whether there may be an answer.
    ///
    /// Fails with [`Interrupted`](Reason::Interrupted) when a signal is handled meanwhile.
    ///
    /// ```no_run
    /// use lock_core::dlm::name::LockspaceName;
    /// use lock_rustix::dlm::lockspace::Lockspace;
    ///
    /// // Needs the kernel's DLM.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// while lockspace.wait(Some(1_000_000_000), None).unwrap() {
    ///     println!("{:?}", lockspace.read().unwrap());
    /// }
    /// ```
    pub fn wait(
        &self,
        timeout_ns: Option<u64>,
        other: Option<BorrowedFd<'_>>,
    ) -> Result<bool, DlmFault> {
        let time = timeout_ns.map(|ns| Timespec {
            tv_sec: i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX),
            // Less than a second: it fits whatever type the architecture has.
            #[allow(clippy::cast_possible_wrap, clippy::cast_possible_truncation)]
            tv_nsec: (ns % 1_000_000_000) as _,
        });
        let device = lend(&self.0.fd);
        let watched = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut both = [watched(device), watched(other.unwrap_or(device))];
        poll(&mut both, time.as_ref()).map_err(|errno| DlmFault::from_errno(Step::Wait, errno))?;
        Ok(both.first().is_some_and(|device| !device.revents().is_empty()))
    }
}

impl AsFd for Lockspace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        lend(&self.0.fd)
    }
}

/// The minor number of a lockspace's device, without opening it: what
/// [`Control::remove`](super::control::Control::remove) wants.
///
/// Fails with [`NoLockspace`](Reason::NoLockspace) if this node has not joined it.
///
/// ```
/// use lock_core::dlm::name::LockspaceName;
/// use lock_rustix::dlm::{fault::Reason, lockspace};
///
/// let name = LockspaceName::new(b"never joined").unwrap();
/// assert_eq!(lockspace::minor_of(&name).unwrap_err().reason, Reason::NoLockspace);
/// ```
pub fn minor_of(name: &LockspaceName) -> Result<u32, DlmFault> {
    let stat = |path: &CStr| statat(CWD, path, AtFlags::empty());
    at_place(PREFIX, name.as_bytes(), stat)
        .map(|stat| minor(stat.st_rdev))
        .map_err(|errno| DlmFault::from_errno(Step::OpenLockspace, errno))
}
