//! A path that leads to no filch.

#[filch::main(crate = "self::nowhere")]
async fn crate_that_is_not_there() {}

fn main() {}
