//! Reads fixed layouts: big-endian, in order, to the last byte.

/// What is left of the bytes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `N` bytes; `None` where there are fewer.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    /// Bytes with their length before them (4 bytes), `limit` at most.
    pub(crate) fn bytes(&mut self, limit: usize) -> Option<&'a [u8]> {
        let len = usize::try_from(u32::from_be_bytes(self.array()?)).ok()?;
        if len > limit {
            return None;
        }
        let (head, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(head)
    }

    /// Whether everything was read.
    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_short_or_too_long_is_not_read() {
        let mut reader = Reader::new(&[0, 0, 0, 2, 7, 8, 9]);
        assert_eq!(reader.bytes(2), Some(&[7, 8][..]));
        assert!(!reader.is_done());
        assert_eq!(reader.array::<2>(), None);
        assert_eq!(reader.array::<1>(), Some([9]));
        assert!(reader.is_done());
        assert_eq!(Reader::new(&[0, 0, 0, 2, 7, 8]).bytes(1), None);
        assert_eq!(Reader::new(&[0, 0, 0, 2, 7]).bytes(9), None);
    }
}
