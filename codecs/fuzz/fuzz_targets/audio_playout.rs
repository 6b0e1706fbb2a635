#![no_main]

use fieldgate_codecs_fuzz::audio_cases;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| audio_cases::playout(data));
