//! A process ends when its owner does.
//!
//! The owner holds the other end of its standard input. However the owner ends, `kill -9` included,
//! the system closes that end, and reading here comes to an end.

use std::io::Read;

/// From now on this process ends when its standard input does.
pub fn end_with_owner() {
    std::thread::spawn(|| {
        wait_for_end();
        std::process::exit(0);
    });
}

/// Returns when whoever holds the other end of standard input has let go of it.
pub fn wait_for_end() {
    let mut buffer = [0; 256];
    let mut input = std::io::stdin();
    // An interrupted read is not the end.
    while match input.read(&mut buffer) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == std::io::ErrorKind::Interrupted,
    } {}
}
