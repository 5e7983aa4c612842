//! Bodies whose type is not what the function returns.

#[filch::main]
async fn semicolon_or_return_type_missing() {
    Ok(())
}

#[filch::main]
async fn return_type_missing() {
    return Ok(());
}

#[filch::main]
async fn semicolon_too_much() -> Result<(), ()> {
    Ok(());
}

#[filch::main]
async fn first_return_is_wrong() {
    if true {
        return 1;
    }
    return ();
}

#[filch::main]
async fn wrong_value() -> Result<(), String> {
    println!("before");
    Ok("wrong")
}

#[filch::main]
async fn question_mark_without_a_result() {
    None::<()>?;
}

#[filch::main]
async fn trait_is_missing() -> impl std::fmt::Display {
    vec![1]
}

fn main() {}
