//! Arguments of `#[filch::main]` and `#[filch::test]`.

#[filch::main(foo = 1)]
async fn unknown_argument() {}

#[filch::test(unhandled_panic = "ignore")]
async fn argument_of_tokio_only() {}

#[filch::main(Flavor = "multi_thread")]
async fn wrong_case() {}

#[filch::main(threads)]
async fn unknown_word() {}

#[filch::main(current_thread)]
async fn flavor_without_its_name() {}

#[filch::main("multi_thread")]
async fn value_without_a_name() {}

#[filch::main(worker_threads)]
async fn name_without_a_value() {}

#[filch::main(worker_threads(4))]
async fn value_in_parentheses() {}

#[filch::main(worker_threads = N)]
async fn value_that_is_no_literal() {}

#[filch::main(flavor = "multi_thread" worker_threads = 4)]
async fn comma_missing() {}

#[filch::main(flavor = "multi_thread", flavor = "multi_thread")]
async fn flavor_twice() {}

#[filch::main(worker_threads = 2, worker_threads = 2)]
async fn worker_threads_twice() {}

#[filch::main(crate = "filch", crate = "filch")]
async fn crate_twice() {}

#[filch::main(flavor = "single_thread")]
async fn unknown_flavor() {}

#[filch::main(flavor = 1)]
async fn flavor_that_is_no_string() {}

#[filch::main(worker_threads = "4")]
async fn worker_threads_that_is_no_integer() {}

#[filch::main(worker_threads = 0)]
async fn no_worker_threads() {}

#[filch::main(worker_threads = 99999999999999999999)]
async fn too_many_worker_threads() {}

#[filch::main(flavor = "current_thread", worker_threads = 4)]
async fn workers_for_one_thread() {}

#[filch::test(worker_threads = 4)]
async fn workers_for_a_test_on_one_thread() {}

#[filch::test(start_paused = 1)]
async fn start_paused_that_is_no_bool() {}

#[filch::test(start_paused = true, start_paused = true)]
async fn start_paused_twice() {}

#[filch::main(crate = 456)]
async fn crate_that_is_no_string() {}

#[filch::main(crate = "not a path")]
async fn crate_that_is_no_path() {}

#[filch::main(name = "a", name = "b")]
async fn name_twice() {}

#[filch::main(name = 1)]
async fn name_that_is_no_string() {}

#[filch::test(name = "")]
async fn empty_name() {}

fn main() {}
