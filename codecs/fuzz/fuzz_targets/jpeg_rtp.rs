#![no_main]

use fieldgate_codecs_fuzz::container_ts_cases;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| container_ts_cases::jpeg_rtp(data));
