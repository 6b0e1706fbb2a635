#![no_main]

use fieldgate_codecs_fuzz::bundle_peer_cases;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| bundle_peer_cases::bundle_door(data));
