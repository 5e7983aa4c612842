//! Bytes in the order in which they came: taken from the front, added at the end.

/// A queue of bytes in one piece, so that they can be searched and handed to the kernel as a slice.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// Those before it have been taken.
    start: usize,
    /// How many were taken or dropped since the beginning.
    taken: u64,
}

impl Buffer {
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many bytes came since the beginning.
    pub(super) fn came(&self) -> u64 {
        self.taken + self.len() as u64
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.close_up();
        self.bytes.extend_from_slice(bytes);
    }

    /// The memory with room for so many bytes more at its end. What is before stays.
    pub(super) fn room(&mut self, bytes: usize) -> &mut Vec<u8> {
        self.close_up();
        self.bytes.reserve(bytes);
        &mut self.bytes
    }

    /// Moves the bytes to the front of the memory, if that is worth it: each byte is moved once at most for each one that
    /// was taken.
    fn close_up(&mut self) {
        if self.start > 0 && self.start >= self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// The first `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Vec<u8> {
        if n >= LARGE && n == self.len() && self.start == 0 {
            self.taken += n as u64;
            return std::mem::take(&mut self.bytes);
        }
        let taken = self.as_slice()[..n].to_vec();
        self.forget(n);
        taken
    }

    /// All bytes.
    pub(super) fn take_all(&mut self) -> Vec<u8> {
        self.take(self.len())
    }

    /// Drops the first `n` bytes.
    pub(super) fn forget(&mut self, n: usize) {
        debug_assert!(n <= self.len());
        self.start += n;
        self.taken += n as u64;
        if self.start >= self.bytes.len() {
            self.clear();
        }
    }

    /// Drops all bytes, and the memory if it is a lot.
    pub(super) fn clear(&mut self) {
        self.taken += self.len() as u64;
        self.start = 0;
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
    }

    /// Where `wanted` stands first, at or after `from`.
    pub(super) fn find(&self, wanted: &[u8], from: usize) -> Option<usize> {
        let (&first, rest) = wanted.split_first()?;
        let bytes = self.as_slice();
        let mut at = from;
        loop {
            at += bytes.get(at..)?.iter().position(|&byte| byte == first)?;
            if bytes[at + 1..].starts_with(rest) {
                return Some(at);
            }
            at += 1;
        }
    }
}

/// A piece so large is handed out with its memory, and is not copied. Unit: bytes.
const LARGE: usize = 8 * 1024;

/// Memory that an empty buffer keeps for the bytes to come. Unit: bytes.
const KEPT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_the_order_in_which_they_came() {
        let mut buffer = Buffer::default();
        let mut next = (0u8, 0u8);
        for round in 1..200 {
            let some: Vec<u8> = (0..round).map(|n| next.0.wrapping_add(n as u8)).collect();
            next.0 = next.0.wrapping_add(round as u8);
            buffer.push(&some);
            for byte in buffer.take(buffer.len().min(round + round % 3 - 1)) {
                assert_eq!(byte, next.1);
                next.1 = next.1.wrapping_add(1);
            }
        }
        let rest = buffer.take_all();
        assert!(rest.iter().all(|byte| {
            next.1 = next.1.wrapping_add(1);
            byte.wrapping_add(1) == next.1
        }));
        assert_eq!(next.0, next.1);
        assert!(buffer.is_empty());
    }

    #[test]
    fn find_looks_from_a_place_on() {
        let mut buffer = Buffer::default();
        buffer.push(b"..ab.aab");
        buffer.forget(1);
        assert_eq!(buffer.find(b"ab", 0), Some(1));
        assert_eq!(buffer.find(b"ab", 2), Some(5));
        assert_eq!(buffer.find(b"aab", 0), Some(4));
        assert_eq!(buffer.find(b"b.", 0), Some(2));
        assert_eq!(buffer.find(b"ab", 6), None);
        assert_eq!(buffer.find(b"ab", 60), None);
        assert_eq!(buffer.find(b"bb", 0), None);
    }
}
