//! Random numbers: real ones for skills; for Expert logic all from one seed, which is the first thing in its journal,
//! so that a run that is repeated sees the same.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use wasmtime_wasi::WasiCtxBuilder;

pub(crate) fn seeded(wasi: &mut WasiCtxBuilder, seed: [u8; 32]) {
    // Streams of one seed: what one interface is asked for does not change what another answers.
    let stream = |number| {
        let mut random = ChaCha20Rng::from_seed(seed);
        random.set_stream(number);
        random
    };
    wasi.secure_random(stream(0));
    wasi.insecure_random(stream(1));
    let mut bytes = [0; 16];
    rand::Rng::fill_bytes(&mut stream(2), &mut bytes);
    wasi.insecure_random_seed(u128::from_le_bytes(bytes));
}
