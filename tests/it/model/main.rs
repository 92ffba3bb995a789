//! The protocols, explored exhaustively in small worlds: the code that ships, on a modelled disk.

mod diagrams;
mod existence;
mod kernel;
mod originals;
mod parity;
mod programs;
mod waiting;
mod walks;
