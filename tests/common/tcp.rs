//! What the tests of TCP share.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::future::Future;
use std::io;
use std::time::Duration;

use filch::net::{TcpListener, TcpStream};

/// Runs the test as a task among 8 workers, for no longer than it can possibly need.
pub(crate) fn run(test: impl Future<Output = io::Result<()>> + Send + 'static) {
    let mut builder = filch::runtime::Builder::new_multi_thread();
    let rt = builder.worker_threads(8).enable_all().build().unwrap();
    rt.block_on(async {
        let task = filch::spawn(test);
        let done = filch::time::timeout(Duration::from_secs(20), task).await;
        done.expect("the test hangs").unwrap().unwrap();
    });
}

/// A connection, both ends of it.
pub(crate) async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?.0))
}
