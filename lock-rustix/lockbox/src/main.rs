//! The executable: an entry point and nothing else. Everything it does is in the library.
#![no_std]
#![no_main]

mod start;
