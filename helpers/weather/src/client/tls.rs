//! Which cryptography TLS uses.
//!
//! reqwest's own choice needs cmake on some machines and half a minute to compile, so it is built
//! without one, and every client, also one for plain HTTP, would panic until a program names its
//! choice. Notebooks make clients wherever they like, so helpers names it when it is loaded.

/// Names the choice; needs no more than memory to be at hand.
pub fn choose() {
    // An error means that somebody has chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_client_can_be_made_without_further_ado() {
        super::choose();
        reqwest::Client::builder().no_proxy().build().unwrap();
    }
}
