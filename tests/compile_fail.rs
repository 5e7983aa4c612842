//! What the macros refuse, they refuse at the right word and in words that help.
//!
//! The messages are in compile_fail/*.stderr; `TRYBUILD=overwrite cargo test --test compile_fail` writes them anew.
//! Those of `*_types.rs` are the compiler's own and change with it.

#[test]
fn wrong_use_is_refused_at_the_word_to_blame() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
