//! Branches of `select!` whose types do not fit.

use std::future::ready;

async fn no_future() {
    filch::select! {
        () = ready(()) => {}
        () = 5 => {}
    }
}

async fn wrong_pattern() {
    filch::select! {
        Some(_) = ready(5) => {}
        _ = ready(()) => {}
    }
}

async fn precondition_that_is_no_bool() {
    filch::select! {
        () = ready(()), if 1 => {}
    }
}

async fn handlers_of_two_types() {
    let _: u32 = filch::select! {
        () = ready(()) => 1,
        () = ready(()) => "one",
    };
}

fn outside_of_async() {
    filch::select! {
        () = ready(()) => {}
    }
}

fn main() {}
