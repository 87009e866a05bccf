//! Writes the seeds of every target to `corpus/<target>/`. Files of other names, such as past crashes, stay.
//!
//! `cargo run --manifest-path fuzz/Cargo.toml --bin seeds`

use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, seeds) in fountain_fuzz::TARGETS {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds() {
            std::fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}
