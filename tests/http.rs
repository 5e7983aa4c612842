//! hyper on filch's streams, on both sides of a connection, and curl against it: the server is the example's.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use filch::net::{TcpListener, TcpStream};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;

#[path = "../examples/05_http.rs"]
#[allow(dead_code)]
mod server;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Runs the test as a task among 8 workers, beside the server.
fn run<F: Future<Output = Result> + Send + 'static>(test: impl FnOnce(SocketAddr) -> F) {
    let mut builder = filch::runtime::Builder::new_multi_thread();
    let rt = builder.worker_threads(8).enable_all().build().unwrap();
    rt.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let test = test(listener.local_addr().unwrap());
        filch::spawn(server::serve(listener));
        let done = filch::time::timeout(Duration::from_secs(30), filch::spawn(test)).await;
        done.expect("the test hangs").unwrap().unwrap();
    });
}

/// hyper's client on a connection of its own.
async fn client(addr: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(addr).await?;
    let (client, connection) = handshake(TokioIo::new(stream)).await?;
    filch::spawn(connection);
    Ok(client)
}

async fn send(
    client: &mut SendRequest<Full<Bytes>>,
    method: &str,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes)> {
    client.ready().await?;
    let request = Request::builder().method(method).uri(path);
    let request = request.header("host", "filch").body(Full::new(body))?;
    let response = client.send_request(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

#[test]
fn a_request_is_answered() {
    run(async |addr| {
        let mut client = client(addr).await?;
        let (status, body) = send(&mut client, "GET", "/", Bytes::new()).await?;
        assert_eq!(
            (status, &body[..]),
            (StatusCode::OK, &b"Hello from filch\n"[..])
        );
        Ok(())
    });
}

#[test]
fn one_connection_carries_many_requests() {
    run(async |addr| {
        let mut client = client(addr).await?;
        for round in 0..100 {
            let said = Bytes::from(format!("round {round}"));
            let (status, heard) = send(&mut client, "POST", "/echo", said.clone()).await?;
            assert_eq!((status, heard), (StatusCode::OK, said));
        }
        let (status, _) = send(&mut client, "GET", "/elsewhere", Bytes::new()).await?;
        assert_eq!(status, StatusCode::NOT_FOUND);
        Ok(())
    });
}

#[test]
fn a_large_body_goes_there_and_back() {
    run(async |addr| {
        let mut client = client(addr).await?;
        let said = Bytes::from(vec![42; 8 << 20]);
        let (status, heard) = send(&mut client, "POST", "/echo", said.clone()).await?;
        assert_eq!(status, StatusCode::OK);
        assert!(heard == said);
        Ok(())
    });
}

#[test]
fn many_clients_are_served_at_once() {
    run(async |addr| {
        let clients: Vec<_> = (0..50)
            .map(|number| {
                filch::spawn(async move {
                    let mut client = client(addr).await?;
                    for round in 0..20 {
                        let said = Bytes::from(format!("client {number}, round {round}"));
                        let (_, heard) = send(&mut client, "POST", "/echo", said.clone()).await?;
                        assert_eq!(heard, said);
                    }
                    Result::Ok(())
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap()?;
        }
        Ok(())
    });
}

#[test]
fn a_client_that_goes_in_the_middle_of_a_request_ends_nothing() {
    run(async |addr| {
        use filch::io::AsyncWriteExt;
        let mut rude = TcpStream::connect(addr).await?;
        rude.write_all(b"POST /echo HTTP/1.1\r\nhost: filch\r\ncontent-length: 100\r\n\r\nhalf")
            .await?;
        drop(rude);
        let mut client = client(addr).await?;
        assert_eq!(
            send(&mut client, "GET", "/", Bytes::new()).await?.0,
            StatusCode::OK
        );
        Ok(())
    });
}

#[test]
fn curl_is_content() {
    run(async |addr| {
        let curl = move || {
            let url = |path| format!("http://{addr}{path}");
            let mut curl = Command::new("curl");
            curl.args([
                "-sS",
                "--noproxy",
                "*",
                "--max-time",
                "10",
                "-w",
                "[%{http_code} %{num_connects}]",
            ]);
            curl.args(["-d", "tea", &url("/echo"), &url("/echo"), &url("/nowhere")]);
            curl.output()
        };
        match filch::task::spawn_blocking(curl).await.unwrap() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => eprintln!("no curl here"),
            Err(error) => return Err(error.into()),
            Ok(output) => {
                let said = String::from_utf8(output.stdout)?;
                // The second and third requests go over the connection of the first.
                assert_eq!(said, "tea[200 1]tea[200 0]nothing here\n[404 0]");
                assert!(output.status.success());
            }
        }
        Ok(())
    });
}
