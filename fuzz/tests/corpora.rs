//! Every input of the corpora, replayed: those that the fuzzer found to reach something new, and those that once failed.

use std::fs;
use std::path::Path;

#[test]
fn what_the_fuzzer_found_holds() {
    for (name, target) in keycask_fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora").join(name);
        let inputs: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(inputs.len() >= 5, "{} inputs of {name}", inputs.len());
        for input in &inputs {
            target(&fs::read(input).unwrap());
        }
        println!("{name}: {} inputs", inputs.len());
    }
}
