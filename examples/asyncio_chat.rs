//! A chat on asyncio's streams: who connects says a name, and then hears what the others say.
//!
//! `cargo run --example asyncio_chat [port]`, and elsewhere `nc 127.0.0.1 7777`, as often as you like; or a program on
//! Python's own asyncio: `python3 tests/python/chat_client.py 7777`. Ctrl-C ends it.
//!
//! One event loop serves all: each client is a task, and they take their steps one after the other.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use filch::asyncio::{RunError, Runner, Server, StreamReader, StreamWriter, start_server};
use filch::net::ToSocketAddrs;

/// A client who lets so much wait that others say is not listening. Unit: bytes.
const PATIENCE: usize = 1 << 20;

fn main() -> io::Result<()> {
    let port = match std::env::args().nth(1) {
        Some(port) => port.parse().map_err(io::Error::other)?,
        None => 7777,
    };
    let outcome = Runner::new().run(async move {
        let outcome = open(("127.0.0.1", port)).await;
        let server = outcome.map_err(|error| error.to_string())?;
        println!("chatting on {}", server.local_addrs()[0]);
        server
            .serve_forever()
            .await
            .map_err(|error| error.to_string())
    });
    match outcome {
        Ok(outcome) => outcome.map_err(io::Error::other),
        Err(RunError::KeyboardInterrupt) => {
            println!("bye");
            Ok(())
        }
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Who is there, by name.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<BTreeMap<String, StreamWriter>>>);

impl Room {
    /// None if the name is taken.
    fn enter(&self, name: &str, writer: &StreamWriter) -> Option<Guest> {
        let mut guests = self.0.lock().unwrap();
        if name.is_empty() || guests.contains_key(name) {
            return None;
        }
        let others: Vec<_> = guests.keys().map(String::as_str).collect();
        let there = if others.is_empty() {
            "nobody".to_owned()
        } else {
            others.join(", ")
        };
        writer.write(format!("* here: {there}\n"));
        guests.insert(name.to_owned(), writer.clone());
        drop(guests);
        let guest = Guest {
            room: self.clone(),
            name: name.to_owned(),
        };
        guest.tells_others(&format!("* {name} is here\n"));
        Some(guest)
    }
}

/// One who is in the room, until it is dropped.
struct Guest {
    room: Room,
    name: String,
}

impl Guest {
    fn tells_others(&self, line: &str) {
        for (name, writer) in &*self.room.0.lock().unwrap() {
            if writer.write_buffer_size() > PATIENCE {
                // Its own task finds that the connection is gone.
                writer.abort();
            } else if *name != self.name {
                // Never waits: who is slow holds up nobody.
                writer.write(line);
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.room.0.lock().unwrap().remove(&self.name);
        self.tells_others(&format!("* {} has left\n", self.name));
    }
}

/// Opens a room.
pub(crate) async fn open(addr: impl ToSocketAddrs) -> io::Result<Server> {
    let room = Room::default();
    let welcome = move |reader, writer| {
        let room = room.clone();
        async move {
            if let Err(error) = chat(&room, &reader, &writer).await {
                println!("{:?} lost: {error}", writer.peer_addr());
            }
        }
    };
    start_server(welcome, addr).await
}

async fn chat(room: &Room, reader: &StreamReader, writer: &StreamWriter) -> io::Result<()> {
    writer.write("name?\n");
    let guest = loop {
        let line = reader.readline().await?;
        if line.is_empty() {
            return Ok(());
        }
        let name = String::from_utf8_lossy(&line);
        match room.enter(name.trim(), writer) {
            Some(guest) => break guest,
            None => writer.write("* taken; another name?\n"),
        }
    };
    let mut lines = reader.lines();
    while let Some(line) = lines.next().await {
        // Ends here, with an error, if the line is longer than 64 KiB.
        let line = line?;
        let said = String::from_utf8_lossy(&line);
        guest.tells_others(&format!("{}: {}\n", guest.name, said.trim_end()));
        writer.drain().await?;
    }
    Ok(())
}
