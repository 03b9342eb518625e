//! Who may speak to this host's HTTP side: the `Host` and the `Origin` of a request, loopback included.
//!
//! A web page anywhere can make a browser send requests to the reader's own machine, and by DNS rebinding under a name of
//! its own; WebSockets are not even held back by the browser.

use std::net::IpAddr;

/// The names a host answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnNames {
    listen: IpAddr,
    /// Further names in lower case: with a port, that port alone; without one, any.
    given: Vec<String>,
}

/// Why a request is turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    #[error("the request names no host")]
    NoHost,
    #[error(
        "this host does not answer to the name `{0}`: use 127.0.0.1 or localhost, or add the name to `hosts` in `[host]`"
    )]
    Host(String),
    #[error(
        "a page from `{origin}` may not talk to `{host}`; behind a proxy, pass the `Host` header on as the browser sent it"
    )]
    Origin { origin: String, host: String },
}

impl OwnNames {
    /// Loopback, the address that is listened on, and the names the config gives, such as `chat.example.com` or
    /// `box.lan:8080`.
    pub fn new(listen: IpAddr, given: &[String]) -> Self {
        Self { listen, given: given.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// Checks a request's `Host` and, where there is one, its `Origin`, which must be that very host.
    pub fn check(&self, host: Option<&str>, origin: Option<&str>) -> Result<(), Foreign> {
        let host = host.ok_or(Foreign::NoHost)?.to_ascii_lowercase();
        if !self.include(&host) {
            return Err(Foreign::Host(host));
        }
        match origin {
            Some(origin) if !same_origin(&origin.to_ascii_lowercase(), &host) => {
                Err(Foreign::Origin { origin: origin.to_owned(), host })
            }
            _ => Ok(()),
        }
    }

    fn include(&self, host: &str) -> bool {
        let (name, _) = split_port(host);
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            // A rebound name is a name: who asks for an address means that address. Ports of addresses and of loopback
            // are not compared, since a forwarded port is another one.
            Ok(ip) if ip.is_loopback() || ip == self.listen || self.listen.is_unspecified() => true,
            _ => name == "localhost" || self.given.iter().any(|given| given == host || given == name),
        }
    }
}

/// Whether an origin is `http` or `https` at this host. The scheme's own port may be left out on either side.
fn same_origin(origin: &str, host: &str) -> bool {
    let at = |scheme: &str, port: &str| {
        let with_port = |text: &str| match split_port(text) {
            (name, None) => format!("{name}:{port}"),
            _ => text.to_owned(),
        };
        origin.strip_prefix(scheme).is_some_and(|authority| with_port(authority) == with_port(host))
    };
    at("http://", "80") || at("https://", "443")
}

fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listen: &str, host: &str, origin: Option<&str>) -> Result<(), Foreign> {
        let given = ["Chat.example.com".to_owned(), "box.lan:8080".to_owned()];
        OwnNames::new(listen.parse().unwrap(), &given).check(Some(host), origin)
    }

    #[test]
    fn only_own_names_are_answered() {
        for good in ["localhost:1", "LocalHost", "127.0.0.1:18789", "127.9.9.9", "[::1]:80", "[::1]"] {
            assert_eq!(check("127.0.0.1", good, None), Ok(()), "{good}");
        }
        for good in ["chat.example.com", "Chat.Example.com:8443", "box.lan:8080"] {
            assert_eq!(check("127.0.0.1", good, None), Ok(()), "{good}");
        }
        for bad in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:1", "10.0.0.1", "box.lan", ""] {
            assert!(matches!(check("127.0.0.1", bad, None), Err(Foreign::Host(_))), "{bad}");
        }
        assert_eq!(OwnNames::new("127.0.0.1".parse().unwrap(), &[]).check(None, None), Err(Foreign::NoHost));
    }

    #[test]
    fn the_address_that_is_listened_on_is_an_own_name() {
        for (listen, host) in [("192.0.2.1", "192.0.2.1:18789"), ("0.0.0.0", "192.0.2.1"), ("::1", "[::1]:18789")] {
            assert_eq!(check(listen, host, None), Ok(()), "{listen} {host}");
        }
        for (listen, host) in [("192.0.2.1", "192.0.2.2:18789"), ("0.0.0.0", "evil.example:18789")] {
            assert!(matches!(check(listen, host, None), Err(Foreign::Host(_))), "{listen} {host}");
        }
    }

    #[test]
    fn an_origin_must_be_the_host_itself() {
        for (host, origin) in [
            ("localhost:18789", "http://localhost:18789"),
            ("chat.example.com", "https://chat.example.com"),
            ("chat.example.com:443", "https://Chat.example.com"),
            ("localhost", "http://localhost:80"),
        ] {
            assert_eq!(check("127.0.0.1", host, Some(origin)), Ok(()), "{origin}");
        }
        for (host, origin) in [
            ("localhost:18789", "http://localhost:3000"),
            ("localhost:18789", "http://evil.example"),
            ("localhost:18789", "null"),
            ("chat.example.com:80", "https://chat.example.com"),
            ("chat.example.com", "ftp://chat.example.com"),
        ] {
            assert!(matches!(check("127.0.0.1", host, Some(origin)), Err(Foreign::Origin { .. })), "{origin}");
        }
    }
}
