//! The codec of all calls: prost's, with buffers for streams that are idle most of the time.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::BufferSettings;
use tonic::codec::Codec;
use tonic_prost::ProstCodec;
use tonic_prost::ProstDecoder;
use tonic_prost::ProstEncoder;

/// What a stream's buffer holds before it grows, in bytes. Every open stream has one for each
/// direction, and tonic's default of 8 KiB made up half of what an idle node costs a hub.
const FIRST_BYTES: usize = 512;

/// How much is encoded before it is handed to the connection, in bytes: tonic's default.
const HANDED_OVER_BYTES: usize = 32 * 1024;

/// Encodes and decodes messages by prost, with small first buffers.
#[derive(Debug, Clone)]
pub struct LeanCodec<T, U> {
    messages: PhantomData<(T, U)>,
}

impl<T, U> Default for LeanCodec<T, U> {
    fn default() -> Self {
        Self { messages: PhantomData }
    }
}

impl<T, U> Codec for LeanCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(settings())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(settings())
    }
}

fn settings() -> BufferSettings {
    BufferSettings::new(FIRST_BYTES, HANDED_OVER_BYTES)
}
