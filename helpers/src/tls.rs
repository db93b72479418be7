//! Which cryptography TLS uses.
//!
//! reqwest's own choice needs cmake on some machines and half a minute to compile, so it is built
//! without one, and every client, also one for plain HTTP, would panic until a program names its
//! choice. Notebooks make clients wherever they like, so it is named when this library is loaded.

/// Called by the system's loader, before `main` or when a cell's shared object is opened.
extern "C" fn choose() {
    // An error means that somebody has chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

// SAFETY: the loader calls each entry of this section once, with arguments that `choose` need not
// take under the C calling convention. `choose` needs no more than memory to be at hand.
#[used]
#[cfg_attr(
    any(target_os = "macos", target_os = "ios"),
    unsafe(link_section = "__DATA,__mod_init_func")
)]
#[cfg_attr(
    not(any(target_os = "macos", target_os = "ios")),
    unsafe(link_section = ".init_array")
)]
static CHOOSE: extern "C" fn() = choose;

#[cfg(test)]
mod tests {
    #[test]
    fn a_client_can_be_made_without_further_ado() {
        reqwest::Client::builder().no_proxy().build().unwrap();
    }
}
