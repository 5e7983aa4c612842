//! Receives into memory that nobody has written yet; the one `unsafe` of this crate.

use std::io;
use std::os::fd::AsFd;

use rustix::net::{RecvFlags, recv};
use tokio::io::ReadBuf;

/// Receives once into the unfilled part of `buf`, and counts what came as filled.
pub(crate) fn receive(
    socket: impl AsFd,
    buf: &mut ReadBuf<'_>,
    flags: RecvFlags,
) -> io::Result<usize> {
    // With this flag the kernel counts bytes that it did not write.
    assert!(
        !flags.contains(RecvFlags::TRUNC),
        "MSG_TRUNC cannot fill a buffer"
    );
    // SAFETY: two hazards, that a byte `buf` knows as initialised is made uninitialised, and that one nobody wrote is
    // declared initialised. Neither can happen:
    // - `unfilled_mut` lends the bytes to `recv` alone, which hands them to the kernel; the kernel writes bytes, it
    //   never unwrites one, and beyond what it received it writes nothing;
    // - `got` is the front of the unfilled part, the bytes that `recv` says the kernel wrote, and its length is all that
    //   is declared. On an error nothing is.
    let got = unsafe {
        let ((got, _rest), _) = recv(socket, buf.unfilled_mut(), flags)?;
        let got = got.len();
        buf.assume_init(got);
        got
    };
    buf.advance(got);
    Ok(got)
}
