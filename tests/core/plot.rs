//! The plot that the README shows is that of the figures beside it.

#[path = "../../benches/plot/draw.rs"]
mod draw;

#[test]
fn the_plot_is_that_of_the_figures() {
    let shown = std::fs::read_to_string(draw::PLOT).expect("the plot");
    let is_current = shown == draw::plot();
    assert!(
        is_current,
        "draw it anew: cargo bench --profile dev --bench plot"
    );
}
