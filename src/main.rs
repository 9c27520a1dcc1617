//! The one binary of Afterglow.
fn main() {}
