//! The grid rule: how a file's content gets its name, in one pass.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

use super::Digest;

/// The size of a chunk in bytes; only the last chunk of a content may be shorter.
pub const CHUNK_SIZE: usize = 64 * 1024;

/// Names a file's content: its size and its digest by the grid rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentId {
    /// The size in bytes.
    pub size: u64,
    /// Plain SHA-256 up to [`CHUNK_SIZE`] bytes, else the SHA-256 over the chunks' digests.
    pub digest: Digest,
}

impl ContentId {
    /// Names bytes that are at hand; for a stream use a [`Hasher`].
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Names content by its size and the digests of its chunks, or `None` where their number does
    /// not fit the size.
    ///
    /// A receiver checks an announced list of chunks with it before it trusts any of them.
    /// Empty content has one empty chunk.
    #[must_use]
    pub fn of_chunks(size: u64, chunks: &[Digest]) -> Option<Self> {
        if chunks.len() as u64 != Self::chunk_count(size) {
            return None;
        }
        let digest = match chunks {
            [only] => *only,
            many => {
                let mut list = Sha256::new();
                for chunk in many {
                    list.update(chunk.as_bytes());
                }
                Digest(list.finalize().into())
            }
        };
        Some(Self { size, digest })
    }

    /// How many chunks content of `size` bytes has; at least one.
    #[must_use]
    pub const fn chunk_count(size: u64) -> u64 {
        if size == 0 { 1 } else { size.div_ceil(CHUNK_SIZE as u64) }
    }

    /// The range of all bytes, for reading the whole.
    #[must_use]
    pub const fn whole(&self) -> Range<u64> {
        0..self.size
    }
}

/// Names content piece by piece, in memory that does not grow with it.
#[derive(Clone, Default)]
pub struct Hasher {
    size: u64,
    chunk: Sha256,
    filled: usize,
    list: Sha256,
    kept: Option<Vec<Digest>>,
}

impl Hasher {
    /// Starts with no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts with no bytes and keeps the digest of each chunk: 32 bytes in memory a chunk.
    #[must_use]
    pub fn keeping_chunks() -> Self {
        Self { kept: Some(Vec::new()), ..Self::default() }
    }

    /// Takes the next bytes, cut anyhow.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            // A full chunk is closed only when more follows: a single one is the whole's digest.
            if self.filled == CHUNK_SIZE {
                self.close_chunk();
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_SIZE - self.filled));
            self.chunk.update(now);
            self.filled += now.len();
            bytes = later;
        }
    }

    /// How many bytes were taken.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The name of all bytes that were taken.
    #[must_use]
    pub fn finish(self) -> ContentId {
        self.finish_with_chunks().0
    }

    /// The name of all bytes that were taken, and the digests of the chunks if they were kept.
    #[must_use]
    pub fn finish_with_chunks(mut self) -> (ContentId, Vec<Digest>) {
        let last = self.close_chunk();
        let digest =
            if self.size <= CHUNK_SIZE as u64 { last } else { Digest(self.list.finalize().into()) };
        (ContentId { size: self.size, digest }, self.kept.unwrap_or_default())
    }

    fn close_chunk(&mut self) -> Digest {
        let digest = Digest(self.chunk.finalize_reset().into());
        self.filled = 0;
        self.list.update(digest.as_bytes());
        if let Some(kept) = &mut self.kept {
            kept.push(digest);
        }
        digest
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("size", &self.size).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Computed by another program; other implementations have to get the same.
    #[test]
    fn known_names() {
        for (bytes, digest) in [
            (vec![], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (vec![0; 65_536], "de2f256064a0af797747c2b97505dc0b9f3df0de4f489eac731c23ae9ca9cc31"),
            (vec![0; 65_537], "1a64e689318110a2c0241c2ace3602f680736a307318d10af2c59b9a434d1659"),
            (
                vec![b'a'; 200_000],
                "3212b055f227b75771e7f52f03b7b1f80a8e725a3f45f9eb06e59463d52ae0e5",
            ),
        ] {
            let id = ContentId::of(&bytes);
            assert_eq!(id.size, bytes.len() as u64);
            assert_eq!(id.digest.to_string(), digest, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn up_to_one_chunk_the_digest_is_plain() {
        for length in [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE] {
            let bytes = vec![7; length];
            assert_eq!(ContentId::of(&bytes).digest, Digest::of(&bytes), "{length} bytes");
        }
    }

    #[test]
    fn a_list_of_chunks_posing_as_content_has_another_name() {
        let large = vec![1; 2 * CHUNK_SIZE];
        let list: Vec<u8> =
            large.chunks(CHUNK_SIZE).flat_map(|chunk| *Digest::of(chunk).as_bytes()).collect();
        let (large, small) = (ContentId::of(&large), ContentId::of(&list));
        assert_eq!(large.digest, small.digest);
        assert_ne!(large, small);
    }

    #[test]
    fn a_list_of_the_wrong_length_names_nothing() {
        let chunk = Digest::of(b"");
        assert_eq!(ContentId::of_chunks(0, &[chunk]), Some(ContentId::of(b"")));
        for (size, count) in [(0, 0), (1, 2), (65_536, 2), (65_537, 1), (u64::MAX, 3)] {
            assert_eq!(ContentId::of_chunks(size, &vec![chunk; count]), None, "{size} {count}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn pieces_do_not_matter(
            length in 0..4 * CHUNK_SIZE,
            seed: u8,
            cuts in prop::collection::vec(0..4 * CHUNK_SIZE, 0..6),
        ) {
            let bytes: Vec<u8> = (0..length).map(|at| (at / 251).to_le_bytes()[0] ^ seed).collect();
            let mut hasher = Hasher::keeping_chunks();
            let mut from = 0;
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(length)).collect();
            cuts.sort_unstable();
            for cut in cuts {
                hasher.update(&bytes[from..cut]);
                from = cut;
            }
            hasher.update(&bytes[from..]);
            let (id, chunks) = hasher.finish_with_chunks();
            prop_assert_eq!(id, ContentId::of(&bytes));
            prop_assert_eq!(ContentId::of_chunks(id.size, &chunks), Some(id));
            for (digest, chunk) in chunks.iter().zip(bytes.chunks(CHUNK_SIZE)) {
                prop_assert_eq!(*digest, Digest::of(chunk));
            }
        }
    }
}
