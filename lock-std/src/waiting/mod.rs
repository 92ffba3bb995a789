//! What waits of all kinds have in common: who may end them, who is told how they go.

mod cancel;
#[cfg(feature = "async")]
mod future;
mod observe;
pub(crate) mod pauses;

pub use cancel::Cancel;
#[cfg(feature = "async")]
pub use future::Locking;
pub use observe::WaitEvent;

#[cfg(feature = "async")]
pub(crate) use future::Lockable;
pub(crate) use observe::Report;

use core::fmt;
use std::sync::Arc;

use crate::signals::WakeSignal;

/// Is told how a wait goes.
type Observer = Arc<dyn Fn(&WaitEvent<'_>) + Send + Sync>;

/// How to wait, besides how long.
#[derive(Clone, Default)]
pub(crate) struct Manner {
    pub(crate) cancel: Option<Cancel>,
    pub(crate) signal: Option<WakeSignal>,
    observer: Option<Observer>,
}

impl Manner {
    pub(crate) fn observe(&mut self, call: impl Fn(&WaitEvent<'_>) + Send + Sync + 'static) {
        self.observer = Some(Arc::new(call));
    }
}

impl fmt::Debug for Manner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Manner").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}
