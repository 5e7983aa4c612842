//! How the sources are built: imports point down, files stay small, and few files know what only few should know.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the runtime, storey by storey from the ground; each engine is a storey's wing of its own.
const STOREYS: [&[&str]; 4] = [
    &[
        "budget",
        "cancellation",
        "census",
        "clock",
        "driver",
        "error",
        "home",
        "inherit",
        "job",
        "once_value",
        "origin",
        "park",
        "sync_prim",
    ],
    &[
        "done_list",
        "generator",
        "join",
        "promise",
        "root",
        "task",
        "wheel",
    ],
    &["blocking", "local", "reactor", "scheduler"],
    &[
        "builder",
        "cancel",
        "context",
        "event_loop",
        "group",
        "handle",
        "io",
        "join_set",
        "local_pool",
        "local_runtime",
        "local_set",
        "macro_support",
        "runtime",
        "spawn",
        "sync",
        "task_local",
        "time",
        "wrap",
    ],
];
const ENGINES: usize = 2;

/// The only files in which the word `unsafe` may stand outside a comment.
const UNSAFE: &[&str] = &[
    "runtime/src/home.rs",
    "runtime/src/job.rs",
    "runtime/src/once_value.rs",
    "runtime/src/event_loop/body.rs",
    "runtime/src/event_loop/task.rs",
    "runtime/src/root.rs",
    "runtime/src/task/cell.rs",
    "runtime/src/task/poll.rs",
    "runtime/src/task/waker.rs",
    "runtime/src/task/handles.rs",
    "runtime/src/task/memory.rs",
    "runtime/src/task/current.rs",
    "runtime/src/task/late.rs",
    "runtime/src/task/model.rs",
    "runtime/src/reactor/turn.rs",
    "runtime/src/reactor/lease.rs",
    "runtime/src/blocking/mod.rs",
    "runtime/src/local/mod.rs",
    "runtime/src/scheduler/mod.rs",
    "runtime/src/scheduler/local.rs",
    "runtime/src/group/count.rs",
    "runtime/src/group/lend.rs",
    "runtime/src/sync/cell.rs",
    "runtime/src/sync/model.rs",
    "runtime/src/sync/mutex/mod.rs",
    "runtime/src/sync/oneshot/cell.rs",
    "runtime/src/sync/rwlock/mod.rs",
    "runtime/src/sync/waiters/mod.rs",
    "net/src/read_buf.rs",
];

/// What a file is, by its path from the repository's root.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines that are no comments, with their numbers; a comment behind code is cut off.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate();
        numbered.filter_map(|(n, line)| {
            let code = line.split("//").next().unwrap_or_default();
            (!code.trim().is_empty()).then_some((n + 1, code))
        })
    }

    /// The module of the runtime that it belongs to.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("runtime/src/")?;
        Some(inside.split('/').next()?.trim_end_matches(".rs"))
    }
}

/// Every Rust file below these folders of the repository.
fn sources(folders: &[&str]) -> Vec<Source> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                walk(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    folders
        .iter()
        .for_each(|folder| walk(&root.join(folder), &mut paths));
    paths.sort();
    let read = |path: PathBuf| Source {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(root).unwrap().display().to_string(),
    };
    let all: Vec<_> = paths.into_iter().map(read).collect();
    assert!(all.len() > folders.len(), "no sources in {folders:?}");
    all
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// True if the word stands in the text by itself.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_word) && !text[at + word.len()..].starts_with(is_word)
    })
}

/// Panics with all complaints, if there are any.
#[track_caller]
fn assert_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// The modules that a line of code names behind `crate::`, as in `crate::{a, b::C}` or `crate::a::B`.
fn named_modules(code: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        if code[..at].ends_with(is_word) || code[..at].ends_with('$') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = list.split('}').next().unwrap_or_default();
                names.extend(
                    list.split(',')
                        .map(|name| name.trim().split("::").next().unwrap()),
                );
            }
            None => names.extend(rest.split(|c| !is_word(c)).next()),
        }
    }
    names
}

#[test]
fn an_import_points_to_the_same_storey_or_a_lower_one() {
    let storey = |module: &str| STOREYS.iter().position(|storey| storey.contains(&module));
    let mut complaints = Vec::new();
    let mut imports = 0;
    for source in sources(&["runtime/src"]) {
        let module = source.module().unwrap();
        if module == "lib" {
            continue;
        }
        let Some(here) = storey(module) else {
            complaints.push(format!("{}: which storey is `{module}` in?", source.path));
            continue;
        };
        for (line, code) in source.code() {
            for name in named_modules(code) {
                imports += 1;
                let place = format!("{}:{line}", source.path);
                match storey(name) {
                    None => complaints.push(format!("{place}: `crate::{name}` is no module")),
                    Some(there) if there > here => {
                        complaints.push(format!("{place}: `{name}` is above `{module}`"));
                    }
                    Some(ENGINES) if here == ENGINES && name != module => {
                        complaints.push(format!("{place}: engine `{module}` knows `{name}`"));
                    }
                    Some(_) => {}
                }
            }
        }
    }
    assert!(imports > 100, "only {imports} imports were understood");
    assert_none(complaints);
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let long = |source: &Source| {
        let lines = source.text.lines().count();
        (lines > 500).then(|| format!("{}: {lines} lines", source.path))
    };
    let all = sources(&[
        "runtime",
        "net",
        "macros",
        "benches/src",
        "src",
        "tests",
        "examples",
    ]);
    assert_none(all.iter().filter_map(long).collect());
}

/// Complains of each line of code with the word outside the files that may know it.
fn only_in(word: &str, files: &[&str], ignore: impl Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut uses = 0;
    for source in sources(&["runtime/src", "net/src", "macros/src", "src"]) {
        let mut lines = source
            .code()
            .filter(|(_, code)| has_word(code, word) && !ignore(code));
        if files.contains(&source.path.as_str()) {
            uses += lines.count();
        } else if let Some((line, code)) = lines.next() {
            complaints.push(format!("{}:{line}: {}", source.path, code.trim()));
        }
    }
    assert!(uses > 0, "`{word}` is not even in {files:?}");
    complaints
}

#[test]
fn few_files_know_the_names_of_neighbours() {
    let mut complaints = only_in("filch_loom", &["runtime/src/sync_prim.rs"], |code| {
        let code = code.trim();
        // Whole test modules may be for one of the two.
        let is_test = [
            "#[cfg(all(test, filch_loom))]",
            "#[cfg(all(test, not(filch_loom)))]",
        ];
        is_test.contains(&code)
    });
    let queues = "runtime/src/scheduler/queues.rs";
    complaints.extend(only_in("crossbeam_deque", &[queues], |_| false));
    complaints.extend(only_in("polling", &["runtime/src/reactor/turn.rs"], |_| {
        false
    }));
    assert_none(complaints);
}

#[test]
fn unsafe_code_is_in_few_files() {
    let in_string = |code: &str| code.contains("\"unsafe");
    assert_none(only_in("unsafe", UNSAFE, in_string));
}

#[test]
fn each_unsafe_block_says_why_it_is_safe() {
    let mut complaints = Vec::new();
    let mut blocks = 0;
    for source in sources(&["runtime/src", "net/src", "macros/src", "src", "tests"]) {
        let lines: Vec<_> = source.text.lines().collect();
        for (line, code) in source.code() {
            let opens = code.contains("unsafe {") || code.contains("unsafe impl");
            if !opens || code.contains('"') {
                continue;
            }
            blocks += 1;
            // Above it, with the rest of its statement in between.
            let above = lines[..line - 1]
                .iter()
                .rev()
                .take(8)
                .map(|line| line.trim());
            let mut statement = above.take_while(|line| !line.is_empty());
            if !statement.any(|line| line.starts_with("// SAFETY:")) {
                complaints.push(format!("{}:{line}: {}", source.path, code.trim()));
            }
        }
    }
    assert!(blocks > 20, "only {blocks} blocks were found");
    assert_none(complaints);
}
