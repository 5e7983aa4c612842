//! The command line, read by hand: few options, each mistake answered by a sentence.

use std::num::NonZero;
use std::path::PathBuf;
use std::thread;

use crate::rows::{self, Row, find};

pub(crate) const HELP: &str = "\
filch against tokio, smol and rayon: one problem, every runtime, interleaved in one run

usage: cargo run --release -p filch-benches -- [options]

  --list         show the rows and stop
  --only A,B     run these rows only
  --quick        fewer and shorter runs: a look, not a result
  --workers N    worker threads of every runtime (default: the CPUs this process may use)
  --json FILE    where the figures go (default: target/bench/results.json)
  --help         show this text and stop

A ratio above 1 always means that filch is better than tokio. The program ends with 1 when a run's result was
wrong or an engine hung; a row below its target is marked, and no failure.
";

/// What the user wants.
pub(crate) enum Wish {
    Help,
    List,
    Run(Plan),
}

pub(crate) struct Plan {
    pub(crate) rows: Vec<&'static Row>,
    pub(crate) quick: bool,
    pub(crate) workers: usize,
    pub(crate) json: Option<PathBuf>,
}

/// Reads the arguments after the program's name; `Err` is a sentence for the user.
pub(crate) fn read(args: impl IntoIterator<Item = String>) -> Result<Wish, String> {
    let mut plan = Plan {
        rows: rows::all().collect(),
        quick: false,
        workers: thread::available_parallelism().map_or(1, NonZero::get),
        json: None,
    };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let (option, mut glued) = match arg.split_once('=') {
            Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        let mut value = |what: &str| {
            let value = glued.take().or_else(|| args.next());
            value.ok_or_else(|| format!("{option} needs {what}"))
        };
        match option.as_str() {
            "--help" | "-h" => return Ok(Wish::Help),
            "--list" => return Ok(Wish::List),
            "--quick" => plan.quick = true,
            "--only" => plan.rows = only(&value("the names of rows: --only echo_1,echo_8")?)?,
            "--json" => plan.json = Some(value("the name of a file")?.into()),
            "--workers" => {
                let number = value("a number")?;
                plan.workers = match number.parse() {
                    Ok(workers @ 1..=1_024) => workers,
                    _ => return Err(format!("--workers: {number:?} is no number from 1 to 1024")),
                };
            }
            _ => return Err(format!("{option:?} is unknown here, see --help")),
        }
        if glued.is_some() {
            return Err(format!("{option} takes no value"));
        }
    }
    Ok(Wish::Run(plan))
}

fn only(names: &str) -> Result<Vec<&'static Row>, String> {
    let mut wanted = Vec::new();
    for name in names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        let Some(row) = find(name) else {
            let all: Vec<_> = rows::all().map(|row| row.name).collect();
            return Err(format!(
                "--only: there is no row {name:?}; there are {}",
                all.join(", ")
            ));
        };
        wanted.push(row.name);
    }
    if wanted.is_empty() {
        return Err("--only names no row".to_owned());
    }
    // In the order of the table, and each once.
    Ok(rows::all()
        .filter(|row| wanted.contains(&row.name))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_words(line: &str) -> Result<Wish, String> {
        read(line.split_whitespace().map(str::to_owned))
    }

    fn plan(line: &str) -> Plan {
        match read_words(line) {
            Ok(Wish::Run(plan)) => plan,
            Ok(_) => panic!("{line}: no plan"),
            Err(e) => panic!("{line}: {e}"),
        }
    }

    fn mistake(line: &str) -> String {
        read_words(line).err().expect(line)
    }

    #[test]
    fn without_arguments_every_row_runs_in_full() {
        let plan = plan("");
        assert_eq!((plan.rows.len(), plan.quick), (rows::all().count(), false));
    }

    #[test]
    fn options_may_stand_in_any_order_with_or_without_an_equals_sign() {
        let plan = plan("--workers=3 --quick --only echo_8,echo_1 --json out.json");
        let names: Vec<_> = plan.rows.iter().map(|row| row.name).collect();
        assert_eq!(names, ["echo_1", "echo_8"], "in the order of the table");
        assert_eq!((plan.workers, plan.quick), (3, true));
        assert_eq!(plan.json, Some("out.json".into()));
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        assert!(mistake("--only echo_9").contains("there is no row \"echo_9\""));
        assert!(mistake("--only ,").contains("names no row"));
        assert!(mistake("--only").contains("needs the names of rows"));
        assert!(mistake("--workers 0").contains("no number from 1 to 1024"));
        assert!(mistake("--quick=yes").contains("takes no value"));
        assert!(mistake("--fast").contains("unknown"));
    }
}
