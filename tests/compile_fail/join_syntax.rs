//! What `join!` and `try_join!` cannot read.

use std::future::ready;

async fn commas() {
    filch::join!(ready(1) ready(2));
    filch::join!(ready(1),, ready(2));
    filch::join!(ready(1); ready(2));
    filch::try_join!(,);
}

async fn biased() {
    filch::join!(ready(1), biased; ready(2));
    filch::try_join!(biased ready(2));
}

fn main() {}
