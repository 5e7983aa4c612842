//! The example prints what the article prints, and the steps of a `recv()` in their order.

use std::sync::{Arc, Mutex};

#[path = "../examples/04_how_asyncio_works.rs"]
#[allow(dead_code)]
mod example;

mod common;
use common::bounded;

/// The lines of the example, without the names of threads.
fn lines() -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let printed = lines.clone();
    let out = example::Out::new(move |line| printed.lock().unwrap().push(line));
    bounded(move || example::show(&out).unwrap());
    let lines = std::mem::take(&mut *lines.lock().unwrap());
    // A step may run on the worker, or on the reactor thread if that attends the poller just then.
    let anonymous = |line: String| match line.split_once(" [filch-") {
        Some((step, _name)) => format!("{step} [a thread of filch's]"),
        None => line,
    };
    lines.into_iter().map(anonymous).collect()
}

#[test]
fn it_prints_what_it_printed() {
    for _ in 0..common::many(50) {
        let golden: Vec<_> = include_str!("golden/how_asyncio_works.txt")
            .lines()
            .collect();
        assert_eq!(lines(), golden);
    }
}

#[test]
fn each_section_prints_the_lines_of_the_article() {
    let lines = lines();
    let sections: Vec<_> = lines.split(|line| line.starts_with("== ")).collect();
    assert!(sections[0].is_empty());
    assert_eq!(
        sections[1],
        ["<class 'generator'>", "1", "2", "StopIteration"]
    );
    assert_eq!(sections[2], ["1", "abc", "2", "3", "Exception: !"]);
    assert_eq!(sections[3], ["1", "abc"]);
    assert_eq!(sections[4], ["1", "2", "inner abc", "other 3", "4"]);
    let steps = &sections[5][..7];
    let in_order = |(n, step): (usize, &String)| step.starts_with(&format!("{}. ", n + 1));
    assert!(steps.iter().enumerate().all(in_order), "{steps:?}");
    assert_eq!(sections[5][7..], ["recv() returned \"hello\""]);
}

#[test]
fn python_prints_the_same() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/generators.py");
    let python = std::process::Command::new("python3").arg(script).output();
    let Ok(output) = python else {
        return println!("skipped: there is no python3");
    };
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let ours = lines();
    let chain = ours
        .iter()
        .position(|line| line.starts_with("== Method chain"));
    assert_eq!(ours[..chain.unwrap()], printed.lines().collect::<Vec<_>>());
}
