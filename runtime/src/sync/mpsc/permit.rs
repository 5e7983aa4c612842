//! Capacity that is kept for messages to come.

use std::fmt;
use std::mem;

use super::chan::Tx;
use super::sender::Sender;

/// Capacity for one message: [`Sender::reserve`]. Dropped, it goes to whoever waits.
///
/// # Source
/// `tokio::sync::mpsc::Permit`.
#[must_use = "a permit keeps capacity from everybody else"]
pub struct Permit<'a, T> {
    pub(super) chan: &'a Tx<T>,
}

/// Capacity for several messages, a [`Permit`] for each: [`Sender::reserve_many`].
///
/// # Source
/// `tokio::sync::mpsc::PermitIterator`.
#[must_use = "permits keep capacity from everybody else"]
pub struct PermitIterator<'a, T> {
    chan: &'a Tx<T>,
    left: usize,
}

/// Capacity for one message, with its sender: [`Sender::reserve_owned`].
///
/// # Source
/// `tokio::sync::mpsc::OwnedPermit`.
#[must_use = "a permit keeps capacity from everybody else"]
pub struct OwnedPermit<T> {
    /// None once it is used.
    chan: Option<Tx<T>>,
}

impl<T> Permit<'_, T> {
    /// Sends a message. Never waits, and never fails: if the receiver is gone, the message is dropped.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Permit::send`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::channel(1);
    /// tx.reserve().await.unwrap().send(3);
    /// assert_eq!(rx.recv().await, Some(3));
    /// # });
    /// ```
    pub fn send(self, value: T) {
        let chan = self.chan;
        mem::forget(self);
        chan.send_permitted(value);
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.chan.give_back(1);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl<'a, T> PermitIterator<'a, T> {
    pub(super) fn new(chan: &'a Tx<T>, left: usize) -> PermitIterator<'a, T> {
        PermitIterator { chan, left }
    }
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Permit<'a, T>> {
        self.left = self.left.checked_sub(1)?;
        Some(Permit { chan: self.chan })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> std::iter::FusedIterator for PermitIterator<'_, T> {}

impl<T> Drop for PermitIterator<'_, T> {
    fn drop(&mut self) {
        if self.left > 0 {
            self.chan.give_back(self.left);
        }
    }
}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("PermitIterator");
        f.field("left", &self.left).finish_non_exhaustive()
    }
}

impl<T> OwnedPermit<T> {
    pub(super) fn new(chan: Tx<T>) -> OwnedPermit<T> {
        OwnedPermit { chan: Some(chan) }
    }

    /// Sends a message, and gives the sender back. Never waits, and never fails: if the receiver is gone, the message is
    /// dropped.
    ///
    /// # Source
    /// `tokio::sync::mpsc::OwnedPermit::send`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::mpsc::channel(1);
    /// let tx = tx.try_reserve_owned().unwrap().send(4);
    /// assert_eq!(rx.try_recv(), Ok(4));
    /// # drop(tx);
    /// ```
    pub fn send(mut self, value: T) -> Sender<T> {
        let chan = self.take();
        chan.send_permitted(value);
        Sender { chan }
    }

    /// Gives the sender back, and the capacity to whoever waits.
    ///
    /// # Source
    /// `tokio::sync::mpsc::OwnedPermit::release`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::channel::<u32>(1);
    /// let tx = tx.try_reserve_owned().unwrap().release();
    /// assert_eq!(tx.capacity(), 1);
    /// ```
    pub fn release(mut self) -> Sender<T> {
        let chan = self.take();
        chan.give_back(1);
        Sender { chan }
    }

    fn take(&mut self) -> Tx<T> {
        let chan = self.chan.take();
        chan.expect("whoever uses the permit has it")
    }

    /// True if both are for the same channel.
    ///
    /// # Source
    /// `tokio::sync::mpsc::OwnedPermit::same_channel`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::channel::<u32>(2);
    /// let one = tx.clone().try_reserve_owned().unwrap();
    /// let other = tx.try_reserve_owned().unwrap();
    /// assert!(one.same_channel(&other));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        let both = self.chan.as_ref().zip(other.chan.as_ref());
        both.is_some_and(|(one, other)| one.same_channel(other))
    }

    /// True if it is for the channel of that sender.
    ///
    /// # Source
    /// `tokio::sync::mpsc::OwnedPermit::same_channel_as_sender`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::channel::<u32>(2);
    /// let permit = tx.clone().try_reserve_owned().unwrap();
    /// assert!(permit.same_channel_as_sender(&tx));
    /// ```
    pub fn same_channel_as_sender(&self, sender: &Sender<T>) -> bool {
        let chan = self.chan.as_ref();
        chan.is_some_and(|chan| chan.same_channel(&sender.chan))
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(chan) = &self.chan {
            chan.give_back(1);
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").finish_non_exhaustive()
    }
}
