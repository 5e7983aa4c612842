//! The futures that wait for a token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::CancellationToken;
use crate::sync::signal::{Wait, forget, poll};
use crate::sync::waiters::Node;

pin_project! {
    /// Done once its token is cancelled: [`CancellationToken::cancelled`].
    ///
    /// # Source
    /// `tokio_util::sync::WaitForCancellationFuture`.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct WaitForCancellationFuture<'a> {
        #[pin]
        wait: Wait<'a>,
    }
}

pin_project! {
    /// Done once its token is cancelled: [`CancellationToken::cancelled_owned`].
    ///
    /// # Source
    /// `tokio_util::sync::WaitForCancellationFutureOwned`.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct WaitForCancellationFutureOwned {
        token: CancellationToken,
        #[pin]
        node: Node<()>,
    }

    impl PinnedDrop for WaitForCancellationFutureOwned {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            forget(&this.token.place.flag.signal, this.node);
        }
    }
}

impl<'a> WaitForCancellationFuture<'a> {
    pub(super) fn new(token: &'a CancellationToken) -> Self {
        WaitForCancellationFuture {
            wait: token.place.flag.signal.wait(),
        }
    }
}

impl WaitForCancellationFutureOwned {
    pub(super) fn new(token: CancellationToken) -> Self {
        WaitForCancellationFutureOwned {
            token,
            node: Node::new(()),
        }
    }
}

impl Future for WaitForCancellationFuture<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.project().wait.poll(context)
    }
}

impl Future for WaitForCancellationFutureOwned {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        poll(&this.token.place.flag.signal, this.node, context)
    }
}

impl fmt::Debug for WaitForCancellationFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("WaitForCancellationFuture");
        f.finish_non_exhaustive()
    }
}

impl fmt::Debug for WaitForCancellationFutureOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("WaitForCancellationFutureOwned");
        f.finish_non_exhaustive()
    }
}
