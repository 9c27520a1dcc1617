//! The counts behind a brand's figures.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `told` | what of a viewer is counted that no interaction tells: what was written to them, their stops |
//! | `counts` | what each viewer adds, and the sums that this changes |
//! | `sums` | the sums, read |

mod counts;
mod sums;
mod told;

pub use counts::{KpiChange, KpiCount};
pub use sums::KpiStretch;
pub use told::WrittenSend;
