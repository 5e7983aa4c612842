//! What comments cite exists: the labels of steps are defined where they are used, and models are tests.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

const SCHEDULER: &str = "runtime/src/scheduler";
const REACTOR: &str = "runtime/src/reactor";
const LOCAL: &str = "runtime/src/local";

/// The letters of step labels; a label is one of them and a digit.
const LETTERS: &str = "ASWFPECDGHXL";

/// The Rust files of a folder, not of those inside it: path and text.
fn files(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(root.join(folder)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {folder}");
    files
}

/// The files whose comments cite steps.
fn labelled() -> impl Iterator<Item = (String, String)> {
    let clock = files("runtime/src")
        .into_iter()
        .filter(|(path, _)| path.ends_with("/clock.rs"));
    let engines = [SCHEDULER, REACTOR, LOCAL].into_iter().flat_map(files);
    engines.chain(clock)
}

fn readme() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(SCHEDULER).join("README.md")).unwrap()
}

/// The words of a text that are labels.
fn labels(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| {
        let mut letters = word.chars();
        let label = (letters.next(), letters.next(), letters.next());
        matches!(label, (Some(l), Some('1'..='9'), None) if LETTERS.contains(l))
    })
}

/// The comment of a line, if it has one.
fn comment(line: &str) -> &str {
    line.split_once("//").map_or("", |(_, comment)| comment)
}

/// The labels that this text defines: those that begin a step, at the start of a line of the table or after a dot in
/// the middle. A step's line begins with its name.
fn defined(text: &str) -> HashSet<String> {
    let mut all = HashSet::new();
    for line in text.lines() {
        let line = line.trim_start_matches("//!");
        let steps: Vec<_> = line.split('·').collect();
        for (n, step) in steps.iter().enumerate() {
            let mut words = step.split_whitespace();
            let first = match (n, words.next()) {
                // A name, or nothing in the lines that go on with the same name, comes before the first.
                (0, Some(word)) if labels(word).next() != Some(word) => words.next(),
                (_, word) => word,
            };
            let label = first.filter(|word| labels(word).next() == Some(word));
            all.extend(label.map(str::to_owned));
        }
    }
    all
}

fn head(text: &str) -> String {
    let lines = text
        .lines()
        .take_while(|line| line.starts_with("//!") || line.starts_with("#!"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Panics with all complaints, if there are any.
#[track_caller]
fn assert_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn each_label_is_defined_in_the_head_of_its_file_or_of_the_one_it_names_or_in_the_readme() {
    let shared = defined(&readme());
    let all = [
        "S1", "S2", "S3", "W1", "W2", "F1", "F2", "P1", "P2", "P3", "P4",
    ];
    assert!(
        all.iter().all(|label| shared.contains(*label)),
        "{shared:?}"
    );
    let mut complaints = Vec::new();
    let mut uses = 0;
    let all: Vec<_> = labelled().collect();
    for (path, text) in &all {
        let own = defined(&head(text));
        for (n, line) in text.lines().enumerate() {
            // A comment may name another file, as in `partner G2 (reactor/guard)`.
            let named = |(path, _): &&(String, String)| {
                let name = path
                    .trim_start_matches("runtime/src/")
                    .trim_end_matches(".rs");
                comment(line).contains(&format!("({name})"))
            };
            let there = all.iter().find(named).map(|(_, text)| defined(&head(text)));
            for label in labels(comment(line)) {
                uses += 1;
                let known = |all: &HashSet<String>| all.contains(label);
                if !known(&own) && !known(&shared) && !there.as_ref().is_some_and(known) {
                    complaints.push(format!("{path}:{}: {label} is defined nowhere", n + 1));
                }
            }
        }
    }
    assert!(uses > 50, "only {uses} labels were found");
    assert_none(complaints);
}

#[test]
fn each_label_means_one_thing() {
    let mut complaints = Vec::new();
    let mut seen: Vec<(String, String)> = Vec::new();
    let shared = (format!("{SCHEDULER}/README.md"), readme());
    let heads = labelled();
    let heads = heads.map(|(path, text)| (path, head(&text)));
    for (path, text) in std::iter::once(shared).chain(heads) {
        for label in defined(&text) {
            if let Some((_, other)) = seen.iter().find(|(known, _)| *known == label) {
                complaints.push(format!("{label} is defined in {other} and in {path}"));
            }
            seen.push((label, path.clone()));
        }
    }
    assert_none(complaints);
}

#[test]
fn each_step_that_is_defined_is_cited_by_code() {
    let mut cited = HashSet::new();
    let mut steps = defined(&readme());
    for (_, text) in labelled() {
        let head = head(&text);
        steps.extend(defined(&head));
        for line in text[head.len()..].lines() {
            // A range cites all it spans.
            let all: Vec<_> = labels(comment(line)).collect();
            if let ([first, last], true) = (&all[..], comment(line).contains(" to ")) {
                let (letter, from, to) = (&first[..1], &first[1..], &last[1..]);
                let numbers = from.parse().unwrap()..=to.parse::<u32>().unwrap();
                cited.extend(numbers.map(|n: u32| format!("{letter}{n}")));
            }
            cited.extend(all.into_iter().map(str::to_owned));
        }
    }
    let complain = |step: &String| format!("{step} is cited nowhere");
    assert_none(steps.difference(&cited).map(complain).collect());
}

/// The paths in backticks that follow `Model:` or `Models:` up to the next sentence.
fn models(text: &str) -> Vec<String> {
    let prose: Vec<_> = text
        .lines()
        .map(|line| line.trim_start_matches("//!").trim())
        .collect();
    let prose = prose.join(" ");
    let mut all = Vec::new();
    for (at, word) in prose
        .match_indices("Model: ")
        .chain(prose.match_indices("Models: "))
    {
        let rest = &prose[at + word.len()..];
        let sentence = rest.split(['.', ';']).next().unwrap_or_default();
        all.extend(sentence.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    all
}

#[test]
fn each_model_that_is_named_is_a_test() {
    let folders = [
        "",
        "/scheduler",
        "/reactor",
        "/reactor/timers",
        "/promise",
        "/generator",
        "/task",
        "/blocking",
        "/local",
        "/sync",
        "/sync/notify",
        "/sync/rwlock",
        "/sync/mpsc",
        "/sync/oneshot",
        "/sync/oneshot/cell",
        "/sync/waiters",
        "/sync/broadcast",
        "/sync/cancellation",
        "/sync/mpmc",
        "/sync/watch",
        "/time",
        "/cancel",
        "/group",
        "/event_loop",
    ];
    let all = folders
        .iter()
        .flat_map(|folder| files(&format!("runtime/src{folder}")));
    let all: Vec<_> = all
        .chain([(format!("{SCHEDULER}/README.md"), readme())])
        .collect();
    let mut complaints = Vec::new();
    let mut count = 0;
    for (path, text) in &all {
        let head = if path.ends_with(".md") {
            text.clone()
        } else {
            head(text)
        };
        for model in models(&head) {
            count += 1;
            let mut segments: Vec<_> = model.split("::").collect();
            let (test, of) = match segments.pop() {
                Some("model") => (None, segments.pop()),
                test => {
                    assert_eq!(
                        segments.pop(),
                        Some("model"),
                        "{path}: `{model}` is in no `model`"
                    );
                    (test, segments.pop())
                }
            };
            // The file that has the models: the one named, or this one.
            let stem = |path: &String| path.rsplit('/').next().unwrap().replace(".rs", "");
            let folder = |path: &String| path.rsplit('/').nth(1).unwrap().to_owned();
            let has = |(other, text): &&(String, String)| {
                let named = match of {
                    Some(of) => stem(other) == of || folder(other) == of,
                    None => other == path,
                };
                let function = |test| text.contains(&format!("#[test]\n    fn {test}()"));
                let in_file = |test| text.contains(&format!("#[test]\nfn {test}()"));
                named
                    && (text.contains("mod model {") || stem(other) == "model")
                    && test.is_none_or(|test| function(test) || in_file(test))
            };
            if !all.iter().any(|file| has(&file)) {
                complaints.push(format!("{path}: there is no model `{model}`"));
            }
        }
    }
    assert!(count >= 6, "only {count} models were found");
    assert_none(complaints);
}
