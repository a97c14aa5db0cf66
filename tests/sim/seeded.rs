//! Seeds of worlds, so that each can be repeated.

/// Says how to repeat a world when a test in it fails.
pub struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Seeded {
        println!("seed {seed}");
        Seeded(seed)
    }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            eprintln!("repeat: SPRAT_SEED={seed} cargo test --release --test sim one_world");
        }
    }
}
