//! Names the assets after their content.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

fn main() {
    for (name, file) in [("STYLE", "style.css"), ("SCRIPT", "console.js"), ("HTMX", "htmx.min.js")] {
        let path = format!("assets/{file}");
        println!("cargo::rerun-if-changed={path}");
        let mut hasher = DefaultHasher::new();
        std::fs::read(&path).unwrap_or_default().hash(&mut hasher);
        println!("cargo::rustc-env=AFTERGLOW_{name}_HASH={:016x}", hasher.finish());
    }
}
