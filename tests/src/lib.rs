//! What the end-to-end stories stand on. Never needed by the product.

pub mod scenario;
pub mod sim;
pub mod torture;
