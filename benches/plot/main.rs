//! Draws `benches/fleet.svg` from `benches/fleet.csv`: `cargo bench --profile dev --bench plot`.

mod draw;

fn main() {
    std::fs::write(draw::PLOT, draw::plot()).expect("the plot is written");
    println!("{}", draw::PLOT);
}
