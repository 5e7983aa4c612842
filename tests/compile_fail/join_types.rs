//! Branches of `join!` and `try_join!` whose types do not fit.

use std::future::ready;

async fn no_future() {
    filch::join!(ready(1), 2);
}

async fn no_result() {
    let _ = filch::try_join!(ready(Ok::<u32, ()>(1)), ready(2));
}

async fn errors_of_two_types() {
    let _ = filch::try_join!(ready(Ok::<u32, u8>(1)), ready(Err::<u32, String>(String::new())));
}

fn main() {}
