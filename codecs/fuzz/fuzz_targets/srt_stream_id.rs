#![no_main]

use fieldgate_codecs_fuzz::engine_cases;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| engine_cases::srt_stream_id(data));
