#![no_main]

use fieldgate_codecs_fuzz::cases;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| cases::mpeg_rtp(data));
