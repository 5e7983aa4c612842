//! A program that names `tokio::io` needs a rename and nothing else: the names of std that tokio re-exports are there, too.

use filch::io::{self, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, ErrorKind, SeekFrom};

#[filch::test]
async fn a_function_returns_the_result_of_io() -> io::Result<()> {
    let mut words = std::io::Cursor::new(b"two words".to_vec());
    words.seek(SeekFrom::Start(4)).await?;
    let mut word = String::new();
    words.read_to_string(&mut word).await?;
    assert_eq!(word, "words");
    let end = words.read_u8().await.unwrap_err();
    assert_eq!(end.kind(), ErrorKind::UnexpectedEof);
    let own: io::Error = io::Error::other("mine");
    assert_eq!(own.to_string(), "mine");
    Ok(())
}

/// A one-way stream and a joined pair can be named in a field, as in tokio.
struct Pipes {
    one_way: io::WriteHalf<io::SimplexStream>,
    both: io::Join<io::ReadHalf<io::SimplexStream>, io::Sink>,
}

#[filch::test]
async fn the_types_of_simplex_and_join_have_names() -> io::Result<()> {
    let (reader, one_way) = io::simplex(16);
    let both = io::join(reader, io::sink());
    let mut pipes = Pipes { one_way, both };
    pipes.one_way.write_all(b"tea").await?;
    pipes.one_way.shutdown().await?;
    let mut word = String::new();
    pipes.both.read_to_string(&mut word).await?;
    pipes.both.write_all(b"into the sink").await?;
    assert_eq!(word, "tea");
    Ok(())
}

#[filch::test]
async fn a_copy_in_both_directions_takes_sizes() -> io::Result<()> {
    let (mut client, mut left) = io::duplex(16);
    let (mut right, mut server) = io::duplex(16);
    let proxy = filch::spawn(async move {
        io::copy_bidirectional_with_sizes(&mut left, &mut right, 4, 8).await
    });
    client.write_all(b"question").await?;
    client.shutdown().await?;
    let mut question = String::new();
    server.read_to_string(&mut question).await?;
    server.write_all(b"answer").await?;
    server.shutdown().await?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    assert_eq!((&question[..], &answer[..]), ("question", "answer"));
    assert_eq!(proxy.await.unwrap()?, (8, 6));
    Ok(())
}
