//! Which ends of channels, permits, errors and futures of them may move to other threads, be shared, and be moved when polled:
//! what tokio's `async_send_sync.rs` says of them.

use std::cell::Cell;
use std::future::Future;
use std::marker::{PhantomData, PhantomPinned};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::time::Duration;

use filch::sync::{CancellationToken, broadcast, mpmc, mpsc, oneshot, watch};

/// Send and Sync.
struct Both;
/// Send, not Sync.
struct Moves(#[expect(dead_code)] Cell<u8>);
/// Neither.
struct Stays(Rc<u8>);
/// May not be moved once it is pinned.
struct Pinned(PhantomPinned);

impl Clone for Both {
    fn clone(&self) -> Both {
        Both
    }
}
impl Clone for Moves {
    fn clone(&self) -> Moves {
        Moves(Cell::new(0))
    }
}
impl Clone for Stays {
    fn clone(&self) -> Stays {
        Stays(self.0.clone())
    }
}

struct Of<T>(PhantomData<T>);

/// The type of what the function gives; it is not called.
fn of<A, F: Future>(_: impl Fn(A) -> F) -> Of<F> {
    Of(PhantomData)
}

impl<T: Send> Of<T> {
    fn send(&self) -> bool {
        true
    }
}
impl<T: Sync> Of<T> {
    fn sync(&self) -> bool {
        true
    }
}
impl<T: Unpin> Of<T> {
    fn unpin(&self) -> bool {
        true
    }
}
impl<T: UnwindSafe + RefUnwindSafe> Of<T> {
    fn unwind(&self) -> bool {
        true
    }
}

/// What is so unless the type says otherwise.
trait Otherwise {
    fn send(&self) -> bool {
        false
    }
    fn sync(&self) -> bool {
        false
    }
    fn unpin(&self) -> bool {
        false
    }
    fn unwind(&self) -> bool {
        false
    }
}
impl<T> Otherwise for Of<T> {}

/// Panics unless the type is Send, Sync and Unpin as told.
macro_rules! assert_is {
    ($of:expr, $send:expr, $sync:expr, $unpin:expr) => {
        let of = $of;
        assert_eq!(
            (of.send(), of.sync(), of.unpin()),
            ($send, $sync, $unpin),
            "Send, Sync, Unpin: {}",
            stringify!($of)
        );
    };
}

/// Ends with three kinds of messages: they move and are shared if messages move.
macro_rules! ends {
    ($($($end:ident)::+),+ $(,)?) => {$(
        assert_is!(Of(PhantomData::<$($end)::+<Both>>), true, true, true);
        assert_is!(Of(PhantomData::<$($end)::+<Moves>>), true, true, true);
        assert_is!(Of(PhantomData::<$($end)::+<Stays>>), false, false, true);
        assert_is!(Of(PhantomData::<$($end)::+<Pinned>>), true, true, true);
        assert!(Of(PhantomData::<$($end)::+<Moves>>).unwind(), stringify!($($end)::+));
    )+};
}

/// Errors that have the message are as the message is.
macro_rules! errors {
    ($($($error:ident)::+),+ $(,)?) => {$(
        assert_is!(Of(PhantomData::<$($error)::+<Both>>), true, true, true);
        assert_is!(Of(PhantomData::<$($error)::+<Moves>>), true, false, true);
        assert_is!(Of(PhantomData::<$($error)::+<Stays>>), false, false, true);
    )+};
}

/// Futures of a method with an end of each kind; none of them is Unpin.
macro_rules! futures {
    ($($end:ident)::+, $moves:expr, $stays:expr, |$x:ident $(: & $mut:ident)?| $call:expr) => {
        assert_is!(of(|$x: &'static $($mut)? $($end)::+<Both>| $call), true, true, false);
        assert_is!(of(|$x: &'static $($mut)? $($end)::+<Moves>| $call), $moves.0, $moves.1, false);
        assert_is!(of(|$x: &'static $($mut)? $($end)::+<Stays>| $call), $stays.0, $stays.1, false);
    };
}

const YES: (bool, bool) = (true, true);
const NO: (bool, bool) = (false, false);

#[test]
fn ends_are_shared_if_messages_move() {
    ends!(
        oneshot::Sender,
        oneshot::Receiver,
        mpsc::Sender,
        mpsc::Receiver,
        mpsc::WeakSender,
        mpsc::OwnedPermit,
        mpsc::UnboundedSender,
        mpsc::UnboundedReceiver,
        mpsc::WeakUnboundedSender,
        mpmc::Sender,
        mpmc::Receiver,
        broadcast::Sender,
        broadcast::Receiver,
        broadcast::WeakSender,
    );
    assert_is!(Of(PhantomData::<mpsc::Permit<'_, Moves>>), true, true, true);
    assert_is!(
        Of(PhantomData::<mpsc::Permit<'_, Stays>>),
        false,
        false,
        true
    );
    assert_is!(
        Of(PhantomData::<mpsc::PermitIterator<'_, Moves>>),
        true,
        true,
        true
    );
    assert_is!(
        Of(PhantomData::<mpsc::PermitIterator<'_, Stays>>),
        false,
        false,
        true
    );
    assert_is!(Of(PhantomData::<CancellationToken>), true, true, true);
}

/// Who watches a value looks at it where it is: it must be shared.
#[test]
fn a_watched_value_is_shared() {
    assert_is!(Of(PhantomData::<watch::Receiver<Both>>), true, true, true);
    assert_is!(Of(PhantomData::<watch::Sender<Both>>), true, true, true);
    assert_is!(
        Of(PhantomData::<watch::Receiver<Moves>>),
        false,
        false,
        true
    );
    assert_is!(Of(PhantomData::<watch::Sender<Moves>>), false, false, true);
    assert_is!(
        Of(PhantomData::<watch::Receiver<Stays>>),
        false,
        false,
        true
    );
    assert_is!(Of(PhantomData::<watch::Sender<Stays>>), false, false, true);
    // A look holds a lock, which its thread gives back.
    assert_is!(Of(PhantomData::<watch::Ref<'_, Both>>), false, true, true);
    assert_is!(Of(PhantomData::<watch::Ref<'_, Moves>>), false, false, true);
    // A change that panicked half-way is seen as it was left.
    assert!(!Of(PhantomData::<watch::Receiver<Both>>).unwind());
}

#[test]
fn errors_are_as_what_they_give_back() {
    errors!(
        mpsc::error::SendError,
        mpsc::error::TrySendError,
        mpsc::error::SendTimeoutError,
        broadcast::error::SendError,
        watch::error::SendError,
    );
    fn is_error<T: std::error::Error + Send + Sync + 'static>() {}
    is_error::<mpsc::error::SendError<u8>>();
    is_error::<mpsc::error::TrySendError<u8>>();
    is_error::<mpsc::error::SendTimeoutError<u8>>();
    is_error::<mpsc::error::TryRecvError>();
    is_error::<oneshot::error::RecvError>();
    is_error::<oneshot::error::TryRecvError>();
    is_error::<broadcast::error::SendError<u8>>();
    is_error::<broadcast::error::RecvError>();
    is_error::<broadcast::error::TryRecvError>();
    is_error::<watch::error::SendError<u8>>();
    is_error::<watch::error::RecvError>();
}

#[test]
fn futures_that_receive_are_shared_if_messages_move() {
    futures!(mpsc::Receiver, YES, NO, |rx: &mut| rx.recv());
    futures!(mpsc::UnboundedReceiver, YES, NO, |rx: &mut| rx.recv());
    futures!(broadcast::Receiver, YES, NO, |rx: &mut| rx.recv());
    futures!(watch::Receiver, NO, NO, |rx: &mut| rx.changed());
    futures!(mpmc::Receiver, YES, NO, |rx| rx.recv());
}

/// One that sends has the message, so it is shared only if messages are.
#[test]
fn futures_that_send_are_as_the_message() {
    futures!(mpsc::Sender, YES, NO, |tx| tx.closed());
    futures!(mpsc::Sender, YES, NO, |tx| tx.reserve());
    futures!(mpsc::Sender, YES, NO, |tx| tx.reserve_many(2));
    futures!(mpsc::UnboundedSender, YES, NO, |tx| tx.closed());
    futures!(oneshot::Sender, YES, NO, |tx: &mut| tx.closed());
    futures!(broadcast::Sender, YES, NO, |tx| tx.closed());
    futures!(watch::Sender, NO, NO, |tx| tx.closed());
    futures!(mpmc::Sender, YES, NO, |tx| tx.closed());

    let limit = Duration::ZERO;
    assert_is!(
        of(|(tx, m): (&'static mpsc::Sender<Both>, _)| tx.send(m)),
        true,
        true,
        false
    );
    assert_is!(
        of(|(tx, m): (&'static mpsc::Sender<Moves>, _)| tx.send(m)),
        true,
        false,
        false
    );
    assert_is!(
        of(|(tx, m): (&'static mpsc::Sender<Stays>, _)| tx.send(m)),
        false,
        false,
        false
    );
    assert_is!(
        of(|(tx, m): (&'static mpsc::Sender<Both>, _)| tx.send_timeout(m, limit)),
        true,
        true,
        false
    );
    assert_is!(
        of(|(tx, m): (&'static mpsc::Sender<Moves>, _)| tx.send_timeout(m, limit)),
        true,
        false,
        false
    );
    assert_is!(
        of(|tx: mpsc::Sender<Moves>| tx.reserve_owned()),
        true,
        true,
        false
    );
    assert_is!(
        of(|tx: mpsc::Sender<Stays>| tx.reserve_owned()),
        false,
        false,
        false
    );
    assert_is!(
        of(|(tx, m): (&'static mpmc::Sender<Moves>, _)| tx.send(m)),
        true,
        false,
        false
    );
}
