#![no_main]

use fieldgate_codecs_fuzz::bundle_unit_cases;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| bundle_unit_cases::bundle_pieces(data));
