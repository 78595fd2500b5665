#![no_main]

#[path = "../checks/csr.rs"]
mod csr;

libfuzzer_sys::fuzz_target!(|data: &[u8]| csr::check(data));
