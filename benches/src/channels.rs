//! What a problem about channels may ask of a library, so that it is written once.
//!
//! filch and tokio run their own channels on their own runtime; the crates that are channels only run on filch's, so that
//! what differs from filch's figure is the channel.

use std::future::Future;
use std::io;

use crate::engine::{Engine, Filch, Tokio};
use crate::problem::{Contestant, Wrong};
use std::time::Duration;

/// Channels from many to one.
pub(crate) trait Mpsc: Send + Sync + 'static {
    type Sender: Clone + Send + Sync + 'static;
    type Receiver: Send + 'static;

    /// With that capacity; None: without a bound.
    fn channel(capacity: Option<usize>) -> (Self::Sender, Self::Receiver);
    /// Ends the program if nobody receives.
    fn send(sender: &Self::Sender, message: u64) -> impl Future<Output = ()> + Send;
    fn recv(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> + Send;
}

/// Each side in one of two types: with a bound or without.
#[derive(Clone)]
pub(crate) enum Either<A, B> {
    Bounded(A),
    Unbounded(B),
}

macro_rules! mpsc {
    ($name:ident, $($module:ident)::*) => {
        pub(crate) struct $name;

        impl Mpsc for $name {
            type Sender = Either<$($module)::*::Sender<u64>, $($module)::*::UnboundedSender<u64>>;
            type Receiver = Either<$($module)::*::Receiver<u64>, $($module)::*::UnboundedReceiver<u64>>;

            fn channel(capacity: Option<usize>) -> (Self::Sender, Self::Receiver) {
                match capacity {
                    Some(capacity) => {
                        let (tx, rx) = $($module)::*::channel(capacity);
                        (Either::Bounded(tx), Either::Bounded(rx))
                    }
                    None => {
                        let (tx, rx) = $($module)::*::unbounded_channel();
                        (Either::Unbounded(tx), Either::Unbounded(rx))
                    }
                }
            }

            async fn send(sender: &Self::Sender, message: u64) {
                match sender {
                    Either::Bounded(tx) => tx.send(message).await.expect("somebody receives"),
                    Either::Unbounded(tx) => tx.send(message).expect("somebody receives"),
                }
            }

            async fn recv(receiver: &mut Self::Receiver) -> Option<u64> {
                match receiver {
                    Either::Bounded(rx) => rx.recv().await,
                    Either::Unbounded(rx) => rx.recv().await,
                }
            }
        }
    };
}

mpsc!(FilchMpsc, filch::sync::mpsc);
mpsc!(TokioMpsc, tokio::sync::mpsc);

/// `kanal`.
pub(crate) struct Kanal;

impl Mpsc for Kanal {
    type Sender = kanal::AsyncSender<u64>;
    type Receiver = kanal::AsyncReceiver<u64>;

    fn channel(capacity: Option<usize>) -> (Self::Sender, Self::Receiver) {
        match capacity {
            Some(capacity) => kanal::bounded_async(capacity),
            None => kanal::unbounded_async(),
        }
    }

    async fn send(sender: &Self::Sender, message: u64) {
        sender.send(message).await.expect("somebody receives");
    }

    async fn recv(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

/// `flume`.
pub(crate) struct Flume;

impl Mpsc for Flume {
    type Sender = flume::Sender<u64>;
    type Receiver = flume::Receiver<u64>;

    fn channel(capacity: Option<usize>) -> (Self::Sender, Self::Receiver) {
        match capacity {
            Some(capacity) => flume::bounded(capacity),
            None => flume::unbounded(),
        }
    }

    async fn send(sender: &Self::Sender, message: u64) {
        sender.send_async(message).await.expect("somebody receives");
    }

    async fn recv(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv_async().await.ok()
    }
}

/// `async-channel`.
pub(crate) struct AsyncChannel;

impl Mpsc for AsyncChannel {
    type Sender = async_channel::Sender<u64>;
    type Receiver = async_channel::Receiver<u64>;

    fn channel(capacity: Option<usize>) -> (Self::Sender, Self::Receiver) {
        match capacity {
            Some(capacity) => async_channel::bounded(capacity),
            None => async_channel::unbounded(),
        }
    }

    async fn send(sender: &Self::Sender, message: u64) {
        sender.send(message).await.expect("somebody receives");
    }

    async fn recv(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

/// A runtime with what a library has for it.
pub(crate) struct With<E, P> {
    engine: E,
    round: fn(&P, E, Duration) -> Result<f64, Wrong>,
    problem: P,
}

impl<E: Engine, P> Contestant for With<E, P> {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong> {
        (self.round)(&self.problem, self.engine, window)
    }
}

pub(crate) fn on_filch<P: 'static>(
    problem: P,
    workers: usize,
    round: fn(&P, Filch, Duration) -> Result<f64, Wrong>,
) -> io::Result<Box<dyn Contestant>> {
    Ok(Box::new(With {
        engine: Filch::start(workers)?,
        round,
        problem,
    }))
}

pub(crate) fn on_tokio<P: 'static>(
    problem: P,
    workers: usize,
    round: fn(&P, Tokio, Duration) -> Result<f64, Wrong>,
) -> io::Result<Box<dyn Contestant>> {
    Ok(Box::new(With {
        engine: Tokio::start(workers)?,
        round,
        problem,
    }))
}
