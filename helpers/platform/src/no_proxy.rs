//! What is on this machine is not asked for through a proxy.

/// This machine's names for itself.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "::1"];

/// What `no_proxy` must be for a process that asks this machine itself, in both spellings: some
/// programs know only one. Nothing where there is no proxy.
pub fn without_proxy(variable: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    let filled = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let proxies =
        ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    if !proxies.iter().any(|name| filled(name).is_some()) {
        return Vec::new();
    }
    [("no_proxy", "NO_PROXY"), ("NO_PROXY", "no_proxy")]
        .into_iter()
        .map(|(name, other)| {
            let listed = filled(name).or_else(|| filled(other)).unwrap_or_default();
            let entries: Vec<&str> = listed.split(',').map(str::trim).collect();
            // A star stands for every host, but only where nothing stands beside it.
            if entries == ["*"] {
                return (name, listed);
            }
            let missing = LOOPBACK.iter().filter(|host| !entries.contains(host));
            let all = entries.iter().filter(|entry| !entry.is_empty());
            let all: Vec<&str> = all.chain(missing).copied().collect();
            (name, all.join(","))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_not_asked_for_through_a_proxy() {
        let with = |variables: &[(&str, &str)]| {
            without_proxy(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.to_string())
            })
        };
        assert_eq!(with(&[]), []);
        assert_eq!(with(&[("no_proxy", "a.example")]), []);
        let own = "127.0.0.1,localhost,::1";
        let both = |lower: &str, upper: &str| {
            [("no_proxy", lower.to_owned()), ("NO_PROXY", upper.to_owned())]
        };
        assert_eq!(with(&[("ALL_PROXY", "http://p")]), both(own, own));
        // What the reader listed stays, also for programs that know the other spelling.
        let listed = [("https_proxy", "http://p"), ("NO_PROXY", "a.example, localhost")];
        let all = "a.example,localhost,127.0.0.1,::1";
        assert_eq!(with(&listed), both(all, all));
        let apart = [("http_proxy", "http://p"), ("NO_PROXY", "a"), ("no_proxy", "b")];
        assert_eq!(with(&apart), both(&format!("b,{own}"), &format!("a,{own}")));
        assert_eq!(with(&[("http_proxy", "http://p"), ("no_proxy", "*")]), both("*", "*"));
    }
}
