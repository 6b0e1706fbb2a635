#![no_main]

use fieldgate_codecs_fuzz::bundle_wire_cases;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| bundle_wire_cases::bundle_wire(data));
