//! The tool from outside: `lockbox` as scripts use it.

mod run;
mod size;
mod status;
