//! The tool from outside: `lockbox` as scripts use it.

mod peers;
mod run;
mod size;
mod status;
mod surroundings;
