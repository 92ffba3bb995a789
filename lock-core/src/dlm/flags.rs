//! The flags of locks, lockspaces and answers, by their kernel names.
//!
//! Bits without a name are kept, so every number is a value of its type and comes back unchanged.

use bitflags::bitflags;

bitflags! {
    /// What a lock or unlock request asks for besides (`DLM_LKF_*`).
    ///
    /// `DLM_LKF_TIMEOUT` is absent: Linux since 6.4, and Debian's 6.1, take it and wait for ever.
    ///
    /// ```
    /// use lock_core::dlm::flags::LockFlags;
    ///
    /// assert_eq!((LockFlags::NOQUEUE | LockFlags::VALBLK).bits(), 9);
    /// ```
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct LockFlags: u32 {
        /// Do not wait: the answer is
        /// [`Status::WouldBlock`](super::status::Status::WouldBlock) if the lock is held.
        const NOQUEUE = 0x1;
        /// Of an unlock: end the pending request or conversion, keep what is granted.
        const CANCEL = 0x2;
        /// Convert the lock with the given id.
        const CONVERT = 0x4;
        /// Read or write the value block.
        const VALBLK = 0x8;
        /// Of a conversion: wait behind the conversions that wait already.
        const QUECVT = 0x10;
        /// Of an unlock: make the value block invalid.
        const IVVALBLK = 0x20;
        /// Of a conversion: if it would deadlock, fall to `NL` meanwhile
        /// ([`AnswerFlags::DEMOTED`]).
        const CONVDEADLK = 0x40;
        /// Outlive the open device, as an orphan.
        const PERSISTENT = 0x80;
        /// Do not count in the search for deadlocks.
        const NODLCKWT = 0x100;
        /// Do not count what this lock blocks in the search for deadlocks.
        const NODLCKBLK = 0x200;
        /// Of a request for `NL`: grant it at once, whoever waits.
        const EXPEDITE = 0x400;
        /// With [`NOQUEUE`](LockFlags::NOQUEUE): tell the holders even so.
        const NOQUEUEBAST = 0x800;
        /// Wait before all who wait.
        const HEADQUE = 0x1000;
        /// Ignore the order of those who wait.
        const NOORDER = 0x2000;
        /// Adopt an orphan of this name and mode.
        const ORPHAN = 0x4000;
        /// Accept `PR` instead of `CW`.
        const ALTPR = 0x8000;
        /// Accept `CW` instead of `PR`.
        const ALTCW = 0x1_0000;
        /// Of an unlock: also of a lock that waits.
        const FORCEUNLOCK = 0x2_0000;

        const _ = !0;
    }
}

bitflags! {
    /// How a lockspace is made (`DLM_LSFL_*`).
    ///
    /// ```
    /// use lock_core::dlm::flags::LockspaceFlags;
    ///
    /// let flags = LockspaceFlags::from_bits_retain(0x18);
    /// assert!(flags.contains(LockspaceFlags::NEWEXCL));
    /// assert_eq!(flags.bits(), 0x18, "what has no name is kept");
    /// ```
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct LockspaceFlags: u32 {
        /// Fail if this node has it already, instead of counting one more user.
        const NEWEXCL = 0x8;

        const _ = !0;
    }
}

bitflags! {
    /// How a lockspace is left (`DLM_USER_LSFLG_*`).
    ///
    /// ```
    /// use lock_core::dlm::flags::ReleaseFlags;
    ///
    /// assert_eq!((ReleaseFlags::AUTOFREE | ReleaseFlags::FORCEFREE).bits(), 3);
    /// ```
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct ReleaseFlags: u32 {
        /// Leave it when its last user closes it. No kernel so far does.
        const AUTOFREE = 0x1;
        /// Leave it though there are locks in it.
        const FORCEFREE = 0x2;

        const _ = !0;
    }
}

bitflags! {
    /// What an answer says besides its status (`DLM_SBF_*`).
    ///
    /// ```
    /// use lock_core::dlm::flags::AnswerFlags;
    ///
    /// let flags = AnswerFlags::from_bits_retain(0x5);
    /// assert_eq!(flags, AnswerFlags::DEMOTED | AnswerFlags::ALTMODE);
    /// ```
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct AnswerFlags: u8 {
        /// The lock was at `NL` for a while, against a deadlock.
        const DEMOTED = 0x1;
        /// The value block is not to be trusted: its last writer died.
        const VALNOTVALID = 0x2;
        /// The alternative mode was granted.
        const ALTMODE = 0x4;

        const _ = !0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_without_a_name_stay() {
        assert_eq!(LockFlags::from_bits_retain(0x8004_0000).bits(), 0x8004_0000);
        assert_eq!(LockFlags::from_bits_truncate(u32::MAX).bits(), u32::MAX);
    }
}
