//! The tool from outside: `lockbox` as scripts use it.

mod applets;
mod arguments;
mod costs;
mod doctor;
mod existence;
mod field;
mod hostile;
mod limits;
mod list;
mod peers;
mod run;
mod size;
mod status;
mod surroundings;
