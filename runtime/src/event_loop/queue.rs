//! Queues between tasks: first in first out, last in first out, or smallest first; with a count of what is not worked off.
//!
//! One lock has items and waiters. A waiter is woken for one item or one free place, and taken off the list; one that is
//! dropped after that passes its wake-up on, so that none is lost. Woken ones look again: who comes first gets it. Wakers and
//! items are dropped without the lock: that is anybody's code.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

pub use super::buffer::{Fifo, Lifo, QueueOrder, Smallest};

/// The queue is shut down.
///
/// # Source
/// `asyncio.QueueShutDown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueShutDown(());

/// Why an item could not be put at once; it comes back.
///
/// # Source
/// `asyncio.QueueFull` and `asyncio.QueueShutDown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueuePutError<T> {
    /// There is no place for it now.
    Full(T),
    /// There never will be.
    ShutDown(T),
}

/// Why there is no item to get at once.
///
/// # Source
/// `asyncio.QueueEmpty` and `asyncio.QueueShutDown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueGetError {
    /// There is none now.
    Empty,
    /// There never will be.
    ShutDown,
}

const SHUT_DOWN: &str = "the queue is shut down";

impl fmt::Display for QueueShutDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHUT_DOWN)
    }
}

impl<T> fmt::Display for QueuePutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QueuePutError::Full(_) => "the queue is full",
            QueuePutError::ShutDown(_) => SHUT_DOWN,
        })
    }
}

impl fmt::Display for QueueGetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QueueGetError::Empty => "the queue is empty",
            QueueGetError::ShutDown => SHUT_DOWN,
        })
    }
}

impl std::error::Error for QueueShutDown {}
impl<T: fmt::Debug> std::error::Error for QueuePutError<T> {}
impl std::error::Error for QueueGetError {}

/// A queue between tasks, with the items in the order of `B`: [`Queue`], [`LifoQueue`], [`PriorityQueue`].
///
/// A handle: clones are the same queue, and may be used on any thread and in any task, of a loop or not.
///
/// # Source
/// `asyncio.Queue` and its kin.
///
/// # Examples
/// ```
/// use filch::asyncio::{PriorityQueue, Queue, create_task};
///
/// let event_loop = filch::EventLoop::new();
/// event_loop.run_until_complete(async {
///     let queue = Queue::new(1);
///     let other = queue.clone();
///     let work = create_task(async move {
///         let mut sum = 0;
///         while let Ok(n) = other.get().await {
///             sum += n;
///             other.task_done();
///         }
///         sum
///     });
///     for n in 1..=3 {
///         queue.put(n).await.unwrap();
///     }
///     queue.join().await;
///     queue.shutdown(false);
///     assert_eq!(work.await.unwrap(), 6);
/// }).unwrap();
///
/// let queue = PriorityQueue::new(0);
/// queue.put_nowait(2).unwrap();
/// queue.put_nowait(1).unwrap();
/// assert_eq!(queue.get_nowait(), Ok(1));
/// ```
pub struct QueueOf<T, B>(Arc<Shared<T, B>>);

/// First in, first out: `asyncio.Queue`.
pub type Queue<T> = QueueOf<T, Fifo<T>>;
/// Last in, first out: `asyncio.LifoQueue`.
pub type LifoQueue<T> = QueueOf<T, Lifo<T>>;
/// Smallest first: `asyncio.PriorityQueue`.
pub type PriorityQueue<T> = QueueOf<T, Smallest<T>>;

struct Shared<T, B> {
    state: Mutex<State<B>>,
    /// Items at most; 0 means no limit.
    most: usize,
    _items: std::marker::PhantomData<fn() -> T>,
}

#[derive(Default)]
struct State<B> {
    items: B,
    unfinished: usize,
    shut_down: bool,
    getters: Waiters,
    putters: Waiters,
    joiners: Waiters,
}

/// Who waits, in order.
#[derive(Default)]
struct Waiters {
    list: VecDeque<(u64, Waker)>,
    keys: u64,
}

impl Waiters {
    /// The waker that was there before comes back.
    fn wait(&mut self, key: &mut Option<u64>, waker: &Waker) -> Option<Waker> {
        let listed = self.list.iter_mut().find(|(k, _)| Some(*k) == *key);
        if let Some((_, old)) = listed {
            let is_new = !old.will_wake(waker);
            return is_new.then(|| std::mem::replace(old, waker.clone()));
        }
        self.keys += 1;
        *key = Some(self.keys);
        self.list.push_back((self.keys, waker.clone()));
        None
    }

    /// Off the list. None if it was woken before.
    fn remove(&mut self, key: u64) -> Option<Waker> {
        let at = self.list.iter().position(|(k, _)| *k == key);
        at.and_then(|at| self.list.remove(at))
            .map(|(_, waker)| waker)
    }

    fn next(&mut self) -> Vec<Waker> {
        self.list
            .pop_front()
            .map(|(_, waker)| waker)
            .into_iter()
            .collect()
    }

    fn all(&mut self) -> Vec<Waker> {
        self.list.drain(..).map(|(_, waker)| waker).collect()
    }
}

/// Which list a waiter is in.
type Which<B> = fn(&mut State<B>) -> &mut Waiters;

/// One wait; takes itself off the list when it is dropped.
struct Wait<'a, T, B: QueueOrder<T>> {
    queue: &'a QueueOf<T, B>,
    which: Which<B>,
    key: Option<u64>,
}

impl<T, B: QueueOrder<T>> Wait<'_, T, B> {
    /// One look: done, or on the list.
    fn poll<R>(
        &mut self,
        context: &mut Context<'_>,
        look: impl FnOnce(&mut State<B>) -> Option<R>,
    ) -> Poll<R> {
        let mut state = self.queue.0.state.lock();
        let found = look(&mut state);
        let list = (self.which)(&mut state);
        let old = match found {
            Some(_) => self.key.take().and_then(|key| list.remove(key)),
            None => list.wait(&mut self.key, context.waker()),
        };
        drop(state);
        drop(old);
        found.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T, B: QueueOrder<T>> Drop for Wait<'_, T, B> {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let (own, wakers) = {
            let mut state = self.queue.0.state.lock();
            let list = (self.which)(&mut state);
            match list.remove(key) {
                Some(own) => (Some(own), Vec::new()),
                None => (None, list.next()),
            }
        };
        drop(own);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl<T, B: QueueOrder<T>> QueueOf<T, B> {
    /// An empty queue of at most so many items; 0 means no limit.
    pub fn new(maxsize: usize) -> Self {
        QueueOf(Arc::new(Shared {
            state: Mutex::new(State {
                items: B::default(),
                unfinished: 0,
                shut_down: false,
                getters: Waiters::default(),
                putters: Waiters::default(),
                joiners: Waiters::default(),
            }),
            most: maxsize,
            _items: std::marker::PhantomData,
        }))
    }

    /// How many items wait.
    pub fn qsize(&self) -> usize {
        self.0.state.lock().items.len()
    }

    /// True if no item waits.
    pub fn is_empty(&self) -> bool {
        self.qsize() == 0
    }

    /// True if there is no place for another item.
    pub fn is_full(&self) -> bool {
        self.0.most > 0 && self.qsize() >= self.0.most
    }

    /// How many items it may have; 0 means no limit.
    pub fn maxsize(&self) -> usize {
        self.0.most
    }

    /// Waits for a place, and puts the item.
    ///
    /// # Errors
    /// The queue is shut down: the item is dropped.
    ///
    /// # Cancel safety
    /// Safe: the item is put, or dropped with the future.
    pub async fn put(&self, item: T) -> Result<(), QueueShutDown> {
        let mut item = Some(item);
        let mut wait = Wait {
            queue: self,
            which: |state| &mut state.putters,
            key: None,
        };
        let most = self.0.most;
        let put = std::future::poll_fn(|context| {
            wait.poll(context, |state| match put(state, most, item.take()?) {
                Err(QueuePutError::Full(back)) => {
                    item = Some(back);
                    None
                }
                Err(QueuePutError::ShutDown(back)) => Some(Err(back)),
                Ok(wakers) => Some(Ok(wakers)),
            })
        })
        .await;
        match put {
            Ok(wakers) => {
                wakers.into_iter().for_each(Waker::wake);
                Ok(())
            }
            Err(_dropped_without_the_lock) => Err(QueueShutDown(())),
        }
    }

    /// Puts the item if there is a place.
    ///
    /// # Errors
    /// There is none, or the queue is shut down; the item comes back.
    pub fn put_nowait(&self, item: T) -> Result<(), QueuePutError<T>> {
        let wakers = put(&mut self.0.state.lock(), self.0.most, item)?;
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Waits for an item.
    ///
    /// # Errors
    /// The queue is shut down and empty.
    ///
    /// # Cancel safety
    /// Safe: no item is lost.
    pub async fn get(&self) -> Result<T, QueueShutDown> {
        let mut wait = Wait {
            queue: self,
            which: |state| &mut state.getters,
            key: None,
        };
        let (item, wakers) = std::future::poll_fn(|context| {
            wait.poll(context, |state| match get(state) {
                Ok(found) => Some(Ok(found)),
                Err(QueueGetError::ShutDown) => Some(Err(QueueShutDown(()))),
                Err(QueueGetError::Empty) => None,
            })
        })
        .await?;
        wakers.into_iter().for_each(Waker::wake);
        Ok(item)
    }

    /// The next item, if there is one.
    ///
    /// # Errors
    /// There is none.
    pub fn get_nowait(&self) -> Result<T, QueueGetError> {
        let (item, wakers) = get(&mut self.0.state.lock())?;
        wakers.into_iter().for_each(Waker::wake);
        Ok(item)
    }

    /// An item that was got is worked off.
    ///
    /// # Panics
    /// If it is called more often than items were put.
    #[track_caller]
    pub fn task_done(&self) {
        let wakers = {
            let mut state = self.0.state.lock();
            assert!(state.unfinished > 0, "task_done() called too many times");
            state.unfinished -= 1;
            if state.unfinished > 0 {
                return;
            }
            state.joiners.all()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until every item that was put is worked off.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn join(&self) {
        let mut wait = Wait {
            queue: self,
            which: |state| &mut state.joiners,
            key: None,
        };
        std::future::poll_fn(|context| {
            wait.poll(context, |state| (state.unfinished == 0).then_some(()))
        })
        .await;
    }

    /// Takes no further items; those that wait can be got, unless `immediate`: then they are dropped, and count as worked off.
    /// Whoever waits for a place, or in vain for an item, is told.
    pub fn shutdown(&self, immediate: bool) {
        let mut dropped = Vec::new();
        let mut wakers;
        {
            let mut state = self.0.state.lock();
            state.shut_down = true;
            wakers = state.putters.all();
            wakers.extend(state.getters.all());
            if immediate {
                dropped.extend(std::iter::from_fn(|| state.items.pop()));
                state.unfinished = state.unfinished.saturating_sub(dropped.len());
                if state.unfinished == 0 {
                    wakers.extend(state.joiners.all());
                }
            }
        }
        drop(dropped);
        wakers.into_iter().for_each(Waker::wake);
    }
}

fn put<T, B: QueueOrder<T>>(
    state: &mut State<B>,
    most: usize,
    item: T,
) -> Result<Vec<Waker>, QueuePutError<T>> {
    if state.shut_down {
        return Err(QueuePutError::ShutDown(item));
    }
    if most > 0 && state.items.len() >= most {
        return Err(QueuePutError::Full(item));
    }
    state.items.push(item);
    state.unfinished += 1;
    Ok(state.getters.next())
}

fn get<T, B: QueueOrder<T>>(state: &mut State<B>) -> Result<(T, Vec<Waker>), QueueGetError> {
    match state.items.pop() {
        Some(item) => Ok((item, state.putters.next())),
        None if state.shut_down => Err(QueueGetError::ShutDown),
        None => Err(QueueGetError::Empty),
    }
}

impl<T, B> Clone for QueueOf<T, B> {
    fn clone(&self) -> Self {
        QueueOf(self.0.clone())
    }
}

impl<T, B: QueueOrder<T>> fmt::Debug for QueueOf<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("Queue")
            .field("maxsize", &self.0.most)
            .field("items", &state.items.len())
            .field("unfinished", &state.unfinished)
            .field("getters", &state.getters.list.len())
            .field("putters", &state.putters.list.len())
            .finish()
    }
}
