//! What is done when this library is loaded: before `main`, or when the first cell's shared object is
//! opened. A notebook's cells come later, whatever they begin with.

use crate::outlet;
use weather::tls;

/// Called by the system's loader.
extern "C" fn loaded() {
    tls::choose();
    outlet::lay();
}

// SAFETY: the loader calls each entry of this section once, with arguments that `loaded` need not
// take under the C calling convention.
#[used]
#[cfg_attr(
    any(target_os = "macos", target_os = "ios"),
    unsafe(link_section = "__DATA,__mod_init_func")
)]
#[cfg_attr(not(any(target_os = "macos", target_os = "ios")), unsafe(link_section = ".init_array"))]
static LOADED: extern "C" fn() = loaded;
