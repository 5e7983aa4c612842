//! In which order the items of a queue come out.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

mod sealed {
    /// Items, and which is next.
    pub trait Buffer<T>: Default {
        /// One more.
        fn push(&mut self, item: T);
        /// The next one.
        fn pop(&mut self) -> Option<T>;
        /// How many there are.
        fn len(&self) -> usize;
    }
}
use sealed::Buffer;

/// The order in which a [`QueueOf`](super::QueueOf) gives its items: [`Fifo`], [`Lifo`] or [`Smallest`].
///
/// Sealed: there are no others.
pub trait QueueOrder<T>: Buffer<T> {}

impl<T> QueueOrder<T> for Fifo<T> {}
impl<T> QueueOrder<T> for Lifo<T> {}
impl<T: Ord> QueueOrder<T> for Smallest<T> {}

/// First in, first out.
#[derive(Debug)]
pub struct Fifo<T>(VecDeque<T>);

/// Last in, first out.
#[derive(Debug)]
pub struct Lifo<T>(Vec<T>);

/// Smallest first.
#[derive(Debug)]
pub struct Smallest<T>(BinaryHeap<Reverse<T>>);

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Fifo(VecDeque::new())
    }
}

impl<T> Default for Lifo<T> {
    fn default() -> Self {
        Lifo(Vec::new())
    }
}

impl<T: Ord> Default for Smallest<T> {
    fn default() -> Self {
        Smallest(BinaryHeap::new())
    }
}

impl<T> Buffer<T> for Fifo<T> {
    fn push(&mut self, item: T) {
        self.0.push_back(item);
    }
    fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T> Buffer<T> for Lifo<T> {
    fn push(&mut self, item: T) {
        self.0.push(item);
    }
    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T: Ord> Buffer<T> for Smallest<T> {
    fn push(&mut self, item: T) {
        self.0.push(Reverse(item));
    }
    fn pop(&mut self) -> Option<T> {
        self.0.pop().map(|Reverse(item)| item)
    }
    fn len(&self) -> usize {
        self.0.len()
    }
}
