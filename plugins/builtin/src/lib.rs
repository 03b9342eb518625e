//! The first-party plugins, compiled to components by the build script and embedded: what `source = "builtin:NAME"` in
//! the config names. They have no privileges over a component from a file.

static EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

static NAMES: [&str; EMBEDDED.len()] = {
    let mut names = [""; EMBEDDED.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = EMBEDDED[i].0;
        i += 1;
    }
    names
};

/// The bytes of the component of that name; none where there is no such plugin.
pub fn component(name: &str) -> Option<&'static [u8]> {
    EMBEDDED.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

/// Every name that [`component`] knows.
pub fn names() -> &'static [&'static str] {
    &NAMES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component starts with `\0asm`, and then with layer 1 where a core module has layer 0.
    #[test]
    fn every_plugin_is_a_small_component() {
        assert_eq!(names(), ["allowlist", "router", "commands", "guide", "assistant"]);
        for name in names() {
            let bytes = component(name).expect(name);
            assert_eq!(&bytes[..8], b"\0asm\x0d\0\x01\0", "{name} is not a component");
            assert!(bytes.len() < 200_000, "{name} has {} bytes", bytes.len());
        }
    }

    #[test]
    fn an_unknown_name_has_no_component() {
        assert_eq!(component("allowlists"), None);
    }
}
