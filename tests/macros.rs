//! What `select!`, `join!`, `try_join!` and `pin!` promise. `#[main]` and `#[test]`: macros/tests/entry.rs.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, IntoFuture, Ready, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures::channel::oneshot;

/// Polls once, as a runtime would that is never woken.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Writes its name into `log` at each poll and is done at the last of `polls`.
async fn logged(name: u32, polls: u32, log: &RefCell<Vec<u32>>) -> u32 {
    let mut left = polls;
    poll_fn(move |_| {
        log.borrow_mut().push(name);
        left -= 1;
        if left == 0 {
            Poll::Ready(name)
        } else {
            Poll::Pending
        }
    })
    .await
}

/// Writes its name into a log when dropped.
struct Farewell<'a>(u32, &'a RefCell<Vec<u32>>);

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

/// A value that becomes a future only by `into_future`.
struct Promise(u32);

impl IntoFuture for Promise {
    type Output = u32;
    type IntoFuture = Ready<u32>;

    fn into_future(self) -> Ready<u32> {
        ready(self.0)
    }
}

mod select {
    use super::*;

    #[filch::test]
    async fn a_branch_that_is_ready_wins_over_one_that_waits() {
        let (sender, receiver) = oneshot::channel();
        sender.send(1).unwrap();
        let got = filch::select! {
            got = receiver => got.unwrap(),
            () = pending() => unreachable!(),
        };
        assert_eq!(got, 1);
    }

    #[test]
    fn it_waits_while_no_branch_is_ready() {
        let (sender, receiver) = oneshot::channel();
        let mut selected = pin!(async {
            filch::select! {
                got = receiver => got.unwrap(),
                () = pending() => unreachable!(),
            }
        });
        assert!(poll_once(selected.as_mut()).is_pending());
        sender.send(2).unwrap();
        assert_eq!(poll_once(selected), Poll::Ready(2));
    }

    #[filch::test]
    async fn a_handler_is_an_expression_or_a_block_and_only_a_block_needs_no_comma() {
        for chosen in 0..4 {
            let got = filch::select! {
                () = ready(()), if chosen == 0 => "expression",
                () = ready(()), if chosen == 1 => { "block" }
                () = ready(()), if chosen == 2 => { "block and comma" },
                () = ready(()), if chosen == 3 => "last"
            };
            assert_eq!(
                got,
                ["expression", "block", "block and comma", "last"][chosen]
            );
        }
    }

    #[filch::test]
    async fn preconditions_come_first_then_all_futures_even_of_disabled_branches() {
        let log = RefCell::new(Vec::new());
        let note = |number| log.borrow_mut().push(number);
        filch::select! {
            biased;
            _ = { note(3); pending::<()>() }, if { note(1); true } => unreachable!(),
            _ = { note(4); poll_fn(|_| -> Poll<()> { panic!("polled, though disabled") }) },
                if { note(2); false } => unreachable!(),
            _ = { note(5); ready(()) } => note(6),
        }
        assert_eq!(log.into_inner(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_value_that_does_not_fit_disables_its_branch() {
        let (sender, receiver) = oneshot::channel();
        let mut polls = 0;
        let none = poll_fn(|_| {
            polls += 1;
            assert_eq!(polls, 1, "polled again after it was done");
            Poll::Ready(None::<u32>)
        });
        let mut selected = pin!(async {
            filch::select! {
                Some(_) = none => unreachable!(),
                got = receiver => got.unwrap(),
            }
        });
        assert!(poll_once(selected.as_mut()).is_pending());
        assert!(poll_once(selected.as_mut()).is_pending());
        sender.send(3).unwrap();
        assert_eq!(poll_once(selected), Poll::Ready(3));
    }

    #[filch::test]
    async fn else_runs_when_every_branch_is_disabled() {
        let got = filch::select! {
            Some(_) = ready(None::<u32>) => 1,
            2 = ready(3) => 2,
            _ = ready(()), if false => 3,
            else => 4,
        };
        assert_eq!(got, 4);
        assert_eq!(filch::select! { else => 5 }, 5);
        assert_eq!(filch::select! { biased; else => 6, }, 6);
    }

    #[filch::test]
    #[should_panic(expected = "all branches are disabled and there is no else branch")]
    async fn it_panics_when_every_branch_is_disabled_and_there_is_no_else() {
        filch::select! {
            Some(()) = ready(None) => {}
            _ = ready(()), if false => {}
        }
    }

    #[filch::test]
    async fn each_of_two_ready_branches_wins_at_times() {
        let mut wins = [0, 0];
        for _ in 0..1000 {
            filch::select! {
                () = ready(()) => wins[0] += 1,
                () = ready(()) => wins[1] += 1,
            }
        }
        assert!(wins[0] > 0 && wins[1] > 0, "{wins:?}");
    }

    #[filch::test]
    async fn biased_polls_from_top_to_bottom() {
        for _ in 0..100 {
            let log = RefCell::new(Vec::new());
            let won = filch::select! {
                biased;
                name = logged(1, 2, &log) => name,
                name = logged(2, 1, &log) => name,
                name = logged(3, 1, &log) => name,
            };
            assert_eq!((won, log.into_inner()), (2, vec![1, 2]));
        }
    }

    #[filch::test]
    async fn all_futures_are_dropped_from_first_to_last_before_the_handler_runs() {
        let log = RefCell::new(Vec::new());
        let wait = |farewell| async move {
            let _farewell = farewell;
            pending::<()>().await;
        };
        let (first, last) = (wait(Farewell(1, &log)), wait(Farewell(2, &log)));
        filch::select! {
            biased;
            () = first => unreachable!(),
            () = last => unreachable!(),
            () = ready(()) => assert_eq!(*log.borrow(), [1, 2]),
        }
    }

    #[filch::test]
    async fn a_handler_may_borrow_what_the_futures_borrowed() {
        async fn wait(_: &mut u32) {
            pending::<()>().await;
        }
        let mut number = 1;
        filch::select! {
            () = wait(&mut number) => unreachable!(),
            () = ready(()) => number += 1,
        }
        assert_eq!(number, 2);
    }

    #[filch::test]
    async fn a_future_passed_by_reference_lives_on() {
        let (sender, mut receiver) = oneshot::channel();
        filch::select! {
            biased;
            _ = &mut receiver => unreachable!(),
            () = ready(()) => {}
        }
        sender.send(4).unwrap();
        assert_eq!(receiver.await, Ok(4));
    }

    #[filch::test]
    async fn return_break_continue_question_mark_and_await_mean_what_they_mean_outside() {
        async fn returned() -> Result<u32, String> {
            let mut rounds = 0;
            'outer: loop {
                loop {
                    rounds += 1;
                    filch::select! {
                        () = ready(()), if rounds == 1 => continue,
                        () = ready(()), if rounds == 2 => break,
                        () = ready(()), if rounds == 3 => continue 'outer,
                        () = ready(()), if rounds == 4 => break 'outer,
                    }
                }
            }
            let got: Result<u32, String> = filch::select! {
                got = ready(Ok::<_, String>(rounds)) => { Ok(got? + ready(1).await) }
            };
            filch::select! {
                got = ready(got) => {
                    if got.is_ok() {
                        return got;
                    }
                }
            }
            Err(String::from("it went on after `return`"))
        }
        async fn failed() -> Result<u32, String> {
            let never = filch::select! { got = ready(Err(String::from("no"))) => got? };
            Ok(never)
        }
        assert_eq!(returned().await, Ok(5));
        assert_eq!(failed().await, Err(String::from("no")));
    }

    #[filch::test]
    async fn every_kind_of_pattern_works_and_moves_the_value() {
        #[derive(PartialEq)]
        struct Point {
            x: u32,
            y: String,
        }
        let point = || {
            ready(Some(Point {
                x: 1,
                y: String::from("a"),
            }))
        };
        filch::select! {
            Some(Point { x: 1, mut y }) = point() => {
                y.push('b');
                assert_eq!(y, "ab");
            }
        }
        filch::select! { Some(Point { ref y, .. }) = point() => assert_eq!(y, "a") }
        filch::select! { Some(Point { ref mut x, .. }) = point() => *x += 1 }
        filch::select! { all @ (1 | 2, 3..=4, _) = ready((2, 3, 5)) => assert_eq!(all.2, 5) }
        filch::select! { Ok(n) | Err(n) = ready(Err::<u32, u32>(6)) => assert_eq!(n, 6) }
        filch::select! { Some(&n) = ready(Some(&7)) => assert_eq!(n, 7) }
        let eight = &mut 8;
        filch::select! { &mut n = ready(eight) => assert_eq!(n, 8) }
        filch::select! { [first, .., last] = ready([1, 2, 3]) => assert_eq!(first + last, 4) }
    }

    #[filch::test]
    async fn a_branch_takes_whatever_becomes_a_future_and_a_reference_to_a_temporary() {
        filch::select! { got = Promise(9) => assert_eq!(got, 9) }
        filch::select! { () = &mut ready(()) => {} }
    }

    #[filch::test]
    async fn it_nests() {
        let got = filch::select! {
            x = filch::select! { x = ready(ready(1)) => x } => {
                filch::select! { y = ready(2) => filch::select! { z = ready(3) => x + y + z } }
            }
        };
        assert_eq!(got, 6);
    }

    #[filch::test]
    async fn names_of_the_expansion_are_out_of_sight() {
        #[derive(Debug, PartialEq)]
        struct Disabled;
        #[derive(Debug, PartialEq)]
        struct Branch0(u32);
        #[allow(non_camel_case_types, dead_code)]
        struct u32_;
        const WAITING: u32 = 1;
        let (cx, fits, value, selected, disabled, enabled, start, step) = (1, 2, 3, 4, 5, 6, 7, 8);
        let future0 = ready(9);
        let sum = filch::select! {
            WAITING = future0, if { disabled == 0 } => 0,
            first = async { cx + fits + value }, if { enabled == 6 } => first + selected + start + step,
        };
        assert_eq!(sum, 25);
        filch::select! {
            Branch0(n) = ready(Branch0(1)) => assert_eq!((n, Disabled), (1, Disabled)),
        }
    }

    #[filch::test]
    async fn it_takes_fragments_of_other_macros() {
        macro_rules! first {
            ($pattern:pat, $future:expr, $condition:expr, $value:expr, $block:block) => {
                filch::select! {
                    $pattern = $future, if $condition => $value,
                    $pattern = $future, if !$condition => $block
                    else => $value,
                }
            };
        }
        assert_eq!(first!(Some(_) | None, ready(Some(1)), 1 < 2, 3, { 4 }), 3);
        assert_eq!(first!(Some(_) | None, ready(Some(1)), 2 < 1, 3, { 4 }), 4);
    }

    #[filch::test]
    async fn it_takes_64_branches() {
        macro_rules! select_the_last {
            ($($number:literal)*) => { filch::select! { $($number = ready(64) => $number,)* } };
        }
        let got = select_the_last! {
            1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22
            23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44
            45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64
        };
        assert_eq!(got, 64);
    }

    #[filch::test]
    #[deny(warnings)]
    async fn a_future_that_never_ends_brings_no_warning() {
        async fn never() -> ! {
            pending().await
        }
        let got = filch::select! { _ = never() => 0, got = ready(1) => got };
        assert_eq!(got, 1);
    }
}

mod join {
    use super::*;

    #[test]
    fn join_waits_for_all_and_gives_the_values_in_order() {
        let ((sender1, receiver1), (sender2, receiver2)) = (oneshot::channel(), oneshot::channel());
        let mut joined = pin!(async { filch::join!(receiver1, receiver2) });
        assert!(poll_once(joined.as_mut()).is_pending());
        sender2.send("two").unwrap();
        assert!(poll_once(joined.as_mut()).is_pending());
        sender1.send(1).unwrap();
        assert_eq!(poll_once(joined), Poll::Ready((Ok(1), Ok("two"))));
    }

    #[test]
    fn try_join_ends_at_the_first_err_and_drops_the_others() {
        let log = RefCell::new(Vec::new());
        let ((sender1, receiver1), (_sender2, receiver2)) =
            (oneshot::channel::<()>(), oneshot::channel::<()>());
        let mut joined = pin!(async {
            let farewell = Farewell(2, &log);
            let last = async move {
                let _farewell = farewell;
                receiver2.await
            };
            let got = filch::try_join!(receiver1, last);
            assert_eq!(*log.borrow(), [2]);
            got
        });
        assert!(poll_once(joined.as_mut()).is_pending());
        drop(sender1);
        assert_eq!(poll_once(joined), Poll::Ready(Err(oneshot::Canceled)));
    }

    #[filch::test]
    async fn try_join_gives_all_ok_values_in_order() {
        let got = filch::try_join!(ready(Ok::<_, ()>(1)), async { Ok("two") });
        assert_eq!(got, Ok((1, "two")));
    }

    #[filch::test]
    async fn no_branch_one_branch_and_trailing_commas_are_fine() {
        let () = filch::join!();
        let () = filch::join!(biased;);
        assert_eq!(filch::join!(ready(1)), (1,));
        assert_eq!(filch::join!(biased; ready(1), ready(2),), (1, 2));
        assert_eq!(filch::try_join!() as Result<_, u32>, Ok(()));
        assert_eq!(filch::try_join!(biased;) as Result<_, u32>, Ok(()));
        assert_eq!(filch::try_join!(ready(Ok::<_, u32>(1)),), Ok((1,)));
        assert_eq!(filch::try_join!(biased; ready(Err::<u32, _>(1))), Err(1));
    }

    #[test]
    fn each_round_starts_one_branch_further() {
        let log = RefCell::new(Vec::new());
        let branch = |name| logged(name, 4, &log);
        let mut joined = pin!(async { filch::join!(branch(1), branch(2), branch(3)) });
        while poll_once(joined.as_mut()).is_pending() {}
        assert_eq!(*log.borrow(), [1, 2, 3, 2, 3, 1, 3, 1, 2, 1, 2, 3]);
    }

    #[test]
    fn biased_polls_from_first_to_last_in_each_round() {
        let log = RefCell::new(Vec::new());
        let log = &log;
        let branch = |name| async move { Ok::<_, Infallible>(logged(name, 2, log).await) };
        let mut joined = pin!(async { filch::try_join!(biased; branch(1), branch(2), branch(3)) });
        while poll_once(joined.as_mut()).is_pending() {}
        assert_eq!(*log.borrow(), [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn a_future_is_dropped_when_it_is_done_and_polled_no_more() {
        let log = RefCell::new(Vec::new());
        let first = async {
            let _farewell = Farewell(1, &log);
            logged(2, 1, &log).await;
        };
        let mut joined = pin!(async { filch::join!(first, pending::<()>()) });
        assert!(poll_once(joined.as_mut()).is_pending());
        assert!(poll_once(joined.as_mut()).is_pending());
        assert_eq!(*log.borrow(), [2, 1]);
    }

    #[filch::test]
    async fn a_branch_takes_whatever_becomes_a_future_and_a_reference_to_a_temporary() {
        assert_eq!(filch::join!(Promise(1), &mut ready(2)), (1, 2));
    }

    #[filch::test]
    async fn names_of_the_expansion_are_out_of_sight() {
        let (future0, turn, start, step, waiting, cx) = (ready(1), 2, 3, 4, 5, 6);
        let sum = async { turn + start + step + waiting + cx };
        assert_eq!(filch::join!(sum, future0), (20, 1));
    }

    #[deny(warnings)]
    #[filch::test]
    async fn outputs_that_cannot_be_bring_no_warning() {
        let mut joined = pin!(async { filch::join!(pending::<Infallible>(), ready(1)) });
        assert!(poll_once(joined.as_mut()).is_pending());
        let ok = filch::try_join!(ready(Ok::<_, Infallible>(1)), async { Ok(2) });
        assert_eq!(ok, Ok((1, 2)));
        let err = filch::try_join!(ready(Ok::<u32, _>(1)), ready(Err::<Infallible, _>(2)));
        assert_eq!(err, Err(2));
    }
}

#[filch::test]
async fn pin_pins_a_variable_or_a_new_one_where_it_stands() {
    let future = async { 1 };
    filch::pin!(future);
    assert_eq!(future.as_mut().await, 1);
    filch::pin! {
        let one = async { 1 };
        let two = async { 2 };
    }
    let both = filch::join!(&mut one, &mut two);
    assert_eq!(both, (1, 2));
}
