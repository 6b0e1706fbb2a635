#![no_main]

use fieldgate_codecs_fuzz::container_flv_cases;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| container_flv_cases::rtmp_chunks(data));
