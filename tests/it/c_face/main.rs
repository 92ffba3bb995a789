//! The C face: its header, what its library asks of a program, and C programs that use all of it,
//! beside lockbox, with libc and without.

mod building;
mod header;
mod library;
mod locks;
mod programs;
mod refusals;
