//! What `#[main]` and `#[test]` promise.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

/// Has the builder of a runtime, which writes down what it is told and polls the body once.
mod recorder {
    pub(crate) mod runtime {
        use std::cell::RefCell;
        use std::convert::Infallible;
        use std::pin::pin;
        use std::task::{Context, Poll, Waker};

        thread_local!(pub(crate) static BUILT: RefCell<String> = const { RefCell::new(String::new()) });

        pub(crate) struct Builder(String);

        impl Builder {
            pub(crate) fn new_multi_thread() -> Builder {
                Builder(String::from("multi_thread"))
            }
            pub(crate) fn new_current_thread() -> Builder {
                Builder(String::from("current_thread"))
            }
            pub(crate) fn worker_threads(self, workers: usize) -> Builder {
                Builder(format!("{} worker_threads={workers}", self.0))
            }
            pub(crate) fn name(self, name: &str) -> Builder {
                Builder(format!("{} name={name}", self.0))
            }
            pub(crate) fn start_paused(self, paused: bool) -> Builder {
                Builder(format!("{} start_paused={paused}", self.0))
            }
            pub(crate) fn enable_all(self) -> Builder {
                Builder(format!("{} enable_all", self.0))
            }
            pub(crate) fn build(self) -> Result<Builder, Infallible> {
                Ok(self)
            }
            pub(crate) fn block_on<F: Future>(self, body: F) -> F::Output {
                BUILT.set(self.0);
                match pin!(body).poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(output) => output,
                    Poll::Pending => panic!("the body waits"),
                }
            }
        }
    }
}

fn built() -> String {
    recorder::runtime::BUILT.take()
}

#[test]
fn main_builds_what_its_arguments_say() {
    #[filch::main(crate = "recorder")]
    async fn default() {}
    #[filch::main(crate = "recorder", flavor = "multi_thread", worker_threads = 3)]
    async fn three_workers() {}
    #[filch::main(flavor = "current_thread", crate = "self::recorder")]
    async fn one_thread() {}
    #[filch::main(start_paused = true, worker_threads = 2, crate = "recorder")]
    async fn paused() {}
    paused();
    assert_eq!(
        built(),
        "multi_thread worker_threads=2 start_paused=true enable_all"
    );

    #[filch::main(name = "crunch", crate = "recorder")]
    async fn named() {}
    default();
    assert_eq!(built(), "multi_thread enable_all");
    three_workers();
    assert_eq!(built(), "multi_thread worker_threads=3 enable_all");
    one_thread();
    assert_eq!(built(), "current_thread enable_all");
    named();
    assert_eq!(built(), "multi_thread name=crunch enable_all");
}

#[filch::test(crate = "recorder")]
async fn a_test_runs_on_the_current_thread_by_default() {
    assert_eq!(built(), "current_thread enable_all");
}

#[filch::test(crate = "recorder", flavor = "multi_thread", worker_threads = 2)]
async fn a_test_builds_what_its_arguments_say() {
    assert_eq!(built(), "multi_thread worker_threads=2 enable_all");
}

#[filch::test]
async fn a_test_may_return_a_result() -> Result<(), std::num::ParseIntError> {
    let four: u32 = "4".parse()?;
    assert_eq!(four, 4);
    Ok(())
}

#[filch::test]
#[should_panic(expected = "seen")]
async fn attributes_of_a_test_are_kept() {
    panic!("seen");
}

#[test]
fn a_body_waits_on_the_real_runtime() {
    #[filch::main(worker_threads = 1)]
    async fn answer() -> u32 {
        let mut polled = false;
        poll_fn(|cx| {
            if polled {
                return Poll::Ready(42);
            }
            polled = true;
            let waker = cx.waker().clone();
            std::thread::spawn(|| waker.wake());
            Poll::Pending
        })
        .await
    }
    assert_eq!(answer(), 42);
}

#[test]
fn arguments_generics_and_return_types_are_kept() {
    struct Counter(Cell<u32>);
    impl Counter {
        #[filch::main(flavor = "current_thread")]
        pub(crate) async fn add<'a, T>(&'a self, by: u32, tag: &T) -> (T, &'a Cell<u32>)
        where
            T: Clone,
        {
            #![allow(clippy::unused_unit)]
            self.0.set(self.0.get() + by);
            (tag.clone(), &self.0)
        }
        #[filch::main(flavor = "current_thread")]
        async fn cell(&mut self) -> &mut u32 {
            self.0.get_mut()
        }
    }
    #[filch::main(flavor = "current_thread")]
    async fn hidden(text: &str) -> impl Iterator<Item = char> {
        text.chars().rev().collect::<Vec<_>>().into_iter()
    }
    #[filch::main(flavor = "current_thread")]
    async fn never() -> ! {
        panic!("never returns");
    }
    let mut counter = Counter(Cell::new(1));
    assert_eq!(counter.add(2, &"tag"), ("tag", &Cell::new(3)));
    *counter.cell() += 1;
    assert_eq!(counter.0.get(), 4);
    assert_eq!(hidden("abc").collect::<String>(), "cba");
    assert!(std::panic::catch_unwind(|| never()).is_err());
}

#[test]
#[deny(warnings, clippy::all)]
fn a_body_on_one_line_brings_no_warning() {
    #[rustfmt::skip]
    #[filch::main(flavor = "current_thread")]
    async fn one_line() -> u32 { 7 }
    assert_eq!(one_line(), 7);
}

macro_rules! five_is {
    ($name:ident, $value:expr) => {
        #[filch::test]
        async fn $name() {
            let twice = 2 * $value;
            assert_eq!(twice, 10);
        }
    };
}
five_is!(a_captured_expression_stays_whole, 2 + 3);
