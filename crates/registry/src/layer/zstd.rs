//! Zstandard as layers use it: any number of frames, one after the other, and others to be skipped.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// How much a frame may look back, in bytes, all of which is held in memory. The zstd program takes no more either, unless told to.
const WINDOW_MAX: u64 = 128 << 20;

/// Decompresses what is read through it.
pub(super) struct ZstdReader<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> ZstdReader<R> {
    pub(super) fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_MAX);
        Self { source, decoder, in_frame: false }
    }

    /// Begins the next frame. `false` when there is none.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
                    if skipped < u64::from(length) {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.in_frame = true;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                // One block, at most 128 KiB, at a time.
                self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1)).map_err(io::Error::other)?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.in_frame = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame that holds `content` (at most 255 bytes) as it is, by RFC 8878.
    fn frame(content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        let block = 1 | u32::from(length) << 3;
        let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, length];
        bytes.extend(&block.to_le_bytes()[..3]);
        bytes.extend(content);
        bytes
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        ZstdReader::new(bytes).read_to_end(&mut read)?;
        Ok(read)
    }

    #[test]
    fn frames_follow_one_another_and_others_are_skipped() {
        let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"not"].concat();
        let all = [frame(b"one, "), skipped.clone(), frame(b""), frame(b"two"), skipped].concat();
        assert_eq!(read(&all).unwrap(), b"one, two");
        assert_eq!(read(b"").unwrap(), b"");
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_an_error() {
        let whole = frame(b"content");
        for end in 1..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end} bytes");
        }
        assert!(read(&[&whole[..], b"rubbish"].concat()).is_err());
        assert!(read(&[0x5a, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 1]).is_err());
    }

    #[test]
    fn a_frame_that_wants_more_memory_than_any_layer_needs_is_refused() {
        // A window of 2^(10+20) bytes.
        let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 1, 0, 0];
        assert!(read(&greedy).is_err());
    }
}
