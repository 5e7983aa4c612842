//! Queues keep asyncio's promises. Modules and tests are named after those of CPython's test_queues.py.

use filch::asyncio::{
    LifoQueue, PriorityQueue, Queue, QueueGetError, QueuePutError, create_task, gather, sleep,
    wait_for,
};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{Log, in_task, ms, on_loops, panic_of, run_briefly};
use common::{Drops, many};

fn with<T>(maxsize: usize, items: impl IntoIterator<Item = T>) -> Queue<T> {
    let queue = Queue::new(maxsize);
    for item in items {
        assert!(queue.put_nowait(item).is_ok());
    }
    queue
}

mod queue_basic_tests {
    use super::*;

    #[test]
    fn test_empty() {
        let queue = Queue::new(0);
        assert!(queue.is_empty());
        queue.put_nowait(1).unwrap();
        assert!(!queue.is_empty());
        assert_eq!(queue.get_nowait(), Ok(1));
        assert!(queue.is_empty());
    }

    #[test]
    fn test_full() {
        let queue = Queue::new(0);
        (0..100).for_each(|n| queue.put_nowait(n).unwrap());
        assert!(!queue.is_full(), "without a limit never");
        let queue = Queue::new(1);
        assert_eq!(queue.maxsize(), 1);
        queue.put_nowait(1).unwrap();
        assert!(queue.is_full());
    }

    #[test]
    fn test_order() {
        let queue = with(0, [1, 3, 2]);
        assert_eq!([(); 3].map(|()| queue.get_nowait().unwrap()), [1, 3, 2]);
    }

    #[test]
    fn test_maxsize() {
        on_loops(|event_loop| {
            let queue = Queue::new(2);
            let (log, puts) = (Log::new(), queue.clone());
            let said = log.clone();
            let task = event_loop.create_task(async move {
                for n in 1..=3 {
                    puts.put(n).await.unwrap();
                    said.say(n);
                }
            });
            run_briefly(&event_loop);
            assert_eq!(log.take(), [1, 2]);
            assert!(!task.is_done());
            assert_eq!(queue.get_nowait(), Ok(1));
            event_loop.run_until_complete(task).unwrap();
            assert_eq!(log.take(), [3]);
        });
    }

    #[test]
    fn test_repr() {
        let queue = with(3, [1, 2]);
        let text = format!("{queue:?}");
        assert!(
            text.contains("maxsize: 3") && text.contains("items: 2"),
            "{text}"
        );
    }
}

mod queue_get_tests {
    use super::*;

    #[test]
    fn test_blocking_get() {
        in_task(|| async {
            let queue = with(0, [1]);
            assert_eq!(queue.get().await, Ok(1));
        });
    }

    #[test]
    fn test_get_with_putters() {
        in_task(|| async {
            let queue = with(1, [1]);
            let other = queue.clone();
            let putter = create_task(async move { other.put(2).await });
            sleep(ms(0)).await;
            assert_eq!(queue.get().await, Ok(1));
            putter.await.unwrap().unwrap();
            assert_eq!(queue.get_nowait(), Ok(2));
        });
    }

    #[test]
    fn test_blocking_get_wait() {
        in_task(|| async {
            let queue = Queue::new(0);
            let other = queue.clone();
            let getter = create_task(async move { other.get().await });
            sleep(ms(0)).await;
            assert!(!getter.is_done());
            queue.put(1).await.unwrap();
            assert_eq!(getter.await.unwrap(), Ok(1));
        });
    }

    #[test]
    fn test_nonblocking_get() {
        let queue = with(0, [1]);
        assert_eq!(queue.get_nowait(), Ok(1));
    }

    #[test]
    fn test_nonblocking_get_exception() {
        let queue = Queue::<u32>::new(0);
        assert_eq!(queue.get_nowait(), Err(QueueGetError::Empty));
        assert_eq!(QueueGetError::Empty.to_string(), "the queue is empty");
    }

    #[test]
    fn test_get_cancelled() {
        in_task(|| async {
            let queue = Queue::new(0);
            let getter = queue.clone();
            let late = wait_for(async move { getter.get().await }, Some(ms(2))).await;
            assert!(late.is_err());
            queue.put(7).await.unwrap();
            assert_eq!(
                queue.get().await,
                Ok(7),
                "the one that gave up took nothing"
            );
        });
    }

    /// One is woken and cancelled in the same breath: the next one gets the item.
    #[test]
    fn test_get_cancelled_race() {
        in_task(|| async {
            let queue = Queue::new(0);
            let getters = [(); 2].map(|()| {
                let queue = queue.clone();
                create_task(async move { queue.get().await.unwrap() })
            });
            sleep(ms(0)).await;
            queue.put_nowait(7).unwrap();
            getters[0].cancel("");
            assert!((&getters[0]).await.is_err());
            assert_eq!((&getters[1]).await, Ok(7));
        });
    }

    #[test]
    fn test_get_with_waiting_putters() {
        in_task(|| async {
            let queue = Queue::new(1);
            for item in ["a", "b"] {
                let queue = queue.clone();
                create_task(async move { queue.put(item).await });
            }
            sleep(ms(0)).await;
            assert_eq!(queue.get().await, Ok("a"));
            assert_eq!(queue.get().await, Ok("b"));
        });
    }

    #[test]
    fn test_why_are_getters_waiting() {
        in_task(|| async {
            let queue = Queue::new(1);
            let (gets, puts) = (queue.clone(), queue.clone());
            let consumer = create_task(async move {
                for n in 0..5 {
                    assert_eq!(gets.get().await, Ok(n));
                }
            });
            let producer = create_task(async move {
                for n in 0..5 {
                    puts.put(n).await.unwrap();
                }
            });
            gather([consumer, producer]).await.unwrap();
            assert!(queue.is_empty());
        });
    }

    /// Getters are served in the order in which they came.
    #[test]
    fn test_getters_in_order() {
        in_task(|| async {
            let queue = Queue::new(0);
            let getters: Vec<_> = (0..3)
                .map(|_| {
                    let queue = queue.clone();
                    create_task(async move { queue.get().await.unwrap() })
                })
                .collect();
            sleep(ms(0)).await;
            (0..3).for_each(|n| queue.put_nowait(n).unwrap());
            assert_eq!(gather(getters).await.unwrap(), [0, 1, 2]);
        });
    }
}

mod queue_put_tests {
    use super::*;

    #[test]
    fn test_blocking_put() {
        in_task(|| async {
            let queue = Queue::new(0);
            queue.put(1).await.unwrap();
            assert_eq!(queue.get_nowait(), Ok(1));
        });
    }

    #[test]
    fn test_blocking_put_wait() {
        in_task(|| async {
            let queue = with(1, [1]);
            let other = queue.clone();
            let putter = create_task(async move { other.put(2).await });
            sleep(ms(0)).await;
            assert!(!putter.is_done());
            queue.get_nowait().unwrap();
            putter.await.unwrap().unwrap();
            assert_eq!(queue.qsize(), 1);
        });
    }

    #[test]
    fn test_nonblocking_put_exception() {
        let queue = with(1, [1]);
        assert_eq!(
            queue.put_nowait(2),
            Err(QueuePutError::Full(2)),
            "and it comes back"
        );
    }

    #[test]
    fn test_put_cancelled() {
        in_task(|| async {
            let (queue, drops) = (Queue::new(1), Drops::default());
            queue.put_nowait(drops.counted()).map_err(drop).unwrap();
            let (puts, counted) = (queue.clone(), drops.counted());
            let late = wait_for(async move { puts.put(counted).await }, Some(ms(2))).await;
            assert!(late.is_err());
            assert_eq!((drops.count(), queue.qsize()), (1, 1));
        });
    }

    #[test]
    fn test_put_cancelled_race() {
        in_task(|| async {
            let queue = with(1, [1]);
            let putters = [2, 3].map(|n| {
                let queue = queue.clone();
                create_task(async move { queue.put(n).await.unwrap() })
            });
            sleep(ms(0)).await;
            assert_eq!(queue.get_nowait(), Ok(1));
            putters[0].cancel("");
            assert!((&putters[0]).await.is_err());
            (&putters[1]).await.unwrap();
            assert_eq!(queue.get_nowait(), Ok(3));
        });
    }

    #[test]
    fn test_more_putters_than_places() {
        in_task(|| async {
            let queue = Queue::new(3);
            let n = many(200);
            let putters: Vec<_> = (0..n)
                .map(|n| {
                    let queue = queue.clone();
                    create_task(async move { queue.put(n).await.unwrap() })
                })
                .collect();
            let mut got = Vec::new();
            for _ in 0..n {
                got.push(queue.get().await.unwrap());
                assert!(queue.qsize() <= 3);
            }
            gather(putters).await.unwrap();
            got.sort_unstable();
            assert!(got.into_iter().eq(0..n));
        });
    }
}

mod lifo_queue_tests {
    use super::*;

    #[test]
    fn test_order() {
        let queue = LifoQueue::new(0);
        [1, 3, 2]
            .into_iter()
            .for_each(|n| queue.put_nowait(n).unwrap());
        assert_eq!([(); 3].map(|()| queue.get_nowait().unwrap()), [2, 3, 1]);
    }
}

mod priority_queue_tests {
    use super::*;

    #[test]
    fn test_order() {
        let queue = PriorityQueue::new(0);
        [1, 3, 2]
            .into_iter()
            .for_each(|n| queue.put_nowait(n).unwrap());
        assert_eq!([(); 3].map(|()| queue.get_nowait().unwrap()), [1, 2, 3]);
    }
}

mod queue_join_tests {
    use super::*;

    #[test]
    fn test_task_done_underflow() {
        let queue = Queue::<u32>::new(0);
        assert_eq!(
            panic_of(|| queue.task_done()),
            "task_done() called too many times"
        );
    }

    #[test]
    fn test_task_done() {
        in_task(|| async {
            let queue = with(0, 0..100);
            let log = Log::new();
            let workers = [(); 2].map(|()| {
                let (queue, log) = (queue.clone(), log.clone());
                create_task(async move {
                    while let Ok(n) = queue.get().await {
                        log.say(n);
                        sleep(ms(0)).await;
                        queue.task_done();
                    }
                })
            });
            queue.join().await;
            assert_eq!(log.take().into_iter().sum::<i32>(), (0..100).sum());
            assert!(workers.iter().all(|worker| !worker.is_done()));
            queue.shutdown(false);
            gather(workers).await.unwrap();
        });
    }

    #[test]
    fn test_join_empty_queue() {
        in_task(|| async {
            let queue = Queue::<u32>::new(0);
            queue.join().await;
            queue.join().await;
        });
    }

    #[test]
    fn test_join_waits_for_those_in_hand() {
        in_task(|| async {
            let queue = with(0, [1]);
            queue.get_nowait().unwrap();
            let other = queue.clone();
            let join = create_task(async move { other.join().await });
            sleep(ms(0)).await;
            assert!(!join.is_done(), "got, but not worked off");
            queue.task_done();
            join.await.unwrap();
        });
    }
}

/// `_QueueShutdownTestMixin`
mod queue_shutdown_tests {
    use super::*;

    #[test]
    fn test_shutdown_empty() {
        in_task(|| async {
            let queue = Queue::new(0);
            queue.shutdown(false);
            assert_eq!(
                queue.put(1).await.unwrap_err().to_string(),
                "the queue is shut down"
            );
            assert!(queue.get().await.is_err());
        });
    }

    #[test]
    fn test_shutdown_nonempty() {
        in_task(|| async {
            let queue = with(2, [1, 2]);
            let other = queue.clone();
            let putter = create_task(async move { other.put(3).await });
            sleep(ms(0)).await;
            queue.shutdown(false);
            assert!(putter.await.unwrap().is_err());
            assert_eq!((queue.get().await, queue.get().await), (Ok(1), Ok(2)));
            assert!(queue.get().await.is_err());
        });
    }

    #[test]
    fn test_shutdown_immediate() {
        in_task(|| async {
            let drops = Drops::default();
            let queue = with(0, [drops.counted(), drops.counted()]);
            queue.shutdown(true);
            assert_eq!(drops.count(), 2);
            assert!(queue.get().await.is_err());
            queue.join().await;
        });
    }

    #[test]
    fn test_shutdown_immediate_with_unfinished() {
        in_task(|| async {
            let queue = with(0, [1, 2]);
            queue.get_nowait().unwrap();
            let other = queue.clone();
            let join = create_task(async move { other.join().await });
            sleep(ms(0)).await;
            queue.shutdown(true);
            sleep(ms(1)).await;
            assert!(!join.is_done(), "one is in hand");
            queue.task_done();
            join.await.unwrap();
            assert!(panic_of(|| queue.task_done()).contains("too many times"));
        });
    }

    #[test]
    fn test_shutdown_allowed_transitions() {
        let queue = with(0, [1]);
        queue.shutdown(false);
        queue.shutdown(false);
        assert_eq!(queue.get_nowait(), Ok(1));
        queue.shutdown(true);
        assert_eq!(queue.get_nowait(), Err(QueueGetError::ShutDown));
    }

    #[test]
    fn test_shutdown_get() {
        in_task(|| async {
            let queue = Queue::<u32>::new(0);
            let getters: Vec<_> = (0..3)
                .map(|_| {
                    let queue = queue.clone();
                    create_task(async move { queue.get().await })
                })
                .collect();
            sleep(ms(0)).await;
            queue.shutdown(false);
            assert!(
                gather(getters)
                    .await
                    .unwrap()
                    .into_iter()
                    .all(|got| got.is_err())
            );
        });
    }

    #[test]
    fn test_shutdown_put() {
        let queue = Queue::new(0);
        queue.shutdown(false);
        assert_eq!(queue.put_nowait(1), Err(QueuePutError::ShutDown(1)));
    }

    #[test]
    fn test_shutdown_get_nowait() {
        let queue = Queue::<u32>::new(0);
        queue.shutdown(false);
        assert_eq!(queue.get_nowait(), Err(QueueGetError::ShutDown));
    }
}
