//! A graph of waits as text: depth first, each task once, on a stack of its own.

use std::fmt;

use super::{CallGraph, Kind, Way, What};

/// Levels that are set off to the right. More: the lines of a long chain are longer than they say, and its text grows with
/// the square of its length; from there on a line says its level in figures.
const MOST_INDENTED: usize = 16;

/// Lines of one task that refer to what is shown above, before the rest is only counted: so the text grows with the tasks,
/// not with the waits, of which there may be the square.
const MOST_REPEATS: usize = 16;

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Unseen,
    /// Between the root and here.
    OnPath,
    Shown,
}

/// A task whose waiters are being shown.
struct Frame {
    node: usize,
    at: usize,
    repeats: usize,
}

impl fmt::Display for CallGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Text {
            graph: self,
            marks: vec![Mark::Unseen; self.nodes.len()],
            path: Vec::new(),
            left: self.limit,
            begun: false,
        };
        for &root in &self.roots {
            if text.marks[root] == Mark::Unseen && text.left > 0 {
                text.tree(f, root)?;
            }
        }
        text.end(f)
    }
}

struct Text<'a> {
    graph: &'a CallGraph,
    marks: Vec<Mark>,
    path: Vec<Frame>,
    left: usize,
    begun: bool,
}

impl Text<'_> {
    fn tree(&mut self, f: &mut fmt::Formatter<'_>, root: usize) -> fmt::Result {
        self.open(f, root)?;
        while let Some(frame) = self.path.last_mut() {
            let node = &self.graph.nodes[frame.node];
            let Some(&next) = node.next.get(frame.at) else {
                let more = frame.repeats.saturating_sub(MOST_REPEATS);
                self.close(f, node.others, more)?;
                continue;
            };
            frame.at += 1;
            let level = self.path.len();
            match self.marks[next] {
                Mark::Unseen if self.left == 0 || level > self.graph.depth => {}
                Mark::Unseen => self.open(f, next)?,
                Mark::OnPath => self.item(f, level, next, " <- a cycle")?,
                Mark::Shown => {
                    frame_of(&mut self.path).repeats += 1;
                    if frame_of(&mut self.path).repeats <= MOST_REPEATS {
                        self.item(f, level, next, " (shown above)")?;
                    }
                }
            }
        }
        Ok(())
    }

    fn open(&mut self, f: &mut fmt::Formatter<'_>, node: usize) -> fmt::Result {
        let level = self.path.len();
        self.item(f, level, node, "")?;
        let waiter = &self.graph.nodes[node];
        let place = waiter.what.made_at;
        self.line(
            f,
            level,
            format_args!("  + Created at {}:{}", place.file(), place.line()),
        )?;
        if !waiter.next.is_empty() || waiter.others > 0 {
            let heading = match self.graph.way {
                Way::Up => "  + Awaited by:",
                Way::Down => "  + Awaits:",
            };
            self.line(f, level, format_args!("{heading}"))?;
        }
        self.marks[node] = Mark::OnPath;
        self.left -= 1;
        self.path.push(Frame {
            node,
            at: 0,
            repeats: 0,
        });
        Ok(())
    }

    fn close(&mut self, f: &mut fmt::Formatter<'_>, others: usize, more: usize) -> fmt::Result {
        let level = self.path.len();
        if more > 0 {
            self.line(f, level, format_args!("* {more} more that are shown above"))?;
        }
        if others > 0 {
            self.line(f, level, format_args!("* {others} that are no tasks"))?;
        }
        if let Some(frame) = self.path.pop() {
            self.marks[frame.node] = Mark::Shown;
        }
        Ok(())
    }

    fn item(
        &mut self,
        f: &mut fmt::Formatter<'_>,
        level: usize,
        node: usize,
        note: &str,
    ) -> fmt::Result {
        let graph = self.graph;
        self.line(f, level, format_args!("* {}{note}", graph.nodes[node].what))
    }

    fn line(
        &mut self,
        f: &mut fmt::Formatter<'_>,
        level: usize,
        text: fmt::Arguments<'_>,
    ) -> fmt::Result {
        if std::mem::replace(&mut self.begun, true) {
            writeln!(f)?;
        }
        for _ in 0..level.min(MOST_INDENTED) {
            f.write_str("    ")?;
        }
        if level > MOST_INDENTED {
            write!(f, "[{level}] ")?;
        }
        f.write_fmt(text)
    }

    fn end(mut self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.marks.iter().filter(|mark| **mark == Mark::Unseen);
        let hidden = hidden.count();
        if hidden > 0 {
            self.line(f, 0, format_args!("({hidden} more are not shown)"))?;
        }
        let Some(mut cycle) = self.graph.cycle() else {
            return Ok(());
        };
        if self.graph.way == Way::Up {
            cycle.reverse();
        }
        self.line(f, 0, format_args!("A cycle: "))?;
        for (n, &node) in cycle.iter().enumerate() {
            let between = if n == 0 { "" } else { " awaits " };
            write!(f, "{between}{}", self.graph.nodes[node].what)?;
        }
        Ok(())
    }
}

fn frame_of(path: &mut [Frame]) -> &mut Frame {
    path.last_mut().expect("somebody's waiters are being shown")
}

impl CallGraph {
    /// Those of one circle, in the order of the way, the first one also last.
    pub(super) fn cycle(&self) -> Option<Vec<usize>> {
        let mut marks = vec![Mark::Unseen; self.nodes.len()];
        let mut path: Vec<(usize, usize)> = Vec::new();
        for &root in &self.roots {
            if marks[root] == Mark::Unseen {
                marks[root] = Mark::OnPath;
                path.push((root, 0));
            }
            while let Some((node, at)) = path.last_mut() {
                let Some(&next) = self.nodes[*node].next.get(*at) else {
                    marks[*node] = Mark::Shown;
                    path.pop();
                    continue;
                };
                *at += 1;
                match marks[next] {
                    Mark::Unseen => {
                        marks[next] = Mark::OnPath;
                        path.push((next, 0));
                    }
                    Mark::OnPath => {
                        let circle = path.iter().map(|(node, _)| *node);
                        let circle = circle.skip_while(|node| *node != next);
                        return Some(circle.chain([next]).collect());
                    }
                    Mark::Shown => {}
                }
            }
        }
        None
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Loop => "Task",
            Kind::Pool => "SpawnedTask",
            Kind::Promise => return f.write_str("Promise"),
        };
        let name = self.name.as_deref().unwrap_or_default();
        write!(f, "{kind}(name={name:?}")?;
        if let Some(id) = self.id {
            write!(f, ", id={id}")?;
        }
        f.write_str(")")
    }
}
