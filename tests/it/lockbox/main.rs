//! The tool from outside: `lockbox` as scripts use it.

mod existence;
mod peers;
mod run;
mod size;
mod status;
mod surroundings;
