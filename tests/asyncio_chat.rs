//! The chat of the examples understands plain sockets, as `nc` has them, and CPython's own asyncio.

#[path = "../examples/asyncio_chat.rs"]
#[allow(dead_code)]
mod example;

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;

use filch::EventLoop;

use common::{a_while, bounded, multi};

/// Runs the test beside an open room, which is closed afterwards.
fn beside_a_room(test: impl FnOnce(SocketAddr) + Send + 'static) {
    bounded(|| {
        let rt = multi(2);
        let _entered = rt.enter();
        let event_loop = EventLoop::new();
        let outcome = event_loop.run_until_complete(async {
            let server = example::open("127.0.0.1:0").await.unwrap();
            let addr = server.local_addrs()[0];
            let testing = filch::task::spawn_blocking(move || test(addr));
            testing.await.unwrap();
            server.close();
            server.close_clients();
            server.wait_closed().await;
        });
        outcome.unwrap();
    });
}

/// What `nc` is: a socket and lines.
struct Nc(BufReader<TcpStream>);

impl Nc {
    fn connect(addr: SocketAddr) -> Nc {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(a_while())).unwrap();
        Nc(BufReader::new(stream))
    }

    fn says(&self, text: &str) {
        self.0.get_ref().write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    fn hears(&mut self, line: &str) {
        let mut heard = String::new();
        self.0.read_line(&mut heard).unwrap();
        assert_eq!(heard, line);
    }
}

#[test]
fn plain_sockets_can_talk_to_it() {
    beside_a_room(|addr| {
        let mut ann = Nc::connect(addr);
        ann.hears("name?\n");
        // A line may come in pieces, and end as on other systems.
        ann.says("a");
        ann.says("nn\r\n");
        ann.hears("* here: nobody\n");
        let mut bob = Nc::connect(addr);
        bob.says("bob\nhello\nand");
        bob.hears("name?\n");
        bob.hears("* here: ann\n");
        ann.hears("* bob is here\n");
        ann.hears("bob: hello\n");
        // What is no text is shown as far as it is.
        ann.0.get_ref().write_all(b"caf\xe9\n").unwrap();
        bob.hears("ann: caf\u{fffd}\n");
        // The last line has no end.
        bob.0.get_ref().shutdown(Shutdown::Write).unwrap();
        ann.hears("bob: and\n");
        ann.hears("* bob has left\n");
        bob.hears("");
    });
}

#[test]
fn a_line_without_an_end_is_the_end_of_its_client_only() {
    beside_a_room(|addr| {
        let mut ann = Nc::connect(addr);
        ann.says("ann\n");
        ann.hears("name?\n");
        ann.hears("* here: nobody\n");
        let mut bob = Nc::connect(addr);
        bob.says("bob\n");
        ann.hears("* bob is here\n");
        let _may_be_cut_off = bob.0.get_ref().write_all(&[b'x'; 200_000]);
        ann.hears("* bob has left\n");
        ann.says("anyone?\n");
        bob.hears("name?\n");
        bob.hears("* here: ann\n");
    });
}

#[test]
fn a_client_on_cpythons_asyncio_can_talk_to_it() {
    let has_python = Command::new("python3")
        .args(["-c", "import asyncio"])
        .output();
    if !has_python.is_ok_and(|output| output.status.success()) {
        return println!("skipped: there is no python3 with asyncio");
    }
    beside_a_room(|addr| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/chat_client.py");
        let mut python = Command::new("python3");
        let output = python
            .arg(script)
            .arg(addr.port().to_string())
            .output()
            .unwrap();
        let heard = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{heard}{errors}");
        let heard: Vec<_> = heard.lines().collect();
        assert_eq!(heard.first(), Some(&"ann < name?"));
        assert_eq!(heard.last(), Some(&"ann < * eve has left"));
        assert!(heard.contains(&"1000 lines heard by two"));
    });
}
