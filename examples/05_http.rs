//! A small HTTP/1 server: hyper on filch's streams, with no tokio runtime about.
//!
//! `cargo run --release --example 05_http [port]`, and elsewhere `curl http://127.0.0.1:8080/` or
//! `curl -d tea http://127.0.0.1:8080/echo`. Ctrl-C ends it.

use std::io;
use std::time::Duration;

use filch::net::TcpListener;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

#[filch::main]
async fn main() -> io::Result<()> {
    let port = match std::env::args().nth(1) {
        Some(port) => port.parse().map_err(io::Error::other)?,
        None => 8080,
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("serving http://{}/", listener.local_addr()?);
    serve(listener).await;
    Ok(())
}

/// Accepts for ever; each connection is a task, and hyper keeps it alive for as many requests as come.
pub(crate) async fn serve(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                filch::spawn(async move {
                    // hyper asks for its own I/O traits; the adapter makes them of tokio's, which filch's streams have.
                    let connection = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service_fn(answer));
                    if let Err(error) = connection.await {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            Err(error) => {
                eprintln!("accept: {error}");
                filch::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// `/` says hello, `/echo` says what it was told, there is nothing else.
async fn answer(request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => (StatusCode::OK, Bytes::from_static(b"Hello from filch\n")),
        (&Method::POST, "/echo") => {
            let body = request.into_body().collect().await?;
            (StatusCode::OK, body.to_bytes())
        }
        _ => (StatusCode::NOT_FOUND, Bytes::from_static(b"nothing here\n")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    Ok(response)
}
