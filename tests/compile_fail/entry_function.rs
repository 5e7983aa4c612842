//! Functions under `#[filch::main]` and `#[filch::test]`.

#[filch::main]
fn main() {}

mod arguments {
    #[filch::main]
    async fn main(first: u32, second: u32) {}
}

#[filch::test]
fn test_that_is_not_async() {}

#[filch::test]
#[test]
async fn two_tests() {}

#[filch::test]
#[::core::prelude::v1::test]
async fn two_tests_by_full_name() {}

#[filch::test]
#[std::prelude::rust_2024::test]
async fn two_tests_by_the_name_in_std() {}

#[filch::test]
#[filch::test]
async fn two_tests_of_ours() {}

#[filch::main]
struct NoFunction;
